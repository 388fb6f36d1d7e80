/* SPDX-License-Identifier: BSD-3-Clause */
#include "nvme_rig.h"

#define DB	(RIG_DATA + 0x100000u)
#define EI	(RIG_DATA + 0x101000u)

static const struct nvme_sqe config = { .opcode = NVME_ADM_DOORBELL_BUFFER,
					.prp1 = RIG_IOVA + DB, .prp2 = RIG_IOVA + EI };

static void use_shadows(struct rig *r)
{
	memset(r->bus.mem + DB, 0, 8192);
	rig_expect(r, 0, config, NVME_OK);
	r->db = (uint32_t *)(r->bus.mem + DB);
	r->ei = (uint32_t *)(r->bus.mem + EI);
}

static struct rig *ready(uint32_t size)
{
	struct rig *r = rig_open("size=1M");

	rig_enable(r);
	rig_add_queue(r, 1, size);
	use_shadows(r);
	return r;
}

static void nothing_is_lost_and_few_are_rung(void **state)
{
	struct rig *r = ready(64);
	unsigned int i, k, before = r->doorbells;

	for (i = 0; i < 2000; i++) {
		for (k = 0; k <= i % 60; k++)
			rig_send(r, 1, rig_rw(k % 2 ? NVME_IO_READ : NVME_IO_WRITE, k, 1,
					      RIG_DATA + 512 * k));
		for (k = 0; k <= i % 60; k++)
			assert_int_equal(rig_take(r, 1).status, 0);
	}
	/* about 30 commands and as many heads a round */
	assert_true(r->doorbells - before < 2000 * 15);
	rig_close(r);
}

static void one_at_a_time_is_never_lost(void **state)
{
	struct rig *r = ready(2);
	unsigned int i;

	for (i = 0; i < 20000; i++)
		rig_expect(r, 1, rig_rw(NVME_IO_READ, i % 2048, 1, RIG_DATA), NVME_OK);
	rig_close(r);
}

static void a_full_completion_queue_is_told_by_the_real_doorbell(void **state)
{
	struct rig *r = rig_open("size=1M");
	unsigned int i;
	struct rig_cqe c;

	rig_enable(r);
	rig_queue_init(r, 1, 64);
	rig_expect(r, 0, rig_sqe_cq(1, 4), NVME_OK);
	rig_expect(r, 0, rig_sqe_sq(1, 1, 64), NVME_OK);
	use_shadows(r);
	for (i = 0; i < 40; i++)
		rig_put(r, 1, rig_rw(NVME_IO_READ, i, 1, RIG_DATA));
	rig_ring(r, 2, r->q[1].tail);
	r->q[1].size = 4;
	for (i = 0; i < 40; i++) {
		c = rig_take(r, 1);
		assert_int_equal(c.status, 0);
	}
	rig_close(r);
}

/* As a driver does that has the admin queue's doorbells in its shadows, too. */
static void admin_by_shadow(struct rig *r)
{
	struct nvme_sqe e = { .opcode = NVME_ADM_GET_FEATURES, .cdw10 = 1 };

	rig_put(r, 0, e);
	__atomic_store_n(&r->db[0], r->q[0].tail, __ATOMIC_SEQ_CST);
	rig_ring(r, 0, r->q[0].tail);
	assert_int_equal(rig_take(r, 0).status, NVME_OK);
	__atomic_store_n(&r->db[1], r->q[0].head, __ATOMIC_SEQ_CST);
}

static void two_queues_complete_in_turn_where_one_entry_fits(void **state)
{
	struct rig *r = rig_open("size=1M");
	unsigned int i, of[3] = { 0 };
	struct rig_cqe c;

	rig_enable(r);
	rig_queue_init(r, 1, 64);
	rig_queue_init(r, 2, 64);
	rig_expect(r, 0, rig_sqe_cq(1, 2), NVME_OK);
	rig_expect(r, 0, rig_sqe_sq(1, 1, 64), NVME_OK);
	rig_expect(r, 0, rig_sqe_sq(2, 1, 64), NVME_OK);
	use_shadows(r);
	for (i = 0; i < 80; i++)
		rig_put(r, 1 + i % 2, rig_rw(i % 3 ? NVME_IO_READ : NVME_IO_WRITE, i, 1, RIG_DATA));
	rig_ring(r, 2, r->q[1].tail);
	rig_ring(r, 4, r->q[2].tail);
	r->q[1].size = 2;
	for (i = 0; i < 80; i++) {
		c = rig_take(r, 1);
		assert_int_equal(c.status, NVME_OK);
		assert_in_range(c.sqid, 1, 2);
		of[c.sqid]++;
		if (i % 8 == 0)
			admin_by_shadow(r);
	}
	assert_int_equal(of[1], 40);
	assert_int_equal(of[2], 40);
	rig_close(r);
}

