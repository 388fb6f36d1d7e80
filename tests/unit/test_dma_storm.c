/* SPDX-License-Identifier: BSD-3-Clause */
#include "sim_rig.h"

#include <unistd.h>

#include <gangway/dma.h>

/*
 * What a VMM with a virtual IOMMU sends, over the simulated host: pages come and go at addresses
 * that repeat, unmaps cover many maps, or none, or all there could be. A model knows what must be
 * mapped, and the device is asked what it reaches.
 */

#define PAGE		4096ull
#define SLOTS		256u			/* pages of the addresses in use */
#define BASE		(0x100000000ull - SLOTS * PAGE)	/* kernels hand them out from the top */
#define MEM_PAGES	128u
#define STEPS		20000u

struct slot {
	uint16_t run;		/* length of the run that begins here, in pages; 0: none does */
	uint16_t of;		/* first slot of the run that this page is in, + 1; 0: not mapped */
	uint16_t page;		/* of memory */
	bool writable;
};

struct storm {
	struct rig *r;
	struct gw_host *host;
	struct gw_function *fn;
	struct gw_dma *dma;
	int fd;
	uint64_t *mem;
	uint64_t rng, faults, maps;
	struct slot slot[SLOTS];
	unsigned int live;	/* runs */
};

static uint64_t draw(struct storm *s, uint64_t below)
{
	s->rng ^= s->rng << 13;
	s->rng ^= s->rng >> 7;
	s->rng ^= s->rng << 17;
	return s->rng % below;
}

static gw_vmm_addr at(uint64_t slot)
{
	return (gw_vmm_addr){ BASE + slot * PAGE };
}

static int setup(void **state)
{
	struct storm *s = calloc(1, sizeof(*s));

	assert_non_null(s);
	s->rng = 0x9e3779b97f4a7c15ull;
	s->r = rig_sim();
	assert_int_equal(gw_sim_set_option(s->r->sim, "caller-iova", "on"), 0);
	rig_add(s->r, rig_ep_new());
	assert_int_equal(gw_dext_host_new(gw_sim_services(s->r->sim), NULL, &s->host), 0);
	assert_int_equal(s->host->ops->open(s->host, "01:00.0", &s->fn), 0);
	assert_int_equal(s->fn->ops->config_write(s->fn, 4, 2, 6), 0);
	assert_int_equal(gw_dma_new(s->fn, GW_PLAN_DIRECT, NULL, &s->dma), 0);
	s->fd = memfd_create("ram", MFD_CLOEXEC);
	assert_int_equal(ftruncate(s->fd, MEM_PAGES * PAGE), 0);
	s->mem = mmap(NULL, MEM_PAGES * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, s->fd, 0);
	assert_ptr_not_equal(s->mem, MAP_FAILED);
	for (unsigned int i = 0; i < MEM_PAGES; i++)
		s->mem[i * PAGE / 8] = i;
	*state = s;
	return 0;
}

static int teardown(void **state)
{
	struct storm *s = *state;
	struct gw_sim_stats stats;

	gw_dma_free(s->dma);
	s->fn->ops->close(s->fn);
	gw_sim_stats(s->r->sim, &stats);
	assert_int_equal(stats.live_maps, 0);
	assert_int_equal(stats.maps, s->maps);
	assert_int_equal(stats.faults, s->faults);
	s->host->ops->free(s->host);
	munmap(s->mem, MEM_PAGES * PAGE);
	close(s->fd);
	rig_free(s->r);
	free(s);
	return 0;
}

/* Does the device reach the page of memory that it should, the way it may, or none? */
static void check_slot(struct storm *s, unsigned int i)
{
	const struct slot *slot = &s->slot[i];
	uint64_t val = ~0ull;
	const gw_iova iova = { at(i).v };
	int ret = gw_endpoint_dma_read(&s->r->ep->ep, iova, &val, sizeof(val));

	assert_int_equal(ret, slot->of ? 0 : -EFAULT);
	if (slot->of)
		assert_int_equal(val, slot->page);
	s->faults += !slot->of;
	val = slot->page;	/* what is there, so that pages mapped twice stay what they are */
	ret = gw_endpoint_dma_write(&s->r->ep->ep, iova, &val, sizeof(val));
	assert_int_equal(ret, slot->of && slot->writable ? 0 : -EFAULT);
	s->faults += !slot->of || !slot->writable;
}

static void check_usage(struct storm *s)
{
	struct gw_dma_usage u;

	gw_dma_usage(s->dma, &u);
	assert_int_equal(u.runs, s->live);
	assert_int_equal(u.mapped.maps, s->live);
	assert_int_equal(u.mapped.total_maps, s->maps);
}

