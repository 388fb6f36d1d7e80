/* SPDX-License-Identifier: BSD-3-Clause */
#include "sim_rig.h"

#include <fcntl.h>

/*
 * Memory that a dext shares or makes reachable: buffer, regions, BARs. With RIG_BACKEND it is not the simulated
 * dext that is asked, as in test_core.c.
 */

#define OK GW_IORETURN_SUCCESS

static void what_the_platform_cannot_tell_is_not_mapped(void **state)
{
	struct rig *r = rig_with("segments", "33");
	char *mem = rig_memory(40 * RIG_G);
	uint64_t v[16];

	assert_int_equal(rig_call(r->c, GW_DEXT_REGISTER_REGION, v, 15, 1, (uintptr_t)mem,
				  40 * RIG_G), GW_IORETURN_NOT_ALIGNED);
	assert_int_equal(rig_call(r->c, GW_DEXT_ALLOC_BUFFER, v, 6, 40 * RIG_G, 0),
			 GW_IORETURN_NOT_ALIGNED);
	assert_int_equal(rig_stats(r).live_maps, 0);
	assert_int_equal(rig_call(r->c, GW_DEXT_REGISTER_REGION, v, 15, 1, (uintptr_t)mem,
				  7 * RIG_G), OK);
	rig_free(r);
	free(mem);
}

static void the_buffer_is_one_and_what_the_device_sees(void **state)
{
	struct rig *r = rig_new(NULL);
	struct gw_dext_map map;
	uint64_t out[6];
	char buf[6];

	assert_int_equal(r->c->ops->map(r->c, GW_DEXT_MEMORY_BUFFER, 0, &map),
			 GW_IORETURN_NOT_READY);
	assert_int_equal(rig_call(r->c, GW_DEXT_FREE_BUFFER, NULL, 0), OK);
	assert_int_equal(rig_call(r->c, GW_DEXT_ALLOC_BUFFER, out, 6, 0, 0),
			 GW_IORETURN_BAD_ARGUMENT);
	assert_int_equal(rig_call(r->c, GW_DEXT_ALLOC_BUFFER, out, 6, (1536ull << 20) + 1, 0),
			 GW_IORETURN_BAD_ARGUMENT);
	assert_int_equal(rig_call(r->c, GW_DEXT_ALLOC_BUFFER, out, 6, UINT64_MAX, 0),
			 GW_IORETURN_BAD_ARGUMENT);
	assert_int_equal(rig_call(r->c, GW_DEXT_ALLOC_BUFFER, out, 6, 4096, 3),
			 GW_IORETURN_BAD_ARGUMENT);
	assert_int_equal(rig_call(r->c, GW_DEXT_ALLOC_BUFFER, out, 6, 4096, 1ull << 63),
			 GW_IORETURN_BAD_ARGUMENT);
	assert_int_equal(rig_call(r->c, GW_DEXT_ALLOC_BUFFER, out, 6, 1536ull << 20, 0), OK);
	assert_int_equal(out[0], 1536ull << 20);
	assert_int_equal(out[4], 1536ull << 20);
	/* again: the old one goes first, or the budget would not do */
	assert_int_equal(rig_call(r->c, GW_DEXT_ALLOC_BUFFER, out, 6, 100000, 2 << 20), OK);
	assert_int_equal(out[0], 7 * RIG_G);
	assert_int_equal(out[1], 3);
	assert_int_equal(out[2], 1);
	assert_int_equal(out[4], 7 * RIG_G);
	assert_int_equal(rig_stats(r).live_maps, 1);
	assert_int_equal(r->c->ops->map(r->c, GW_DEXT_MEMORY_BUFFER, 0, &map), OK);
	assert_int_equal(map.size, 7 * RIG_G);
#ifndef RIG_BACKEND
	assert_int_equal(fcntl(map.fd, F_GET_SEALS) & F_SEAL_SHRINK, F_SEAL_SHRINK);
#endif
	strcpy((char *)map.addr + 70000, "there");
	assert_int_equal(gw_endpoint_dma_read(&r->ep->ep, (gw_iova){ out[3] + 70000 }, buf, 6), 0);
	assert_string_equal(buf, "there");
	assert_int_equal(rig_call(r->c, GW_DEXT_FREE_BUFFER, NULL, 0), OK);
	assert_int_equal(gw_endpoint_dma_read(&r->ep->ep, (gw_iova){ out[3] }, buf, 6), -EFAULT);
	assert_string_equal((char *)map.addr + 70000, "there");	/* the view is the client's */
	r->c->ops->unmap(r->c, GW_DEXT_MEMORY_BUFFER, &map);
	rig_free(r);
}

