/* SPDX-License-Identifier: BSD-3-Clause */
#include "nvme_rig.h"

static void registers_say_what_the_controller_is(void **state)
{
	struct rig *r = rig_open("size=1M");
	uint64_t cap = rig_get(r, NVME_REG_CAP, 8);

	assert_true((cap & 0xffff) >= 1023);
	assert_int_equal(cap >> 16 & 1, 1);		/* contiguous queues */
	assert_int_equal(cap >> 32 & 15, 0);		/* DSTRD */
	assert_int_equal(cap >> 37 & 1, 1);		/* NVM command set */
	assert_int_equal(cap >> 48 & 15, 0);
	assert_true((cap >> 52 & 15) >= 4);
	assert_int_equal(rig_get(r, NVME_REG_VS, 4), 0x10400);
	assert_int_equal(rig_get(r, NVME_REG_CAP + 4, 4), cap >> 32);
	assert_int_equal(rig_get(r, NVME_REG_CAP + 2, 2), cap >> 16 & 0xffff);
	assert_int_equal(rig_get(r, NVME_REG_CAP + 3, 1), cap >> 24 & 0xff);
	assert_int_equal(rig_get(r, 0x40, 8), 0);
	assert_int_equal(rig_csts(r), 0);
	rig_close(r);
}

static void registers_keep_what_may_be_written(void **state)
{
	struct rig *r = rig_open("size=1M");

	rig_set(r, NVME_REG_CAP, 8, ~0ull);
	rig_set(r, NVME_REG_AQA, 4, ~0u);
	assert_int_equal(rig_get(r, NVME_REG_AQA, 4), 0x0fff0fff);
	rig_set(r, NVME_REG_ASQ, 4, 0x12345fff);
	rig_set(r, NVME_REG_ASQ + 4, 4, 0xabc);
	assert_int_equal(rig_get(r, NVME_REG_ASQ, 8), 0xabc12345000);
	rig_set(r, NVME_REG_ACQ, 8, 0x1122334455667788);
	assert_int_equal(rig_get(r, NVME_REG_ACQ, 8), 0x1122334455667000);
	rig_set(r, NVME_REG_INTMS, 4, 6);
	rig_set(r, NVME_REG_INTMC, 4, 2);
	assert_int_equal(rig_get(r, NVME_REG_INTMS, 4), 4);
	rig_set(r, NVME_REG_AQA, 2, 0);			/* too narrow to be a write */
	assert_int_equal(rig_get(r, NVME_REG_AQA, 4), 0x0fff0fff);
	rig_set(r, 0x2010, 4, 0xfee00000);		/* MSI-X table */
	assert_int_equal(rig_get(r, 0x2010, 4), 0xfee00000);
	rig_close(r);
}

static void enabling_makes_ready_and_disabling_resets(void **state)
{
	struct rig *r = rig_open("size=1M");

	rig_enable(r);
	rig_disable(r);
	rig_enable(r);
	rig_add_queue(r, 1, 4);
	rig_disable(r);
	assert_int_equal(rig_get(r, NVME_REG_ASQ, 8), rig_iova(RIG_SQ(0)).v);
	rig_enable(r);
	rig_add_queue(r, 1, 4);		/* it was gone */
	rig_close(r);
}

static void enabling_with_a_bad_setting_is_fatal_until_reset(void **state)
{
	static const struct { uint32_t cc, aqa; uint64_t asq, acq; } bad[] = {
		{ RIG_CC | 1 << 4, 0x1f001f, RIG_IOVA, RIG_IOVA },		/* command set */
		{ RIG_CC | 5 << 7, 0x1f001f, RIG_IOVA, RIG_IOVA },		/* page size */
		{ RIG_CC | 1 << 11, 0x1f001f, RIG_IOVA, RIG_IOVA },		/* arbitration */
		{ RIG_CC, 0x1f0000, RIG_IOVA, RIG_IOVA },			/* one entry */
		{ RIG_CC, 0x00001f, RIG_IOVA, RIG_IOVA },
		{ RIG_CC | 1 << 7, 0x1f001f, RIG_IOVA + 4096, RIG_IOVA },	/* alignment */
		{ RIG_CC | 1 << 7, 0x1f001f, RIG_IOVA, RIG_IOVA + 4096 },
	};
	struct rig *r = rig_open("size=1M");
	size_t i;

	for (i = 0; i < ARRAY_SIZE(bad); i++) {
		rig_set(r, NVME_REG_AQA, 4, bad[i].aqa);
		rig_set(r, NVME_REG_ASQ, 8, bad[i].asq);
		rig_set(r, NVME_REG_ACQ, 8, bad[i].acq);
		rig_set(r, NVME_REG_CC, 4, bad[i].cc | NVME_CC_EN);
		rig_wait_csts(r, NVME_CSTS_CFS | NVME_CSTS_RDY, NVME_CSTS_CFS);
		rig_set(r, NVME_REG_CC, 4, 0);
		rig_wait_csts(r, NVME_CSTS_CFS, 0);
	}
	rig_enable(r);
	rig_close(r);
}

