/* SPDX-License-Identifier: BSD-3-Clause */
#include "nvme_rig.h"

#define PAGE(r)	((r)->bus.mem + RIG_DATA)

static uint64_t get(struct rig *r, size_t off, size_t len)
{
	uint64_t val = 0;

	memcpy(&val, PAGE(r) + off, len);
	return val;
}

static struct nvme_sqe identify(uint32_t cns, uint32_t nsid)
{
	return (struct nvme_sqe){ .opcode = NVME_ADM_IDENTIFY, .nsid = nsid, .cdw10 = cns,
				  .prp1 = rig_iova(RIG_DATA).v };
}

static struct nvme_sqe set(uint32_t fid, uint32_t val)
{
	return (struct nvme_sqe){ .opcode = NVME_ADM_SET_FEATURES, .cdw10 = fid, .cdw11 = val,
				  .prp1 = rig_iova(RIG_DATA).v };
}

static struct nvme_sqe get_feature(uint32_t fid, uint32_t val)
{
	struct nvme_sqe e = set(fid, val);

	e.opcode = NVME_ADM_GET_FEATURES;
	return e;
}

static struct nvme_sqe get_log(uint32_t lid, uint32_t dwords, uint64_t off)
{
	return (struct nvme_sqe){
		.opcode = NVME_ADM_GET_LOG_PAGE, .prp1 = rig_iova(RIG_DATA).v,
		.prp2 = rig_iova(RIG_DATA + 4096).v,
		.cdw10 = lid | (dwords - 1) << 16, .cdw11 = (dwords - 1) >> 16,
		.cdw12 = (uint32_t)off, .cdw13 = (uint32_t)(off >> 32),
	};
}

static const struct nvme_sqe event_request = { .opcode = NVME_ADM_ASYNC_EVENT };

static void identify_describes_the_controller(void **state)
{
	struct rig *r = rig_ready("size=3M,serial=77");

	memset(PAGE(r), 0xff, 8192);
	rig_expect(r, 0, identify(1, 0), NVME_OK);
	assert_int_equal(get(r, 0, 2), r->ep->desc.vendor);
	assert_int_equal(get(r, 2, 2), r->ep->desc.subvendor);
	assert_memory_equal(PAGE(r) + 4, "GW000000000000004D  ", 20);
	assert_memory_equal(PAGE(r) + 24, "gangway NVMe disk    ", 20);
	assert_int_equal(get(r, 80, 4), 0x10400);
	/* a host waits for a shutdown, and so for the disk below, as long as Linux ever does */
	assert_int_equal(get(r, 88, 4), 60000000);
	assert_int_equal(get(r, 111, 1), 1);
	assert_int_equal(get(r, 256, 2), 0x100);
	assert_int_equal(get(r, 512, 2), 0x4466);
	assert_int_equal(get(r, 516, 4), 1);
	assert_memory_equal(PAGE(r) + 768, "nqn.2014-08.org.nvmexpress:uuid:", 32);
	assert_int_equal(PAGE(r)[4096], 0xff);
	rig_close(r);
}

static void identify_describes_the_namespace(void **state)
{
	struct rig *r = rig_ready("size=3M");

	rig_expect(r, 0, identify(0, 1), NVME_OK);
	assert_int_equal(get(r, 0, 8), 6144);
	assert_int_equal(get(r, 8, 8), 6144);
	assert_int_equal(get(r, 25, 2), 0);
	assert_int_equal(get(r, 128, 4), 9 << 16);
	rig_expect(r, 0, identify(0, 0), NVME_INVALID_NAMESPACE);
	rig_expect(r, 0, identify(0, 2), NVME_INVALID_NAMESPACE);
	rig_expect(r, 0, identify(0, NVME_ALL_NAMESPACES), NVME_INVALID_NAMESPACE);
	rig_expect(r, 0, identify(3, 1), NVME_OK);
	assert_int_equal(get(r, 0, 2), 0x1002);
	assert_int_equal(get(r, 20, 4), 0);
	rig_expect(r, 0, identify(3, 0), NVME_INVALID_NAMESPACE);
	rig_expect(r, 0, identify(0x11, 1), NVME_OK);
	rig_close(r);
}