static void a_region_has_one_key_and_its_errors(void **state)
{
	struct rig *r = rig_new(NULL);
	char *mem = rig_memory(4 * RIG_G);
	uint64_t v = 0x0123456789abcdef;
	gw_iova a, b;

	memcpy(mem + RIG_G + 16, &v, 8);
	assert_int_equal(rig_map(r, 5, mem, 2 * RIG_G, &a), OK);
	assert_int_equal(rig_map(r, 5, mem, 2 * RIG_G, &b), GW_IORETURN_STILL_OPEN);
	assert_int_equal(rig_map(r, UINT64_MAX, mem, RIG_G, &b), OK);	/* the same memory again */
	assert_int_not_equal(a.v, b.v);
	assert_int_equal(rig_map(r, 6, mem, 0, &b), GW_IORETURN_BAD_ARGUMENT);
	assert_int_equal(rig_map(r, 6, NULL, RIG_G, &b), GW_IORETURN_BAD_ARGUMENT);
	assert_int_equal(rig_map(r, 6, mem + 1, RIG_G, &b), GW_IORETURN_BAD_ARGUMENT);
	assert_int_equal(rig_map(r, 6, (void *)-RIG_G, 2 * RIG_G, &b), GW_IORETURN_BAD_ARGUMENT);
	assert_int_equal(rig_map(r, 6, mem, 1ull << 62, &b), GW_IORETURN_NO_SPACE);
	assert_int_equal(rig_call(r->c, GW_DEXT_PROBE_REGION, &v, 1, 5, RIG_G + 16), OK);
	assert_int_equal(v, 0x0123456789abcdef);
	assert_int_equal(rig_call(r->c, GW_DEXT_PROBE_REGION, &v, 1, 5, 2 * RIG_G - 8), OK);
	assert_int_equal(rig_call(r->c, GW_DEXT_PROBE_REGION, &v, 1, 5, 2 * RIG_G - 7),
			 GW_IORETURN_OVERRUN);
	assert_int_equal(rig_call(r->c, GW_DEXT_PROBE_REGION, &v, 1, 5, UINT64_MAX - 3),
			 GW_IORETURN_OVERRUN);
	assert_int_equal(rig_call(r->c, GW_DEXT_PROBE_REGION, &v, 1, 6, 0),
			 GW_IORETURN_NOT_FOUND);
	assert_int_equal(rig_unmap(r, 6), GW_IORETURN_NOT_FOUND);
	assert_int_equal(rig_unmap(r, 5), OK);
	assert_int_equal(rig_map(r, 5, mem, RIG_G, &a), OK);	/* the key is free again */
	rig_free(r);
	free(mem);
}

