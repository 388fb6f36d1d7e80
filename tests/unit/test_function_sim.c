/* SPDX-License-Identifier: BSD-3-Clause */
#include "unit.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>

#include <gangway/guest.h>
#include <gangway/sim.h>

#include "device_config.h"
#include "devices/probe.h"
#include "config/caps.h"

/* Two functions of one simulated device, through the dext client, each as a guest sees it. */

#define MEM	(4ull << 20)
#define ON	(GW_PCI_COMMAND_MEMORY | GW_PCI_COMMAND_MASTER)

struct side {
	struct gw_function *fn;
	struct gw_dma *dma;
	struct gw_guest_function *gf;
	struct gw_device *dev;
	uint8_t *mem;
	int fd, event;
};

struct rig {
	struct gw_sim *sim;
	struct gw_host *host;
	struct side side[2];
};

static void no_remote(struct gw_remote *r)
{
}

static const struct gw_remote_ops remote_ops = { .stop = no_remote, .start = no_remote };
static struct gw_remote remote = { .ops = &remote_ops };

static void side_open(struct rig *r, int i)
{
	static const char *const name[] = { "00:1e.0", "00:1e.1" };
	struct side *s = &r->side[i];

	assert_int_equal(r->host->ops->open(r->host, name[i], &s->fn), 0);
	assert_int_equal(gw_dma_new(s->fn, GW_PLAN_DIRECT, NULL, &s->dma), 0);
	assert_int_equal(gw_guest_function_new(s->fn, s->dma, NULL, &s->gf), 0);
	s->dev = gw_guest_function_device(s->gf);
	assert_int_equal(s->dev->ops->attach(s->dev, &remote, NULL), 0);
	s->event = eventfd(0, EFD_CLOEXEC);
	s->fd = memfd_create("ram", MFD_CLOEXEC);
	assert_int_equal(ftruncate(s->fd, MEM), 0);
	s->mem = mmap(NULL, MEM, PROT_READ | PROT_WRITE, MAP_SHARED, s->fd, 0);
	assert_ptr_not_equal(s->mem, MAP_FAILED);
}

static void side_close(struct side *s)
{
	s->dev->ops->detach(s->dev);
	gw_guest_function_free(s->gf);
	gw_dma_free(s->dma);
	s->fn->ops->close(s->fn);
	munmap(s->mem, MEM);
	close(s->fd);
	close(s->event);
}

static int setup(void **state)
{
	struct rig *r = calloc(1, sizeof(*r));
	struct gw_endpoint *ep;

	assert_int_equal(gw_sim_new(NULL, &r->sim), 0);
	assert_int_equal(gw_sim_set_option(r->sim, "caller-iova", "on"), 0);
	for (uint8_t fn = 0; fn < 2; fn++) {
		assert_int_equal(gw_probe_type.make("", NULL, &ep), 0);
		assert_int_equal(gw_sim_add(r->sim, ep, NULL, 0, 0x1e, fn), 0);
	}
	assert_int_equal(gw_dext_host_new(gw_sim_services(r->sim), NULL, &r->host), 0);
	side_open(r, 0);
	side_open(r, 1);
	*state = r;
	return 0;
}

static int teardown(void **state)
{
	struct rig *r = *state;
	struct gw_sim_stats stats;

	side_close(&r->side[0]);
	side_close(&r->side[1]);
	gw_sim_stats(r->sim, &stats);
	assert_int_equal(stats.live_maps, 0);
	assert_int_equal(stats.faults, 0);
	r->host->ops->free(r->host);
	gw_sim_free(r->sim);
	free(r);
	return 0;
}

static uint64_t reg_get(struct side *s, unsigned int reg, unsigned int width)
{
	uint64_t v = 0;

	assert_int_equal(s->dev->ops->region_read(s->dev, 0, reg, &v, width), 0);
	return v;
}

static void reg_put(struct side *s, unsigned int reg, unsigned int width, uint64_t v)
{
	assert_int_equal(s->dev->ops->region_write(s->dev, 0, reg, &v, width), 0);
}

static void give_event(struct side *s, uint32_t vector)
{
	int fd = dup(s->event);
	struct gw_irq_set set = { GW_IRQ_MSIX, GW_IRQ_TRIGGER, GW_IRQ_EVENTFD, vector, 1, NULL, &fd };

	assert_int_equal(s->dev->ops->irq_set(s->dev, &set), 0);
}

static void await_event(struct side *s)
{
	uint64_t n;

	assert_int_equal(read(s->event, &n, sizeof(n)), sizeof(n));
}

