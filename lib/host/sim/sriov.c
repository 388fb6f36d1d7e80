/* SPDX-License-Identifier: BSD-3-Clause */
#include "host/sim/sriov.h"

#include <errno.h>

#include "base/util.h"


#define PAGES		0x553u		/* 4 KiB, 8, 64, 256 KiB, 1 and 4 MiB: all that must be */

int gw_sriov_check(const struct gw_endpoint_desc *desc, const char **why)
{
	const struct gw_endpoint_sriov *s = &desc->sriov;

	if (!s->total)
		return 0;
	*why = "its virtual functions have no place, or are its own";
	if (!s->offset || (s->total > 1 && !s->stride))
		return -EINVAL;
	*why = "a virtual function's BAR is not a power of two of at least a page";
	for (unsigned int i = 0; i < GW_NR_BARS; i++) {
		const struct gw_endpoint_bar *bar = &s->bar[i];

		if (bar->size && (!gw_is_pow2(bar->size) || bar->size < 4096 ||
				  bar->size > (bar->is_64bit ? 1ull << 40 : 1ull << 28)))
			return -EINVAL;
		if (bar->size && bar->is_64bit && (i == GW_NR_BARS - 1 || s->bar[i + 1].size))
			return -EINVAL;
	}
	return 0;
}



void gw_sriov_build(struct gw_config *c, const struct gw_endpoint_desc *desc, uint16_t at,
		    uint16_t from)
{
	const struct gw_endpoint_sriov *s = &desc->sriov;

	if (from)
		gw_config_set(c, from + 2u, 2, gw_config_get(c, from + 2u, 2) | (uint32_t)at << 4);
	c->sriov = at;
	gw_config_reg(c, at, 4, GW_PCI_EXT_SRIOV | 1u << 16, 0);
	gw_config_reg(c, at + GW_PCI_SRIOV_CTRL, 2, 0, GW_PCI_SRIOV_CTRL_ENABLE | GW_PCI_SRIOV_CTRL_MEMORY);
	gw_config_reg(c, at + GW_PCI_SRIOV_INITIAL, 2, s->total, 0);
	gw_config_reg(c, at + GW_PCI_SRIOV_TOTAL, 2, s->total, 0);
	gw_config_reg(c, at + GW_PCI_SRIOV_NUM, 2, 0, 0xffff);
	gw_config_reg(c, at + GW_PCI_SRIOV_OFFSET, 2, s->offset, 0);
	gw_config_reg(c, at + GW_PCI_SRIOV_STRIDE, 2, s->stride, 0);
	gw_config_reg(c, at + GW_PCI_SRIOV_DEVICE, 2, s->device, 0);
	gw_config_reg(c, at + GW_PCI_SRIOV_PAGES, 4, PAGES, 0);
	gw_config_reg(c, at + GW_PCI_SRIOV_PAGE, 4, 1, PAGES);
	for (unsigned int i = 0; i < GW_NR_BARS; i++) {
		const struct gw_endpoint_bar *bar = &s->bar[i];
		uint64_t mask = ~(bar->size - 1);

		if (!bar->size)
			continue;
		gw_config_reg(c, at + GW_PCI_SRIOV_BAR0 + 4 * i, 4, gw_config_bar_type(bar), (uint32_t)mask);
		if (bar->is_64bit)
			gw_config_reg(c, at + GW_PCI_SRIOV_BAR0 + 4 * i + 4, 4, 0, (uint32_t)(mask >> 32));
	}
}

void gw_sriov_set_bar(struct gw_config *c, const struct gw_endpoint_desc *desc, unsigned int bar,
		      uint64_t addr)
{
	const struct gw_endpoint_bar *b = &desc->sriov.bar[bar];
	unsigned int at = c->sriov + GW_PCI_SRIOV_BAR0 + 4 * bar;

	gw_config_set(c, at, 4, (uint32_t)addr | gw_config_bar_type(b));
	if (b->is_64bit)
		gw_config_set(c, at + 4, 4, (uint32_t)(addr >> 32));
}

uint16_t gw_sriov_num(const struct gw_config *c)
{
	return c->sriov ? (uint16_t)gw_config_get(c, c->sriov + GW_PCI_SRIOV_NUM, 2) : 0;
}

/*
 * Enabling more functions than there are, or none, enables nothing; the specification leaves that
 * open.
 */
void gw_sriov_after_write(struct gw_config *c, unsigned int was, uint16_t num)
{
	uint32_t control, total;

	if (!c->sriov)
		return;
	control = gw_config_get(c, c->sriov + GW_PCI_SRIOV_CTRL, 2);
	total = gw_config_get(c, c->sriov + GW_PCI_SRIOV_TOTAL, 2);
	if (was)
		gw_config_set(c, c->sriov + GW_PCI_SRIOV_NUM, 2, num);
	else if (control & GW_PCI_SRIOV_CTRL_ENABLE &&
		 (!gw_sriov_num(c) || gw_sriov_num(c) > total))
		gw_config_set(c, c->sriov + GW_PCI_SRIOV_CTRL, 2,
			      control & ~GW_PCI_SRIOV_CTRL_ENABLE);
}

unsigned int gw_sriov_vfs(const struct gw_config *c)
{
	const uint32_t on = GW_PCI_SRIOV_CTRL_ENABLE | GW_PCI_SRIOV_CTRL_MEMORY;

	if (!c->sriov || (gw_config_get(c, c->sriov + GW_PCI_SRIOV_CTRL, 2) & on) != on)
		return 0;
	return gw_sriov_num(c);
}
