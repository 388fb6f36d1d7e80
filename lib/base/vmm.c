/* SPDX-License-Identifier: BSD-3-Clause */
#include "base/vmm.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/types.h>
#include <sys/un.h>
#include <unistd.h>

#define STARTED_FIELD	22	/* of /proc/PID/stat, counted from 1 */
#define COMMAND_SIZE	19u	/* " (command)", 15 bytes at most of what it calls itself */
#define STATE_FIELD	3	/* the first behind the name, which may hold anything */

pid_t gw_vmm_pid(int fd)
{
	struct ucred cred;
	socklen_t len = sizeof(cred);

	return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &len) ? 0 : cred.pid;
}

/*
 * When a process started, in ticks since boot, and what it calls itself: numbers of processes are
 * used again, and a child may hold a dead VMM's socket. 0: the system does not say.
 */
static uint64_t process_started(pid_t pid, char command[COMMAND_SIZE])
{
	char path[32], text[1024], *name, *at;
	uint64_t started = 0;
	ssize_t n;
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
	*command = '\0';
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return 0;
	n = read(fd, text, sizeof(text) - 1);
	close(fd);
	text[n < 0 ? 0 : n] = '\0';
	name = strchr(text, '(');
	at = strrchr(text, ')');
	if (name && at > name)
		snprintf(command, COMMAND_SIZE, " %.*s", (int)(at - name + 1), name);
	for (unsigned int i = STATE_FIELD - 1; at && i < STARTED_FIELD; i++)
		at = strchr(at + 1, ' ');
	return at && sscanf(at, "%" SCNu64, &started) == 1 ? started : 0;
}

void gw_vmm_of_socket(int fd, struct gw_vmm *vmm)
{
	char command[COMMAND_SIZE];
	pid_t pid = gw_vmm_pid(fd);

	*vmm = (struct gw_vmm){ .name = "a process out of sight" };
	if (pid <= 0)
		return;
	vmm->id[0] = (uint64_t)pid;
	vmm->id[1] = process_started(pid, command);
	snprintf(vmm->name, sizeof(vmm->name), "process %d%s", (int)pid, command);
}

bool gw_vmm_is_gone(const struct gw_vmm *vmm)
{
	char command[COMMAND_SIZE];

	return vmm->id[1] && process_started((pid_t)vmm->id[0], command) != vmm->id[1];
}