static void segments_that_do_not_fit_the_reply_register_nothing(void **state)
{
	struct rig *r = rig_with("segments", "3");
	char *mem = rig_memory(8 * RIG_G);
	uint64_t in[3] = { 1, (uintptr_t)mem, 8 * RIG_G }, out[16];
	unsigned int nr;

	for (nr = 3; nr < 7; nr++)
		assert_int_equal(rig_call_n(r->c, GW_DEXT_REGISTER_REGION, in, 3, out, nr),
				 GW_IORETURN_NOT_ALIGNED);
	assert_int_equal(rig_stats(r).live_maps, 0);
	nr = 16;
	assert_int_equal(r->c->ops->call(r->c, GW_DEXT_REGISTER_REGION, in, 3, out, &nr), OK);
	assert_int_equal(nr, 7);
	assert_int_equal(out[0], 3);
	assert_int_equal(out[2] + out[4] + out[6], 8 * RIG_G);
	assert_true(out[3] != out[1] + out[2]);
	in[0] = 2;
	assert_int_equal(rig_call_n(r->c, GW_DEXT_REGISTER_REGION, in, 3, out, 7), OK);
	rig_free(r);
	free(mem);
}

#ifndef RIG_BACKEND
static void register_at_honours_address_and_direction(void **state)
{
	struct rig *r = rig_with("caller-iova", "on", "granule", "16K");
	char *mem = rig_memory(4 * RIG_G), c = 'x';
	uint64_t va = (uintptr_t)mem, out[3];
	const uint64_t fixed = GW_DEXT_REGION_FIXED, ro = GW_DEXT_REGION_READ_ONLY;

	assert_int_equal(rig_call(r->c, GW_DEXT_GET_LIMITS, (uint64_t[8]){ 0 }, 8), OK);
	assert_int_equal(rig_call(r->c, GW_DEXT_REGISTER_AT, out, 3, 1, va, 2 * RIG_G, fixed | ro,
				  0x40000000), OK);
	assert_int_equal(out[1], 0x40000000);
	assert_int_equal(gw_endpoint_dma_write(&r->ep->ep, (gw_iova){ out[1] }, &c, 1), -EFAULT);
	assert_int_equal(gw_endpoint_dma_read(&r->ep->ep, (gw_iova){ out[1] }, &c, 1), 0);
	assert_int_equal(rig_call(r->c, GW_DEXT_REGISTER_AT, out, 3, 2, va, RIG_G, fixed,
				  0x40000000 + RIG_G), GW_IORETURN_STILL_OPEN);
	assert_int_equal(rig_call(r->c, GW_DEXT_REGISTER_AT, out, 3, 2, va, RIG_G, fixed, 1),
			 GW_IORETURN_BAD_ARGUMENT);
	assert_int_equal(rig_call(r->c, GW_DEXT_REGISTER_AT, out, 3, 2, va, 2 * RIG_G, fixed,
				  0 - RIG_G), GW_IORETURN_BAD_ARGUMENT);
	assert_int_equal(rig_call(r->c, GW_DEXT_REGISTER_AT, out, 3, 2, va, RIG_G, 4, 0),
			 GW_IORETURN_BAD_ARGUMENT);
	/* not fixed: the address is not looked at */
	assert_int_equal(rig_call(r->c, GW_DEXT_REGISTER_AT, out, 3, 2, va, RIG_G, 0, 1), OK);
	assert_true(out[1] >= 1ull << 39);
	rig_free(r);
	r = rig_new(NULL);
	assert_int_equal(rig_call(r->c, GW_DEXT_REGISTER_AT, out, 3, 1, va, RIG_G, fixed,
				  0x40000000), GW_IORETURN_UNSUPPORTED);
	rig_free(r);
	free(mem);
}

static int remote_read(struct gw_remote *remote, gw_vmm_addr addr, void *buf, size_t len)
{
	memcpy(buf, &addr.v, len);
	return 0;
}