static void identify_lists_are_exact(void **state)
{
	struct rig *r = rig_ready("size=1M");

	rig_expect(r, 0, identify(2, 0), NVME_OK);
	assert_int_equal(get(r, 0, 8), 1);
	rig_expect(r, 0, identify(2, 1), NVME_OK);
	assert_int_equal(get(r, 0, 8), 0);
	rig_expect(r, 0, identify(2, 0xfffffffe), NVME_INVALID_NAMESPACE);
	rig_expect(r, 0, identify(2, 0xffffffff), NVME_INVALID_NAMESPACE);
	rig_expect(r, 0, identify(0x10, 0), NVME_OK);
	assert_int_equal(get(r, 0, 8), 1);
	rig_expect(r, 0, identify(0x12, 1), NVME_OK);
	assert_int_equal(get(r, 0, 4), 1);
	rig_expect(r, 0, identify(0x12, 5), NVME_INVALID_NAMESPACE);
	rig_expect(r, 0, identify(0x13 | 1 << 16, 0), NVME_OK);
	assert_int_equal(get(r, 0, 4), 0);
	rig_expect(r, 0, identify(4, 0), NVME_INVALID_FIELD);
	rig_expect(r, 0, identify(0xff, 0), NVME_INVALID_FIELD);
	rig_close(r);
}

static void commands_are_checked_as_such(void **state)
{
	struct rig *r = rig_ready("size=1M");
	struct nvme_sqe e = identify(1, 0);

	rig_expect(r, 0, (struct nvme_sqe){ .opcode = 0x03 }, NVME_INVALID_OPCODE);
	rig_expect(r, 0, (struct nvme_sqe){ .opcode = 0x80 }, NVME_INVALID_OPCODE);
	rig_expect(r, 0, (struct nvme_sqe){ .opcode = 0xff }, NVME_INVALID_OPCODE);
	e.flags = 1 << 6;			/* SGLs are not for admin commands */
	rig_expect(r, 0, e, NVME_INVALID_FIELD);
	e.flags = 2;
	rig_expect(r, 0, e, NVME_INVALID_FIELD);
	e.flags = 0;
	e.prp1 = 0x100;
	rig_expect(r, 0, e, NVME_DATA_TRANSFER);
	e.prp1 = rig_iova(RIG_DATA + 2).v;
	rig_expect(r, 0, e, NVME_PRP_OFFSET);
	e.prp1 = rig_iova(RIG_DATA + 2048).v;
	e.prp2 = rig_iova(RIG_DATA + 8192).v;
	rig_expect(r, 0, e, NVME_OK);
	assert_int_equal(get(r, 2048, 2), r->ep->desc.vendor);
	assert_memory_equal(PAGE(r) + 8192 + 2048 - 2048, PAGE(r) + 8192, 1);
	rig_close(r);
}

