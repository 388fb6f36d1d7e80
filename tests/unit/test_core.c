/* SPDX-License-Identifier: BSD-3-Clause */
#include "sim_rig.h"

#include <sched.h>
#include <stdatomic.h>

/*
 * The dext's selectors: what each gives, and each error. With RIG_BACKEND it is not the simulated dext that is
 * asked, and what only that one has is left out.
 */

#define OK GW_IORETURN_SUCCESS

#ifndef RIG_BACKEND
static void without_the_claim_only_address_and_limits_are_real(void **state)
{
	struct rig *r = rig_sim();
	uint64_t out[8];

	rig_add(r, rig_ep_new());
	r->c = rig_connect(r, 0);
	assert_int_equal(rig_call(r->c, GW_DEXT_GET_IDENTITY, out, 6), OK);
	assert_int_equal(out[0], 1);
	assert_int_equal(out[1], 0);
	assert_int_equal(out[2], 0);
	assert_int_equal(out[3], 0xffff);
	assert_int_equal(out[4], 0xffff);
	assert_int_equal(out[5], 0xffffff);
	assert_int_equal(rig_call(r->c, GW_DEXT_GET_LIMITS, out, 8), OK);
	assert_int_equal(out[0], RIG_G);
	assert_int_equal(out[1], 1536ull << 20);
	assert_int_equal(out[2], 65536);
	assert_int_equal(out[3], 1536ull << 20);
	assert_int_equal(out[4], 1);
	assert_int_equal(out[5], GW_DEXT_LIMIT_REMOTE);
	assert_true(out[6] >= 1ull << 39 && out[7] < 1ull << 40);
	assert_int_equal(rig_config(r, 0, 4), 0xffffffff);
	assert_int_equal(rig_config(r, 0x34, 1), 0xff);
	assert_int_equal(rig_config(r, 0x18, 4), 0xc);	/* BAR types are */
	assert_int_equal(rig_config(r, 0x18, 2), 0xffff);
	assert_int_equal(rig_call(r->c, GW_DEXT_GET_BAR_INFO, out, 3, 2), OK);
	assert_int_equal(out[1], 65536);
	assert_int_equal(rig_call(r->c, GW_DEXT_CLAIM, NULL, 0), OK);
	assert_int_equal(rig_call(r->c, GW_DEXT_GET_IDENTITY, out, 6), OK);
	assert_int_equal(out[3], 0x1234);
	assert_int_equal(out[4], 0xabcd);
	assert_int_equal(out[5], 0xff0102);
	rig_free(r);
}
#endif

static void another_clients_claim_shows_nothing(void **state)
{
	struct rig *r = rig_new(NULL);
	struct gw_dext_conn *other = rig_connect(r, 0);
	uint64_t v;

	assert_int_equal(rig_call(other, GW_DEXT_CONFIG_READ, &v, 1, 0, 4), OK);
	assert_int_equal(v, 0xffffffff);
	assert_int_equal(rig_call(other, GW_DEXT_CONFIG_WRITE, NULL, 0, 4, 2, 0),
			 GW_IORETURN_NOT_OPEN);
	assert_int_equal(rig_call(other, GW_DEXT_MMIO_READ, &v, 1, 0, 0, 4), GW_IORETURN_NOT_OPEN);
	assert_int_equal(rig_call(other, GW_DEXT_MMIO_WRITE, NULL, 0, 0, 0, 4, 1),
			 GW_IORETURN_NOT_OPEN);
	assert_int_equal(rig_call(other, GW_DEXT_TERMINATE, NULL, 0), GW_IORETURN_NOT_OPEN);
	other->ops->close(other);
	assert_int_equal(rig_config(r, 4, 2), 6);
	rig_free(r);
}

