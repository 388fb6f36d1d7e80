/* SPDX-License-Identifier: BSD-3-Clause */
#include "nvme_rig.h"

#include <signal.h>
#include <sys/resource.h>

#define MEM(r, off)	((r)->bus.mem + (off))
#define BACK		(RIG_DATA + (4u << 20))	/* where tests read data back to */
#define LISTS		(RIG_DATA + (8u << 20))	/* PRP lists and SGL segments */

static void put64(struct rig *r, uint32_t off, uint64_t val)
{
	memcpy(MEM(r, off), &val, sizeof(val));
}

static void put_sgl(struct rig *r, uint32_t off, uint64_t addr, uint32_t len, uint8_t id)
{
	put64(r, off, addr);
	put64(r, off + 8, len | (uint64_t)id << 56);
}

static struct nvme_sqe with_sgl(struct nvme_sqe e, uint64_t addr, uint32_t len, uint8_t id)
{
	e.flags = 1 << 6;
	e.prp1 = addr;
	e.prp2 = len | (uint64_t)id << 56;
	return e;
}

static void expect_file(struct rig *r, uint64_t at, uint32_t mem, size_t len)
{
	uint8_t *buf = malloc(len);
	int fd = open(r->path, O_RDONLY);

	assert_non_null(buf);
	assert_int_equal(pread(fd, buf, len, (off_t)at), len);
	assert_memory_equal(buf, MEM(r, mem), len);
	close(fd);
	free(buf);
}

static void data_arrives_at_any_dword_offset(void **state)
{
	struct rig *r = rig_ready("size=1M");
	uint32_t off, blocks;

	for (blocks = 1; blocks <= 8; blocks++)
		for (off = 0; off < 4096; off += 508) {
			rig_fill(r, RIG_DATA, 8192, off + blocks);
			rig_expect(r, 1, rig_rw(NVME_IO_WRITE, 7, blocks, RIG_DATA + off), NVME_OK);
			expect_file(r, 7 * 512, RIG_DATA + off, 512 * blocks);
			memset(MEM(r, BACK), 0, 12288);
			rig_expect(r, 1, rig_rw(NVME_IO_READ, 7, blocks, BACK + off), NVME_OK);
			assert_memory_equal(MEM(r, BACK + off), MEM(r, RIG_DATA + off), 512 * blocks);
			assert_int_equal(MEM(r, BACK)[off + 512 * blocks], 0);
		}
	rig_close(r);
}

/* Pages from the end backwards, so that none are neighbours; the list begins at @slot of a page. */
static struct nvme_sqe scattered(struct rig *r, uint8_t op, uint32_t base, uint32_t len,
				 uint32_t slot)
{
	struct nvme_sqe e = rig_rw(op, 0, len / 512, base);
	uint32_t n = (len + 4095) / 4096, i, at = LISTS + 8 * slot, page = LISTS;

	e.prp1 = rig_iova(base + 4096 * (n - 1)).v;
	e.prp2 = rig_iova(at).v;
	for (i = 1; i < n; i++, at += 8) {
		if (at % 4096 == 4088 && i < n - 1) {
			page += 8192;
			put64(r, at, rig_iova(page).v);
			at = page;
		}
		put64(r, at, rig_iova(base + 4096 * (n - 1 - i)).v);
	}
	return e;
}

