/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "cli/vm.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <gangway/vfio.h>

#include "devices/devices.h"

#define SIM_ROOT	"sim0"
#define LET_GO_MS	500	/* look so often whether the last VMM has gone */
#define SIM_FIRST_DEV	0x10u	/* functions get a device number each, from here on */

/* Of the simulated host, or of @vfio where that is given. */
static int set_host_options(struct vm *vm, const struct options *o,
			    struct gw_vfio_options *vfio)
{
	char pair[256];

	for (unsigned int i = 0; i < o->nr_host_options; i++) {
		char *eq;
		int ret;

		if (strlen(o->host_option[i]) >= sizeof(pair)) {
			gw_err(vm->log, "--host-option '%s': too long", o->host_option[i]);
			return -EINVAL;
		}
		strcpy(pair, o->host_option[i]);
		eq = strchr(pair, '=');
		if (!eq) {
			gw_err(vm->log, "--host-option '%s': wants KEY=VALUE", pair);
			return -EINVAL;
		}
		*eq = '\0';
		ret = vfio ? gw_vfio_set_option(vfio, pair, eq + 1, vm->log) :
			     gw_sim_set_option(vm->sim, pair, eq + 1);
		if (ret)
			return ret;
	}
	return 0;
}

/* "sim:TYPE,options" becomes an endpoint on the simulated bus. */
static int add_endpoint(struct vm *vm, const char *device, unsigned int i)
{
	const char *spec = device + 4, *opts = strchrnul(spec, ',');
	size_t len = (size_t)(opts - spec);
	struct gw_endpoint *ep;
	int ret;

	if (strncmp(device, "sim:", 4)) {
		gw_err(vm->log, "'%s': no such device; devices of the simulated host begin with sim:, "
		       "and PCI functions are not mixed with them", device);
		gw_hint(vm->log, "gangway list shows what there is");
		return -ENOENT;
	}
	for (const struct gw_endpoint_type *const *t = gw_endpoint_types; *t; t++) {
		if (strlen((*t)->name) != len || memcmp((*t)->name, spec, len))
			continue;
		ret = (*t)->new(*opts ? opts + 1 : opts, vm->log, &ep);
		if (ret)
			return ret;
		return gw_sim_add(vm->sim, ep, SIM_ROOT, 0, (uint8_t)(SIM_FIRST_DEV + i), 0);
	}
	gw_err(vm->log, "'%s': the simulated host has no '%.*s'", device, (int)len, spec);
	gw_hint(vm->log, "gangway list shows what there is");
	return -ENOENT;
}

static bool is_sim(const struct options *o)
{
	return !strncmp(o->device[0], "sim:", 4);
}

static int open_sim_host(struct vm *vm, const struct options *o)
{
	int ret = gw_sim_new(vm->log, &vm->sim);

	if (!ret)
		ret = set_host_options(vm, o, NULL);
	for (unsigned int i = 0; !ret && i < o->nr_devices; i++)
		ret = add_endpoint(vm, o->device[i], i);
	return ret ? ret : gw_dext_host_new(gw_sim_services(vm->sim), vm->log, &vm->host);
}

/* Devices are PCI addresses. */
static int open_vfio_host(struct vm *vm, const struct options *o)
{
	struct gw_vfio_options vfio = { 0 };
	int ret = set_host_options(vm, o, &vfio);

	return ret ? ret : gw_vfio_host_new(&vfio, vm->log, &vm->host);
}

static int open_function(struct vm *vm, const struct options *o, unsigned int i)
{
	struct vm_function *f = &vm->function[i];
	char name[64];
	int ret;

	if (is_sim(o))
		snprintf(name, sizeof(name), "00:%02x.0", SIM_FIRST_DEV + i);
	else
		snprintf(name, sizeof(name), "%s", o->device[i]);
	ret = vm->host->ops->open(vm->host, name, &f->fn);
	if (ret && vm->sim)	/* the other host has said why */
		gw_err(vm->log, "cannot open %s: %s", name, strerror(-ret));
	return ret;
}

static void hint_direct(const struct vm *vm)
{
	if (!vm->function[0].fn->limits.caller_iova)
		gw_hint(vm->log, "--host-option %s makes a host that takes the guest's own addresses",
			vm->sim ? "caller-iova=on" : "hide-caller-iova=off");
}