static void queues_are_created_by_the_rules(void **state)
{
	struct rig *r = rig_ready("size=1M");
	struct nvme_sqe e;

	rig_expect(r, 0, rig_sqe_cq(0, 16), NVME_QID_INVALID);
	rig_expect(r, 0, rig_sqe_cq(1, 16), NVME_QID_INVALID);		/* exists */
	rig_expect(r, 0, rig_sqe_cq(65, 16), NVME_QID_INVALID);
	rig_expect(r, 0, rig_sqe_cq(2, 1), NVME_QSIZE_INVALID);
	rig_expect(r, 0, rig_sqe_cq(2, 1025), NVME_QSIZE_INVALID);
	e = rig_sqe_cq(2, 16);
	e.cdw11 = 3 | 65 << 16;
	rig_expect(r, 0, e, NVME_VECTOR_INVALID);
	e.cdw11 = 2 | 2 << 16;						/* not contiguous */
	rig_expect(r, 0, e, NVME_INVALID_FIELD);
	e = rig_sqe_cq(2, 16);
	e.prp1 += 512;
	rig_expect(r, 0, e, NVME_PRP_OFFSET);

	rig_expect(r, 0, rig_sqe_sq(0, 1, 16), NVME_QID_INVALID);
	rig_expect(r, 0, rig_sqe_sq(1, 1, 16), NVME_QID_INVALID);
	rig_expect(r, 0, rig_sqe_sq(65, 1, 16), NVME_QID_INVALID);
	rig_expect(r, 0, rig_sqe_sq(2, 0, 16), NVME_QID_INVALID);
	rig_expect(r, 0, rig_sqe_sq(2, 2, 16), NVME_CQ_INVALID);
	rig_expect(r, 0, rig_sqe_sq(2, 200, 16), NVME_QID_INVALID);
	rig_expect(r, 0, rig_sqe_sq(2, 1, 1), NVME_QSIZE_INVALID);
	rig_expect(r, 0, rig_sqe_sq(2, 1, 1025), NVME_QSIZE_INVALID);
	e = rig_sqe_sq(2, 1, 16);
	e.cdw11 &= ~1u;
	rig_expect(r, 0, e, NVME_INVALID_FIELD);
	e = rig_sqe_sq(2, 1, 16);
	e.prp1 += 2048;
	rig_expect(r, 0, e, NVME_PRP_OFFSET);
	rig_expect(r, 0, rig_sqe_sq(2, 1, 1024), NVME_OK);
	rig_close(r);
}

static void queues_are_deleted_by_the_rules(void **state)
{
	struct rig *r = rig_ready("size=1M");
	struct nvme_sqe e = { .opcode = NVME_ADM_DELETE_CQ, .cdw10 = 1 };

	rig_expect(r, 0, e, NVME_Q_DELETION);
	e.cdw10 = 0;
	rig_expect(r, 0, e, NVME_QID_INVALID);
	e.cdw10 = 2;
	rig_expect(r, 0, e, NVME_QID_INVALID);
	e.cdw10 = 0xffff;
	rig_expect(r, 0, e, NVME_QID_INVALID);
	e.opcode = NVME_ADM_DELETE_SQ;
	rig_expect(r, 0, e, NVME_QID_INVALID);
	e.cdw10 = 0;
	rig_expect(r, 0, e, NVME_QID_INVALID);
	rig_drop_queue(r, 1);
	e.cdw10 = 1;
	rig_expect(r, 0, e, NVME_QID_INVALID);
	rig_close(r);
}

static void deleting_a_busy_queue_ends_its_commands_first(void **state)
{
	struct rig *r = rig_open("size=1M");
	unsigned int i, k, n, code;
	struct rig_cqe c;

	rig_enable(r);
	for (i = 0; i < 20; i++) {
		rig_add_queue(r, 1, 64);
		for (k = 0; k < 60; k++)
			rig_put(r, 1, rig_rw(NVME_IO_READ, k, 1, RIG_DATA + 512 * k));
		rig_ring(r, 2, r->q[1].tail);
		rig_expect(r, 0, (struct nvme_sqe){ .opcode = NVME_ADM_DELETE_SQ, .cdw10 = 1 },
			   NVME_OK);
		for (n = 0; rig_peek(r, 1, &c); n++) {
			code = RIG_CODE(c.status);
			assert_true(!code || code == NVME_ABORT_SQ_DELETED);
		}
		assert_true(n <= 60);
		rig_expect(r, 0, (struct nvme_sqe){ .opcode = NVME_ADM_DELETE_CQ, .cdw10 = 1 },
			   NVME_OK);
	}
	assert_int_equal(r->bus.pins, 0);
	rig_close(r);
}