static void prp_lists_chain_over_pages(void **state)
{
	static const uint32_t slots[] = { 0, 1, 300, 500, 509, 510, 511 };
	static const uint32_t lens[] = { 3 * 4096, 4 * 4096, 12 * 4096 + 512, 1u << 20 };
	struct rig *r = rig_ready("size=2M");
	size_t i, k;

	rig_fill(r, RIG_DATA, 1u << 20, 7);
	for (i = 0; i < ARRAY_SIZE(slots); i++)
		for (k = 0; k < ARRAY_SIZE(lens); k++) {
			uint32_t n = (lens[k] + 4095) / 4096;

			rig_expect(r, 1, scattered(r, NVME_IO_WRITE, RIG_DATA, lens[k], slots[i]),
				   NVME_OK);
			expect_file(r, 0, RIG_DATA + 4096 * (n - 1), 4096);
			expect_file(r, 4096, RIG_DATA + 4096 * (n - 2), 4096);
			rig_expect(r, 1, scattered(r, NVME_IO_READ, BACK, lens[k], slots[i]), NVME_OK);
			assert_memory_equal(MEM(r, BACK + 4096), MEM(r, RIG_DATA + 4096),
					    4096 * (n - 1));
		}
	assert_int_equal(r->bus.pins, 0);
	assert_int_equal(r->bus.faults, 0);
	rig_close(r);
}

static void bad_prps_are_refused(void **state)
{
	struct rig *r = rig_ready("size=1M");
	struct nvme_sqe e = rig_rw(NVME_IO_WRITE, 0, 1, RIG_DATA + 2);

	rig_expect(r, 1, e, NVME_PRP_OFFSET);
	e = rig_rw(NVME_IO_WRITE, 0, 16, RIG_DATA);
	e.prp2 += 512;				/* a second page has no offset */
	rig_expect(r, 1, e, NVME_PRP_OFFSET);
	e = rig_rw(NVME_IO_WRITE, 0, 24, RIG_DATA);
	e.prp2 = rig_iova(LISTS + 4).v;		/* a list is qword aligned */
	rig_expect(r, 1, e, NVME_PRP_OFFSET);
	put64(r, LISTS, rig_iova(RIG_DATA).v + 8);
	put64(r, LISTS + 8, rig_iova(RIG_DATA).v);
	e.prp2 = rig_iova(LISTS).v;
	rig_expect(r, 1, e, NVME_PRP_OFFSET);
	put64(r, LISTS + 4088, rig_iova(LISTS).v + 8);	/* a later list begins at its page */
	e.prp2 = rig_iova(LISTS + 4088).v;
	rig_expect(r, 1, e, NVME_PRP_OFFSET);
	e.prp2 = 0x1000;
	rig_expect(r, 1, e, NVME_DATA_TRANSFER);
	e = rig_rw(NVME_IO_READ, 0, 1, RIG_DATA);
	e.prp1 = 0x1000;
	rig_expect(r, 1, e, NVME_DATA_TRANSFER);
	e.prp1 = ~3ull;
	rig_expect(r, 1, e, NVME_DATA_TRANSFER);
	put64(r, LISTS + 4088, rig_iova(LISTS).v);	/* a list that leads to itself ends */
	put64(r, LISTS, rig_iova(RIG_DATA).v);
	put64(r, LISTS + 8, rig_iova(RIG_DATA).v);
	e = rig_rw(NVME_IO_WRITE, 0, 24, RIG_DATA);
	e.prp2 = rig_iova(LISTS + 4088).v;
	rig_expect(r, 1, e, NVME_OK);
	rig_close(r);
}

