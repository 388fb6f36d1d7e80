/* SPDX-License-Identifier: BSD-3-Clause */
#include "unit.h"

#include "base/util.h"
#include "host/core/client.h"

/* What the core asks of its platform, and what it makes of odd answers: a platform of the test's own. */

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
	uint32_t limit_flags;
	unsigned int granted[3];	/* vectors, by enum gw_core_irq_type */
	unsigned int asked_irqs, prepared;
	uint32_t flr, port;		/* results of a reset */
	char resets[8];			/* what was asked for: f, p */
	uint8_t page[GW_DEXT_IRQ_PAGE_SIZE] __attribute__((aligned(64)));
};

static uint32_t plat_open(void *ctx)
{
	return OK;
}

static void plat_close(void *ctx)
{
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

	*info = (struct gw_core_bar){ .index = bar, .size = 4096 };
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

	look_at_command(p, off, width);
	memcpy(&val, p->config + off, width);
	return val;
}

static void plat_config_write(void *ctx, unsigned int off, unsigned int width, uint32_t val)
{
	struct plat *p = ctx;

	look_at_command(p, off, width);
	memcpy(p->config + off, &val, width);
}

static uint32_t plat_mmio_read(void *ctx, uint64_t index, uint64_t off, unsigned int width,
			       uint64_t *val)
{
	*val = 0x5a;
	return OK;
}

static uint32_t plat_memory_alloc(void *ctx, uint64_t size, uint64_t align,
				  struct gw_core_memory *mem)
{
	struct plat *p = ctx;

	*mem = (struct gw_core_memory){ .addr = p->page, .size = size };
	return OK;
}

static void plat_memory_free(void *ctx, struct gw_core_memory *mem)
{
	mem->addr = NULL;
}

static uint32_t plat_dma_prepare(void *ctx, void *mapping, const struct gw_core_request *req,
				 struct gw_core_prepared *out)
{
	struct plat *p = ctx;

	p->prepared++;
	*out = (struct gw_core_prepared){
		.nr = 1, .seg = { { req->fixed ? req->iova : 0x1000, req->size } },
		.directions = GW_CORE_DIRECTION_IN | GW_CORE_DIRECTION_OUT,
	};
	return OK;
}

static uint32_t plat_dma_complete(void *ctx, void *mapping)
{
	return OK;
}

static uint32_t plat_irq_configure(void *ctx, enum gw_core_irq_type type, unsigned int *nr)
{
	struct plat *p = ctx;

	p->asked_irqs = *nr;
	*nr = p->granted[type];
	return OK;
}

static uint32_t plat_irq_enable(void *ctx, bool on)
{
	return OK;
}

