/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef TESTS_UNIT_DEVICE_CONFIG_H
#define TESTS_UNIT_DEVICE_CONFIG_H

#include <stdlib.h>

#include <gangway/device.h>

#include "config/caps.h"

/* Config space as a VMM reads and writes it for its guest, where it has to succeed. */

static inline uint32_t cfg_get(struct gw_device *d, unsigned int off, unsigned int width)
{
	uint8_t buf[4];

	if (d->ops->region_read(d, GW_REGION_CONFIG, off, buf, width))
		abort();
	return gw_pci_get(buf, 0, width);
}

static inline void cfg_put(struct gw_device *d, unsigned int off, unsigned int width, uint32_t val)
{
	uint8_t buf[4];

	gw_pci_put(buf, 0, width, val);
	if (d->ops->region_write(d, GW_REGION_CONFIG, off, buf, width))
		abort();
}

#endif
