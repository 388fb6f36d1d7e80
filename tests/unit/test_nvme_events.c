/* SPDX-License-Identifier: BSD-3-Clause */
#include "unit.h"

#include "../../devices/nvme/nvme.h"
#include "devices/nvme/event_requests.h"

/* Without a worker, as it asks this between looking for work and going to sleep. */
static void the_worker_stays_awake_for_what_it_can_tell_and_else_asks_for_room(void **state)
{
	struct nvme *nv = calloc(1, sizeof(*nv));

	assert_non_null(nv);
	nv->ready = true;
	gw_nvme_cq_open(nv, 0, (gw_iova){ 0 }, 4, 0, true);
	assert_false(gw_nvme_events_wait(nv));
	gw_nvme_event(nv, NVME_EVENT_ERROR, NVME_EVENT_BAD_VALUE);
	assert_false(gw_nvme_events_wait(nv));			/* nobody asks */
	nv->events.nr_requests = 1;
	assert_true(gw_nvme_events_wait(nv));
	nv->events.masked[NVME_EVENT_ERROR] = true;
	assert_false(gw_nvme_events_wait(nv));
	gw_nvme_event(nv, NVME_EVENT_HEALTH, NVME_EVENT_TEMPERATURE);
	assert_true(gw_nvme_events_wait(nv));
	nv->quiet = true;
	assert_false(gw_nvme_events_wait(nv));
	nv->quiet = false;
	assert_false(nv->db[0].head_wanted);
	nv->cq[0].tail = 3;					/* full */
	assert_false(gw_nvme_events_wait(nv));
	assert_true(nv->db[0].head_wanted);
	nv->db[0].head = 1;
	assert_true(gw_nvme_events_wait(nv));
	free(nv);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_worker_stays_awake_for_what_it_can_tell_and_else_asks_for_room),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
