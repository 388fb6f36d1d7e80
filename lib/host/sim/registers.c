/* SPDX-License-Identifier: BSD-3-Clause */
#include "host/sim/registers.h"

uint32_t gw_config_get(const struct gw_config *c, unsigned int off, unsigned int width)
{
	uint32_t val = 0;

	for (unsigned int i = 0; i < width; i++)
		val |= (uint32_t)c->byte[off + i] << 8 * i;
	return val;
}

static void put(uint8_t *at, unsigned int width, uint32_t val)
{
	for (unsigned int i = 0; i < width; i++)
		at[i] = (uint8_t)(val >> 8 * i);
}

void gw_config_set(struct gw_config *c, unsigned int off, unsigned int width, uint32_t val)
{
	put(&c->byte[off], width, val);
}

void gw_config_reg(struct gw_config *c, unsigned int off, unsigned int width, uint32_t val,
		   uint32_t wmask)
{
	put(&c->byte[off], width, val);
	put(&c->wmask[off], width, wmask);
}

uint32_t gw_config_bar_type(const struct gw_endpoint_bar *bar)
{
	return (bar->is_64bit ? 4u : 0) | (bar->prefetchable ? 8u : 0);
}
