/* SPDX-License-Identifier: BSD-3-Clause */
/* Each allocation and each system call that a companion makes fails in turn. */
#include "unit.h"

#include "alloc_sweep.h"
#include "companion_rig.h"

static void a_companion_that_cannot_be_made_leaves_nothing(void **state)
{
	struct rig *r = rig_new(NULL);
	struct gw_companion *c = NULL;
	unsigned int nth = 0;
	int ret, err;

	r->dev->ops->detach(r->dev);
	gw_companion_free(r->c);
	do {
		alloc_fail(++nth);
		ret = gw_companion_new(r->gf, NULL, &r->f->log, &c);
		err = alloc_end();
		assert_int_equal(ret, err);
		assert_true(!c == !!err);
	} while (err);
	/* itself, its page three times, its thread; then all is well */
	assert_int_equal(nth, 6);
	r->c = c;
	r->dev = gw_companion_device(c);
	rig_free(r);
}

/* Maps memory over two runs; Return: whether it was mapped, and else nothing is. */
static bool ring_maps(struct rig *r)
{
	uint64_t at = RIG_RAM_GPA + RIG_RAM_SIZE / 2 - 4096;
	struct gw_ring_cqe cqe = rig_ring_do(r, GW_RING_MAP, 0, at, 8192);

	assert_true(cqe.status == GW_STATUS_OK || cqe.status == GW_STATUS_NOROOM);
	assert_int_equal(r->nr, cqe.status == GW_STATUS_OK);
	if (cqe.status)
		return false;
	assert_int_equal(rig_ring_do(r, GW_RING_UNMAP, 0, cqe.handle, 0).status, GW_STATUS_OK);
	return true;
}

static bool command_maps(struct rig *r)
{
	const struct gw_cmd_map map = { .gpa = RIG_RAM_GPA, .len = 4096 };
	struct gw_cmd_page page = { .type = GW_CMD_MAP, .count = 1,
				    .request_gpa = RIG_RAM_GPA + 0x1000,
				    .response_gpa = RIG_RAM_GPA + 0x2000 };
	bool ok;

	memcpy(rig_at(r, RIG_RAM_GPA), &page, sizeof(page));
	memcpy(rig_at(r, RIG_RAM_GPA + 0x1000), &map, sizeof(map));
	rig_put64(r, GW_REG_CMD_GPA_LO, RIG_RAM_GPA);
	rig_put(r, GW_REG_DOORBELL, 1);
	ok = rig_get(r, GW_REG_STATUS) == GW_STATUS_OK;
	assert_int_equal(r->nr, ok);
	rig_control(r, GW_CONTROL_UNMAP_ALL);
	return ok;
}

static void split_memory(struct rig *r)
{
	const uint64_t half = RIG_RAM_SIZE / 2;
	uint64_t bytes;

	assert_int_equal(r->fn->ops->dma_unmap(r->fn, (gw_vmm_addr){ RIG_RAM_GPA },
					       (gw_vmm_addr){ UINT64_MAX }, &bytes), 0);
	assert_int_equal(rig_map_run(r->fn, RIG_RAM_GPA, half, 0, 3, r->ram_fd), 0);
	assert_int_equal(rig_map_run(r->fn, RIG_RAM_GPA + half, half, half, 3, r->ram_fd), 0);
}

/* Return: how often it failed before it did not. */
static unsigned int sweep(bool (*maps)(struct rig *r))
{
	unsigned int nth = 0;
	bool ok;
	int err;

	do {
		struct rig *r = rig_new(NULL);

		split_memory(r);
		assert_true(rig_ring_start(r, GW_RING_MIN_SHIFT));
		/* the host has room already: what fails is ours */
		r->room = 8;
		r->map = calloc(r->room, sizeof(*r->map));
		alloc_fail(++nth);
		ok = maps(r);
		err = alloc_end();
		assert_int_equal(ok, !err);
		assert_true(maps(r));
		rig_free(r);
	} while (err);
	return nth - 1;
}

static void without_memory_a_request_fails_and_the_next_one_does_not(void **state)
{
	assert_int_equal(sweep(ring_maps), 3);		/* table, slots, spans */
	assert_int_equal(sweep(command_maps), 3);	/* name, table, slots */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_companion_that_cannot_be_made_leaves_nothing),
		cmocka_unit_test(without_memory_a_request_fails_and_the_next_one_does_not),
	};

	return cmocka_run_group_tests_name("companion_alloc", tests, NULL, NULL);
}