static void remote_memory_is_asked_for_by_its_own_address(void **state)
{
	static const struct gw_remote_ops ops = { .read = remote_read };
	struct gw_remote remote = { .ops = &ops };
	uint64_t where = (uintptr_t)&remote, out[3], v;
	struct rig *r = rig_new(NULL);

	assert_int_equal(rig_call(r->c, GW_DEXT_REGISTER_REMOTE, out, 3, 1, 0, RIG_G, 0, 0, 0),
			 GW_IORETURN_BAD_ARGUMENT);
	assert_int_equal(rig_call(r->c, GW_DEXT_REGISTER_REMOTE, out, 3, 1, where, RIG_G, 8, 0, 0),
			 GW_IORETURN_BAD_ARGUMENT);
	assert_int_equal(rig_call(r->c, GW_DEXT_REGISTER_REMOTE, out, 3, 1, where, 2 * RIG_G, 0, 0,
				  0 - RIG_G), GW_IORETURN_BAD_ARGUMENT);
	assert_int_equal(rig_call(r->c, GW_DEXT_REGISTER_REMOTE, out, 3, 1, where, RIG_G, 0, 0, 0),
			 OK);
	assert_int_equal(rig_call(r->c, GW_DEXT_REGISTER_REMOTE, out, 3, 2, where, RIG_G, 0, 0,
				  0x80000000), OK);
	assert_int_equal(gw_endpoint_dma_read(&r->ep->ep, (gw_iova){ out[1] + 24 }, &v, 8), 0);
	assert_int_equal(v, 0x80000018);
	assert_int_equal(rig_call(r->c, GW_DEXT_PROBE_REGION, &v, 1, 2, 0),
			 GW_IORETURN_UNSUPPORTED);
	rig_free(r);
}
#endif

static void only_what_is_memory_can_be_mapped(void **state)
{
	struct rig *r = rig_sim();
	struct gw_dext_map map;
	uint64_t v;

	rig_add(r, rig_ep_new());
	r->c = rig_connect(r, 0);
	assert_int_equal(r->c->ops->map(r->c, 3, 0, &map), GW_IORETURN_NOT_OPEN);
	assert_int_equal(rig_call(r->c, GW_DEXT_CLAIM, NULL, 0), OK);
	assert_int_equal(r->c->ops->map(r->c, 8, 0, &map), GW_IORETURN_BAD_ARGUMENT);
	assert_int_equal(r->c->ops->map(r->c, UINT32_MAX, 0, &map), GW_IORETURN_BAD_ARGUMENT);
	assert_int_equal(r->c->ops->map(r->c, 1, 0, &map), GW_IORETURN_UNSUPPORTED);
	assert_int_equal(r->c->ops->map(r->c, 2, 0, &map), GW_IORETURN_UNSUPPORTED);
	assert_int_equal(r->c->ops->map(r->c, GW_DEXT_MEMORY_IRQ_PAGE, 0, &map),
			 GW_IORETURN_NOT_READY);
	/* 1 + BAR, not the memory index */
	assert_int_equal(r->c->ops->map(r->c, 1 + 2, GW_DEXT_MAP_WRITE_COMBINE, &map), OK);
	assert_int_equal(map.size, 65536);
	*(uint32_t *)map.addr = 0x600df00d;
	assert_int_equal(rig_call(r->c, GW_DEXT_MMIO_READ, &v, 1, 1, 0, 4), OK);
	assert_int_equal(v, 0x600df00d);
	assert_int_equal(*(uint32_t *)gw_endpoint_bar_mem(&r->ep->ep, 2), 0x600df00d);
	assert_null(gw_endpoint_bar_mem(&r->ep->ep, 0));
	assert_null(gw_endpoint_bar_mem(&r->ep->ep, 6));
	r->c->ops->unmap(r->c, 3, &map);
	rig_free(r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#ifndef RIG_BACKEND
		cmocka_unit_test(register_at_honours_address_and_direction),
		cmocka_unit_test(remote_memory_is_asked_for_by_its_own_address),
#endif
		cmocka_unit_test(what_the_platform_cannot_tell_is_not_mapped),
		cmocka_unit_test(the_buffer_is_one_and_what_the_device_sees),
		cmocka_unit_test(a_region_has_one_key_and_its_errors),
		cmocka_unit_test(segments_that_do_not_fit_the_reply_register_nothing),
		cmocka_unit_test(only_what_is_memory_can_be_mapped),
	};

	return cmocka_run_group_tests_name("core_memory", tests, NULL, NULL);
}
