/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef GW_SIM_REGISTERS_H
#define GW_SIM_REGISTERS_H

#include <stdbool.h>
#include <stdint.h>

#include <gangway/endpoint.h>
#include <gangway/pci.h>

/* The device's side of config space. The caller locks. */

struct gw_config {
	uint8_t byte[GW_PCI_CFG_SIZE];
	uint8_t wmask[GW_PCI_CFG_SIZE];	/* bits that a write sets */
	uint8_t w1c[GW_PCI_CFG_SIZE];	/* bits that writing one clears */
	uint16_t pm, msi, msix, pcie, sriov;	/* where the capabilities are; 0: absent */
	bool flr;
};

/** gw_config_get() - what stands there; little endian, as all of it */
uint32_t gw_config_get(const struct gw_config *c, unsigned int off, unsigned int width);

/** gw_config_set() - past the write masks, as the function itself does */
void gw_config_set(struct gw_config *c, unsigned int off, unsigned int width, uint32_t val);

/** gw_config_reg() - a register: what it holds, and what of it the bus can write */
void gw_config_reg(struct gw_config *c, unsigned int off, unsigned int width, uint32_t val,
		   uint32_t wmask);

/** gw_config_bar_type() - the low bits of a BAR register */
uint32_t gw_config_bar_type(const struct gw_endpoint_bar *bar);

#endif
