/* SPDX-License-Identifier: BSD-3-Clause */
#include "sim_rig.h"

/* Virtual functions appear and vanish as config space of the physical one says. */

#define OK	GW_IORETURN_SUCCESS
#define AT	0x140u			/* behind the serial number */
#define CONTROL	(AT + 8)
#define NUM	(AT + 0x10)
#define ON	9

static unsigned int made, fail_from;

static int pf_vf_new(struct gw_endpoint *ep, unsigned int vf, struct gw_endpoint **out)
{
	struct rig_ep *r;

	if (fail_from && vf >= fail_from)
		return -ENOMEM;
	r = rig_ep_new();
	memcpy(r->ep.desc.bar, ep->desc.sriov.bar, sizeof(r->ep.desc.bar));
	r->ep.desc.msix_vectors = 0;
	r->ep.desc.device = (uint16_t)(0x100 + vf);
	made++;
	*out = &r->ep;
	return 0;
}

static struct rig *pf_rig(uint16_t total)
{
	static struct gw_endpoint_ops ops;
	struct rig_ep *ep = rig_ep_new();
	struct rig *r = rig_sim();

	ops = *ep->ep.ops;
	ops.vf_new = pf_vf_new;
	ep->ep.ops = &ops;
	ep->ep.desc.sriov = (struct gw_endpoint_sriov){
		.total = total, .offset = 0x80, .stride = 2, .device = 0x100,
		.bar = { [0] = { .size = 1 << 20, .is_64bit = true, .prefetchable = true } },
	};
	made = fail_from = 0;
	rig_add(r, ep);
	r->c = rig_connect(r, 0);
	assert_int_equal(rig_call(r->c, GW_DEXT_CLAIM, NULL, 0), 0);
	return r;
}

/* Functions that are there, the physical one not counted; the last one's address to @rid. */
static unsigned int there(struct rig *r, uint64_t *rid)
{
	struct gw_dext_services *s = gw_sim_services(r->sim);
	struct gw_dext_conn *c;
	unsigned int nr = 0;
	uint64_t id[6];
	char root[GW_ROOT_SIZE];
	int ret;

	for (unsigned int i = 1; (ret = s->ops->open(s, i, &c, root)) != -ENOENT; i++) {
		if (ret)	/* one that has gone */
			continue;
		if (rig_call(c, GW_DEXT_GET_IDENTITY, id, 6) == OK) {
			nr++;
			if (rid)
				*rid = id[0] << 8 | id[1] << 3 | id[2];
		}
		c->ops->close(c);
	}
	return nr;
}

static void the_capability_says_what_there_can_be(void **state)
{
	struct rig *r = pf_rig(3);

	assert_int_equal(rig_config(r, 0x100, 4), 0x14010003);	/* the serial number leads to it */
	assert_int_equal(rig_config(r, AT, 4), 0x00010010);
	assert_int_equal(rig_config(r, AT + 0x0c, 4), 0x00030003);
	assert_int_equal(rig_config(r, AT + 0x14, 4), 0x00020080);
	assert_int_equal(rig_config(r, AT + 0x1a, 2), 0x100);
	assert_int_equal(rig_config(r, AT + 0x24, 4) & 0xf, 0xc);
	rig_config_write(r, AT + 0x24, 4, UINT32_MAX);
	assert_int_equal(rig_config(r, AT + 0x24, 4), 0xfff0000c);
	rig_config_write(r, AT + 0x0c, 4, 0);
	assert_int_equal(rig_config(r, AT + 0x0c, 4), 0x00030003);
	rig_free(r);
}

