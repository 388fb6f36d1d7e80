/* SPDX-License-Identifier: BSD-3-Clause */
#include "unit.h"

#include <pthread.h>

#include "base/util.h"
#include "devices/gpu/pf.h"
#include "devices/gpu/vf.h"

/* The engines and the scan-out, over a bus that is one run of memory. */

#define MIB	(1ull << 20)
#define BASE	0x40000000ull
#define MEM	(1u << 20)
#define RING	0u			/* offsets in the memory */
#define FENCES	0x8000u
#define DATA	0x10000u
#define ENTRIES	16u

static struct {
	pthread_mutex_t lock;
	pthread_cond_t changed;
	uint8_t mem[MEM];
	unsigned int fired[GPU_VECTORS], refuse;
} bus = { .lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER };

static struct gpu_card *card;
static struct gw_endpoint *pf, *vf;
static uint32_t tail;

static int reach(gw_iova iova, size_t len, uint8_t **at)
{
	if (bus.refuse) {
		bus.refuse--;
		return -EPERM;
	}
	if (iova.v < BASE || iova.v - BASE > MEM || len > MEM - (iova.v - BASE))
		return -EFAULT;
	*at = bus.mem + (iova.v - BASE);
	return 0;
}

int gw_endpoint_dma_read(struct gw_endpoint *ep, gw_iova iova, void *buf, size_t len)
{
	uint8_t *at;
	int ret;

	pthread_mutex_lock(&bus.lock);
	ret = reach(iova, len, &at);
	if (!ret)
		memcpy(buf, at, len);
	pthread_mutex_unlock(&bus.lock);
	return ret;
}

int gw_endpoint_dma_write(struct gw_endpoint *ep, gw_iova iova, const void *buf, size_t len)
{
	uint8_t *at;
	int ret;

	pthread_mutex_lock(&bus.lock);
	ret = reach(iova, len, &at);
	if (!ret)
		memcpy(at, buf, len);
	pthread_mutex_unlock(&bus.lock);
	return ret;
}

void gw_endpoint_irq(struct gw_endpoint *ep, unsigned int v)
{
	assert_true(v < GPU_VECTORS);
	pthread_mutex_lock(&bus.lock);
	bus.fired[v]++;
	pthread_cond_broadcast(&bus.changed);
	pthread_mutex_unlock(&bus.lock);
}

/* Until a vector has fired so often. */
static void await(unsigned int v, unsigned int times)
{
	pthread_mutex_lock(&bus.lock);
	while (bus.fired[v] < times)
		pthread_cond_wait(&bus.changed, &bus.lock);
	pthread_mutex_unlock(&bus.lock);
}

static unsigned int bar_of(struct gw_endpoint *ep)
{
	return ep == pf ? GPU_BAR_PF : GPU_BAR_ENGINE;
}

static uint64_t get(struct gw_endpoint *ep, uint64_t off, unsigned int width)
{
	uint64_t val;

	assert_int_equal(ep->ops->bar_read(ep, bar_of(ep), (gw_bar_off){ off }, width, &val), 0);
	return val;
}

static void set(struct gw_endpoint *ep, uint64_t off, unsigned int width, uint64_t val)
{
	assert_int_equal(ep->ops->bar_write(ep, bar_of(ep), (gw_bar_off){ off }, width, val), 0);
}

static int set_up(void **state)
{
	struct gpu_options o;

	memset(bus.mem, 0, sizeof(bus.mem));
	memset(bus.fired, 0, sizeof(bus.fired));
	assert_int_equal(gw_gpu_options_parse("vram=16M,vfs=2,share=2M,pieces=4,window=1M", NULL,
					      &o), 0);
	assert_int_equal(gw_gpu_card_new(&o, NULL, &card), 0);
	assert_int_equal(gw_gpu_pf_new(card, &pf), 0);
	assert_int_equal(pf->ops->vf_new(pf, 0, &vf), 0);
	vf->ops->decode(vf, true);
	pf->ops->resume(pf);
	vf->ops->resume(vf);
	return 0;
}

