/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef GW_DMA_DMA_H
#define GW_DMA_DMA_H

#include <errno.h>
#include <gangway/dma.h>

#include "base/gate.h"
#include "base/imap.h"
#include "base/lock.h"
#include "base/util.h"
#include "dma/held.h"
#include "dma/lost.h"
#include "dma/memory.h"
#include "dma/slots.h"

/* Inside lib/dma: an address space and its parts. */

/* A run of guest memory, and what the host has mapped of it. */
struct gw_dma_run {
	struct gw_run run;
	bool mapped;			/* at the host, by @handle; plan direct */
	struct gw_function *peer;	/* whose BAR it is; NULL: not known to be one */
	uint64_t handle;
	struct gw_dma_spans spans;	/* of mappings in it; plan paravirt */
};

/**
 * struct gw_dma - an address space
 * @gate: of all below it; taken before any lock of the host's. A thread that maps for the guest
 *        takes it patiently, so that the VMM, which waits no longer than 5 s, gets in between
 * @losses:     what the VMM has ended and the guest has not asked for; @dropped counts all
 * @generation: in the handles of the guest's mappings
 * @held:       what the VMM or the guest has unmapped and the device still uses
 * @releasing:  the guest's mappings are going, and none is made until they have gone
 */
struct gw_dma {
	struct gw_function *fn;
	enum gw_plan plan;
	struct gw_log *log;

	struct gw_gate gate;
	struct gw_guest_memory memory GW_GUARDED_BY(gate);
	struct gw_remote *remote GW_GUARDED_BY(gate);
	struct gw_dma_peers peers GW_GUARDED_BY(gate);
	struct gw_dma_slots slots GW_GUARDED_BY(gate);
	struct gw_dma_losses losses GW_GUARDED_BY(gate);
	struct gw_dma_held_list held GW_GUARDED_BY(gate);
	uint32_t generation GW_GUARDED_BY(gate), dropped GW_GUARDED_BY(gate);
	bool releasing GW_GUARDED_BY(gate);
};

static inline struct gw_dma_run *gw_dma_run_of(struct gw_run *run)
{
	return container_of(run, struct gw_dma_run, run);
}

/**
 * gw_dma_drop_run() - unmap what the guest has mapped of a run
 *
 * The guest may ask later which they were. Where the host fails, the file stays mapped in this
 * process until a later try succeeds.
 *
 * Return: 0; what the host answered first.
 */
int gw_dma_drop_run(struct gw_dma *dma, struct gw_dma_run *run) GW_HOLDS(dma->gate);

/** gw_dma_drop_all() - likewise of all runs, and begin a new generation */
void gw_dma_drop_all(struct gw_dma *dma) GW_HOLDS(dma->gate);

#endif
