/* SPDX-License-Identifier: BSD-3-Clause */
#include "host/vfio/function.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "host/vfio/sysfs.h"

/*
 * How it works: a function is a descriptor in its group's address space. The kernel may want it
 * back at any time, and does not let whoever asks go on until every descriptor and mapping of it
 * is closed: so all that use the descriptor hold a lock for reading, and giving up takes it for
 * writing. Closing the descriptor turns bus mastering off and resets the function; only then does
 * the memory go.
 */

void gw_vfio_function_unclaim(struct gw_vfio_function *fn)
{
	if (!atomic_exchange(&fn->claimed, false))
		return;
	gw_owner_leave(&gw_vfio_space_of(fn)->owner);
	pthread_cond_broadcast(&fn->host->unclaimed);
}

static void function_release(struct gw_vfio_function *fn) GW_HOLDS(fn->host->lock)
{
	struct gw_vfio_space *s;

	/* others' mappings of its BARs end while the BARs are still there */
	LIST_FOREACH(s, &fn->host->spaces.list, link)
		gw_vfio_space_drop_peer(s, fn);
	pthread_rwlock_wrlock(&fn->lock);
	fn->gone = true;
	gw_vfio_bars_close(&fn->bars);
	if (fn->device.fd >= 0)
		close(fn->device.fd);
	fn->device.fd = -1;
	if (fn->space) {
		gw_vfio_function_unclaim(fn);
		gw_vfio_space_drop(fn->space, fn->slot);
		gw_vfio_spaces_put(fn->space, fn->slot);
	}
	fn->space = NULL;
	pthread_rwlock_unlock(&fn->lock);
}

void gw_vfio_function_give_up(struct gw_vfio_function *fn)
{
	const uint64_t one = 1;
	bool was;

	pthread_mutex_lock(&fn->host->lock);
	was = gw_vfio_is_gone(fn);
	if (!was)
		function_release(fn);
	pthread_mutex_unlock(&fn->host->lock);
	if (was)
		return;
	gw_warn(fn->base.log, "%s: given back to the kernel", fn->base.info.name);
	if (write(fn->gone_fd, &one, sizeof(one)) != sizeof(one))
		gw_err(fn->base.log, "%s: cannot tell that it is gone", fn->base.info.name);
}

/*
 * The kernel wants it back: let go if nothing is mapped, or in any case if it has asked for long.
 */
static void let_go(struct gw_vfio_irqs *irqs, bool overdue)
{
	struct gw_vfio_function *fn = container_of(irqs, struct gw_vfio_function, irqs);
	bool idle;

	if (gw_vfio_enter(fn))
		return;
	idle = gw_vfio_space_idle(fn->space, fn->slot);
	gw_vfio_leave(fn);
	if (!idle && !overdue)
		return;
	if (!idle)
		gw_warn(fn->base.log, "%s: the VMM did not let go in time", fn->base.info.name);
	gw_vfio_function_give_up(fn);
}

void gw_vfio_function_free(struct gw_vfio_function *fn)
{
	gw_vfio_irqs_stop(&fn->irqs);
	pthread_mutex_lock(&fn->host->lock);
	if (!gw_vfio_is_gone(fn))
		function_release(fn);
	LIST_REMOVE(fn, link);
	pthread_mutex_unlock(&fn->host->lock);
	gw_vfio_irqs_fini(&fn->irqs);
	gw_vfio_bars_fini(&fn->bars);
	if (fn->gone_fd >= 0)
		close(fn->gone_fd);
	pthread_rwlock_destroy(&fn->lock);
	free(fn);
}

static void limits_fill(struct gw_vfio_function *fn) GW_HOLDS(fn->host->lock)
{
	const struct gw_vfio_options *opt = &fn->host->opt;
	const struct gw_vfio_space *s = gw_vfio_space_of(fn);
	uint64_t most = opt->max_bytes ? opt->max_bytes : gw_vfio_locked_most(&fn->host->spaces.locked);

	fn->base.limits = (struct gw_host_limits){
		.granule = s->granule,
		.max_bytes = most,
		.max_maps = opt->max_maps && opt->max_maps < s->max_maps ? opt->max_maps : s->max_maps,
		.max_map_bytes = most & ~(s->granule - 1),
		.max_segments = 1,
		.iova_first = { s->range[0].first },
		.iova_last = { s->range[s->nr_ranges - 1].last },
		.caller_iova = !fn->host->opt.hide_caller_iova,
		.places = true,
	};
}