static int tear_down(void **state)
{
	vf->ops->quiesce(vf);
	pf->ops->quiesce(pf);
	vf->ops->free(vf);
	pf->ops->free(pf);
	gw_gpu_card_put(card);
	return 0;
}

static void start(struct gw_endpoint *ep)
{
	tail = 0;
	set(ep, GPU_RING_BASE, 8, BASE + RING);
	set(ep, GPU_RING_ENTRIES, 4, ENTRIES);
	set(ep, GPU_FENCE_BASE, 8, BASE + FENCES);
	set(ep, GPU_RING_ENABLE, 4, 1);
	assert_int_equal(get(ep, GPU_ENGINE_STATUS, 4), GPU_RUNNING);
}

struct cmd {
	uint32_t op, flags;
	uint64_t src, dst;
	uint32_t src_stride, dst_stride, width, height;
	uint64_t value;
	uint32_t vector, rest[3];
};

static void put(const struct cmd *c)
{
	pthread_mutex_lock(&bus.lock);
	memcpy(bus.mem + RING + tail % ENTRIES * GPU_COMMAND_SIZE, c, sizeof(*c));
	pthread_mutex_unlock(&bus.lock);
	tail++;
}

/* With a fence behind them, done when this returns. */
static void run(struct gw_endpoint *ep, const struct cmd *c, unsigned int nr)
{
	const struct cmd fence = { .op = GPU_OP_FENCE, .flags = GPU_CMD_IRQ, .vector = 1,
				   .value = 0x1234567800000000 + tail };
	unsigned int before = bus.fired[1];
	uint64_t seen;

	for (unsigned int i = 0; i < nr; i++)
		put(&c[i]);
	put(&fence);
	set(ep, GPU_RING_TAIL, 4, tail);
	await(1, before + 1);
	memcpy(&seen, bus.mem + FENCES, 8);
	assert_int_equal(seen, fence.value);
	assert_int_equal(get(ep, GPU_FENCE, 8), fence.value);
	assert_int_equal(get(ep, GPU_RING_HEAD, 4), tail);
}

static void it_fills_copies_and_blits(void **state)
{
	const struct cmd c[] = {
		{ .op = GPU_OP_NOP },
		{ .op = GPU_OP_FILL, .dst = 4096, .dst_stride = 400, .width = 40, .height = 10,
		  .value = 0x11223344 },
		{ .op = GPU_OP_BLIT, .src = 4096, .src_stride = 400, .dst = DATA + BASE,
		  .dst_stride = 40, .width = 40, .height = 10, .flags = GPU_CMD_DST_IOVA },
		{ .op = GPU_OP_COPY, .src = DATA + BASE, .dst = MIB + 100000, .width = 400,
		  .height = 1, .flags = GPU_CMD_SRC_IOVA },
	};
	uint8_t *mem = card->slot[0].mem;

	start(vf);
	run(vf, c, ARRAY_SIZE(c));
	for (unsigned int y = 0; y < 10; y++)
		for (unsigned int x = 0; x < 400; x++)
			assert_int_equal(mem[4096 + 400 * y + x],
					 x < 40 ? "\x44\x33\x22\x11"[x % 4] : 0);
	for (unsigned int i = 0; i < 400; i++) {
		assert_int_equal(bus.mem[DATA + i], "\x44\x33\x22\x11"[i % 4]);
		/* beyond the window of the BAR, and in the share */
		assert_int_equal(mem[MIB + 100000 + i], "\x44\x33\x22\x11"[i % 4]);
	}
	assert_int_equal(bus.mem[DATA + 400], 0);
}

static void a_ring_goes_round(void **state)
{
	const struct cmd nop[4] = { { .op = GPU_OP_NOP } };

	start(vf);
	for (unsigned int i = 0; i < 5 * ENTRIES; i++)
		run(vf, nop, i % 4);
}

/* Status, error and an interrupt; nothing is done. */
static void fails(struct gw_endpoint *ep, const struct cmd *c, int err)
{
	unsigned int before = bus.fired[0];

	start(ep);
	put(c);
	set(ep, GPU_RING_TAIL, 4, tail);
	await(0, before + 1);
	assert_int_equal(get(ep, GPU_ENGINE_STATUS, 4), GPU_FAILED);
	assert_int_equal(get(ep, GPU_ENGINE_ERROR, 4), err);
	assert_int_equal(get(ep, GPU_RING_HEAD, 4), 0);
}

