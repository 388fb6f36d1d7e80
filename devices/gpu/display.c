/* SPDX-License-Identifier: BSD-3-Clause */
#include "display.h"

#include <string.h>

/*
 * How it works: registers are read and written as bytes, so every width does what it does at
 * QEMU's device. The picture is worked out from the registers when somebody asks for it.
 */

void gw_gpu_display_init(struct gpu_display *d, uint64_t memory, unsigned int x, unsigned int y)
{
	d->x = x;
	d->y = y;
	gw_gpu_display_resize(d, memory);
	gw_gpu_display_reset(d);
}

void gw_gpu_display_resize(struct gpu_display *d, uint64_t memory)
{
	d->memory = memory;
	gw_gpu_edid(d->edid, d->x, d->y, memory);
}

void gw_gpu_display_reset(struct gpu_display *d)
{
	memset(d->dispi, 0, sizeof(d->dispi));
	d->big_endian = false;
	d->blank = true;
	d->attribute_data = false;
}

/* While ENABLE says so, the resolution registers read as the most that they take. */
static uint16_t capability(enum gpu_dispi reg)
{
	if (reg == GPU_DISPI_BPP)
		return 32;
	return reg == GPU_DISPI_XRES ? GPU_DISPI_MAX_X : GPU_DISPI_MAX_Y;
}

static uint16_t dispi_get(const struct gpu_display *d, enum gpu_dispi reg)
{
	uint64_t blocks = d->memory >> 16;

	switch (reg) {
	case GPU_DISPI_ID:
		return GPU_DISPI_ID_VALUE;
	case GPU_DISPI_MEMORY_64K:
		return blocks > UINT16_MAX ? UINT16_MAX : (uint16_t)blocks;
	case GPU_DISPI_XRES:
	case GPU_DISPI_YRES:
	case GPU_DISPI_BPP:
		if (d->dispi[GPU_DISPI_ENABLE] & GPU_DISPI_GETCAPS)
			return capability(reg);
		return d->dispi[reg];
	default:
		return d->dispi[reg];
	}
}

static uint8_t vga_read(struct gpu_display *d, unsigned int off)
{
	if (off == GPU_VGA_STATUS)
		d->attribute_data = false;
	return 0;
}

static uint8_t read_byte(struct gpu_display *d, unsigned int off)
{
	uint32_t endian = d->big_endian ? GPU_EXT_BIG : GPU_EXT_LITTLE;

	if (off < GPU_EDID_SIZE)
		return d->edid[off];
	if (off >= GPU_VGA_AT && off < GPU_VGA_END)
		return vga_read(d, off);
	if (off >= GPU_DISPI_AT && off < GPU_DISPI_AT + 2u * GPU_DISPI_REGS)
		return (uint8_t)(dispi_get(d, (off - GPU_DISPI_AT) / 2) >> off % 2 * 8);
	if (off == GPU_EXT_SIZE)
		return GPU_EXT_END - GPU_EXT_AT;
	if (off >= GPU_EXT_ENDIAN && off < GPU_EXT_END)
		return (uint8_t)(endian >> off % 4 * 8);
	return 0;
}

uint64_t gw_gpu_display_read(struct gpu_display *d, unsigned int off, unsigned int width)
{
	uint64_t val = 0;

	for (unsigned int i = 0; i < width; i++)
		val |= (uint64_t)read_byte(d, off + i) << 8 * i;
	return val;
}

static void vga_write(struct gpu_display *d, unsigned int off, uint8_t val)
{
	if (off != GPU_VGA_ATTRIBUTE)
		return;
	if (!d->attribute_data)
		d->blank = !(val & GPU_VGA_UNBLANK);
	d->attribute_data = !d->attribute_data;
}

static void write_byte(struct gpu_display *d, unsigned int off, uint8_t val)
{
	unsigned int reg = (off - GPU_DISPI_AT) / 2, shift = off % 2 * 8;

	if (off >= GPU_VGA_AT && off < GPU_VGA_END) {
		vga_write(d, off, val);
		return;
	}
	if (off < GPU_DISPI_AT || reg >= GPU_DISPI_REGS || reg == GPU_DISPI_ID ||
	    reg == GPU_DISPI_MEMORY_64K)
		return;
	d->dispi[reg] = (uint16_t)((d->dispi[reg] & ~(0xffu << shift)) |
				   (unsigned int)val << shift);
	/* the last that a driver writes to show another picture, or the same again */
	if (off == GPU_DISPI_AT + 2u * GPU_DISPI_Y_OFFSET)
		d->flips++;
}

void gw_gpu_display_write(struct gpu_display *d, unsigned int off, unsigned int width,
			  uint64_t val)
{
	if (off == GPU_EXT_ENDIAN && width == 4) {
		if (val == GPU_EXT_BIG || val == GPU_EXT_LITTLE)
			d->big_endian = val == GPU_EXT_BIG;
		return;
	}
	for (unsigned int i = 0; i < width; i++)
		write_byte(d, off + i, (uint8_t)(val >> 8 * i));
}

bool gw_gpu_display_frame(const struct gpu_display *d, struct gpu_frame *f)
{
	const uint16_t *r = d->dispi;
	unsigned int bytes = r[GPU_DISPI_BPP] / 8, width = r[GPU_DISPI_VIRT_WIDTH];
	uint64_t end;

	if (!(r[GPU_DISPI_ENABLE] & GPU_DISPI_ENABLED) || d->blank || (bytes != 2 && bytes != 4) ||
	    r[GPU_DISPI_BPP] % 8 || !r[GPU_DISPI_XRES] || !r[GPU_DISPI_YRES])
		return false;
	if (width < r[GPU_DISPI_XRES])
		width = r[GPU_DISPI_XRES];
	*f = (struct gpu_frame){
		.width = r[GPU_DISPI_XRES],
		.height = r[GPU_DISPI_YRES],
		.stride = width * bytes,
		.format = bytes == 2 ? GPU_RGB565 : d->big_endian ? GPU_BGRX8888 : GPU_XRGB8888,
	};
	/* no register has more than 16 bits, so nothing wraps */
	f->off.v = (uint64_t)r[GPU_DISPI_X_OFFSET] * bytes +
		   (uint64_t)r[GPU_DISPI_Y_OFFSET] * f->stride;
	f->size = (uint64_t)f->stride * (f->height - 1) + (uint64_t)f->width * bytes;
	end = f->off.v + f->size;
	return end <= d->memory;
}
