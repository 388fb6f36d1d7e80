/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef GANGWAY_DEVICE_H
#define GANGWAY_DEVICE_H

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <gangway/addr.h>
#include <gangway/remote.h>

#ifdef __cplusplus
extern "C" {
#endif

/*
 * A PCI device as a VMM sees it: regions, interrupts, DMA. A front end (vfio-user) drives it; a
 * passed-through function and the companion implement it. Numbers are those of VFIO
 * (linux/vfio.h), so that a front end need not translate.
 *
 * Front ends pass on what a VMM or a guest has chosen, and the device checks it. A front end only
 * sees to it that messages are whole, that buffers are as long as it says, and that enumerations
 * have one of their values.
 */

enum gw_region {
	GW_REGION_BAR0 = 0,
	GW_REGION_ROM = 6,
	GW_REGION_CONFIG = 7,
	GW_REGION_VGA = 8,
	GW_NR_REGIONS = 9,
};

#define GW_REGION_F_READ	1u
#define GW_REGION_F_WRITE	2u
#define GW_REGION_F_MMAP	4u

#define GW_MAX_MMAP_AREAS	8

struct gw_region_info {
	uint64_t size;			/* bytes; 0: no such region */
	uint32_t flags;
	int fd;				/* with GW_REGION_F_MMAP; stays the device's */
	uint64_t fd_off;
	void *addr;			/* of the region in this process, or NULL: not mapped; a VMM
					 * may map the areas below, as with @fd */
	unsigned int nr_areas;		/* what of it may be mapped; 0: all */
	struct { uint64_t off, size; } area[GW_MAX_MMAP_AREAS];
};

/** gw_region_holds() - @len bytes at @off lie in the region, and allow @access (GW_REGION_F_*) */
static inline bool gw_region_holds(const struct gw_region_info *info, uint32_t access, uint64_t off,
				   uint64_t len)
{
	return (info->flags & access) == access && off <= info->size && len <= info->size - off;
}

enum gw_irq {
	GW_IRQ_INTX,
	GW_IRQ_MSI,
	GW_IRQ_MSIX,
	GW_IRQ_ERR,
	GW_IRQ_REQ,
	GW_NR_IRQS,
};

#define GW_IRQ_F_EVENTFD	1u
#define GW_IRQ_F_MASKABLE	2u
#define GW_IRQ_F_AUTOMASKED	4u
#define GW_IRQ_F_NORESIZE	8u

struct gw_irq_info {
	uint32_t count;
	uint32_t flags;
};

enum gw_irq_action { GW_IRQ_MASK, GW_IRQ_UNMASK, GW_IRQ_TRIGGER };
enum gw_irq_data { GW_IRQ_NONE, GW_IRQ_BOOL, GW_IRQ_EVENTFD, GW_IRQ_CALL };

/**
 * struct gw_irq_call - where an interrupt goes in a program that embeds the library
 * @fire: vector @vector of @index has fired; from any thread, of ours too. Must not block, nor call
 *        the device, whose thread may be waiting for it
 *
 * The caller's; once irq_set() has taken it away, no call is under way and none follows.
 */
struct gw_irq_call {
	void (*fire)(struct gw_irq_call *call, enum gw_irq index, uint32_t vector);
};

/**
 * struct gw_irq_set - one SET_IRQS
 * @fds:  with GW_IRQ_EVENTFD @count eventfds, or NULL to take them away. The device takes those it
 *        keeps and leaves -1 in their place
 * @call: with GW_IRQ_CALL, what all @count vectors call, or NULL to take it away
 *
 * A vector has an eventfd or a call, whichever came last; both are enabled by GW_IRQ_TRIGGER.
 *
 * GW_IRQ_NONE, GW_IRQ_TRIGGER and a @count of 0 together disable the whole index.
 */
struct gw_irq_set {
	enum gw_irq index;
	enum gw_irq_action action;
	enum gw_irq_data data;
	uint32_t start, count;
	const uint8_t *bools;
	int *fds;
	struct gw_irq_call *call;
};

#define GW_PAGE_SIZE	4096u
#define GW_MAP_UNIT	16384u		/* of registers that a VMM maps: pages of a Mac */

#define GW_PROT_READ	1
#define GW_PROT_WRITE	2

/* A run of guest memory: bytes, page aligned; at + size may be exactly 2^64. */
struct gw_slice {
	gw_vmm_addr at;
	uint64_t size;
	uint64_t off;			/* in the file */
	int prot;			/* GW_PROT_*, the device's */
	void *addr;			/* in this process already, page aligned; the caller keeps
					 * it there until dma_unmap() has returned. NULL: in a file,
					 * or remote */
};

/** gw_slice_last() - where it ends. Return: 0; -EINVAL empty or unaligned, -EOVERFLOW it wraps */
static inline int gw_slice_last(const struct gw_slice *s, uint64_t *last)
{
	uint64_t end;

	if (!s->size || (s->at.v | s->size | s->off | (uintptr_t)s->addr) % GW_PAGE_SIZE)
		return -EINVAL;
	return __builtin_add_overflow(s->off, s->size - 1, &end) ||
	       __builtin_add_overflow(s->at.v, s->size - 1, last) ? -EOVERFLOW : 0;
}

#define GW_VMM_NAME	48

/**
 * struct gw_vmm - which VMM it is that has connected
 * @id:   equal for all connections of one VMM, and for nobody else's. All zero where it is not
 *        known, and then each connection is taken for a VMM of its own
 * @name: for messages, such as "process 1234 (qemu)"
 */
struct gw_vmm {
	uint64_t id[2];
	char name[GW_VMM_NAME];
};

/** gw_vmm_same() - are the two one VMM? */
static inline bool gw_vmm_same(const struct gw_vmm *a, const struct gw_vmm *b)
{
	return (a->id[0] || a->id[1]) && a->id[0] == b->id[0] && a->id[1] == b->id[1];
}

/** Bytes of a BAR, page aligned. */
struct gw_bar_range {
	gw_bar_off off;
	uint64_t size;
};

struct gw_device;

/**
 * struct gw_device_ops - what a front end asks of a device
 *
 * Called from one thread at a time. Return 0 or -errno; none may block on the VMM.
 *
 * @attach:       @vmm has connected; @remote reaches memory without a file until detach(). @vmm is
 *                copied; NULL is this program itself. -EBUSY what the device shares with others
 *                is another VMM's (logged), -ENODEV the device is gone, -EIO it does not work
 * @detach:       the VMM has gone: no DMA, no interrupts, no mappings are left on return, and the
 *                device is as after reset. Also called after a failed attach()
 * @region_read:  registers are accessed in naturally aligned pieces. -EINVAL not inside a region
 *                that there is, or that can be read
 * @region_write: likewise
 * @irq_set:      -EINVAL @start and @count are not within what irq_info() says, or the index has no
 *                such action, -EPROTO another index is in use; or -errno of the host
 * @dma_map:      @fd -1: memory in this process, else to be reached through the remote. @fd stays
 *                the caller's.
 *                -EINVAL, -EOVERFLOW, -EEXIST overlap, -ENOSPC budget, -EACCES private memory
 * @dma_unmap:    drop every run inside first..last; a run that is only partly inside is -EINVAL
 *                and nothing changes. *@bytes is what was unmapped, 0 is fine. Another error: the
 *                device does not let go of some of it, so that it must stay as it is
 * @dma_buf:      a dma-buf of ranges of a BAR; *@fd becomes the caller's. -EOPNOTSUPP the host has
 *                none, -EINVAL unaligned, empty, or not what may be mapped. NULL: there are none
 */
struct gw_device_ops {
	int (*attach)(struct gw_device *d, struct gw_remote *remote, const struct gw_vmm *vmm);
	void (*detach)(struct gw_device *d);
	void (*region_info)(struct gw_device *d, unsigned int region, struct gw_region_info *info);
	int (*region_read)(struct gw_device *d, unsigned int region, uint64_t off, void *buf,
			   size_t len);
	int (*region_write)(struct gw_device *d, unsigned int region, uint64_t off,
			    const void *buf, size_t len);
	void (*irq_info)(struct gw_device *d, enum gw_irq index, struct gw_irq_info *info);
	int (*irq_set)(struct gw_device *d, struct gw_irq_set *set);
	int (*dma_map)(struct gw_device *d, const struct gw_slice *s, int fd);
	int (*dma_unmap)(struct gw_device *d, gw_vmm_addr first, gw_vmm_addr last, uint64_t *bytes);
	int (*reset)(struct gw_device *d);

	int (*dma_buf)(struct gw_device *d, unsigned int bar, const struct gw_bar_range *range,
		       unsigned int nr, int *fd);
};

/** struct gw_device - first member of each implementation's own */
struct gw_device {
	const struct gw_device_ops *ops;
};

/** gw_device_check() - an access to a region, as above. Return: 0; -EINVAL */
static inline int gw_device_check(struct gw_device *d, unsigned int region, uint32_t access,
				  uint64_t off, uint64_t len)
{
	struct gw_region_info info;

	info.flags = 0;		/* C++ wants all members named, or none */
	info.size = 0;
	d->ops->region_info(d, region, &info);
	return gw_region_holds(&info, access, off, len) ? 0 : -EINVAL;
}

#ifdef __cplusplus
}
#endif

#endif