static void features_keep_values_and_know_defaults(void **state)
{
	static const struct { uint32_t fid, val, dflt; } f[] = {
		{ NVME_FEAT_ARBITRATION, 0x01020303, 7 },
		{ NVME_FEAT_POWER, 0x20, 0 },
		{ NVME_FEAT_TEMPERATURE, 400, 343 },
		{ NVME_FEAT_TEMPERATURE, 1 << 20 | 100, 0 },
		{ NVME_FEAT_ERROR_RECOVERY, 50, 0 },
		{ NVME_FEAT_WRITE_CACHE, 0, 1 },
		{ NVME_FEAT_COALESCING, 0x0203, 0 },
		{ NVME_FEAT_VECTOR, 5 | 1 << 16, 5 },
		{ NVME_FEAT_ATOMICITY, 1, 0 },
		{ NVME_FEAT_EVENTS, 0x1f, 0 },
	};
	struct rig *r = rig_ready("size=1M");
	uint32_t i, arg, want;

	for (i = 0; i < ARRAY_SIZE(f); i++) {
		arg = f[i].fid == NVME_FEAT_TEMPERATURE ? f[i].val & ~0xffffu :
		      f[i].fid == NVME_FEAT_VECTOR ? 5 : 0;
		want = f[i].fid == NVME_FEAT_TEMPERATURE ? f[i].val & 0xffff : f[i].val;
		assert_int_equal(rig_expect(r, 0, get_feature(f[i].fid, arg), NVME_OK), f[i].dflt);
		rig_expect(r, 0, set(f[i].fid, f[i].val), NVME_OK);
		assert_int_equal(rig_expect(r, 0, get_feature(f[i].fid, arg), NVME_OK), want);
		assert_int_equal(rig_expect(r, 0, get_feature(f[i].fid | 1 << 8, arg), NVME_OK),
				 f[i].dflt);
		assert_int_equal(rig_expect(r, 0, get_feature(f[i].fid | 2 << 8, arg), NVME_OK),
				 f[i].dflt);
		assert_int_equal(rig_expect(r, 0, get_feature(f[i].fid | 3 << 8, arg), NVME_OK), 4);
		rig_expect(r, 0, set(f[i].fid | 1u << 31, f[i].val), NVME_NOT_SAVEABLE);
	}
	rig_disable(r);
	rig_enable(r);
	for (i = 0; i < ARRAY_SIZE(f); i++)
		if (f[i].fid != NVME_FEAT_TEMPERATURE && f[i].fid != NVME_FEAT_VECTOR)
			assert_int_equal(rig_expect(r, 0, get_feature(f[i].fid, 0), NVME_OK),
					 f[i].dflt);
	rig_close(r);
}

static void bad_features_are_refused(void **state)
{
	struct rig *r = rig_ready("size=1M");
	struct nvme_sqe e;

	rig_expect(r, 0, set(0, 0), NVME_INVALID_FIELD);
	rig_expect(r, 0, set(0x0c, 0), NVME_INVALID_FIELD);
	rig_expect(r, 0, set(0xff, 0), NVME_INVALID_FIELD);
	rig_expect(r, 0, get_feature(3, 0), NVME_INVALID_FIELD);
	rig_expect(r, 0, get_feature(NVME_FEAT_EVENTS | 4 << 8, 0), NVME_INVALID_FIELD);
	rig_expect(r, 0, set(NVME_FEAT_POWER, 1), NVME_INVALID_FIELD);
	rig_expect(r, 0, set(NVME_FEAT_TEMPERATURE, 3 << 16), NVME_INVALID_FIELD);
	rig_expect(r, 0, set(NVME_FEAT_TEMPERATURE, 2 << 20), NVME_INVALID_FIELD);
	rig_expect(r, 0, get_feature(NVME_FEAT_TEMPERATURE, 1 << 16), NVME_INVALID_FIELD);
	rig_expect(r, 0, set(NVME_FEAT_VECTOR, 65), NVME_INVALID_FIELD);
	rig_expect(r, 0, get_feature(NVME_FEAT_VECTOR, 65), NVME_INVALID_FIELD);
	e = set(NVME_FEAT_EVENTS, 0);
	e.nsid = 1;
	rig_expect(r, 0, e, NVME_NOT_NAMESPACE);
	e.nsid = 7;
	rig_expect(r, 0, e, NVME_INVALID_NAMESPACE);
	e.nsid = NVME_ALL_NAMESPACES;
	rig_expect(r, 0, e, NVME_OK);
	rig_close(r);
}

