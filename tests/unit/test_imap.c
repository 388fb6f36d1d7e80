/* SPDX-License-Identifier: BSD-3-Clause */
#include "unit.h"

#include "base/imap.h"

static void a_range_may_end_at_the_top(void **state)
{
	struct gw_imap map = { 0 };
	struct gw_imap_node top = { .first = UINT64_MAX - 4095, .last = UINT64_MAX };
	struct gw_imap_node again = top;

	assert_int_equal(gw_imap_insert(&map, &top), 0);
	assert_int_equal(gw_imap_insert(&map, &again), -EEXIST);
	assert_ptr_equal(gw_imap_find(&map, UINT64_MAX), &top);
	assert_null(gw_imap_find(&map, UINT64_MAX - 4096));
	assert_ptr_equal(gw_imap_from(&map, 0), &top);
	gw_imap_remove(&map, &top);
	assert_int_equal(map.nr, 0);
	assert_null(gw_imap_from(&map, 0));
}

static void neighbours_touch_without_overlap(void **state)
{
	struct gw_imap map = { 0 };
	struct gw_imap_node a = { .first = 0, .last = 9 }, b = { .first = 10, .last = 19 };
	struct gw_imap_node over = { .first = 9, .last = 10 };

	assert_int_equal(gw_imap_insert(&map, &b), 0);
	assert_int_equal(gw_imap_insert(&map, &a), 0);
	assert_int_equal(gw_imap_insert(&map, &over), -EEXIST);
	assert_ptr_equal(gw_imap_find(&map, 9), &a);
	assert_ptr_equal(gw_imap_find(&map, 10), &b);
	assert_ptr_equal(gw_imap_next(&a), &b);
	assert_null(gw_imap_next(&b));
}

#define MANY 512

/* Random inserts and removals give the same answers as a plain array of owners. */
static void agrees_with_an_array_of_owners(void **state)
{
	static struct gw_imap_node node[MANY];
	int owner[4096];
	struct gw_imap map = { 0 };
	unsigned int seed = 7;

	memset(owner, -1, sizeof(owner));
	for (int round = 0; round < 20000; round++) {
		int i = rand_r(&seed) % MANY;
		struct gw_imap_node *n = &node[i];
		bool in = n->last, free = true;

		if (in) {
			for (uint64_t a = n->first; a <= n->last; a++)
				owner[a] = -1;
			gw_imap_remove(&map, n);
			n->last = 0;
			continue;
		}
		n->first = 1 + (uint64_t)rand_r(&seed) % 4000;
		n->last = n->first + (uint64_t)rand_r(&seed) % 64;
		for (uint64_t a = n->first; a <= n->last; a++)
			free &= owner[a] < 0;
		assert_int_equal(gw_imap_insert(&map, n), free ? 0 : -EEXIST);
		for (uint64_t a = n->first; free && a <= n->last; a++)
			owner[a] = i;
		if (!free)
			n->last = 0;
		for (int probe = 0; probe < 4; probe++) {
			uint64_t a = (uint64_t)rand_r(&seed) % 4096;
			struct gw_imap_node *at = gw_imap_find(&map, a);

			assert_int_equal(at ? (int)(at - node) : -1, owner[a]);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_range_may_end_at_the_top),
		cmocka_unit_test(neighbours_touch_without_overlap),
		cmocka_unit_test(agrees_with_an_array_of_owners),
	};

	return cmocka_run_group_tests_name("imap", tests, NULL, NULL);
}
