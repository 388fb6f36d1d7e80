/* SPDX-License-Identifier: BSD-3-Clause */
#include "host/vfio/function.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "host/vfio/sysfs.h"
#include "config/caps.h"

/*
 * How it works: a function is a descriptor in its group's address space. The kernel may want it
 * back at any time, and does not let whoever asks go on until every descriptor and mapping of it
 * is closed: so all that use the descriptor hold a lock for reading, and giving up takes it for
 * writing. Closing the descriptor turns bus mastering off and resets the function; only then does
 * the memory go.
 */

static int config_check(const struct gw_vfio_function *fn, unsigned int off, unsigned int width)
{
	if ((width != 1 && width != 2 && width != 4) || off % width || off >= fn->config_size ||
	    width > fn->config_size - off)
		return -EINVAL;
	return 0;
}

static int config_read(struct gw_function *f, unsigned int off, unsigned int width, uint32_t *val)
{
	struct gw_vfio_function *fn = gw_vfio_fn(f);
	uint8_t raw[4] = { 0 };
	int ret = config_check(fn, off, width);

	if (!ret)
		ret = gw_vfio_enter(fn);
	if (ret)
		return ret;
	if (pread(fn->device, raw, width, (off_t)(fn->config_off + off)) != (ssize_t)width)
		ret = -EIO;
	gw_vfio_leave(fn);
	*val = gw_pci_get(raw, 0, width);
	return ret;
}

/* Does a write of config space turn bus mastering on? The bit is in COMMAND's first byte. */
static bool makes_master(unsigned int off, uint32_t val)
{
	return off == GW_PCI_COMMAND && val & GW_PCI_COMMAND_MASTER;
}

static int config_write(struct gw_function *f, unsigned int off, unsigned int width, uint32_t val)
{
	struct gw_vfio_function *fn = gw_vfio_fn(f);
	uint8_t raw[4] = { 0 };
	int ret = config_check(fn, off, width);

	if (!ret && makes_master(off, val) && !atomic_load(&fn->claimed))
		ret = -EPERM;
	if (!ret)
		ret = gw_vfio_enter(fn);
	if (ret)
		return ret;
	gw_pci_put(raw, 0, width, val);
	if (pwrite(fn->device, raw, width, (off_t)(fn->config_off + off)) != (ssize_t)width)
		ret = -EIO;
	gw_vfio_leave(fn);
	return ret;
}

static int function_gone(struct gw_function *f, int *fd)
{
	*fd = gw_vfio_fn(f)->gone_fd;
	return 0;
}

/* Under the host's lock. */
static void function_release(struct gw_vfio_function *fn)
{
	struct gw_vfio_space *s;

	/* others' mappings of its BARs end while the BARs are still there */
	LIST_FOREACH(s, &fn->host->spaces, link)
		gw_vfio_space_drop_peer(s, fn);
	pthread_rwlock_wrlock(&fn->lock);
	fn->gone = true;
	gw_vfio_bars_close(fn);
	if (fn->device >= 0)
		close(fn->device);
	fn->device = -1;
	if (fn->space) {
		gw_vfio_claim_end(fn);
		gw_vfio_space_drop(fn->space, fn->slot);
		gw_vfio_host_put_space(fn->space, fn->slot);
	}
	fn->space = NULL;
	pthread_rwlock_unlock(&fn->lock);
}

void gw_vfio_function_give_up(struct gw_vfio_function *fn)
{
	const uint64_t one = 1;
	bool was;

	pthread_mutex_lock(&fn->host->lock);
	was = fn->gone;
	if (!was)
		function_release(fn);
	pthread_mutex_unlock(&fn->host->lock);
	if (was)
		return;
	gw_warn(fn->base.log, "%s: given back to the kernel", fn->base.info.name);
	if (write(fn->gone_fd, &one, sizeof(one)) != sizeof(one))
		gw_err(fn->base.log, "%s: cannot tell that it is gone", fn->base.info.name);
}

static void function_free(struct gw_vfio_function *fn)
{
	gw_vfio_irqs_stop(fn);
	pthread_mutex_lock(&fn->host->lock);
	if (!fn->gone)
		function_release(fn);
	LIST_REMOVE(fn, link);
	pthread_mutex_unlock(&fn->host->lock);
	gw_vfio_irqs_close(fn);
	for (unsigned int i = 0; i < GW_NR_BARS; i++)
		if (fn->bar[i].fd >= 0)
			close(fn->bar[i].fd);
	if (fn->gone_fd >= 0)
		close(fn->gone_fd);
	pthread_rwlock_destroy(&fn->lock);
	free(fn);
}

static void function_close(struct gw_function *f)
{
	uint32_t command;

	/* the kernel does so too, but only after all mappings of the BARs are gone */
	if (!config_read(f, GW_PCI_COMMAND, 2, &command))
		config_write(f, GW_PCI_COMMAND, 2, command & ~GW_PCI_COMMAND_MASTER);
	function_free(gw_vfio_fn(f));
}

static const struct gw_claim_ops claim_ops = {
	.take = gw_vfio_claim,
	.drop = gw_vfio_unclaim,
};

