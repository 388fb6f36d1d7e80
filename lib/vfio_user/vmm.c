/* SPDX-License-Identifier: BSD-3-Clause */
#include "vfio_user/vmm.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/types.h>
#include <sys/un.h>
#include <unistd.h>

#define STARTED_FIELD	22	/* of /proc/PID/stat, counted from 1 */
#define STATE_FIELD	3	/* the first behind the name, which may hold anything */

static pid_t peer_pid(int fd)
{
#ifdef SO_PEERCRED
	struct ucred cred;
	socklen_t len = sizeof(cred);

	return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &len) ? 0 : cred.pid;
#else
	pid_t pid;
	socklen_t len = sizeof(pid);

	return getsockopt(fd, SOL_LOCAL, LOCAL_PEERPID, &pid, &len) ? 0 : pid;
#endif
}

/*
 * When a process started, in ticks since boot: numbers of processes are used again, and a child
 * may hold a dead VMM's socket. 0: the system does not say.
 */
static uint64_t process_started(pid_t pid)
{
	char path[32], text[1024], *at;
	uint64_t started = 0;
	ssize_t n;
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return 0;
	n = read(fd, text, sizeof(text) - 1);
	close(fd);
	text[n < 0 ? 0 : n] = '\0';
	at = strrchr(text, ')');
	for (unsigned int i = STATE_FIELD - 1; at && i < STARTED_FIELD; i++)
		at = strchr(at + 1, ' ');
	return at && sscanf(at, "%" SCNu64, &started) == 1 ? started : 0;
}

void gw_vmm_of_socket(int fd, struct gw_vmm *vmm)
{
	pid_t pid = peer_pid(fd);

	*vmm = (struct gw_vmm){ .name = "a process out of sight" };
	if (pid <= 0)
		return;
	vmm->id[0] = (uint64_t)pid;
	vmm->id[1] = process_started(pid);
	snprintf(vmm->name, sizeof(vmm->name), "process %d", (int)pid);
}
