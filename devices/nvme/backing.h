/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef DEVICES_NVME_BACKING_H
#define DEVICES_NVME_BACKING_H

#include <stdbool.h>
#include <stdint.h>

#include <gangway/log.h>

struct nvme_options;

#define NVME_BACKING_PARTS	128u

/* A part of the file that is mapped for reads; see resident.c. */
struct nvme_backing_part {
	uint8_t *addr;			/* NULL: none is */
	uint64_t off;
	uint64_t next;			/* the part that was wanted here last, */
	uint32_t wanted;		/* and how many bytes of it */
};

struct nvme_backing {
	int fd;
	struct nvme_backing_part part[NVME_BACKING_PARTS];
	uint64_t size;			/* bytes used, a multiple of the block size */
	bool no_punch, no_zero_range;	/* the file system said so */
	bool dirty;			/* written since the last flush began */
	uint64_t slow_until;		/* ns: leave writes to the ring */
};

/**
 * gw_nvme_backing_open() - open, make or extend the file, and lock it against a second user
 *
 * Return: 0; -EINVAL, -EBUSY or -errno of open(2) or ftruncate(2), all logged.
 */
int gw_nvme_backing_open(struct nvme_backing *b, const struct nvme_options *o,
			 struct gw_log *log);

/** gw_nvme_backing_close() - fine if it is not open */
void gw_nvme_backing_close(struct nvme_backing *b);

#endif