static uint32_t plat_reset(void *ctx, bool flr)
{
	struct plat *p = ctx;

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

static uint32_t call(struct plat *p, uint32_t selector, const uint64_t *in, unsigned int nr_in,
		     uint64_t *out, unsigned int room)
{
	return gw_core_call(p->c, selector, in, nr_in, out, &room);
}

static void connect_and_claim(struct plat *p)
{
	assert_int_equal(gw_core_client_new(p->core, NULL, &p->c), OK);
	assert_int_equal(call(p, GW_DEXT_CLAIM, NULL, 0, NULL, 0), OK);
}

/* With MSI-X of 32 vectors. */
static struct plat *plat_new(uint32_t limit_flags)
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

static void plat_free(struct plat *p)
{
	gw_core_client_free(p->c);
	gw_core_free(p->core);
	free(p);
}

/* The other half is STATUS, whose bits are cleared by writing them. */
static void command_is_read_and_written_as_16_bits(void **state)
{
	struct plat *p = plat_new(0);

	assert_int_equal(p->config[COMMAND], 6);
	assert_int_equal(p->width, 2);
	p->width = 0;
	gw_core_client_free(p->c);
	p->c = NULL;
	assert_int_equal(p->config[COMMAND], 2);
	assert_int_equal(p->width, 2);
	p->width = 0;
	connect_and_claim(p);
	assert_int_equal(p->width, 2);
	p->width = 0;
	assert_int_equal(call(p, GW_DEXT_TERMINATE, NULL, 0, NULL, 0), OK);
	assert_int_equal(p->width, 2);
	plat_free(p);
}

static void a_bar_that_the_platform_does_not_have_is_not_accessed(void **state)
{
	const uint64_t in[3] = { 0, 0, 4 };
	struct plat *p = plat_new(0);
	uint64_t v;

	assert_int_equal(call(p, GW_DEXT_MMIO_READ, in, 3, &v, 1), OK);
	assert_int_equal(v, 0x5a);
	gw_core_client_free(p->c);
	p->bar_gone = true;		/* and what is said of it is nothing to go by */
	connect_and_claim(p);
	assert_int_equal(call(p, GW_DEXT_MMIO_READ, in, 3, &v, 1), GW_IORETURN_BAD_ARGUMENT);
	plat_free(p);
}

static void an_address_of_the_callers_needs_a_platform_that_says_it_honours_them(void **state)
{
	const uint64_t in[5] = { 1, 0x10000, 4096, GW_DEXT_REGION_FIXED, 0x40000000 };
	const uint64_t anywhere[5] = { 2, 0x10000, 4096, 0, 0x40000000 };
	struct plat *p = plat_new(GW_DEXT_LIMIT_REMOTE);
	uint64_t out[3];

	assert_int_equal(call(p, GW_DEXT_REGISTER_AT, in, 5, out, 3), GW_IORETURN_UNSUPPORTED);
	assert_int_equal(p->prepared, 0);
	assert_int_equal(call(p, GW_DEXT_REGISTER_AT, anywhere, 5, out, 3), OK);
	assert_int_equal(out[1], 0x1000);
	plat_free(p);
	p = plat_new(GW_DEXT_LIMIT_CALLER_IOVA);
	assert_int_equal(call(p, GW_DEXT_REGISTER_AT, in, 5, out, 3), OK);
	assert_int_equal(out[1], 0x40000000);
	plat_free(p);
}

static void a_reset_by_the_port_follows_one_that_failed(void **state)
{
	struct plat *p = plat_new(0);

	assert_int_equal(call(p, GW_DEXT_RESET_DEVICE, NULL, 0, NULL, 0), OK);
	assert_string_equal(p->resets, "f");
	p->flr = GW_IORETURN_UNSUPPORTED;
	assert_int_equal(call(p, GW_DEXT_RESET_DEVICE, NULL, 0, NULL, 0), OK);
	assert_string_equal(p->resets, "ffp");
	p->port = GW_IORETURN_TIMEOUT;
	assert_int_equal(call(p, GW_DEXT_RESET_DEVICE, NULL, 0, NULL, 0), GW_IORETURN_TIMEOUT);
	assert_string_equal(p->resets, "ffpfp");
	plat_free(p);
}

static void a_number_of_vectors_that_cannot_be_is_refused(void **state)
{
	static const struct { unsigned int nr; uint32_t result; } grant[] = {
		{ 0, GW_IORETURN_NO_RESOURCES }, { GW_DEXT_MAX_VECTORS + 1, GW_IORETURN_NO_RESOURCES },
		{ 1, OK }, { GW_DEXT_MAX_VECTORS, OK },
	};

	for (size_t i = 0; i < ARRAY_SIZE(grant); i++) {
		struct plat *p = plat_new(0);
		uint64_t nr;

		p->granted[GW_CORE_IRQ_MSIX] = grant[i].nr;
		assert_int_equal(call(p, GW_DEXT_SETUP_INTERRUPTS, NULL, 0, &nr, 1), grant[i].result);
		assert_int_equal(p->asked_irqs, 32);
		if (!grant[i].result)
			assert_int_equal(nr, grant[i].nr);
		plat_free(p);
	}
}

struct told {
	unsigned int times;
	uint32_t result;
};

static void told(void *opaque, uint32_t result)
{
	struct told *t = opaque;

	t->times++;
	t->result = result;
}

static void a_wait_on_a_function_that_goes_ends_without_a_device(void **state)
{
	struct plat *p = plat_new(0);
	struct told t = { 0 };
	uint64_t nr;

	assert_int_equal(call(p, GW_DEXT_SETUP_INTERRUPTS, NULL, 0, &nr, 1), OK);
	assert_int_equal(gw_core_call_async(p->c, GW_DEXT_WAIT_INTERRUPT, told, &t), OK);
	assert_int_equal(t.times, 0);
	gw_core_gone(p->core);
	assert_int_equal(t.times, 1);
	assert_int_equal(t.result, GW_IORETURN_NO_DEVICE);
	assert_int_equal(gw_core_call_async(p->c, GW_DEXT_WAIT_INTERRUPT, told, &t),
			 GW_IORETURN_NO_DEVICE);
	assert_int_equal(t.times, 1);
	/* it went after the call had looked, and an interrupt is pending as well */
	gw_core_interrupt(p->core, 3, true);
	assert_int_equal(core_wait_interrupt(p->c, told, &t), OK);
	assert_int_equal(t.times, 2);
	assert_int_equal(t.result, GW_IORETURN_NO_DEVICE);
	plat_free(p);
	assert_int_equal(t.times, 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(command_is_read_and_written_as_16_bits),
		cmocka_unit_test(a_bar_that_the_platform_does_not_have_is_not_accessed),
		cmocka_unit_test(an_address_of_the_callers_needs_a_platform_that_says_it_honours_them),
		cmocka_unit_test(a_reset_by_the_port_follows_one_that_failed),
		cmocka_unit_test(a_number_of_vectors_that_cannot_be_is_refused),
		cmocka_unit_test(a_wait_on_a_function_that_goes_ends_without_a_device),
	};

	return cmocka_run_group_tests_name("core_platform", tests, NULL, NULL);
}
