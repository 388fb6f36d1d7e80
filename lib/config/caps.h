/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef GW_CONFIG_CAPS_H
#define GW_CONFIG_CAPS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <gangway/pci.h>

/* Config space is little endian bytes; these take and put a register of 1, 2 or 4 bytes. */
static inline uint32_t gw_pci_get(const uint8_t *cfg, unsigned int off, unsigned int width)
{
	uint32_t v = 0;

	for (unsigned int i = width; i--;)
		v = v << 8 | cfg[off + i];
	return v;
}

static inline void gw_pci_put(uint8_t *cfg, unsigned int off, unsigned int width, uint32_t v)
{
	for (unsigned int i = 0; i < width; i++, v >>= 8)
		cfg[off + i] = (uint8_t)v;
}

/* Starts are on dwords: no more than this can be told apart. */
#define GW_PCI_MAX_EXT_CAPS	((GW_PCI_CFG_SIZE - GW_PCI_EXT_FIRST) / 4)

/** One capability. @room is the bytes up to the next one, in address order, or the end. */
struct gw_pci_cap {
	uint16_t id, off, room;
};

/** The capabilities of one list, in the order of the list. */
struct gw_pci_caps {
	unsigned int nr;
	bool broken;		/* the list loops or points outside; what came before it counts */
	struct gw_pci_cap cap[GW_PCI_MAX_EXT_CAPS];
};

/**
 * gw_pci_caps_walk() - the capability list
 * @cfg: at least 256 bytes, in any state
 */
void gw_pci_caps_walk(const uint8_t *cfg, struct gw_pci_caps *caps);

/**
 * gw_pci_caps_walk_ext() - the extended capability list
 * @cfg: 4096 bytes, in any state
 */
void gw_pci_caps_walk_ext(const uint8_t *cfg, struct gw_pci_caps *caps);

/** gw_pci_caps_find() - the first capability @id, or NULL */
const struct gw_pci_cap *gw_pci_caps_find(const struct gw_pci_caps *caps, unsigned int id);

#endif