static void the_number_of_queues_is_agreed_before_the_first(void **state)
{
	struct rig *r = rig_open("size=1M");

	rig_enable(r);
	assert_int_equal(rig_expect(r, 0, set(NVME_FEAT_QUEUES, 0x03e703e7), NVME_OK), 0x003f003f);
	assert_int_equal(rig_expect(r, 0, set(NVME_FEAT_QUEUES, 0x00010002), NVME_OK), 0x00010002);
	assert_int_equal(rig_expect(r, 0, get_feature(NVME_FEAT_QUEUES, 0), NVME_OK), 0x00010002);
	rig_expect(r, 0, set(NVME_FEAT_QUEUES, 0xffff), NVME_INVALID_FIELD);
	rig_expect(r, 0, set(NVME_FEAT_QUEUES, 0xffff0000), NVME_INVALID_FIELD);
	rig_expect(r, 0, rig_sqe_cq(3, 16), NVME_QID_INVALID);
	rig_add_queue(r, 2, 16);
	rig_expect(r, 0, rig_sqe_sq(4, 2, 16), NVME_QID_INVALID);
	rig_expect(r, 0, set(NVME_FEAT_QUEUES, 0), NVME_SEQUENCE);
	rig_close(r);
}

static void the_timestamp_runs_on(void **state)
{
	struct rig *r = rig_ready("size=1M");
	uint64_t t = 1234567890123;

	rig_expect(r, 0, get_feature(NVME_FEAT_TIMESTAMP, 0), NVME_OK);
	assert_int_equal(get(r, 6, 1), 0);
	memcpy(PAGE(r), &t, 8);
	rig_expect(r, 0, set(NVME_FEAT_TIMESTAMP, 0), NVME_OK);
	rig_expect(r, 0, get_feature(NVME_FEAT_TIMESTAMP, 0), NVME_OK);
	assert_int_equal(get(r, 6, 1), 2);
	assert_true(get(r, 0, 6) >= t && get(r, 0, 6) < t + 600000);
	rig_close(r);
}

static void log_pages_have_their_bounds(void **state)
{
	struct rig *r = rig_ready("size=1M");
	struct nvme_sqe e;

	memset(PAGE(r), 0xee, 8192);
	rig_expect(r, 0, get_log(NVME_LOG_FIRMWARE, 4, 0), NVME_OK);
	assert_memory_equal(PAGE(r) + 8, NVME_FIRMWARE, 8);
	assert_int_equal(PAGE(r)[16], 0xee);
	rig_expect(r, 0, get_log(NVME_LOG_FIRMWARE, 2048, 8), NVME_OK);
	assert_memory_equal(PAGE(r), NVME_FIRMWARE, 8);
	assert_int_equal(PAGE(r)[504], 0xee);		/* ends with the page */
	rig_expect(r, 0, get_log(NVME_LOG_FIRMWARE, 4, 512), NVME_OK);
	rig_expect(r, 0, get_log(NVME_LOG_FIRMWARE, 4, 516), NVME_INVALID_FIELD);
	rig_expect(r, 0, get_log(NVME_LOG_FIRMWARE, 4, 2), NVME_INVALID_FIELD);
	rig_expect(r, 0, get_log(NVME_LOG_FIRMWARE, 4, 1ull << 63), NVME_INVALID_FIELD);
	rig_expect(r, 0, get_log(NVME_LOG_FIRMWARE, 1u << 20, 0), NVME_INVALID_FIELD);
	rig_expect(r, 0, get_log(0, 4, 0), NVME_LOG_INVALID);
	rig_expect(r, 0, get_log(4, 4, 0), NVME_LOG_INVALID);
	rig_expect(r, 0, get_log(0xc0, 4, 0), NVME_LOG_INVALID);
	e = get_log(NVME_LOG_HEALTH, 128, 0);
	e.nsid = 1;
	rig_expect(r, 0, e, NVME_INVALID_FIELD);
	e.nsid = 2;
	rig_expect(r, 0, e, NVME_INVALID_NAMESPACE);
	e.nsid = NVME_ALL_NAMESPACES;
	rig_expect(r, 0, e, NVME_OK);
	assert_int_equal(get(r, 1, 2), NVME_TEMPERATURE);
	rig_close(r);
}