static const struct gw_irq_ops irq_ops = {
	.enable = gw_vfio_irq_enable,
	.eventfd = gw_vfio_irq_eventfd,
	.intx_mask = gw_vfio_intx_mask,
	.intx_unmask_fd = gw_vfio_intx_unmask_fd,
};

static const struct gw_peer_ops peer_ops = {
	.bar_export = gw_vfio_bar_export,
	.dma_map_bar = gw_vfio_dma_map_bar,
};

const struct gw_function_ops gw_vfio_function_ops = {
	.config_read = config_read,
	.config_write = config_write,
	.bar_info = gw_vfio_bar_info,
	.bar_map = gw_vfio_bar_map,
	.bar_unmap = gw_vfio_bar_unmap,
	.reg_read = gw_vfio_reg_read,
	.reg_write = gw_vfio_reg_write,
	.dma_map = gw_vfio_dma_map,
	.dma_unmap = gw_vfio_dma_unmap,
	.irq_setup = gw_vfio_irq_setup,
	.irq_teardown = gw_vfio_irq_teardown,
	.irq_mask = gw_vfio_irq_mask,
	.reset = gw_vfio_reset,
	.gone = function_gone,
	.close = function_close,
	.claim = &claim_ops,
	.irq = &irq_ops,
	.peer = &peer_ops,
	.room = gw_vfio_room,
};

static int config_open(struct gw_vfio_function *fn)
{
	struct vfio_region_info info = { .argsz = sizeof(info),
					 .index = VFIO_PCI_CONFIG_REGION_INDEX };
	struct vfio_device_info dev = { .argsz = sizeof(dev) };

	if (ioctl(fn->device, VFIO_DEVICE_GET_INFO, &dev) ||
	    ioctl(fn->device, VFIO_DEVICE_GET_REGION_INFO, &info))
		return -errno;
	if (!(dev.flags & VFIO_DEVICE_FLAGS_PCI) || info.size < GW_PCI_CFG_SIZE_CONV)
		return -EOPNOTSUPP;
	fn->can_reset = dev.flags & VFIO_DEVICE_FLAGS_RESET;
	fn->config_off = info.offset;
	fn->config_size = info.size < GW_PCI_CFG_SIZE ? info.size : GW_PCI_CFG_SIZE;
	return 0;
}

static void limits_fill(struct gw_vfio_function *fn)
{
	const struct gw_vfio_options *opt = &fn->host->opt;
	const struct gw_vfio_space *s = fn->space;
	uint64_t most = opt->max_bytes ? opt->max_bytes : gw_vfio_locked_most(&fn->host->locked);

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
static void say_shared(const struct gw_vfio_function *fn)
{
	const struct gw_vfio_function *o;

	LIST_FOREACH(o, &fn->host->functions, link)
		if (o != fn && o->space == fn->space)
			gw_info(fn->base.log, "%s: shares IOMMU group %u with %s, so one VMM at a time has "
				"both", fn->base.info.name, fn->space->group, o->base.info.name);
}

static int function_take(struct gw_vfio_function *fn, unsigned int group)
{
	struct gw_vfio_host *host = fn->host;
	bool iommufd = host->opt.iommufd == GW_VFIO_ON ||
		       (host->opt.iommufd == GW_VFIO_AUTO && has_iommufd(host, fn->base.info.name));
	int ret = gw_vfio_host_space(host, group, iommufd, &fn->space, &fn->slot);

	if (!ret)
		ret = fn->space->ops->open(fn->space, fn->base.info.name, &fn->device);
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
	int ret = config_open(fn);

	if (!ret)
		ret = gw_vfio_bars_open(fn);
	if (!ret)
		ret = gw_vfio_irqs_open(fn);
	if (ret)
		gw_err(fn->base.log, "%s: cannot be set up: %s", fn->base.info.name, strerror(-ret));
	return ret;
}

static struct gw_vfio_function *function_alloc(struct gw_vfio_host *host)
{
	struct gw_vfio_function *fn = calloc(1, sizeof(*fn));

	if (!fn)
		return NULL;
	fn->base.ops = &gw_vfio_function_ops;
	fn->base.log = host->base.log;
	fn->host = host;
	fn->device = -1;
	for (unsigned int i = 0; i < GW_NR_BARS; i++)
		fn->bar[i].fd = -1;
	pthread_rwlock_init(&fn->lock, NULL);
	gw_vfio_irqs_init(fn);
	fn->gone_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	return fn;
}

int gw_vfio_function_new(struct gw_vfio_host *host, const char *bdf, unsigned int group,
			 struct gw_function **f)
{
	struct gw_vfio_function *fn = function_alloc(host);
	int ret;

	if (!fn)
		return -ENOMEM;
	ret = fn->gone_fd < 0 ? -EMFILE : gw_sysfs_info(host->sysfs, bdf, &fn->base.info);
	pthread_mutex_lock(&host->lock);
	LIST_INSERT_HEAD(&host->functions, fn, link);
	if (!ret)
		ret = function_take(fn, group);
	pthread_mutex_unlock(&host->lock);
	if (!ret)
		ret = function_setup(fn);
	if (ret) {
		function_free(fn);
		return ret;
	}
	*f = &fn->base;
	return 0;
}