static void sgls_scatter_at_odd_offsets(void **state)
{
	struct rig *r = rig_ready("size=1M");
	struct nvme_sqe w = rig_rw(NVME_IO_WRITE, 3, 16, 0), rd = rig_rw(NVME_IO_READ, 3, 16, 0);
	uint32_t at = RIG_DATA + 1, back = BACK + 3, left = 8192, n, i = 0;

	rig_fill(r, RIG_DATA, 65536, 3);
	rig_expect(r, 1, with_sgl(w, rig_iova(at).v, 8192, 0), NVME_OK);
	expect_file(r, 3 * 512, at, 8192);
	/* a segment of 5, then a last segment with the rest; sizes and places all odd */
	for (; left; i++, left -= n, at += n + 13) {
		n = i * 61 + 1 < left ? i * 61 + 1 : left;
		if (i < 5)
			put_sgl(r, LISTS + 16 * i, rig_iova(at).v, n, 0);
		else
			put_sgl(r, LISTS + 4096 + 16 * (i - 5), rig_iova(at).v, n, 0);
		memcpy(MEM(r, back), MEM(r, at), n);
		back += n;
	}
	put_sgl(r, LISTS + 80, rig_iova(LISTS + 4096).v, 16 * (i - 5), NVME_SGL_LAST << 4);
	w = with_sgl(w, rig_iova(LISTS).v, 96, NVME_SGL_NEXT << 4);
	rig_expect(r, 1, w, NVME_OK);
	expect_file(r, 3 * 512, BACK + 3, 8192);
	memset(MEM(r, RIG_DATA), 0, 65536);
	rd = with_sgl(rd, rig_iova(LISTS).v, 96, NVME_SGL_NEXT << 4);
	rig_expect(r, 1, rd, NVME_OK);
	assert_memory_equal(MEM(r, RIG_DATA + 1), MEM(r, BACK + 3), 1);
	assert_memory_equal(MEM(r, RIG_DATA + 1 + 14), MEM(r, BACK + 4), 62);
	assert_int_equal(MEM(r, RIG_DATA)[2], 0);
	assert_int_equal(r->bus.pins, 0);
	rig_close(r);
}

static void sgls_of_tiny_pieces_work(void **state)
{
	struct rig *r = rig_ready("size=1M");
	struct nvme_sqe w = rig_rw(NVME_IO_WRITE, 0, 32, 0), rd = rig_rw(NVME_IO_READ, 0, 32, 0);
	uint32_t i, n = 4096;

	rig_fill(r, RIG_DATA, 65536, 9);
	for (i = 0; i < n; i++)
		put_sgl(r, LISTS + 16 * i, rig_iova(RIG_DATA + 8 * i).v, 4, 0);
	rig_expect(r, 1, with_sgl(w, rig_iova(LISTS).v, 16 * n, NVME_SGL_LAST << 4), NVME_OK);
	rig_expect(r, 1, rig_rw(NVME_IO_READ, 0, 16, BACK), NVME_OK);
	for (i = 0; i < 2048; i++)
		assert_memory_equal(MEM(r, BACK + 4 * i), MEM(r, RIG_DATA + 8 * i), 4);
	memset(MEM(r, RIG_DATA), 0x55, 65536);
	rig_expect(r, 1, with_sgl(rd, rig_iova(LISTS).v, 16 * n, NVME_SGL_LAST << 4), NVME_OK);
	assert_memory_equal(MEM(r, BACK + 4), MEM(r, RIG_DATA + 8), 4);
	assert_int_equal(MEM(r, RIG_DATA)[4], 0x55);
	rig_close(r);
}

static void bit_buckets_drop_what_is_read(void **state)
{
	struct rig *r = rig_ready("size=1M");
	struct nvme_sqe e = rig_rw(NVME_IO_READ, 0, 2, 0);

	rig_fill(r, RIG_DATA, 1024, 5);
	rig_expect(r, 1, rig_rw(NVME_IO_WRITE, 0, 2, RIG_DATA), NVME_OK);
	put_sgl(r, LISTS, 0, 600, NVME_SGL_BIT_BUCKET << 4);
	put_sgl(r, LISTS + 16, rig_iova(BACK).v, 424, 0);
	rig_expect(r, 1, with_sgl(e, rig_iova(LISTS).v, 32, NVME_SGL_LAST << 4), NVME_OK);
	assert_memory_equal(MEM(r, BACK), MEM(r, RIG_DATA + 600), 424);
	/* for a write it has no length */
	e.opcode = NVME_IO_WRITE;
	rig_expect(r, 1, with_sgl(e, rig_iova(LISTS).v, 32, NVME_SGL_LAST << 4), NVME_SGL_LENGTH);
	rig_close(r);
}

