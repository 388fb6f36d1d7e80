/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

#include <gangway/acpi.h>

#include "cli/cli.h"
#include "cli/harden.h"
#include "cli/report.h"
#include "cli/stop.h"
#include "cli/vm.h"

/* The words that a QEMU of the user's own needs. */
static void make_args(const struct vm *vm, const struct options *o, struct qemu_args *a)
{
	const struct gw_ram *ram = vm_ram(vm);
	bool tree = vm_has_tree(vm);

	qemu_args_add_memory(a, tree ? "virt" : "", ram, o->memory_file, vm_has_nodes(vm), 0);
	if (ram) {
		qemu_args_add(a, "-m");
		qemu_args_add(a, "%lluB", (unsigned long long)ram->size);
	}
	if (tree) {
		qemu_args_add(a, "-dtb");
		qemu_args_add(a, "%s", o->device_tree);
	}
	vm_add_devices(vm, a, false);
}

/* Return: 0; CLI_FAILED, standard output cannot be written */
static int print_json(const struct vm *vm, const struct qemu_args *a)
{
	struct json_object *o = vm_json(vm);
	int ret;

	json_object_object_add(o, "argv", qemu_args_json(a));
	ret = puts(json_object_to_json_string_ext(o, JSON_C_TO_STRING_PLAIN |
						  JSON_C_TO_STRING_NOSLASHESCAPE));
	json_object_put(o);
	return ret < 0 || fflush(stdout) ? CLI_FAILED : 0;
}

/* Whoever started us with --ready-fd waits for a line, or for the end of file. */
static void tell_ready(const struct options *o, struct gw_log *log)
{
	if (!o->ready_fd)
		return;
	if (write((int)o->ready_fd, "\n", 1) != 1)
		gw_warn(log, "--ready-fd %u: cannot be written", o->ready_fd);
	close((int)o->ready_fd);
}

static int say_ready(const struct vm *vm, const struct options *o)
{
	struct qemu_args a = { 0 };
	int ret = 0;

	make_args(vm, o, &a);
	if (o->json) {
		ret = print_json(vm, &a);
	} else {
		gw_info(vm->log, "QEMU options:");
		qemu_args_print(&a, stderr);
	}
	qemu_args_fini(&a);
	if (ret)
		gw_err(vm->log, "cannot write to standard output");
	else
		tell_ready(o, vm->log);
	return ret;
}

static int open_memory(struct vm *vm, const struct options *o)
{
	int ret = vm_open_memory(vm, o, (gw_gpa){ ARM_RAM_BASE });

	if (ret)
		return CLI_FAILED;
	if (o->acpi_table && vm->plan != GW_PLAN_WINDOW)
		gw_warn(vm->log, "--acpi-table %s: plan %s has none", o->acpi_table,
			gw_plan_name(vm->plan));
	else if (o->acpi_table &&
		 gw_acpi_write(gw_vm_window(vm->gw), vm_has_nodes(vm), o->acpi_table, NULL, vm->log))
		return CLI_FAILED;
	return vm_has_tree(vm) && gw_vm_amend_file(vm->gw, o->device_tree) ? CLI_FAILED : 0;
}

static void block_signals(sigset_t *stop)
{
	/* before the first thread starts, so that only vm_wait() takes them */
	sigemptyset(stop);
	sigaddset(stop, SIGTERM);
	sigaddset(stop, SIGINT);
	sigaddset(stop, SIGHUP);
	sigprocmask(SIG_BLOCK, stop, NULL);
}

#define CLOSING_MS	20000	/* for a host to take everything back */

static int serve_run(int argc, char **argv, struct gw_log *log)
{
	struct options o;
	struct vm vm = { 0 };
	struct stop guard;
	sigset_t stop;
	int ret, ended_by;

	ret = options_parse(&o, argc, argv, OPTIONS_SERVE, log);
	if (ret || o.help)
		return ret;
	block_signals(&stop);
	ret = harden(!options_simulated(&o), log);
	if (!ret)
		ret = report_check(o.report, log);
	guard = (struct stop){ .log = log, .signals = stop, .left = o.memory_file };
	stop_while_opening(&guard);
	if (!ret)
		ret = vm_open(&vm, &o, o.device_tree != NULL, log);
	if (!ret)
		ret = open_memory(&vm, &o);
	stop_done(&guard);
	if (!ret && vm_listen(&vm, o.socket, o.companion, o.spin_us))
		ret = CLI_FAILED;
	if (!ret && o.companion && vm.plan != GW_PLAN_PARAVIRT)
		gw_warn(log, "--companion %s: plan %s has none", o.companion, gw_plan_name(vm.plan));
	if (!ret)
		ret = say_ready(&vm, &o);
	if (ret) {
		vm_close(&vm);
		return ret;
	}
	ended_by = vm_wait(&vm, &stop, true);
	guard = (struct stop){ .log = log, .signals = stop, .ms = CLOSING_MS };
	stop_while_closing(&guard);
	vm_stop(&vm);
	ret = report_print(&vm, o.report);
	vm_close(&vm);
	stop_done(&guard);
	return ended_by || ret ? ret : CLI_FAILED;
}

const struct cli_command cli_serve = { "serve", "serve a device to a VMM over vfio-user", serve_run };
