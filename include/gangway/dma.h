/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef GANGWAY_DMA_H
#define GANGWAY_DMA_H

#include <stdbool.h>

#include <gangway/device.h>
#include <gangway/host.h>
#include <gangway/plan.h>
#include <gangway/ram.h>

#ifdef __cplusplus
extern "C" {
#endif

/* One function's address space: guest memory, the plan, and what the host has mapped. */

struct gw_dma;

struct gw_dma_usage {
	struct gw_account mapped;	/* all of the function's */
	uint64_t runs;			/* of guest memory known */
	uint32_t generation;		/* see gw_dma_guest_release() */
	uint32_t dropped;		/* the guest's, ended as the VMM took memory away */
};

/**
 * gw_dma_new() - an address space for @fn; @fn stays the caller's and must outlive it
 *
 * Return: 0; -ENOMEM.
 */
int gw_dma_new(struct gw_function *fn, enum gw_plan plan, struct gw_log *log,
	       struct gw_dma **dma);

/** gw_dma_free() - unmaps what is left; NULL is fine */
void gw_dma_free(struct gw_dma *dma);

/** gw_dma_plan() - what gw_dma_new() was told */
enum gw_plan gw_dma_plan(const struct gw_dma *dma);

/**
 * struct gw_dma_peer - a piece of another function's BAR
 * @addr: where it is in this process, which stays so until gw_dma_forget_peer(); NULL: the host
 *        maps it by what it knows of @fn (struct gw_peer_ops)
 */
struct gw_dma_peer {
	struct gw_function *fn;
	unsigned int bar;
	gw_bar_off off;
	void *addr;
};

/**
 * struct gw_dma_peers - asked for what else a guest has as memory: BARs of other functions
 * @find: *@peer is what is at @at, all @size bytes of it. Called with a lock of the address space
 *        held. Return: false: nothing is known to be there, or the fabric does not let functions
 *        reach each other (logged)
 */
struct gw_dma_peers {
	bool (*find)(void *opaque, gw_gpa at, uint64_t size, struct gw_dma_peer *peer);
	void *opaque;
};

/**
 * gw_dma_set_peers() - under plan direct, reach other functions' BARs without the remote; @peers is
 * copied
 *
 * Memory that the VMM tells of without a file is looked for among them first.
 */
void gw_dma_set_peers(struct gw_dma *dma, const struct gw_dma_peers *peers);

/**
 * gw_dma_forget_peer() - nothing of @peer's is in the device's reach when this returns
 *
 * Return: 0; -EBUSY: the device is using some of it and does not let go, so BARs of @peer's that
 * are mapped in this process must stay mapped for good.
 */
int gw_dma_forget_peer(struct gw_dma *dma, const struct gw_function *peer);

/**
 * gw_dma_any_memory() - take guest memory in files of every kind; before the first gw_dma_map()
 *
 * Otherwise only files of shmem and hugetlbfs are taken: whoever touches another waits for its
 * disk, or for the program that serves it, which may never answer.
 */
void gw_dma_any_memory(struct gw_dma *dma);

/**
 * gw_dma_expect() - what the VMM maps of the guest's RAM must be @ram; before the first
 * gw_dma_map()
 * @ram: must outlive @dma
 *
 * For plans window and pool, where the device reaches that file whatever the VMM uses.
 */
void gw_dma_expect(struct gw_dma *dma, const struct gw_ram *ram);

/** gw_dma_set_remote() - what reaches memory that comes without a file; NULL: nothing does */
void gw_dma_set_remote(struct gw_dma *dma, struct gw_remote *remote);

/**
 * gw_dma_map() - learn of a run of guest memory and, under plan direct, let the device reach it
 * @s:  the run; copied
 * @fd: file that holds the memory, or -1: it is at s->addr, or, if that is NULL, the VMM keeps it
 *      and it is reached through the remote. Stays the caller's; @dma keeps the file mapped
 *
 * Return: 0; -EINVAL if @s is empty or unaligned, has an address and a file, or @fd is no regular
 * file or too short, -EOVERFLOW if it wraps, -EEXIST if it overlaps, -ENOSPC over the budget,
 * -EACCES if the memory is private to the VMM or not what gw_dma_any_memory() and gw_dma_expect()
 * allow, -ENOMEM, or -errno of mmap(2) or the host. After an error @dma is unchanged.
 */
int gw_dma_map(struct gw_dma *dma, const struct gw_slice *s, int fd);

/**
 * gw_dma_unmap() - forget every run inside first..last
 *
 * Return: 0, *@bytes unmapped; -EINVAL if a run is only partly inside (nothing changes); or what
 * the host answered for one that the device still uses. That is forgotten, too, but its file stays
 * mapped here until a later call can have it unmapped, and whoever gave it must not use it for
 * anything else.
 */
int gw_dma_unmap(struct gw_dma *dma, gw_vmm_addr first, gw_vmm_addr last, uint64_t *bytes);

/** gw_dma_unmap_all() - forget everything; never fails */
void gw_dma_unmap_all(struct gw_dma *dma);

/** gw_dma_usage() - what is mapped now, and how much there may be; any thread */
void gw_dma_usage(struct gw_dma *dma, struct gw_dma_usage *usage);

/**
 * gw_dma_find() - where guest memory is in this process
 * @prot: what it must allow, GW_PROT_*
 *
 * *@addr is good until the VMM has any of it unmapped, which the caller must know of; the file
 * may shrink at any time, so it is for gw_guard_copy() and its like.
 *
 * Return: 0; -EINVAL empty, -EOVERFLOW, -EFAULT some of it is no memory of a file or it is not in
 * one piece, -EACCES.
 */
int gw_dma_find(struct gw_dma *dma, gw_gpa gpa, uint64_t size, int prot, void **addr);

/* So many mappings a guest can have, whatever the budget. */
#define GW_DMA_GUEST_MAPS	(1u << 20)

/**
 * struct gw_dma_want - what a guest wants mapped
 * @size:      bytes; like @gpa in units of the host's granule
 * @read_only: for the device
 * @last:      the last address that the device can put out; 0: any
 */
struct gw_dma_want {
	gw_gpa gpa;
	uint64_t size;
	bool read_only;
	gw_iova last;
};

/**
 * gw_dma_guest_map() - plan paravirt: map guest memory where the host likes
 * @map: its handle is ours and is not given again soon; the upper half is the generation
 *
 * The mapping goes when the VMM unmaps any of the memory. May wait for the VMM's own maps.
 *
 * Return: 0; -EINVAL empty or unaligned, -EOVERFLOW, -EFAULT not memory, -EXDEV memory, but of
 * regions of the VMM's that do not follow each other in this process, -EACCES memory that may not
 * be written, -ENOSPC over the budget, -ENOBUFS the host has no room, -ERANGE no place at or below
 * @last, -E2BIG larger than one mapping may be, -EBUSY while a release is under way, -EPROTO
 * another plan, -ENOMEM, or -errno of the host.
 */
int gw_dma_guest_map(struct gw_dma *dma, const struct gw_dma_want *want, struct gw_mapping *map);

/**
 * gw_dma_guest_unmap() - undo gw_dma_guest_map(); on return the device cannot reach the memory
 *
 * Return: 0; -ENOENT no such mapping, -ESTALE it was of another generation; or -errno of the host,
 * then it is still mapped.
 */
int gw_dma_guest_unmap(struct gw_dma *dma, uint64_t handle);

/* A mapping that ended because the VMM took memory away. */
struct gw_dma_lost {
	uint64_t handle;
	gw_iova iova;			/* of its first segment */
	uint64_t size;
};

/**
 * gw_dma_guest_lost() - the oldest of them that was not asked for yet; it is then forgotten
 *
 * Some thousand are remembered, until a new generation begins; usage counts all. Return: 0; -ENOENT
 * there is none.
 */
int gw_dma_guest_lost(struct gw_dma *dma, struct gw_dma_lost *lost);

/**
 * gw_dma_guest_left() - bytes that can still be mapped, as far as is known
 *
 * By the function's budget, and by what its host shares between functions.
 */
uint64_t gw_dma_guest_left(struct gw_dma *dma);

/** gw_dma_guest_live() - is there such a mapping? */
bool gw_dma_guest_live(struct gw_dma *dma, uint64_t handle);

/**
 * gw_dma_guest_release() - unmap all the guest has mapped, and begin a new generation
 * @deadline: ns of CLOCK_MONOTONIC; a few are unmapped even if it has passed
 *
 * Return: 0; -EAGAIN time was up: nothing can be mapped until it has been called again and has
 * returned 0.
 */
int gw_dma_guest_release(struct gw_dma *dma, uint64_t deadline);

#ifdef __cplusplus
}
#endif

#endif
