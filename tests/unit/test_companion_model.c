/* SPDX-License-Identifier: BSD-3-Clause */
/* Many requests at random against a model, from hostile guests, and in numbers. */
#include "unit.h"

#include "companion_rig.h"

static int setup(void **state)
{
	const struct gw_companion_options opt = { .poll_us = 50 };

	return rig_setup_ring(state, &opt, GW_RING_MIN_SHIFT);
}

static uint64_t seed;

static uint64_t any(uint64_t below)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return seed % below;
}

/* What should be mapped. */
struct model {
	struct { uint64_t handle, gpa, size; bool live; } map[4096];
	unsigned int nr, live;
	uint64_t bytes;
};

static void model_map(struct rig *r, struct model *m)
{
	/* memory, and some pages on either side of it */
	uint64_t gpa = RIG_RAM_GPA - 0x4000 + any(RIG_RAM_SIZE / 4096 + 8) * 4096;
	uint64_t size = (any(16) ? any(64) : any(8192)) * 4096;
	const struct gw_host_limits *l = &r->f->fn.limits;
	bool inside = gpa >= RIG_RAM_GPA && gpa + size <= RIG_RAM_GPA + RIG_RAM_SIZE;
	struct gw_ring_cqe cqe;
	unsigned int want = GW_STATUS_OK;
	struct rig_map last;

	if (!any(20)) {
		gpa += any(4096);
		inside = inside && gpa % 4096 == 0;
	}
	if (!size || gpa % 4096 || size > l->max_map_bytes)
		want = GW_STATUS_INVAL;
	else if (!inside)
		want = GW_STATUS_INVAL;
	else if (m->live == l->max_maps || size > l->max_bytes - m->bytes)
		want = GW_STATUS_NOSPC;
	cqe = rig_ring_do(r, GW_RING_MAP, 0, gpa, size);
	assert_int_equal(cqe.status, want);
	if (want)
		return;
	m->map[m->nr].handle = cqe.handle;
	m->map[m->nr].gpa = gpa;
	m->map[m->nr].size = size;
	m->map[m->nr++].live = true;
	m->live++;
	m->bytes += size;
	/* what the host was given is the memory that the guest meant */
	last = rig_last(r);
	assert_true(cqe.iova == last.iova);
	*(uint64_t *)rig_at(r, gpa) = cqe.handle;
	assert_true(*(const uint64_t *)last.addr == cqe.handle);
}

static void model_forget(struct model *m, unsigned int i)
{
	m->map[i].live = false;
	m->live--;
	m->bytes -= m->map[i].size;
}

static void model_unmap(struct rig *r, struct model *m)
{
	unsigned int i = m->nr ? (unsigned int)any(m->nr) : 0;

	if (!m->nr)
		return;
	assert_int_equal(rig_ring_do(r, GW_RING_UNMAP, 0, m->map[i].handle, 0).status,
			 m->map[i].live ? GW_STATUS_OK : GW_STATUS_NOENT);
	if (m->map[i].live)
		model_forget(m, i);
}

static void model_end(struct rig *r, struct model *m)
{
	assert_int_equal(rig_control(r, GW_CONTROL_UNMAP_ALL), GW_STATUS_OK);
	if (m->nr)
		assert_int_equal(rig_ring_do(r, GW_RING_UNMAP, 0, m->map[0].handle, 0).status,
				 GW_STATUS_STALE);
	m->nr = m->live = 0;
	m->bytes = 0;
}

static void requests_at_random_do_what_a_model_says(void **state)
{
	static struct model m;
	struct rig *r = *state;

	seed = 0x9e3779b97f4a7c15;
	memset(&m, 0, sizeof(m));
	r->f->fn.limits.max_bytes = 24 << 20;
	r->f->fn.limits.max_maps = 200;
	for (unsigned int i = 0; i < 5000; i++) {
		if (!any(1000) || m.nr == ARRAY_SIZE(m.map))
			model_end(r, &m);
		else if (any(2))
			model_map(r, &m);
		else
			model_unmap(r, &m);
		if (i % 50 == 0) {
			assert_int_equal(rig_maps(r), m.live);
			assert_int_equal(rig_get(r, GW_REG_USED_MAPS), m.live);
			assert_true(rig_get64(r, GW_REG_USED_BYTES_LO) == m.bytes);
		}
	}
	model_end(r, &m);
	assert_int_equal(rig_maps(r), 0);
}

struct hostile {
	struct rig *r;
	_Atomic bool stop;
	uint64_t seed;
};

/* Rewrites the ring as fast as it can, all of it, but leaves the tail possible now and then. */
static void *hostile_main(void *opaque)
{
	struct hostile *h = opaque;
	uint32_t *words = (uint32_t *)h->r->hdr;
	size_t nr = (GW_RING_HEADER_BYTES + 64 * h->r->size) / 4, at;

	while (!atomic_load_explicit(&h->stop, memory_order_relaxed)) {
		h->seed = h->seed * 6364136223846793005 + 1442695040888963407;
		at = (h->seed >> 33) % nr;
		if (at < 16)
			at = at % 2 ? 0 : 1024;
		if (!at)
			__atomic_store_n(&words[0], __atomic_load_n(&words[16], __ATOMIC_RELAXED) +
					 (uint32_t)(h->seed >> 40) % h->r->size, __ATOMIC_RELAXED);
		else
			__atomic_store_n(&words[at], at % 8 ? (uint32_t)(h->seed >> 20) :
					 (uint32_t)(h->seed >> 60) % 4, __ATOMIC_RELAXED);
	}
	return NULL;
}

