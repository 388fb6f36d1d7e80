/* SPDX-License-Identifier: BSD-3-Clause */
#include "sim_rig.h"

#include <fcntl.h>

/* What the bus does for an endpoint: bus mastering, power, reset, decoding, adding and removing. */

#define OK	GW_IORETURN_SUCCESS
#define PMCSR	0x44		/* the power management capability comes first */
#define ALL_ONES UINT64_MAX

static void without_bus_mastering_there_is_no_dma(void **state)
{
	struct rig *r = rig_new(NULL);
	char *mem = rig_memory(RIG_G), c = 0;
	struct iovec iov;
	struct gw_endpoint_pin pin = { .iov = &iov, .max_iov = 1 };
	gw_iova iova;

	assert_int_equal(rig_map(r, 1, mem, RIG_G, &iova), OK);
	rig_config_write(r, 4, 2, 2);
	assert_int_equal(r->ep->quiesced, 1);
	assert_int_equal(gw_endpoint_dma_read(&r->ep->ep, iova, &c, 1), -EPERM);
	assert_int_equal(gw_endpoint_dma_write(&r->ep->ep, iova, &c, 1), -EPERM);
	assert_int_equal(gw_endpoint_pin(&r->ep->ep, iova, 1, GW_DMA_READ, &pin), -EPERM);
	rig_config_write(r, 4, 2, 2);
	assert_int_equal(r->ep->quiesced, 1);
	rig_config_write(r, 4, 2, 6);
	assert_int_equal(r->ep->resumed, 2);
	assert_int_equal(gw_endpoint_dma_read(&r->ep->ep, iova, &c, 1), 0);
	assert_int_equal(rig_stats(r).faults, 0);
	rig_free(r);
	free(mem);
}

static uint64_t reg_read(struct rig *r, uint64_t index)
{
	uint64_t v = 0;

	assert_int_equal(rig_call(r->c, GW_DEXT_MMIO_READ, &v, 1, index, 0, 8), OK);
	return v;
}

static void reg_write(struct rig *r, uint64_t index, uint64_t v)
{
	assert_int_equal(rig_call(r->c, GW_DEXT_MMIO_WRITE, NULL, 0, index, 0, 8, v), OK);
}

static void asleep_it_neither_masters_nor_decodes(void **state)
{
	struct rig *r = rig_new(NULL);
	char c;

	reg_write(r, 0, 77);
	rig_config_write(r, PMCSR, 2, 3);
	assert_false(r->ep->running);
	assert_int_equal(gw_endpoint_dma_read(&r->ep->ep, (gw_iova){ 0 }, &c, 1), -EPERM);
	assert_int_equal(reg_read(r, 0), ALL_ONES);
	reg_write(r, 0, 78);
	rig_config_write(r, PMCSR, 2, 0);
	assert_true(r->ep->running);
	assert_int_equal(reg_read(r, 0), 77);		/* no soft reset */
	assert_int_equal(r->ep->resets, 0);
	rig_free(r);
}

static void a_bar_decodes_where_the_platform_put_it_and_if_enabled(void **state)
{
	struct rig *r = rig_new(NULL);
	uint64_t low = rig_config(r, 0x18, 2), v;

	reg_write(r, 0, 5);
	reg_write(r, 1, 6);
	rig_config_write(r, 4, 2, 4);
	assert_int_equal(reg_read(r, 0), ALL_ONES);
	assert_int_equal(reg_read(r, 1), ALL_ONES);
	assert_int_equal(rig_call(r->c, GW_DEXT_MMIO_READ, &v, 1, 0, 0, 2), OK);
	assert_int_equal(v, 0xffff);
	rig_config_write(r, 4, 2, 6);
	assert_int_equal(reg_read(r, 0), 5);
	v = rig_config(r, 0x1a, 2);
	rig_config_write(r, 0x1a, 2, v ^ 1);		/* moved: nobody finds it any more */
	reg_write(r, 1, 7);
	assert_int_equal(reg_read(r, 1), ALL_ONES);
	assert_int_equal(reg_read(r, 0), 5);
	rig_config_write(r, 0x1a, 2, v);
	assert_int_equal(reg_read(r, 1), 6);
	assert_int_equal(low & 0xf, 0xc);
	rig_free(r);
}

static void a_function_level_reset_by_config_space_loses_all(void **state)
{
	struct rig *r = rig_new(NULL);
	unsigned int devctl = rig_cap(r, 0x10) + 8;

	reg_write(r, 0, 5);
	rig_config_write(r, devctl, 2, rig_config(r, devctl, 2) | 0x8000);
	assert_int_equal(r->ep->resets, 1);
	assert_false(r->ep->running);
	assert_int_equal(rig_config(r, devctl, 2) & 0x8000, 0);
	assert_int_equal(rig_config(r, 4, 2), 0);
	assert_int_equal(rig_config(r, 0x12, 2), 0);	/* the address is gone too */
	rig_config_write(r, 4, 2, 6);
	assert_true(r->ep->running);
	assert_int_equal(reg_read(r, 0), ALL_ONES);
	rig_free(r);
}