static void bad_sgls_are_refused(void **state)
{
	struct rig *r = rig_ready("size=1M");
	struct nvme_sqe e = rig_rw(NVME_IO_WRITE, 0, 1, 0);
	uint64_t list = rig_iova(LISTS).v, data = rig_iova(RIG_DATA).v;

	rig_expect(r, 1, with_sgl(e, data, 511, 0), NVME_SGL_LENGTH);
	rig_expect(r, 1, with_sgl(e, data, 1024, 0), NVME_OK);		/* longer is fine */
	rig_expect(r, 1, with_sgl(e, data, 512, 1), NVME_SGL_TYPE);
	rig_expect(r, 1, with_sgl(e, data, 512, 4 << 4), NVME_SGL_TYPE);
	rig_expect(r, 1, with_sgl(e, data, 512, 15 << 4), NVME_SGL_TYPE);
	rig_expect(r, 1, with_sgl(e, list, 0, NVME_SGL_LAST << 4), NVME_SGL_SEGMENT);
	rig_expect(r, 1, with_sgl(e, list, 15, NVME_SGL_LAST << 4), NVME_SGL_SEGMENT);
	rig_expect(r, 1, with_sgl(e, list + 4, 16, NVME_SGL_LAST << 4), NVME_SGL_SEGMENT);
	rig_expect(r, 1, with_sgl(e, 0x1000, 16, NVME_SGL_LAST << 4), NVME_DATA_TRANSFER);
	rig_expect(r, 1, with_sgl(e, 0x1000, 512, 0), NVME_DATA_TRANSFER);
	/* a segment that leads to itself */
	put_sgl(r, LISTS, list, 16, NVME_SGL_NEXT << 4);
	rig_expect(r, 1, with_sgl(e, list, 16, NVME_SGL_NEXT << 4), NVME_SGL_COUNT);
	rig_expect(r, 1, with_sgl(e, list, 16, NVME_SGL_LAST << 4), NVME_SGL_SEGMENT);
	/* a segment not at the end */
	put_sgl(r, LISTS + 16, data, 512, 0);
	rig_expect(r, 1, with_sgl(e, list, 32, NVME_SGL_NEXT << 4), NVME_SGL_COUNT);
	/* one that should lead on and does not */
	put_sgl(r, LISTS, data, 256, 0);
	put_sgl(r, LISTS + 16, data, 128, 0);
	rig_expect(r, 1, with_sgl(e, list, 32, NVME_SGL_NEXT << 4), NVME_SGL_SEGMENT);
	rig_expect(r, 1, with_sgl(e, list, 32, NVME_SGL_LAST << 4), NVME_SGL_LENGTH);
	e.flags = 3 << 6;
	rig_expect(r, 1, e, NVME_INVALID_FIELD);
	rig_close(r);
}

static void ranges_and_lengths_are_checked(void **state)
{
	struct rig *r = rig_ready("size=1M");
	struct nvme_sqe e = rig_rw(NVME_IO_READ, 2047, 1, RIG_DATA);

	rig_expect(r, 1, e, NVME_OK);
	rig_expect(r, 1, rig_rw(NVME_IO_READ, 2047, 2, RIG_DATA), NVME_LBA_RANGE);
	rig_expect(r, 1, rig_rw(NVME_IO_READ, 2048, 1, RIG_DATA), NVME_LBA_RANGE);
	rig_expect(r, 1, rig_rw(NVME_IO_WRITE, ~0ull, 2, RIG_DATA), NVME_LBA_RANGE);
	rig_expect(r, 1, rig_rw(NVME_IO_WRITE, 1ull << 55, 1, RIG_DATA), NVME_LBA_RANGE);
	rig_expect(r, 1, rig_rw(NVME_IO_READ, 0, 2049, RIG_DATA), NVME_INVALID_FIELD);
	rig_expect(r, 1, rig_rw(NVME_IO_WRITE_ZEROES, 2047, 2, 0), NVME_LBA_RANGE);
	e.nsid = 0;
	rig_expect(r, 1, e, NVME_INVALID_NAMESPACE);
	e.nsid = 2;
	rig_expect(r, 1, e, NVME_INVALID_NAMESPACE);
	e.nsid = NVME_ALL_NAMESPACES;
	rig_expect(r, 1, e, NVME_INVALID_NAMESPACE);
	e.nsid = 1;
	e.flags = 1;
	rig_expect(r, 1, e, NVME_INVALID_FIELD);
	e.flags = 0;
	e.opcode = 0x03;
	rig_expect(r, 1, e, NVME_INVALID_OPCODE);
	e.opcode = 0xff;
	rig_expect(r, 1, e, NVME_INVALID_OPCODE);
	e = (struct nvme_sqe){ .opcode = NVME_IO_FLUSH, .nsid = NVME_ALL_NAMESPACES };
	rig_expect(r, 1, e, NVME_OK);
	e.nsid = 2;
	rig_expect(r, 1, e, NVME_INVALID_NAMESPACE);
	rig_close(r);
}

