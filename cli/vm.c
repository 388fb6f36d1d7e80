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

#include <gangway/devices.h>

#include "cli/bars.h"
#include "cli/cli.h"
#include "cli/screens.h"

/*
 * How it works: the calls of vm.h follow each other in the command's own thread: open the functions
 * and choose the plan, make the guest's memory, listen, wait for a signal, stop, close. Each socket
 * is served by a thread of the library's. vm_stop() ends those before any function is closed, so
 * none serves a function that is not there.
 */

#define LET_GO_MS	500	/* look so often whether the last VMM has gone */

static void hint_direct(const struct options *o, struct gw_log *log)
{
	gw_hint(log, "--host-option %s makes a host that takes the guest's own addresses",
		options_simulated(o) ? "caller-iova=on" : "hide-caller-iova=off");
}

/* The plan was chosen with the first function. */
static int check_companion(struct vm *vm, const struct options *o)
{
	if (vm->plan != GW_PLAN_PARAVIRT || o->companion)
		return 0;
	gw_err(vm->log, "plan paravirt (%s): --companion PATH is missing", vm->reason);
	gw_hint(vm->log, "it is for a second device, by which the guest's module maps memory; "
		"'gangway run' has one by itself");
	hint_direct(o, vm->log);
	return -EINVAL;
}

/* The next function, of @device; or, if that is NULL, the virtual one after the last. */
static int open_function(struct vm *vm, const struct options *o, const char *device)
{
	unsigned int i = vm->nr_functions;
	const struct gw_companion_options opt = {
		.guest_bdf = i < o->nr_guest_bdfs ? o->guest_bdf[i] : GW_COMPANION_NO_BDF,
		.show = o->show_at_once,
		.any_memory = o->any_memory,
		.poll_us = o->poll_us,
	};
	struct gw_vm_function *f;
	int ret = device ? gw_vm_open(vm->gw, device, &opt, &f) :
			   gw_vm_open_next(vm->function[i - 1].gw, &opt, &f);

	if (ret)
		return ret;
	if (i == MAX_DEVICES) {
		gw_err(vm->log, "%s is one function too many; there can be %d", f->fn->info.name,
		       MAX_DEVICES);
		gw_vm_close(f);
		return -ENOSPC;
	}
	vm->function[vm->nr_functions++].gw = f;
	vm->plan = gw_vm_plan(vm->gw, &vm->reason);
	return i ? 0 : check_companion(vm, o);
}

static int open_device(struct vm *vm, const struct options *o, const char *device)
{
	int ret = open_function(vm, o, device);

	if (ret)
		return ret;
	while (!ret)
		ret = open_function(vm, o, NULL);
	return ret == -ENOENT ? 0 : ret;	/* it was the last */
}

/* What the command ends with where something could not be opened. */
static int exit_code(const struct vm *vm, int err)
{
	switch (err) {
	case 0: return 0;
	case -EINVAL: return CLI_USAGE;
	case -ENOENT:
	case -ENODEV:
	case -EOPNOTSUPP: return CLI_UNAVAILABLE;
	default: return CLI_FAILED;
	}
}

static int share(struct vm *vm, const struct options *o)
{
	const char *name = o->vm ? o->vm : "guest";
	int ret = screens_open(&vm->screens, vm, o->share, name, o->scan_out);

	if (!ret)
		ret = bars_open(&vm->bars, vm, o->share, name);
	if (!ret && !vm->screens && !vm->bars) {
		gw_err(vm->log, "--share: no device has a screen, or memory that can be shared; sim:gpu "
		       "has the one, sim:nvme,cmb=SIZE the other");
		ret = -ENODEV;
	}
	return ret;
}

