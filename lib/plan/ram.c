/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <gangway/ram.h>

#include "base/map.h"
#include "base/os.h"

/* A VMM that finds no room when it writes is ended by SIGBUS, without a word. Return: 0; -ENOSPC */
static int check_room(int fd, uint64_t size)
{
	struct statvfs fs;

	if (fstatvfs(fd, &fs))
		return -errno;
	return size / fs.f_frsize > fs.f_bavail ? -ENOSPC : 0;
}

/* Return: a descriptor; -errno. */
static int memory_file(const char *path, uint64_t size)
{
	int fd, ret;

	fd = path ? open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600) :
		    gw_os_memory_file("gangway-guest-memory", 0, false);
	if (fd < 0)
		return path ? -errno : fd;
	ret = path ? check_room(fd, size) : 0;
	if (!ret && ftruncate(fd, (off_t)size))
		ret = -errno;
	if (!ret)
		return fd;
	close(fd);
	if (path)
		unlink(path);
	return ret;
}

static void drop_file(struct gw_ram *ram)
{
	close(ram->fd);
	if (ram->path)
		unlink(ram->path);
	free(ram->path);
}

static int ram_make(struct gw_ram *ram, const char *path)
{
	void *addr;
	int ret;

	ram->path = path ? strdup(path) : NULL;
	if (path && !ram->path)
		return -ENOMEM;
	ram->fd = memory_file(path, ram->size);
	if (ram->fd < 0) {
		free(ram->path);
		return ram->fd;
	}
	ret = gw_map_file(ram->fd, ram->size, PROT_READ | PROT_WRITE, &addr);
	if (ret) {
		drop_file(ram);
		return ret;
	}
	ram->addr = addr;
	return 0;
}

int gw_ram_open(struct gw_ram *ram, gw_gpa gpa, uint64_t size, const char *path,
		struct gw_log *log)
{
	int ret;

	*ram = (struct gw_ram){ .gpa = gpa, .size = size };
	ret = ram_make(ram, path);
	if (!ret)
		return 0;
	gw_err(log, "cannot make %" PRIu64 " MiB of guest memory%s%s: %s", size >> 20,
	       path ? " in " : "", path ? path : "", strerror(-ret));
	gw_hint(log, path ? "--memory-file wants a file that is not there yet, in a folder with room" :
		"ask for less --memory");
	*ram = (struct gw_ram){ 0 };
	return ret;
}

void gw_ram_adopt(struct gw_ram *ram, gw_gpa gpa, uint64_t size, void *addr)
{
	*ram = (struct gw_ram){ .gpa = gpa, .size = size, .fd = -1, .addr = addr };
}

int gw_ram_settle(struct gw_ram *ram, uint64_t fd_off, struct gw_log *log)
{
	int ret = 0;

	if (fd_off && ftruncate(ram->fd, (off_t)(fd_off + ram->size)))
		ret = -errno;
	if (!ret && !ram->path)
		ret = gw_os_memory_seal(ram->fd);
	if (ret)
		gw_err(log, "cannot seal guest memory: %s", strerror(-ret));
	else
		ram->fd_off = fd_off;
	return ret;
}

void gw_ram_close(struct gw_ram *ram, bool reachable)
{
	if (!ram->size)
		return;
	if (ram->fd >= 0) {
		if (!reachable)
			munmap(ram->addr, ram->size);
		drop_file(ram);
	}
	*ram = (struct gw_ram){ 0 };
}