static void they_appear_when_enabled_and_vanish_when_not(void **state)
{
	struct rig *r = pf_rig(3);
	uint64_t rid = 0;

	rig_config_write(r, NUM, 2, 2);
	assert_int_equal(there(r, NULL), 0);
	rig_config_write(r, CONTROL, 2, 1);	/* but their memory does not decode */
	assert_int_equal(there(r, NULL), 0);
	rig_config_write(r, CONTROL, 2, ON);
	assert_int_equal(there(r, &rid), 2);
	assert_int_equal(rid, 0x100 + 0x80 + 2);
	rig_config_write(r, NUM, 2, 3);			/* not while they are enabled */
	assert_int_equal(rig_config(r, NUM, 2), 2);
	assert_int_equal(there(r, NULL), 2);
	rig_config_write(r, CONTROL, 2, 0);
	assert_int_equal(there(r, NULL), 0);
	rig_config_write(r, NUM, 2, 3);
	rig_config_write(r, CONTROL, 2, ON);
	assert_int_equal(there(r, NULL), 3);
	assert_int_equal(made, 5);
	assert_int_equal(gw_sim_vanish(r->sim, NULL, 1, 0, 0), 0);
	assert_int_equal(there(r, NULL), 0);
	rig_free(r);
}

static void a_wrong_number_enables_nothing(void **state)
{
	struct rig *r = pf_rig(3);

	rig_config_write(r, CONTROL, 2, ON);
	assert_int_equal(rig_config(r, CONTROL, 2) & 1, 0);
	rig_config_write(r, NUM, 2, 4);
	rig_config_write(r, CONTROL, 2, ON);
	assert_int_equal(rig_config(r, CONTROL, 2) & 1, 0);
	rig_config_write(r, NUM, 2, 0xffff);
	rig_config_write(r, CONTROL, 2, ON);
	assert_int_equal(there(r, NULL), 0);
	rig_free(r);
}

static void a_reset_of_the_physical_function_takes_them_along(void **state)
{
	struct rig *r = pf_rig(2);
	unsigned int devctl = rig_cap(r, 0x10) + 8;

	rig_config_write(r, NUM, 2, 2);
	rig_config_write(r, CONTROL, 2, ON);
	assert_int_equal(there(r, NULL), 2);
	rig_config_write(r, devctl, 2, 0x8000);
	assert_int_equal(there(r, NULL), 0);
	assert_int_equal(rig_config(r, NUM, 2), 0);
	rig_free(r);
}

static void one_that_cannot_be_made_leaves_the_others(void **state)
{
	struct rig *r = pf_rig(3);

	fail_from = 2;
	rig_config_write(r, NUM, 2, 3);
	rig_config_write(r, CONTROL, 2, ON);
	assert_int_equal(there(r, NULL), 2);
	rig_free(r);
}

static void their_bars_follow_each_other(void **state)
{
	struct rig *r = pf_rig(2);
	struct gw_dext_services *s = gw_sim_services(r->sim);
	uint64_t base = rig_config(r, AT + 0x28, 4) << 32 | (rig_config(r, AT + 0x24, 4) & ~0xfull);
	struct gw_dext_conn *c;
	uint64_t low, high;
	char root[GW_ROOT_SIZE];

	rig_config_write(r, NUM, 2, 2);
	rig_config_write(r, CONTROL, 2, ON);
	assert_int_equal(s->ops->open(s, 2, &c, root), 0);
	assert_int_equal(rig_call(c, GW_DEXT_CLAIM, NULL, 0), OK);
	/* the dext hides addresses where whole registers are read */
	assert_int_equal(rig_call(c, GW_DEXT_CONFIG_READ, &low, 1, 0x12, 2), OK);
	assert_int_equal(rig_call(c, GW_DEXT_CONFIG_READ, &high, 1, 0x14, 2), OK);
	assert_int_equal(high << 32 | low << 16, base + (1 << 20));
	c->ops->close(c);
	rig_free(r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_capability_says_what_there_can_be),
		cmocka_unit_test(they_appear_when_enabled_and_vanish_when_not),
		cmocka_unit_test(a_wrong_number_enables_nothing),
		cmocka_unit_test(a_reset_of_the_physical_function_takes_them_along),
		cmocka_unit_test(one_that_cannot_be_made_leaves_the_others),
		cmocka_unit_test(their_bars_follow_each_other),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