static void blocks_of_4096_bytes_work(void **state)
{
	struct rig *r = rig_ready("size=1M,block=4096");

	rig_fill(r, RIG_DATA, 8192, 1);
	rig_expect(r, 1, rig_rw(NVME_IO_WRITE, 254, 2, RIG_DATA), NVME_OK);
	expect_file(r, 254 * 4096, RIG_DATA, 8192);
	rig_expect(r, 1, rig_rw(NVME_IO_WRITE, 255, 2, RIG_DATA), NVME_LBA_RANGE);
	rig_close(r);
}

static void compare_finds_a_difference(void **state)
{
	struct rig *r = rig_ready("size=1M");

	rig_fill(r, RIG_DATA, 8192, 4);
	rig_expect(r, 1, rig_rw(NVME_IO_WRITE, 9, 16, RIG_DATA), NVME_OK);
	rig_expect(r, 1, rig_rw(NVME_IO_COMPARE, 9, 16, RIG_DATA), NVME_OK);
	MEM(r, RIG_DATA)[8191] ^= 1;
	rig_expect(r, 1, rig_rw(NVME_IO_COMPARE, 9, 16, RIG_DATA), NVME_COMPARE_FAILURE);
	rig_expect(r, 1, rig_rw(NVME_IO_COMPARE, 9, 15, RIG_DATA), NVME_OK);
	expect_file(r, 9 * 512, RIG_DATA, 8191);
	rig_close(r);
}

static void zeroes_and_deallocation_read_as_zeroes(void **state)
{
	struct rig *r = rig_ready("size=1M");
	struct nvme_sqe e;
	uint64_t range[4] = { 5ull << 32, 20, 3ull << 32, 40 };	/* attributes, blocks, LBA */
	uint32_t deac;

	for (deac = 0; deac < 2; deac++) {
		rig_fill(r, RIG_DATA, 8192, 2);
		rig_expect(r, 1, rig_rw(NVME_IO_WRITE, 0, 16, RIG_DATA), NVME_OK);
		e = rig_rw(NVME_IO_WRITE_ZEROES, 1, 3, 0);
		e.cdw12 |= deac << 25 | 1u << 30;
		rig_expect(r, 1, e, NVME_OK);
		memset(MEM(r, RIG_DATA + 512), 0, 1536);
		expect_file(r, 0, RIG_DATA, 8192);
	}
	rig_fill(r, RIG_DATA, 32768, 2);
	rig_expect(r, 1, rig_rw(NVME_IO_WRITE, 0, 64, RIG_DATA), NVME_PRP_OFFSET);
	rig_expect(r, 1, with_sgl(rig_rw(NVME_IO_WRITE, 0, 64, 0), rig_iova(RIG_DATA).v, 32768, 0),
		   NVME_OK);
	memcpy(MEM(r, BACK), range, sizeof(range));
	e = rig_rw(NVME_IO_DSM, 0, 1, BACK);
	e.cdw10 = 1;
	e.cdw11 = 0;				/* a hint only */
	rig_expect(r, 1, e, NVME_OK);
	expect_file(r, 0, RIG_DATA, 32768);
	e.cdw11 = 4;
	rig_expect(r, 1, e, NVME_OK);
	memset(MEM(r, RIG_DATA + 20 * 512), 0, 5 * 512);
	memset(MEM(r, RIG_DATA + 40 * 512), 0, 3 * 512);
	expect_file(r, 0, RIG_DATA, 32768);
	range[3] = 2046;			/* beyond the end: nothing is deallocated */
	range[1] = 0;
	memcpy(MEM(r, BACK), range, sizeof(range));
	rig_expect(r, 1, e, NVME_LBA_RANGE);
	expect_file(r, 0, RIG_DATA, 32768);
	rig_close(r);
}

