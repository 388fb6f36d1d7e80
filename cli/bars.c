/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "cli/bars.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <gangway/guest.h>

#include "base/util.h"
#include "cli/screens.h"
#include "share/bars.h"

#define FORCE_MS	1000	/* a reply to the VMM waits for it, so well under its 5 s */
#define DEVICES		"/sys/bus/pci/devices"

struct bars {
	struct gw_share_bars *of[MAX_DEVICES];
	struct gw_guest_function *guest[MAX_DEVICES];
	unsigned int nr;
};

static void on_decode(void *opaque, bool on)
{
	gw_share_bars_decode(opaque, on);
}

/* Which function of the machine a link of @fn's folder leads to. Return: 0; -errno */
static int linked(const struct gw_pci_addr *fn, const char *link, struct gw_pci_addr *to)
{
	char name[GW_PCI_ADDR_SIZE], path[128], target[PATH_MAX], *base;
	ssize_t n;

	snprintf(path, sizeof(path), DEVICES "/%s/%s", gw_pci_addr_format(fn, name), link);
	n = readlink(path, target, sizeof(target) - 1);
	if (n < 0)
		return -errno;
	target[n] = '\0';
	base = strrchr(target, '/');
	return gw_pci_addr_parse(base ? base + 1 : target, to);
}

/* Of the machine's: its physical function, and its index there. */
static void find_pf(struct gw_share_id *id)
{
	struct gw_pci_addr pf, vf;
	char link[32];

	if (linked(&id->fn, "physfn", &pf))
		return;
	for (int i = 0; i < 65536; i++) {
		snprintf(link, sizeof(link), "virtfn%d", i);
		if (linked(&pf, link, &vf))
			return;
		if (vf.domain != id->fn.domain || vf.bus != id->fn.bus || vf.dev != id->fn.dev ||
		    vf.fn != id->fn.fn)
			continue;
		id->pf = pf;
		id->vf = i;
		return;
	}
}

static struct gw_share_id id_of(const struct gw_vm_function *f)
{
	const struct gw_function_info *info = &f->fn->info;
	struct gw_share_id id = { .vf = -1, .fn = { .bus = info->bus, .dev = info->dev,
						    .fn = info->fn } };

	if (!f->ep && gw_pci_addr_parse(info->name, &id.fn))
		id.fn.domain = 0;
	id.pf = id.fn;
	if (!f->ep)
		find_pf(&id);
	return id;
}

static int add(struct bars *b, struct vm *vm, const struct gw_vm_function *f, const char *broker,
	       const char *name)
{
	const struct gw_share_bars_options opt = {
		.broker = broker, .vm = name, .fn = f->fn, .id = id_of(f), .files = f->ep,
		.force_ms = FORCE_MS, .log = vm->log,
	};
	struct gw_share_bars *of;
	struct gw_guest_watch watch = { .decode = on_decode };
	int ret = gw_share_bars_new(&opt, &of);

	if (ret == -ENOENT)
		return 0;
	if (ret) {
		gw_err(vm->log, "%s cannot be shared as VM %s by the broker at %s: %s",
		       f->fn->info.name, name, broker, strerror(-ret));
		return ret;
	}
	b->of[b->nr] = of;
	b->guest[b->nr++] = f->guest;
	watch.opaque = of;
	gw_guest_function_watch(f->guest, &watch);
	return 0;
}

int bars_open(struct bars **out, struct vm *vm, const char *broker, const char *name)
{
	struct bars *b = calloc(1, sizeof(*b));
	int ret = 0;

	if (!b)
		return -ENOMEM;
	for (unsigned int i = 0; i < vm->nr_functions && !ret; i++)
		if (!screens_has(vm->function[i].gw))
			ret = add(b, vm, vm->function[i].gw, broker, name);
	*out = NULL;
	if (ret || !b->nr)
		bars_close(b);
	else
		*out = b;
	return ret;
}

void bars_close(struct bars *b)
{
	if (!b)
		return;
	for (unsigned int i = 0; i < b->nr; i++) {
		gw_guest_function_watch(b->guest[i], NULL);
		gw_share_bars_free(b->of[i]);
	}
	free(b);
}
