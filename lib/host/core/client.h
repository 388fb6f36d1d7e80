/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef GW_CORE_CLIENT_H
#define GW_CORE_CLIENT_H

#include <bsd/sys/tree.h>

#include "host/core/core.h"

/* A connection, and what the files of the core share about it. */

struct core_region;
RB_HEAD(gw_core_regions, core_region);

struct core_buffer;

struct gw_core_client {
	struct gw_core *core;
	_Atomic bool claimed;		/* written under core->lock */

	pthread_mutex_t lock;
	struct gw_core_regions regions;	/* lock */

	pthread_mutex_t buffer_lock;	/* taken alone; held while the platform works on it */
	struct core_buffer *buffer;	/* buffer_lock */

	/* interrupts: fixed between set-up and close */
	struct gw_core_memory irq_memory;
	struct gw_dext_irq_page *irq_page;
	_Atomic bool irq_ready;

	pthread_mutex_t wait_lock;	/* innermost; the stored completion */
	void (*done)(void *opaque, uint32_t result);
	void *opaque;
	_Atomic bool waiting;		/* done is set */
};

/* One call, its arguments counted already. */
struct core_call {
	const uint64_t *in;
	uint64_t *out;
	unsigned int room;		/* in out */
	unsigned int nr_filled;		/* the row's; a handler may fill more */
};

uint32_t gw_core_alloc_buffer(struct gw_core_client *c, struct core_call *call);
uint32_t gw_core_free_buffer(struct gw_core_client *c, struct core_call *call);
uint32_t gw_core_map_buffer(struct gw_core_client *c,
			    uint32_t (*view)(void *opaque, const struct gw_core_memory *mem),
			    void *opaque);
void gw_core_drop_buffer(struct gw_core_client *c);

uint32_t gw_core_register_region(struct gw_core_client *c, struct core_call *call);
uint32_t gw_core_register_at(struct gw_core_client *c, struct core_call *call);
uint32_t gw_core_register_remote(struct gw_core_client *c, struct core_call *call);
uint32_t gw_core_unregister_region(struct gw_core_client *c, struct core_call *call);
uint32_t gw_core_probe_region(struct gw_core_client *c, struct core_call *call);
void gw_core_drop_regions(struct gw_core_client *c);

uint32_t gw_core_setup_interrupts(struct gw_core_client *c, struct core_call *call);
uint32_t gw_core_check_interrupt(struct gw_core_client *c, struct core_call *call);
uint32_t gw_core_wait_interrupt(struct gw_core_client *c,
				void (*done)(void *opaque, uint32_t result), void *opaque);
uint32_t gw_core_set_irq_mask(struct gw_core_client *c, struct core_call *call);
void gw_core_drop_interrupts(struct gw_core_client *c);

uint32_t gw_core_get_identity(struct gw_core_client *c, struct core_call *call);
uint32_t gw_core_get_limits(struct gw_core_client *c, struct core_call *call);
uint32_t gw_core_config_read(struct gw_core_client *c, struct core_call *call);
uint32_t gw_core_config_write(struct gw_core_client *c, struct core_call *call);
uint32_t gw_core_get_bar_info(struct gw_core_client *c, struct core_call *call);
uint32_t gw_core_mmio_read(struct gw_core_client *c, struct core_call *call);
uint32_t gw_core_mmio_write(struct gw_core_client *c, struct core_call *call);
uint32_t gw_core_reset_device(struct gw_core_client *c, struct core_call *call);

#endif
