/* SPDX-License-Identifier: BSD-3-Clause */
#include "sim_rig.h"

#include "alloc_sweep.h"

/* Each allocation and each system call for memory fails in turn; all is given back each time. */

#define OK GW_IORETURN_SUCCESS

/* Every step there is; a step that fails is left out, as a caller would. Return: all went well */
static bool use_all(struct gw_dext_conn *c, char *mem)
{
	struct gw_dext_map map;
	uint64_t out[15];
	bool ok = true;

	ok &= rig_call(c, GW_DEXT_CLAIM, NULL, 0) == OK;
	for (uint64_t key = 0; key < 3; key++)
		ok &= rig_call(c, GW_DEXT_REGISTER_REGION, out, 15, key, (uintptr_t)mem,
			       8 * RIG_G) == OK;
	ok &= rig_call(c, GW_DEXT_ALLOC_BUFFER, out, 6, 100000, 1 << 20) == OK;
	ok &= rig_call(c, GW_DEXT_SETUP_INTERRUPTS, out, 1) == OK;
	for (unsigned int type = 0; type < 8; type++) {
		if (type == 1 || type == 2 || (type > 3 && type < 7))
			continue;
		if (c->ops->map(c, type, 0, &map) == OK)
			c->ops->unmap(c, type, &map);
		else
			ok = false;
	}
	return ok;
}

static bool connect_and_use(struct gw_sim *sim, char *mem)
{
	struct gw_dext_services *s = gw_sim_services(sim);
	struct gw_sim_stats stats;
	struct gw_dext_conn *c;
	char root[GW_ROOT_SIZE];
	bool ok;

	if (s->ops->open(s, 0, &c, root))
		return false;
	ok = use_all(c, mem);
	c->ops->close(c);
	gw_sim_stats(sim, &stats);
	assert_int_equal(stats.live_maps, 0);
	assert_int_equal(stats.live_bytes, 0);
	return ok;
}

static bool whole_life(struct rig_ep *ep, char *mem)
{
	struct gw_sim *sim;
	bool ok;

	if (gw_sim_new(NULL, &sim)) {
		ep->ep.ops->free(&ep->ep);
		return false;
	}
	ok = !gw_sim_set_option(sim, "segments", "3") &&
	     !gw_sim_add(sim, &ep->ep, NULL, 0, 0, 0) && connect_and_use(sim, mem);
	gw_sim_free(sim);
	return ok;
}

static void whatever_fails_nothing_is_left_behind(void **state)
{
	char *mem = rig_memory(8 * RIG_G);
	unsigned int freed = 0, nth = 0;
	int err;
	bool ok;

	do {
		_Atomic unsigned int gone = 0;
		struct rig_ep *ep = rig_ep_new();

		ep->freed_out = &gone;
		alloc_fail(++nth);
		ok = whole_life(ep, mem);
		err = alloc_end();
		freed += gone;
		assert_int_equal(freed, nth);
		assert_int_equal(ok, !err);
	} while (err);
	assert_in_range(nth, 25, 100);
	free(mem);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(whatever_fails_nothing_is_left_behind),
	};

	return cmocka_run_group_tests_name("sim_alloc", tests, NULL, NULL);
}
