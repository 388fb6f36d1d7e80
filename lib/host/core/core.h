/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef GW_CORE_CORE_H
#define GW_CORE_CORE_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>

#include <gangway/dext.h>
#include <gangway/log.h>
#include <gangway/remote.h>

#include "base/use.h"

/*
 * The dext: claims, regions, buffer, interrupts and reset policy of one function, and what its
 * connections ask for. Nothing here is about the system it runs on; that is behind the hooks.
 */

#define GW_CORE_MAX_BUFFER	(1536ull << 20)
#define GW_CORE_IRQ_PAGE	16384u

struct gw_core;
struct gw_core_client;

/* Memory that can be shared with a client. */
struct gw_core_memory {
	void *addr;			/* NULL: none */
	uint64_t size;
	int fd;				/* the platform's */
};

struct gw_core_request {
	uint64_t addr;			/* in the client, or the remote's */
	uint64_t size;
	struct gw_remote *remote;
	bool read_only, fixed;
	uint64_t iova;			/* with @fixed */
};

/**
 * struct gw_core_hooks - the system a dext runs on
 * @mapping_size:     bytes of storage for one mapping
 * @identity:         the six scalars of GW_DEXT_GET_IDENTITY
 * @limits:           the eight of GW_DEXT_GET_LIMITS
 * @config_read:      @off and @width are checked; so with config_write()
 * @bar_info:         memory index, size and type; NOT_FOUND if there is no such BAR
 * @bar_memory:       what a BAR that can be mapped is made of; stays the platform's
 * @mmio_read:        by memory index; the platform checks all
 * @dma_prepare:      make memory reachable. *@nr is the room in @seg, then how many
 * @dma_complete:     no access is under way and none can begin on return
 * @dma_probe:        read 8 bytes of a mapping
 * @irq_setup:        have interrupts arrive at gw_core_interrupt(); *@nr vectors wanted, then got
 * @irq_teardown:     none arrive on return
 * @reset:            function level if @flr, else by the port above; quiet on return
 * @terminate:        this driver goes away
 *
 * Those that can fail answer with an IOReturn code.
 */
struct gw_core_hooks {
	size_t mapping_size;
	void (*identity)(struct gw_core *core, uint64_t id[6]);
	void (*limits)(struct gw_core *core, uint64_t limits[8]);
	uint32_t (*config_read)(struct gw_core *core, unsigned int off, unsigned int width);
	void (*config_write)(struct gw_core *core, unsigned int off, unsigned int width,
			     uint32_t val);
	uint32_t (*bar_info)(struct gw_core *core, uint64_t bar, uint64_t info[3]);
	uint32_t (*bar_memory)(struct gw_core *core, unsigned int bar, struct gw_core_memory *mem);
	uint32_t (*mmio_read)(struct gw_core *core, uint64_t index, uint64_t off, uint64_t width,
			      uint64_t *val);
	uint32_t (*mmio_write)(struct gw_core *core, uint64_t index, uint64_t off, uint64_t width,
			       uint64_t val);
	uint32_t (*memory_alloc)(struct gw_core *core, uint64_t size, uint64_t align,
				 struct gw_core_memory *mem);
	void (*memory_free)(struct gw_core *core, struct gw_core_memory *mem);
	uint32_t (*dma_prepare)(struct gw_core *core, void *mapping,
				const struct gw_core_request *req, struct gw_segment *seg,
				unsigned int *nr);
	void (*dma_complete)(struct gw_core *core, void *mapping);
	uint32_t (*dma_probe)(struct gw_core *core, void *mapping, uint64_t off, uint64_t *val);
	uint32_t (*irq_setup)(struct gw_core *core, unsigned int *nr);
	void (*irq_teardown)(struct gw_core *core);
	uint32_t (*reset)(struct gw_core *core, bool flr);
	void (*terminate)(struct gw_core *core);
};

/**
 * struct gw_core - the dext of one function
 *
 * Lock order: core->lock, client->lock, the platform's.
 */
struct gw_core {
	const struct gw_core_hooks *hooks;
	struct gw_log *log;
	_Atomic bool gone;		/* the function has, or the driver */

	pthread_mutex_t lock;
	unsigned int claims;		/* lock: clients that claimed */
	struct gw_core_client *irq_client;	/* lock to change; irq_use to read */
	struct gw_use irq_use;		/* closed while nobody takes interrupts */
};

/** gw_core_init() - Return: 0; -errno of the lock */
int gw_core_init(struct gw_core *core, const struct gw_core_hooks *hooks, struct gw_log *log);

/** gw_core_fini() - every client must be gone */
void gw_core_fini(struct gw_core *core);

/** gw_core_interrupt() - vector @v fired; @notify: whoever waits is told. From any thread */
void gw_core_interrupt(struct gw_core *core, unsigned int v, bool notify);

/** gw_core_gone() - the function disappeared: calls fail from now on, waits end with NO_DEVICE */
void gw_core_gone(struct gw_core *core);

/** gw_core_client_new() - a connection. Return: 0; -ENOMEM; -ENODEV */
int gw_core_client_new(struct gw_core *core, struct gw_core_client **c);

/** gw_core_client_free() - gives all it held back, device first; nothing else may be under way */
void gw_core_client_free(struct gw_core_client *c);

/** gw_core_call() - as gw_dext_conn_ops.call() */
uint32_t gw_core_call(struct gw_core_client *c, uint32_t selector, const uint64_t *in,
		      unsigned int nr_in, uint64_t *out, unsigned int *nr_out);

/** gw_core_call_async() - as gw_dext_conn_ops.call_async() */
uint32_t gw_core_call_async(struct gw_core_client *c, uint32_t selector,
			    void (*done)(void *opaque, uint32_t result), void *opaque);

/**
 * gw_core_map() - have memory of a type (enum gw_dext_memory) mapped
 * @view: maps it for the client while it cannot go away
 */
uint32_t gw_core_map(struct gw_core_client *c, unsigned int type,
		     uint32_t (*view)(void *opaque, const struct gw_core_memory *mem),
		     void *opaque);

#endif
