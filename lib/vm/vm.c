/* SPDX-License-Identifier: BSD-3-Clause */
#include "vm/vm.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/quote.h"
#include "vm/virtual.h"

/*
 * How it works: the first function that is opened decides of which host all are, and settles the
 * plan. The host goes with the last, so that what it has claimed can be opened again. The plan, and
 * what a guest has been told of windows and pools, stay: a function that comes back is to find
 * them.
 */

#define SIM_ROOT	"sim0"
#define SIM_FIRST	0x10u	/* simulated functions get a device number each, from here on */
#define SIM_DEVICES	(0x20u - SIM_FIRST)
#define LABEL_MAX	(GW_SIM_NAME - 8u)	/* and #NUMBER */

int gw_vm_new(const struct gw_vm_options *opt, struct gw_log *log, struct gw_vm **out)
{
	struct gw_vm *vm = calloc(1, sizeof(*vm));

	if (!vm)
		return -ENOMEM;
	vm->opt = *opt;
	vm->log = log;
	vm->plan = GW_PLAN_AUTO;
	pthread_rwlock_init(&vm->lock, NULL);
	pthread_mutex_init(&vm->list_lock, NULL);
	*out = vm;
	return 0;
}

void gw_vm_free(struct gw_vm *vm)
{
	if (!vm)
		return;
	gw_window_close(&vm->window);
	gw_pools_close(&vm->pools);
	for (unsigned int i = 0; i < vm->nr_options; i++)
		free(vm->option[i]);
	free(vm->option);
	pthread_mutex_destroy(&vm->list_lock);
	pthread_rwlock_destroy(&vm->lock);
	free(vm);
}

static int sim_option(void *host, const char *key, const char *value, struct gw_log *log)
{
	struct gw_vm *vm = host;
	int ret = gw_dext_set_option(&vm->dexts, key, value, log);

	return ret == -ENOENT ? gw_sim_set_option(vm->sim, key, value) : ret;
}

/*
 * What messages call it: as the user did, as far as that fits, so that devices of several processes
 * are told apart; and which one, where several are called so.
 */
static void device_label(const struct gw_vm *vm, const char *device, char label[GW_SIM_NAME])
{
	const struct gw_vm_function *f;
	size_t len = strlen(device), comma = LABEL_MAX;
	char word[GW_SIM_NAME];

	if (len > LABEL_MAX) {
		while (comma && device[comma] != ',')
			comma--;
		len = comma ? comma : LABEL_MAX;
	}
	snprintf(word, sizeof(word), "%.*s", (int)len, device);
	gw_quote(word, label, GW_SIM_NAME);
	GW_READABLE(vm->lock);	/* functions come and go in calls that name the VM, as this is: one
				 * at a time */
	for (f = vm->functions; f; f = f->next)
		if (!strcmp(f->fn->info.name, label)) {
			snprintf(label + strlen(label), GW_SIM_NAME - strlen(label), "#%u", vm->nr_sim + 1);
			return;
		}
}

/* "sim:TYPE,options" becomes an endpoint on the simulated bus. */
static int sim_add(struct gw_vm *vm, const char *device, const char *label, char name[64],
		   struct gw_endpoint **out)
{
	const struct gw_endpoint_type *const *t = vm->opt.endpoints;
	const char *spec = device + 4, *opts = spec + strcspn(spec, ",");
	size_t len = (size_t)(opts - spec);
	unsigned int dev = SIM_FIRST + vm->nr_sim;
	struct gw_endpoint *ep;
	int ret;

	while (t && *t && (strlen((*t)->name) != len || memcmp((*t)->name, spec, len)))
		t++;
	if (!t || !*t) {
		gw_err(vm->log, "'%s': the simulated host has no '%.*s'", device, (int)len, spec);
		gw_hint(vm->log, "gangway list shows what there is");
		return -EINVAL;
	}
	if (vm->nr_sim == SIM_DEVICES) {
		gw_err(vm->log, "'%s': the simulated bus has no room for more than %u functions",
		       device, SIM_DEVICES);
		return -ENOSPC;
	}
	ret = (*t)->make(*opts ? opts + 1 : opts, vm->log, &ep);
	if (!ret)
		ret = gw_sim_add(vm->sim, ep, SIM_ROOT, 0, (uint8_t)dev, 0);
	if (!ret) {
		gw_sim_name(ep, label);
		vm->nr_sim++;
		snprintf(name, 64, "00:%02x.0", dev);
		*out = ep;
	}
	return ret;
}