/* What the next client, after a reset, has where they were is its own. */
static void shadows_end_with_their_client(void **state)
{
	struct rig *r = ready(16);
	unsigned int i, k;

	for (i = 0; i < 4; i++) {
		rig_expect(r, 1, rig_rw(NVME_IO_READ, 0, 1, RIG_DATA), NVME_OK);
		rig_master(r, false);
		r->ep->ops->reset(r->ep);
		memset(r->bus.mem + DB, 0x5a, 8192);
		rig_master(r, true);
		rig_enable(r);
		rig_add_queue(r, 1, 16);
		for (k = 0; k < 20; k++)
			rig_expect(r, 1, rig_rw(NVME_IO_READ, k, 1, RIG_DATA), NVME_OK);
		for (k = 0; k < 8192; k++)
			assert_int_equal(r->bus.mem[DB + k], 0x5a);
		use_shadows(r);
	}
	rig_close(r);
}

static void values_out_of_range_are_an_event_and_change_nothing(void **state)
{
	struct rig *r = ready(16);
	struct rig_cqe c;

	rig_send(r, 0, (struct nvme_sqe){ .opcode = NVME_ADM_ASYNC_EVENT });
	__atomic_store_n(&r->db[2], 16, __ATOMIC_SEQ_CST);
	rig_set(r, NVME_REG_DOORBELLS + 8, 4, 0);
	c = rig_take(r, 0);
	assert_int_equal(c.result, NVME_EVENT_BAD_VALUE << 8 | NVME_LOG_ERROR << 16);
	__atomic_store_n(&r->db[2], 0, __ATOMIC_SEQ_CST);
	rig_set(r, NVME_REG_DOORBELLS + 8, 4, 0);
	rig_expect(r, 1, rig_rw(NVME_IO_READ, 0, 1, RIG_DATA), NVME_OK);
	/* a head beyond what was posted */
	rig_expect(r, 0, (struct nvme_sqe){ .opcode = NVME_ADM_GET_LOG_PAGE, .cdw10 = 1,
					    .prp1 = rig_iova(RIG_DATA).v }, NVME_OK);
	rig_send(r, 0, (struct nvme_sqe){ .opcode = NVME_ADM_ASYNC_EVENT });
	__atomic_store_n(&r->db[3], 9, __ATOMIC_SEQ_CST);
	rig_send(r, 1, rig_rw(NVME_IO_READ, 0, 1, RIG_DATA));
	rig_take_quietly(r, 1);
	c = rig_take(r, 0);
	assert_int_equal(c.result, NVME_EVENT_BAD_VALUE << 8 | NVME_LOG_ERROR << 16);
	rig_close(r);
}

/* The worker may come across one at any moment, also in its last look before it sleeps. */
static void no_bad_value_goes_untold(void **state)
{
	struct rig *r = ready(16);
	struct rig_cqe c;

	for (unsigned int i = 0; i < 400; i++) {
		rig_send(r, 0, (struct nvme_sqe){ .opcode = NVME_ADM_ASYNC_EVENT });
		rig_expect(r, 1, rig_rw(NVME_IO_READ, 0, 1, RIG_DATA), NVME_OK);
		for (volatile unsigned int wait = 0; wait < i * 100; wait++)
			;	/* meet the worker at ever other moments after its work */
		__atomic_store_n(&r->db[2], 16 + i % 2, __ATOMIC_SEQ_CST);
		rig_set(r, NVME_REG_DOORBELLS + 8, 4, 0);
		c = rig_take(r, 0);
		assert_int_equal(c.result, NVME_EVENT_BAD_VALUE << 8 | NVME_LOG_ERROR << 16);
		__atomic_store_n(&r->db[2], (i + 1) % 16, __ATOMIC_SEQ_CST);
		rig_set(r, NVME_REG_DOORBELLS + 8, 4, (i + 1) % 16);
		rig_expect(r, 0, (struct nvme_sqe){ .opcode = NVME_ADM_GET_LOG_PAGE, .cdw10 = 1,
						    .prp1 = rig_iova(RIG_DATA).v }, NVME_OK);
	}
	rig_close(r);
}

static void bad_buffers_are_refused(void **state)
{
	struct rig *r = rig_ready("size=1M");
	struct nvme_sqe e = config;

	e.prp1 += 512;
	rig_expect(r, 0, e, NVME_PRP_OFFSET);
	e = config;
	e.prp2 += 4;
	rig_expect(r, 0, e, NVME_PRP_OFFSET);
	e.prp2 = 0;
	rig_expect(r, 0, e, NVME_INVALID_FIELD);
	e = config;
	e.prp1 = 0x1000;
	rig_expect(r, 0, e, NVME_DATA_TRANSFER);
	rig_expect(r, 1, rig_rw(NVME_IO_READ, 0, 1, RIG_DATA), NVME_OK);
	rig_close(r);
}

