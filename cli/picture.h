/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CLI_PICTURE_H
#define CLI_PICTURE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <gangway/log.h>

/*
 * A picture in shared memory, and what it looks like. Whoever draws may go on drawing while it is
 * looked at, and may make it shorter than it says: all reads survive that.
 */

/* In little endian words. */
enum picture_format { PICTURE_XRGB8888, PICTURE_BGRX8888, PICTURE_RGB565 };

struct picture {
	unsigned int width, height;	/* pixels */
	unsigned int stride;		/* bytes */
	enum picture_format format;
	uint64_t off;			/* of the first pixel, from the start of what is shared */
};

#define PICTURE_TEXT	64

/** picture_text() - "1024x768 stride 4096 offset 0 xrgb8888" */
void picture_text(const struct picture *p, char text[PICTURE_TEXT]);

/** picture_parse() - likewise, from others. Return: false if it makes no sense, or is too large */
bool picture_parse(const char *text, struct picture *p);

/** picture_fits() - whether all of it is in @size bytes */
bool picture_fits(const struct picture *p, uint64_t size);

/**
 * picture_line() - one line of it, as bytes of red, green, blue and padding
 * @mem: what is shared; the picture fits
 * @raw: room for a line as it is, 4 bytes a pixel
 *
 * Return: 0; -EFAULT the memory is gone.
 */
int picture_line(const struct picture *p, const uint8_t *mem, unsigned int y, uint8_t *raw,
		 uint8_t *rgbx);

/**
 * picture_png() - write it to a file, which is replaced when all is there
 *
 * Return: 0; -EFAULT the memory is gone; -ENOMEM; -EIO the library failed; -errno of open(2) and
 * rename(2). Logged.
 */
int picture_png(const struct picture *p, const uint8_t *mem, const char *path, struct gw_log *log);

#endif