/* Does the kernel give each function a node of its own, and is there an iommufd for it? */
static bool has_iommufd(const struct gw_vfio_host *host, const char *bdf)
{
	char path[PATH_MAX], node[64];

	snprintf(path, sizeof(path), "%s/iommu", host->dev);
	if (access(path, F_OK) || gw_sysfs_vfio_node(host->sysfs, bdf, node, sizeof(node)))
		return false;
	snprintf(path, sizeof(path), "%s/vfio/devices/%s", host->dev, node);
	return !access(path, F_OK);
}

/* Whoever has the space already shares it with this function. */
static void say_shared(const struct gw_vfio_function *fn) GW_HOLDS(fn->host->lock)
{
	const struct gw_vfio_space *s = gw_vfio_space_of(fn);
	const struct gw_vfio_function *o;

	LIST_FOREACH(o, &fn->host->functions, link) {
		GW_READABLE(o->lock);	/* by the host's, which is its as well */
		if (o != fn && o->space == s)
			gw_info(fn->base.log, "%s: shares IOMMU group %u with %s, so one VMM at a time has "
				"both", fn->base.info.name, s->group, o->base.info.name);
	}
}

/* Whoever else finds it in the host's list has the host's lock. */
static int function_take(struct gw_vfio_function *fn, unsigned int group) GW_HOLDS(fn->host->lock)
{
	struct gw_vfio_host *host = fn->host;
	bool iommufd = host->opt.iommufd == GW_VFIO_ON ||
		       (host->opt.iommufd == GW_VFIO_AUTO && has_iommufd(host, fn->base.info.name));
	int ret;

	GW_ALONE(fn->lock);	/* with what is not in use yet */
	ret = gw_vfio_spaces_get(&host->spaces, group, iommufd, &fn->space, &fn->slot);
	if (!ret)
		ret = fn->space->ops->open(fn->space, fn->base.info.name, &fn->device.fd);
	if (ret)
		return ret;
	gw_info(host->base.log, "%s: IOMMU group %u, by %s", fn->base.info.name, group,
		iommufd ? "iommufd" : "type1");
	say_shared(fn);
	limits_fill(fn);
	return 0;
}

static int function_setup(struct gw_vfio_function *fn)
{
	int ret = gw_vfio_device_probe(&fn->device);

	if (!ret)
		ret = gw_vfio_bars_open(&fn->bars, fn->host->opt.bar_resource ? fn->host->sysfs : NULL);
	if (!ret)
		ret = gw_vfio_irqs_open(&fn->irqs);
	fn->base.intx = fn->irqs.count[GW_IRQ_INTX];
	if (ret)
		gw_err(fn->base.log, "%s: cannot be set up: %s", fn->base.info.name, strerror(-ret));
	return ret;
}

static struct gw_vfio_function *function_alloc(struct gw_vfio_host *host,
					       const struct gw_function_ops *ops)
{
	struct gw_vfio_function *fn = calloc(1, sizeof(*fn));

	if (!fn)
		return NULL;
	pthread_rwlock_init(&fn->lock, NULL);
	fn->base.ops = ops;
	gw_log_own(&fn->base.own, host->base.log);
	fn->base.log = &fn->base.own;
	fn->host = host;
	fn->device = (struct gw_vfio_device){ .name = fn->base.info.name, .log = fn->base.log,
					      .fd = -1 };
	gw_vfio_irqs_init(&fn->irqs, &fn->device, let_go);
	gw_vfio_bars_init(&fn->bars, &fn->device);
	fn->gone_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	return fn;
}

int gw_vfio_function_new(struct gw_vfio_host *host, const struct gw_function_ops *ops,
			 const char *bdf, unsigned int group, struct gw_function **f)
{
	struct gw_vfio_function *fn = function_alloc(host, ops);
	int ret;

	if (!fn)
		return -ENOMEM;
	ret = fn->gone_fd < 0 ? -EMFILE : gw_sysfs_info(host->sysfs, bdf, &fn->base.info);
	pthread_mutex_lock(&fn->host->lock);
	LIST_INSERT_HEAD(&fn->host->functions, fn, link);
	if (!ret)
		ret = function_take(fn, group);
	pthread_mutex_unlock(&fn->host->lock);
	if (!ret)
		ret = function_setup(fn);
	if (ret) {
		gw_vfio_function_free(fn);
		return ret;
	}
	*f = &fn->base;
	return 0;
}
