/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <gangway/passable.h>

#include "host/vfio/function.h"
#include "host/vfio/group.h"
#include "host/vfio/host.h"
#include "host/vfio/ops.h"
#include "host/vfio/sysfs.h"

static struct gw_vfio_host *to_host(struct gw_host *h)
{
	return container_of(h, struct gw_vfio_host, base);
}

static int list_add(struct gw_vfio_host *host, const struct gw_pci_node *n,
		    struct gw_function_info **list, size_t *nr)
{
	struct gw_function_info info, *more;
	char bdf[GW_PCI_ADDR_SIZE];

	if (!n->vfio || n->group < 0 || gw_passable_never(n) ||
	    gw_sysfs_info(host->sysfs, gw_pci_addr_format(&n->addr, bdf), &info))
		return 0;
	more = reallocarray(*list, *nr + 1, sizeof(*more));
	if (!more)
		return -ENOMEM;
	more[(*nr)++] = info;
	*list = more;
	return 0;
}

static int by_name(const void *a, const void *b)
{
	return strcmp(((const struct gw_function_info *)a)->name,
		      ((const struct gw_function_info *)b)->name);
}

/* What VFIO has, by address. */
static int host_list(struct gw_host *h, struct gw_function_info **list, size_t *nr)
{
	struct gw_vfio_host *host = to_host(h);
	struct gw_topology *t;
	int ret = gw_topology_open(host->tree, h->log, &t);

	*list = NULL;
	*nr = 0;
	if (ret)
		return ret == -ENOENT ? 0 : ret;
	ret = gw_topology_scan(t);
	for (struct gw_pci_node *n = NULL; !ret && (n = gw_topology_next(t, n));)
		if (!gw_pci_node_config(t, n))
			ret = list_add(host, n, list, nr);
	gw_topology_close(t);
	if (ret) {
		free(*list);
		return ret;
	}
	if (*nr)
		qsort(*list, *nr, sizeof(**list), by_name);
	return 0;
}

static bool already_open(struct gw_vfio_host *host, const char *bdf)
{
	struct gw_vfio_function *fn;
	bool found = false;

	pthread_mutex_lock(&host->lock);
	LIST_FOREACH(fn, &host->functions, link)
		found |= !strcmp(fn->base.info.name, bdf);
	pthread_mutex_unlock(&host->lock);
	return found;
}

static int host_open(struct gw_host *h, const char *name, struct gw_function **f)
{
	struct gw_vfio_host *host = to_host(h);
	char bdf[GW_PCI_ADDR_SIZE];
	struct gw_pci_addr addr;
	unsigned int group;
	int ret;

	if (gw_pci_addr_parse(name, &addr)) {
		gw_err(h->log, "'%s' is not a PCI address, such as 0000:01:00.0", name);
		return -EINVAL;
	}
	gw_pci_addr_format(&addr, bdf);
	if (already_open(host, bdf)) {
		gw_err(h->log, "%s is given twice", bdf);
		return -EBUSY;
	}
	ret = gw_vfio_group_check(&host->spaces.at, bdf, h->log, &group);
	return ret ? ret : gw_vfio_function_new(host, &gw_vfio_ops, bdf, group, f);
}

static void host_free(struct gw_host *h)
{
	struct gw_vfio_host *host = to_host(h);

	pthread_cond_destroy(&host->unclaimed);
	pthread_mutex_destroy(&host->lock);
	free(host);
}

static const struct gw_host_ops host_ops = {
	.list = host_list,
	.open = host_open,
	.free = host_free,
};

int gw_vfio_host_new(const struct gw_vfio_options *opt, struct gw_log *log, struct gw_host **out)
{
	struct gw_vfio_host *host = calloc(1, sizeof(*host));

	if (!host)
		return -ENOMEM;
	host->base.ops = &host_ops;
	host->base.log = log;
	if (opt)
		host->opt = *opt;
	if (snprintf(host->tree, sizeof(host->tree), "%s", host->opt.tree ? host->opt.tree : "") >=
	    (int)sizeof(host->tree)) {
		free(host);
		return -ENAMETOOLONG;
	}
	host->opt.tree = host->tree;
	snprintf(host->sysfs, sizeof(host->sysfs), "%s/sys", host->tree);
	snprintf(host->dev, sizeof(host->dev), "%s/dev", host->tree);
	host->spaces.at = (struct gw_vfio_folders){ host->tree, host->sysfs, host->dev };
	host->spaces.log = log;
	gw_vfio_locked_init(&host->spaces.locked);
	pthread_mutex_init(&host->lock, NULL);
	pthread_cond_init(&host->unclaimed, NULL);
	LIST_INIT(&host->spaces.list);
	LIST_INIT(&host->functions);
	*out = &host->base;
	return 0;
}
