/* SPDX-License-Identifier: BSD-3-Clause */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "vfio_user/wire.h"
#include "vu.h"

/*
 * Usage: vfio-client SOCKET TEST [ARGUMENT]... | - PROGRAM [ARGUMENT]...
 *
 * Drives a device over vfio-user as somebody without any privilege: the user nobody, no
 * capabilities, no memory that may be locked, no access to a group of /dev/vfio. Or has another
 * program do so.
 */

#define NOBODY	65534u

static const struct { const char *name; int (*run)(struct vu *v, int argc, char **argv); } tests[] = {
	{ "edu", edu_test },
	{ "memory", memory_test },
	{ "window", window_test },
	{ "nvme", nvme_test },
	{ "load", nvme_load },
	{ "ivshmem", ivshmem_test },
	{ "igb", igb_test },
};

static void check_no_capability(void)
{
	FILE *f = fopen("/proc/self/status", "re");
	unsigned long long caps = 1;
	char line[256];

	must(f, "/proc/self/status: %s", strerror(errno));
	while (fgets(line, sizeof(line), f)) {
		if (sscanf(line, "CapPrm: %llx", &caps) == 1 && caps)
			fail("there are capabilities left: %#llx", caps);
		if (sscanf(line, "CapEff: %llx", &caps) == 1 && caps)
			fail("there are capabilities left: %#llx", caps);
	}
	must(!caps, "capabilities are not known");
	fclose(f);
}

/* /dev/vfio/vfio is for everyone and worth nothing alone; what holds a device must be closed. */
static void check_no_group(void)
{
	DIR *dir = opendir("/dev/vfio");
	struct dirent *e;
	char path[64];

	while (dir && (e = readdir(dir))) {
		if (e->d_name[0] < '0' || e->d_name[0] > '9')
			continue;
		snprintf(path, sizeof(path), "/dev/vfio/%.16s", e->d_name);
		must(open(path, O_RDWR | O_CLOEXEC) < 0 && errno == EACCES, "%s can be opened", path);
	}
	must(dir, "/dev/vfio: %s", strerror(errno));
	closedir(dir);
}

static void drop_privileges(void)
{
	const struct rlimit none = { 0, 0 };

	must(!setrlimit(RLIMIT_MEMLOCK, &none), "memlock: %s", strerror(errno));
	must(!setgroups(0, NULL) && !setresgid(NOBODY, NOBODY, NOBODY) &&
	     !setresuid(NOBODY, NOBODY, NOBODY), "setuid: %s", strerror(errno));
	check_no_capability();
	check_no_group();
}

int main(int argc, char **argv)
{
	struct vu v;

	must(argc >= 3, "wants a socket and a test");
	drop_privileges();
	if (!strcmp(argv[1], "-")) {
		execv(argv[2], argv + 2);
		fail("%s: %s", argv[2], strerror(errno));
	}
	vu_connect(&v, argv[1]);
	for (size_t i = 0; i < sizeof(tests) / sizeof(tests[0]); i++)
		if (!strcmp(argv[2], tests[i].name))
			return tests[i].run(&v, argc - 3, argv + 3);
	fail("there is no test '%s'", argv[2]);
}
