/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "cli/inuse.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/sysfs.h"

/*
 * How it works: whatever a function provides has a link in sys/class whose text leads through the
 * function's own folder. Disks are found from what is in use (mounts, swap) downwards, through
 * device mapper and md by their slaves and through NVMe subsystems by their controllers. File
 * systems over several disks name only one of them, and ZFS none; so a disk that cannot be opened
 * for ourselves alone counts as in use too.
 */

#define MAX_STEPS	4096	/* of one search, in a tree that may loop */
#define MAX_LEVELS	16

struct search {
	struct gw_topology *t;
	char within[GW_PCI_ADDR_SIZE + 2];	/* "/0000:01:00.0/" */
	unsigned int steps;
	enum inuse use;
	char *text;
};

static __attribute__((format(printf, 3, 4))) void found(struct search *s, enum inuse use,
							 const char *fmt, ...)
{
	va_list ap;

	if (use <= s->use)
		return;
	s->use = use;
	va_start(ap, fmt);
	vsnprintf(s->text, INUSE_TEXT_SIZE, fmt, ap);
	va_end(ap);
}

static bool block_on(struct search *s, const char *name, unsigned int level);

/* Is one of the entries of a folder of block devices on it? */
static bool any_on(struct search *s, unsigned int level, const char *fmt, const char *name)
{
	struct dirent *e;
	bool on = false;
	DIR *dir;

	dir = sysfs_opendir(s->t, fmt, name);
	if (!dir)
		return false;
	while (!on && (e = readdir(dir)))
		if (*e->d_name != '.')
			on = block_on(s, e->d_name, level + 1);
	closedir(dir);
	return on;
}

/* A disk that several controllers of an NVMe subsystem may lead to. */
static bool subsystem_on(struct search *s, const char *link)
{
	const char *at = strstr(link, "/nvme-subsystem/");
	char name[64], to[PATH_MAX];
	struct dirent *e;
	bool on = false;
	DIR *dir;

	if (!at || sscanf(at, "/nvme-subsystem/%63[a-z0-9-]", name) != 1)
		return false;
	dir = sysfs_opendir(s->t, "sys/devices/virtual/nvme-subsystem/%s", name);
	if (!dir)
		return false;
	while (!on && (e = readdir(dir)))
		on = !sysfs_readlink(s->t, to, "sys/devices/virtual/nvme-subsystem/%s/%s", name,
				     e->d_name) && strstr(to, s->within);
	closedir(dir);
	return on;
}

static bool block_on(struct search *s, const char *name, unsigned int level)
{
	char link[PATH_MAX], *slash;

	if (level == MAX_LEVELS || s->steps++ == MAX_STEPS || strchr(name, '/') ||
	    sysfs_readlink(s->t, link, "sys/class/block/%s", name))
		return false;
	if (strstr(link, s->within) || subsystem_on(s, link))
		return true;
	if (any_on(s, level, "sys/class/block/%s/slaves", name))
		return true;
	/* a partition: the disk that it is on is what matters */
	slash = strrchr(link, '/');
	if (!slash)
		return false;
	*slash = '\0';
	slash = strrchr(link, '/');
	return slash && strcmp(slash, "/block") && block_on(s, slash + 1, level + 1);
}

/* A name below /dev, by path; those of device mapper are links. */
static bool path_on(struct search *s, const char *path)
{
	char to[PATH_MAX];
	ssize_t len;

	if (strncmp(path, "/dev/", 5))
		return false;
	len = readlink(path, to, sizeof(to) - 1);
	if (len > 0 && !*gw_topology_tree(s->t)) {
		to[len] = '\0';
		path = to;
	}
	return block_on(s, strrchr(path, '/') ? strrchr(path, '/') + 1 : path, 0);
}

/*
 * Read a file of proc that says what is in use. If it cannot be read, use is not known, unless the
 * file does not exist.
 */
static char *use_text(struct search *s, const char *file)
{
	char *text = NULL;
	int ret = sysfs_text(s->t, file, &text);

	if (ret && ret != -ENOENT)
		found(s, INUSE_YES, "it may be in use: /%s cannot be read: %s", file, strerror(-ret));
	return ret ? NULL : text;
}

