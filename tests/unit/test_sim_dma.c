/* SPDX-License-Identifier: BSD-3-Clause */
#include "sim_rig.h"

#include <malloc.h>
#include <pthread.h>

#include "base/guard.h"

/* Registration through the dext, and what the device can then reach. */

#define OK GW_IORETURN_SUCCESS

#ifndef __has_feature
#define __has_feature(x) 0	/* clang only */
#endif

/* Bytes that malloc(3) has handed out. Sanitizers bring an allocator of their own. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__) ||                             \
	__has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
size_t __sanitizer_get_current_allocated_bytes(void);	/* gcc has no header for it */

static size_t allocated(void)
{
	return __sanitizer_get_current_allocated_bytes();
}
#else
static size_t allocated(void)
{
	struct mallinfo2 m = mallinfo2();

	return m.uordblks + m.hblkhd;
}
#endif

static void a_mapping_can_be_read_and_written_until_it_goes(void **state)
{
	struct rig *r = rig_new(NULL);
	char *mem = rig_memory(2 * RIG_G), buf[100];
	gw_iova iova;

	strcpy(mem + 500, "from memory");
	assert_int_equal(rig_map(r, 7, mem, 2 * RIG_G, &iova), OK);
	assert_int_equal(gw_endpoint_dma_read(&r->ep->ep, (gw_iova){ iova.v + 500 }, buf, 100), 0);
	assert_string_equal(buf, "from memory");
	assert_int_equal(gw_endpoint_dma_write(&r->ep->ep, (gw_iova){ iova.v + 2 * RIG_G - 4 },
					       "end", 4), 0);
	assert_string_equal(mem + 2 * RIG_G - 4, "end");
	assert_int_equal(rig_unmap(r, 7), OK);
	assert_int_equal(gw_endpoint_dma_read(&r->ep->ep, iova, buf, 1), -EFAULT);
	assert_int_equal(rig_unmap(r, 7), GW_IORETURN_NOT_FOUND);
	rig_free(r);
	free(mem);
}

/* The memory behind all 65,536 mappings that a function may have is small, and comes back. */
static void all_mappings_together_take_little_memory(void **state)
{
	struct rig *r = rig_new(NULL);
	char *mem = rig_memory(RIG_G);
	size_t before = allocated(), full;
	gw_iova iova;

	for (uint64_t i = 0; i < 65536; i++)
		assert_int_equal(rig_map(r, i * 0x10001, mem, RIG_G, &iova), OK);
	assert_int_equal(rig_map(r, 1, mem, RIG_G, &iova), GW_IORETURN_NO_SPACE);
	full = allocated();
	assert_true(full - before <= 65536 * 128 + 4096);
	for (uint64_t i = 0; i < 65536; i += 2)
		assert_int_equal(rig_unmap(r, i * 0x10001), OK);
	assert_true(allocated() - before <= 32768 * 128 + 4096);
	assert_int_equal(rig_stats(r).live_maps, 32768);
	assert_int_equal(rig_stats(r).peak_maps, 65536);
	rig_free(r);
	free(mem);
}

static void all_bytes_of_the_budget_can_be_mapped_and_no_more(void **state)
{
	struct rig *r = rig_new(NULL);
	const uint64_t all = 1536ull << 20;
	char *mem = mmap(NULL, all + RIG_G, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE,
			 -1, 0);
	char *at = mem + (-(uintptr_t)mem & (RIG_G - 1));
	gw_iova iova;

	assert_ptr_not_equal(mem, MAP_FAILED);
	assert_int_equal(rig_map(r, 1, at, all, &iova), OK);
	assert_int_equal(rig_map(r, 2, at, RIG_G, &iova), GW_IORETURN_NO_SPACE);
	assert_int_equal(rig_unmap(r, 1), OK);
	assert_int_equal(rig_map(r, 1, at, all + RIG_G, &iova), GW_IORETURN_NO_SPACE);
	assert_int_equal(rig_map(r, 1, at, all - RIG_G, &iova), OK);
	assert_int_equal(rig_map(r, 2, at, RIG_G, &iova), OK);
	assert_int_equal(rig_stats(r).peak_bytes, all);
	rig_free(r);
	munmap(mem, all + RIG_G);
}

struct dma {
	struct rig *r;
	gw_iova iova[4];
	_Atomic bool stop;
	_Atomic uint64_t done;
	_Atomic uint64_t threads;
};

