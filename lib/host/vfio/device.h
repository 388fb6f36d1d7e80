/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef GW_HOST_VFIO_DEVICE_H
#define GW_HOST_VFIO_DEVICE_H

#include <stdbool.h>
#include <stdint.h>

#include <gangway/log.h>

/**
 * struct gw_vfio_device - the kernel's descriptor of a function, and its config space
 * @name:      of the function, for messages; the function's
 * @fd:        -1: there is none any more
 * @can_reset: the kernel can reset it by itself
 */
struct gw_vfio_device {
	const char *name;
	struct gw_log *log;
	int fd;
	uint64_t config_off, config_size;
	bool can_reset;
};

/**
 * gw_vfio_device_probe() - learn the rest from @fd. Return: 0; -EOPNOTSUPP no PCI function; -errno
 */
int gw_vfio_device_probe(struct gw_vfio_device *d);

/**
 * gw_vfio_device_read() - a register of config space
 *
 * Return: 0; -EINVAL @width is not 1, 2 or 4, @off not aligned to it or not inside; -EIO.
 */
int gw_vfio_device_read(const struct gw_vfio_device *d, unsigned int off, unsigned int width,
			uint32_t *val);
int gw_vfio_device_write(const struct gw_vfio_device *d, unsigned int off, unsigned int width,
			 uint32_t val);

#endif
