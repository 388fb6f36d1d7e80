/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef DEVICES_GPU_CARD_H
#define DEVICES_GPU_CARD_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include <gangway/addr.h>
#include <gangway/log.h>

#include "base/gate.h"
#include "base/lock.h"
#include "options.h"

/*
 * The memory that all functions of a card share, and who has which part of it.
 *
 * Each virtual function's share is a file of its own, in which its window lies linear. The card's
 * view of its VRAM is stitched together: where an extent of a share lies, the share's file is
 * mapped, elsewhere the card's own. So a function's window can be given to a VMM, and cannot reach
 * beyond the share, while the physical function sees the same bytes at their VRAM offsets.
 */

#define GPU_MAX_EXTENTS		64u
#define GPU_GRANULE		0x10000u	/* what shares and extents are made of */
#define GPU_MAX_STALE		16u

/** A run of VRAM, in units of GPU_GRANULE. */
struct gpu_extent {
	gw_vram at;
	uint64_t len;
};

/** What a virtual function was given. */
struct gpu_share {
	unsigned int nr;
	struct gpu_extent extent[GPU_MAX_EXTENTS];	/* in the order of the function's offsets */
	uint64_t bytes;
	uint64_t window;		/* size of its BAR; may be less than @bytes, or more */
	uint64_t generation;		/* one more with each change */
};

/** An access to memory whose function had taken it back. */
struct gpu_stale {
	unsigned int vf;
	gw_vram at;
	uint64_t len;
};

/* One virtual function's part of the card. */
struct gpu_slot {
	struct gpu_share share;		/* card->lock */
	bool live;			/* card->lock: its memory decodes */
	int fd;				/* fixed: what its window shows, and nothing else */
	int more_fd;			/* fixed: what a share has behind that; sparse */
	uint8_t *mem;			/* fixed: both in a row, at least the VRAM's size */
};

struct gpu_card;

/**
 * struct gpu_watch - told of what functions do; called without the card's lock
 * @flip:   a picture is shown, maybe another one. Must not block
 * @decode: a function's memory decodes, or is about to be taken back: when this returns nobody
 *          uses it any more
 */
struct gpu_watch {
	void (*flip)(void *opaque, struct gpu_card *card, unsigned int vf);
	void (*decode)(void *opaque, struct gpu_card *card, unsigned int vf, bool on);
	void *opaque;
};

/** struct gpu_card - the card; freed with the last of its functions */
struct gpu_card {
	struct gpu_options opt;		/* fixed */
	struct gw_log *log;		/* fixed */
	uint8_t *vram;			/* fixed: the view, opt.vram bytes */
	int fd;				/* fixed: what belongs to the physical function */
	_Atomic unsigned int users;

	pthread_rwlock_t watch_lock;	/* taken first; held while it is called */
	struct gpu_watch watch GW_GUARDED_BY(watch_lock);

	struct gw_gate lock;
	struct gpu_slot slot[GPU_MAX_VFS];
	uint64_t nr_stale GW_GUARDED_BY(lock);
	struct gpu_stale stale[GPU_MAX_STALE] GW_GUARDED_BY(lock);	/* the first of them */
};

/**
 * gw_gpu_card_new() - a card with the shares that its options say; one user
 *
 * Return: 0; -EINVAL the shares do not fit (logged), -ENOMEM, or -errno of memfd_create(2),
 * ftruncate(2) or mmap(2).
 */
int gw_gpu_card_new(const struct gpu_options *opt, struct gw_log *log, struct gpu_card **card);
struct gpu_card *gw_gpu_card_get(struct gpu_card *card);
void gw_gpu_card_put(struct gpu_card *card);

/**
 * gw_gpu_provision() - give a virtual function other VRAM; its contents are zero afterwards
 * @extent: @nr of them, in the order in which the function shall see them; 0: takes its share away
 *
 * Return: 0; -EBUSY the function is in use; -EINVAL no such function, an extent is empty or not of
 * whole granules, or there are too many; -ERANGE an extent is not inside the VRAM; -EEXIST it
 * overlaps another; -errno of mmap(2), and then the function has no share.
 */
int gw_gpu_provision(struct gpu_card *card, unsigned int vf, const struct gpu_extent *extent,
		     unsigned int nr);

/** gw_gpu_share() - a copy of what a virtual function has now. Return: 0; -EINVAL no such one */
int gw_gpu_share(struct gpu_card *card, unsigned int vf, struct gpu_share *share);

/** gw_gpu_set_live() - the function's memory decodes, or does not */
void gw_gpu_set_live(struct gpu_card *card, unsigned int vf, bool live);

/** gw_gpu_flip() - the function shows a picture */
void gw_gpu_flip(struct gpu_card *card, unsigned int vf);

/** gw_gpu_watch() - @watch is copied; NULL: nobody watches, and no call is under way any more */
void gw_gpu_watch(struct gpu_card *card, const struct gpu_watch *watch);

/** gw_gpu_clear() - zero a virtual function's share, for whoever has it next */
void gw_gpu_clear(struct gpu_card *card, unsigned int vf);

/**
 * gw_gpu_read() - copy from VRAM as the physical function's engines do
 *
 * Return: 0; -ERANGE not inside the VRAM; -EACCES a part belongs to a function that has taken it
 * back, which is recorded.
 */
int gw_gpu_read(struct gpu_card *card, gw_vram at, void *buf, size_t len);

/** gw_gpu_write() - likewise */
int gw_gpu_write(struct gpu_card *card, gw_vram at, const void *buf, size_t len);

/** gw_gpu_stale() - the record. Return: how many accesses there were, which may exceed @max */
uint64_t gw_gpu_stale(struct gpu_card *card, struct gpu_stale *stale, unsigned int max);

#endif
