/* SPDX-License-Identifier: BSD-3-Clause */
#include "backing.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/fs.h>
#include <string.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "options.h"
#include "resident.h"

/* O_EXCL has the kernel refuse a device that is mounted, or part of another; it is nothing to a file. */
static int open_file(const struct nvme_options *o, struct gw_log *log)
{
	int fd = open(o->file, O_RDWR | O_CLOEXEC | O_NONBLOCK | O_EXCL);
	int err = errno;

	if (fd >= 0)
		return fd;
	if (err == ENOENT && o->size) {
		fd = open(o->file, O_RDWR | O_CLOEXEC | O_CREAT | O_EXCL, 0600);
		if (fd >= 0)
			return fd;
		err = errno;
	}
	gw_err(log, "nvme: backing file %s: %s", o->file, strerror(err));
	if (err == ENOENT)
		gw_hint(log, "add size=N to have it made, or make its folder");
	else if (err == EACCES || err == EPERM || err == EROFS)
		gw_hint(log, "make it readable and writable for the user that runs gangway");
	else if (err == EISDIR)
		gw_hint(log, "name a file in that folder");
	else if (err == EBUSY)
		gw_hint(log, "it is mounted, or part of another device, of this machine");
	return -err;
}

/* Two guests on one disk would ruin it. File systems that know no locks are taken without. */
static int lock_file(int fd, const struct nvme_options *o, struct gw_log *log)
{
	struct flock all = { .l_type = F_WRLCK, .l_whence = SEEK_SET };

	if (!fcntl(fd, F_OFD_SETLK, &all) || (errno != EAGAIN && errno != EACCES))
		return 0;
	gw_err(log, "nvme: backing file %s is in use by another program", o->file);
	gw_hint(log, "a disk is for one guest at a time: end the other, or copy the file");
	return -EBUSY;
}

static int device_size(int fd, uint64_t *size)
{
	return ioctl(fd, BLKGETSIZE64, size) ? -errno : 0;
}

/* A file that is smaller than asked for grows, sparse; a device cannot. */
static int fit_file(int fd, const struct stat *st, const struct nvme_options *o,
		    struct gw_log *log, uint64_t *size)
{
	int ret;

	*size = (uint64_t)st->st_size;
	if (S_ISBLK(st->st_mode)) {
		ret = device_size(fd, size);
		if (ret) {
			gw_err(log, "nvme: backing device %s: %s", o->file, strerror(-ret));
			return ret;
		}
		if (o->size > *size) {
			gw_err(log, "nvme: backing device %s has %" PRIu64 " bytes, size= asks"
			       " for %" PRIu64, o->file, *size, o->size);
			gw_hint(log, "leave size= out, or use a larger device");
			return -EINVAL;
		}
	} else if (o->size > *size) {
		if (ftruncate(fd, (off_t)o->size)) {
			ret = -errno;
			gw_err(log, "nvme: cannot extend backing file %s to %" PRIu64 " bytes: %s",
			       o->file, o->size, strerror(-ret));
			gw_hint(log, "use a smaller size=, or another file system");
			return ret;
		}
		*size = o->size;
	}
	if (o->size)
		*size = o->size;
	return 0;
}

static int check_file(int fd, const struct nvme_options *o, struct gw_log *log, uint64_t *size)
{
	struct stat st;
	int ret;

	if (fstat(fd, &st))
		return -errno;
	if (!S_ISREG(st.st_mode) && !S_ISBLK(st.st_mode)) {
		gw_err(log, "nvme: backing file %s is neither a regular file nor a block device",
		       o->file);
		gw_hint(log, "name a disk image or a block device with file=");
		return -EINVAL;
	}
	if (flock(fd, LOCK_EX | LOCK_NB)) {
		gw_err(log, "nvme: backing file %s is in use by another process", o->file);
		gw_hint(log, "give each guest a file of its own");
		return -EBUSY;
	}
	ret = fit_file(fd, &st, o, log, size);
	if (ret)
		return ret;
	*size &= ~((uint64_t)o->block - 1);
	if (*size)
		return 0;
	gw_err(log, "nvme: backing file %s has %" PRIu64 " bytes, less than one block of %u",
	       o->file, (uint64_t)st.st_size, o->block);
	gw_hint(log, "add size=N to extend it");
	return -EINVAL;
}

int gw_nvme_backing_open(struct nvme_backing *b, const struct nvme_options *o,
			 struct gw_log *log)
{
	int fd = open_file(o, log);
	int ret, flags;

	if (fd < 0)
		return fd;
	ret = lock_file(fd, o, log);
	if (!ret)
		ret = check_file(fd, o, log, &b->size);
	if (ret)
		goto close_fd;
	/* it was there so that a FIFO cannot block us; the ring takes it as "fail, do not wait" */
	flags = fcntl(fd, F_GETFL);
	if (flags < 0 || fcntl(fd, F_SETFL, flags & ~O_NONBLOCK)) {
		ret = -errno;
		goto close_fd;
	}
	/* past the end: punches nothing, but says whether the file system can */
	if (fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, (off_t)b->size, 4096) &&
	    errno == EOPNOTSUPP)
		b->no_punch = true;
	b->fd = fd;
	return 0;
close_fd:
	close(fd);
	return ret;
}

void gw_nvme_backing_close(struct nvme_backing *b)
{
	gw_nvme_resident_drop(b);
	if (b->fd >= 0)
		close(b->fd);
	b->fd = -1;
}