static void a_ring_that_changes_under_us_maps_nothing_outside(void **state)
{
	struct rig *r = *state;
	struct hostile h = { .r = r, .seed = 1 };
	pthread_t thread;

	r->f->fn.limits.max_maps = 100;
	r->f->fn.limits.max_bytes = 1 << 20;
	assert_int_equal(pthread_create(&thread, NULL, hostile_main, &h), 0);
	for (unsigned int i = 0; i < 3000; i++) {
		rig_put(r, GW_REG_RING_DOORBELL, 1);
		assert_true(rig_get(r, GW_REG_USED_MAPS) <= 100);
		assert_true(rig_get64(r, GW_REG_USED_BYTES_LO) <= 1 << 20);
		if (!rig_get(r, GW_REG_RING_ENABLE))
			rig_put(r, GW_REG_RING_ENABLE, 1);
	}
	atomic_store(&h.stop, true);
	pthread_join(thread, NULL);
	/* and it works for who behaves */
	assert_int_equal(rig_control(r, GW_CONTROL_UNMAP_ALL), GW_STATUS_OK);
	assert_true(rig_ring_start(r, GW_RING_MIN_SHIFT));
	assert_int_equal(rig_ring_do(r, GW_RING_MAP, 0, RIG_RAM_GPA, 4096).status, GW_STATUS_OK);
}

static void *vmm_main(void *opaque)
{
	struct hostile *h = opaque;
	struct rig *r = h->r;
	const uint64_t half = RIG_RAM_GPA + RIG_RAM_SIZE / 2;
	const uint16_t flr = 0x8000;
	uint64_t bytes;

	/* the VMM and the guest's driver, by the function's own connection */
	for (unsigned int i = 0; i < 60; i++) {
		if (r->fn->ops->dma_unmap(r->fn, (gw_vmm_addr){ 0 }, (gw_vmm_addr){ UINT64_MAX },
					  &bytes))
			abort();
		if (rig_map_run(r->fn, RIG_RAM_GPA, RIG_RAM_SIZE / 2, 0, 3, r->ram_fd) ||
		    rig_map_run(r->fn, half, RIG_RAM_SIZE / 2, RIG_RAM_SIZE / 2, 3, r->ram_fd))
			abort();
		if (i % 3 == 0 &&
		    r->fn->ops->region_write(r->fn, GW_REGION_CONFIG, 0x88, &flr, sizeof(flr)))
			abort();
		if (i % 7 == 0 && r->fn->ops->reset(r->fn))
			abort();
		if (i % 20 == 0) {
			r->fn->ops->detach(r->fn);
			if (r->fn->ops->attach(r->fn, &r->f->remote, NULL))
				abort();
		}
		sched_yield();
	}
	atomic_store(&h->stop, true);
	return NULL;
}

static void the_vmm_takes_memory_and_resets_while_the_guest_maps(void **state)
{
	struct rig *r = *state;
	struct hostile h = { .r = r };
	struct gw_ring_cqe cqe;
	pthread_t thread;
	uint64_t i = 0;

	assert_int_equal(rig_control(r, GW_CONTROL_ANNOUNCE), GW_STATUS_OK);
	assert_int_equal(pthread_create(&thread, NULL, vmm_main, &h), 0);
	while (!atomic_load(&h.stop)) {
		cqe = rig_ring_do(r, GW_RING_MAP, 0, RIG_RAM_GPA + RIG_RAM_SIZE / 2 - 0x2000,
				  0x4000);
		if (!cqe.status && i++ % 3)
			rig_ring_do(r, GW_RING_UNMAP, 0, cqe.handle, 0);
		if (i % 100 == 50)
			rig_control(r, GW_CONTROL_UNMAP_ALL);
	}
	pthread_join(thread, NULL);
	assert_int_equal(rig_control(r, GW_CONTROL_UNMAP_ALL), GW_STATUS_OK);
	assert_int_equal(rig_maps(r), 0);
}

/* Chunks of slots are the only thing that grows; nothing is searched. */
static void mappings_in_numbers_cost_one_call_each(void **state)
{
	struct rig *r = *state;
	struct gw_ring_cqe cqe;
	uint32_t taken = 0;

	assert_true(rig_ring_start(r, GW_RING_MAX_SHIFT));
	for (uint32_t i = 0; i < 65536; i += 4096) {
		for (uint32_t j = 0; j < 4096; j++)
			rig_ring_put(r, GW_RING_MAP, 0, j, RIG_RAM_GPA + (uint64_t)j * 4096, 4096);
		rig_ring_push(r, 4096);
		for (uint32_t j = 0; j < 4096;) {
			if (!rig_ring_take(r, &cqe)) {
				sched_yield();
				continue;
			}
			taken += !cqe.status;
			j++;
		}
	}
	assert_int_equal(taken, 65536);
	assert_int_equal(r->steps, 65536);
	assert_int_equal(rig_ring_do(r, GW_RING_MAP, 0, RIG_RAM_GPA, 4096).status, GW_STATUS_NOSPC);
	assert_int_equal(rig_control(r, GW_CONTROL_UNMAP_ALL), GW_STATUS_OK);
	assert_int_equal(r->steps, 2 * 65536);
	assert_int_equal(r->nr, 0);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, rig_teardown)
	const struct CMUnitTest tests[] = {
		T(requests_at_random_do_what_a_model_says),
		T(a_ring_that_changes_under_us_maps_nothing_outside),
		T(the_vmm_takes_memory_and_resets_while_the_guest_maps),
		T(mappings_in_numbers_cost_one_call_each),
	};

	return cmocka_run_group_tests_name("companion_model", tests, NULL, NULL);
}