#ifndef RIG_BACKEND
static void an_old_dext_asks_for_less_and_knows_less(void **state)
{
	struct rig *r = rig_with("old-dext", "on", "segments", "2");
	struct gw_dext_conn *other = rig_connect(r, 0);
	char *mem = rig_memory(4 * RIG_G);
	uint64_t v[16];

	assert_int_equal(rig_call(r->c, GW_DEXT_GET_LIMITS, v, 8), GW_IORETURN_UNSUPPORTED);
	assert_int_equal(rig_call(r->c, GW_DEXT_REGISTER_AT, v, 15, 1, (uintptr_t)mem, RIG_G, 0, 0),
			 GW_IORETURN_UNSUPPORTED);
	assert_int_equal(rig_call(r->c, GW_DEXT_REGISTER_REGION, v, 15, 1, (uintptr_t)mem,
				  2 * RIG_G), GW_IORETURN_NOT_ALIGNED);
	assert_int_equal(rig_call(r->c, GW_DEXT_REGISTER_REGION, v, 15, 1, (uintptr_t)mem, RIG_G),
			 OK);
	/* no claim asked for, and none of it reaches the device */
	assert_int_equal(rig_call(other, GW_DEXT_CONFIG_WRITE, NULL, 0, 4, 2, 0), OK);
	assert_int_equal(rig_call(other, GW_DEXT_MMIO_READ, v, 1, 0, 0, 4), OK);
	assert_int_equal(v[0] & 0xffffffff, 0xffffffff);
	assert_int_equal(rig_call(other, GW_DEXT_MMIO_WRITE, NULL, 0, 0, 0, 4, 1), OK);
	assert_int_equal(rig_call(other, GW_DEXT_TERMINATE, NULL, 0), GW_IORETURN_EXCLUSIVE_ACCESS);
	assert_int_equal(rig_config(r, 4, 2), 6);
	assert_int_equal(rig_call(r->c, GW_DEXT_MMIO_READ, v, 1, 0, 0, 4), OK);
	assert_int_equal(v[0], 0);
	other->ops->close(other);
	rig_free(r);
	free(mem);
}
#endif

static void interrupts_stay_as_they_were_first_configured(void **state)
{
	struct rig *r = rig_new(NULL);
	uint64_t nr;

	for (unsigned int i = 0; i < 3; i++) {
		assert_int_equal(rig_call(r->c, GW_DEXT_SETUP_INTERRUPTS, &nr, 1), OK);
		assert_int_equal(nr, RIG_VECTORS);
		assert_int_equal(rig_config(r, rig_cap(r, 0x11) + 2, 2) & 0x8000, 0x8000);
		r->c->ops->close(r->c);
		gw_endpoint_irq(&r->ep->ep, 1);		/* nobody takes it */
		r->c = rig_connect(r, 0);
		assert_int_equal(rig_call(r->c, GW_DEXT_CLAIM, NULL, 0), OK);
	}
	rig_free(r);
}

#ifndef RIG_BACKEND
static void multimedia_functions_are_taken_by_request_only(void **state)
{
	static const uint32_t class[] = { 0x040300, 0x048000 };

	for (unsigned int i = 0; i < 2 * ARRAY_SIZE(class); i++) {
		struct rig *r = rig_sim();
		struct rig_ep *ep = rig_ep_new();
		struct gw_dext_services *s = rig_services(r);
		struct gw_dext_conn *c;
		char root[GW_ROOT_SIZE];

		ep->ep.desc.class_code = class[i / 2];
		rig_add(r, ep);
		if (i % 2)
			assert_int_equal(gw_sim_set_option(r->sim, "multimedia", "on"), 0);
		assert_int_equal(s->ops->open(s, 0, &c, root), i % 2 ? 0 : -ENODEV);
		if (i % 2)
			c->ops->close(c);
		assert_int_equal(s->ops->open(s, 1, &c, root), -ENOENT);
		rig_free(r);
	}
}
#endif