static bool is_sim(const char *device)
{
	return !strncmp(device, "sim:", 4);
}

static int host_new_sim(struct gw_vm *vm)
{
	int ret = gw_sim_new(vm->log, &vm->sim);

	if (!ret) {
		gw_vm_tell_causes(vm);
		ret = gw_vm_host_options(vm, sim_option, vm);
	}
	if (!ret)
		ret = gw_dext_host_new(gw_sim_services(vm->sim), vm->log, &vm->host);
	if (!ret)
		gw_dext_host_set_options(vm->host, &vm->dexts);
	return ret;
}

static void host_drop(struct gw_vm *vm)
{
	struct gw_vm_card *card;

	while ((card = SLIST_FIRST(&vm->cards))) {
		SLIST_REMOVE_HEAD(&vm->cards, link);
		gw_virtual_disable(card->pf);
		card->pf->ops->close(card->pf);
		free(card);
	}
	if (vm->host)
		vm->host->ops->free(vm->host);
	gw_sim_free(vm->sim);
	vm->host = NULL;
	vm->sim = NULL;
	vm->nr_sim = 0;
}

/* Have the host that @device is of. */
static int host_have(struct gw_vm *vm, const char *device)
{
	if (!vm->host)
		return is_sim(device) ? host_new_sim(vm) : gw_vm_platform_host(vm);
	if (is_sim(device) == (vm->sim != NULL))
		return 0;
	gw_err(vm->log, "'%s': no such device; devices of the simulated host begin with sim:, and PCI "
	       "functions are not mixed with them", device);
	gw_hint(vm->log, "gangway list shows what there is");
	return -EINVAL;
}

static int function_claim(struct gw_vm *vm, const char *name, struct gw_function **fn)
{
	int ret = vm->host->ops->open(vm->host, name, fn);

	if (ret && vm->sim)	/* the other host has said why */
		gw_err(vm->log, "cannot open %s: %s", name, strerror(-ret));
	return ret;
}

/* Keep a physical function, and have its virtual ones. */
static int card_open(struct gw_vm *vm, const char *name, struct gw_endpoint *ep,
		     struct gw_vm_card **out)
{
	struct gw_vm_card *card = calloc(1, sizeof(*card));
	int ret = card ? function_claim(vm, name, &card->pf) : -ENOMEM;

	if (ret) {
		free(card);
		return ret;
	}
	card->ep = ep;
	SLIST_INSERT_HEAD(&vm->cards, card, link);
	ret = gw_virtual_enable(card->pf);
	if (ret < 0)
		return ret;
	card->vfs = (unsigned int)ret;
	*out = card;
	return 0;
}

static int virtual_open(struct gw_vm_function *f, struct gw_function *pf, struct gw_endpoint *ep,
			unsigned int vf)
{
	char name[GW_VIRTUAL_NAME];

	f->pf = pf;
	f->ep = ep;
	f->vf = vf;
	gw_virtual_name(pf, vf, name);
	return function_claim(f->vm, name, &f->fn);
}

static int function_open(struct gw_vm_function *f, const char *device)
{
	struct gw_vm *vm = f->vm;
	char name[64], label[GW_SIM_NAME];
	struct gw_vm_card *card;
	struct gw_endpoint *ep;
	int ret;

	if (!vm->sim)
		return function_claim(vm, device, &f->fn);
	device_label(vm, device, label);
	ret = sim_add(vm, device, label, name, &ep);
	if (ret)
		return ret;
	if (!ep->desc.sriov.total) {
		ret = function_claim(vm, name, &f->fn);
		if (!ret)
			snprintf(f->fn->info.name, sizeof(f->fn->info.name), "%s", label);
		return ret;
	}
	ret = card_open(vm, name, ep, &card);
	return ret ? ret : virtual_open(f, card->pf, ep, 0);
}