static void write_through_and_fua_work(void **state)
{
	struct rig *r = rig_ready("size=1M");
	struct nvme_sqe e = rig_rw(NVME_IO_WRITE, 5, 8, RIG_DATA);
	struct nvme_sqe off = { .opcode = NVME_ADM_SET_FEATURES, .cdw10 = NVME_FEAT_WRITE_CACHE };

	e.cdw12 |= 1u << 30;
	rig_fill(r, RIG_DATA, 4096, 1);
	rig_expect(r, 1, e, NVME_OK);
	e.cdw12 &= ~(1u << 30);
	rig_expect(r, 1, e, NVME_OK);
	e.opcode = NVME_IO_READ;
	e.cdw12 |= 1u << 30;
	rig_expect(r, 1, e, NVME_OK);
	rig_expect(r, 0, off, NVME_OK);
	e = rig_rw(NVME_IO_WRITE, 50, 8, RIG_DATA);
	rig_expect(r, 1, e, NVME_OK);
	expect_file(r, 50 * 512, RIG_DATA, 4096);
	e = (struct nvme_sqe){ .opcode = NVME_IO_FLUSH, .nsid = 1 };
	rig_expect(r, 1, e, NVME_OK);
	rig_close(r);
}

static void queues_wrap_many_times(void **state)
{
	struct rig *r = rig_open("size=1M");
	unsigned int i, n, done = 0, sent = 0, seed = 1;

	rig_enable(r);
	rig_add_queue(r, 1, 5);
	while (done < 5000) {
		n = (seed = seed * 1103515245 + 12345) >> 16;
		for (i = 0; i <= n % 4 && sent - done < 4; i++, sent++)
			rig_put(r, 1, rig_rw(sent % 2 ? NVME_IO_READ : NVME_IO_WRITE, sent % 100, 1,
					     RIG_DATA + 512 * (sent % 8)));
		rig_ring(r, 2, r->q[1].tail);
		for (i = 0; i <= (n >> 4) % 4 && done < sent; i++, done++)
			assert_int_equal(rig_take(r, 1).status, 0);
	}
	rig_close(r);
}

static void a_full_completion_queue_holds_its_commands(void **state)
{
	struct rig *r = rig_open("size=1M");
	struct nvme_sqe e = rig_sqe_cq(1, 4);
	unsigned int i;
	struct rig_cqe c;

	rig_enable(r);
	rig_queue_init(r, 1, 64);
	r->q[1].size = 4;
	rig_expect(r, 0, e, NVME_OK);
	rig_expect(r, 0, rig_sqe_sq(1, 1, 64), NVME_OK);
	for (i = 0; i < 40; i++) {
		e = rig_rw(NVME_IO_READ, i, 1, RIG_DATA);
		e.cid = (uint16_t)i;
		memcpy(MEM(r, RIG_SQ(1) + 64 * i), &e, sizeof(e));
	}
	rig_set(r, NVME_REG_DOORBELLS + 8, 4, 40);
	for (i = 0; i < 40; i++) {
		c = rig_take_quietly(r, 1);
		assert_int_equal(c.status, 0);
		assert_true(c.sqhd <= i + 3);
		/* other queues go on meanwhile */
		if (i % 3 == 2)
			rig_expect(r, 0, (struct nvme_sqe){ .opcode = 0x7f }, NVME_INVALID_OPCODE);
		/* none is overwritten before the head moves */
		assert_false(i % 3 == 2 && rig_peek(r, 1, &c));
		if (i % 3 == 2)
			rig_ring(r, 3, r->q[1].head);
	}
	rig_close(r);
}

