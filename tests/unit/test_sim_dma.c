/* SPDX-License-Identifier: BSD-3-Clause */
#include "sim_rig.h"

/* Registration through the dext, and what the device can then reach. */

static void a_mapping_can_be_read_and_written_until_it_goes(void **state)
{
	struct rig *r = rig_new(NULL);
	char *mem = rig_memory(2 * RIG_G), buf[100];
	gw_iova iova;

	strcpy(mem + 500, "from memory");
	assert_int_equal(rig_map(r, 7, mem, 2 * RIG_G, &iova), 0);
	assert_int_equal(gw_endpoint_dma_read(&r->ep->ep, (gw_iova){ iova.v + 500 }, buf, 100), 0);
	assert_string_equal(buf, "from memory");
	assert_int_equal(gw_endpoint_dma_write(&r->ep->ep, (gw_iova){ iova.v + 2 * RIG_G - 4 },
					       "end", 4), 0);
	assert_string_equal(mem + 2 * RIG_G - 4, "end");
	assert_int_equal(rig_unmap(r, 7), 0);
	assert_int_equal(gw_endpoint_dma_read(&r->ep->ep, iova, buf, 1), -EFAULT);
	assert_int_equal(rig_unmap(r, 7), GW_IORETURN_NOT_FOUND);
	rig_free(r);
	free(mem);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_mapping_can_be_read_and_written_until_it_goes),
	};

	return cmocka_run_group_tests_name("sim_dma", tests, NULL, NULL);
}