static int choose_plan(struct vm *vm, const struct options *o, bool device_tree)
{
	int ret = gw_plan_choose(&vm->function[0].fn->limits, device_tree, o->plan, &vm->plan,
				 vm->reason);

	if (ret) {
		gw_err(vm->log, "plan %s cannot work here: %s", gw_plan_name(o->plan), vm->reason);
		if (!device_tree)
			gw_hint(vm->log, "plans window and pool need an arm64 guest: 'gangway run', or serve "
				"with --device-tree");
		hint_direct(vm);
		return ret;
	}
	if (vm->plan == GW_PLAN_PARAVIRT && !o->companion) {
		gw_err(vm->log, "plan paravirt (%s): --companion PATH is missing", vm->reason);
		gw_hint(vm->log, "it is for a second device, by which the guest's module maps memory; "
			"'gangway run' has one by itself");
		hint_direct(vm);
		return -EINVAL;
	}
	gw_info(vm->log, "plan %s: %s", gw_plan_name(vm->plan), vm->reason);
	return 0;
}

static int show_function(struct vm *vm, const struct options *o, unsigned int i)
{
	const struct gw_companion_options opt = {
		.guest_bdf = i < o->nr_guest_bdfs ? o->guest_bdf[i] : GW_COMPANION_NO_BDF,
		.show = o->show_at_once,
		.poll_us = o->poll_us,
	};
	struct vm_function *f = &vm->function[i];
	int ret = gw_dma_new(f->fn, vm->plan, vm->log, &f->dma);

	if (!ret)
		ret = gw_guest_function_new(f->fn, f->dma, vm->log, &f->guest);
	if (!ret && vm->plan == GW_PLAN_PARAVIRT)
		ret = gw_companion_new(f->guest, &opt, vm->log, &f->companion);
	if (ret)
		gw_err(vm->log, "%s: cannot be shown to a guest: %s", f->fn->info.name,
		       strerror(-ret));
	return ret;
}

int vm_open(struct vm *vm, const struct options *o, bool device_tree, struct gw_log *log)
{
	int ret;

	*vm = (struct vm){ .log = log };
	ret = is_sim(o) ? open_sim_host(vm, o) : open_vfio_host(vm, o);
	for (unsigned int i = 0; !ret && i < o->nr_devices; i++) {
		ret = open_function(vm, o, i);
		if (!ret)
			vm->nr_functions++;
	}
	if (!ret)
		ret = choose_plan(vm, o, device_tree);
	for (unsigned int i = 0; !ret && i < vm->nr_functions; i++)
		ret = show_function(vm, o, i);
	return ret;
}

static int open_window(struct vm *vm, const struct options *o, gw_gpa gpa)
{
	int ret = gw_window_open(vm->function[0].fn, vm->log, gpa, o->memory, o->window,
				 o->memory_file, &vm->window);

	for (unsigned int i = 1; !ret && i < vm->nr_functions; i++)
		ret = gw_window_share(&vm->window, vm->function[i].fn, vm->log);
	if (ret)
		return ret;
	gw_info(vm->log, "window: guest %#" PRIx64 " is at %#" PRIx64 " for the device, %" PRIu64
		" MiB of %" PRIu64, vm->window.gpa.v, vm->window.iova.v, vm->window.size >> 20,
		o->memory >> 20);
	if (vm->window.size < o->memory)
		gw_hint(vm->log, "the guest's kernel copies what lies above the window, and uses that memory "
			"first; --memory %" PRIu64 "M or less needs no copies", vm->window.size >> 20);
	return 0;
}

static int open_pools(struct vm *vm, const struct options *o, gw_gpa gpa)
{
	int ret = gw_pools_open(&vm->pools, gpa, o->memory, o->memory_file, vm->log);

	for (unsigned int i = 0; !ret && i < vm->nr_functions; i++) {
		const struct gw_pool *pool = &vm->pools.pool[i];

		ret = gw_pools_add(&vm->pools, vm->function[i].fn, (uint8_t)((POOL_SLOT + i) << 3),
				   o->pool_size, vm->log);
		if (!ret)
			gw_info(vm->log, "pool of %s: guest %#" PRIx64 " is at %#" PRIx64
				" for the device, %" PRIu64 " MiB", vm->function[i].fn->info.name,
				pool->gpa.v, pool->iova.v, pool->size >> 20);
	}
	return ret;
}

int vm_open_memory(struct vm *vm, const struct options *o, gw_gpa gpa)
{
	switch (vm->plan) {
	case GW_PLAN_WINDOW: return open_window(vm, o, gpa);
	case GW_PLAN_POOL: return open_pools(vm, o, gpa);
	default: return 0;
	}
}

const struct gw_ram *vm_ram(const struct vm *vm)
{
	switch (vm->plan) {
	case GW_PLAN_WINDOW: return &vm->window.ram;
	case GW_PLAN_POOL: return &vm->pools.ram;
	default: return NULL;
	}
}

int vm_amend_tree(const struct vm *vm, const char *path)
{
	return vm->plan == GW_PLAN_POOL ? gw_fdt_add_pools(path, path, &vm->pools, vm->log) :
					 gw_fdt_add_window(path, path, &vm->window, vm->log);
}

