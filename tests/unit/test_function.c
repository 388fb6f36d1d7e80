/* SPDX-License-Identifier: BSD-3-Clause */
#include "unit.h"

#include "fake_function.h"

#define FLR		0x8000u
#define DEVCTL		0x88u
#define PM_CTRL		0x44u
#define ON		(GW_PCI_COMMAND_MEMORY | GW_PCI_COMMAND_MASTER)

static int setup(void **state)
{
	*state = guest_open(fake_new());
	return *state ? 0 : -1;
}

static int teardown(void **state)
{
	guest_close(*state);
	return 0;
}

static void map_memory(struct guest *g)
{
	struct gw_slice s = { .size = GW_PAGE_SIZE, .prot = GW_PROT_READ | GW_PROT_WRITE };
	int fd = memfd_create("ram", MFD_CLOEXEC);

	assert_int_equal(ftruncate(fd, 2 * GW_PAGE_SIZE), 0);
	assert_int_equal(g->dev->ops->dma_map(g->dev, &s, fd), 0);
	s.at.v = s.off = GW_PAGE_SIZE;
	assert_int_equal(g->dev->ops->dma_map(g->dev, &s, fd), 0);
	assert_int_equal(g->f->maps, 2);
	close(fd);
}

static void detach_stops_the_device_before_memory_goes(void **state)
{
	struct guest *g = *state;

	map_memory(g);
	guest_put(g, GW_PCI_COMMAND, 2, ON);
	g->f->trace[0] = '\0';
	g->dev->ops->detach(g->dev);
	assert_string_equal(g->f->trace, "master-off reset irqs-off unmap unmap ");
	assert_int_equal(guest_get(g, GW_PCI_COMMAND, 2) & ON, 0);
	assert_int_equal(g->f->stopped, 0);
	g->f->trace[0] = '\0';
	g->dev->ops->detach(g->dev);	/* again, as after an attach that failed */
	assert_string_equal(g->f->trace, "reset irqs-off ");
	assert_int_equal(g->dev->ops->attach(g->dev, &g->f->remote, NULL), 0);
}

/* Memory that decodes still when it is told that it goes. */
static void note_decode(void *opaque, bool on)
{
	struct fake *f = opaque;
	bool decodes = gw_pci_get(f->cfg, GW_PCI_COMMAND, 2) & GW_PCI_COMMAND_MEMORY;

	fake_note(f, !decodes ? "too-late" : on ? "shows" : "hides");
}

static void who_shares_its_memory_lets_go_before_it_goes(void **state)
{
	struct guest *g = *state;
	const struct gw_guest_watch watch = { note_decode, g->f };

	g->f->trace[0] = '\0';
	gw_guest_function_watch(g->gf, &watch);
	guest_put(g, GW_PCI_COMMAND, 2, ON);
	guest_put(g, GW_PCI_COMMAND, 2, ON | GW_PCI_COMMAND_INTX_OFF);
	guest_put(g, GW_PCI_COMMAND, 2, 0);
	guest_put(g, GW_PCI_COMMAND, 2, GW_PCI_COMMAND_MASTER);
	assert_string_equal(g->f->trace, "master-on shows hides master-off master-on ");
	guest_put(g, GW_PCI_COMMAND, 2, ON);
	g->f->trace[0] = '\0';
	assert_int_equal(g->dev->ops->reset(g->dev), 0);
	assert_string_equal(g->f->trace, "master-off hides reset irqs-off ");
	guest_put(g, GW_PCI_COMMAND, 2, ON);
	g->f->trace[0] = '\0';
	g->dev->ops->detach(g->dev);
	assert_string_equal(g->f->trace, "master-off hides reset irqs-off ");
	assert_int_equal(g->dev->ops->attach(g->dev, &g->f->remote, NULL), 0);
	guest_put(g, GW_PCI_COMMAND, 2, ON);
	gw_guest_function_watch(g->gf, NULL);
	g->f->trace[0] = '\0';
	gw_guest_function_watch(g->gf, &watch);
	assert_string_equal(g->f->trace, "shows ");
	gw_guest_function_gone(g->gf);
	assert_string_equal(g->f->trace, "shows hides ");
}

static void unmap_happens_while_the_remote_is_stopped(void **state)
{
	struct guest *g = *state;
	uint64_t bytes;

	map_memory(g);
	g->f->trace[0] = '\0';
	assert_int_equal(
		g->dev->ops->dma_unmap(g->dev, (gw_vmm_addr){ 0 }, (gw_vmm_addr){ 0xfff }, &bytes),
		0);
	assert_int_equal(bytes, 0x1000);
	assert_string_equal(g->f->trace, "unmap ");
}

