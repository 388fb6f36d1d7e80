/* SPDX-License-Identifier: BSD-3-Clause */
/* What a guest shares, by the ring: what it says comes through as it is, and ends with its time. */
#include "unit.h"

#include "companion_rig.h"

#define XR24	0x34325258ull

/* Takes whatever is shared, and remembers the last. */
struct shared {
	struct gw_sharer base;
	struct gw_bar_range *range;
	unsigned int nr, bar, calls, ended;
	struct gw_buffer_picture picture;
	uint64_t unshared;
	int answer;
};

static int take(struct gw_sharer *s, unsigned int bar, const struct gw_bar_range *range,
		unsigned int nr, const struct gw_buffer_picture *picture, uint64_t *handle)
{
	struct shared *m = container_of(s, struct shared, base);

	free(m->range);
	m->range = calloc(nr + 1, sizeof(*range));
	if (nr)
		memcpy(m->range, range, nr * sizeof(*range));
	m->nr = nr;
	m->bar = bar;
	m->picture = *picture;
	m->calls++;
	*handle = 40 + m->calls;
	return m->answer;
}

static int give_back(struct gw_sharer *s, uint64_t handle)
{
	struct shared *m = container_of(s, struct shared, base);

	m->unshared = handle;
	return m->answer;
}

static void end_all(struct gw_sharer *s)
{
	container_of(s, struct shared, base)->ended++;
}

static const struct gw_sharer_ops shared_ops = { take, give_back, end_all };
static struct shared to;

static int setup(void **state)
{
	int ret = rig_setup_ring(state, NULL, GW_RING_MIN_SHIFT);
	struct rig *r = *state;

	free(to.range);
	to = (struct shared){ .base.ops = &shared_ops };
	gw_companion_share_by(r->c, &to.base);
	return ret;
}

static int teardown(void **state)
{
	struct rig *r = *state;

	gw_companion_share_by(r->c, NULL);
	free(to.range);
	to.range = NULL;
	return rig_teardown(state);
}

static struct gw_ring_cqe entry(struct rig *r, uint16_t op, uint64_t addr, uint64_t len,
				uint64_t last)
{
	struct gw_ring_cqe cqe = { 0 };

	r->sq[r->sq_tail++ & (r->size - 1)] =
		(struct gw_ring_sqe){ .op = op, .tag = 7, .addr = addr, .len = len, .last = last };
	rig_ring_push(r, 1);
	assert_true(rig_ring_take(r, &cqe));
	assert_int_equal(cqe.tag, 7);
	return cqe;
}

static uint16_t range(struct rig *r, uint64_t index, uint64_t off, uint64_t size)
{
	return entry(r, GW_RING_RANGE, off, size, index).status;
}

static void where_nobody_shares_nothing_is_shared(void **state)
{
	struct rig *r = *state;

	assert_true(rig_get(r, GW_REG_FEATURES) & GW_FEATURE_SHARE);
	gw_companion_share_by(r->c, NULL);
	assert_int_equal(rig_get(r, GW_REG_FEATURES) & GW_FEATURE_SHARE, 0);
	assert_int_equal(range(r, 0, 0, 4096), GW_STATUS_INVAL);
	assert_int_equal(entry(r, GW_RING_SHARE, 0, 0, 0).status, GW_STATUS_INVAL);
	assert_int_equal(entry(r, GW_RING_UNSHARE, 1, 0, 0).status, GW_STATUS_INVAL);
	assert_int_equal(to.calls, 0);
}

