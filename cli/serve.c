/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>

#include "cli/cli.h"
#include "cli/vm.h"
#include "cli/report.h"

/* Under plan pool the device tree says where the function is. */
static void print_device(const struct vm *vm, unsigned int i, const char *socket)
{
	char at[48] = "";

	if (vm->plan == GW_PLAN_POOL)
		snprintf(at, sizeof(at), "\"bus\":\"pcie.0\",\"addr\":\"%x.0\",", POOL_SLOT + i);
	gw_info(vm->log, "  -device '{\"driver\":\"vfio-user-pci\",%s\"socket\":{\"type\":\"unix\","
		"\"path\":\"%s\"}}'", at, socket);
}

static void print_how_to_connect(const struct vm *vm, const struct options *o)
{
	const struct gw_ram *ram = vm_ram(vm);

	if (ram)
		gw_info(vm->log, "QEMU options: -machine virt,memory-backend=mem -dtb %s -object "
			"memory-backend-file,id=mem,size=%" PRIu64 ",mem-path=%s,offset=%" PRIu64
			",share=on", o->device_tree, ram->size, o->memory_file, ram->fd_off);
	else
		gw_info(vm->log, "QEMU options: -machine memory-backend=mem -object "
			"memory-backend-memfd,id=mem,size=SIZE,share=on");
	for (unsigned int i = 0; i < vm->nr_functions; i++) {
		print_device(vm, i, vm->function[i].socket);
		if (vm->function[i].gw->companion)
			print_device(vm, i, vm->function[i].companion_socket);
	}
}

static int open_memory(struct vm *vm, const struct options *o)
{
	int ret = vm_open_memory(vm, o, (gw_gpa){ ARM_RAM_BASE });

	return ret || !vm_ram(vm) ? ret : gw_vm_amend_file(vm->gw, o->device_tree);
}

static int serve_run(int argc, char **argv, struct gw_log *log)
{
	struct options o;
	struct vm vm;
	sigset_t stop;
	int ret, ended_by;

	ret = options_parse(&o, argc, argv, OPTIONS_SERVE, log);
	if (ret >= 0)
		return ret;
	/* blocked before the first thread starts, so that only vm_wait() takes them */
	sigemptyset(&stop);
	sigaddset(&stop, SIGTERM);
	sigaddset(&stop, SIGINT);
	sigaddset(&stop, SIGHUP);
	sigprocmask(SIG_BLOCK, &stop, NULL);
	ret = vm_open(&vm, &o, o.device_tree != NULL, log);
	if (!ret)
		ret = open_memory(&vm, &o);
	if (!ret)
		ret = vm_listen(&vm, o.socket, o.companion, o.spin_us);
	if (ret) {
		vm_close(&vm);
		return CLI_FAILED;
	}
	if (o.companion && vm.plan != GW_PLAN_PARAVIRT)
		gw_warn(log, "--companion %s: plan %s has none", o.companion, gw_plan_name(vm.plan));
	print_how_to_connect(&vm, &o);
	ended_by = vm_wait(&vm, &stop, true);
	vm_stop(&vm);
	ret = report_print(&vm, o.report);
	vm_close(&vm);
	return ended_by || ret ? ret : CLI_FAILED;
}

const struct cli_command cli_serve = { "serve", "serve a device to a VMM over vfio-user", serve_run };