/* How many scalars each selector takes and gives, and whether it asks for a claim. */
static const struct { uint8_t in, out; bool claim; } shape[GW_DEXT_NR_SELECTORS] = {
	[GW_DEXT_GET_IDENTITY] = { 0, 6 },
	[GW_DEXT_CLAIM] = { 0, 0 },
	[GW_DEXT_TERMINATE] = { 0, 0, true },
	[GW_DEXT_ALLOC_BUFFER] = { 2, 6, true },
	[GW_DEXT_FREE_BUFFER] = { 0, 0, true },
	[GW_DEXT_REGISTER_REGION] = { 3, 3, true },
	[GW_DEXT_UNREGISTER_REGION] = { 1, 0, true },
	[GW_DEXT_PROBE_REGION] = { 2, 1, true },
	[GW_DEXT_CONFIG_READ] = { 2, 1 },
	[GW_DEXT_CONFIG_WRITE] = { 3, 0, true },
	[GW_DEXT_GET_BAR_INFO] = { 1, 3 },
	[GW_DEXT_MMIO_READ] = { 3, 1, true },
	[GW_DEXT_MMIO_WRITE] = { 4, 0, true },
	[GW_DEXT_SETUP_INTERRUPTS] = { 0, 1, true },
	[GW_DEXT_CHECK_INTERRUPT] = { 0, 4, true },
	[GW_DEXT_SET_IRQ_MASK] = { 4, 0, true },
	[GW_DEXT_RESET_DEVICE] = { 0, 0, true },
	[GW_DEXT_GET_LIMITS] = { 0, 8 },
	[GW_DEXT_REGISTER_AT] = { 5, 3, true },
	[GW_DEXT_REGISTER_REMOTE] = { 6, 3, true },
	[GW_DEXT_GET_FAULTS] = { 0, 6, true },
};

static void never(void *opaque, uint32_t result)
{
	abort();
}

static void a_call_of_the_wrong_shape_or_before_claim_is_refused(void **state)
{
	struct rig *r = rig_sim();
	const uint64_t in[8] = { 0 };
	uint64_t out[16];
	unsigned int nr;

	rig_add(r, rig_ep_new());
	r->c = rig_connect(r, 0);
	for (uint32_t s = 0; s < GW_DEXT_NR_SELECTORS; s++) {
		if (s == GW_DEXT_WAIT_INTERRUPT || s == GW_DEXT_TERMINATE || s == GW_DEXT_CLAIM)
			continue;
#ifdef RIG_BACKEND
		if (s == GW_DEXT_REGISTER_REMOTE)	/* refused as it is */
			continue;
#endif
		assert_int_equal(rig_call_n(r->c, s, in, shape[s].in + 1u, out, 16),
				 GW_IORETURN_BAD_ARGUMENT);
		if (shape[s].in)
			assert_int_equal(rig_call_n(r->c, s, NULL, shape[s].in, out, 16),
					 GW_IORETURN_BAD_ARGUMENT);
		if (shape[s].out) {
			assert_int_equal(rig_call_n(r->c, s, in, shape[s].in, out,
						    shape[s].out - 1u), GW_IORETURN_BAD_ARGUMENT);
			assert_int_equal(rig_call_n(r->c, s, in, shape[s].in, NULL, 16),
					 GW_IORETURN_BAD_ARGUMENT);
			assert_int_equal(r->c->ops->call(r->c, s, in, shape[s].in, out, NULL),
					 GW_IORETURN_BAD_ARGUMENT);
		}
		nr = 16;
		if (shape[s].claim) {
			assert_int_equal(r->c->ops->call(r->c, s, in, shape[s].in, out, &nr),
					 GW_IORETURN_NOT_OPEN);
			assert_int_equal(nr, 0);
		}
	}
	assert_int_equal(rig_call(r->c, GW_DEXT_WAIT_INTERRUPT, out, 16),
			 GW_IORETURN_UNSUPPORTED);
	assert_int_equal(rig_call(r->c, GW_DEXT_NR_SELECTORS, out, 16), GW_IORETURN_UNSUPPORTED);
	assert_int_equal(rig_call(r->c, UINT32_MAX, out, 16), GW_IORETURN_UNSUPPORTED);
	assert_int_equal(r->c->ops->call_async(r->c, GW_DEXT_CLAIM, never, NULL),
			 GW_IORETURN_UNSUPPORTED);
	assert_int_equal(r->c->ops->call_async(r->c, GW_DEXT_WAIT_INTERRUPT, never, NULL),
			 GW_IORETURN_NOT_OPEN);
#ifndef RIG_BACKEND	/* there it is no such call */
	assert_int_equal(r->c->ops->call_async(r->c, GW_DEXT_WAIT_INTERRUPT, NULL, NULL),
			 GW_IORETURN_BAD_ARGUMENT);
#endif
	rig_free(r);
}

