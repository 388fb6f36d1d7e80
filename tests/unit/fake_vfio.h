/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef TESTS_UNIT_FAKE_VFIO_H
#define TESTS_UNIT_FAKE_VFIO_H

#include "unit.h"

#include <gangway/vfio.h>

/*
 * A kernel that answers VFIO's ioctls, behind a tree of files: sysfs and /dev, where descriptors
 * of functions are plain files whose regions lie one behind the other.
 */

#define FAKE_REGION	0x10000u	/* bytes from one region to the next */
#define FAKE_MAPS	64u
#define FAKE_VECTORS	8u

struct fake_map {
	uint64_t iova, size, vaddr;
	bool write;
};

/** struct fake_vfio - the kernel's state, and how it misbehaves */
struct fake_vfio {
	char tree[64];
	bool not_viable, no_type1, no_iova_ranges, no_reset, hot_reset_shared;
	int fail_set_iommu, fail_map, fail_device_fd, fail_irqs, fail_reset;
	_Atomic int fail_unmap;		/* this and @nr_maps also while servers map and unmap */
	unsigned int resets, hot_resets;
	struct fake_map map[FAKE_MAPS];
	_Atomic unsigned int nr_maps;
	unsigned int maps_ever;
	int irq[5][FAKE_VECTORS];	/* eventfds by index, ours; -1: none */
	unsigned int irq_count[5];
	unsigned int masks, unmasks;
	int unmask_fd;			/* as given last; 0: never */
	int fail_bind;
	unsigned int bufs;		/* mappings by a file instead of by address */
	unsigned int feature_flags;
	int dma_buf;			/* what feature 11 answers with, or -errno */
	const char *wrong;		/* asked for although it never may be */
	char log[16384];
	struct gw_log sink;
};

extern struct fake_vfio fake;

/** fake_setup() - one function 0000:01:00.0 of group 7, bound to vfio-pci, and 0000:02:00.0 of 8 */
int fake_setup(void **state);
int fake_teardown(void **state);

/** fake_function() - one more function, bound to vfio-pci; its files are made */
void fake_function(const char *bdf, unsigned int group);

/** fake_device() - what the kernel has in /dev for a function; its node if @node is not NULL */
void fake_device(const char *bdf, unsigned int group, const char *node);

/** fake_write() - a file of the tree; folders are made */
void fake_write(const char *path, const char *text);
void fake_bytes(const char *path, const void *bytes, size_t len);
void fake_link(const char *path, const char *target);
void fake_remove(const char *path);

/** fake_fire() - the function fires: as the kernel would, an eventfd is signalled */
void fake_fire(unsigned int index, unsigned int vector);

/** fake_logged() - was a line logged that has @text in it? */
bool fake_logged(const char *text);

#endif