int vm_open(struct vm *vm, const struct options *o, bool device_tree, struct gw_log *log)
{
	const struct gw_vm_options opt = { .plan = o->plan, .device_tree = device_tree,
					   .several = o->nr_devices > 1,
					   .endpoints = gw_endpoint_types,
					   .memory = o->for_run ? o->memory : 0,
					   .any_memory = o->any_memory };
	int ret;

	*vm = (struct vm){ .log = log, .one_node = o->one_node };
	ret = gw_vm_new(&opt, log, &vm->gw);
	for (unsigned int i = 0; !ret && i < o->nr_host_options; i++)
		ret = gw_vm_set_option(vm->gw, o->host_option[i]);
	for (unsigned int i = 0; !ret && i < o->nr_devices; i++)
		ret = open_device(vm, o, o->device[i]);
	if (ret == -EOPNOTSUPP && o->plan != GW_PLAN_AUTO && !vm->nr_functions) {
		if (!device_tree)
			gw_hint(log, "plans window and pool need an arm64 guest: 'gangway run', or serve "
				"with --device-tree");
		hint_direct(o, log);
	}
	if (!ret && o->scan_out && !o->share) {
		gw_err(log, "--scan-out is of use with --share PATH only");
		ret = -EINVAL;
	}
	if (!ret && o->share)
		ret = share(vm, o);
	return exit_code(vm, ret);
}

int vm_open_memory(struct vm *vm, const struct options *o, gw_gpa gpa)
{
	const struct gw_vm_memory m = { .gpa = gpa, .size = o->memory, .path = o->memory_file,
					.window = o->window };
	const struct gw_window *w = gw_vm_window(vm->gw);
	const struct gw_zone *z = gw_vm_zone(vm->gw);
	int ret = 0;

	for (unsigned int i = 0; !ret && i < vm->nr_functions; i++)
		ret = gw_vm_reach(vm->function[i].gw, &m, (uint8_t)((POOL_SLOT + i) << 3),
				  o->pool_size);
	if (!ret && vm_has_nodes(vm))
		gw_info(vm->log, "window: what lies above it is NUMA node 1, which a kernel that knows NUMA "
			"uses when the window is full, and copies; one that does not uses it first");
	else if (!ret && w->size && w->size < o->memory)
		gw_hint(vm->log, "the guest's kernel copies what lies above the window, and uses that memory "
			"first; --memory %" PRIu64 "M or less needs no copies", w->size >> 20);
	if (z->size)
		gw_info(vm->log, "the host lets less than the guest's RAM be mapped; the device tree has the "
			"kernel allocate for devices in the first %" PRIu64 " MiB of it", z->size >> 20);
	return ret;
}

const struct gw_ram *vm_ram(const struct vm *vm)
{
	return gw_vm_ram(vm->gw);
}

bool vm_has_tree(const struct vm *vm)
{
	return vm_ram(vm) || gw_vm_zone(vm->gw)->size;
}

bool vm_has_nodes(const struct vm *vm)
{
	const struct gw_ram *ram = vm_ram(vm);

	return ram && ram->near && !vm->one_node;
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
		gw_debug(vm->log, "%s: at %s", f->gw->fn->info.name, f->socket);
		ret = gw_vfio_user_listen(f->socket, gw_vm_device(f->gw), &opt,
					  vm->log, &f->server);
		if (ret)
			return ret;
		if (!f->gw->companion)
			continue;
		name_socket(vm, companion, i, f->companion_socket);
		ret = gw_vfio_user_listen(f->companion_socket, gw_vm_companion(f->gw),
					  &opt, vm->log, &f->companion_server);
		if (ret)
			return ret;
	}
	return 0;
}

/* Look at what the host says of each function. Return: how many have not gone. */
static unsigned int watch_functions(struct vm *vm, struct pollfd p[MAX_DEVICES])
{
	unsigned int left = 0;

	for (unsigned int i = 0; i < vm->nr_functions; i++) {
		struct vm_function *f = &vm->function[i];

		if (p[i].revents && !f->gone) {
			f->gone = true;
			gw_guest_function_gone(f->gw->guest);
		}
		/* it stays readable */
		p[i] = (struct pollfd){ .fd = -1, .events = POLLIN };
		if (!f->gone && f->gw->fn->ops->gone(f->gw->fn, &p[i].fd))
			p[i].fd = -1;
		left += !f->gone;
	}
	return left;
}

static void add_device(struct qemu_args *a, const char *name, unsigned int i, unsigned int slot,
		       const char *socket)
{
	char id[32], bus[32];

	snprintf(id, sizeof(id), "%s%u", name, i);
	snprintf(bus, sizeof(bus), "gangway%u", slot);
	qemu_args_add(a, "-device");
	qemu_args_add(a, "pcie-root-port,id=%s,slot=%u,chassis=%u", bus, slot, slot);
	qemu_args_add_device(a, socket, id, bus, NULL);
}