static void a_reset_by_the_host_keeps_config_space(void **state)
{
	struct rig *r = rig_new(NULL);
	uint64_t addr = rig_config(r, 0x12, 2);
	char *mem = rig_memory(RIG_G), c;
	gw_iova iova;

	assert_int_equal(rig_map(r, 1, mem, RIG_G, &iova), OK);
	reg_write(r, 0, 5);
	assert_int_equal(rig_call(r->c, GW_DEXT_RESET_DEVICE, NULL, 0), OK);
	assert_int_equal(r->ep->resets, 1);
	assert_int_equal(r->ep->quiesced, 1);
	assert_int_equal(rig_config(r, 4, 2), 6);
	assert_int_equal(rig_config(r, 0x12, 2), addr);
	assert_int_equal(reg_read(r, 0), 0);
	assert_int_equal(gw_endpoint_dma_read(&r->ep->ep, iova, &c, 1), 0);	/* mappings stay */
	rig_config_write(r, 4, 2, 0);
	assert_int_equal(rig_call(r->c, GW_DEXT_RESET_DEVICE, NULL, 0), OK);
	assert_false(r->ep->running);
	rig_free(r);
	free(mem);
}

static void without_function_level_reset_the_port_resets(void **state)
{
	struct rig *r = rig_sim();
	struct rig_ep *ep = rig_ep_new();
	unsigned int devctl;

	ep->ep.desc.no_flr = true;
	rig_add(r, ep);
	r->c = rig_connect(r, 0);
	assert_int_equal(rig_call(r->c, GW_DEXT_CLAIM, NULL, 0), OK);
	devctl = rig_cap(r, 0x10) + 8;
	rig_config_write(r, devctl, 2, 0x8000);
	assert_int_equal(ep->resets, 0);
	assert_int_equal(rig_call(r->c, GW_DEXT_RESET_DEVICE, NULL, 0), OK);
	assert_int_equal(ep->resets, 1);
	rig_free(r);
}

static void count_up(void *opaque, uint32_t result)
{
	uint32_t *last = opaque;

	*last = result;
}

static void what_vanishes_is_quiet_and_answers_no_more(void **state)
{
	struct rig *r = rig_new(NULL);
	struct gw_dext_services *s = gw_sim_services(r->sim);
	char *mem = rig_memory(RIG_G), c;
	uint32_t result = 1;
	struct gw_dext_map map;
	struct gw_dext_conn *late;
	uint64_t out[8];
	gw_iova iova;
	char root[GW_ROOT_SIZE];

	assert_int_equal(rig_map(r, 1, mem, RIG_G, &iova), OK);
	assert_int_equal(rig_call(r->c, GW_DEXT_ALLOC_BUFFER, out, 6, 4096, 0), OK);
	assert_int_equal(rig_call(r->c, GW_DEXT_SETUP_INTERRUPTS, out, 1), OK);
	assert_int_equal(r->c->ops->call_async(r->c, GW_DEXT_WAIT_INTERRUPT, count_up, &result),
			 OK);
	assert_int_equal(gw_sim_vanish(r->sim, NULL, 1, 0, 1), -ENOENT);
	assert_int_equal(gw_sim_vanish(r->sim, "other", 1, 0, 0), -ENOENT);
	assert_int_equal(gw_sim_vanish(r->sim, NULL, 1, 0, 0), 0);
	assert_int_equal(gw_sim_vanish(r->sim, NULL, 1, 0, 0), 0);
	assert_int_equal(result, GW_IORETURN_NO_DEVICE);
	assert_false(r->ep->running);
	assert_int_equal(gw_endpoint_dma_read(&r->ep->ep, iova, &c, 1), -EPERM);
	assert_int_equal(rig_call(r->c, GW_DEXT_CONFIG_READ, out, 1, 0, 4), GW_IORETURN_NO_DEVICE);
	assert_int_equal(rig_call(r->c, GW_DEXT_CLAIM, NULL, 0), GW_IORETURN_NO_DEVICE);
	assert_int_equal(rig_map(r, 2, mem, RIG_G, &iova), GW_IORETURN_NO_DEVICE);
	assert_int_equal(r->c->ops->map(r->c, 3, 0, &map), GW_IORETURN_NO_DEVICE);
	assert_int_equal(r->c->ops->call_async(r->c, GW_DEXT_WAIT_INTERRUPT, count_up, &result),
			 GW_IORETURN_NO_DEVICE);
	/* what gives back still works */
	assert_int_equal(rig_unmap(r, 1), OK);
	assert_int_equal(rig_call(r->c, GW_DEXT_FREE_BUFFER, NULL, 0), OK);
	assert_int_equal(rig_stats(r).live_maps, 0);
	assert_int_equal(s->ops->open(s, 0, &late, root), -ENODEV);
	rig_free(r);
	free(mem);
}

