/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef GW_COMPANION_COMPANION_H
#define GW_COMPANION_COMPANION_H

#include <gangway/companion.h>

#include "base/gate.h"
#include "base/imap.h"
#include "base/lock.h"
#include "base/spin.h"
#include "config/vendor.h"
#include "dma/memory.h"
#include "function/function.h"

/*
 * Inside lib/companion: what a companion is, and what its parts ask of it. The parts stand in
 * floors, each of which calls only those below it: device; registers; control; ring and command;
 * share; companion.
 */

#define GW_COMPANION_BAR_SIZE	4096u		/* BAR0 */
#define GW_COMPANION_PAGE_SIZE	65536u		/* BAR2: a page of any VMM that maps it */
#define GW_COMPANION_REGS	(0xa0 / 4)

/* A slow host must not make us answer later than a VMM waits (QEMU: 5 s). */
#define GW_RING_LIMIT_NS	1000000000ull	/* limit: seconds for one doorbell of the ring */
/* limit: seconds for one command page */
#define GW_COMMAND_LIMIT_NS	3000000000ull	/* of one command page: what is left then fails */
#define GW_RELEASE_LIMIT_NS	1000000000ull	/* of unmapping all; the poller goes on */

/**
 * struct gw_companion_ring - our side of the ring
 * @mem:      the ring in this process; good as long as @running
 * @sq_head, @cq_tail: ours; what the guest reads of them is never read back
 * @cq_head: the guest's, as last seen: entries that it had taken then stay taken
 * @seen:     the submissions' tail when it was last looked for entries
 * @told:     @cq_tail when it was last decided whether to interrupt
 * @held:     completions that did not fit
 * @polling:  the poller looks at the ring, doorbells are not needed
 */
struct gw_companion_ring {
	bool running, polling;
	uint8_t *mem;
	gw_gpa gpa;
	uint64_t bytes;
	uint32_t size;			/* entries, a power of two */
	uint32_t sq_head, cq_tail, cq_head, told, seen;
	struct gw_ring_cqe held[GW_MAX_SEGMENTS];
	unsigned int nr_held, next_held;
};

/* What the guest is about to share, range by range. */
struct gw_companion_ranges {
	struct gw_bar_range *range;
	unsigned int nr, room;
};

/**
 * struct gw_companion - a companion
 * @name:     of it, for messages
 * @dma:      the function's address space; @limits are of its host
 * @page:     BAR2, a file of its own for each VMM; @page_fd is the file
 * @gate:     of all below it; taken before the function's lock and its address space's. The poller
 *            is patient
 * @memory:   guest memory as this device reaches it
 * @ids:      mappings made by the command page, by the guest's name for them
 * @announced: the module translates
 * @nonce:    of the last announcement, 0: none; @next_nonce is the register
 * @kept:     a reset came since then; what is mapped stays until the next announcement
 * @releasing: unmapping all is under way, by the poller
 * @sharer: takes what the guest shares; NULL: nothing can be shared
 * @owns:     the client claimed the function with it; the front end's thread's
 * @kicked:   the poller is to look; it sleeps at @kick
 * @poll_after: ns: polling pays no earlier than this
 */
struct gw_companion {
	struct gw_device dev;
	struct gw_guest_listener listener;
	struct gw_guest_function *gf;
	char name[64];
	const struct gw_host_limits *limits;
	struct gw_dma *dma;
	struct gw_log *log;
	struct gw_companion_options opt;
	struct gw_guest_irqs irqs;
	struct gw_pci_policy policy;
	struct gw_companion_page *page;
	int page_fd;
	pthread_t poller;
	struct gw_spin spin;		/* the poller's */

	struct gw_gate gate;
	struct gw_guest_memory memory GW_GUARDED_BY(gate);
	uint8_t config[GW_PCI_CFG_SIZE_CONV] GW_GUARDED_BY(gate);
	uint32_t latch[GW_COMPANION_REGS] GW_GUARDED_BY(gate);	/* upper halves */
	gw_gpa command_gpa GW_GUARDED_BY(gate), ring_gpa GW_GUARDED_BY(gate);
	uint32_t status GW_GUARDED_BY(gate), control_status GW_GUARDED_BY(gate);
	uint32_t ring_shift GW_GUARDED_BY(gate);
	uint64_t nonce GW_GUARDED_BY(gate), next_nonce GW_GUARDED_BY(gate);
	struct gw_companion_ring ring GW_GUARDED_BY(gate);
	struct gw_imap ids GW_GUARDED_BY(gate);
	struct gw_sharer *sharer GW_GUARDED_BY(gate);
	struct gw_companion_ranges list GW_GUARDED_BY(gate);
	bool announced GW_GUARDED_BY(gate), kept GW_GUARDED_BY(gate), releasing GW_GUARDED_BY(gate);
	struct gw_companion_stats stats GW_GUARDED_BY(gate);
	bool kicked GW_GUARDED_BY(gate), stop GW_GUARDED_BY(gate), owns;
	uint64_t poll_after GW_GUARDED_BY(gate);
	pthread_cond_t kick;
};

/*
 * All calls below, and in the headers of the parts, are for the front end's thread, unless they say
 * otherwise.
 */

/** gw_companion_status() - what the guest is told of -errno; any thread */
uint32_t gw_companion_status(int err);

/**
 * gw_companion_release() - unmap all until @deadline, and leave the rest to the poller
 *
 * Return: 0; -EAGAIN. See gw_companion_end(), which also tells the ring and the command page.
 */
int gw_companion_release(struct gw_companion *c, uint64_t deadline) GW_HOLDS(c->gate);

/**
 * gw_companion_publish() - write to the page what is used, and the generation; any thread
 *
 * Return: whether the generation, or the number of mappings that the VMM has ended, has changed
 * since the last time; the ring then has to be told, too.
 */
bool gw_companion_publish(struct gw_companion *c) GW_HOLDS(c->gate);

/** gw_companion_kick() - wake the poller; any thread */
void gw_companion_kick(struct gw_companion *c) GW_HOLDS(c->gate);

/**
 * gw_companion_refuse() - count and log that a request was not done; any thread
 * @what: the request, a word or two
 * @err:  -errno, why
 */
void gw_companion_refuse(struct gw_companion *c, const char *what, uint64_t addr, uint64_t len,
			 int err) GW_HOLDS(c->gate);

/**
 * gw_companion_map() - counted if it is done; any thread
 *
 * Return: as gw_dma_guest_map(); -ESTALE after a reset, until the next announcement.
 */
int gw_companion_map(struct gw_companion *c, const struct gw_dma_want *want,
		     struct gw_mapping *map) GW_HOLDS(c->gate);

/** gw_companion_unmap() - likewise. Return: as gw_dma_guest_unmap() */
int gw_companion_unmap(struct gw_companion *c, uint64_t handle) GW_HOLDS(c->gate);

#endif