static void the_effects_log_names_the_commands(void **state)
{
	struct rig *r = rig_ready("size=1M");

	rig_expect(r, 0, get_log(NVME_LOG_EFFECTS, 1024, 0), NVME_OK);
	assert_int_equal(get(r, 4 * NVME_ADM_IDENTIFY, 4), 1);
	assert_int_equal(get(r, 4 * 0x7f, 4), 0);
	assert_int_equal(get(r, 1024 + 4 * NVME_IO_READ, 4), 1);
	assert_int_equal(get(r, 1024 + 4 * NVME_IO_WRITE, 4), 3);
	assert_int_equal(get(r, 1024 + 4 * 3, 4), 0);
	rig_close(r);
}

static void errors_are_logged_newest_first(void **state)
{
	struct rig *r = rig_ready("size=1M");
	struct rig_cqe c;
	unsigned int i;

	for (i = 0; i < 70; i++)
		rig_expect(r, 0, (struct nvme_sqe){ .opcode = 0x7f }, NVME_INVALID_OPCODE);
	c = rig_do(r, 1, rig_rw(NVME_IO_READ, 123456, 1, 0));
	rig_expect(r, 0, get_log(NVME_LOG_ERROR, 1024, 0), NVME_OK);
	assert_int_equal(get(r, 0, 8), 71);
	assert_int_equal(get(r, 8, 2), 1);
	assert_int_equal(get(r, 10, 2), c.cid);
	assert_int_equal(get(r, 12, 2) >> 1, NVME_LBA_RANGE);
	assert_int_equal(get(r, 16, 8), 123456);
	assert_int_equal(get(r, 24, 4), 1);
	assert_int_equal(get(r, 64, 8), 70);
	assert_int_equal(get(r, 63 * 64, 8), 8);
	rig_close(r);
}

static void events_wait_for_requests_and_are_masked_until_read(void **state)
{
	struct rig *r = rig_ready("size=1M");
	struct rig_cqe c;
	unsigned int i;

	rig_set(r, NVME_REG_DOORBELLS + 4 * 20, 4, 1);		/* no such queue */
	for (i = 0; i < 4; i++)
		rig_send(r, 0, event_request);
	c = rig_take(r, 0);
	assert_int_equal(c.status, 0);
	assert_int_equal(c.result, NVME_EVENT_BAD_DOORBELL << 8 | NVME_LOG_ERROR << 16);
	rig_set(r, NVME_REG_DOORBELLS + 8, 4, 16);		/* beyond the queue */
	rig_send(r, 0, event_request);
	rig_expect(r, 0, event_request, NVME_EVENT_LIMIT);	/* four are held, none completed */
	rig_expect(r, 0, get_log(NVME_LOG_ERROR | 1 << 15, 16, 0), NVME_OK);	/* retains */
	rig_expect(r, 0, event_request, NVME_EVENT_LIMIT);
	rig_expect(r, 0, get_log(NVME_LOG_ERROR, 16, 0), NVME_OK);
	rig_set(r, NVME_REG_DOORBELLS + 12, 4, 99);
	c = rig_take(r, 0);
	assert_int_equal(c.result, NVME_EVENT_BAD_VALUE << 8 | NVME_LOG_ERROR << 16);
	rig_close(r);
}

