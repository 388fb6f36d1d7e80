/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef GW_DMA_MEMORY_H
#define GW_DMA_MEMORY_H

#include <gangway/addr.h>
#include <gangway/device.h>
#include <gangway/log.h>
#include <gangway/ram.h>

#include "base/imap.h"
#include "base/util.h"
#include "dma/file.h"

/*
 * Guest memory, as the VMM has told of it: runs by the address it gave them, and where they are in
 * this process. What else is done with a run, such as mapping it for a device, is its owner's. The
 * caller locks.
 */

/*
 * The VMM maps memory at its guest physical address, unless a virtual IOMMU is in front of the
 * function: then it maps at what the guest's driver uses, and no plan but direct works.
 */
static inline gw_vmm_addr gw_vmm_addr_of_gpa(gw_gpa gpa)
{
	return (gw_vmm_addr){ gpa.v };
}

/*
 * A BAR is looked for where the VMM maps memory without a file; the two addresses are equal on the
 * same terms.
 */
static inline gw_gpa gw_gpa_of_vmm_addr(gw_vmm_addr at)
{
	return (gw_gpa){ at.v };
}

/* Under plan direct the device uses the addresses that the VMM maps at. */
static inline gw_iova gw_iova_of_vmm_addr(gw_vmm_addr at)
{
	return (gw_iova){ at.v };
}

/** struct gw_run - a run of guest memory; first member of its owner's own */
struct gw_run {
	struct gw_imap_node node;	/* by the address the VMM gave it */
	uint8_t *addr;			/* in this process; NULL: the VMM keeps it */
	struct gw_file *file;		/* NULL: the memory is in no file that we know of */
	int prot;			/* GW_PROT_*, the device's */
};

struct gw_guest_memory;

/**
 * struct gw_guest_memory_ops - what an owner does with runs
 * @come: a run is known; an error undoes that
 * @gone: a run is about to be forgotten. After an error something may still reach it: its use of
 *        the file is the owner's from then on
 */
struct gw_guest_memory_ops {
	int (*come)(struct gw_guest_memory *m, struct gw_run *run);
	int (*gone)(struct gw_guest_memory *m, struct gw_run *run);
};

/**
 * struct gw_guest_memory - all of one guest's, for one device
 * @ops:      NULL: the owner does nothing with runs
 * @run_size: bytes of the owner's struct around a struct gw_run
 * @name:     for messages
 * @any:      also files whose owners may not answer, see gw_dma_any_memory(); before the first run
 * @ram:      what RAM must be, see gw_dma_expect(); NULL: any. Likewise
 */
struct gw_guest_memory {
	const struct gw_guest_memory_ops *ops;
	size_t run_size;
	const char *name;
	struct gw_log *log;
	bool any;
	const struct gw_ram *ram;
	struct gw_imap runs;
	struct gw_file_list files;
};

/** gw_guest_memory_init() - none; @name stays the caller's, and the rest is as in the struct */
void gw_guest_memory_init(struct gw_guest_memory *m, const struct gw_guest_memory_ops *ops,
			  size_t run_size, const char *name, struct gw_log *log);

/** gw_guest_memory_fini() - forget everything; zeroed is fine */
void gw_guest_memory_fini(struct gw_guest_memory *m);

/**
 * gw_guest_memory_add() - learn of a run
 * @s:  copied
 * @fd: as for gw_dma_map()
 *
 * Return: 0; -EINVAL, -EOVERFLOW, -EEXIST, -ENOSPC too many runs, -EACCES, -ENOMEM, as for
 * gw_dma_map(); or what come() returned. After an error nothing has changed.
 */
int gw_guest_memory_add(struct gw_guest_memory *m, const struct gw_slice *s, int fd);

/**
 * gw_guest_memory_remove() - forget the runs inside first..last
 *
 * Return: as gw_dma_unmap(), or the first error of gone(); all of them are forgotten nevertheless.
 */
int gw_guest_memory_remove(struct gw_guest_memory *m, gw_vmm_addr first, gw_vmm_addr last,
			   uint64_t *bytes);

/** gw_guest_memory_clear() - forget all runs, and unmap their files */
void gw_guest_memory_clear(struct gw_guest_memory *m);

/**
 * gw_guest_memory_runs() - the runs that hold @at..@last
 * @prot:  what each must allow
 * @first: takes the first, followed by *@nr - 1 others that continue it in this process too
 *
 * Return: 0; -EFAULT some of it is no memory of ours, -EXDEV it is not in one piece here, -EACCES.
 */
int gw_guest_memory_runs(struct gw_guest_memory *m, gw_vmm_addr at, uint64_t last, int prot,
			 struct gw_run **first, unsigned int *nr);

/** gw_guest_memory_find() - where a range is in this process. Return: as gw_dma_find() */
int gw_guest_memory_find(struct gw_guest_memory *m, gw_gpa gpa, uint64_t size, int prot,
			 void **addr);

static inline struct gw_run *gw_run_of(struct gw_imap_node *node)
{
	return node ? container_of(node, struct gw_run, node) : NULL;
}

/** gw_run_next() - the run above, or NULL */
static inline struct gw_run *gw_run_next(struct gw_run *run)
{
	return gw_run_of(gw_imap_next(&run->node));
}

static inline gw_vmm_addr gw_run_at(const struct gw_run *run)
{
	return (gw_vmm_addr){ run->node.first };
}

static inline uint64_t gw_run_size(const struct gw_run *run)
{
	return run->node.last - run->node.first + 1;
}

#endif
