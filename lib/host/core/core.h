/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef GW_CORE_CORE_H
#define GW_CORE_CORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <gangway/dext_abi.h>

/*
 * What a dext decides: claims, regions and their budget, the buffer, interrupts, reset policy, and
 * who may ask for what. Nothing here is about the system it runs on; that is a table of what the
 * platform offers. Its users are the simulated host and the driver extension for macOS, which is
 * C++.
 *
 * Results are IOReturn codes, GW_IORETURN_*.
 */

#ifdef __cplusplus
extern "C" {
#endif

#define GW_CORE_MAX_BUFFER	(1536ull << 20)
#define GW_CORE_MAX_SEGMENTS	32	/* that the platform reports of one mapping */

struct gw_core;
struct gw_core_client;
struct gw_remote;

/** Memory that can be shared with a client. */
struct gw_core_memory {
	void *addr;			/* NULL: none */
	uint64_t size;
	int fd;				/* the platform's, likewise @handle */
	void *handle;
};

struct gw_core_segment {
	uint64_t iova, size;
};

/** Memory to be made reachable. */
struct gw_core_request {
	void *client;			/* as given to gw_core_client_new(); NULL: a buffer's */
	const struct gw_core_memory *memory;	/* with a buffer */
	uint64_t addr;			/* in the client, or the remote's */
	uint64_t size;
	struct gw_remote *remote;
	bool read_only, fixed;
	uint64_t iova;			/* with @fixed */
};

#define GW_CORE_DIRECTION_IN	1u	/* the device may write */
#define GW_CORE_DIRECTION_OUT	2u	/* the device may read */

/** What a platform made of a request. */
struct gw_core_prepared {
	struct gw_core_segment seg[GW_CORE_MAX_SEGMENTS];
	unsigned int nr;
	unsigned int directions;	/* GW_CORE_DIRECTION_*, that the mapping really has */
};

/** What one function may have mapped. */
struct gw_core_limits {
	uint64_t granule;
	uint64_t max_bytes, max_maps, max_map_bytes;
	uint64_t iova_first, iova_last;
	uint32_t segments;		/* of one mapping */
	uint32_t flags;			/* GW_DEXT_LIMIT_* */
};

struct gw_core_bar {
	uint64_t index;			/* PCIDriverKit's memory index, not the BAR's number */
	uint64_t size;			/* 0: there is none */
	uint64_t type;			/* low bits of a BAR register */
};

enum gw_core_irq_type { GW_CORE_IRQ_NONE, GW_CORE_IRQ_MSI, GW_CORE_IRQ_MSIX };

enum gw_core_event {
	GW_CORE_EVENT_PREPARE,		/* about to be asked for: address, size */
	GW_CORE_EVENT_LEFT,		/* a client went with so many regions, so many bytes */
	GW_CORE_EVENT_TRUNCATED,	/* a mapping of so many bytes came out with so many less */
	GW_CORE_EVENT_BUDGET,		/* refused: size, bytes in use */
	GW_CORE_EVENT_POWER,		/* it is back, or goes (1, 0); how often it went */
};

/**
 * struct gw_core_platform - the system a dext runs on; @ctx is what gw_core_new() was given
 * @mapping_size:  bytes of storage for one mapping
 * @open:          begin a session; may take as long as the device needs to power up. Config space,
 *                 registers, mappings, interrupts and resets need one
 * @close:         end it: the device decodes nothing and does no DMA afterwards
 * @address:       bus, device and function; also without a session
 * @limits:        likewise
 * @bar:           likewise; NOT_FOUND if there is no such BAR, or it is an upper half
 * @config_read:   @off and @width lie in config space and are aligned; so with config_write()
 * @bar_memory:    what a memory BAR is made of, if it can be mapped; stays the platform's
 * @mmio_read:     by memory index; @off and @width lie in the BAR and are aligned, because a
 *                 platform need not check them
 * @mmio_write:    likewise
 * @memory_alloc:  memory that can be shared
 * @dma_prepare:   make memory reachable. A mapping of more segments than there is room for comes
 *                 back with the first of them, which is no error
 * @dma_complete:  no access is under way and none can begin on return. An error: one does not end,
 *                 and the mapping stays
 * @dma_probe:     read 8 bytes of a mapping
 * @irq_configure: have the function use interrupts of a type, *@nr of them, or at least one; *@nr
 *                 is what it got. Once for the life of the function: later calls fail unless they
 *                 ask for the same
 * @irq_enable:    have them arrive at gw_core_interrupt(), or not: then none is under way on return
 * @reset:         function level if @flr, else by the port above; quiet on return
 * @terminate:     this driver goes away
 * @event:         something for the log; GW_CORE_EVENT_PREPARE comes before the platform is asked,
 *                 so that a platform which brings the machine down has said for what
 */
struct gw_core_platform {
	size_t mapping_size;
	uint32_t (*open)(void *ctx);
	void (*close)(void *ctx);
	void (*address)(void *ctx, uint8_t at[3]);
	void (*limits)(void *ctx, struct gw_core_limits *limits);
	uint32_t (*bar)(void *ctx, unsigned int bar, struct gw_core_bar *info);
	uint32_t (*config_read)(void *ctx, unsigned int off, unsigned int width);
	void (*config_write)(void *ctx, unsigned int off, unsigned int width, uint32_t val);
	uint32_t (*bar_memory)(void *ctx, unsigned int bar, struct gw_core_memory *mem);
	uint32_t (*mmio_read)(void *ctx, uint64_t index, uint64_t off, unsigned int width,
			      uint64_t *val);
	uint32_t (*mmio_write)(void *ctx, uint64_t index, uint64_t off, unsigned int width,
			       uint64_t val);
	uint32_t (*memory_alloc)(void *ctx, uint64_t size, uint64_t align,
				 struct gw_core_memory *mem);
	void (*memory_free)(void *ctx, struct gw_core_memory *mem);
	uint32_t (*dma_prepare)(void *ctx, void *mapping, const struct gw_core_request *req,
				struct gw_core_prepared *out);
	uint32_t (*dma_complete)(void *ctx, void *mapping);
	uint32_t (*dma_probe)(void *ctx, void *mapping, uint64_t off, uint64_t *val);
	uint32_t (*irq_configure)(void *ctx, enum gw_core_irq_type type, unsigned int *nr);
	uint32_t (*irq_enable)(void *ctx, bool on);
	uint32_t (*reset)(void *ctx, bool flr);
	void (*terminate)(void *ctx);
	void (*event)(void *ctx, enum gw_core_event event, uint64_t a, uint64_t b);
};

/* of gw_core_new() */
#define GW_CORE_OLD	1u		/* as the earlier dext: calls 0 to 17, few checks */

/**
 * gw_core_accepts() - whether a dext should take a function at all
 * @class_code: 24 bits
 *
 * Multimedia functions (base class 04) only by request: the audio function of a graphics card
 * brought hosts down, and is of no use to a guest without a display.
 */
static inline bool gw_core_accepts(uint32_t class_code, bool multimedia)
{
	return class_code >> 16 != 0x04 || multimedia;
}

/** gw_core_new() - the dext of one function. Return: NULL if memory is out */
struct gw_core *gw_core_new(const struct gw_core_platform *platform, void *ctx,
			    unsigned int flags);

/** gw_core_free() - every client must be gone; NULL is fine */
void gw_core_free(struct gw_core *core);

/** gw_core_interrupt() - vector @v fired; @notify: whoever waits is told. From any thread */
void gw_core_interrupt(struct gw_core *core, unsigned int v, bool notify);

/**
 * gw_core_fault() - the DART has reported an access of the function's to memory it was not given
 */
void gw_core_fault(struct gw_core *core, const uint32_t words[GW_DEXT_FAULT_WORDS]);

/**
 * gw_core_power() - the platform is about to take the device's power (@on is false), or has brought
 * it back
 *
 * Before: there is no DMA on return. Afterwards config space must be as it was. Nothing is asked of
 * the device meanwhile but to end the session.
 */
void gw_core_power(struct gw_core *core, bool on);

/** gw_core_gone() - the function disappeared: calls fail from now on, waits end with NO_DEVICE */
void gw_core_gone(struct gw_core *core);

/** gw_core_is_gone() - whether it did, or the driver was terminated */
bool gw_core_is_gone(struct gw_core *core);

/** gw_core_client_new() - a connection; @ctx comes with its requests. NO_MEMORY; NO_DEVICE */
uint32_t gw_core_client_new(struct gw_core *core, void *ctx, struct gw_core_client **c);

/** gw_core_client_free() - gives all it held back, device first; nothing else may be under way */
void gw_core_client_free(struct gw_core_client *c);

/**
 * gw_core_call() - one call
 * @nr_out: room in @out, and how much was filled on return
 */
uint32_t gw_core_call(struct gw_core_client *c, uint32_t selector, const uint64_t *in,
		      unsigned int nr_in, uint64_t *out, unsigned int *nr_out);

/**
 * gw_core_call_async() - the one that waits for an interrupt
 * @done: called once, from any thread, possibly before this returns; if this fails, never
 */
uint32_t gw_core_call_async(struct gw_core_client *c, uint32_t selector,
			    void (*done)(void *opaque, uint32_t result), void *opaque);

/**
 * gw_core_map() - have memory of a type (enum gw_dext_memory) mapped
 * @view: maps it for the client while it cannot go away
 */
uint32_t gw_core_map(struct gw_core_client *c, uint64_t type,
		     uint32_t (*view)(void *opaque, const struct gw_core_memory *mem),
		     void *opaque);

#ifdef __cplusplus
}
#endif
#endif