static void larger_pages_work(void **state)
{
	struct rig *r = rig_open("size=1M");

	rig_enable_cc(r, RIG_CC | 4 << 7);	/* 64 KiB */
	rig_add_queue(r, 2, 8);
	rig_fill(r, RIG_DATA + 512, 65536 - 512, 1);
	rig_expect(r, 2, rig_rw(NVME_IO_WRITE, 0, 127, RIG_DATA + 512), NVME_OK);
	rig_expect(r, 2, rig_rw(NVME_IO_READ, 0, 127, RIG_DATA + 65536), NVME_OK);
	assert_memory_equal(r->bus.mem + RIG_DATA + 512, r->bus.mem + RIG_DATA + 65536, 127 * 512);
	rig_close(r);
}

static void shutdown_completes_and_a_reset_ends_it(void **state)
{
	struct rig *r = rig_ready("size=1M");

	rig_expect(r, 1, rig_rw(NVME_IO_WRITE, 0, 1, RIG_DATA), NVME_OK);
	rig_set(r, NVME_REG_CC, 4, RIG_CC | NVME_CC_EN | 1 << 14);
	rig_wait_csts(r, NVME_CSTS_SHST_MASK, NVME_CSTS_SHST_DONE);
	assert_true(rig_csts(r) & NVME_CSTS_RDY);
	rig_disable(r);
	assert_int_equal(rig_csts(r), 0);
	/* also while it is disabled (1.4, 3.1.5) */
	rig_set(r, NVME_REG_CC, 4, RIG_CC | 2 << 14);
	rig_wait_csts(r, NVME_CSTS_SHST_MASK, NVME_CSTS_SHST_DONE);
	rig_close(r);
}

/* Several writes to CC, the last of them of @cc, before the worker looks. It has acted on return. */
static void host_wrote(struct rig *r, uint32_t cc, bool en_fell, bool shn_rose)
{
	struct nvme *nv = container_of(r->ep, struct nvme, ep);

	pthread_mutex_lock(&nv->regs.lock);
	nv->regs.cc = cc;
	nv->regs.en_fell = en_fell;
	nv->regs.shn_rose = shn_rose;
	pthread_mutex_unlock(&nv->regs.lock);
	atomic_store(&nv->ctl.attention, true);
	gw_nvme_wake(nv);
	/* two orders: it looks at CC behind the first */
	rig_master(r, false);
	rig_master(r, true);
}

static void a_shutdown_that_a_reset_or_an_enable_overtakes_is_not_begun(void **state)
{
	struct rig *r = rig_ready("size=1M");

	host_wrote(r, RIG_CC, true, true);
	assert_int_equal(rig_csts(r), 0);
	rig_enable(r);
	assert_int_equal(rig_csts(r), NVME_CSTS_RDY);
	host_wrote(r, RIG_CC, true, false);
	rig_queue_init(r, 0, RIG_ADMIN_SIZE);
	host_wrote(r, RIG_CC | NVME_CC_EN, false, true);
	assert_int_equal(rig_csts(r), NVME_CSTS_RDY);
	rig_add_queue(r, 1, 16);
	rig_expect(r, 1, rig_rw(NVME_IO_READ, 0, 1, RIG_DATA), NVME_OK);
	/* but one that the host only takes back from the register is */
	host_wrote(r, RIG_CC | NVME_CC_EN, false, true);
	rig_wait_csts(r, NVME_CSTS_SHST_MASK, NVME_CSTS_SHST_DONE);
	rig_close(r);
}