static void the_first_claim_opens_the_function_and_the_last_to_go_closes_it(void **state)
{
	struct rig *r = rig_sim();
	struct gw_dext_conn *other;

	rig_add(r, rig_ep_new());
	r->c = rig_connect(r, 0);
	other = rig_connect(r, 0);
	assert_false(r->ep->running);
	assert_int_equal(rig_call(other, GW_DEXT_CLAIM, NULL, 0), OK);
	assert_true(r->ep->running);
	/* only the first one turns it on */
	assert_int_equal(rig_call(other, GW_DEXT_CONFIG_WRITE, NULL, 0, 4, 2, 2), OK);
	assert_false(r->ep->running);
	assert_int_equal(rig_call(r->c, GW_DEXT_CLAIM, NULL, 0), OK);
	assert_int_equal(rig_call(r->c, GW_DEXT_CLAIM, NULL, 0), OK);
	assert_int_equal(rig_config(r, 4, 2), 2);
	rig_config_write(r, 4, 2, 6);
	other->ops->close(other);
	assert_true(r->ep->running);
	r->c->ops->close(r->c);
	assert_false(r->ep->running);
	assert_int_equal(r->ep->resumed, 2);
	assert_int_equal(r->ep->quiesced, 2);
	r->c = NULL;
	rig_free(r);
}

static void nobody_terminates_what_another_uses(void **state)
{
	struct rig *r = rig_new(NULL);
	struct gw_dext_services *s = rig_services(r);
	struct gw_dext_conn *other = rig_connect(r, 0), *late;
	char root[GW_ROOT_SIZE];
	uint64_t v;

	assert_int_equal(rig_call(other, GW_DEXT_CLAIM, NULL, 0), OK);
	assert_int_equal(rig_call(other, GW_DEXT_TERMINATE, NULL, 0),
			 GW_IORETURN_EXCLUSIVE_ACCESS);
	other->ops->close(other);
	other = rig_connect(r, 0);
	assert_int_equal(rig_call(r->c, GW_DEXT_TERMINATE, NULL, 0), OK);
#ifdef RIG_BACKEND
	backend_vanished();		/* the system stops the driver some time later */
#endif
	assert_false(r->ep->running);
	assert_int_equal(rig_call(other, GW_DEXT_CONFIG_READ, &v, 1, 0, 4),
			 GW_IORETURN_NO_DEVICE);
	assert_int_equal(s->ops->open(s, 0, &late, root), -ENODEV);
	assert_int_equal(s->ops->open(s, 1, &late, root), -ENOENT);
	other->ops->close(other);
	rig_free(r);
}

