/* SPDX-License-Identifier: BSD-3-Clause */
#include "vfio_user/private.h"

#include "base/os.h"
#include "base/shown.h"
#include "base/vmm.h"

/*
 * How it works: a VMM whose RAM is a private mapping of a file (QEMU: share=off) sends that
 * file's descriptor all the same. What the guest writes then stays in copies of the pages that
 * only the VMM has, and the device would see a file of zeroes. Nothing on the wire tells, but
 * the kernel does: in the VMM's list of mappings such a file is writable and private, and
 * nowhere writable and shared. The list is read once for each file, as firmware and vIOMMUs map
 * the same one over and over.
 */

#define MAX_LINES	131072u		/* twice the mappings a process may have by default */

struct seen {
	bool is_private, is_shared;
};

static int see(void *opaque, const struct gw_shown *s)
{
	struct seen *seen = opaque;

	seen->is_shared |= s->writable && s->shared;
	seen->is_private |= s->writable && !s->shared;
	return seen->is_shared;
}

static bool look_private(pid_t pid, uint64_t dev, uint64_t ino)
{
	struct seen seen = { 0 };

	return !gw_shown_each(pid, dev, ino, MAX_LINES, see, &seen) && seen.is_private;
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
	pid = gw_vmm_pid(sock);
	if (pid <= 0)
		return false;
	f = &p->file[p->next];
	*f = (struct gw_private_file){ dev, ino, look_private(pid, dev, ino) };
	p->next = (p->next + 1) % GW_PRIVATE_FILES;
	if (p->nr < GW_PRIVATE_FILES)
		p->nr++;
	return f->is_private;
}
