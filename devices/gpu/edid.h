/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef DEVICES_GPU_EDID_H
#define DEVICES_GPU_EDID_H

#include <stdint.h>

#define GPU_EDID_SIZE	128u

/* The largest mode that a timing of a base block can say. */
#define GPU_EDID_MAX_X	4095u
#define GPU_EDID_MAX_Y	4095u

/**
 * gw_gpu_edid() - what the monitor says of itself (VESA E-EDID 1.4)
 * @x, @y:  the mode it prefers, pixels; up to GPU_EDID_MAX_X and GPU_EDID_MAX_Y
 * @memory: bytes of the display's memory; no mode that does not fit, at 4 bytes a pixel, is told
 */
void gw_gpu_edid(uint8_t edid[GPU_EDID_SIZE], unsigned int x, unsigned int y, uint64_t memory);

#endif
