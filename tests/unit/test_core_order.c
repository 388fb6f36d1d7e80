/* SPDX-License-Identifier: BSD-3-Clause */
#include "core_rig.h"

/* What the core does before what, and what it gives back of what failed. */

static void register_region(struct plat *p, uint64_t key, uint32_t result)
{
	const uint64_t in[3] = { key, 0x10000, 4096 };
	uint64_t out[3];

	assert_int_equal(call(p, GW_DEXT_REGISTER_REGION, in, 3, out, 3), result);
}

/* A client that dies may leave a device at work: its memory goes last, and the session after that. */
static void a_device_is_quiet_before_what_it_had_goes(void **state)
{
	struct plat *p = plat_new(0);
	struct gw_core_client *second;
	uint64_t out[6];

	register_region(p, 1, OK);
	assert_int_equal(call(p, GW_DEXT_ALLOC_BUFFER, (uint64_t[]){ 4096, 0 }, 2, out, 6), OK);
	assert_int_equal(call(p, GW_DEXT_SETUP_INTERRUPTS, NULL, 0, out, 1), OK);
	assert_string_equal(p->log, "(+");
	assert_int_equal(gw_core_client_new(p->core, NULL, &second), OK);
	gw_core_client_free(second);		/* one that has not claimed matters to nobody */
	assert_string_equal(p->log, "(+");
	gw_core_client_free(p->c);
	assert_string_equal(p->log, "(+-icc)");
	assert_int_equal(p->allocated, 0);
	p->c = NULL;
	plat_free(p);
}

/* The first of two leaves the device to the second. */
static void a_device_that_another_uses_stays_at_work(void **state)
{
	struct plat *p = plat_new(0);
	struct gw_core_client *first = p->c;

	register_region(p, 1, OK);
	connect_and_claim(p);
	gw_core_client_free(first);
	assert_string_equal(p->log, "(+c");
	gw_core_client_free(p->c);
	assert_string_equal(p->log, "(+c-)");
	p->c = NULL;
	plat_free(p);
}

static void a_session_that_does_not_begin_is_no_claim(void **state)
{
	struct plat *p = plat_new(0);

	gw_core_client_free(p->c);
	p->log[0] = '\0';
	p->open = GW_IORETURN_EXCLUSIVE_ACCESS;
	assert_int_equal(gw_core_client_new(p->core, NULL, &p->c), OK);
	assert_int_equal(call(p, GW_DEXT_CLAIM, NULL, 0, NULL, 0), GW_IORETURN_EXCLUSIVE_ACCESS);
	assert_string_equal(p->log, "");
	register_region(p, 1, GW_IORETURN_NOT_OPEN);
	p->open = OK;
	assert_int_equal(call(p, GW_DEXT_CLAIM, NULL, 0, NULL, 0), OK);
	assert_int_equal(call(p, GW_DEXT_CLAIM, NULL, 0, NULL, 0), OK);
	assert_string_equal(p->log, "(+");
	plat_free(p);
}

static uint32_t no_view(void *opaque, const struct gw_core_memory *mem)
{
	fail();
	return OK;
}

/* Ports are no memory; the platform is not even asked for it. */
static void a_bar_of_ports_is_neither_mapped_nor_accessed(void **state)
{
	const uint64_t in[4] = { 0, 0, 4, 0 };
	struct plat *p = plat_new(0);
	uint64_t v;

	gw_core_client_free(p->c);
	p->bar_type = 1;
	connect_and_claim(p);
	assert_int_equal(gw_core_map(p->c, GW_DEXT_MEMORY_BAR0, no_view, NULL), GW_IORETURN_UNSUPPORTED);
	assert_int_equal(call(p, GW_DEXT_MMIO_READ, in, 3, &v, 1), GW_IORETURN_BAD_ARGUMENT);
	assert_int_equal(call(p, GW_DEXT_MMIO_WRITE, in, 4, NULL, 0), GW_IORETURN_BAD_ARGUMENT);
	plat_free(p);
}

static void what_is_given_back_is_taken_though_the_function_has_gone(void **state)
{
	struct plat *p = plat_new(0);
	uint64_t key = 1, out[6], v;

	register_region(p, key, OK);
	assert_int_equal(call(p, GW_DEXT_ALLOC_BUFFER, (uint64_t[]){ 4096, 0 }, 2, out, 6), OK);
	gw_core_gone(p->core);
	register_region(p, 2, GW_IORETURN_NO_DEVICE);
	assert_int_equal(call(p, GW_DEXT_CONFIG_READ, (uint64_t[]){ 0, 4 }, 2, &v, 1), GW_IORETURN_NO_DEVICE);
	for (uint64_t type = GW_DEXT_MEMORY_BUFFER; type <= GW_DEXT_MEMORY_IRQ_PAGE; type++)
		assert_int_equal(gw_core_map(p->c, type, no_view, NULL), GW_IORETURN_NO_DEVICE);
	assert_int_equal(p->completed, 0);
	assert_int_equal(call(p, GW_DEXT_UNREGISTER_REGION, &key, 1, NULL, 0), OK);
	assert_int_equal(p->completed, 1);
	assert_int_equal(call(p, GW_DEXT_FREE_BUFFER, NULL, 0, NULL, 0), OK);
	assert_int_equal(p->completed, 2);
	assert_int_equal(p->allocated, 0);
	assert_int_equal(call(p, GW_DEXT_GET_FAULTS, NULL, 0, out, 6), OK);
	plat_free(p);
}

