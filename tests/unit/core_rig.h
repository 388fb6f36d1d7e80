/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef TESTS_UNIT_CORE_RIG_H
#define TESTS_UNIT_CORE_RIG_H

#include "unit.h"

#include "base/util.h"
#include "host/core/client.h"

/* A core over a platform of the test's own, which answers what it is told to. */

#define OK		GW_IORETURN_SUCCESS
#define COMMAND		4u
#define CAPS		0x34u
#define MSIX		0x40u

struct plat {
	struct gw_core *core;
	struct gw_core_client *c;
	uint8_t config[256];
	unsigned int width;		/* of every access to COMMAND; UINT32_MAX: they differ */
	bool bar_gone;			/* BAR 0 is described, and the call fails */
	uint64_t bar_type;
	bool off;			/* whoever asks the device fails the test */
	uint32_t limit_flags;
	unsigned int granted[3];	/* vectors, by enum gw_core_irq_type */
	unsigned int asked_irqs, prepared, completed, allocated;
	struct gw_core_prepared *prepare;	/* what is made of a request, if it is set */
	uint32_t open, msix, enable, prepare_result;	/* results */
	uint32_t flr, port;		/* results of a reset */
	char log[128];			/* a session begins and ends: ( ); bus mastering + -; interrupts i; complete c */
	char resets[8];			/* what was asked for: f, p */
	uint8_t page[GW_DEXT_IRQ_PAGE_SIZE] __attribute__((aligned(64)));
};

static void note(struct plat *p, const char *what)
{
	assert_true(strlen(p->log) + 1 < sizeof(p->log));
	strcat(p->log, what);
}

static uint32_t plat_open(void *ctx)
{
	struct plat *p = ctx;

	assert_false(p->off);
	if (!p->open)
		note(p, "(");
	return p->open;
}

static void plat_close(void *ctx)
{
	note(ctx, ")");
}

static void plat_limits(void *ctx, struct gw_core_limits *limits)
{
	struct plat *p = ctx;

	*limits = (struct gw_core_limits){
		.granule = 4096, .max_bytes = 1 << 20, .max_maps = 16, .max_map_bytes = 1 << 20,
		.segments = 1, .flags = p->limit_flags,
	};
}

static uint32_t plat_bar(void *ctx, unsigned int bar, struct gw_core_bar *info)
{
	struct plat *p = ctx;

	*info = (struct gw_core_bar){ .index = bar, .size = 4096, .type = p->bar_type };
	return bar || p->bar_gone ? GW_IORETURN_NOT_FOUND : OK;
}

static void look_at_command(struct plat *p, unsigned int off, unsigned int width)
{
	if (off == COMMAND)
		p->width = p->width && p->width != width ? UINT32_MAX : width;
}

static uint32_t plat_config_read(void *ctx, unsigned int off, unsigned int width)
{
	struct plat *p = ctx;
	uint32_t val = 0;

	assert_false(p->off);
	look_at_command(p, off, width);
	memcpy(&val, p->config + off, width);
	return val;
}

static void plat_config_write(void *ctx, unsigned int off, unsigned int width, uint32_t val)
{
	struct plat *p = ctx;

	assert_false(p->off);
	look_at_command(p, off, width);
	if (off == COMMAND)
		note(p, val & 4 ? "+" : "-");
	memcpy(p->config + off, &val, width);
}

static uint32_t plat_mmio_read(void *ctx, uint64_t index, uint64_t off, unsigned int width,
			       uint64_t *val)
{
	assert_false(((struct plat *)ctx)->off);
	*val = 0x5a;
	return OK;
}

static uint32_t plat_mmio_write(void *ctx, uint64_t index, uint64_t off, unsigned int width, uint64_t val)
{
	assert_false(((struct plat *)ctx)->off);
	return OK;
}

static uint32_t plat_memory_alloc(void *ctx, uint64_t size, uint64_t align,
				  struct gw_core_memory *mem)
{
	struct plat *p = ctx;