static void a_shutdown_of_a_disabled_controller_ends_when_it_is_enabled(void **state)
{
	struct rig *r = rig_open("size=1M");

	rig_set(r, NVME_REG_CC, 4, RIG_CC | 1 << 14);
	rig_wait_csts(r, NVME_CSTS_SHST_MASK, NVME_CSTS_SHST_DONE);
	rig_enable(r);
	assert_int_equal(rig_csts(r), NVME_CSTS_RDY);
	rig_add_queue(r, 1, 16);
	rig_expect(r, 1, rig_rw(NVME_IO_READ, 0, 1, RIG_DATA), NVME_OK);
	/* unless the enable asks for another */
	rig_disable(r);
	rig_set(r, NVME_REG_CC, 4, RIG_CC | NVME_CC_EN | 1 << 14);
	rig_wait_csts(r, NVME_CSTS_SHST_MASK, NVME_CSTS_SHST_DONE);
	rig_close(r);
}

static void a_shutdown_does_not_outlive_a_reset(void **state)
{
	struct rig *r = rig_ready("size=1M");
	unsigned int i;

	for (i = 0; i < 100; i++) {
		rig_expect(r, 1, rig_rw(NVME_IO_WRITE, i, 1, RIG_DATA), NVME_OK);
		rig_set(r, NVME_REG_CC, 4, RIG_CC | NVME_CC_EN | 1 << 14);
		rig_disable(r);
		rig_enable(r);
		rig_add_queue(r, 1, 16);
		rig_expect(r, 1, rig_rw(NVME_IO_READ, i, 1, RIG_DATA), NVME_OK);
		assert_int_equal(rig_csts(r), NVME_CSTS_RDY);
	}
	rig_close(r);
}

static void a_queue_that_is_not_in_memory_is_fatal(void **state)
{
	struct rig *r = rig_ready("size=1M");
	struct nvme_sqe e = { .opcode = NVME_ADM_CREATE_SQ, .prp1 = 0x1000,
			      .cdw10 = 2 | 3 << 16, .cdw11 = 1 | 1 << 16 };

	rig_expect(r, 0, e, NVME_OK);
	rig_set(r, NVME_REG_DOORBELLS + 16, 4, 1);
	rig_wait_csts(r, NVME_CSTS_CFS, NVME_CSTS_CFS);
	rig_disable(r);
	rig_enable(r);
	assert_int_equal(rig_csts(r), NVME_CSTS_RDY);
	rig_close(r);
}

/* Some of these are done at once, some by the kernel's own threads: what is synchronous. */
static void fill_queue(struct rig *r, unsigned int q, unsigned int n)
{
	unsigned int i;

	for (i = 0; i < n; i++) {
		struct nvme_sqe e = rig_rw(i % 2 ? NVME_IO_READ : NVME_IO_WRITE, 8 * (i % 16), 8,
					   RIG_DATA + 4096 * (i % 16));

		if (i % 8 == 4)
			e.cdw12 |= 1u << 30;
		if (i % 16 == 9)
			e.opcode = NVME_IO_FLUSH;
		if (i % 16 == 13)
			e.opcode = NVME_IO_WRITE_ZEROES;
		rig_put(r, q, e);
	}
	rig_ring(r, 2 * q, r->q[q].tail);
}

static void a_reset_under_load_is_complete(void **state)
{
	struct rig *r = rig_open("size=1M");
	unsigned int i, q, irqs[5];

	for (i = 0; i < 20; i++) {
		rig_enable(r);
		for (q = 1; q < 5; q++) {
			rig_add_queue(r, q, 64);
			fill_queue(r, q, 63);
		}
		rig_disable(r);
		for (q = 0; q < 5; q++) {
			irqs[q] = r->bus.irqs[q];
			memset(r->bus.mem + RIG_CQ(q), 0xee, 1024);
		}
		assert_int_equal(r->bus.pins, 0);
		rig_enable(r);
		/* nothing came after the reset: an admin round trip later all is as it was */
		rig_expect(r, 0, (struct nvme_sqe){ .opcode = 0x7f }, NVME_INVALID_OPCODE);
		for (q = 1; q < 5; q++) {
			assert_int_equal(r->bus.irqs[q], irqs[q]);
			assert_int_equal(r->bus.mem[RIG_CQ(q)], 0xee);
		}
		rig_disable(r);
	}
	rig_close(r);
}