static void reset_brings_config_back_and_disables_interrupts(void **state)
{
	struct guest *g = *state;

	guest_put(g, GW_PCI_COMMAND, 2, ON | GW_PCI_COMMAND_SERR);
	guest_put(g, GW_PCI_BAR0, 4, 0xfebf0000);
	guest_put(g, 0x72, 2, 0x8000);
	guest_put(g, GW_PCI_INT_LINE, 1, 11);
	g->f->trace[0] = '\0';
	assert_int_equal(g->dev->ops->reset(g->dev), 0);
	assert_string_equal(g->f->trace, "master-off reset irqs-off ");
	/* what the host has in COMMAND besides is seen, the rest is as after power-on */
	assert_int_equal(guest_get(g, GW_PCI_COMMAND, 2), 0);
	assert_int_equal(guest_get(g, GW_PCI_BAR0, 4), 0);
	assert_int_equal(guest_get(g, 0x72, 2), FAKE_MSIX - 1);
	assert_int_equal(guest_get(g, GW_PCI_INT_LINE, 1), 0);
}

static void flr_resets_at_once_and_keeps_mappings(void **state)
{
	struct guest *g = *state;
	struct gw_guest_stats stats;

	map_memory(g);
	guest_put(g, GW_PCI_COMMAND, 2, ON);
	g->f->trace[0] = '\0';
	guest_put(g, DEVCTL, 2, FLR | 0x2910);
	assert_string_equal(g->f->trace, "master-off reset ");
	assert_int_equal(g->f->maps, 2);
	assert_int_equal(guest_get(g, DEVCTL, 2), 0x2910);
	assert_int_equal(guest_get(g, GW_PCI_COMMAND, 2), 0);
	guest_put(g, DEVCTL + 1, 1, FLR >> 8);		/* a byte does it too */
	guest_put(g, DEVCTL, 4, FLR);
	gw_guest_function_stats(g->gf, &stats);
	assert_int_equal(stats.resets, 3);
}

static void flr_is_not_offered_by_a_function_without(void **state)
{
	struct fake *f = fake_new();
	struct guest *g;

	f->cfg[0x87] = 0;
	g = guest_open(f);
	guest_put(g, DEVCTL, 2, FLR);
	assert_string_equal(f->trace, "");
	guest_close(g);
}

static void conventional_flr_works_by_advanced_features(void **state)
{
	struct fake *f = fake_new();
	struct guest *g;

	fake_cap(f, 0x40, GW_PCI_CAP_AF, 0);
	gw_pci_put(f->cfg, 0x42, 4, 0x00000306);
	g = guest_open(f);
	guest_put(g, 0x44, 1, 1);
	assert_string_equal(f->trace, "reset ");
	assert_int_equal(guest_get(g, 0x44, 1), 0);
	guest_close(g);
}

static void d3hot_is_quiet_and_d0_restores(void **state)
{
	struct guest *g = *state;
	uint32_t val;

	guest_put(g, GW_PCI_COMMAND, 2, ON);
	guest_put(g, GW_PCI_BAR0, 4, 0xfebf0000);
	g->f->trace[0] = '\0';
	guest_put(g, PM_CTRL, 2, 3);
	assert_string_equal(g->f->trace, "master-off ");
	assert_int_equal(guest_get(g, PM_CTRL, 2), 0xb);
	assert_int_equal(guest_get(g, GW_PCI_COMMAND, 2) & ON, ON);
	assert_int_equal(g->dev->ops->region_read(g->dev, 0, 0, &val, 4), 0);
	assert_int_equal(val, UINT32_MAX);
	assert_int_equal(g->dev->ops->region_read(g->dev, 2, 0, &val, 4), 0);
	assert_int_equal(val, UINT32_MAX);
	/* bus mastering asked for now comes with D0 */
	guest_put(g, GW_PCI_COMMAND, 2, GW_PCI_COMMAND_MEMORY);
	guest_put(g, GW_PCI_COMMAND, 2, ON);
	assert_int_equal(g->f->cfg[GW_PCI_COMMAND] & GW_PCI_COMMAND_MASTER, 0);
	guest_put(g, PM_CTRL, 2, 0);
	assert_string_equal(g->f->trace, "master-off master-on ");
	assert_int_equal(guest_get(g, GW_PCI_BAR0, 4), 0xfebf0000);
	assert_int_equal(g->dev->ops->region_read(g->dev, 0, 0, &val, 4), 0);
	assert_int_equal(val, 0);
}

