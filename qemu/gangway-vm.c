/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "qemu/osdep.h"

#include "gangway-pci.h"

#include <gangway/devices.h>

/*
 * How it works: all functions of this QEMU are those of one guest, and have one plan and one host.
 * Under the plans window and pool they also have guest memory mapped before the guest starts, at
 * addresses that it reads from its device tree: QEMU's own, in memory, which is amended when all
 * devices are there. Such a guest is not forgotten when its last function is unplugged.
 */

#define VIRT_RAM	0x40000000ull	/* where memory of the machine virt begins */
#define POLL_MOST	1000u		/* microseconds */

static struct {
	struct gw_vm *vm;
	struct gw_log log;
	unsigned int functions;
	enum gw_plan plan;		/* as asked for, like the next */
	char *options;
	Notifier machine_done;
	bool tree;			/* machine_done is registered */
} host;

/* What is said by this thread while it is collected. */
static __thread GString *said, *hints;

static void say(void *opaque, enum gw_log_level level, const char *line)
{
	if (said && level <= GW_LOG_WARN) {
		g_string_append_printf(said, "%s%s", said->len ? "; " : "", line);
		return;
	}
	if (hints && level == GW_LOG_HINT) {
		g_string_append_printf(hints, "%s\n", line);
		return;
	}
	switch (level) {
	case GW_LOG_ERR:
		error_report("gangway: %s", line);
		break;
	case GW_LOG_WARN:
		warn_report("gangway: %s", line);
		break;
	default:
		info_report("gangway: %s", line);
	}
}

void gangway_say_begin(void)
{
	said = g_string_new(NULL);
	hints = g_string_new(NULL);
}

void gangway_say_end(int ret, const char *what, Error **errp)
{
	g_autoptr(GString) lines = said, more = hints;

	said = hints = NULL;
	if (ret) {
		error_setg(errp, "%s: %s", what, lines->len ? lines->str : strerror(-ret));
		if (more->len)
			error_append_hint(errp, "%s", more->str);
		return;
	}
	if (lines->len)
		warn_report("gangway: %s", lines->str);
}

static bool has_tree(void)
{
	MachineState *ms = MACHINE(qdev_get_machine());

	return ms->fdt && !ms->dtb && g_str_has_prefix(MACHINE_GET_CLASS(ms)->name, "virt");
}

/* All devices that the guest starts with are there, and its tree has not been handed over yet. */
static void amend_tree(Notifier *n, void *data)
{
	int ret;

	if (!gw_vm_ram(host.vm))
		return;
	ret = gw_vm_amend(host.vm, MACHINE(qdev_get_machine())->fdt);
	if (ret)
		exit(1);	/* said by the library; a guest that was not told would run wild */
}

static int set_options(const char *options)
{
	g_auto(GStrv) option = g_strsplit(options ? options : "", ",", -1);
	int ret = 0;

	for (unsigned int i = 0; !ret && option[i]; i++)
		if (*option[i])
			ret = gw_vm_set_option(host.vm, option[i]);
	return ret;
}

static int vm_new(GangwayPCI *g, enum gw_plan plan)
{
	struct gw_vm_options opt = { .plan = plan, .endpoints = gw_endpoint_types,
				     .device_tree = has_tree() && !phase_check(PHASE_MACHINE_READY) };
	int ret;

	host.log.level = GW_LOG_INFO;
	host.log.write = say;
	host.plan = plan;
	g_free(host.options);
	host.options = g_strdup(g->options);
	ret = gw_vm_new(&opt, &host.log, &host.vm);
	if (!ret)
		ret = set_options(g->options);
	return ret;
}

static void vm_drop(void)
{
	if (host.functions || !host.vm || gw_vm_ram(host.vm))
		return;
	gw_vm_free(host.vm);
	host.vm = NULL;
}

/* The start of guest memory that is in one piece. */
static int find_memory(struct gw_vm_memory *m)
{
	MemoryRegionSection s = memory_region_find(get_system_memory(), m->gpa.v, 1);

	if (!s.mr)
		return -ENOENT;
	if (memory_region_is_ram(s.mr)) {
		m->size = memory_region_size(s.mr) - s.offset_within_region;
		m->addr = (uint8_t *)memory_region_get_ram_ptr(s.mr) + s.offset_within_region;
	}
	memory_region_unref(s.mr);
	return m->addr ? 0 : -ENOENT;
}

