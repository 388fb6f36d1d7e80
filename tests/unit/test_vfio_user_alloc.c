/* SPDX-License-Identifier: BSD-3-Clause */
/* Memory, descriptors and threads run out, one after the other at every place that asks. */
#include "vfio_user_peer.h"

#include "alloc_sweep.h"

static void listening_fails_cleanly_wherever_it_fails(void **state)
{
	struct peer *p = peer_new();
	unsigned int nth = 0;
	struct stat st;
	int ret, err;

	do {
		alloc_fail(++nth);
		ret = gw_vfio_user_listen(p->path, &p->dev, NULL, &p->log, &p->server);
		err = alloc_end();
		assert_int_equal(ret, err);
		assert_true(!p->server == !!err);
		assert_int_equal(stat(p->path, &st), err ? -1 : 0);
	} while (err);
	assert_int_equal(nth, 8);	/* server, eventfds, socket, threads; then all is well */
	peer_meet(p);
	peer_free(p);
}

static void a_client_there_is_no_memory_for_is_turned_away(void **state)
{
	struct peer *p = *state;

	for (unsigned int nth = 1; nth <= 2; nth++) {
		forget(p, p->lines);
		alloc_fail_elsewhere(nth);
		p->sock = peer_connect(p->path);
		assert_closed(p);
		wait_text(p, p->lines, "client turned away: Cannot allocate memory");
		assert_int_equal(alloc_end(), -ENOMEM);
	}
	assert_trace(p, "");
	peer_meet(p);
	assert_in_sync(p);
}

static void a_reply_there_is_no_memory_to_keep_ends_the_connection(void **state)
{
	struct { uint64_t off; uint32_t region, count; } m = { 0, 0, PEER_BAR0 };
	struct peer *p = *state;
	unsigned int before = count_fds();

	alloc_fail_elsewhere(1);
	send_msg(p, GW_VU_REGION_READ, 0, &m, sizeof(m), NULL, 0);
	assert_closed(p);
	wait_detached(p, 1);
	assert_int_equal(alloc_end(), -ENOMEM);
	assert_true(logged(p, "connection closed: Cannot allocate memory"));
	peer_meet(p);
	assert_in_sync(p);
	assert_int_equal(count_fds(), before);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(listening_fails_cleanly_wherever_it_fails),
		listening_test(a_client_there_is_no_memory_for_is_turned_away),
		met_test(a_reply_there_is_no_memory_to_keep_ends_the_connection),
	};

	return cmocka_run_group_tests_name("vfio_user_alloc", tests, NULL, NULL);
}
