/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef GANGWAY_COMPANION_H
#define GANGWAY_COMPANION_H

/*
 * A companion: the device that has the host map guest memory for one function, and answers at which
 * addresses (IOVAs) the function reaches it.
 */

#include <linux/mutex.h>
#include <linux/pci.h>
#include <linux/percpu.h>
#include <linux/spinlock.h>

#include "gangway-abi.h"
#include "request.h"

enum gw_stat {
	GW_STAT_HITS,		/* maps that found a block */
	GW_STAT_MISSES,		/* maps that made one */
	GW_STAT_EVICTIONS,	/* blocks unmapped to make room */
	GW_STAT_FAILURES,	/* maps that failed */
	GW_STAT_REQUESTS,	/* sent to the host */
	GW_STAT_DOORBELLS,	/* writes that leave the guest, to send them */
	GW_NR_STATS,
};

struct gw_stats {
	u64 n[GW_NR_STATS];
};

/* The ring; see ring.c. Protected by @lock, apart from what is set up before the first request. */
struct gw_rings {
	spinlock_t lock;
	struct gw_ring *hdr;
	struct gw_ring_sqe *sq;
	struct gw_ring_cqe *cq;
	struct gw_request **by_tag;
	size_t bytes;
	u32 size;
	u32 tail, head;
	bool broken;
};

/**
 * struct gw_companion - a companion device
 * @pdev:          the device
 * @control:       protects @gone and writes of CONTROL
 * @gone:          the device is not there any more
 * @paused:        it is being reset: nothing is asked of it
 * @regs:          BAR0
 * @regs_lock:     orders the halves of registers of 64 bits
 * @cookie:        what its function has as well
 * @nonce:         by which the host knows this module again
 * @features:      GW_FEATURE_*
 * @granule_shift: mappings are multiples of 1 << this, and of pages
 * @budget_bytes:  what can be mapped at one time
 * @budget_maps:   in how many mappings
 * @max_map:       the largest of them, in bytes
 * @iova_bits:     no address needs more than so many
 * @iova_first:    no address is lower
 * @rings:         how it is asked
 * @stats:         counters
 */
struct gw_companion {
	struct pci_dev *pdev;
	struct mutex control;
	bool gone;
	bool paused;
	void __iomem *regs;
	spinlock_t regs_lock;
	u64 cookie;
	u64 nonce;
	u32 features;
	unsigned int granule_shift;
	u64 budget_bytes;
	u32 budget_maps;
	u64 max_map;
	unsigned int iova_bits;
	u64 iova_first;
	struct gw_rings rings;
	struct gw_stats __percpu *stats;
};

int gw_companion_init(struct gw_companion *c, struct pci_dev *pdev);
void gw_companion_fini(struct gw_companion *c);
int gw_companion_attach(struct gw_companion *c);
void gw_companion_detach(struct gw_companion *c);
void gw_companion_pause(struct gw_companion *c);
int gw_companion_resume(struct gw_companion *c);
int gw_companion_ask(struct gw_companion *c, struct gw_request *req);
void gw_companion_unmap(struct gw_companion *c, u64 handle);
int gw_companion_control(struct gw_companion *c, u32 what);
void gw_companion_withdraw(struct gw_companion *c);

static inline void gw_count(struct gw_companion *c, enum gw_stat which)
{
	this_cpu_inc(c->stats->n[which]);
}

/**
 * gw_companion_generation() - which generation mappings made now belong to
 * @c: the companion
 *
 * Return: a number that changes when all mappings have gone.
 */
static inline u32 gw_companion_generation(struct gw_companion *c)
{
	return le32_to_cpu(READ_ONCE(c->rings.hdr->generation));
}

/**
 * gw_companion_dropped() - how many mappings ended because the VMM took their memory away
 * @c: the companion
 *
 * The host counts before the VMM goes on, and memory comes back to the same place only later. So
 * whoever maps memory that came back reads the new number, and no barrier is needed.
 *
 * Return: the number; 0 from a host that does not count.
 */
static inline u32 gw_companion_dropped(struct gw_companion *c)
{
	return le32_to_cpu(READ_ONCE(c->rings.hdr->dropped));
}

static inline u64 gw_granule(const struct gw_companion *c)
{
	return 1ull << c->granule_shift;
}

/* Does the host place mappings where the function's mask wants them? */
static inline bool gw_companion_places(const struct gw_companion *c)
{
	return c->features & GW_FEATURE_PLACE;
}

#endif
