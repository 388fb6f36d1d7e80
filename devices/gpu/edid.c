/* SPDX-License-Identifier: BSD-3-Clause */
#include "edid.h"

#include <stdbool.h>
#include <string.h>

#include "base/util.h"

/* Reduced blanking (VESA CVT 1.2): pixels and lines around the picture. */
#define H_BLANK		160u
#define H_FRONT		48u
#define H_SYNC		32u
#define V_FRONT		3u
#define V_SYNC		6u
#define V_BLANK_US	460u
#define HZ		60u

#define ESTABLISHED_AT	35u
#define STANDARD_AT	38u
#define STANDARD_NR	8u
#define STANDARD_UNUSED	0x01u
#define DESCRIPTOR_AT	54u
#define DESCRIPTOR_SIZE	18u

static const struct {
	uint16_t x, y;
	uint8_t byte, bit;		/* in the established timings */
} established[] = {
	{ 640, 480, 0, 5 }, { 800, 600, 0, 0 }, { 1024, 768, 1, 3 },
};

/* @aspect is the code of a standard timing: 16:10, 4:3, 5:4, 16:9. */
static const struct {
	uint16_t x, y;
	uint8_t aspect;
} standard[STANDARD_NR] = {
	{ 1280, 720, 3 }, { 1280, 800, 0 }, { 1280, 1024, 2 }, { 1440, 900, 0 },
	{ 1600, 1200, 1 }, { 1680, 1050, 0 }, { 1920, 1080, 3 }, { 1920, 1200, 0 },
};

static bool fits(unsigned int x, unsigned int y, uint64_t memory)
{
	return 4ull * x * y <= memory;
}

static void put_modes(uint8_t *e, uint64_t memory)
{
	uint8_t *at = e + STANDARD_AT;

	for (size_t i = 0; i < ARRAY_SIZE(established); i++)
		if (fits(established[i].x, established[i].y, memory))
			e[ESTABLISHED_AT + established[i].byte] |=
				(uint8_t)(1u << established[i].bit);
	memset(at, STANDARD_UNUSED, 2 * STANDARD_NR);
	for (size_t i = 0; i < STANDARD_NR; i++) {
		if (!fits(standard[i].x, standard[i].y, memory))
			continue;
		*at++ = (uint8_t)(standard[i].x / 8 - 31);
		*at++ = (uint8_t)(standard[i].aspect << 6 | (HZ - 60));
	}
}

/* Lines of blanking: as long as the standard says, and no less than its parts. */
static unsigned int blank_lines(unsigned int y)
{
	unsigned int lines = V_BLANK_US * y * HZ / (1000000u - V_BLANK_US * HZ) + 1;

	return lines < V_FRONT + V_SYNC + 6 ? V_FRONT + V_SYNC + 6 : lines;
}

static void put_timing(uint8_t *d, unsigned int x, unsigned int y)
{
	unsigned int v_blank = blank_lines(y);
	unsigned int clock = (x + H_BLANK) * (y + v_blank) * HZ / 10000;	/* 10 kHz */

	if (clock > UINT16_MAX)
		clock = UINT16_MAX;	/* a lower rate, then */
	d[0] = (uint8_t)clock;
	d[1] = (uint8_t)(clock >> 8);
	d[2] = (uint8_t)x;
	d[3] = (uint8_t)H_BLANK;
	d[4] = (uint8_t)(x >> 8 << 4 | H_BLANK >> 8);
	d[5] = (uint8_t)y;
	d[6] = (uint8_t)v_blank;
	d[7] = (uint8_t)(y >> 8 << 4 | v_blank >> 8);
	d[8] = H_FRONT;
	d[9] = H_SYNC;
	d[10] = V_FRONT << 4 | V_SYNC;
	d[17] = 0x1a;			/* separate syncs, horizontal positive */
}

/* A descriptor that is no timing: its type, then 13 bytes. */
static void put_text(uint8_t *d, uint8_t type, const char *text)
{
	size_t len = strlen(text);

	d[3] = type;
	memset(d + 5, ' ', 13);
	memcpy(d + 5, text, len);
	d[5 + len] = '\n';
}

static void put_limits(uint8_t *d)
{
	static const uint8_t limits[13] = {
		24, 120, 15, 255, 66, 0x01, '\n', ' ', ' ', ' ', ' ', ' ', ' ',
	};	/* Hz, kHz, 10 MHz; no formula */

	d[3] = 0xfd;
	memcpy(d + 5, limits, sizeof(limits));
}

void gw_gpu_edid(uint8_t e[GPU_EDID_SIZE], unsigned int x, unsigned int y, uint64_t memory)
{
	static const uint8_t head[] = {
		0x00, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x00,
		0x1e, 0x37, 0x01, 0x00, 0x01, 0x00, 0x00, 0x00,	/* "GQW", product, serial */
		1, 2026 - 1990, 1, 4,				/* week, year, version */
		0xa5, 0, 0, 220 - 100, 0x06,	/* digital, 8 bits; size unknown; gamma; sRGB */
		0xee, 0x91, 0xa3, 0x54, 0x4c, 0x99, 0x26, 0x0f, 0x50, 0x54,	/* sRGB */
	};
	uint8_t sum = 0, *d = e + DESCRIPTOR_AT;

	memset(e, 0, GPU_EDID_SIZE);
	memcpy(e, head, sizeof(head));
	put_modes(e, memory);
	put_timing(d, x, y);
	put_limits(d + DESCRIPTOR_SIZE);
	put_text(d + 2 * DESCRIPTOR_SIZE, 0xfc, "gangway");
	put_text(d + 3 * DESCRIPTOR_SIZE, 0xfe, "simulated");
	for (unsigned int i = 0; i < GPU_EDID_SIZE - 1; i++)
		sum = (uint8_t)(sum + e[i]);
	e[GPU_EDID_SIZE - 1] = (uint8_t)-sum;
}
