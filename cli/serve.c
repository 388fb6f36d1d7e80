/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>

#include "cli/cli.h"
#include "cli/daemon.h"
#include "cli/report.h"

/* Under plan pool the device tree says where the function is. */
static void print_device(const struct daemon *d, unsigned int i, const char *socket)
{
	char at[48] = "";

	if (d->plan == GW_PLAN_POOL)
		snprintf(at, sizeof(at), "\"bus\":\"pcie.0\",\"addr\":\"%x.0\",", POOL_SLOT + i);
	gw_info(d->log, "  -device '{\"driver\":\"vfio-user-pci\",%s\"socket\":{\"type\":\"unix\","
		"\"path\":\"%s\"}}'", at, socket);
}

static void print_how_to_connect(const struct daemon *d, const struct options *o)
{
	const struct gw_ram *ram = daemon_ram(d);

	if (ram)
		gw_info(d->log, "QEMU options: -machine virt,memory-backend=mem -dtb %s -object "
			"memory-backend-file,id=mem,size=%" PRIu64 ",mem-path=%s,offset=%" PRIu64
			",share=on", o->device_tree, ram->size, o->memory_file, ram->fd_off);
	else
		gw_info(d->log, "QEMU options: -machine memory-backend=mem -object "
			"memory-backend-memfd,id=mem,size=SIZE,share=on");
	for (unsigned int i = 0; i < d->nr_functions; i++) {
		print_device(d, i, d->function[i].socket);
		if (d->function[i].companion)
			print_device(d, i, d->function[i].companion_socket);
	}
}

static int open_memory(struct daemon *d, const struct options *o)
{
	int ret = daemon_open_memory(d, o, (gw_gpa){ ARM_RAM_BASE });

	return ret || !daemon_ram(d) ? ret : daemon_amend_tree(d, o->device_tree);
}

static int serve_run(int argc, char **argv, struct gw_log *log)
{
	struct options o;
	struct daemon d;
	sigset_t stop;
	int ret, ended_by;

	ret = options_parse(&o, argc, argv, false, log);
	if (ret >= 0)
		return ret;
	/* blocked before the first thread starts, so that only daemon_wait() takes them */
	sigemptyset(&stop);
	sigaddset(&stop, SIGTERM);
	sigaddset(&stop, SIGINT);
	sigaddset(&stop, SIGHUP);
	sigprocmask(SIG_BLOCK, &stop, NULL);
	ret = daemon_open(&d, &o, o.device_tree != NULL, log);
	if (!ret)
		ret = open_memory(&d, &o);
	if (!ret)
		ret = daemon_listen(&d, o.socket, o.companion, o.spin_us);
	if (ret) {
		daemon_close(&d);
		return CLI_FAILED;
	}
	if (o.companion && d.plan != GW_PLAN_PARAVIRT)
		gw_warn(log, "--companion %s: plan %s has none", o.companion, gw_plan_name(d.plan));
	print_how_to_connect(&d, &o);
	ended_by = daemon_wait(&d, &stop, true);
	daemon_stop(&d);
	ret = report_print(&d, o.report);
	daemon_close(&d);
	return ended_by || ret ? ret : CLI_FAILED;
}

const struct cli_command cli_serve = { "serve", "serve a device to a VMM over vfio-user", serve_run };
