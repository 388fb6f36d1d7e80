/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef GANGWAY_COMPANION_H
#define GANGWAY_COMPANION_H

/*
 * A companion: the device that has the host map guest memory for one function, and answers at which
 * addresses (IOVAs) the function reaches it.
 */

#include <linux/device.h>
#include <linux/mutex.h>
#include <linux/percpu.h>

#include "ring.h"

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

/**
 * struct gw_transport - a way to a companion
 * @read:   read a register
 * @write:  write a register; what that does is done when this returns
 * @submit: have the host do a list of struct gw_request; the answers are left in them
 * @kick:   ring the ring's doorbell
 *
 * Where @submit must be able to sleep there is no @kick. Reading and writing may sleep in any case.
 */
struct gw_transport {
	u32 (*read)(struct gw_companion *c, unsigned int reg);
	void (*write)(struct gw_companion *c, unsigned int reg, u32 value);
	int (*submit)(struct gw_companion *c, struct list_head *requests);
	void (*kick)(struct gw_companion *c);
};

/**
 * struct gw_companion - a companion device
 * @dev:           the device
 * @transport:     how it is reached
 * @regs:          BAR0, if it is a PCI device
 * @shared:        the memory that both see, if it is ivshmem's
 * @port:          the port, if it is at one
 * @access:        for transports that do one thing at a time
 * @control:       protects @gone and writes of CONTROL
 * @gone:          the device is not there any more
 * @paused:        it is being reset: nothing is asked of it
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
	struct device *dev;
	const struct gw_transport *transport;
	void __iomem *regs;
	struct gw_shared *shared;
	struct gw_port *port;
	struct mutex access;
	struct mutex control;
	bool gone;
	bool paused;
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

int gw_companion_init(struct gw_companion *c, struct device *dev,
		      const struct gw_transport *transport);
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

static inline u32 gw_companion_read(struct gw_companion *c, unsigned int reg)
{
	return c->transport->read(c, reg);
}

static inline void gw_companion_write(struct gw_companion *c, unsigned int reg, u32 value)
{
	c->transport->write(c, reg, value);
}

static inline void gw_companion_write64(struct gw_companion *c, unsigned int reg, u64 value)
{
	gw_companion_write(c, reg, lower_32_bits(value));
	gw_companion_write(c, reg + 4, upper_32_bits(value));
}

/**
 * gw_companion_generation() - which generation mappings made now belong to
 * @c: the companion, which has a ring
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