static void config_accesses_are_checked_and_bars_show_their_type_only(void **state)
{
	static const uint64_t bad[][2] = {
		{ 0, 0 }, { 0, 3 }, { 0, 8 }, { 1, 2 }, { 2, 4 }, { 4096, 1 }, { 4095, 2 },
		{ 4094, 4 }, { UINT64_MAX, 1 }, { UINT64_MAX - 3, 4 }, { 1ull << 32, 4 },
		{ 0, (1ull << 32) + 1 },
	};
	struct rig *r = rig_new(NULL);
	uint64_t v;

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		assert_int_equal(rig_call(r->c, GW_DEXT_CONFIG_READ, &v, 1, bad[i][0], bad[i][1]),
				 GW_IORETURN_BAD_ARGUMENT);
		assert_int_equal(rig_call(r->c, GW_DEXT_CONFIG_WRITE, NULL, 0, bad[i][0],
					  bad[i][1], 0), GW_IORETURN_BAD_ARGUMENT);
	}
	assert_int_equal(rig_config(r, 0, 4), 0xabcd1234);
	assert_int_equal(rig_config(r, 4095, 1), 0);
	assert_int_equal(rig_config(r, 0x10, 4), 0x0);
	assert_int_equal(rig_config(r, 0x18, 4), 0xc);
	assert_int_equal(rig_config(r, 0x1c, 4), 0);
	assert_int_equal(rig_config(r, 0x24, 4), 0);
	assert_int_not_equal(rig_config(r, 0x12, 2), 0);	/* raw: the platform's address */
	rig_config_write(r, 0x3c, 1, 0x123);			/* a byte is a byte */
	assert_int_equal(rig_config(r, 0x3c, 2), 0x0023);
	rig_free(r);
}

static void bars_have_memory_indices_of_their_own(void **state)
{
	struct rig *r = rig_new(NULL);
	uint64_t out[3];

	assert_int_equal(rig_call(r->c, GW_DEXT_GET_BAR_INFO, out, 3, 0), OK);
	assert_int_equal(out[0], 0);
	assert_int_equal(out[1], 4096);
	assert_int_equal(out[2], 0);
	assert_int_equal(rig_call(r->c, GW_DEXT_GET_BAR_INFO, out, 3, 2), OK);
	assert_int_equal(out[0], 1);
	assert_int_equal(out[1], 65536);
	assert_int_equal(out[2], 0xc);
	assert_int_equal(rig_call(r->c, GW_DEXT_GET_BAR_INFO, out, 3, 4), OK);
	assert_int_equal(out[0], 2);
	assert_int_equal(rig_call(r->c, GW_DEXT_GET_BAR_INFO, out, 3, 1), GW_IORETURN_NOT_FOUND);
	assert_int_equal(rig_call(r->c, GW_DEXT_GET_BAR_INFO, out, 3, 3), GW_IORETURN_NOT_FOUND);
	assert_int_equal(rig_call(r->c, GW_DEXT_GET_BAR_INFO, out, 3, 6),
			 GW_IORETURN_BAD_ARGUMENT);
	assert_int_equal(rig_call(r->c, GW_DEXT_GET_BAR_INFO, out, 3, UINT64_MAX),
			 GW_IORETURN_BAD_ARGUMENT);
	rig_free(r);
}

static void registers_of_every_width_and_no_others(void **state)
{
	static const uint64_t bad[][3] = {
		{ 0, 0, 0 }, { 0, 0, 3 }, { 0, 0, 16 }, { 0, 1, 2 }, { 0, 4, 8 }, { 0, 4096, 1 },
		{ 0, 4095, 2 }, { 0, UINT64_MAX, 1 }, { 0, UINT64_MAX - 7, 8 }, { 3, 0, 4 },
		{ UINT64_MAX, 0, 4 }, { 0, 0, (1ull << 32) + 4 }, { 1, 65536, 8 },
	};
	struct rig *r = rig_new(NULL);
	uint64_t v;

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		assert_int_equal(rig_call(r->c, GW_DEXT_MMIO_READ, &v, 1, bad[i][0], bad[i][1],
					  bad[i][2]), GW_IORETURN_BAD_ARGUMENT);
		assert_int_equal(rig_call(r->c, GW_DEXT_MMIO_WRITE, NULL, 0, bad[i][0], bad[i][1],
					  bad[i][2], 0), GW_IORETURN_BAD_ARGUMENT);
	}
	for (uint64_t index = 0; index < 2; index++) {
		for (uint64_t width = 1; width <= 8; width *= 2) {
			uint64_t mask = UINT64_MAX >> (64 - 8 * width);

			assert_int_equal(rig_call(r->c, GW_DEXT_MMIO_WRITE, NULL, 0, index, 8, 8,
						  0), OK);
			assert_int_equal(rig_call(r->c, GW_DEXT_MMIO_WRITE, NULL, 0, index, 8,
						  width, 0x1122334455667788), OK);
			assert_int_equal(rig_call(r->c, GW_DEXT_MMIO_READ, &v, 1, index, 8, 8), OK);
			assert_int_equal(v, 0x1122334455667788 & mask);
			assert_int_equal(rig_call(r->c, GW_DEXT_MMIO_READ, &v, 1, index, 8, width),
					 OK);
			assert_int_equal(v, 0x1122334455667788 & mask);
		}
	}
	rig_free(r);
}