static void a_function_reset_under_load_is_complete(void **state)
{
	struct rig *r = rig_open("size=1M");
	unsigned int i;

	for (i = 0; i < 20; i++) {
		rig_enable(r);
		rig_add_queue(r, 1, 64);
		fill_queue(r, 1, 63);
		r->ep->ops->quiesce(r->ep);
		assert_int_equal(r->bus.pins, 0);
		r->bus.master = false;
		r->ep->ops->reset(r->ep);
		assert_int_equal(rig_csts(r), 0);
		assert_int_equal(rig_get(r, NVME_REG_CC, 4), 0);
		assert_int_equal(rig_get(r, NVME_REG_ASQ, 8), 0);
		rig_master(r, true);
	}
	assert_int_equal(r->bus.faults, 0);
	rig_close(r);
}

static void bus_mastering_off_and_on_loses_nothing(void **state)
{
	struct rig *r = rig_open("size=1M");
	unsigned int i, k;

	rig_enable(r);
	rig_add_queue(r, 1, 64);
	for (i = 0; i < 20; i++) {
		fill_queue(r, 1, 40);
		rig_master(r, false);
		assert_int_equal(r->bus.pins, 0);
		rig_master(r, true);
		for (k = 0; k < 40; k++)
			assert_int_equal(rig_take(r, 1).status, NVME_OK);
	}
	assert_int_equal(r->bus.faults, 0);
	rig_close(r);
}

static void memory_taken_away_under_load_stops_the_controller_only(void **state)
{
	struct rig *r = rig_ready("size=1M");
	unsigned int i;

	for (i = 0; i < 10; i++) {
		fill_queue(r, 1, 14);
		rig_unmap(r);
		fill_queue(r, 1, 1);	/* all that came before may have ended before */
		rig_wait_csts(r, NVME_CSTS_CFS, NVME_CSTS_CFS);
		rig_disable(r);
		r->bus.mapped = true;
		rig_enable(r);
		rig_add_queue(r, 1, 16);
		rig_expect(r, 1, rig_rw(NVME_IO_READ, 0, 1, RIG_DATA), NVME_OK);
	}
	rig_close(r);
}

static void a_storm_of_doorbells_changes_nothing(void **state)
{
	struct rig *r = rig_ready("size=1M");
	unsigned int i;

	for (i = 0; i < 20000; i++)
		rig_set(r, NVME_REG_DOORBELLS + 4 * (i % 256), 4, i * 77);
	for (i = 0; i < 1000; i++) {
		rig_set(r, NVME_REG_CC, 4, RIG_CC);
		rig_set(r, NVME_REG_CC, 4, RIG_CC | NVME_CC_EN | (i & 3) << 14);
	}
	/* a host may disable what has become ready, and this one was in a hurry: let it catch up */
	rig_master(r, false);
	rig_master(r, true);
	rig_disable(r);
	rig_enable(r);
	rig_add_queue(r, 1, 16);
	rig_expect(r, 1, rig_rw(NVME_IO_READ, 0, 1, RIG_DATA), NVME_OK);
	rig_close(r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(registers_say_what_the_controller_is),
		cmocka_unit_test(registers_keep_what_may_be_written),
		cmocka_unit_test(enabling_makes_ready_and_disabling_resets),
		cmocka_unit_test(enabling_with_a_bad_setting_is_fatal_until_reset),
		cmocka_unit_test(larger_pages_work),
		cmocka_unit_test(shutdown_completes_and_a_reset_ends_it),
		cmocka_unit_test(a_shutdown_that_a_reset_or_an_enable_overtakes_is_not_begun),
		cmocka_unit_test(a_shutdown_of_a_disabled_controller_ends_when_it_is_enabled),
		cmocka_unit_test(a_shutdown_does_not_outlive_a_reset),
		cmocka_unit_test(a_queue_that_is_not_in_memory_is_fatal),
		cmocka_unit_test(a_reset_under_load_is_complete),
		cmocka_unit_test(a_function_reset_under_load_is_complete),
		cmocka_unit_test(bus_mastering_off_and_on_loses_nothing),
		cmocka_unit_test(memory_taken_away_under_load_stops_the_controller_only),
		cmocka_unit_test(a_storm_of_doorbells_changes_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
