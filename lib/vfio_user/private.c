/* SPDX-License-Identifier: BSD-3-Clause */
#include "vfio_user/private.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/sysmacros.h>

#include "base/os.h"

/*
 * How it works: a VMM whose RAM is a private mapping of a file (QEMU: share=off) sends that
 * file's descriptor all the same. What the guest writes then stays in copies of the pages that
 * only the VMM has, and the device would see a file of zeroes. Nothing on the wire tells, but
 * the kernel does: in the VMM's list of mappings such a file is writable and private, and
 * nowhere writable and shared. The list is read once for each file, as firmware and vIOMMUs map
 * the same one over and over.
 */

#define MAX_LINES	131072u		/* twice the mappings a process may have by default */

static pid_t peer_pid(int sock)
{
	struct ucred cred;
	socklen_t len = sizeof(cred);

	/* 0: the peer is in a pid namespace that we do not see */
	return getsockopt(sock, SOL_SOCKET, SO_PEERCRED, &cred, &len) ? 0 : cred.pid;
}

/* "address perms offset major:minor inode path"; a path may hold anything but a newline. */
static bool line_is_of(const char *line, uint64_t dev, uint64_t ino, char perms[5])
{
	unsigned int maj, min;
	uint64_t i;

	return sscanf(line, "%*s %4s %*s %x:%x %" SCNu64, perms, &maj, &min, &i) == 4 &&
	       maj == major(dev) && min == minor(dev) && i == ino;
}

static bool look_private(pid_t pid, uint64_t dev, uint64_t ino)
{
	char line[256], path[sizeof("/proc/-2147483648/maps")], perms[5];
	bool is_private = false, is_shared = false, begins = true;
	FILE *maps;

	snprintf(path, sizeof(path), "/proc/%d/maps", (int)pid);
	maps = fopen(path, "re");
	if (!maps)
		return false;
	for (unsigned int i = 0; i < MAX_LINES && !is_shared; i++) {
		if (!fgets(line, sizeof(line), maps))
			break;
		if (begins && line_is_of(line, dev, ino, perms) && perms[1] == 'w') {
			is_shared = perms[3] == 's';
			is_private |= !is_shared;
		}
		begins = strchr(line, '\n');	/* else what follows is the rest of a long path */
	}
	fclose(maps);
	return is_private && !is_shared;
}

bool gw_private_memory(struct gw_private *p, int sock, int fd)
{
	struct gw_private_file *f;
	uint64_t dev, ino;
	pid_t pid;

	if (!gw_os_file_id(fd, &dev, &ino))
		return false;
	for (unsigned int i = 0; i < p->nr; i++)
		if (p->file[i].dev == dev && p->file[i].ino == ino)
			return p->file[i].is_private;
	pid = peer_pid(sock);
	if (!pid)
		return false;
	f = &p->file[p->next];
	*f = (struct gw_private_file){ dev, ino, look_private(pid, dev, ino) };
	p->next = (p->next + 1) % GW_PRIVATE_FILES;
	if (p->nr < GW_PRIVATE_FILES)
		p->nr++;
	return f->is_private;
}