static void map_some(struct storm *s)
{
	unsigned int pages = 1u << (draw(s, 4) ? 0 : draw(s, 5)), first = (unsigned int)draw(s, SLOTS);
	unsigned int page, i;
	bool writable = draw(s, 2), taken = false;
	struct gw_slice slice;
	int fd;

	first &= ~(pages - 1);
	page = (unsigned int)draw(s, MEM_PAGES - pages);
	for (i = first; i < first + pages; i++)
		taken |= s->slot[i].of;
	slice = (struct gw_slice){ .at = at(first), .size = pages * PAGE, .off = page * PAGE,
				   .prot = GW_PROT_READ | (writable ? GW_PROT_WRITE : 0) };
	fd = dup(s->fd);	/* each comes with one of its own */
	assert_int_equal(gw_dma_map(s->dma, &slice, fd), taken ? -EEXIST : 0);
	close(fd);
	if (taken)
		return;
	for (i = 0; i < pages; i++)
		s->slot[first + i] = (struct slot){ i ? 0 : (uint16_t)pages, (uint16_t)(first + 1),
						    (uint16_t)(page + i), writable };
	s->maps++;
	s->live++;
}

/* Return: pages of the runs in these slots; -1 if one is cut. Those not cut go, if @forget. */
static int model_unmap(struct storm *s, unsigned int first, unsigned int last, bool forget)
{
	int pages = 0;

	for (unsigned int i = first; i <= last; i++) {
		struct slot *slot = &s->slot[i];

		if (!slot->of)
			continue;
		if (slot->of - 1u < first || slot->of - 2u + s->slot[slot->of - 1].run > last)
			return -1;
		pages++;
	}
	for (unsigned int i = last + 1; forget && i-- > first;) {
		s->live -= !!s->slot[i].run;
		s->slot[i] = (struct slot){ 0 };
	}
	return pages;
}

static void unmap(struct storm *s, unsigned int first, unsigned int last, gw_vmm_addr from,
		  gw_vmm_addr to)
{
	int pages = model_unmap(s, first, last, false);
	uint64_t bytes = ~0ull;

	assert_int_equal(gw_dma_unmap(s->dma, from, to, &bytes), pages < 0 ? -EINVAL : 0);
	assert_int_equal(bytes, pages < 0 ? 0 : pages * PAGE);
	if (pages >= 0)
		model_unmap(s, first, last, true);
}

/* A naturally aligned power of two, from a page to more than all of the slots. */
static void unmap_some(struct storm *s)
{
	unsigned int pages = 1u << draw(s, 9), first = (unsigned int)draw(s, SLOTS) & ~(pages - 1);

	unmap(s, first, first + pages - 1, at(first), (gw_vmm_addr){ at(first + pages).v - 1 });
}

/* One that exists, whole. */
static void unmap_exactly(struct storm *s)
{
	unsigned int first = (unsigned int)draw(s, SLOTS);

	if (!s->slot[first].of)
		return;
	first = s->slot[first].of - 1u;
	unmap(s, first, first + s->slot[first].run - 1u, at(first),
	      (gw_vmm_addr){ at(first + s->slot[first].run).v - 1 });
}

static void pages_come_and_go_and_the_device_reaches_just_those(void **state)
{
	struct storm *s = *state;

	for (unsigned int i = 0; i < STEPS; i++) {
		uint64_t what = draw(s, 100);

		if (what < 55)
			map_some(s);
		else if (what < 90)
			unmap_exactly(s);
		else
			unmap_some(s);
		check_slot(s, (unsigned int)draw(s, SLOTS));
		if (i % 1000)
			continue;
		check_usage(s);
		for (unsigned int k = 0; k < SLOTS; k++)
			check_slot(s, k);
	}
	check_usage(s);
}

/* As when translation ends: powers of two that cover all 64 bits, of which few hold anything. */
static void unmaps_of_all_there_could_be_leave_nothing(void **state)
{
	struct storm *s = *state;
	uint64_t bytes;

	for (unsigned int round = 0; round < 50; round++) {
		for (unsigned int i = 0; i < SLOTS; i++)
			map_some(s);
		check_usage(s);
		for (unsigned int bit = 12; bit < 64; bit++) {
			gw_vmm_addr first = { 1ull << bit }, last = { (first.v - 1) * 2 + 1 };

			if (last.v < BASE || first.v >= 0x100000000ull) {
				assert_int_equal(gw_dma_unmap(s->dma, first, last, &bytes), 0);
				assert_int_equal(bytes, 0);
			} else {
				unmap(s, 0, SLOTS - 1, first, last);
				assert_int_equal(s->live, 0);
			}
		}
		check_usage(s);
		for (unsigned int i = 0; i < SLOTS; i++)
			check_slot(s, i);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(pages_come_and_go_and_the_device_reaches_just_those,
						setup, teardown),
		cmocka_unit_test_setup_teardown(unmaps_of_all_there_could_be_leave_nothing, setup,
						teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
