/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/cli.h"
#include "cli/macos/functions.h"
#include "cli/macos/qemu.h"
#include "cli/macos/run_options.h"
#include "cli/qemu_args.h"

/*
 * How it works: QEMU has gangway inside, so this program looks whether what is asked for can be
 * had, and then becomes QEMU.
 */

static bool is_sim(const char *device)
{
	return !strncmp(device, "sim:", 4);
}

/*
 * Several functions would need one window, and get one only where they share an address space:
 * never here.
 */
static enum gw_plan choose_plan(const struct run_options *o)
{
	return o->plan == GW_PLAN_AUTO && o->nr_devices > 1 ? GW_PLAN_PARAVIRT : o->plan;
}

static void add_machine(const struct run_options *o, const char *qemu, enum gw_plan plan,
			struct qemu_args *a)
{
	bool hvf = !strcmp(o->accel, "hvf");

	qemu_args_add(a, "%s", qemu);
	qemu_args_add(a, "-machine");
	/*
	 * a guest that finds ACPI's tables does not look into the device tree, where the window is
	 * told
	 */
	qemu_args_add(a, plan == GW_PLAN_PARAVIRT ? "virt" : "virt,acpi=off");
	qemu_args_add(a, "-accel");
	qemu_args_add(a, "%s", o->accel);
	qemu_args_add(a, "-cpu");
	qemu_args_add(a, hvf ? "host" : "max,pauth-impdef=on");
	qemu_args_add(a, "-smp");
	qemu_args_add(a, "%u", o->cpus);
	qemu_args_add(a, "-m");
	qemu_args_add(a, "%" PRIu64 "B", o->memory);
	qemu_args_add(a, "-nodefaults");
	qemu_args_add(a, "-nographic");
	qemu_args_add(a, "-serial");
	qemu_args_add(a, "mon:stdio");
}

static void add_kernel(const struct run_options *o, struct qemu_args *a)
{
	if (!o->kernel)
		return;
	qemu_args_add(a, "-kernel");
	qemu_args_add(a, "%s", o->kernel);
	if (o->initrd) {
		qemu_args_add(a, "-initrd");
		qemu_args_add(a, "%s", o->initrd);
	}
	qemu_args_add(a, "-append");
	qemu_args_add(a, "console=ttyAMA0 %s", o->append ? o->append : "");
}

static void add_text(struct json_object *o, const char *key, const char *value)
{
	json_object_object_add(o, key, json_object_new_string(value));
}

static void add_size(struct json_object *o, const char *key, uint64_t value)
{
	if (value)
		json_object_object_add(o, key, json_object_new_uint64(value));
}

static void add_host_options(const struct run_options *o, struct json_object *dev)
{
	char all[1024] = "";
	size_t at = 0;

	for (unsigned int i = 0; i < o->nr_host_options && at < sizeof(all); i++)
		at += (size_t)snprintf(all + at, sizeof(all) - at, "%s%s", i ? "," : "", o->host_option[i]);
	if (*all)
		add_text(dev, "host-options", all);
}

static void add_device(const struct run_options *o, enum gw_plan plan, unsigned int i, struct qemu_args *a)
{
	struct json_object *dev = json_object_new_object(), *companion;
	char id[16];

	snprintf(id, sizeof(id), "gw%u", i);
	add_text(dev, "driver", "gangway-pci");
	add_text(dev, "id", id);
	add_text(dev, "bus", "pcie.0");		/* plan pool wants it there */
	add_text(dev, "device", o->device[i]);
	add_text(dev, "plan", gw_plan_name(plan));
	add_size(dev, "window", o->window);
	add_size(dev, "pool-size", o->pool);
	add_host_options(o, dev);
	qemu_args_add_json(a, "-device", dev);
	if (plan != GW_PLAN_PARAVIRT)
		return;
	companion = json_object_new_object();
	add_text(companion, "driver", "gangway-pci");
	add_text(companion, "bus", "pcie.0");
	add_text(companion, "companion-of", id);
	qemu_args_add_json(a, "-device", companion);
}

static void make_args(const struct run_options *o, const char *qemu, struct qemu_args *a)
{
	enum gw_plan plan = choose_plan(o);

	add_machine(o, qemu, plan, a);
	add_kernel(o, a);
	for (unsigned int i = 0; i < o->nr_devices; i++)
		add_device(o, plan, i, a);
	for (int i = 0; i < o->nr_args; i++)
		qemu_args_add(a, "%s", o->arg[i]);
}

/* Does the extension have what is asked for? QEMU would say so too, but after a while. */
static int check_devices(const struct run_options *o, struct gw_log *log)
{
	struct mac_function *list;
	unsigned int wanted = 0, there = 0;
	size_t nr;
	int ret;

	for (unsigned int i = 0; i < o->nr_devices; i++)
		wanted += !is_sim(o->device[i]);
	if (!wanted)
		return 0;
	ret = functions_list(log, &list, &nr);
	for (unsigned int i = 0; i < o->nr_devices; i++) {
		size_t at = 0;

		while (at < nr && strcmp(list[at].info.name, o->device[i]) != 0)
			at++;
		there += at < nr;
		if (at == nr && !is_sim(o->device[i]))
			gw_err(log, "'%s': no function of that name has gangway's driver extension",
			       o->device[i]);
	}
	free(list);
	if (!ret && there == wanted)
		return 0;
	gw_hint(log, "gangway list shows what there is, gangway doctor what is missing");
	return CLI_UNAVAILABLE;
}

static int check_qemu(const struct run_options *o, const char *qemu, struct gw_log *log)
{
	struct qemu_has has;

	qemu_look(qemu, &has);
	if (has.gangway && (has.hvf || strcmp(o->accel, "hvf") != 0))
		return 0;
	if (!has.there)
		gw_err(log, "there is no QEMU '%s' that runs", qemu);
	else if (!has.gangway)
		gw_err(log, "QEMU '%s' %s has no device gangway-pci", qemu, has.version);
	else
		gw_err(log, "QEMU '%s' %s was built without HVF", qemu, has.version);
	gw_hint(log, has.gangway ? "--accel tcg goes without, slowly" :
		"qemu/README.md tells how one is built; --qemu or $QEMU names it");
	return CLI_UNAVAILABLE;
}

static int run_run(int argc, char **argv, struct gw_log *log)
{
	struct qemu_args a = { 0 };
	struct run_options o;
	const char *qemu;
	int code = run_options_parse(&o, argc, argv, log);

	if (code >= 0)
		return code;
	qemu = qemu_name(o.qemu);
	code = check_devices(&o, log);
	if (!code && !o.dry_run)
		code = check_qemu(&o, qemu, log);
	if (code)
		return code;
	make_args(&o, qemu, &a);
	if (a.failed) {
		gw_err(log, "too many words for QEMU");
		code = CLI_FAILED;
	} else if (o.dry_run) {
		qemu_args_print(&a, stdout);
	} else {
		if (isatty(STDIN_FILENO))
			gw_info(log, "the guest's console follows; Ctrl-A x ends the guest");
		execvp(qemu, a.arg);
		gw_err(log, "cannot start QEMU '%s': %s", qemu, strerror(errno));
		code = CLI_FAILED;
	}
	qemu_args_fini(&a);
	return code;
}

const struct cli_command cli_run = { "run", "boot a guest with devices passed through", run_run };