static void all_queues_work_at_once(void **state)
{
	struct rig *r = rig_open("size=16M");
	unsigned int q, i;

	rig_enable(r);
	for (q = 1; q <= 64; q++)
		rig_add_queue(r, q, 256);
	for (q = 1; q <= 64; q++) {
		for (i = 0; i < 255; i++)
			rig_put(r, q, rig_rw(i % 3 ? NVME_IO_READ : NVME_IO_WRITE, q * 8 + i % 8, 1,
					     RIG_DATA + q * 4096 + 512 * (i % 8)));
		rig_ring(r, 2 * q, r->q[q].tail);
	}
	for (q = 1; q <= 64; q++)
		for (i = 0; i < 255; i++)
			assert_int_equal(rig_take(r, q).status, 0);
	for (q = 1; q <= 64; q++)
		rig_drop_queue(r, q);
	rig_close(r);
}

static void a_file_that_shrinks_is_a_media_error(void **state)
{
	struct rig *r = rig_ready("size=1M");

	rig_expect(r, 1, rig_rw(NVME_IO_WRITE, 100, 8, RIG_DATA), NVME_OK);
	assert_int_equal(truncate(r->path, 101 * 512), 0);
	rig_expect(r, 1, rig_rw(NVME_IO_READ, 100, 1, RIG_DATA), NVME_OK);
	rig_expect(r, 1, rig_rw(NVME_IO_READ, 100, 8, RIG_DATA), NVME_READ_ERROR);
	rig_expect(r, 1, rig_rw(NVME_IO_READ, 1000, 8, RIG_DATA), NVME_READ_ERROR);
	rig_expect(r, 1, rig_rw(NVME_IO_COMPARE, 1000, 8, RIG_DATA), NVME_READ_ERROR);
	rig_expect(r, 1, rig_rw(NVME_IO_WRITE, 100, 8, RIG_DATA), NVME_OK);
	rig_expect(r, 1, rig_rw(NVME_IO_READ, 100, 8, RIG_DATA), NVME_OK);
	rig_close(r);
}

static void a_disk_that_takes_no_more_is_a_media_error_and_an_event(void **state)
{
	struct rig *r = rig_ready("size=1M");
	struct nvme_sqe e = { .opcode = NVME_ADM_SET_FEATURES, .cdw10 = NVME_FEAT_EVENTS,
			      .cdw11 = NVME_WARN_RELIABILITY };
	struct rlimit was, few = { .rlim_cur = 65536 };
	struct rig_cqe c;

	rig_expect(r, 0, e, NVME_OK);
	rig_send(r, 0, (struct nvme_sqe){ .opcode = NVME_ADM_ASYNC_EVENT });
	signal(SIGXFSZ, SIG_IGN);
	getrlimit(RLIMIT_FSIZE, &was);
	few.rlim_max = was.rlim_max;
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &few), 0);
	rig_expect(r, 1, rig_rw(NVME_IO_WRITE, 0, 8, RIG_DATA), NVME_OK);
	c = rig_do(r, 1, rig_rw(NVME_IO_WRITE, 1000, 8, RIG_DATA));
	assert_int_equal(RIG_CODE(c.status), NVME_WRITE_FAULT);
	c = rig_take(r, 0);
	assert_int_equal(c.status, 0);
	assert_int_equal(c.result, NVME_EVENT_HEALTH | NVME_EVENT_RELIABILITY << 8 |
				   NVME_LOG_HEALTH << 16);
	/* straddling the limit, and through the ring */
	c = rig_do(r, 1, rig_rw(NVME_IO_WRITE, 124, 8, RIG_DATA));
	assert_int_equal(RIG_CODE(c.status), NVME_WRITE_FAULT);
	e = rig_rw(NVME_IO_WRITE, 1000, 8, RIG_DATA);
	e.cdw12 |= 1u << 30;
	c = rig_do(r, 1, e);
	assert_int_equal(RIG_CODE(c.status), NVME_WRITE_FAULT);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &was), 0);
	rig_expect(r, 1, rig_rw(NVME_IO_WRITE, 1000, 8, RIG_DATA), NVME_OK);
	/* the log tells of three media errors, and that it is over */
	e = (struct nvme_sqe){ .opcode = NVME_ADM_GET_LOG_PAGE, .prp1 = rig_iova(BACK).v,
			       .cdw10 = NVME_LOG_HEALTH | 127 << 16 };
	rig_expect(r, 0, e, NVME_OK);
	assert_int_equal(MEM(r, BACK)[0], 0);
	assert_int_equal(MEM(r, BACK)[160], 3);
	rig_close(r);
}