static void a_list_comes_through_as_it_is(void **state)
{
	struct rig *r = *state;
	struct gw_ring_cqe cqe;

	/* also what makes no sense: who shares it looks at that */
	assert_int_equal(range(r, 0, 0x5000, 0x2000), GW_STATUS_OK);
	assert_int_equal(range(r, 1, UINT64_MAX, UINT64_MAX), GW_STATUS_OK);
	assert_int_equal(range(r, 2, 1, 0), GW_STATUS_OK);
	cqe = entry(r, GW_RING_SHARE, 640 | 480ull << 32, 2560 | XR24 << 32, 2);
	assert_int_equal(cqe.status, GW_STATUS_OK);
	assert_int_equal(cqe.handle, 41);
	assert_int_equal(to.nr, 3);
	assert_int_equal(to.bar, 2);
	assert_true(to.range[0].off.v == 0x5000 && to.range[0].size == 0x2000);
	assert_true(to.range[1].off.v == UINT64_MAX && to.range[1].size == UINT64_MAX);
	assert_true(to.range[2].off.v == 1 && !to.range[2].size);
	assert_int_equal(to.picture.width, 640);
	assert_int_equal(to.picture.height, 480);
	assert_int_equal(to.picture.stride, 2560);
	assert_int_equal(to.picture.fourcc, XR24);
	assert_int_equal(entry(r, GW_RING_UNSHARE, 41, 0, 0).status, GW_STATUS_OK);
	assert_int_equal(to.unshared, 41);
}

static void a_list_has_an_order_and_is_used_once(void **state)
{
	struct rig *r = *state;

	assert_int_equal(range(r, 1, 0, 4096), GW_STATUS_INVAL);
	assert_int_equal(range(r, 0, 0, 4096), GW_STATUS_OK);
	assert_int_equal(range(r, 2, 0, 4096), GW_STATUS_INVAL);
	assert_int_equal(range(r, UINT64_MAX, 0, 4096), GW_STATUS_INVAL);
	assert_int_equal(range(r, 1ull << 32 | 1, 0, 4096), GW_STATUS_INVAL);
	/* another list is begun, and the first is forgotten */
	assert_int_equal(range(r, 0, 0x3000, 4096), GW_STATUS_OK);
	assert_int_equal(entry(r, GW_RING_SHARE, 0, 0, 0).status, GW_STATUS_OK);
	assert_int_equal(to.nr, 1);
	assert_int_equal(to.range[0].off.v, 0x3000);
	assert_int_equal(entry(r, GW_RING_SHARE, 0, 0, 0).status, GW_STATUS_OK);
	assert_int_equal(to.nr, 0);
	/* there is no such BAR, and the list is used up all the same */
	assert_int_equal(range(r, 0, 0, 4096), GW_STATUS_OK);
	assert_int_equal(entry(r, GW_RING_SHARE, 0, 0, 6).status, GW_STATUS_INVAL);
	assert_int_equal(entry(r, GW_RING_SHARE, 0, 0, 1ull << 32).status, GW_STATUS_INVAL);
	assert_int_equal(to.calls, 2);
	assert_int_equal(range(r, 1, 0, 4096), GW_STATUS_INVAL);
}

static void a_list_has_an_end(void **state)
{
	struct rig *r = *state;
	struct gw_ring_cqe cqe;

	for (uint32_t i = 0; i < GW_SHARER_RANGES; ) {
		uint32_t n = 0;

		for (; n < r->size && i < GW_SHARER_RANGES; n++, i++)
			r->sq[r->sq_tail++ & (r->size - 1)] = (struct gw_ring_sqe){
				.op = GW_RING_RANGE, .addr = i * 8192ull, .len = 4096, .last = i };
		rig_ring_push(r, n);
		for (; n; n--) {
			assert_true(rig_ring_take(r, &cqe));
			assert_int_equal(cqe.status, GW_STATUS_OK);
		}
	}
	assert_int_equal(range(r, GW_SHARER_RANGES, 0, 4096), GW_STATUS_NOSPC);
	assert_int_equal(entry(r, GW_RING_SHARE, 0, 0, 0).status, GW_STATUS_OK);
	assert_int_equal(to.nr, GW_SHARER_RANGES);
	assert_int_equal(to.range[GW_SHARER_RANGES - 1].off.v, (GW_SHARER_RANGES - 1) * 8192ull);
}

