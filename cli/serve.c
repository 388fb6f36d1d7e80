/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <signal.h>
#include <stdio.h>

#include "cli/cli.h"
#include "cli/daemon.h"
#include "cli/report.h"

static void print_how_to_connect(const struct daemon *d)
{
	gw_info(d->log, "QEMU options: -object memory-backend-memfd,id=mem,size=SIZE,share=on "
		"-machine memory-backend=mem");
	for (unsigned int i = 0; i < d->nr_functions; i++)
		gw_info(d->log, "  -device '{\"driver\":\"vfio-user-pci\",\"socket\":{\"type\":\"unix\","
			"\"path\":\"%s\"}}'", d->function[i].socket);
}

static int serve_run(int argc, char **argv, struct gw_log *log)
{
	struct options o;
	struct daemon d;
	sigset_t stop;
	int ret, sig;

	ret = options_parse(&o, argc, argv, false, log);
	if (ret >= 0)
		return ret;
	/* blocked before the first thread starts, so that only sigwait() takes them */
	sigemptyset(&stop);
	sigaddset(&stop, SIGTERM);
	sigaddset(&stop, SIGINT);
	sigaddset(&stop, SIGHUP);
	sigprocmask(SIG_BLOCK, &stop, NULL);
	ret = daemon_open(&d, &o, false, log);
	if (!ret)
		ret = daemon_listen(&d, o.socket, o.spin_us);
	if (ret) {
		daemon_close(&d);
		return CLI_FAILED;
	}
	print_how_to_connect(&d);
	gw_info(log, "serving; SIGTERM ends it");
	sigwait(&stop, &sig);
	daemon_stop(&d);
	ret = report_print(&d, o.report);
	daemon_close(&d);
	return ret;
}

const struct cli_command cli_serve = { "serve", "serve a device to a VMM over vfio-user", serve_run };
