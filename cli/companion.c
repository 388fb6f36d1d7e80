/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/util.h"
#include "cli/cli.h"
#include "cli/harden.h"
#include "cli/report.h"
#include "cli/vm.h"

/*
 * How it works: the device is opened as by serve, but its companion is reached by a device of the
 * VMM's own. The VMM tells what the guest's memory is, if the device is served to it as well; else
 * the command line does, and then nobody drives the device from here.
 */

/** A piece of guest memory, as --ram has it. */
struct ram {
	char *file;
	struct gw_slice slice;
};

/* One KEY=VALUE of --ram. */
static int ram_set(struct ram *r, const char *word)
{
	if (!strncmp(word, "gpa=", 4))
		return gw_size_parse(word + 4, &r->slice.at.v);
	if (!strncmp(word, "offset=", 7))
		return gw_size_parse(word + 7, &r->slice.off);
	if (!strncmp(word, "size=", 5))
		return gw_size_parse(word + 5, &r->slice.size);
	return -EINVAL;
}

static int ram_parse(struct ram *r, const char *text, struct gw_log *log)
{
	char *rest, *word;
	bool gpa = false;
	int ret = 0;

	*r = (struct ram){ .slice.prot = GW_PROT_READ | GW_PROT_WRITE, .file = strdup(text) };
	if (!r->file)
		return -ENOMEM;
	rest = r->file;
	strsep(&rest, ",");
	while (!ret && (word = strsep(&rest, ","))) {
		gpa |= !strncmp(word, "gpa=", 4);
		ret = ram_set(r, word);
	}
	if (!ret && *r->file && gpa)
		return 0;
	gw_err(log, "--ram '%s': wants FILE,gpa=ADDRESS[,offset=SIZE][,size=SIZE]", text);
	free(r->file);
	return -EINVAL;
}

/* Tell the function of one piece; without a size it is the rest of the file. */
static int ram_tell(struct gw_device *d, struct ram *r, struct gw_log *log)
{
	int fd = open(r->file, O_RDWR | O_CLOEXEC), ret = 0;
	struct stat st;

	if (fd < 0 || fstat(fd, &st)) {
		ret = -errno;
	} else {
		if (!r->slice.size && (uint64_t)st.st_size > r->slice.off)
			r->slice.size = (uint64_t)st.st_size - r->slice.off;
		ret = d->ops->dma_map(d, &r->slice, fd);
	}
	if (ret) {
		gw_err(log, "%s: cannot be guest memory at %#" PRIx64 ": %s", r->file,
		       r->slice.at.v, strerror(-ret));
		gw_hint(log, "it is the file of a memory-backend-file or -memfd with share=on, in pages of "
			"%u bytes, and pieces do not overlap", GW_PAGE_SIZE);
	}
	if (fd >= 0)
		close(fd);
	return ret;
}

static int tell_memory(struct gw_device *d, const struct options *o, struct gw_log *log)
{
	int ret = d->ops->attach(d, NULL, NULL);
	struct ram r;

	for (unsigned int i = 0; !ret && i < o->nr_ram; i++) {
		ret = ram_parse(&r, o->ram[i], log);
		if (ret)
			break;
		ret = ram_tell(d, &r, log);
		free(r.file);
	}
	return ret;
}

static int companion_listen(struct vm *vm, const struct options *o, struct gw_log *log)
{
	const struct gw_vfio_user_options opt = { .spin_us = o->spin_us };
	struct vm_function *f = &vm->function[0];
	struct gw_device *dev = gw_vm_device(f->gw);
	int ret;

	if (o->socket)
		ret = gw_vfio_user_listen(o->socket, dev, &opt, log, &f->server);
	else
		ret = tell_memory(dev, o, log);
	if (ret)
		return ret;
	return gw_companion_link_open(f->gw->companion, o->ivshmem ? GW_LINK_IVSHMEM : GW_LINK_PORT,
				      o->ivshmem ? o->ivshmem : o->port, log, &f->link);
}

static void companion_unlisten(struct vm *vm, const struct options *o)
{
	struct gw_device *dev;

	vm_stop(vm);
	if (!o->nr_ram || !vm->nr_functions)
		return;
	dev = gw_vm_device(vm->function[0].gw);
	dev->ops->detach(dev);
}

static int companion_run(int argc, char **argv, struct gw_log *log)
{
	int ret, ended_by = 0;
	struct options o;
	struct vm vm;
	sigset_t stop;

	ret = options_parse(&o, argc, argv, OPTIONS_COMPANION, log);
	if (ret || o.help)
		return ret;
	o.plan = GW_PLAN_PARAVIRT;
	o.companion = o.ivshmem ? o.ivshmem : o.port;
	/* blocked before the first thread starts, so that only vm_wait() takes them */
	sigemptyset(&stop);
	sigaddset(&stop, SIGTERM);
	sigaddset(&stop, SIGINT);
	sigaddset(&stop, SIGHUP);
	sigprocmask(SIG_BLOCK, &stop, NULL);
	ret = harden(!options_simulated(&o), log);
	if (ret)
		return ret;
	ret = vm_open(&vm, &o, false, log);
	if (!ret)
		ret = companion_listen(&vm, &o, log);
	if (!ret)
		ended_by = vm_wait(&vm, &stop, true);
	companion_unlisten(&vm, &o);
	if (!ret)
		ret = report_print(&vm, o.report);
	vm_close(&vm);
	if (ret < 0)
		return CLI_FAILED;
	return ended_by || ret ? ret : CLI_FAILED;
}

const struct cli_command cli_companion = {
	"companion", "map memory for a VMM that does not speak vfio-user", companion_run
};