static void d3hot_to_d0_resets_where_the_function_says_so(void **state)
{
	struct fake *f = fake_new();
	struct guest *g;

	f->cfg[PM_CTRL] = 0;
	g = guest_open(f);
	guest_put(g, GW_PCI_COMMAND, 2, ON);
	guest_put(g, GW_PCI_BAR0, 4, 0xfebf0000);
	f->trace[0] = '\0';
	guest_put(g, PM_CTRL, 2, 0);		/* D0 it is already */
	assert_string_equal(f->trace, "");
	guest_put(g, PM_CTRL, 2, 3);
	guest_put(g, PM_CTRL, 2, 3);
	guest_put(g, PM_CTRL, 2, 0);
	assert_string_equal(f->trace, "master-off reset ");
	assert_int_equal(guest_get(g, GW_PCI_BAR0, 4), 0);
	assert_int_equal(guest_get(g, PM_CTRL, 2), 0);
	guest_close(g);
}

static void power_states_that_are_not_offered_are_ignored(void **state)
{
	struct guest *g = *state;

	guest_put(g, PM_CTRL, 2, 1);
	assert_int_equal(guest_get(g, PM_CTRL, 2) & 3, 0);
	guest_put(g, PM_CTRL, 2, 3);
	guest_put(g, PM_CTRL, 2, 2);
	assert_int_equal(guest_get(g, PM_CTRL, 2) & 3, 3);
}

static void a_reset_that_fails_fences_the_function(void **state)
{
	struct guest *g = *state;
	uint64_t val;

	guest_put(g, GW_PCI_COMMAND, 2, ON);
	g->f->fail_reset = -EIO;
	g->f->trace[0] = '\0';
	guest_put(g, DEVCTL, 2, FLR);
	assert_string_equal(g->f->trace, "master-off reset irqs-off ");
	assert_int_equal(g->f->errors, 1);
	assert_int_equal(guest_get(g, 0, 4), UINT32_MAX);
	guest_put(g, GW_PCI_COMMAND, 2, ON);
	assert_int_equal(g->f->cfg[GW_PCI_COMMAND] & ON, 0);
	assert_int_equal(g->dev->ops->region_read(g->dev, 0, 8, &val, 8), 0);
	assert_true(val == UINT64_MAX);
	val = 0x55;
	assert_int_equal(g->dev->ops->region_write(g->dev, 0, 8, &val, 8), 0);
	assert_int_equal(g->f->mem[0][8], 0);
	assert_int_equal(g->dev->ops->reset(g->dev), -EIO);
	/* nobody gets it as it is, but it may recover */
	g->dev->ops->detach(g->dev);
	assert_int_equal(g->dev->ops->attach(g->dev, &g->f->remote, NULL), -EIO);
	g->f->fail_reset = 0;
	assert_int_equal(g->dev->ops->attach(g->dev, &g->f->remote, NULL), 0);
	assert_int_equal(guest_get(g, 0, 4), 0x67771234);
}

/* How many lines there may be: ten in each five seconds, and how many were not said. */
static unsigned int most_lines(uint64_t begun)
{
	return 11 * (unsigned int)((gw_now_ns() - begun) / 5000000000ull + 2);
}

static void a_reset_that_fails_is_told_once_and_without_end_it_fills_no_log(void **state)
{
	struct guest *g = *state;
	uint64_t begun = gw_now_ns();

	g->f->fail_reset = -EIO;
	for (unsigned int i = 0; i < 1000; i++)
		assert_int_equal(g->dev->ops->reset(g->dev), -EIO);
	assert_int_equal(g->f->errors, 1);
	for (unsigned int i = 0; i < 1000; i++) {
		g->f->fail_reset = i % 2 ? -EIO : 0;
		g->dev->ops->reset(g->dev);
	}
	assert_in_range(g->f->errors, 2, most_lines(begun));
	g->f->fail_reset = 0;
}

static void failures_of_the_host_without_end_fill_no_log(void **state)
{
	static const uint32_t off[] = { GW_IRQ_INTX, GW_IRQ_MSI, GW_IRQ_MSIX };
	struct guest *g = *state;
	uint64_t begun = gw_now_ns();

	g->f->fail_config = g->f->fail_reset = -EIO;
	g->f->fail_irq_mask = -EIO;
	for (unsigned int i = 0; i < 1000; i++) {
		struct gw_irq_set set = { .index = off[i % 3], .action = GW_IRQ_TRIGGER };

		g->dev->ops->reset(g->dev);
		guest_put(g, GW_PCI_COMMAND, 2, ON);
		guest_put(g, DEVCTL, 2, FLR);
		g->dev->ops->irq_set(g->dev, &set);
		g->dev->ops->detach(g->dev);
		g->dev->ops->attach(g->dev, &g->f->remote, NULL);
	}
	assert_in_range(g->f->errors + g->f->warnings, 1, most_lines(begun));
	g->f->fail_config = g->f->fail_reset = g->f->fail_irq_mask = 0;
	assert_int_equal(g->dev->ops->attach(g->dev, &g->f->remote, NULL), 0);
}