	*mem = (struct gw_core_memory){ .addr = p->page, .size = size };
	p->allocated++;
	return OK;
}

static void plat_memory_free(void *ctx, struct gw_core_memory *mem)
{
	((struct plat *)ctx)->allocated--;
	mem->addr = NULL;
}

static uint32_t plat_dma_prepare(void *ctx, void *mapping, const struct gw_core_request *req,
				 struct gw_core_prepared *out)
{
	struct plat *p = ctx;

	assert_false(p->off);
	if (p->prepare_result)
		return p->prepare_result;
	p->prepared++;
	if (p->prepare) {
		*out = *p->prepare;
		return OK;
	}
	*out = (struct gw_core_prepared){
		.nr = 1, .seg = { { req->fixed ? req->iova : 0x1000, req->size } },
		.directions = GW_CORE_DIRECTION_IN | GW_CORE_DIRECTION_OUT,
	};
	return OK;
}

static uint32_t plat_dma_complete(void *ctx, void *mapping)
{
	((struct plat *)ctx)->completed++;
	note(ctx, "c");
	return OK;
}

static uint32_t plat_irq_configure(void *ctx, enum gw_core_irq_type type, unsigned int *nr)
{
	struct plat *p = ctx;

	assert_false(p->off);
	p->asked_irqs = *nr;
	*nr = p->granted[type];
	return type == GW_CORE_IRQ_MSIX ? p->msix : OK;
}

static uint32_t plat_irq_enable(void *ctx, bool on)
{
	if (!on)
		note(ctx, "i");
	return on ? ((struct plat *)ctx)->enable : OK;
}

static uint32_t plat_reset(void *ctx, bool flr)
{
	struct plat *p = ctx;

	assert_false(p->off);
	strcat(p->resets, flr ? "f" : "p");
	return flr ? p->flr : p->port;
}

static void plat_terminate(void *ctx)
{
}

static void plat_event(void *ctx, enum gw_core_event event, uint64_t a, uint64_t b)
{
}

static const struct gw_core_platform platform = {
	.open = plat_open,
	.close = plat_close,
	.limits = plat_limits,
	.bar = plat_bar,
	.config_read = plat_config_read,
	.config_write = plat_config_write,
	.mmio_read = plat_mmio_read,
	.mmio_write = plat_mmio_write,
	.memory_alloc = plat_memory_alloc,
	.memory_free = plat_memory_free,
	.dma_prepare = plat_dma_prepare,
	.dma_complete = plat_dma_complete,
	.irq_configure = plat_irq_configure,
	.irq_enable = plat_irq_enable,
	.reset = plat_reset,
	.terminate = plat_terminate,
	.event = plat_event,
};

static inline uint32_t call(struct plat *p, uint32_t selector, const uint64_t *in, unsigned int nr_in,
		     uint64_t *out, unsigned int room)
{
	return gw_core_call(p->c, selector, in, nr_in, out, &room);
}

static inline void connect_and_claim(struct plat *p)
{
	assert_int_equal(gw_core_client_new(p->core, NULL, &p->c), OK);
	assert_int_equal(call(p, GW_DEXT_CLAIM, NULL, 0, NULL, 0), OK);
}

/* With MSI-X of 32 vectors. */
static inline struct plat *plat_new(uint32_t limit_flags)
{
	struct plat *p = calloc(1, sizeof(*p));

	p->limit_flags = limit_flags;
	p->config[6] = 0x10;
	p->config[CAPS] = MSIX;
	p->config[MSIX] = 0x11;
	p->config[MSIX + 2] = 31;
	p->granted[GW_CORE_IRQ_MSIX] = 32;
	p->granted[GW_CORE_IRQ_MSI] = 1;
	p->core = gw_core_new(&platform, p, 0);
	assert_non_null(p->core);
	connect_and_claim(p);
	return p;
}

static inline void plat_free(struct plat *p)
{
	gw_core_client_free(p->c);
	gw_core_free(p->core);
	free(p);
}

#endif
