/* SPDX-License-Identifier: BSD-3-Clause */
#include "scanout.h"

#include <errno.h>
#include <string.h>

static unsigned int pixel_size(enum gpu_format format)
{
	return format == GPU_RGB565 ? 2 : 4;
}

static uint64_t get(const uint8_t *at, unsigned int width)
{
	uint64_t v = 0;

	memcpy(&v, at, width);
	return v;
}

static uint32_t reg_get(const struct gpu_scanout *s, unsigned int reg) GW_HOLDS(s->lock)
{
	return (uint32_t)get(s->reg + (reg - GPU_SCAN_CONTROL), 4);
}

static void set_status(struct gpu_scanout *s, uint32_t status) GW_HOLDS(s->lock)
{
	memcpy(s->reg + (GPU_SCAN_STATUS - GPU_SCAN_CONTROL), &status, 4);
	s->shown = status == GPU_SCAN_SHOWN;
}

/* The runs of the table, whose bytes are *@bytes together. */
static bool take_runs(const struct gpu_scanout *s, struct gpu_picture *p, uint64_t *bytes)
	GW_HOLDS(s->lock)
{
	uint64_t vram = s->card->opt.vram;

	*bytes = 0;
	for (unsigned int i = 0; i < p->nr; i++) {
		struct gpu_extent *e = &p->run[i];

		e->at.v = get(s->table + 16 * i, 8);
		e->len = get(s->table + 16 * i + 8, 8);
		if (!e->len || e->at.v >= vram || e->len > vram - e->at.v)
			return false;
		*bytes += e->len;	/* at most GPU_SCAN_MAX times the VRAM */
	}
	return true;
}

static bool take_picture(const struct gpu_scanout *s, struct gpu_picture *p) GW_HOLDS(s->lock)
{
	uint64_t bytes, line;

	*p = (struct gpu_picture){
		.width = reg_get(s, GPU_SCAN_WIDTH),
		.height = reg_get(s, GPU_SCAN_HEIGHT),
		.stride = reg_get(s, GPU_SCAN_STRIDE),
		.skip = reg_get(s, GPU_SCAN_SKIP),
		.nr = reg_get(s, GPU_SCAN_RANGES),
	};
	if (reg_get(s, GPU_SCAN_FORMAT) > GPU_RGB565 || p->nr > GPU_SCAN_MAX || !p->width ||
	    !p->height || p->width > UINT16_MAX || p->height > UINT16_MAX)
		return false;
	p->format = (enum gpu_format)reg_get(s, GPU_SCAN_FORMAT);
	line = (uint64_t)p->width * pixel_size(p->format);
	return take_runs(s, p, &bytes) && p->stride >= line &&
	       p->skip + (uint64_t)p->stride * (p->height - 1) + line <= bytes;
}

void gw_gpu_scanout_init(struct gpu_scanout *s, struct gpu_card *card)
{
	s->card = card;
	gw_gate_init(&s->lock);
}

void gw_gpu_scanout_fini(struct gpu_scanout *s)
{
	gw_gate_fini(&s->lock);
}

void gw_gpu_scanout_reset(struct gpu_scanout *s)
{
	gw_gate_lock(&s->lock);
	memset(s->reg, 0, sizeof(s->reg));
	memset(s->table, 0, sizeof(s->table));
	s->shown = false;
	gw_gate_unlock(&s->lock);
}

bool gw_gpu_scanout_owns(uint64_t off)
{
	return (off >= GPU_SCAN_CONTROL && off < GPU_SCAN_REGS) ||
	       (off >= GPU_SCAN_TABLE && off < GPU_SCAN_TABLE + 16 * GPU_SCAN_MAX);
}

static uint8_t *place(struct gpu_scanout *s, unsigned int off)
{
	return off >= GPU_SCAN_TABLE ? s->table + (off - GPU_SCAN_TABLE) :
				       s->reg + (off - GPU_SCAN_CONTROL);
}

uint64_t gw_gpu_scanout_read(struct gpu_scanout *s, unsigned int off, unsigned int width)
{
	uint64_t v;

	gw_gate_lock(&s->lock);
	v = get(place(s, off), width);
	gw_gate_unlock(&s->lock);
	return v;
}

/* CONTROL was written. */
static void control(struct gpu_scanout *s) GW_HOLDS(s->lock)
{
	struct gpu_picture p;

	if (!(reg_get(s, GPU_SCAN_CONTROL) & 1)) {
		set_status(s, GPU_SCAN_NOTHING);
	} else if (take_picture(s, &p)) {
		s->picture = p;
		set_status(s, GPU_SCAN_SHOWN);
	} else {
		set_status(s, GPU_SCAN_REFUSED);
	}
}

void gw_gpu_scanout_write(struct gpu_scanout *s, unsigned int off, unsigned int width,
			  uint64_t val)
{
	gw_gate_lock(&s->lock);
	for (unsigned int i = 0; i < width; i++)
		if (off + i < GPU_SCAN_STATUS || off + i >= GPU_SCAN_WIDTH)
			*place(s, off + i) = (uint8_t)(val >> 8 * i);
	if (off == GPU_SCAN_CONTROL)
		control(s);
	gw_gate_unlock(&s->lock);
}

bool gw_gpu_scanout_picture(struct gpu_scanout *s, struct gpu_picture *p)
{
	bool shown;

	gw_gate_lock_patient(&s->lock);
	shown = s->shown;
	*p = s->picture;
	gw_gate_unlock(&s->lock);
	return shown;
}

int gw_gpu_scanout_line(struct gpu_card *card, const struct gpu_picture *p, unsigned int y,
			uint8_t *buf)
{
	uint64_t at = p->skip + (uint64_t)y * p->stride;
	size_t left = (size_t)p->width * pixel_size(p->format), n;
	int ret;

	if (y >= p->height)
		return -ERANGE;
	memset(buf, 0, left);
	for (unsigned int i = 0; i < p->nr && left; i++) {
		const struct gpu_extent *e = &p->run[i];

		if (at >= e->len) {
			at -= e->len;
			continue;
		}
		n = left < e->len - at ? left : (size_t)(e->len - at);
		ret = gw_gpu_read(card, (gw_vram){ e->at.v + at }, buf, n);
		if (ret)
			return ret;
		buf += n;
		left -= n;
		at = 0;
	}
	return 0;
}
