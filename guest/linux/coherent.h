/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef GANGWAY_COHERENT_H
#define GANGWAY_COHERENT_H

#include <linux/types.h>

struct gw_space;

void *gw_coherent_alloc(struct gw_space *s, size_t size, u64 *iova, gfp_t gfp);
void gw_coherent_free(struct gw_space *s, void *cpu, size_t size, u64 iova);

#endif
