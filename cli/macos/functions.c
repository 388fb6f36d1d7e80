/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "cli/macos/functions.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <gangway/iokit.h>

/* For the life of the process: an extension that was given up may yet answer. */
static struct gw_dext_services *services;
static struct gw_host *host;

static void take_window(struct mac_function *f)
{
	struct gw_dext_description d;

	for (unsigned int i = 0;; i++) {
		int ret;

		memset(&d, 0, sizeof(d));
		ret = services->ops->describe(services, i, &d);
		if (ret == -ENOENT)
			return;
		if (ret || !d.addressed || d.bus != f->info.bus || d.dev != f->info.dev ||
		    d.fn != f->info.fn || (*f->info.root && strcmp(d.root, f->info.root) != 0))
			continue;
		f->granule = d.granule;
		f->iova_first = d.iova_first;
		f->iova_last = d.iova_last;
		return;
	}
}

static int list_have(struct gw_log *log)
{
	int ret = services ? 0 : gw_iokit_new(NULL, NULL, NULL, &services);

	return ret || host ? ret : gw_dext_host_new(services, log, &host);
}

int functions_list(struct gw_log *log, struct mac_function **out, size_t *nr)
{
	struct gw_function_info *info = NULL;
	struct mac_function *list = NULL;
	int ret = list_have(log);

	*out = NULL;
	*nr = 0;
	if (!ret)
		ret = host->ops->list(host, &info, nr);
	if (ret || !*nr) {
		free(info);
		return ret;
	}
	list = calloc(*nr, sizeof(*list));
	for (size_t i = 0; list && i < *nr; i++) {
		list[i].info = info[i];
		take_window(&list[i]);
	}
	free(info);
	*out = list;
	return list ? 0 : -ENOMEM;
}

unsigned int functions_bits(const struct mac_function *f)
{
	unsigned int bits = 0;

	for (uint64_t at = f->granule ? f->iova_last : 0; at; at >>= 1)
		bits++;
	return bits;
}

void functions_window(const struct mac_function *f, char *text, size_t size)
{
	if (!f->granule)
		snprintf(text, size, "its DART's window is not known");
	else
		snprintf(text, size, "DART window %#" PRIx64 " to %#" PRIx64 ", %" PRIu64 " MiB in pages of %"
			 PRIu64 " KiB: drivers need %u address bits", f->iova_first, f->iova_last,
			 (f->iova_last - f->iova_first + 1) >> 20, f->granule >> 10, functions_bits(f));
}
