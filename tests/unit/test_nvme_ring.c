/* SPDX-License-Identifier: BSD-3-Clause */
#include "unit.h"

#include <sys/eventfd.h>
#include <unistd.h>

#include "../../devices/nvme/nvme.h"
#include "devices/nvme/reap.h"
#include "devices/nvme/ring.h"

static int setup(void **state)
{
	struct nvme *nv = calloc(1, sizeof(*nv));

	assert_non_null(nv);
	nv->ctl.wake_fd = eventfd(0, EFD_CLOEXEC);
	assert_true(nv->ctl.wake_fd >= 0);
	assert_int_equal(gw_nvme_ring_init(nv), 0);
	*state = nv;
	return 0;
}

static int teardown(void **state)
{
	struct nvme *nv = *state;

	io_uring_queue_exit(&nv->ring);
	close(nv->ctl.wake_fd);
	free(nv);
	return 0;
}

static void a_sleep_that_many_commands_make_shorter_says_so(void **state)
{
	struct nvme *nv = *state;

	eventfd_write(nv->ctl.wake_fd, 1);	/* wakes it at once */
	assert_int_equal(gw_nvme_ring_sleep(nv, 2000000), 2000000);
	nv->nr_ring = 8;
	assert_true(gw_nvme_ring_sleep(nv, 2000000) < 2000000);
	assert_int_equal(gw_nvme_ring_sleep(nv, 20000), 20000);
}

/* Kernels since 6.1 finish it only when they are entered, and who looks for work does not do that. */
static void what_has_finished_is_seen_without_a_system_call(void **state)
{
	struct nvme *nv = *state;

	gw_nvme_ring_sleep(nv, 1);	/* asks for the wake-up */
	assert_true(nv->ctl.wake_armed);
	assert_false(gw_nvme_ring_waits(nv));
	eventfd_write(nv->ctl.wake_fd, 1);
	assert_true(gw_nvme_ring_waits(nv));
	gw_nvme_ring_reap(nv);
	assert_false(nv->ctl.wake_armed);
	assert_false(gw_nvme_ring_waits(nv));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_sleep_that_many_commands_make_shorter_says_so,
						setup, teardown),
		cmocka_unit_test_setup_teardown(what_has_finished_is_seen_without_a_system_call,
						setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