static void a_bad_command_stops_the_ring(void **state)
{
	static const struct {
		struct cmd c;
		int err;
	} bad[] = {
		{ { .op = GPU_OPS }, EINVAL },
		{ { .op = GPU_OP_NOP, .flags = 1 }, EINVAL },
		{ { .op = GPU_OP_NOP, .rest = { 0, 0, 1 } }, EINVAL },
		{ { .op = GPU_OP_FENCE, .vector = GPU_VECTORS }, EINVAL },
		{ { .op = GPU_OP_FENCE, .src = 1 }, EINVAL },
		{ { .op = GPU_OP_FILL, .src = 1, .width = 1, .height = 1 }, EINVAL },
		{ { .op = GPU_OP_COPY, .width = 1, .height = 2 }, EINVAL },
		{ { .op = GPU_OP_FILL, .dst = 2 * MIB, .width = 1, .height = 1 }, ERANGE },
		{ { .op = GPU_OP_FILL, .dst = 2 * MIB - 3, .width = 4, .height = 1 }, ERANGE },
		{ { .op = GPU_OP_COPY, .src = 2 * MIB - 3, .width = 4, .height = 1 }, ERANGE },
		{ { .op = GPU_OP_FILL, .dst_stride = MIB, .width = 1, .height = 3 }, ERANGE },
		{ { .op = GPU_OP_FILL, .dst = UINT64_MAX, .width = 2, .height = 1 }, EOVERFLOW },
		{ { .op = GPU_OP_FILL, .flags = GPU_CMD_DST_IOVA, .dst = 0 - 8ull, .dst_stride = 8,
		    .width = 1, .height = 3 }, EOVERFLOW },
		{ { .op = GPU_OP_FILL, .width = UINT32_MAX, .height = UINT32_MAX }, EMSGSIZE },
		{ { .op = GPU_OP_FILL, .flags = GPU_CMD_DST_IOVA, .dst = BASE + MEM, .width = 1,
		    .height = 1 }, EFAULT },
	};

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		fails(vf, &bad[i].c, bad[i].err);
}

static void a_bad_ring_does_not_start(void **state)
{
	static const struct { uint64_t base; uint32_t entries; } bad[] = {
		{ BASE, 0 }, { BASE, 3 }, { BASE, 8192 }, { BASE + 4, 16 }, { 0 - 64ull, 2 },
	};

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		set(vf, GPU_RING_BASE, 8, bad[i].base);
		set(vf, GPU_RING_ENTRIES, 4, bad[i].entries);
		set(vf, GPU_RING_ENABLE, 4, 1);
		assert_int_equal(get(vf, GPU_ENGINE_STATUS, 4), GPU_FAILED);
	}
	start(vf);
	set(vf, GPU_RING_TAIL, 4, ENTRIES + 1);
	assert_int_equal(get(vf, GPU_ENGINE_STATUS, 4), GPU_FAILED);
	start(vf);
	set(vf, GPU_RING_ENTRIES, 4, 2);		/* not while it runs */
	assert_int_equal(get(vf, GPU_RING_ENTRIES, 4), ENTRIES);
}

static void what_the_bus_refuses_for_now_is_done_again(void **state)
{
	const struct cmd c = { .op = GPU_OP_FILL, .flags = GPU_CMD_DST_IOVA, .dst = BASE + DATA,
			       .width = 100000, .height = 1, .value = 0x01010101 };

	start(vf);
	bus.refuse = 3;
	run(vf, &c, 1);
	for (unsigned int i = 0; i < 100000; i++)
		assert_int_equal(bus.mem[DATA + i], 1);
}

