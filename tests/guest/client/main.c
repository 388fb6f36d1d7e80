/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <grp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "vfio_user/wire.h"
#include "vu.h"

/*
 * Usage: vfio-client SOCKET TEST [ARGUMENT]... | - PROGRAM [ARGUMENT]...
 *
 * Drives a device over vfio-user as somebody without any privilege: the user nobody, no
 * capabilities, no memory that may be locked, nothing of /dev/vfio that can be opened. Or has
 * another program do so.
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
	{ "error", error_test },
};

/* No capability but in the bounding set, which no_new_privs makes worthless. */
static void check_no_capability(void)
{
	FILE *f = fopen("/proc/self/status", "re");
	unsigned int seen = 0, no_new_privs = 0;
	unsigned long long caps;
	char line[256], name[8];

	must(f, "/proc/self/status: %s", strerror(errno));
	while (fgets(line, sizeof(line), f)) {
		sscanf(line, "NoNewPrivs: %u", &no_new_privs);
		if (sscanf(line, "Cap%7[^:]: %llx", name, &caps) != 2 || !strcmp(name, "Bnd"))
			continue;
		must(!caps, "there are capabilities left, Cap%s: %#llx", name, caps);
		seen++;
	}
	must(seen == 4 && no_new_privs == 1, "capabilities are not known");
	fclose(f);
}

static void check_nobody(void)
{
	uid_t u[3];
	gid_t g[3];

	must(!getresuid(&u[0], &u[1], &u[2]) && !getresgid(&g[0], &g[1], &g[2]), "who am I?");
	for (unsigned int i = 0; i < 3; i++)
		must(u[i] == NOBODY && g[i] == NOBODY, "user %u, group %u", u[i], g[i]);
	must(!getgroups(0, NULL), "there are other groups");
}

static void check_no_lock(void)
{
	struct rlimit now;
	void *page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	must(!getrlimit(RLIMIT_MEMLOCK, &now) && !now.rlim_cur && !now.rlim_max,
	     "memory may be locked");
	/* AddressSanitizer makes mlock(3) do nothing and succeed */
	must(page != MAP_FAILED && syscall(SYS_mlock, page, 4096), "a page can be locked");
	munmap(page, 4096);
}

static int closed(const char *path, const struct stat *st, int type, struct FTW *at)
{
	if (S_ISCHR(st->st_mode))
		must(open(path, O_RDWR | O_CLOEXEC) < 0 && errno == EACCES, "%s can be opened",
		     path);
	return 0;
}

/* Whatever gives access to a device, by the old way or the new one. */
static void check_no_device(void)
{
	must(!nftw("/dev/vfio", closed, 8, FTW_PHYS), "/dev/vfio: %s", strerror(errno));
	must(open("/dev/iommu", O_RDWR | O_CLOEXEC) < 0, "/dev/iommu can be opened");
}

static void drop_privileges(void)
{
	const struct rlimit none = { 0, 0 };

	must(!setrlimit(RLIMIT_MEMLOCK, &none), "memlock: %s", strerror(errno));
	must(!prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), "no_new_privs: %s", strerror(errno));
	must(!setgroups(0, NULL) && !setresgid(NOBODY, NOBODY, NOBODY) &&
	     !setresuid(NOBODY, NOBODY, NOBODY), "setuid: %s", strerror(errno));
	check_nobody();
	check_no_capability();
	check_no_lock();
	check_no_device();
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