static void bus_mastering_that_cannot_be_turned_off_fences_too(void **state)
{
	struct guest *g = *state;

	g->f->fail_config = -EIO;
	assert_int_equal(g->dev->ops->reset(g->dev), -EIO);
	g->f->fail_config = 0;
	assert_int_equal(guest_get(g, 0, 4), UINT32_MAX);
	assert_int_equal(g->dev->ops->reset(g->dev), 0);
	assert_int_equal(guest_get(g, 0, 4), 0x67771234);
}

static void a_function_that_has_gone_reads_as_ones_for_good(void **state)
{
	struct guest *g = *state;

	map_memory(g);
	g->f->fail_config = -ENODEV;
	assert_int_equal(guest_get(g, 0, 4), UINT32_MAX);
	assert_int_equal(g->f->errors, 1);
	g->f->fail_config = 0;
	assert_int_equal(guest_get(g, 0, 4), UINT32_MAX);
	assert_int_equal(g->dev->ops->reset(g->dev), -ENODEV);
	g->dev->ops->detach(g->dev);
	assert_int_equal(g->f->maps, 0);
	assert_int_equal(g->dev->ops->attach(g->dev, &g->f->remote, NULL), -ENODEV);
	assert_int_equal(g->f->errors, 1);
}

static void refused(struct fake *f, int want)
{
	struct gw_guest_function *gf;
	struct gw_dma *dma;

	assert_int_equal(gw_dma_new(&f->fn, GW_PLAN_DIRECT, NULL, &dma), 0);
	assert_int_equal(gw_guest_function_new(&f->fn, dma, &f->log, &gf), want);
	assert_true(f->errors > 0);
	gw_dma_free(dma);
	fake_free(f);
}

static void what_cannot_work_is_refused_at_open(void **state)
{
	struct fake *f = fake_new();

	f->cfg[GW_PCI_HEADER_TYPE] = 0x81;
	refused(f, -EOPNOTSUPP);
	f = fake_new();
	memset(f->cfg, 0xff, 4);
	refused(f, -ENODEV);
	f = fake_new();
	f->fail_reset = -ETIMEDOUT;
	refused(f, -ETIMEDOUT);
	f = fake_new();
	f->fail_config = -EIO;
	refused(f, -EIO);
	f = fake_new();
	f->fail_irq_setup = -EBUSY;
	refused(f, -EBUSY);
	f = fake_new();
	f->fail_bar_info = -EIO;
	refused(f, -EIO);
}

static void a_function_is_reset_before_a_guest_sees_it(void **state)
{
	struct fake *f = fake_new();
	struct gw_guest_function *gf;
	struct gw_dma *dma;

	f->stopped = 1;		/* there is no remote yet to be stopped */
	assert_int_equal(gw_dma_new(&f->fn, GW_PLAN_DIRECT, NULL, &dma), 0);
	assert_int_equal(gw_guest_function_new(&f->fn, dma, &f->log, &gf), 0);
	assert_string_equal(f->trace, "master-off reset irqs-off ");
	gw_guest_function_free(gf);
	gw_guest_function_free(NULL);
	gw_dma_free(dma);
	fake_free(f);
}

static void memory_made_for_one_vmm_is_given_to_no_other(void **state)
{
	const struct gw_vmm one = { .id = { 7, 1 }, .name = "process 7" };
	const struct gw_vmm other = { .id = { 7, 2 }, .name = "process 7 (later)" };
	static const enum gw_plan plans[] = { GW_PLAN_WINDOW, GW_PLAN_POOL, GW_PLAN_DIRECT };

	for (size_t i = 0; i < ARRAY_SIZE(plans); i++) {
		int late = plans[i] == GW_PLAN_DIRECT ? 0 : -EBUSY;
		struct fake *f = fake_new();
		struct gw_guest_function *gf;
		struct gw_device *d;
		struct gw_dma *dma;

		assert_int_equal(gw_dma_new(&f->fn, plans[i], &f->log, &dma), 0);
		assert_int_equal(gw_guest_function_new(&f->fn, dma, &f->log, &gf), 0);
		d = gw_guest_function_device(gf);
		for (unsigned int turn = 0; turn < 3; turn++) {
			assert_int_equal(d->ops->attach(d, &f->remote, &one), 0);	/* unplugged, plugged */
			d->ops->detach(d);
			assert_int_equal(d->ops->attach(d, &f->remote, turn ? &other : &one),
					 turn ? late : 0);
			d->ops->detach(d);
		}
		gw_guest_function_free(gf);
		gw_dma_free(dma);
		fake_free(f);
	}
}