/* An event request promises no entry of the queue, so there may be none when one is due. */
static void an_event_waits_for_room_in_the_completion_queue(void **state)
{
	struct rig *r = rig_ready("size=1M");
	struct rig_cqe c;

	rig_send(r, 0, event_request);
	for (unsigned int i = 0; i < RIG_ADMIN_SIZE - 1; i++) {
		rig_send(r, 0, get_log(NVME_LOG_HEALTH, 16, 0));
		rig_take_quietly(r, 0);		/* no room is made */
	}
	rig_set(r, NVME_REG_DOORBELLS + 4 * 20, 4, 1);		/* no such queue */
	rig_ring(r, 1, r->q[0].head);
	c = rig_take(r, 0);
	assert_int_equal(c.result, NVME_EVENT_BAD_DOORBELL << 8 | NVME_LOG_ERROR << 16);
	rig_close(r);
}

static void a_temperature_threshold_is_an_event_if_asked_for(void **state)
{
	struct rig *r = rig_ready("size=1M");
	struct rig_cqe c;

	rig_send(r, 0, event_request);
	rig_expect(r, 0, set(NVME_FEAT_TEMPERATURE, 300), NVME_OK);	/* not asked for */
	rig_expect(r, 0, get_log(NVME_LOG_HEALTH, 128, 0), NVME_OK);
	assert_int_equal(PAGE(r)[0], NVME_WARN_TEMPERATURE);
	rig_expect(r, 0, set(NVME_FEAT_TEMPERATURE, 350), NVME_OK);
	rig_expect(r, 0, set(NVME_FEAT_EVENTS, NVME_WARN_TEMPERATURE), NVME_OK);
	rig_expect(r, 0, set(NVME_FEAT_TEMPERATURE, 1 << 20 | 320), NVME_OK);
	c = rig_take(r, 0);
	assert_int_equal(c.result, NVME_EVENT_HEALTH | NVME_EVENT_TEMPERATURE << 8 |
				   NVME_LOG_HEALTH << 16);
	rig_close(r);
}

static void abort_ends_what_it_can(void **state)
{
	struct rig *r = rig_ready("size=1M");
	struct nvme_sqe e = { .opcode = NVME_ADM_ABORT };
	uint16_t cid = rig_send(r, 0, event_request);
	struct rig_cqe c;

	e.cdw10 = (uint32_t)cid << 16;
	rig_send(r, 0, e);
	c = rig_take(r, 0);			/* the aborted one comes first */
	assert_int_equal(c.cid, cid);
	assert_int_equal(c.status, NVME_ABORT_REQUESTED);
	c = rig_take(r, 0);
	assert_int_equal(c.status, 0);
	assert_int_equal(c.result, 0);
	assert_int_equal(rig_expect(r, 0, e, NVME_OK), 1);	/* it is gone */
	e.cdw10 = 1 | 9999u << 16;
	assert_int_equal(rig_expect(r, 0, e, NVME_OK), 1);
	e.cdw10 = 7;
	rig_expect(r, 0, e, NVME_INVALID_FIELD);
	rig_close(r);
}

static void aborting_under_load_answers_every_command_once(void **state)
{
	struct rig *r = rig_open("size=1M");
	struct nvme_sqe e = { .opcode = NVME_ADM_ABORT };
	unsigned int i, k, code;
	bool seen[32];
	uint16_t first;

	rig_enable(r);
	rig_add_queue(r, 1, 64);
	for (i = 0; i < 50; i++) {
		first = r->cid;
		for (k = 0; k < 32; k++)
			rig_put(r, 1, k % 4 ? rig_rw(NVME_IO_READ, k, 1, RIG_DATA + 512 * k) :
			       (struct nvme_sqe){ .opcode = NVME_IO_FLUSH, .nsid = 1 });
		rig_ring(r, 2, r->q[1].tail);
		for (k = 0; k < 8; k++) {
			e.cdw10 = 1 | (uint32_t)(uint16_t)(first + k) << 16;
			rig_send(r, 0, e);
		}
		memset(seen, 0, sizeof(seen));
		for (k = 0; k < 32; k++) {
			struct rig_cqe c = rig_take(r, 1);
			uint16_t n = (uint16_t)(c.cid - first);

			code = RIG_CODE(c.status);
			assert_true(n < 32 && !seen[n]);
			assert_true(!code || code == NVME_ABORT_REQUESTED);
			seen[n] = true;
		}
		for (k = 0; k < 8; k++) {
			code = RIG_CODE(rig_take(r, 0).status);
			assert_true(!code || code == NVME_ABORT_LIMIT);
		}
	}
	rig_close(r);
}

