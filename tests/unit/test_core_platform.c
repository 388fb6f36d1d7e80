/* SPDX-License-Identifier: BSD-3-Clause */
#include "core_rig.h"

/* What the core asks of its platform, and what it makes of odd answers. */

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