static void a_mapped_bar_cannot_be_shrunk_by_who_is_given_it(void **state)
{
	struct rig *r = rig_new(NULL);
	struct gw_dext_map map;

	assert_int_equal(r->c->ops->map(r->c, 3, 0, &map), OK);
	assert_int_equal(fcntl(map.fd, F_GET_SEALS), F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL);
	assert_int_equal(map.fd_off, 0);
	r->c->ops->unmap(r->c, 3, &map);
	rig_free(r);
}

static void an_endpoint_is_owned_even_if_it_is_refused(void **state)
{
	static const struct { const char *root; uint8_t dev, fn; int ret; } rows[] = {
		{ NULL, 0, 0, -EEXIST }, { "sim0", 0, 0, -EEXIST }, { "", 0, 1, -EINVAL },
		{ NULL, 32, 0, -EINVAL }, { NULL, 0, 8, -EINVAL },
		{ "a-name-of-thirty-two-characters-x", 0, 1, -EINVAL },
	};
	struct rig *r = rig_new(NULL);
	struct rig_ep *ep;

	for (unsigned int i = 0; i < ARRAY_SIZE(rows); i++) {
		ep = rig_ep_new();
		ep->freed_out = &r->freed;
		assert_int_equal(gw_sim_add(r->sim, &ep->ep, rows[i].root, 1, rows[i].dev,
					    rows[i].fn), rows[i].ret);
		assert_int_equal(r->freed, i + 1);
	}
	ep = rig_ep_new();
	ep->freed_out = &r->freed;
	ep->ep.desc.bar[2].size = 3;
	assert_int_equal(gw_sim_add(r->sim, &ep->ep, NULL, 1, 0, 1), -EINVAL);
	assert_int_equal(r->freed, ARRAY_SIZE(rows) + 1);
	rig_free(r);
}

static void there_is_an_end_to_32_bit_addresses(void **state)
{
	struct rig *r = rig_sim();
	int ret = 0, added = 0;

	while (!ret && added < 8) {
		struct rig_ep *ep = rig_ep_new();

		ep->ep.desc.bar[0].size = 1ull << 30;
		ret = gw_sim_add(r->sim, &ep->ep, NULL, 1, 0, (uint8_t)added);
		added += !ret;
	}
	assert_int_equal(ret, -ENOMEM);
	assert_int_equal(added, 1);
	rig_free(r);
}

static void functions_of_one_device_say_so_and_addresses_repeat_across_roots(void **state)
{
	struct rig *r = rig_new(NULL);
	struct gw_dext_services *s = gw_sim_services(r->sim);
	struct gw_dext_conn *c;
	char root[GW_ROOT_SIZE];

	assert_int_equal(rig_config(r, 0x0e, 1), 0);
	assert_int_equal(gw_sim_add(r->sim, &rig_ep_new()->ep, "pcic1", 1, 0, 0), 0);
	assert_int_equal(rig_config(r, 0x0e, 1), 0);
	assert_int_equal(gw_sim_add(r->sim, &rig_ep_new()->ep, NULL, 1, 0, 3), 0);
	assert_int_equal(rig_config(r, 0x0e, 1), 0x80);
	assert_int_equal(s->ops->open(s, 1, &c, root), 0);
	assert_string_equal(root, "pcic1");
	c->ops->close(c);
	assert_int_equal(s->ops->open(s, 2, &c, root), 0);
	assert_string_equal(root, "sim0");
	c->ops->close(c);
	assert_int_equal(s->ops->open(s, 3, &c, root), -ENOENT);
	/* and it stays so after a reset */
	rig_config_write(r, rig_cap(r, 0x10) + 8, 2, 0x8000);
	assert_int_equal(rig_config(r, 0x0e, 1), 0x80);
	rig_free(r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(without_bus_mastering_there_is_no_dma),
		cmocka_unit_test(asleep_it_neither_masters_nor_decodes),
		cmocka_unit_test(a_bar_decodes_where_the_platform_put_it_and_if_enabled),
		cmocka_unit_test(a_function_level_reset_by_config_space_loses_all),
		cmocka_unit_test(a_reset_by_the_host_keeps_config_space),
		cmocka_unit_test(without_function_level_reset_the_port_resets),
		cmocka_unit_test(what_vanishes_is_quiet_and_answers_no_more),
		cmocka_unit_test(a_mapped_bar_cannot_be_shrunk_by_who_is_given_it),
		cmocka_unit_test(an_endpoint_is_owned_even_if_it_is_refused),
		cmocka_unit_test(there_is_an_end_to_32_bit_addresses),
		cmocka_unit_test(functions_of_one_device_say_so_and_addresses_repeat_across_roots),
	};

	return cmocka_run_group_tests_name("sim_bus", tests, NULL, NULL);
}
