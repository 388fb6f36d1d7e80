/* SPDX-License-Identifier: BSD-3-Clause */
#include "sim_rig.h"

#include <pthread.h>
#include <unistd.h>

#include "base/guard.h"
#include "host/sim/dart.h"

/* The DART by itself: where it puts things, its limits, and accesses through it. */

struct dart_rig {
	struct gw_dart_limits limits;
	struct gw_dart_totals totals;
	struct gw_dart d;
	char *mem;			/* 64 granules */
};

static struct dart_rig *dart_new(uint64_t salt)
{
	struct dart_rig *r = calloc(1, sizeof(*r));

	assert_non_null(r);
	r->limits = (struct gw_dart_limits){ .granule = RIG_G, .max_bytes = 64 * RIG_G,
					     .max_maps = 64, .max_map_bytes = 64 * RIG_G,
					     .segments = 1 };
	r->mem = rig_memory(64 * RIG_G);
	assert_int_equal(gw_dart_init(&r->d, &r->limits, &r->totals, NULL, "dart", salt), 0);
	return r;
}

static void dart_free(struct dart_rig *r)
{
	assert_int_equal(r->d.maps, 0);
	assert_int_equal(r->d.bytes, 0);
	assert_int_equal(r->d.map.nr, 0);
	assert_int_equal(r->totals.live_maps, 0);
	assert_int_equal(r->totals.live_bytes, 0);
	gw_dart_fini(&r->d);
	free(r->mem);
	free(r);
}

static int dart_map(struct dart_rig *r, struct gw_dart_mapping *m, void *addr, uint64_t size)
{
	struct gw_dart_request req = { .mem.addr = addr, .size = size };
	struct gw_segment seg;
	unsigned int nr;

	return gw_dart_register(&r->d, m, &req, &seg, 1, &nr);
}

static int dart_map_at(struct dart_rig *r, struct gw_dart_mapping *m, void *addr, uint64_t size,
		       uint64_t at)
{
	gw_iova want = { at };
	struct gw_dart_request req = { .mem.addr = addr, .size = size, .want = &want };
	struct gw_segment seg;
	unsigned int nr;
	int ret = gw_dart_register(&r->d, m, &req, &seg, 1, &nr);

	if (!ret) {
		assert_int_equal(nr, 1);
		assert_int_equal(seg.iova.v, at);
		assert_int_equal(seg.size, size);
	}
	return ret;
}

static int dart_read(struct dart_rig *r, uint64_t iova, void *buf, size_t len)
{
	return gw_dart_copy(&r->d, (gw_iova){ iova }, buf, len, GW_DMA_READ);
}

static int dart_write(struct dart_rig *r, uint64_t iova, void *buf, size_t len)
{
	return gw_dart_copy(&r->d, (gw_iova){ iova }, buf, len, GW_DMA_WRITE);
}

static void addresses_are_far_up_apart_and_aligned_to_the_granule_only(void **state)
{
	struct dart_rig *r = dart_new(1);
	struct gw_dart_mapping m[64];
	struct gw_imap_node *n;
	uint64_t end = 0;

	for (int i = 0; i < 64; i++) {
		assert_int_equal(dart_map(r, &m[i], r->mem, RIG_G), 0);
		assert_true(m[i].node.first >= GW_DART_FIRST);
		assert_true(m[i].node.last <= GW_DART_LAST);
		assert_int_equal(m[i].node.first % RIG_G, 0);
		assert_int_not_equal(m[i].node.first % (2 * RIG_G), 0);
	}
	for (n = gw_imap_from(&r->d.map, 0); n; n = gw_imap_next(n)) {
		assert_true(n->first >= end + RIG_G);
		end = n->last + 1;
	}
	for (int i = 0; i < 64; i++)
		gw_dart_unregister(&r->d, &m[i]);
	dart_free(r);
}

static void place_many(uint64_t seed, uint64_t salt, uint64_t at[16])
{
	struct dart_rig *r = dart_new(salt);
	struct gw_dart_mapping m[16];

	r->limits.seed = seed;
	for (int i = 0; i < 16; i++) {
		assert_int_equal(dart_map(r, &m[i], r->mem, RIG_G * (1 + i % 3)), 0);
		at[i] = m[i].node.first;
	}
	for (int i = 0; i < 16; i++)
		gw_dart_unregister(&r->d, &m[i]);
	dart_free(r);
}