static void coalesced_interrupts_come_with_the_last(void **state)
{
	struct rig *r = rig_open("size=1M");
	unsigned int i, before;

	rig_enable(r);
	rig_add_queue(r, 1, 64);
	/* eight completions an interrupt, or 25.5 ms */
	rig_expect(r, 0, set(NVME_FEAT_COALESCING, 0xff07), NVME_OK);
	before = r->bus.irqs[1];
	for (i = 0; i < 8; i++)
		rig_put(r, 1, rig_rw(NVME_IO_READ, i, 1, RIG_DATA));
	rig_ring(r, 2, r->q[1].tail);
	for (i = 0; i < 8; i++)
		rig_take(r, 1);
	/* fewer than that: by time */
	rig_send(r, 1, rig_rw(NVME_IO_READ, 0, 1, RIG_DATA));
	rig_take(r, 1);
	assert_true(r->bus.irqs[1] - before <= 3);
	rig_close(r);
}

static void a_queue_without_interrupts_raises_none(void **state)
{
	struct rig *r = rig_open("size=1M");
	struct nvme_sqe e = rig_sqe_cq(1, 16);
	uint64_t end = gw_now_ns() + RIG_DEADLINE_MS * 1000000ull;
	struct rig_cqe c;

	rig_enable(r);
	rig_queue_init(r, 1, 16);
	e.cdw11 = 1 | 1 << 16;
	rig_expect(r, 0, e, NVME_OK);
	rig_expect(r, 0, rig_sqe_sq(1, 1, 16), NVME_OK);
	rig_send(r, 1, rig_rw(NVME_IO_READ, 0, 1, RIG_DATA));
	while (!rig_peek(r, 1, &c))
		assert_true(gw_now_ns() < end);
	rig_expect(r, 0, (struct nvme_sqe){ .opcode = 0x7f }, NVME_INVALID_OPCODE);
	assert_int_equal(r->bus.irqs[1], 0);
	rig_close(r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(identify_describes_the_controller),
		cmocka_unit_test(identify_describes_the_namespace),
		cmocka_unit_test(identify_lists_are_exact),
		cmocka_unit_test(commands_are_checked_as_such),
		cmocka_unit_test(queues_are_created_by_the_rules),
		cmocka_unit_test(queues_are_deleted_by_the_rules),
		cmocka_unit_test(deleting_a_busy_queue_ends_its_commands_first),
		cmocka_unit_test(features_keep_values_and_know_defaults),
		cmocka_unit_test(bad_features_are_refused),
		cmocka_unit_test(the_number_of_queues_is_agreed_before_the_first),
		cmocka_unit_test(the_timestamp_runs_on),
		cmocka_unit_test(log_pages_have_their_bounds),
		cmocka_unit_test(the_effects_log_names_the_commands),
		cmocka_unit_test(errors_are_logged_newest_first),
		cmocka_unit_test(events_wait_for_requests_and_are_masked_until_read),
		cmocka_unit_test(an_event_waits_for_room_in_the_completion_queue),
		cmocka_unit_test(a_temperature_threshold_is_an_event_if_asked_for),
		cmocka_unit_test(abort_ends_what_it_can),
		cmocka_unit_test(aborting_under_load_answers_every_command_once),
		cmocka_unit_test(coalesced_interrupts_come_with_the_last),
		cmocka_unit_test(a_queue_without_interrupts_raises_none),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