static void memory_that_must_be_asked_for_works(void **state)
{
	struct rig *r = rig_ready("size=2M");
	uint32_t i;

	r->bus.remote = true;
	rig_fill(r, RIG_DATA, 1u << 20, 8);
	for (i = 0; i < 20; i++) {
		rig_expect(r, 1, scattered(r, NVME_IO_WRITE, RIG_DATA, 1u << 20, i), NVME_OK);
		memset(MEM(r, BACK), 0, 1u << 20);
		rig_expect(r, 1, scattered(r, NVME_IO_READ, BACK, 1u << 20, i), NVME_OK);
		assert_memory_equal(MEM(r, BACK), MEM(r, RIG_DATA), 1u << 20);
	}
	assert_int_equal(r->bus.pins, 0);
	rig_close(r);
}

static void memory_that_answers_later_loses_nothing(void **state)
{
	struct rig *r = rig_open("size=2M");
	unsigned int i, k;

	r->bus.remote = true;
	rig_enable(r);
	rig_add_queue(r, 1, 64);
	for (i = 0; i < 10; i++) {
		for (k = 0; k < 40; k++)
			rig_put(r, 1, rig_rw(k % 2 ? NVME_IO_READ : NVME_IO_WRITE, 16 * k, 16,
					     RIG_DATA + 8192 * k));
		rig_ring(r, 2, r->q[1].tail);
		r->bus.remote_stopped = true;
		if (i % 2) {
			rig_master(r, false);
			rig_master(r, true);
		}
		r->bus.remote_stopped = false;
		for (k = 0; k < 40; k++)
			assert_int_equal(rig_take(r, 1).status, 0);
	}
	rig_close(r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(data_arrives_at_any_dword_offset),
		cmocka_unit_test(prp_lists_chain_over_pages),
		cmocka_unit_test(bad_prps_are_refused),
		cmocka_unit_test(sgls_scatter_at_odd_offsets),
		cmocka_unit_test(sgls_of_tiny_pieces_work),
		cmocka_unit_test(bit_buckets_drop_what_is_read),
		cmocka_unit_test(bad_sgls_are_refused),
		cmocka_unit_test(ranges_and_lengths_are_checked),
		cmocka_unit_test(blocks_of_4096_bytes_work),
		cmocka_unit_test(compare_finds_a_difference),
		cmocka_unit_test(zeroes_and_deallocation_read_as_zeroes),
		cmocka_unit_test(write_through_and_fua_work),
		cmocka_unit_test(queues_wrap_many_times),
		cmocka_unit_test(a_full_completion_queue_holds_its_commands),
		cmocka_unit_test(all_queues_work_at_once),
		cmocka_unit_test(a_file_that_shrinks_is_a_media_error),
		cmocka_unit_test(a_disk_that_takes_no_more_is_a_media_error_and_an_event),
		cmocka_unit_test(memory_that_must_be_asked_for_works),
		cmocka_unit_test(memory_that_answers_later_loses_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
