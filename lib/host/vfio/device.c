/* SPDX-License-Identifier: BSD-3-Clause */
#include "host/vfio/device.h"

#include <errno.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "config/caps.h"
#include "host/vfio/uapi.h"

int gw_vfio_device_probe(struct gw_vfio_device *d)
{
	struct vfio_region_info info = { .argsz = sizeof(info),
					 .index = VFIO_PCI_CONFIG_REGION_INDEX };
	struct vfio_device_info dev = { .argsz = sizeof(dev) };

	if (ioctl(d->fd, VFIO_DEVICE_GET_INFO, &dev) ||
	    ioctl(d->fd, VFIO_DEVICE_GET_REGION_INFO, &info))
		return -errno;
	if (!(dev.flags & VFIO_DEVICE_FLAGS_PCI) || info.size < GW_PCI_CFG_SIZE_CONV)
		return -EOPNOTSUPP;
	d->can_reset = dev.flags & VFIO_DEVICE_FLAGS_RESET;
	d->config_off = info.offset;
	d->config_size = info.size < GW_PCI_CFG_SIZE ? info.size : GW_PCI_CFG_SIZE;
	return 0;
}

static int config_check(const struct gw_vfio_device *d, unsigned int off, unsigned int width)
{
	if ((width != 1 && width != 2 && width != 4) || off % width || off >= d->config_size ||
	    width > d->config_size - off)
		return -EINVAL;
	return 0;
}

int gw_vfio_device_read(const struct gw_vfio_device *d, unsigned int off, unsigned int width,
			uint32_t *val)
{
	uint8_t raw[4] = { 0 };
	int ret = config_check(d, off, width);

	if (ret)
		return ret;
	if (pread(d->fd, raw, width, (off_t)(d->config_off + off)) != (ssize_t)width)
		ret = -EIO;
	*val = gw_pci_get(raw, 0, width);
	return ret;
}

int gw_vfio_device_write(const struct gw_vfio_device *d, unsigned int off, unsigned int width,
			 uint32_t val)
{
	uint8_t raw[4] = { 0 };
	int ret = config_check(d, off, width);

	if (ret)
		return ret;
	gw_pci_put(raw, 0, width, val);
	return pwrite(d->fd, raw, width, (off_t)(d->config_off + off)) == (ssize_t)width ? 0 : -EIO;
}