static void map(struct side *s)
{
	struct gw_slice slice = { .size = MEM, .prot = GW_PROT_READ | GW_PROT_WRITE };

	assert_int_equal(s->dev->ops->dma_map(s->dev, &slice, s->fd), 0);
}

static void copy(struct side *s, uint64_t src, uint64_t dst, uint64_t len, uint32_t vector)
{
	reg_put(s, PROBE_SRC, 8, src);
	reg_put(s, PROBE_DST, 8, dst);
	reg_put(s, PROBE_LEN, 8, len);
	reg_put(s, PROBE_VECTOR, 4, vector);
	reg_put(s, PROBE_COMMAND, 4, PROBE_CMD_COPY);
}

/* Find a capability as a guest does. */
static unsigned int find(struct side *s, uint8_t id)
{
	unsigned int at = cfg_get(s->dev, GW_PCI_CAP_PTR, 1);

	while (at && cfg_get(s->dev, at, 1) != id)
		at = cfg_get(s->dev, at + 1, 1);
	return at;
}

static void a_guest_finds_what_the_endpoint_is(void **state)
{
	struct rig *r = *state;
	struct side *s = &r->side[0];
	struct gw_region_info info;

	assert_int_equal(cfg_get(s->dev, 0, 4), PROBE_DEVICE << 16 | PROBE_VENDOR);
	assert_int_equal(cfg_get(s->dev, find(s, GW_PCI_CAP_MSIX) + 2, 2), PROBE_VECTORS - 1);
	assert_int_equal(cfg_get(s->dev, GW_PCI_BAR0 + 8, 4), 0xc);
	s->dev->ops->region_info(s->dev, 2, &info);
	assert_int_equal(info.size, PROBE_MEM_SIZE);
	assert_true(info.flags & GW_REGION_F_MMAP);
	s->dev->ops->region_info(s->dev, 0, &info);
	assert_false(info.flags & GW_REGION_F_MMAP);
	s->dev->ops->region_info(s->dev, 4, &info);
	assert_false(info.flags & GW_REGION_F_MMAP);
	cfg_put(s->dev, GW_PCI_COMMAND, 2, ON);
	assert_int_equal(reg_get(s, PROBE_ID, 4), PROBE_ID_VALUE);
}

static void both_functions_copy_at_one_time(void **state)
{
	struct rig *r = *state;
	struct side *a = &r->side[0], *b = &r->side[1];

	memset(a->mem, 0xaa, MEM / 2);
	memset(b->mem, 0xbb, MEM / 2);
	for (int i = 0; i < 2; i++) {
		map(&r->side[i]);
		cfg_put(r->side[i].dev, GW_PCI_COMMAND, 2, ON);
		give_event(&r->side[i], (uint32_t)i);
		copy(&r->side[i], 0, MEM / 2, MEM / 2, (uint32_t)i);
	}
	for (int i = 0; i < 2; i++) {
		await_event(&r->side[i]);
		assert_int_equal(reg_get(&r->side[i], PROBE_STATUS, 4), PROBE_OK);
		assert_memory_equal(r->side[i].mem, r->side[i].mem + MEM / 2, MEM / 2);
	}
	assert_int_equal(a->mem[MEM - 1], 0xaa);
	assert_int_equal(b->mem[MEM - 1], 0xbb);
}

static void flr_under_dma_stops_it_and_spares_the_neighbour(void **state)
{
	struct rig *r = *state;
	struct side *a = &r->side[0], *b = &r->side[1];
	unsigned int devctl = find(a, GW_PCI_CAP_PCIE) + GW_PCI_PCIE_DEVCTL;
	uint32_t resets;

	for (int i = 0; i < 2; i++) {
		map(&r->side[i]);
		cfg_put(r->side[i].dev, GW_PCI_COMMAND, 2, ON);
	}
	resets = (uint32_t)reg_get(a, PROBE_RESETS, 4);
	give_event(b, 3);
	reg_put(b, PROBE_SCRATCH32, 4, 77);
	copy(b, 0, MEM / 2, MEM / 2, 3);
	copy(a, 0, MEM / 2, MEM / 2, PROBE_NO_VECTOR);
	cfg_put(a->dev, devctl, 2, GW_PCI_PCIE_DEVCTL_FLR);
	assert_int_equal(cfg_get(a->dev, GW_PCI_COMMAND, 2) & ON, 0);
	cfg_put(a->dev, GW_PCI_COMMAND, 2, ON);
	assert_int_equal(reg_get(a, PROBE_RESETS, 4), resets + 1);
	assert_int_equal(reg_get(a, PROBE_STATUS, 4), PROBE_IDLE);
	await_event(b);
	assert_int_equal(reg_get(b, PROBE_STATUS, 4), PROBE_OK);
	assert_int_equal(reg_get(b, PROBE_SCRATCH32, 4), 77);
	/* mappings and interrupts work on after it */
	give_event(a, 9);
	copy(a, 0, MEM / 2, 4096, 9);
	await_event(a);
	assert_int_equal(reg_get(a, PROBE_STATUS, 4), PROBE_OK);
}

