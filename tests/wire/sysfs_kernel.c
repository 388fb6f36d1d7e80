/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Preloaded, it acts on writes to a made-up sysfs as the kernel does: overrides are kept, functions
 * are unbound and probed. The tree is $KERNEL_TREE. A function's file own_driver names the driver that
 * fits it; a driver whose name has "vfio" in it shows a node in vfio-dev. A driver with a file "fails"
 * takes nobody. $KERNEL_KILL is the number of the write before which the program is killed, counted
 * from 1, the writes that count being those to the tree.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

static const char *tree;

static void path_make(char *path, const char *fmt, const char *a, const char *b)
{
	int len = snprintf(path, PATH_MAX, "%s/sys/bus/pci/", tree);

	snprintf(path + len, PATH_MAX - (size_t)len, fmt, a, b);
}

/* The first line of a function's file; empty: there is none. */
static void attr_read(const char *bdf, const char *name, char line[64])
{
	char path[PATH_MAX];
	ssize_t n = 0;
	int fd;

	path_make(path, "devices/%s/%s", bdf, name);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd >= 0) {
		n = read(fd, line, 63);
		close(fd);
	}
	line[n < 0 ? 0 : n] = '\0';
	line[strcspn(line, "\n")] = '\0';
}

static int keep_override(const char *path, const char *text, size_t len)
{
	int fd = open(path, O_WRONLY | O_TRUNC | O_CLOEXEC);

	if (len && text[0] == '\n') {
		text = "(null)\n";
		len = 7;
	}
	syscall(SYS_write, fd, text, len);
	close(fd);
	return 0;
}

static int driver_leave(const char *bdf)
{
	char path[PATH_MAX];

	path_make(path, "devices/%s/vfio-dev/vfio0", bdf, NULL);
	rmdir(path);
	path_make(path, "devices/%s/vfio-dev", bdf, NULL);
	rmdir(path);
	path_make(path, "devices/%s/driver", bdf, NULL);
	return unlink(path) ? ENODEV : 0;
}

static int driver_take(const char *bdf, const char *name)
{
	char path[PATH_MAX], target[PATH_MAX];
	int fd;

	path_make(target, "drivers/%s", name, NULL);
	path_make(path, "drivers/%s/fails", name, NULL);
	if (access(target, F_OK) || !access(path, F_OK))
		return ENODEV;
	path_make(path, "drivers/%s/unbind", name, NULL);
	fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	close(fd);
	path_make(path, "devices/%s/driver", bdf, NULL);
	if (symlink(target, path) || !strstr(name, "vfio"))
		return 0;
	path_make(path, "devices/%s/vfio-dev", bdf, NULL);
	mkdir(path, 0700);
	path_make(path, "devices/%s/vfio-dev/vfio0", bdf, NULL);
	mkdir(path, 0700);
	return 0;
}

static int probe(const char *bdf)
{
	char path[PATH_MAX], name[64];

	path_make(path, "devices/%s/driver", bdf, NULL);
	if (!faccessat(AT_FDCWD, path, F_OK, AT_SYMLINK_NOFOLLOW))
		return 0;
	attr_read(bdf, "driver_override", name);
	if (!*name || !strcmp(name, "(null)"))
		attr_read(bdf, "own_driver", name);
	return *name ? driver_take(bdf, name) : ENODEV;
}

static int act(const char *path, const char *text, size_t len)
{
	const char *name = strrchr(path, '/') + 1;
	char bdf[64];

	snprintf(bdf, sizeof(bdf), "%.*s", (int)len, text);
	if (!strcmp(name, "driver_override"))
		return keep_override(path, text, len);
	if (!strcmp(name, "unbind"))
		return driver_leave(bdf);
	return strcmp(name, "drivers_probe") ? EACCES : probe(bdf);
}

ssize_t write(int fd, const void *text, size_t len);

ssize_t write(int fd, const void *text, size_t len)
{
	static unsigned int nr;
	char link[64], path[PATH_MAX];
	const char *kill_at = getenv("KERNEL_KILL");
	ssize_t n;
	int err;

	tree = getenv("KERNEL_TREE");
	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	n = readlink(link, path, sizeof(path) - 1);
	path[n < 0 ? 0 : n] = '\0';
	if (!tree || strncmp(path, tree, strlen(tree)))
		return syscall(SYS_write, fd, text, len);
	if (kill_at && ++nr == strtoul(kill_at, NULL, 10))
		raise(SIGKILL);
	err = act(path, text, len);
	if (!err)
		return (ssize_t)len;
	errno = err;
	return -1;
}