static void check_mount(struct search *s, const char *line)
{
	char link[PATH_MAX], number[32], point[1024], source[1024];
	const char *dash = strstr(line, " - ");
	bool on;

	if (!dash || sscanf(line, "%*s %*s %31s %*s %1023s", number, point) != 2 ||
	    sscanf(dash, " - %*s %1023s", source) != 1)
		return;
	s->steps = 0;
	if (strspn(number, "0123456789:") == strlen(number) &&
	    !sysfs_readlink(s->t, link, "sys/dev/block/%s", number))
		on = block_on(s, strrchr(link, '/') ? strrchr(link, '/') + 1 : link, 0);
	else
		on = path_on(s, source);
	if (on)
		found(s, strcmp(point, "/") ? INUSE_YES : INUSE_ROOT,
		      "%.100s is mounted on %.160s", source, point);
}

static void check_mounts(struct search *s)
{
	char *text = use_text(s, "proc/self/mountinfo"), *rest = text, *line;

	while ((line = strsep(&rest, "\n")))
		check_mount(s, line);
	free(text);
}

static void check_swap(struct search *s)
{
	char *text = use_text(s, "proc/swaps"), *rest = text, *line, path[1024];

	while ((line = strsep(&rest, "\n"))) {
		s->steps = 0;
		if (sscanf(line, "%1023s", path) == 1 && path_on(s, path))
			found(s, INUSE_YES, "%.200s is swap", path);
	}
	free(text);
}

/*
 * A disk of the function itself: is anything built on it, does anyone have it open for himself
 * alone?
 */
static void check_disk(struct search *s, const char *name)
{
	DIR *dir = sysfs_opendir(s->t, "sys/class/block/%s/holders", name);
	char path[PATH_MAX];
	struct dirent *e;
	int fd;

	while (dir && (e = readdir(dir)))
		if (*e->d_name != '.')
			found(s, INUSE_YES, "%.100s is part of %.100s", name, e->d_name);
	if (dir)
		closedir(dir);
	if (*gw_topology_tree(s->t))
		return;
	snprintf(path, sizeof(path), "/dev/%s", name);
	fd = open(path, O_RDONLY | O_EXCL | O_NONBLOCK | O_CLOEXEC);
	if (fd >= 0)
		close(fd);
	else if (errno == EBUSY)
		found(s, INUSE_YES, "%.200s is in use", path);
}

static void check_interface(struct search *s, const char *name)
{
	char text[32];

	if (!sysfs_read(s->t, text, sizeof(text), "sys/class/net/%s/flags", name) &&
	    strtoul(text, NULL, 16) & 1)
		found(s, INUSE_YES, "its network interface %.100s is up", name);
}

static void check_class(struct search *s, const char *class_name,
			void (*check)(struct search *s, const char *name))
{
	DIR *dir = sysfs_opendir(s->t, "sys/class/%s", class_name);
	char link[PATH_MAX];
	struct dirent *e;

	if (!dir)
		return;
	while ((e = readdir(dir))) {
		if (*e->d_name != '.' &&
		    !sysfs_readlink(s->t, link, "sys/class/%s/%s", class_name, e->d_name) &&
		    (strstr(link, s->within) || subsystem_on(s, link)))
			check(s, e->d_name);
	}
	closedir(dir);
}

enum inuse inuse_check(struct gw_topology *t, const struct gw_pci_node *n,
		       char text[INUSE_TEXT_SIZE])
{
	struct search s = { .t = t, .text = text };
	char addr[GW_PCI_ADDR_SIZE], vfs[32];

	gw_pci_addr_format(&n->addr, addr);
	snprintf(s.within, sizeof(s.within), "/%s/", addr);
	check_mounts(&s);
	check_swap(&s);
	check_class(&s, "block", check_disk);
	check_class(&s, "net", check_interface);
	if (!sysfs_read(t, vfs, sizeof(vfs), "sys/bus/pci/devices/%s/sriov_numvfs", addr) &&
	    strtoul(vfs, NULL, 10))
		found(&s, INUSE_YES, "it has %s virtual functions", vfs);
	return s.use;
}