static void dma_goes_on_after_d3hot(void **state)
{
	struct rig *r = *state;
	struct side *s = &r->side[0];
	unsigned int pm = find(s, GW_PCI_CAP_PM);
	bool keeps = pm && cfg_get(s->dev, pm + GW_PCI_PM_CTRL, 2) & GW_PCI_PM_NO_SOFT_RESET;

	assert_true(pm);
	map(s);
	give_event(s, 0);
	cfg_put(s->dev, GW_PCI_COMMAND, 2, ON);
	reg_put(s, PROBE_SCRATCH32, 4, 5);
	cfg_put(s->dev, pm + GW_PCI_PM_CTRL, 2, 3);
	assert_int_equal(reg_get(s, PROBE_SCRATCH32, 4), UINT32_MAX);
	cfg_put(s->dev, pm + GW_PCI_PM_CTRL, 2, 0);
	cfg_put(s->dev, GW_PCI_COMMAND, 2, ON);
	assert_int_equal(reg_get(s, PROBE_SCRATCH32, 4), keeps ? 5 : 0);
	copy(s, 0, MEM / 2, 4096, 0);
	await_event(s);
}

static void the_mapped_bar_is_one_memory_for_all(void **state)
{
	struct rig *r = *state;
	struct side *s = &r->side[0];
	struct gw_region_info info;
	uint32_t v = 0x12345678;
	char *p;

	cfg_put(s->dev, GW_PCI_COMMAND, 2, ON);
	s->dev->ops->region_info(s->dev, 2, &info);
	p = mmap(NULL, info.size, PROT_READ | PROT_WRITE, MAP_SHARED, info.fd, (off_t)info.fd_off);
	assert_ptr_not_equal(p, MAP_FAILED);
	assert_int_equal(s->dev->ops->region_write(s->dev, 2, 0x8000, &v, 4), 0);
	assert_memory_equal(p + 0x8000, &v, 4);
	munmap(p, info.size);
}

static void a_function_that_vanishes_reads_as_ones(void **state)
{
	struct rig *r = *state;

	cfg_put(r->side[0].dev, GW_PCI_COMMAND, 2, ON);
	cfg_put(r->side[1].dev, GW_PCI_COMMAND, 2, ON);
	map(&r->side[0]);
	assert_int_equal(gw_sim_vanish(r->sim, NULL, 0, 0x1e, 0), 0);
	assert_int_equal(reg_get(&r->side[0], PROBE_ID, 4), UINT32_MAX);
	assert_int_equal(cfg_get(r->side[0].dev, 0, 4), UINT32_MAX);
	assert_int_equal(reg_get(&r->side[1], PROBE_ID, 4), PROBE_ID_VALUE);
}

static void a_reset_that_fails_leaves_no_bus_mastering(void **state)
{
	struct rig *r = *state;
	struct side *s = &r->side[0];

	map(s);
	cfg_put(s->dev, GW_PCI_COMMAND, 2, ON);
	copy(s, 0, MEM / 2, MEM / 2, PROBE_NO_VECTOR);
	assert_int_equal(gw_sim_set_option(r->sim, "fail-reset", "on"), 0);
	assert_true(s->dev->ops->reset(s->dev) < 0);
	assert_int_equal(cfg_get(s->dev, 0, 4), UINT32_MAX);
	assert_int_equal(gw_sim_set_option(r->sim, "fail-reset", "off"), 0);
	assert_int_equal(s->dev->ops->reset(s->dev), 0);
	cfg_put(s->dev, GW_PCI_COMMAND, 2, ON);
	assert_int_equal(reg_get(s, PROBE_STATUS, 4), PROBE_IDLE);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(a_guest_finds_what_the_endpoint_is),
		T(both_functions_copy_at_one_time),
		T(flr_under_dma_stops_it_and_spares_the_neighbour),
		T(dma_goes_on_after_d3hot),
		T(the_mapped_bar_is_one_memory_for_all),
		T(a_function_that_vanishes_reads_as_ones),
		T(a_reset_that_fails_leaves_no_bus_mastering),
	};

	return cmocka_run_group_tests_name("guest over sim", tests, NULL, NULL);
}
