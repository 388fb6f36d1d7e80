/* SPDX-License-Identifier: BSD-3-Clause */
#include "nvme_rig.h"

/* A host that rewrites what it has handed over while the controller reads it. */

#define LISTS	(8u << 20)	/* what commands lead to: lists of pages, segments, ranges */
#define PAGES	3u
#define ENTRIES	16u

struct hostile {
	struct rig *r;
	_Atomic bool stop;
};

/* Addresses of data never lead to the queues, so that completions can be counted. */
static uint64_t some_word(uint64_t *seed)
{
	uint64_t v;

	*seed = *seed * 6364136223846793005 + 1442695040888963407;
	v = *seed >> 24;
	switch (*seed >> 59) {
	case 0: return 0;
	case 1: return RIG_IOVA + LISTS + v % (PAGES * 4096 / 8) * 8;
	case 2: return v % 65536;
	case 3: return v | 1ull << 63;
	case 4: return RIG_IOVA + RIG_DATA + v % (8u << 20);
	case 5: return v % 32 * 16 | (v >> 8 & 7) << 60;	/* an SGL descriptor's length, type */
	default: return RIG_IOVA + RIG_DATA + v % 2048 * 4096;
	}
}

/* The race is meant, so ThreadSanitizer is kept out. */
__attribute__((noinline, no_sanitize("thread")))
static void rewrite(uint8_t *at, uint64_t word)
{
	*(volatile uint64_t *)at = word;
}

static void *hostile_main(void *opaque)
{
	struct hostile *h = opaque;
	uint64_t seed = 1, word, at;

	while (!atomic_load(&h->stop)) {
		word = some_word(&seed);
		at = seed >> 33;
		at = at % 3 ? LISTS + at / 3 % (PAGES * 512) * 8 :
			      RIG_SQ(1) + at / 3 % (ENTRIES * 8) * 8;
		rewrite(h->r->bus.mem + at, word);
		if (seed >> 62 == 0)
			sched_yield();
	}
	return NULL;
}

static struct nvme_sqe some_command(unsigned int i)
{
	static const uint8_t opcode[] = { NVME_IO_READ, NVME_IO_WRITE, NVME_IO_COMPARE,
					  NVME_IO_READ, NVME_IO_WRITE, NVME_IO_DSM };
	struct nvme_sqe e = rig_rw(opcode[i % 6], i % 1000, 256, RIG_DATA + 4096 * (i % 64));

	e.prp2 = rig_iova(LISTS + i % 7 * 512).v;	/* 32 pages, by a list */
	if (i % 6 == 3 || i % 6 == 4) {
		e.flags = 1 << 6;			/* SGLs */
		e.prp1 = rig_iova(LISTS + 4096).v;
		e.prp2 = 1024 | (uint64_t)NVME_SGL_NEXT << 60;
	} else if (i % 6 == 5) {
		e.prp1 = rig_iova(LISTS + 8192).v;
		e.cdw10 = 63;
		e.cdw11 = 4;
	}
	return e;
}

/* Something that makes sense for the lists to begin with. */
static void fill_lists(struct rig *r)
{
	uint64_t seed = 2, word;

	for (unsigned int at = 0; at < PAGES * 4096; at += 8) {
		word = some_word(&seed);
		memcpy(r->bus.mem + LISTS + at, &word, 8);
	}
}

static void what_changes_while_it_is_read_is_answered_once_and_does_no_harm(void **state)
{
	struct rig *r = rig_ready("size=4M");
	struct hostile h = { .r = r };
	pthread_t thread;
	unsigned int done = 0, good = 0, n = 0;
	struct rig_cqe c;

	fill_lists(r);
	assert_int_equal(pthread_create(&thread, NULL, hostile_main, &h), 0);
	for (unsigned int round = 0; round < 2000; round++) {
		for (unsigned int i = 0; i < ENTRIES - 1; i++, n++)
			rig_put(r, 1, some_command(n));
		rig_ring(r, 2, r->q[1].tail);
		for (unsigned int i = 0; i < ENTRIES - 1; i++, done++) {
			c = rig_take(r, 1);
			assert_int_equal(c.sqid, 1);
			good += !RIG_CODE(c.status);
		}
	}
	atomic_store(&h.stop, true);
	pthread_join(thread, NULL);
	assert_int_equal(done, n);
	assert_in_range(good, 1, n - 1);	/* both kinds of end were seen */
	assert_int_equal(r->bus.pins, 0);
	assert_int_equal(rig_csts(r) & NVME_CSTS_CFS, 0);

	/* and it works for who behaves */
	rig_fill(r, RIG_DATA, 8192, 7);
	rig_expect(r, 1, rig_rw(NVME_IO_WRITE, 0, 16, RIG_DATA), NVME_OK);
	rig_expect(r, 1, rig_rw(NVME_IO_READ, 0, 16, RIG_DATA + 8192), NVME_OK);
	assert_memory_equal(r->bus.mem + RIG_DATA, r->bus.mem + RIG_DATA + 8192, 8192);
	rig_close(r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_changes_while_it_is_read_is_answered_once_and_does_no_harm),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