static void two_functions_live_side_by_side(void **state)
{
	struct guest *a = *state, *b = guest_open(fake_new());

	guest_put(a, GW_PCI_COMMAND, 2, ON);
	guest_put(b, GW_PCI_BAR0, 4, 0xfebf0000);
	map_memory(b);
	guest_put(a, DEVCTL, 2, FLR);
	assert_int_equal(b->f->maps, 2);
	assert_int_equal(guest_get(b, GW_PCI_BAR0, 4), 0xfebf0000);
	assert_string_equal(b->f->trace, "");
	guest_put(b, GW_PCI_COMMAND, 2, ON);
	b->f->fail_reset = -EIO;
	guest_put(b, DEVCTL, 2, FLR);
	assert_int_equal(guest_get(b, 0, 4), UINT32_MAX);
	assert_int_equal(guest_get(a, 0, 4), 0x67771234);
	b->f->fail_reset = 0;
	guest_close(b);
}

static void stats_count_what_was_trapped(void **state)
{
	struct guest *g = *state;
	struct gw_guest_stats stats;
	uint32_t val = 0;

	guest_put(g, GW_PCI_COMMAND, 2, ON);
	guest_get(g, 0, 4);
	guest_get(g, 0, 2);
	assert_int_equal(g->dev->ops->region_read(g->dev, 0, 0, &val, 4), 0);
	assert_int_equal(g->dev->ops->region_write(g->dev, 2, 0, &val, 4), 0);
	gw_guest_function_stats(g->gf, &stats);
	assert_int_equal(stats.config_writes, 1);
	assert_int_equal(stats.config_reads, 2);
	assert_int_equal(stats.reads, 1);
	assert_int_equal(stats.writes, 1);
	assert_int_equal(stats.irqs, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(detach_stops_the_device_before_memory_goes, setup,
						teardown),
		cmocka_unit_test_setup_teardown(who_shares_its_memory_lets_go_before_it_goes, setup,
						teardown),
		cmocka_unit_test_setup_teardown(unmap_happens_while_the_remote_is_stopped, setup,
						teardown),
		cmocka_unit_test_setup_teardown(reset_brings_config_back_and_disables_interrupts,
						setup, teardown),
		cmocka_unit_test_setup_teardown(flr_resets_at_once_and_keeps_mappings, setup,
						teardown),
		cmocka_unit_test(flr_is_not_offered_by_a_function_without),
		cmocka_unit_test(conventional_flr_works_by_advanced_features),
		cmocka_unit_test_setup_teardown(d3hot_is_quiet_and_d0_restores, setup, teardown),
		cmocka_unit_test(d3hot_to_d0_resets_where_the_function_says_so),
		cmocka_unit_test_setup_teardown(power_states_that_are_not_offered_are_ignored,
						setup, teardown),
		cmocka_unit_test_setup_teardown(a_reset_that_fails_fences_the_function, setup,
						teardown),
		cmocka_unit_test_setup_teardown(
			a_reset_that_fails_is_told_once_and_without_end_it_fills_no_log, setup, teardown),
		cmocka_unit_test_setup_teardown(failures_of_the_host_without_end_fill_no_log, setup,
						teardown),
		cmocka_unit_test_setup_teardown(bus_mastering_that_cannot_be_turned_off_fences_too,
						setup, teardown),
		cmocka_unit_test_setup_teardown(a_function_that_has_gone_reads_as_ones_for_good,
						setup, teardown),
		cmocka_unit_test(what_cannot_work_is_refused_at_open),
		cmocka_unit_test(memory_made_for_one_vmm_is_given_to_no_other),
		cmocka_unit_test(a_function_is_reset_before_a_guest_sees_it),
		cmocka_unit_test_setup_teardown(two_functions_live_side_by_side, setup, teardown),
		cmocka_unit_test_setup_teardown(stats_count_what_was_trapped, setup, teardown),
	};

	return cmocka_run_group_tests_name("guest function", tests, NULL, NULL);
}
