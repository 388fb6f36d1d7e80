/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef DEVICES_NVME_NVME_H
#define DEVICES_NVME_NVME_H

#include <liburing.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

#include <gangway/endpoint.h>

#include "devices/nvme.h"
#include "backing.h"
#include "cmb.h"
#include "command.h"
#include "control.h"
#include "cq.h"
#include "data.h"
#include "events.h"
#include "features.h"
#include "limits.h"
#include "nap.h"
#include "poll.h"
#include "regs.h"
#include "shadow.h"
#include "spec.h"
#include "sq.h"

/*
 * An NVMe controller with one namespace, kept in a file.
 *
 * How it works: the threads that answer the VMM only store registers and doorbells and wake the
 * worker. The worker, one thread a controller, owns everything else: it fetches commands, starts
 * their I/O (io_uring, straight to and from pinned guest pages), posts completions and raises
 * interrupts. While it runs, nobody needs to wake it; before it sleeps it says so, and looks
 * once more.
 *
 * The file may not answer. Then the worker sleeps in a system call, or the ring keeps commands, and
 * both hold guest memory. So whoever has the worker do something waits for a bounded time; what is
 * late is done when the file answers, and until then the bus keeps the controller off and its
 * memory mapped. A controller that goes meanwhile is left to its worker.
 *
 * Fields below belong to the worker unless they stand in struct nvme_regs, struct nvme_doorbell
 * or struct nvme_control, whose comments say how they are shared.
 */

struct nvme {
	struct gw_endpoint ep;
	struct gw_log *log, own_log;

	struct nvme_regs regs;
	struct nvme_doorbell db[NVME_NR_QUEUES];
	struct nvme_control ctl;
	struct nvme_cmb cmb;

	pthread_t thread;
	struct io_uring ring;
	unsigned int nr_ring;		/* commands in the ring that are not harmless */
	bool ring_dirty;		/* something to submit */
	bool quiet;			/* no DMA */
	bool stop;
	bool ready, dead, disabling;	/* @dead: until a reset; CFS is set, or it was shut down */
	bool shutdown_waits;		/* for the disable, or for a command */
	bool order_open;		/* begun, waits for the ring */
	bool again;			/* memory was out of reach for a moment */
	uint32_t page_bits, page_size;	/* CC.MPS */
	uint64_t wake_at;		/* ns: earliest reason to end a sleep; 0: none */

	struct nvme_sq sq[NVME_NR_QUEUES];
	struct nvme_cq cq[NVME_NR_QUEUES];
	unsigned int top_sq, top_cq;	/* highest that exists */
	unsigned int next_sq;		/* round robin */

	struct nvme_cmd *cmd;		/* all there are */
	struct nvme_cmd_list idle, parked;
	struct nvme_cmd_list fetched;	/* by @all: not completed */
	unsigned int nr_idle;
	uint32_t shutdowns;		/* counts; a flush belongs to one */
	unsigned int nr_aborts;
	uint64_t buffer_bytes;		/* bounce buffers and run lists in use */

	struct nvme_shadow shadow;
	struct nvme_backing back;
	uint32_t block_bits;
	struct nvme_features feat;
	struct nvme_health health;
	struct nvme_events events;
	struct nvme_error error[NVME_NR_ERRORS];
	struct nvme_poll poll;
	struct nvme_nap nap;
	uint64_t nr_commands;		/* ever fetched */
	uint64_t serial;
};

static inline struct nvme *to_nvme(struct gw_endpoint *ep)
{
	return (struct nvme *)ep;	/* first member */
}

#endif
