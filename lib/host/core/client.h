/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef GW_CORE_CLIENT_H
#define GW_CORE_CLIENT_H

#include <stdatomic.h>

#include "base/lock.h"
#include "base/use.h"
#include "host/core/core.h"
#include "host/core/os.h"
#include "host/core/table.h"

/* The dext of a function and a connection to it: what the files of the core share. */

#define GW_CORE_IRQ_WORDS	(GW_DEXT_MAX_VECTORS / 64)

/* As struct gw_dext_irq_page. */
struct core_irq_page {
	_Atomic uint64_t pending[GW_CORE_IRQ_WORDS];
	_Atomic uint64_t enabled[GW_CORE_IRQ_WORDS];
};

/*
 * Lock order: core->lock, client->lock or client->buffer_lock, core->budget_lock, the platform's.
 */
struct gw_core {
	const struct gw_core_platform *platform;
	void *ctx;
	bool old;
	_Atomic bool gone;		/* the function has, or the driver */
	_Atomic bool asleep;		/* the device has no power; written under lock */
	_Atomic unsigned int sleeps;	/* how often it lost that; likewise */

	struct gw_core_lock lock;
	unsigned int claims GW_GUARDED_BY(lock);	/* clients that claimed */
	uint16_t command GW_GUARDED_BY(lock);	/* COMMAND while asleep; all ones: nobody has
						 * claimed */
	struct gw_core_bar bar[GW_DEXT_NR_BARS];	/* constant once somebody has claimed */
	struct gw_core_limits limits;	/* likewise */
	/* NONE until it is configured, then for ever */
	enum gw_core_irq_type irq_type GW_GUARDED_BY(lock);
	unsigned int nr_irqs GW_GUARDED_BY(lock);	/* likewise */
	struct gw_core_client *irq_client;	/* lock to change; irq_use to read */
	struct gw_use irq_use;		/* closed while nobody takes interrupts */

	struct gw_core_lock budget_lock;
	/* mapped, or about to be, by all clients */
	uint64_t maps GW_GUARDED_BY(budget_lock), bytes GW_GUARDED_BY(budget_lock);
	/* that the DART has reported, and the last of them */
	uint64_t faults GW_GUARDED_BY(budget_lock);
	uint32_t fault[GW_DEXT_FAULT_WORDS] GW_GUARDED_BY(budget_lock);
};

struct core_buffer;

struct gw_core_client {
	struct gw_core *core;
	void *ctx;
	_Atomic bool claimed;		/* written under core->lock */
	_Atomic bool extended;		/* it knows of gangway's own calls */

	struct gw_core_lock lock;
	struct core_table regions GW_GUARDED_BY(lock);

	struct gw_core_lock buffer_lock;	/* held while the platform works on it */
	struct core_buffer *buffer GW_GUARDED_BY(buffer_lock);

	/* interrupts: fixed between set-up and close */
	struct gw_core_memory irq_memory;
	struct core_irq_page *irq_page;
	_Atomic bool irq_ready;

	struct gw_core_lock wait_lock;	/* innermost; the stored completion */
	void (*done)(void *opaque, uint32_t result) GW_GUARDED_BY(wait_lock);
	void *opaque GW_GUARDED_BY(wait_lock);
	unsigned int sleeps_told GW_GUARDED_BY(wait_lock);	/* of core->sleeps */
	_Atomic bool waiting;		/* done is set */
};

/* One call, its arguments counted already. */
struct core_call {
	const uint64_t *in;
	uint64_t *out;
	unsigned int room;		/* in out */
	unsigned int nr_filled;		/* the row's; a handler may fill more */
};

/**
 * core_prepare() - have memory made reachable, within the budget
 * @room: segments that may come of it
 *
 * Return: NO_SPACE the budget is used up; NOT_ALIGNED more segments; NOT_WRITABLE the device could
 * not do all that was asked for; or the platform's. Nothing is mapped then.
 */
uint32_t core_prepare(struct gw_core *core, void *mapping, const struct gw_core_request *req,
		      unsigned int room, struct gw_core_prepared *out);

/** core_complete() - undo it; @size as asked for. Return: the platform's, and then it stays */
uint32_t core_complete(struct gw_core *core, void *mapping, uint64_t size);

/** core_command() - COMMAND, also while the device sleeps */
uint32_t core_command(struct gw_core *core) GW_HOLDS(core->lock);
void core_set_command(struct gw_core *core, uint32_t val) GW_HOLDS(core->lock);

uint32_t core_alloc_buffer(struct gw_core_client *c, struct core_call *call);
uint32_t core_free_buffer(struct gw_core_client *c, struct core_call *call);
uint32_t core_map_buffer(struct gw_core_client *c,
			 uint32_t (*view)(void *opaque, const struct gw_core_memory *mem),
			 void *opaque);
void core_drop_buffer(struct gw_core_client *c);

uint32_t core_register_region(struct gw_core_client *c, struct core_call *call);
uint32_t core_register_at(struct gw_core_client *c, struct core_call *call);
uint32_t core_register_remote(struct gw_core_client *c, struct core_call *call);
uint32_t core_unregister_region(struct gw_core_client *c, struct core_call *call);
uint32_t core_probe_region(struct gw_core_client *c, struct core_call *call);
void core_drop_regions(struct gw_core_client *c);

uint32_t core_setup_interrupts(struct gw_core_client *c, struct core_call *call);
uint32_t core_check_interrupt(struct gw_core_client *c, struct core_call *call);
uint32_t core_wait_interrupt(struct gw_core_client *c,
			     void (*done)(void *opaque, uint32_t result), void *opaque);
uint32_t core_set_irq_mask(struct gw_core_client *c, struct core_call *call);
/**
 * core_tell_sleep() - whoever waits for interrupts hears that the device loses its power, if it
 * knows of that
 */
void core_tell_sleep(struct gw_core *core);
void core_drop_interrupts(struct gw_core_client *c);

uint32_t core_get_identity(struct gw_core_client *c, struct core_call *call);
uint32_t core_get_limits(struct gw_core_client *c, struct core_call *call);
uint32_t core_get_faults(struct gw_core_client *c, struct core_call *call);
uint32_t core_config_read(struct gw_core_client *c, struct core_call *call);
uint32_t core_config_write(struct gw_core_client *c, struct core_call *call);
uint32_t core_get_bar_info(struct gw_core_client *c, struct core_call *call);
uint32_t core_mmio_read(struct gw_core_client *c, struct core_call *call);
uint32_t core_mmio_write(struct gw_core_client *c, struct core_call *call);
uint32_t core_reset_device(struct gw_core_client *c, struct core_call *call);

#endif