static void what_is_refused_is_counted_and_what_is_an_answer_is_not(void **state)
{
	struct rig *r = *state;
	struct gw_companion_stats s;

	to.answer = -EBUSY;
	assert_int_equal(entry(r, GW_RING_UNSHARE, 9, 0, 0).status, GW_STATUS_BUSY);
	to.answer = -ENOENT;
	assert_int_equal(entry(r, GW_RING_UNSHARE, 9, 0, 0).status, GW_STATUS_NOENT);
	gw_companion_stats(r->c, &s);
	for (unsigned int i = 0; i < GW_NR_REFUSALS; i++)
		assert_int_equal(s.refused[i], 0);
	to.answer = -EOVERFLOW;
	assert_int_equal(range(r, 0, 0, 4096), GW_STATUS_OK);
	assert_int_equal(entry(r, GW_RING_SHARE, 0, 0, 0).status, GW_STATUS_INVAL);
	gw_companion_stats(r->c, &s);
	assert_int_equal(s.refused[GW_REFUSED_INVALID], 1);
	/* fields that are of no use there */
	assert_int_equal(entry(r, GW_RING_UNSHARE, 9, 0, 1).status, GW_STATUS_INVAL);
}

/* A list that was begun, and what is shared; return whether both have gone since. */
static void begin(struct rig *r)
{
	to.ended = 0;
	assert_int_equal(range(r, 0, 0, 4096), GW_STATUS_OK);
}

static bool has_ended(struct rig *r)
{
	return to.ended && range(r, 1, 0, 4096) == GW_STATUS_INVAL;
}

static void it_ends_with_the_generation(void **state)
{
	struct rig *r = *state;

	rig_control(r, GW_CONTROL_ANNOUNCE);
	begin(r);
	assert_int_equal(rig_control(r, GW_CONTROL_UNMAP_ALL), GW_STATUS_OK);
	assert_true(has_ended(r));
	begin(r);
	assert_int_equal(rig_control(r, GW_CONTROL_ANNOUNCE), GW_STATUS_OK);
	assert_true(has_ended(r));
	begin(r);
	assert_int_equal(rig_control(r, GW_CONTROL_WITHDRAW), GW_STATUS_OK);
	assert_true(has_ended(r));
	begin(r);
	assert_int_equal(r->dev->ops->reset(r->dev), 0);
	assert_true(to.ended);
	to.ended = 0;
	r->fn->ops->detach(r->fn);
	assert_true(to.ended);
	assert_int_equal(r->fn->ops->attach(r->fn, &r->f->remote, NULL), 0);
	to.ended = 0;
	r->dev->ops->detach(r->dev);
	assert_true(to.ended);
	assert_int_equal(r->dev->ops->attach(r->dev, &r->f->remote, NULL), 0);
}

static void after_a_reset_nothing_is_shared_until_the_module_is_known_again(void **state)
{
	struct rig *r = *state;

	rig_put64(r, GW_REG_NONCE_LO, 77);
	rig_control(r, GW_CONTROL_ANNOUNCE);
	assert_int_equal(range(r, 0, 0, 4096), GW_STATUS_OK);
	to.ended = 0;
	assert_int_equal(r->dev->ops->reset(r->dev), 0);
	assert_int_equal(to.ended, 0);
	assert_true(rig_ring_start(r, GW_RING_MIN_SHIFT));
	assert_int_equal(entry(r, GW_RING_SHARE, 0, 0, 0).status, GW_STATUS_STALE);
	assert_int_equal(to.calls, 0);
	rig_put64(r, GW_REG_NONCE_LO, 77);
	rig_control(r, GW_CONTROL_ANNOUNCE);
	assert_int_equal(to.ended, 0);
	assert_int_equal(entry(r, GW_RING_SHARE, 0, 0, 0).status, GW_STATUS_OK);
	assert_int_equal(to.nr, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(where_nobody_shares_nothing_is_shared, setup, teardown),
		cmocka_unit_test_setup_teardown(a_list_comes_through_as_it_is, setup, teardown),
		cmocka_unit_test_setup_teardown(a_list_has_an_order_and_is_used_once, setup, teardown),
		cmocka_unit_test_setup_teardown(a_list_has_an_end, setup, teardown),
		cmocka_unit_test_setup_teardown(
			what_is_refused_is_counted_and_what_is_an_answer_is_not, setup, teardown),
		cmocka_unit_test_setup_teardown(it_ends_with_the_generation, setup, teardown),
		cmocka_unit_test_setup_teardown(
			after_a_reset_nothing_is_shared_until_the_module_is_known_again, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