static void one_seed_gives_the_same_addresses_each_time(void **state)
{
	uint64_t a[16], b[16], c[16], d[16];

	place_many(42, 1, a);
	place_many(42, 1, b);
	place_many(43, 1, c);
	place_many(42, 2, d);
	assert_memory_equal(a, b, sizeof(a));
	assert_memory_not_equal(a, c, sizeof(a));
	assert_memory_not_equal(a, d, sizeof(a));	/* another function */
}

static void a_range_is_not_used_again_at_once(void **state)
{
	struct dart_rig *r = dart_new(1);
	struct gw_dart_mapping m;
	uint64_t was = 0;

	for (int i = 0; i < 100; i++) {
		assert_int_equal(dart_map(r, &m, r->mem, RIG_G), 0);
		assert_true(m.node.first > was);
		was = m.node.last;
		gw_dart_unregister(&r->d, &m);
	}
	dart_free(r);
}

static void what_cannot_be_mapped_is_refused(void **state)
{
	struct dart_rig *r = dart_new(1);
	struct gw_dart_mapping m;
	char *hole = mmap(NULL, RIG_G * 4, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	assert_ptr_not_equal(hole, MAP_FAILED);
	assert_int_equal(munmap(hole, RIG_G * 4), 0);
	hole += -(uintptr_t)hole & (RIG_G - 1);
	assert_int_equal(dart_map(r, &m, r->mem, 0), -EINVAL);
	assert_int_equal(dart_map(r, &m, r->mem, 1), -EINVAL);
	assert_int_equal(dart_map(r, &m, r->mem, RIG_G + 4096), -EINVAL);
	assert_int_equal(dart_map(r, &m, r->mem + 4096, RIG_G), -EINVAL);
	assert_int_equal(dart_map(r, &m, NULL, RIG_G), -EINVAL);
	assert_int_equal(dart_map(r, &m, (void *)-RIG_G, 2 * RIG_G), -EOVERFLOW);
	assert_int_equal(dart_map(r, &m, hole, RIG_G), -EFAULT);
	assert_int_equal(dart_map_at(r, &m, r->mem, RIG_G, GW_DART_FIRST), -EOPNOTSUPP);
	assert_int_equal(r->d.map.nr, 0);
	dart_free(r);
}

static void each_limit_holds_at_its_edge(void **state)
{
	struct dart_rig *r = dart_new(1);
	struct gw_dart_mapping m[5];

	r->limits.max_map_bytes = 4 * RIG_G;
	r->limits.max_bytes = 6 * RIG_G;
	r->limits.max_maps = 3;
	assert_int_equal(dart_map(r, &m[0], r->mem, 5 * RIG_G), -E2BIG);
	assert_int_equal(dart_map(r, &m[0], r->mem, 4 * RIG_G), 0);
	assert_int_equal(dart_map(r, &m[1], r->mem, 3 * RIG_G), -ENOSPC);
	assert_int_equal(dart_map(r, &m[1], r->mem, RIG_G), 0);
	assert_int_equal(dart_map(r, &m[2], r->mem, RIG_G), 0);
	assert_int_equal(dart_map(r, &m[3], r->mem, RIG_G), -ENOSPC);	/* bytes and maps */
	gw_dart_unregister(&r->d, &m[0]);
	assert_int_equal(dart_map(r, &m[0], r->mem, RIG_G), 0);
	assert_int_equal(dart_map(r, &m[3], r->mem, RIG_G), -ENOSPC);	/* maps */
	assert_int_equal(r->totals.peak_maps, 3);
	assert_int_equal(r->totals.peak_bytes, 6 * RIG_G);
	for (int i = 0; i < 3; i++)
		gw_dart_unregister(&r->d, &m[i]);
	assert_int_equal(r->totals.maps, 4);
	assert_int_equal(r->totals.unmaps, 4);
	dart_free(r);
}

static void the_caller_may_choose_when_allowed_but_not_twice_the_same(void **state)
{
	struct dart_rig *r = dart_new(1);
	struct gw_dart_mapping a, b, c;

	r->limits.caller_iova = true;
	assert_int_equal(dart_map_at(r, &a, r->mem, 2 * RIG_G, 0), 0);
	assert_int_equal(dart_map_at(r, &b, r->mem, 2 * RIG_G, RIG_G), -EEXIST);
	assert_int_equal(dart_map_at(r, &b, r->mem, RIG_G, 4096), -EINVAL);
	assert_int_equal(dart_map_at(r, &b, r->mem, 2 * RIG_G, 0 - RIG_G), -EOVERFLOW);
	assert_int_equal(dart_map_at(r, &b, r->mem, RIG_G, GW_DART_CALLER_LAST + 1), -EOVERFLOW);
	assert_int_equal(dart_map_at(r, &b, r->mem, RIG_G, GW_DART_CALLER_LAST + 1 - RIG_G), 0);
	assert_int_equal(dart_map(r, &c, r->mem, RIG_G), 0);	/* and may leave it to us */
	gw_dart_unregister(&r->d, &a);
	assert_int_equal(dart_map_at(r, &a, r->mem, RIG_G, RIG_G), 0);
	gw_dart_unregister(&r->d, &a);
	gw_dart_unregister(&r->d, &b);
	gw_dart_unregister(&r->d, &c);
	dart_free(r);
}

static void a_mapping_in_segments_is_one_run_of_memory(void **state)
{
	struct dart_rig *r = dart_new(1);
	struct gw_dart_request req = { .mem.addr = r->mem, .size = 7 * RIG_G };
	struct gw_segment seg[4];
	struct gw_dart_mapping m;
	uint64_t off = 0, v;
	unsigned int nr;

	r->limits.segments = 4;
	for (uint64_t i = 0; i < 7 * RIG_G; i += 8)
		memcpy(r->mem + i, &i, 8);
	/* what there is no room to tell is mapped all the same: the caller has to add up */
	assert_int_equal(gw_dart_register(&r->d, &m, &req, seg, 3, &nr), 0);
	assert_int_equal(nr, 3);
	assert_int_equal(r->d.map.nr, 4);
	gw_dart_unregister(&r->d, &m);
	assert_int_equal(r->d.map.nr, 0);
	assert_int_equal(gw_dart_register(&r->d, &m, &req, seg, 4, &nr), 0);
	assert_int_equal(nr, 4);
	for (unsigned int i = 0; i < nr; i++) {
		assert_int_equal(dart_read(r, seg[i].iova.v + 8, &v, 8), 0);
		assert_int_equal(v, off + 8);
		/* what follows one is not the next */
		assert_int_equal(dart_read(r, seg[i].iova.v + seg[i].size, &v, 8), -EFAULT);
		assert_int_equal(gw_dart_peek(&m, off, &v), 0);
		assert_int_equal(v, off);
		off += seg[i].size;
	}
	assert_int_equal(off, 7 * RIG_G);
	assert_int_equal(gw_dart_peek(&m, off - 8, &v), 0);
	assert_int_equal(gw_dart_peek(&m, off - 7, &v), -ERANGE);
	assert_int_equal(gw_dart_peek(&m, UINT64_MAX, &v), -ERANGE);
	assert_int_equal(r->totals.live_maps, 1);
	gw_dart_unregister(&r->d, &m);
	/* never more than there are granules */
	req.size = 2 * RIG_G;
	assert_int_equal(gw_dart_register(&r->d, &m, &req, seg, 4, &nr), 0);
	assert_int_equal(nr, 2);
	gw_dart_unregister(&r->d, &m);
	dart_free(r);
}

static void an_access_may_span_neighbours_but_no_hole(void **state)
{
	struct dart_rig *r = dart_new(1);
	struct gw_dart_mapping a, b, c;
	char buf[3 * RIG_G];

	r->limits.caller_iova = true;
	memset(r->mem, 'a', RIG_G);
	memset(r->mem + 4 * RIG_G, 'b', RIG_G);
	assert_int_equal(dart_map_at(r, &a, r->mem, RIG_G, 8 * RIG_G), 0);
	assert_int_equal(dart_map_at(r, &b, r->mem + 4 * RIG_G, RIG_G, 9 * RIG_G), 0);
	assert_int_equal(dart_map_at(r, &c, r->mem, RIG_G, 11 * RIG_G), 0);
	assert_int_equal(dart_read(r, 8 * RIG_G, buf, 2 * RIG_G), 0);
	assert_int_equal(buf[RIG_G - 1], 'a');
	assert_int_equal(buf[RIG_G], 'b');
	assert_int_equal(dart_read(r, 8 * RIG_G, buf, 2 * RIG_G + 1), -EFAULT);
	assert_int_equal(dart_read(r, 10 * RIG_G, buf, 1), -EFAULT);
	assert_int_equal(dart_read(r, 8 * RIG_G - 1, buf, 2), -EFAULT);
	assert_int_equal(dart_read(r, UINT64_MAX, buf, 2), -EFAULT);
	assert_int_equal(dart_read(r, 10 * RIG_G, buf, 0), 0);
	gw_dart_unregister(&r->d, &a);
	gw_dart_unregister(&r->d, &b);
	gw_dart_unregister(&r->d, &c);
	dart_free(r);
}

static void read_only_memory_refuses_writes(void **state)
{
	struct dart_rig *r = dart_new(1);
	struct gw_dart_request req = { .mem = { .addr = r->mem, .read_only = true },
				       .size = RIG_G };
	struct iovec iov;
	struct gw_endpoint_pin pin = { .iov = &iov, .max_iov = 1 };
	struct gw_dart_mapping m;
	struct gw_segment seg;
	unsigned int nr;
	char buf[4] = "no";

	strcpy(r->mem, "old");
	assert_int_equal(gw_dart_register(&r->d, &m, &req, &seg, 1, &nr), 0);
	assert_int_equal(dart_write(r, seg.iova.v, buf, 4), -EFAULT);
	assert_int_equal(gw_dart_pin(&r->d, seg.iova, 4, GW_DMA_WRITE, &pin), -EFAULT);
	assert_string_equal(r->mem, "old");
	assert_int_equal(dart_read(r, seg.iova.v, buf, 4), 0);
	assert_string_equal(buf, "old");
	assert_int_equal(gw_dart_pin(&r->d, seg.iova, 4, GW_DMA_READ, &pin), 0);
	gw_dart_unpin(&r->d, &pin);
	gw_dart_unregister(&r->d, &m);
	dart_free(r);
}

static void a_pin_names_every_piece_in_order(void **state)
{
	struct dart_rig *r = dart_new(1);
	struct gw_dart_mapping a, b;
	struct iovec iov[2];
	struct gw_endpoint_pin pin = { .iov = iov, .max_iov = 2 };

	r->limits.caller_iova = true;
	assert_int_equal(dart_map_at(r, &a, r->mem + 2 * RIG_G, RIG_G, 0), 0);
	assert_int_equal(dart_map_at(r, &b, r->mem, RIG_G, RIG_G), 0);
	assert_int_equal(gw_dart_pin(&r->d, (gw_iova){ RIG_G - 16 }, 48, GW_DMA_WRITE, &pin), 0);
	assert_int_equal(pin.nr_iov, 2);
	assert_ptr_equal(iov[0].iov_base, r->mem + 3 * RIG_G - 16);
	assert_int_equal(iov[0].iov_len, 16);
	assert_ptr_equal(iov[1].iov_base, r->mem);
	assert_int_equal(iov[1].iov_len, 32);
	gw_dart_unpin(&r->d, &pin);
	gw_dart_unpin(&r->d, &pin);	/* once is enough; twice does no harm */
	pin.max_iov = 1;
	assert_int_equal(gw_dart_pin(&r->d, (gw_iova){ RIG_G - 16 }, 48, GW_DMA_WRITE, &pin),
			 -E2BIG);
	assert_int_equal(gw_dart_pin(&r->d, (gw_iova){ 2 * RIG_G - 1 }, 2, GW_DMA_READ, &pin),
			 -EFAULT);
	assert_int_equal(gw_dart_pin(&r->d, (gw_iova){ UINT64_MAX }, 2, GW_DMA_READ, &pin),
			 -EFAULT);
	assert_int_equal(gw_dart_pin(&r->d, (gw_iova){ 0 }, 0, GW_DMA_READ, &pin), 0);
	assert_int_equal(pin.nr_iov, 0);
	gw_dart_unpin(&r->d, &pin);
	/* a failed pin holds nothing, so this returns */
	gw_dart_unregister(&r->d, &a);
	gw_dart_unregister(&r->d, &b);
	dart_free(r);
}

static void memory_that_shrank_is_an_error(void **state)
{
	struct dart_rig *r = dart_new(1);
	int fd = memfd_create("shrinks", MFD_CLOEXEC);
	struct gw_dart_mapping m;
	char *p, buf[8] = { 0 };
	uint64_t v;

	gw_guard_install();	/* the test runner takes SIGBUS over before each test */
	assert_true(fd >= 0);
	assert_int_equal(ftruncate(fd, 2 * RIG_G), 0);
	r->limits.granule = 4096;
	p = mmap(NULL, 2 * RIG_G, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	assert_ptr_not_equal(p, MAP_FAILED);
	assert_int_equal(dart_map(r, &m, p, 2 * RIG_G), 0);
	assert_int_equal(ftruncate(fd, RIG_G), 0);
	assert_int_equal(dart_read(r, m.node.first + RIG_G, buf, 8), -EIO);
	assert_int_equal(dart_write(r, m.node.first + RIG_G - 4, buf, 8), -EIO);
	assert_int_equal(gw_dart_peek(&m, RIG_G, &v), -EIO);
	assert_int_equal(dart_write(r, m.node.first, buf, 8), 0);
	gw_dart_unregister(&r->d, &m);
	munmap(p, 2 * RIG_G);
	close(fd);
	dart_free(r);
}

/* With all but one place taken, the one is still found, however the search begins. */
static void the_last_place_is_found(void **state)
{
	const uint64_t all = GW_DART_LAST + 1 - GW_DART_FIRST, left = 3ull << 30;
	struct dart_rig *r = dart_new(1);
	struct gw_dart_mapping low, high, m, none;
	void *big = mmap(NULL, all, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	char *at;

	assert_ptr_not_equal(big, MAP_FAILED);
	r->limits.max_bytes = r->limits.max_map_bytes = all;
	r->limits.caller_iova = true;
	at = (char *)big + (-(uintptr_t)big & (RIG_G - 1));
	assert_int_equal(dart_map_at(r, &low, at, all / 2, GW_DART_FIRST), 0);
	assert_int_equal(dart_map_at(r, &high, at, all / 2 - left,
				     GW_DART_FIRST + all / 2 + left), 0);
	for (int i = 0; i < 20; i++) {
		r->limits.seed = (uint64_t)i;
		r->d.seeded = false;
		assert_int_equal(dart_map(r, &none, at, left), -ENOSPC);
		/* a guard gap below and one above */
		assert_int_equal(dart_map(r, &none, at, left - RIG_G), -ENOSPC);
		assert_int_equal(dart_map(r, &m, at, left - 2 * RIG_G), 0);
		gw_dart_unregister(&r->d, &m);
	}
	gw_dart_unregister(&r->d, &low);
	gw_dart_unregister(&r->d, &high);
	munmap(big, all);
	dart_free(r);
}

/* 65,536 live mappings: few places looked at for each, and no search through those there are. */
static void placing_one_more_does_not_search_the_others(void **state)
{
	static struct gw_dart_mapping m[65536];
	struct dart_rig *r = dart_new(1);
	uint64_t probes, most = 0;
	unsigned int seed = 3;

	r->limits.max_maps = 65536;
	r->limits.max_bytes = 65536 * RIG_G;
	for (int i = 0; i < 65536; i++) {
		probes = r->d.probes;
		assert_int_equal(dart_map(r, &m[i], r->mem, RIG_G), 0);
		most = r->d.probes - probes > most ? r->d.probes - probes : most;
	}
	for (int i = 0; i < 300000; i++) {
		int k = rand_r(&seed) % 65536;

		gw_dart_unregister(&r->d, &m[k]);
		probes = r->d.probes;
		assert_int_equal(dart_map(r, &m[k], r->mem, RIG_G), 0);
		most = r->d.probes - probes > most ? r->d.probes - probes : most;
	}
	assert_in_range(most, 1, 8 * 16);
	for (int i = 0; i < 65536; i++)
		gw_dart_unregister(&r->d, &m[i]);
	dart_free(r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(addresses_are_far_up_apart_and_aligned_to_the_granule_only),
		cmocka_unit_test(one_seed_gives_the_same_addresses_each_time),
		cmocka_unit_test(a_range_is_not_used_again_at_once),
		cmocka_unit_test(what_cannot_be_mapped_is_refused),
		cmocka_unit_test(each_limit_holds_at_its_edge),
		cmocka_unit_test(the_caller_may_choose_when_allowed_but_not_twice_the_same),
		cmocka_unit_test(a_mapping_in_segments_is_one_run_of_memory),
		cmocka_unit_test(an_access_may_span_neighbours_but_no_hole),
		cmocka_unit_test(read_only_memory_refuses_writes),
		cmocka_unit_test(a_pin_names_every_piece_in_order),
		cmocka_unit_test(memory_that_shrank_is_an_error),
		cmocka_unit_test(the_last_place_is_found),
		cmocka_unit_test(placing_one_more_does_not_search_the_others),
	};

	return cmocka_run_group_tests_name("dart", tests, NULL, NULL);
}
