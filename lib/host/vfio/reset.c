/* SPDX-License-Identifier: BSD-3-Clause */
#include "host/vfio/reset.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>

#include "host/vfio/dma.h"
#include "host/vfio/function.h"
#include "host/vfio/uapi.h"

/*
 * How it works: the kernel resets a function by itself where it can: function level, by power
 * state, or by the bus if nobody else is on it. Where it cannot, the whole bus is reset, which
 * takes the descriptors of all groups on it: allowed if we hold them all, and no other function on
 * the bus is open, as that would lose its state behind its guest's back.
 */

#define MAX_DEPENDENT	64u

static void address_of(const struct vfio_pci_dependent_device *d, char name[64])
{
	snprintf(name, 64, "%04x:%02x:%02x.%x", d->segment, d->bus, d->devfn >> 3, d->devfn & 7);
}

/* Is a function other than @fn open in this process? */
static bool is_open(const struct gw_vfio_function *fn, const char *name) GW_HOLDS(fn->host->lock)
{
	const struct gw_vfio_function *o;

	LIST_FOREACH(o, &fn->host->functions, link)
		if (o != fn && !strcmp(o->base.info.name, name))
			return true;
	return false;
}

/* May the bus be reset, for all that is on it? */
static int bus_check(struct gw_vfio_function *fn, const struct vfio_pci_hot_reset_info *info)
	GW_HOLDS(fn->host->lock) GW_HOLDS_SHARED(fn->lock)
{
	for (uint32_t i = 0; i < info->count && i < MAX_DEPENDENT; i++) {
		const struct vfio_pci_dependent_device *d = &info->devices[i];
		char name[64];

		address_of(d, name);
		if (is_open(fn, name)) {
			if (!gw_log_may(fn->base.log))
				return -EBUSY;
			gw_err(fn->base.log, "%s: resetting its bus would reset %s, which is in use",
			       fn->base.info.name, name);
			gw_hint(fn->base.log, "functions on one bus without resets of their own go to "
				"one guest at a time: end the other's");
			return -EBUSY;
		}
		if (fn->space->group_fd >= 0 && d->group_id != fn->space->group) {
			if (!gw_log_may(fn->base.log))
				return -EOPNOTSUPP;
			gw_err(fn->base.log, "%s: resetting its bus would reset %s of IOMMU group %u",
			       fn->base.info.name, name, d->group_id);
			gw_hint(fn->base.log, "a function without a reset of its own must be alone on "
				"its bus: move the card to another slot");
			return -EOPNOTSUPP;
		}
	}
	return info->count > MAX_DEPENDENT ? -EOPNOTSUPP : 0;
}

static int bus_look(struct gw_vfio_function *fn) GW_HOLDS(fn->host->lock)
	GW_HOLDS_SHARED(fn->lock)
{
	size_t size = sizeof(struct vfio_pci_hot_reset_info) +
		      MAX_DEPENDENT * sizeof(struct vfio_pci_dependent_device);
	struct vfio_pci_hot_reset_info *info = calloc(1, size);
	int ret;

	if (!info)
		return -ENOMEM;
	info->argsz = (uint32_t)size;
	if (ioctl(fn->device.fd, VFIO_DEVICE_GET_PCI_HOT_RESET_INFO, info))
		ret = errno == ENODEV ? -EOPNOTSUPP : -errno;
	else
		ret = bus_check(fn, info);
	free(info);
	return ret;
}

static int bus_reset(struct gw_vfio_function *fn) GW_HOLDS(fn->host->lock)
	GW_HOLDS_SHARED(fn->lock)
{
	size_t size = sizeof(struct vfio_pci_hot_reset) + sizeof(__s32);
	struct vfio_pci_hot_reset *reset;
	int ret = bus_look(fn);

	if (ret)
		return ret;
	reset = calloc(1, size);
	if (!reset)
		return -ENOMEM;
	reset->argsz = (uint32_t)size;
	/* with iommufd, ownership is known from the descriptor itself */
	if (fn->space->group_fd >= 0) {
		reset->count = 1;
		reset->group_fds[0] = fn->space->group_fd;
	}
	ret = ioctl(fn->device.fd, VFIO_DEVICE_PCI_HOT_RESET, reset) ? -errno : 0;
	free(reset);
	return ret;
}

int gw_vfio_reset(struct gw_function *f)
{
	struct gw_vfio_function *fn = gw_vfio_fn(f);
	int ret;

	pthread_mutex_lock(&fn->host->lock);
	ret = gw_vfio_enter(fn);
	if (ret)
		goto unlock;
	ret = -EOPNOTSUPP;
	if (fn->device.can_reset)
		ret = ioctl(fn->device.fd, VFIO_DEVICE_RESET) ? -errno : 0;
	if (ret)
		ret = bus_reset(fn);
	gw_vfio_leave(fn);
	gw_vfio_dma_again(fn);
unlock:
	pthread_mutex_unlock(&fn->host->lock);
	return ret;
}