/* A device that never rests; the answers it may get are those of the moment. */
static void *endless_dma(void *opaque)
{
	struct dma *d = opaque;
	struct gw_endpoint *ep = &d->r->ep->ep;
	struct iovec iov[2];
	struct gw_endpoint_pin pin = { .iov = iov, .max_iov = 2 };
	uint64_t own = 64 * d->threads++;	/* two writers of one byte would be a race */
	char buf[64] = { 0 };
	int ret;

	for (unsigned int i = 0; !d->stop; i++) {
		gw_iova at = { d->iova[i % 4].v + own };

		ret = i & 4 ? gw_endpoint_dma_read(ep, at, buf, sizeof(buf)) :
			      gw_endpoint_dma_write(ep, at, buf, sizeof(buf));
		if (ret && ret != -EFAULT && ret != -EPERM)
			abort();
		d->done += !ret;
		if (!gw_endpoint_pin(ep, at, 64, GW_DMA_WRITE, &pin)) {
			if (gw_guard_copy(iov[0].iov_base, buf, 64))
				abort();
			gw_endpoint_unpin(ep, &pin);
		}
		gw_endpoint_irq(ep, i % RIG_VECTORS);
	}
	return NULL;
}

/* Memory is freed right after each unmap and close: the sanitizers see any late access. */
static void memory_may_be_unmapped_as_soon_as_the_call_returns(void **state)
{
	struct rig *r = rig_with("caller-iova", "on", "granule", "16K");
	struct dma d = { .r = r, .iova = { { 0 }, { RIG_G }, { 2 * RIG_G }, { 3 * RIG_G } } };
	uint64_t out[3];
	pthread_t t[2];
	char *mem;

	for (int i = 0; i < 2; i++)
		assert_int_equal(pthread_create(&t[i], NULL, endless_dma, &d), 0);
	for (uint64_t round = 0; round < 400 || d.done < 100; round++) {
		mem = rig_memory(4 * RIG_G);
		for (uint64_t k = 0; k < 4; k++)
			assert_int_equal(rig_call(r->c, GW_DEXT_REGISTER_AT, out, 3, k,
						  (uintptr_t)mem + k * RIG_G, RIG_G,
						  GW_DEXT_REGION_FIXED, k * RIG_G), OK);
		if (round % 8 == 7) {
			rig_config_write(r, 4, 2, 2);
			rig_config_write(r, 4, 2, 6);
		}
		if (round % 16 == 15) {
			r->c->ops->close(r->c);
			free(mem);
			r->c = rig_connect(r, 0);
			assert_int_equal(rig_call(r->c, GW_DEXT_CLAIM, NULL, 0), OK);
			assert_int_equal(rig_call(r->c, GW_DEXT_SETUP_INTERRUPTS, out, 1), OK);
			continue;
		}
		for (uint64_t k = 0; k < 4; k++)
			assert_int_equal(rig_unmap(r, k), OK);
		free(mem);
	}
	gw_sim_vanish(r->sim, NULL, 1, 0, 0);
	d.stop = true;
	for (int i = 0; i < 2; i++)
		pthread_join(t[i], NULL);
	rig_free(r);
}

struct mapper {
	struct rig *r;
	uint64_t first_key;
	char *mem;
};

static void *map_and_unmap(void *opaque)
{
	struct mapper *m = opaque;
	gw_iova iova;

	for (uint64_t i = 0; i < 2000; i++) {
		if (rig_map(m->r, m->first_key + i % 50, m->mem, RIG_G, &iova) != OK)
			abort();
		if (i % 50 == 49)
			for (uint64_t k = 0; k < 50; k++)
				if (rig_unmap(m->r, m->first_key + k) != OK)
					abort();
	}
	return NULL;
}

static void several_threads_may_map_at_one_time(void **state)
{
	struct rig *r = rig_new(NULL);
	char *mem = rig_memory(RIG_G);
	struct mapper m[3] = { { r, 0, mem }, { r, 100, mem }, { r, 200, mem } };
	pthread_t t[3];

	for (int i = 0; i < 3; i++)
		assert_int_equal(pthread_create(&t[i], NULL, map_and_unmap, &m[i]), 0);
	for (int i = 0; i < 3; i++)
		pthread_join(t[i], NULL);
	assert_int_equal(rig_stats(r).maps, 6000);
	assert_int_equal(rig_stats(r).live_maps, 0);
	rig_free(r);
	free(mem);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_mapping_can_be_read_and_written_until_it_goes),
		cmocka_unit_test(all_mappings_together_take_little_memory),
		cmocka_unit_test(all_bytes_of_the_budget_can_be_mapped_and_no_more),
		cmocka_unit_test(memory_may_be_unmapped_as_soon_as_the_call_returns),
		cmocka_unit_test(several_threads_may_map_at_one_time),
	};

	return cmocka_run_group_tests_name("sim_dma", tests, NULL, NULL);
}