/* Nothing of a mapping that cannot be used stays, nor counts. */
static void an_odd_mapping_is_undone(void **state)
{
	static const struct {
		struct gw_core_prepared made;
		uint32_t result;
	} odd[] = {
		{ { .nr = 0, .directions = 3 }, GW_IORETURN_ERROR },
		{ { .nr = GW_CORE_MAX_SEGMENTS + 1, .directions = 3 }, GW_IORETURN_ERROR },
		{ { .nr = 2, .seg = { { 0, 4096 }, { 4096, 0 } }, .directions = 3 }, GW_IORETURN_ERROR },
		{ { .nr = 1, .seg = { { 0, 8192 } }, .directions = 3 }, GW_IORETURN_ERROR },
		{ { .nr = 2, .seg = { { 0, 4096 }, { 8192, 4096 } }, .directions = 3 }, GW_IORETURN_ERROR },
		{ { .nr = 1, .seg = { { 0, 2048 } }, .directions = 3 }, GW_IORETURN_NOT_ALIGNED },
		{ { .nr = 2, .seg = { { 0, 2048 }, { 8192, 2048 } }, .directions = 3 }, GW_IORETURN_NOT_ALIGNED },
		{ { .nr = 1, .seg = { { 0, 4096 } }, .directions = 2 }, GW_IORETURN_NOT_WRITABLE },
		{ { .nr = 1, .seg = { { 0, 4096 } }, .directions = 1 }, GW_IORETURN_NOT_WRITABLE },
	};
	struct plat *p = plat_new(0);

	for (size_t i = 0; i < ARRAY_SIZE(odd); i++) {
		struct gw_core_prepared made = odd[i].made;

		p->prepare = &made;
		register_region(p, 1, odd[i].result);
		assert_int_equal(p->completed, i + 1);
	}
	p->prepare = NULL;
	p->prepare_result = GW_IORETURN_NO_SPACE;
	for (unsigned int i = 0; i < 100; i++)
		register_region(p, 1, GW_IORETURN_NO_SPACE);
	assert_int_equal(p->completed, ARRAY_SIZE(odd));
	p->prepare_result = OK;
	for (uint64_t key = 1; key <= 16; key++)	/* as many as there may be: all were given back */
		register_region(p, key, OK);
	register_region(p, 17, GW_IORETURN_NO_SPACE);
	plat_free(p);
}

static void interrupts_fall_back_and_what_failed_may_be_tried_again(void **state)
{
	struct plat *p = plat_new(0);
	uint64_t nr;

	p->config[MSIX + 2] = 0xff;		/* 2048 of them: more than there are bits for */
	p->config[MSIX + 3] = 0x07;
	p->enable = GW_IORETURN_ERROR;
	p->granted[GW_CORE_IRQ_MSIX] = 256;
	assert_int_equal(call(p, GW_DEXT_SETUP_INTERRUPTS, NULL, 0, &nr, 1), GW_IORETURN_ERROR);
	assert_int_equal(p->asked_irqs, 256);
	assert_int_equal(p->allocated, 0);
	gw_core_interrupt(p->core, 3, true);	/* nobody has them */
	p->enable = OK;
	assert_int_equal(call(p, GW_DEXT_SETUP_INTERRUPTS, NULL, 0, &nr, 1), OK);
	assert_int_equal(nr, 256);
	plat_free(p);
	p = plat_new(0);
	p->msix = GW_IORETURN_UNSUPPORTED;
	assert_int_equal(call(p, GW_DEXT_SETUP_INTERRUPTS, NULL, 0, &nr, 1), OK);
	assert_int_equal(nr, 1);
	assert_int_equal(p->asked_irqs, 1);
	plat_free(p);
}

/* The platform would wait for it, or come down. */
static void a_device_without_power_is_not_asked(void **state)
{
	struct plat *p = plat_new(0);
	struct gw_core_client *other;
	uint64_t in[5] = { 0, 0, 4 }, out[16];

	register_region(p, 1, OK);
	gw_core_power(p->core, false);
	assert_string_equal(p->log, "(+-");
	p->off = true;
	assert_int_equal(gw_core_client_new(p->core, NULL, &other), OK);
	for (uint32_t selector = 0; selector < GW_DEXT_NR_SELECTORS; selector++)
		for (unsigned int nr_in = 0; nr_in <= 5; nr_in++)
			if (selector != GW_DEXT_TERMINATE && selector != GW_DEXT_REGISTER_REMOTE &&
			    selector != GW_DEXT_GET_IDENTITY)
				gw_core_call(selector == GW_DEXT_CLAIM ? other : p->c, selector, in, nr_in, out,
					     &(unsigned int){ 16 });
	gw_core_client_free(other);
	p->off = false;
	gw_core_power(p->core, true);
	assert_string_equal(strchr(p->log, '-'), "-+");
	plat_free(p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_device_is_quiet_before_what_it_had_goes),
		cmocka_unit_test(a_device_that_another_uses_stays_at_work),
		cmocka_unit_test(a_session_that_does_not_begin_is_no_claim),
		cmocka_unit_test(a_bar_of_ports_is_neither_mapped_nor_accessed),
		cmocka_unit_test(what_is_given_back_is_taken_though_the_function_has_gone),
		cmocka_unit_test(an_odd_mapping_is_undone),
		cmocka_unit_test(interrupts_fall_back_and_what_failed_may_be_tried_again),
		cmocka_unit_test(a_device_without_power_is_not_asked),
	};

	return cmocka_run_group_tests_name("core_order", tests, NULL, NULL);
}