static int plan_settle(struct gw_vm *vm, const struct gw_function *fn)
{
	bool window = vm->opt.device_tree && !(vm->opt.several && vm->opt.plan == GW_PLAN_AUTO);
	int ret;

	if (vm->plan != GW_PLAN_AUTO)
		return 0;
	ret = gw_plan_choose(&fn->limits, window, vm->opt.plan, &vm->plan, vm->reason);
	if (!ret && window != vm->opt.device_tree && vm->plan == GW_PLAN_PARAVIRT)
		snprintf(vm->reason, sizeof(vm->reason), "the host chooses the DMA addresses, and "
			 "several devices would need one window at the same address");
	if (ret) {
		gw_err(vm->log, "plan %s cannot work here: %s", gw_plan_name(vm->opt.plan),
		       vm->reason);
		vm->plan = GW_PLAN_AUTO;
		return ret;
	}
	gw_info(vm->log, "plan %s: %s", gw_plan_name(vm->plan), vm->reason);
	return 0;
}

static int function_show(struct gw_vm_function *f, const struct gw_companion_options *companion)
{
	struct gw_vm *vm = f->vm;
	struct gw_log *log = f->fn->log;	/* one guest's lines do not mute another's */
	int ret = gw_dma_new(f->fn, vm->plan, log, &f->dma);

	if (!ret && vm->opt.any_memory)
		gw_dma_any_memory(f->dma);
	if (!ret)
		ret = gw_guest_function_new(f->fn, f->dma, log, &f->guest);
	if (!ret && vm->plan == GW_PLAN_PARAVIRT)
		ret = gw_companion_new(f->guest, companion, log, &f->companion);
	if (ret)
		gw_err(vm->log, "%s: cannot be shown to a guest: %s", f->fn->info.name,
		       strerror(-ret));
	return ret == -EINVAL ? -EPROTO : ret;	/* its own doing, not that of the caller's words */
}

/* What is left to do once it is open. It is closed after an error. */
static int function_settle(struct gw_vm_function *f, int ret,
			   const struct gw_companion_options *companion,
			   struct gw_vm_function **out)
{
	if (!ret)
		ret = plan_settle(f->vm, f->fn);
	if (!ret)
		ret = function_show(f, companion);
	if (ret) {
		gw_vm_close(f);
		return ret;
	}
	gw_vm_join(f);
	*out = f;
	return 0;
}

static struct gw_vm_function *function_new(struct gw_vm *vm)
{
	struct gw_vm_function *f = calloc(1, sizeof(*f));

	if (!f)
		return NULL;
	f->vm = vm;
	vm->nr++;
	return f;
}

int gw_vm_open(struct gw_vm *vm, const char *device, const struct gw_companion_options *companion,
	       struct gw_vm_function **out)
{
	struct gw_vm_function *f = function_new(vm);
	int ret;

	if (!f)
		return -ENOMEM;
	ret = host_have(vm, device);
	if (!ret)
		ret = function_open(f, device);
	return function_settle(f, ret, companion, out);
}

int gw_vm_open_next(struct gw_vm_function *f, const struct gw_companion_options *companion,
		    struct gw_vm_function **next)
{
	struct gw_vm_function *n;

	if (!f->pf || f->vf + 1 >= f->ep->desc.sriov.total)
		return -ENOENT;
	n = function_new(f->vm);
	if (!n)
		return -ENOMEM;
	return function_settle(n, virtual_open(n, f->pf, f->ep, f->vf + 1), companion, next);
}

void gw_vm_close(struct gw_vm_function *f)
{
	struct gw_vm *vm = f->vm;

	gw_vm_part(f);
	gw_companion_free(f->companion);
	gw_guest_function_free(f->guest);
	gw_dma_free(f->dma);
	if (f->fn) {
		gw_vm_leave(f);
		f->fn->ops->close(f->fn);
	}
	free(f);
	if (!--vm->nr)
		host_drop(vm);
}

struct gw_device *gw_vm_device(struct gw_vm_function *f)
{
	return gw_guest_function_device(f->guest);
}

struct gw_device *gw_vm_companion(struct gw_vm_function *f)
{
	return f->companion ? gw_companion_device(f->companion) : NULL;
}

enum gw_plan gw_vm_plan(const struct gw_vm *vm, const char **reason)
{
	if (reason)
		*reason = vm->reason;
	return vm->plan;
}

struct gw_sim *gw_vm_sim(const struct gw_vm *vm)
{
	return vm->sim;
}