/* Under the plans window and pool. */
static int reach_memory(GangwayPCI *g, struct gw_vm_function *f)
{
	struct gw_vm_memory m = { .gpa = { VIRT_RAM }, .window = g->window };
	enum gw_plan plan = gw_vm_plan(host.vm, NULL);
	int ret;

	if (plan != GW_PLAN_WINDOW && plan != GW_PLAN_POOL)
		return 0;
	if (plan == GW_PLAN_POOL && !pci_bus_is_root(pci_get_bus(&g->pdev))) {
		gw_err(&host.log, "under plan pool a function is on the root bus: add bus=pcie.0");
		return -EINVAL;
	}
	if (!gw_vm_ram(host.vm) && phase_check(PHASE_MACHINE_READY)) {
		gw_err(&host.log, "plan %s: the guest has read its device tree already",
		       gw_plan_name(plan));
		return -EBUSY;
	}
	ret = find_memory(&m);
	if (ret)
		gw_err(&host.log, "the guest has no memory at %#" PRIx64, (uint64_t)VIRT_RAM);
	else
		ret = gw_vm_reach(f, &m, g->pdev.devfn, g->pool_size);
	if (ret || host.tree)
		return ret;
	host.tree = true;
	host.machine_done.notify = amend_tree;
	qemu_add_machine_init_done_notifier(&host.machine_done);
	return 0;
}

/* A property that would do nothing is a mistake. */
static int check_properties(GangwayPCI *g)
{
	enum gw_plan plan = gw_vm_plan(host.vm, NULL);

	if (g->window && plan != GW_PLAN_WINDOW)
		gw_err(&host.log, "window= is for plan window, and this guest has plan %s",
		       gw_plan_name(plan));
	else if (g->pool_size && plan != GW_PLAN_POOL)
		gw_err(&host.log, "pool-size= is for plan pool, and this guest has plan %s",
		       gw_plan_name(plan));
	else if (g->poll_us > POLL_MOST)
		gw_err(&host.log, "poll-us=%u: at most %u", g->poll_us, POLL_MOST);
	else
		return 0;
	return -EINVAL;
}

static int function_open(GangwayPCI *g, enum gw_plan plan, struct gw_vm_function **f)
{
	const struct gw_companion_options opt = { .guest_bdf = GW_COMPANION_NO_BDF, .show = g->show,
						  .poll_us = g->poll_us };
	int ret = host.vm ? 0 : vm_new(g, plan);

	if (ret)
		return ret;
	if (plan != GW_PLAN_AUTO && host.plan != plan && gw_vm_plan(host.vm, NULL) != plan) {
		gw_err(&host.log, "plan %s: another function of this guest has plan %s",
		       gw_plan_name(plan), gw_plan_name(gw_vm_plan(host.vm, NULL)));
		return -EBUSY;
	}
	if (g->options && g_strcmp0(g->options, host.options)) {
		gw_err(&host.log, "host-options are those of the first function: %s",
		       host.options ? host.options : "none");
		return -EBUSY;
	}
	ret = gw_vm_open(host.vm, g->device, &opt, f);
	if (ret)
		return ret;
	ret = check_properties(g);
	if (!ret)
		ret = reach_memory(g, *f);
	if (ret)
		gw_vm_close(*f);
	return ret;
}

GangwayFunction *gangway_function_open(GangwayPCI *g, Error **errp)
{
	enum gw_plan plan = GW_PLAN_AUTO;
	struct gw_vm_function *f;
	GangwayFunction *gf;
	int ret;

	if (g->plan && gw_plan_parse(g->plan, &plan)) {
		error_setg(errp, "plan '%s': wants auto, direct, window, pool or paravirt", g->plan);
		return NULL;
	}
	gangway_say_begin();
	ret = function_open(g, plan, &f);
	gangway_say_end(ret, g->device, errp);
	if (ret) {
		vm_drop();
		return NULL;
	}
	gf = g_new0(GangwayFunction, 1);
	gf->f = f;
	gf->refs = 1;
	host.functions++;
	return gf;
}

void gangway_function_report(GangwayFunction *gf, const char *name)
{
	struct gw_sim *sim = gw_vm_sim(gf->f->vm);
	struct gw_account mapped;
	struct gw_sim_stats stats;

	gw_function_mapped(gf->f->fn, &mapped);
	if (mapped.maps && !gw_vm_ram(gf->f->vm))
		warn_report("%s: still reaches %" PRIu64 " bytes of guest memory", name, mapped.bytes);
	if (!sim)
		return;
	gw_sim_stats(sim, &stats);
	if (stats.faults)
		warn_report("%s: devices accessed memory that they were not given, %" PRIu64 " times", name,
			    stats.faults);
}

GangwayFunction *gangway_function_ref(GangwayFunction *gf)
{
	gf->refs++;
	return gf;
}

void gangway_function_unref(GangwayFunction *gf)
{
	if (--gf->refs)
		return;
	gw_vm_close(gf->f);
	g_free(gf);
	host.functions--;
	vm_drop();
}
