/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef GW_SIM_CONFIG_H
#define GW_SIM_CONFIG_H

#include "host/sim/registers.h"

/* What the bus does with config space. The caller locks. */

/** gw_config_check() - whether @desc is a possible function. Return: 0; -EINVAL, *@why says why */
int gw_config_check(const struct gw_endpoint_desc *desc, const char **why);

/** gw_config_build() - as after power on; BARs have no address */
void gw_config_build(struct gw_config *c, const struct gw_endpoint_desc *desc);

/** gw_config_reset() - as after a function level reset: like power on but for what the link owns */
void gw_config_reset(struct gw_config *c, const struct gw_endpoint_desc *desc);

/** gw_config_write() - as from the bus. Return: true if a function level reset was asked for */
bool gw_config_write(struct gw_config *c, unsigned int off, unsigned int width, uint32_t val);

/** gw_config_bar() - the address that a BAR register holds */
uint64_t gw_config_bar(const struct gw_config *c, const struct gw_endpoint_desc *desc,
		       unsigned int bar);
void gw_config_set_bar(struct gw_config *c, const struct gw_endpoint_desc *desc, unsigned int bar,
		       uint64_t addr);

/** gw_config_in_d0() - the power state lets the function work */
bool gw_config_in_d0(const struct gw_config *c);

#endif