/* Linux enables bus mastering of a controller that was shut down, and resets it only then. */
static void after_a_shutdown_no_memory_is_touched_until_a_reset(void **state)
{
	struct rig *r = ready(16);
	unsigned int accesses;

	rig_expect(r, 1, rig_rw(NVME_IO_WRITE, 0, 1, RIG_DATA), NVME_OK);
	rig_set(r, NVME_REG_CC, 4, RIG_CC | NVME_CC_EN | 1 << 14);
	rig_wait_csts(r, NVME_CSTS_SHST_MASK, NVME_CSTS_SHST_DONE);
	accesses = r->bus.accesses;
	rig_unmap(r);
	rig_master(r, false);
	rig_master(r, true);
	rig_set(r, NVME_REG_DOORBELLS + 8, 4, 5);
	rig_master(r, false);	/* between two orders the worker looks for work */
	assert_int_equal(r->bus.accesses, accesses);
	assert_int_equal(r->bus.faults, 0);
	assert_int_equal(rig_csts(r), NVME_CSTS_RDY | NVME_CSTS_SHST_DONE);
	r->bus.mapped = true;
	rig_master(r, true);
	rig_disable(r);
	rig_enable(r);
	rig_add_queue(r, 1, 16);
	rig_expect(r, 1, rig_rw(NVME_IO_READ, 0, 1, RIG_DATA), NVME_OK);
	rig_close(r);
}

static void memory_can_be_unmapped_at_any_time(void **state)
{
	struct rig *r = ready(16);
	unsigned int i;

	for (i = 0; i < 20; i++) {
		rig_expect(r, 1, rig_rw(NVME_IO_READ, 0, 1, RIG_DATA), NVME_OK);
		rig_unmap(r);		/* returns, though the buffer is in use */
		r->bus.mapped = true;
		rig_disable(r);
		rig_enable(r);
		rig_add_queue(r, 1, 16);
		use_shadows(r);
	}
	rig_close(r);
}

static void a_queue_made_again_starts_anew(void **state)
{
	struct rig *r = ready(16);
	unsigned int i, k;

	for (i = 0; i < 20; i++) {
		for (k = 0; k < 7; k++)
			rig_expect(r, 1, rig_rw(NVME_IO_READ, 0, 1, RIG_DATA), NVME_OK);
		rig_drop_queue(r, 1);
		memset(r->bus.mem + DB, 0, 8192);
		rig_add_queue(r, 1, 16);
	}
	rig_close(r);
}

static void remote_memory_works_too(void **state)
{
	struct rig *r = rig_open("size=1M");
	unsigned int i;

	r->bus.remote = true;
	rig_enable(r);
	rig_add_queue(r, 1, 8);
	use_shadows(r);
	for (i = 0; i < 500; i++)
		rig_expect(r, 1, rig_rw(NVME_IO_READ, i, 8, RIG_DATA), NVME_OK);
	rig_close(r);
}

static void bus_mastering_off_and_on_keeps_them(void **state)
{
	struct rig *r = ready(64);
	unsigned int i, k;

	for (i = 0; i < 50; i++) {
		for (k = 0; k < 30; k++)
			rig_send(r, 1, rig_rw(NVME_IO_READ, k, 8, RIG_DATA + 4096 * k));
		rig_master(r, false);
		assert_int_equal(r->bus.pins, 0);
		rig_master(r, true);
		for (k = 0; k < 30; k++)
			assert_int_equal(rig_take(r, 1).status, 0);
	}
	rig_close(r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nothing_is_lost_and_few_are_rung),
		cmocka_unit_test(one_at_a_time_is_never_lost),
		cmocka_unit_test(a_full_completion_queue_is_told_by_the_real_doorbell),
		cmocka_unit_test(two_queues_complete_in_turn_where_one_entry_fits),
		cmocka_unit_test(shadows_end_with_their_client),
		cmocka_unit_test(values_out_of_range_are_an_event_and_change_nothing),
		cmocka_unit_test(no_bad_value_goes_untold),
		cmocka_unit_test(bad_buffers_are_refused),
		cmocka_unit_test(after_a_shutdown_no_memory_is_touched_until_a_reset),
		cmocka_unit_test(memory_can_be_unmapped_at_any_time),
		cmocka_unit_test(a_queue_made_again_starts_anew),
		cmocka_unit_test(remote_memory_works_too),
		cmocka_unit_test(bus_mastering_off_and_on_keeps_them),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
