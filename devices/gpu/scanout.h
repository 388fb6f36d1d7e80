/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef DEVICES_GPU_SCANOUT_H
#define DEVICES_GPU_SCANOUT_H

#include "base/lock.h"
#include "card.h"
#include "display.h"

/* The physical function's scan-out: a picture made of runs of VRAM. */

struct gpu_picture {
	unsigned int width, height, stride;
	enum gpu_format format;
	uint64_t skip;				/* bytes of the first run before it */
	unsigned int nr;
	struct gpu_extent run[GPU_SCAN_MAX];
};

struct gpu_scanout {
	struct gpu_card *card;			/* fixed */

	struct gw_gate lock;			/* a monitor is patient */
	uint8_t reg[GPU_SCAN_REGS - GPU_SCAN_CONTROL] GW_GUARDED_BY(lock);
	uint8_t table[16 * GPU_SCAN_MAX] GW_GUARDED_BY(lock);
	bool shown GW_GUARDED_BY(lock);
	struct gpu_picture picture GW_GUARDED_BY(lock);
};

void gw_gpu_scanout_init(struct gpu_scanout *s, struct gpu_card *card);
void gw_gpu_scanout_fini(struct gpu_scanout *s);
void gw_gpu_scanout_reset(struct gpu_scanout *s);

/** gw_gpu_scanout_owns() - whether it has a register at @off of the BAR */
bool gw_gpu_scanout_owns(uint64_t off);
uint64_t gw_gpu_scanout_read(struct gpu_scanout *s, unsigned int off, unsigned int width);
void gw_gpu_scanout_write(struct gpu_scanout *s, unsigned int off, unsigned int width,
			  uint64_t val);

/** gw_gpu_scanout_picture() - what is shown. Return: false: nothing */
bool gw_gpu_scanout_picture(struct gpu_scanout *s, struct gpu_picture *p);

/**
 * gw_gpu_scanout_line() - what a monitor receives: one line of the picture
 * @buf: as many bytes as a line of @p has; black if the VRAM there may not be read
 *
 * Return: 0; -ERANGE no such line; -EACCES a function has taken its memory back (recorded).
 */
int gw_gpu_scanout_line(struct gpu_card *card, const struct gpu_picture *p, unsigned int y,
			uint8_t *buf);

#endif