/* The socket of the @i-th device. */
static void name_socket(const struct vm *vm, const char *path, unsigned int i, char socket[256])
{
	if (vm->nr_functions > 1)
		snprintf(socket, 256, "%s.%u", path, i);
	else
		snprintf(socket, 256, "%s", path);
}

int vm_listen(struct vm *vm, const char *path, const char *companion,
		  unsigned int spin_us)
{
	const struct gw_vfio_user_options opt = { .spin_us = spin_us };

	for (unsigned int i = 0; i < vm->nr_functions; i++) {
		struct vm_function *f = &vm->function[i];
		int ret;

		name_socket(vm, path, i, f->socket);
		ret = gw_vfio_user_listen(f->socket, gw_guest_function_device(f->guest), &opt,
					  vm->log, &f->server);
		if (ret)
			return ret;
		if (!f->companion)
			continue;
		name_socket(vm, companion, i, f->companion_socket);
		ret = gw_vfio_user_listen(f->companion_socket, gw_companion_device(f->companion),
					  &opt, vm->log, &f->companion_server);
		if (ret)
			return ret;
	}
	return 0;
}

/* What the host says of each function. Return: how many have not gone. */
static unsigned int watch_functions(struct vm *vm, struct pollfd p[MAX_DEVICES])
{
	unsigned int left = 0;

	for (unsigned int i = 0; i < vm->nr_functions; i++) {
		struct vm_function *f = &vm->function[i];

		if (p[i].revents && !f->gone) {
			f->gone = true;
			gw_guest_function_gone(f->guest);
		}
		/* it stays readable */
		p[i] = (struct pollfd){ .fd = -1, .events = POLLIN };
		if (!f->gone && f->fn->ops->gone(f->fn, &p[i].fd))
			p[i].fd = -1;
		left += !f->gone;
	}
	return left;
}

static bool has_client(struct gw_vfio_user *server)
{
	struct gw_vfio_user_stats stats = { 0 };

	if (server)
		gw_vfio_user_stats(server, &stats);
	return stats.connected;
}

static bool is_idle(const struct vm *vm)
{
	for (unsigned int i = 0; i < vm->nr_functions; i++)
		if (has_client(vm->function[i].server) ||
		    has_client(vm->function[i].companion_server))
			return false;
	return true;
}

int vm_wait(struct vm *vm, const sigset_t *signals, bool ends)
{
	struct pollfd p[1 + MAX_DEVICES] = { 0 };
	struct signalfd_siginfo info;
	int fd = signalfd(-1, signals, SFD_CLOEXEC | SFD_NONBLOCK), sig = 0;

	/* said when all is open that will be: tests count descriptors from here on */
	if (ends)
		gw_info(vm->log, "serving; SIGTERM ends it");
	if (fd < 0) {
		gw_warn(vm->log, "cannot watch the functions: %s; one that disappears is noticed when "
			"it is used", strerror(errno));
		sigwait(signals, &sig);
		return sig;
	}
	while (!sig) {
		unsigned int left = watch_functions(vm, p + 1);

		if (!left && ends && is_idle(vm)) {
			gw_err(vm->log, "nothing is left to serve");
			break;
		}
		p[0] = (struct pollfd){ .fd = fd, .events = POLLIN };
		/* nobody tells when a VMM goes */
		poll(p, 1 + vm->nr_functions, !left && ends ? LET_GO_MS : -1);
		if (read(fd, &info, sizeof(info)) == sizeof(info))
			sig = (int)info.ssi_signo;
	}
	close(fd);
	return sig;
}

void vm_stop(struct vm *vm)
{
	for (unsigned int i = 0; i < vm->nr_functions; i++) {
		struct vm_function *f = &vm->function[i];

		gw_vfio_user_close(f->companion_server);
		f->companion_server = NULL;
		if (!f->server)
			continue;
		gw_vfio_user_stats(f->server, &f->served);
		gw_vfio_user_close(f->server);
		f->server = NULL;
	}
	gw_window_unmap(&vm->window);
	gw_pools_unmap(&vm->pools);
}

void vm_close(struct vm *vm)
{
	vm_stop(vm);
	for (unsigned int i = 0; i < vm->nr_functions; i++) {
		gw_companion_free(vm->function[i].companion);
		gw_guest_function_free(vm->function[i].guest);
		gw_dma_free(vm->function[i].dma);
	}
	gw_window_close(&vm->window);
	gw_pools_close(&vm->pools);
	for (unsigned int i = 0; i < vm->nr_functions; i++)
		vm->function[i].fn->ops->close(vm->function[i].fn);
	if (vm->host)
		vm->host->ops->free(vm->host);
	gw_sim_free(vm->sim);
	*vm = (struct vm){ 0 };
}
