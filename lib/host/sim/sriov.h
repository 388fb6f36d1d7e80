/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef GW_SIM_SRIOV_H
#define GW_SIM_SRIOV_H

#include "host/sim/registers.h"

/*
 * The SR-IOV capability of a physical function (PCI Express 4.0, 9.3.3). Part of config.c's arrays;
 * the caller locks.
 */

/** gw_sriov_check() - whether it is possible. Return: 0; -EINVAL, *@why says why */
int gw_sriov_check(const struct gw_endpoint_desc *desc, const char **why);

/** gw_sriov_build() - the capability at @at, linked from the one at @from (0: it is the first) */
void gw_sriov_build(struct gw_config *c, const struct gw_endpoint_desc *desc, uint16_t at,
		    uint16_t from);

/** gw_sriov_set_bar() - where the BARs of the first virtual function are */
void gw_sriov_set_bar(struct gw_config *c, const struct gw_endpoint_desc *desc, unsigned int bar,
		      uint64_t addr);

/**
 * gw_sriov_after_write() - put back what a write must not change
 * @was: the number of functions before: gw_sriov_vfs()
 * @num: NumVFs before
 */
void gw_sriov_after_write(struct gw_config *c, unsigned int was, uint16_t num);

/** gw_sriov_num() - NumVFs; 0 without the capability */
uint16_t gw_sriov_num(const struct gw_config *c);

/** gw_sriov_vfs() - how many virtual functions there are now: enabled, and their memory decodes */
unsigned int gw_sriov_vfs(const struct gw_config *c);

#endif
