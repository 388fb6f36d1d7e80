/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef DEVICES_GPU_DISPLAY_H
#define DEVICES_GPU_DISPLAY_H

#include <stdbool.h>
#include <stdint.h>

#include <gangway/addr.h>

#include "edid.h"
#include "spec.h"

/* The mode registers of a function. The caller locks. */

enum gpu_format { GPU_XRGB8888, GPU_BGRX8888, GPU_RGB565 };	/* in little endian words */

/** A picture that is scanned out, in the function's own memory. */
struct gpu_frame {
	unsigned int width, height;	/* pixels */
	unsigned int stride;		/* bytes from line to line */
	enum gpu_format format;
	gw_bar_off off;			/* of the first pixel */
	uint64_t size;			/* bytes from the first to behind the last pixel */
};

struct gpu_display {
	uint64_t memory;		/* bytes that frames may lie in */
	unsigned int x, y;		/* the mode that the monitor prefers */
	uint8_t edid[GPU_EDID_SIZE];
	uint16_t dispi[GPU_DISPI_REGS];
	bool big_endian;
	bool blank;			/* as the VGA attribute controller was told */
	bool attribute_data;		/* its next write is data, not an index */
	uint64_t flips;			/* times that a picture was shown */
};

/** gw_gpu_display_init() - @x, @y: the mode that the monitor prefers */
void gw_gpu_display_init(struct gpu_display *d, uint64_t memory, unsigned int x, unsigned int y);

/** gw_gpu_display_resize() - another amount of memory; the monitor says what fits now */
void gw_gpu_display_resize(struct gpu_display *d, uint64_t memory);

/** gw_gpu_display_reset() - registers as after power on; the monitor stays */
void gw_gpu_display_reset(struct gpu_display *d);

/** gw_gpu_display_read() - @off below GPU_DISPLAY_SIZE, @width 1, 2, 4 or 8 and aligned */
uint64_t gw_gpu_display_read(struct gpu_display *d, unsigned int off, unsigned int width);
void gw_gpu_display_write(struct gpu_display *d, unsigned int off, unsigned int width,
			  uint64_t val);

/** gw_gpu_display_frame() - what is shown. Return: false if it is nothing, or does not fit */
bool gw_gpu_display_frame(const struct gpu_display *d, struct gpu_frame *frame);

#endif