static void done_once(void *opaque, uint32_t result)
{
	atomic_store((_Atomic uint32_t *)opaque, result);
}

/* Close with all and with each part of what a connection can hold; nothing is left behind. */
static void close_gives_everything_back_in_every_state(void **state)
{
	char *mem = rig_memory(RIG_G);

	for (unsigned int have = 0; have < 32; have++) {
		struct rig *r = rig_sim();
		_Atomic uint32_t result = 1;
		uint64_t out[6];
		gw_iova iova;

		rig_add(r, rig_ep_new());
		r->c = rig_connect(r, 0);
		if (have & 1)
			assert_int_equal(rig_call(r->c, GW_DEXT_CLAIM, NULL, 0), OK);
		if (have & 2 && have & 1)
			assert_int_equal(rig_map(r, 1, mem, RIG_G, &iova), OK);
		if (have & 4 && have & 1)
			assert_int_equal(rig_call(r->c, GW_DEXT_ALLOC_BUFFER, out, 6, 4096, 0), OK);
		if (have & 8 && have & 1)
			assert_int_equal(rig_call(r->c, GW_DEXT_SETUP_INTERRUPTS, out, 1), OK);
		if (have & 16 && have & 8 && have & 1)
			assert_int_equal(r->c->ops->call_async(r->c, GW_DEXT_WAIT_INTERRUPT,
							       done_once, &result), OK);
		r->c->ops->close(r->c);
		while ((have & 25) == 25 && atomic_load(&result) == 1)
			sched_yield();		/* a message is on its way */
		assert_int_equal(result, (have & 25) == 25 ? GW_IORETURN_ABORTED : 1);
		assert_int_equal(rig_stats(r).live_maps, 0);
		assert_int_equal(rig_stats(r).live_bytes, 0);
		assert_false(r->ep->running);
		/* and all can be had again */
		r->c = rig_connect(r, 0);
		assert_int_equal(rig_call(r->c, GW_DEXT_CLAIM, NULL, 0), OK);
		assert_int_equal(rig_call(r->c, GW_DEXT_SETUP_INTERRUPTS, out, 1), OK);
		assert_int_equal(rig_map(r, 1, mem, RIG_G, &iova), OK);
		assert_true(r->ep->running);
		rig_free(r);
	}
	free(mem);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#ifndef RIG_BACKEND
		cmocka_unit_test(without_the_claim_only_address_and_limits_are_real),
		cmocka_unit_test(an_old_dext_asks_for_less_and_knows_less),
		cmocka_unit_test(multimedia_functions_are_taken_by_request_only),
#endif
		cmocka_unit_test(another_clients_claim_shows_nothing),
		cmocka_unit_test(interrupts_stay_as_they_were_first_configured),
		cmocka_unit_test(a_call_of_the_wrong_shape_or_before_claim_is_refused),
		cmocka_unit_test(the_first_claim_opens_the_function_and_the_last_to_go_closes_it),
		cmocka_unit_test(nobody_terminates_what_another_uses),
		cmocka_unit_test(config_accesses_are_checked_and_bars_show_their_type_only),
		cmocka_unit_test(bars_have_memory_indices_of_their_own),
		cmocka_unit_test(registers_of_every_width_and_no_others),
		cmocka_unit_test(close_gives_everything_back_in_every_state),
	};

	return cmocka_run_group_tests_name("sim_core", tests, NULL, NULL);
}