static void the_physical_function_works_on_vram(void **state)
{
	struct gpu_share share;
	struct cmd c = { .op = GPU_OP_FILL, .width = 64, .height = 1, .value = 0xabababab };
	struct gpu_stale stale;

	gw_gpu_share(card, 0, &share);
	c.dst = share.extent[2].at.v + 8;
	start(pf);
	run(pf, &c, 1);
	/* the third of four pieces of 2 MiB */
	assert_int_equal(card->slot[0].mem[MIB + 8], 0xab);
	assert_int_equal(card->slot[0].mem[MIB + 7], 0);
	vf->ops->decode(vf, false);
	fails(pf, &c, EACCES);
	assert_int_equal(gw_gpu_stale(card, &stale, 1), 1);
	assert_int_equal(stale.at.v, c.dst);
	vf->ops->decode(vf, true);
	start(pf);
	run(pf, &c, 1);
}

static void scan(uint64_t off, uint32_t val)
{
	set(pf, off, 4, val);
}

static void a_picture_in_pieces_is_scanned_out(void **state)
{
	struct gpu_picture p;
	struct gpu_share share;
	uint32_t line[512];

	gw_gpu_share(card, 0, &share);
	for (uint32_t i = 0; i < 2 * MIB / 4; i++)
		memcpy(card->slot[0].mem + 4 * i, &i, 4);
	for (unsigned int i = 0; i < share.nr; i++) {
		set(pf, GPU_SCAN_TABLE + 16 * i, 8, share.extent[i].at.v);
		set(pf, GPU_SCAN_TABLE + 16 * i + 8, 8, share.extent[i].len);
	}
	scan(GPU_SCAN_WIDTH, 500);
	scan(GPU_SCAN_HEIGHT, 1024);
	scan(GPU_SCAN_STRIDE, 2048);
	scan(GPU_SCAN_RANGES, share.nr);
	scan(GPU_SCAN_CONTROL, 1);
	assert_int_equal(get(pf, GPU_SCAN_STATUS, 4), GPU_SCAN_SHOWN);
	assert_true(gw_gpu_scanout_picture(gw_gpu_pf_scanout(pf), &p));
	for (uint32_t y = 0; y < 1024; y++) {
		assert_int_equal(gw_gpu_scanout_line(card, &p, y, (uint8_t *)line), 0);
		for (uint32_t x = 0; x < 500; x++)
			assert_int_equal(line[x], 512 * y + x);
	}
	assert_int_equal(gw_gpu_scanout_line(card, &p, 1024, (uint8_t *)line), -ERANGE);
	vf->ops->decode(vf, false);
	assert_int_equal(gw_gpu_scanout_line(card, &p, 0, (uint8_t *)line), -EACCES);
	assert_int_equal(line[7], 0);
	assert_int_equal(gw_gpu_stale(card, NULL, 0), 1);
	scan(GPU_SCAN_SKIP, 200);			/* 2048 * 1023 + 2000 + 200 is too much */
	scan(GPU_SCAN_CONTROL, 1);
	assert_int_equal(get(pf, GPU_SCAN_STATUS, 4), GPU_SCAN_REFUSED);
	assert_false(gw_gpu_scanout_picture(gw_gpu_pf_scanout(pf), &p));
	scan(GPU_SCAN_SKIP, 48);
	scan(GPU_SCAN_CONTROL, 1);
	assert_int_equal(get(pf, GPU_SCAN_STATUS, 4), GPU_SCAN_SHOWN);
	set(pf, GPU_SCAN_TABLE, 8, 16 * MIB - 65536);
	scan(GPU_SCAN_CONTROL, 1);
	assert_int_equal(get(pf, GPU_SCAN_STATUS, 4), GPU_SCAN_REFUSED);
	scan(GPU_SCAN_RANGES, GPU_SCAN_MAX + 1);
	scan(GPU_SCAN_CONTROL, 1);
	assert_int_equal(get(pf, GPU_SCAN_STATUS, 4), GPU_SCAN_REFUSED);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(it_fills_copies_and_blits),
		TEST(a_ring_goes_round),
		TEST(a_bad_command_stops_the_ring),
		TEST(a_bad_ring_does_not_start),
		TEST(what_the_bus_refuses_for_now_is_done_again),
		TEST(the_physical_function_works_on_vram),
		TEST(a_picture_in_pieces_is_scanned_out),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