/* Under plan pool the device tree says where a function is. */
static void add_device_at_root(struct qemu_args *a, unsigned int i, const char *socket)
{
	char id[32], addr[16];

	snprintf(id, sizeof(id), "fn%u", i);
	snprintf(addr, sizeof(addr), "%x.0", POOL_SLOT + i);
	qemu_args_add_device(a, socket, id, "pcie.0", addr);
}

void vm_add_devices(const struct vm *vm, struct qemu_args *a, bool ports)
{
	for (unsigned int i = 0; i < vm->nr_functions; i++) {
		const struct vm_function *f = &vm->function[i];

		if (vm->plan == GW_PLAN_POOL) {
			add_device_at_root(a, i, f->socket);
		} else if (ports) {
			add_device(a, "fn", i, i + 1, f->socket);
			if (f->gw->companion)
				add_device(a, "companion", i, MAX_DEVICES + i + 1,
					   f->companion_socket);
		} else {
			qemu_args_add_device(a, f->socket, NULL, NULL, NULL);
			if (f->gw->companion)
				qemu_args_add_device(a, f->companion_socket, NULL, NULL, NULL);
		}
	}
}

static struct json_object *function_json(const struct vm_function *f)
{
	struct json_object *o = json_object_new_object();

	json_object_object_add(o, "name", json_object_new_string(f->gw->fn->info.name));
	json_object_object_add(o, "socket", json_object_new_string(f->socket));
	if (f->gw->companion)
		json_object_object_add(o, "companion",
				       json_object_new_string(f->companion_socket));
	return o;
}

struct json_object *vm_json(const struct vm *vm)
{
	struct json_object *o = json_object_new_object(), *list = json_object_new_array(), *at;
	const struct gw_window *w = gw_vm_window(vm->gw);

	json_object_object_add(o, "plan", json_object_new_string(gw_plan_name(vm->plan)));
	json_object_object_add(o, "reason", json_object_new_string(vm->reason));
	if (w->size) {
		at = json_object_new_object();
		json_object_object_add(at, "gpa", json_object_new_uint64(w->gpa.v));
		json_object_object_add(at, "iova", json_object_new_uint64(w->iova.v));
		json_object_object_add(at, "size", json_object_new_uint64(w->size));
		json_object_object_add(at, "address_bits", json_object_new_int((int)gw_window_bits(w)));
		json_object_object_add(o, "window", at);
	}
	for (unsigned int i = 0; i < vm->nr_functions; i++)
		json_object_array_add(list, function_json(&vm->function[i]));
	json_object_object_add(o, "sockets", list);
	return o;
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

/* Has the only VMM that there could be gone? */
static bool is_spent(const struct vm *vm)
{
	bool spent = false;

	for (unsigned int i = 0; i < vm->nr_functions; i++)
		spent |= gw_guest_function_spent(vm->function[i].gw->guest);
	return spent && is_idle(vm);
}

int vm_wait(struct vm *vm, const sigset_t *signals, bool ends)
{
	const bool once = ends && vm_ram(vm);
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
		if (once && is_spent(vm)) {
			gw_info(vm->log, "the VMM has ended, and the guest's memory was its own: start "
				"'gangway serve' again for another");
			sig = VM_SPENT;
			break;
		}
		p[0] = (struct pollfd){ .fd = fd, .events = POLLIN };
		/* no event tells that a VMM has gone */
		poll(p, 1 + vm->nr_functions, once || (!left && ends) ? LET_GO_MS : -1);
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

		gw_companion_link_close(f->link);
		f->link = NULL;
		gw_vfio_user_close(f->companion_server);
		f->companion_server = NULL;
		if (!f->server)
			continue;
		gw_vfio_user_stats(f->server, &f->served);
		gw_vfio_user_close(f->server);
		f->server = NULL;
	}
	for (unsigned int i = 0; i < vm->nr_functions; i++)
		gw_vm_leave(vm->function[i].gw);
}

void vm_close(struct vm *vm)
{
	vm_stop(vm);
	bars_close(vm->bars);
	screens_close(vm->screens);
	while (vm->nr_functions)
		gw_vm_close(vm->function[--vm->nr_functions].gw);
	gw_vm_free(vm->gw);
	*vm = (struct vm){ 0 };
}
