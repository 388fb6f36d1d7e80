/* SPDX-License-Identifier: BSD-3-Clause */
#include "dma/file.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "base/map.h"

static struct gw_file *file_find(struct gw_file_list *files, const struct stat *st, uint64_t end,
				 bool writable)
{
	struct gw_file *f;

	SLIST_FOREACH(f, files, link) {
		if (f->dev == st->st_dev && f->ino == st->st_ino && f->size >= end &&
		    f->writable >= writable)
			return f;
	}
	return NULL;
}

#define MAX_IDLE	8u	/* limit: files kept mapped though none of them is in use */
/*
 * What the files of one client may take. All clients share the process' mappings and its addresses,
 * 128 TiB on most machines, and a file costs its client nothing: it can be sparse.
 */
#define MAX_FILES	1024u	/* limit: files of it */
#define MAX_BYTES	(4ull << 40)	/* limit: address space for its files */

static bool files_have_room(const struct gw_file_list *files, uint64_t size)
{
	uint64_t bytes = 0;
	unsigned int nr = 0;
	struct gw_file *f;

	SLIST_FOREACH(f, files, link) {
		bytes += f->size;
		nr++;
	}
	return nr < MAX_FILES && size <= MAX_BYTES && bytes <= MAX_BYTES - size;
}

/*
 * A client that hands over ever new files must not make us keep them all. Return: is there room
 * for one more, of @size bytes?
 */
static bool file_make_room(struct gw_file_list *files, uint64_t size)
{
	unsigned int idle = 0;
	struct gw_file *f;

	SLIST_FOREACH(f, files, link)
		idle += !f->users;
	if (idle >= MAX_IDLE || !files_have_room(files, size))
		gw_file_drop_idle(files);
	return files_have_room(files, size);
}

static int file_map(struct gw_file_list *files, int fd, const struct stat *st, struct gw_log *log,
		    struct gw_file **file)
{
	int mode = fcntl(fd, F_GETFL);
	struct gw_file *f;
	void *addr;
	int ret;

	if (mode < 0)
		return -errno;
	if (!file_make_room(files, (uint64_t)st->st_size)) {
		gw_log_guest(log, "guest memory: a VMM may have %u files of %llu GiB in all; this one of %"
			     PRIu64 " GiB is beyond that", MAX_FILES, MAX_BYTES >> 30,
			     (uint64_t)st->st_size >> 30);
		return -ENOSPC;
	}
	f = calloc(1, sizeof(*f));
	if (!f)
		return -ENOMEM;
	f->writable = (mode & O_ACCMODE) == O_RDWR;
	ret = gw_map_file(fd, (size_t)st->st_size, PROT_READ | (f->writable ? PROT_WRITE : 0), &addr);
	if (ret) {
		gw_log_guest(log, "guest memory: cannot map a file of %#" PRIx64 " bytes: %s",
			     (uint64_t)st->st_size, strerror(-ret));
		free(f);
		return ret;
	}
	f->dev = st->st_dev;
	f->ino = st->st_ino;
	f->addr = addr;
	f->size = (uint64_t)st->st_size;
	SLIST_INSERT_HEAD(files, f, link);
	*file = f;
	return 0;
}

int gw_file_get(struct gw_file_list *files, int fd, uint64_t off, uint64_t size, bool writable,
		struct gw_log *log, struct gw_file **file)
{
	struct stat st;
	uint64_t end;
	int ret;

	if (__builtin_add_overflow(off, size, &end))
		return -EOVERFLOW;
	if (fstat(fd, &st))
		return -errno;
	if (!S_ISREG(st.st_mode)) {
		gw_log_guest(log, "guest memory: descriptor is not a regular file");
		return -EINVAL;
	}
	if (end > (uint64_t)st.st_size) {
		gw_log_guest(log,
			     "guest memory: %#" PRIx64 " bytes at offset %#" PRIx64
			     " reach past the end of a file of %#" PRIx64 " bytes",
			     size, off, (uint64_t)st.st_size);
		return -EINVAL;
	}
	*file = file_find(files, &st, end, writable);
	if (!*file) {
		ret = file_map(files, fd, &st, log, file);
		if (ret)
			return ret;
	}
	if (writable && !(*file)->writable) {
		gw_log_guest(log, "guest memory: the device may write, the file is read-only");
		return -EACCES;
	}
	(*file)->users++;
	return 0;
}

void gw_file_put(struct gw_file *file)
{
	file->users--;
}

void gw_file_drop_idle(struct gw_file_list *files)
{
	struct gw_file *f, *next;

	SLIST_FOREACH_SAFE(f, files, link, next) {
		if (f->users)
			continue;
		SLIST_REMOVE(files, f, gw_file, link);
		munmap(f->addr, f->size);
		free(f);
	}
}

void gw_file_abandon(struct gw_file_list *files)
{
	struct gw_file *f;

	while ((f = SLIST_FIRST(files))) {
		SLIST_REMOVE_HEAD(files, link);
		free(f);
	}
}
