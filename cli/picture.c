/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "cli/picture.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <png.h>

#include "base/guard.h"
#include "base/util.h"

#define MAX_SIDE	16384u		/* pixels; nothing shows more */

static const char *const formats[] = {
	[PICTURE_XRGB8888] = "xrgb8888",
	[PICTURE_BGRX8888] = "bgrx8888",
	[PICTURE_RGB565] = "rgb565",
};

static unsigned int pixel_size(enum picture_format format)
{
	return format == PICTURE_RGB565 ? 2 : 4;
}

void picture_text(const struct picture *p, char text[PICTURE_TEXT])
{
	snprintf(text, PICTURE_TEXT, "%ux%u stride %u offset %" PRIu64 " %s", p->width, p->height,
		 p->stride, p->off, formats[p->format]);
}

bool picture_parse(const char *text, struct picture *p)
{
	char format[10];
	int end = 0;

	if (sscanf(text, "%5ux%5u stride %6u offset %12" SCNu64 " %9s%n", &p->width, &p->height,
		   &p->stride, &p->off, format, &end) != 5 || text[end])
		return false;
	for (size_t i = 0; i < ARRAY_SIZE(formats); i++) {
		if (strcmp(formats[i], format) != 0)
			continue;
		p->format = (enum picture_format)i;
		return p->width && p->height && p->width <= MAX_SIDE && p->height <= MAX_SIDE &&
		       p->stride / pixel_size(p->format) >= p->width;
	}
	return false;
}

bool picture_fits(const struct picture *p, uint64_t size)
{
	/* no term has more than 40 bits */
	return p->off + (uint64_t)p->stride * (p->height - 1) +
	       (uint64_t)p->width * pixel_size(p->format) <= size;
}

static void decode(enum picture_format format, const uint8_t *raw, unsigned int width, uint8_t *out)
{
	for (unsigned int x = 0; x < width; x++, out += 4) {
		unsigned int v;

		switch (format) {
		case PICTURE_XRGB8888:
			out[0] = raw[4 * x + 2];
			out[1] = raw[4 * x + 1];
			out[2] = raw[4 * x];
			break;
		case PICTURE_BGRX8888:
			out[0] = raw[4 * x + 1];
			out[1] = raw[4 * x + 2];
			out[2] = raw[4 * x + 3];
			break;
		case PICTURE_RGB565:
			v = raw[2 * x] | (unsigned int)raw[2 * x + 1] << 8;
			out[0] = (uint8_t)((v >> 11) * 255 / 31);
			out[1] = (uint8_t)((v >> 5 & 63) * 255 / 63);
			out[2] = (uint8_t)((v & 31) * 255 / 31);
			break;
		}
		out[3] = 0;
	}
}

int picture_line(const struct picture *p, const uint8_t *mem, unsigned int y, uint8_t *raw,
		 uint8_t *rgbx)
{
	int ret = gw_guard_copy(raw, mem + p->off + (uint64_t)y * p->stride,
				(size_t)p->width * pixel_size(p->format));

	if (!ret)
		decode(p->format, raw, p->width, rgbx);
	return ret;
}

/*
 * Read all of it, as red, green and blue, 3 bytes a pixel. Return: NULL: no memory, or the picture
 * is gone
 */
static uint8_t *take(const struct picture *p, const uint8_t *mem, int *err)
{
	uint8_t *rgb = malloc((size_t)p->width * p->height * 3), *to = rgb;
	uint8_t *raw = malloc((size_t)p->width * 8), *line = raw + (size_t)p->width * 4;

	*err = rgb && raw ? 0 : -ENOMEM;
	for (unsigned int y = 0; y < p->height && !*err; y++) {
		*err = picture_line(p, mem, y, raw, line);
		for (unsigned int x = 0; x < p->width; x++, to += 3)
			memcpy(to, line + 4 * (size_t)x, 3);
	}
	free(raw);
	if (!*err)
		return rgb;
	free(rgb);
	return NULL;
}

static int write_png(const struct picture *p, const uint8_t *rgb, FILE *file)
{
	png_image image = { .version = PNG_IMAGE_VERSION, .width = p->width, .height = p->height,
			    .format = PNG_FORMAT_RGB };

	return png_image_write_to_stdio(&image, file, 0, rgb, 0, NULL) ? 0 : -EIO;
}

/* Write a new file of that name, which nobody else has made. Return: 0; -errno */
static int write_part(const struct picture *p, const uint8_t *rgb, const char *part)
{
	int fd = open(part, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666), ret;
	FILE *file = fd < 0 ? NULL : fdopen(fd, "wb");

	if (!file) {
		ret = -errno;
		if (fd >= 0)
			close(fd);
		return ret;
	}
	ret = write_png(p, rgb, file);
	if (fclose(file) && !ret)
		ret = -errno;
	if (ret)
		unlink(part);
	return ret;
}

/* The new file takes the place of what is there, which must not be a device or a pipe. */
static int write_in_place(const struct picture *p, const uint8_t *rgb, const char *path)
{
	struct stat st;
	char *part;
	int ret;

	if (!lstat(path, &st) && !S_ISREG(st.st_mode) && !S_ISLNK(st.st_mode))
		return -EEXIST;
	if (asprintf(&part, "%s.%d", path, (int)getpid()) < 0)
		return -ENOMEM;
	ret = write_part(p, rgb, part);
	if (!ret && rename(part, path)) {
		ret = -errno;
		unlink(part);
	}
	free(part);
	return ret;
}

int picture_png(const struct picture *p, const uint8_t *mem, const char *path, struct gw_log *log)
{
	uint8_t *rgb;
	int ret;

	rgb = take(p, mem, &ret);
	if (rgb)
		ret = write_in_place(p, rgb, path);
	if (ret)
		gw_err(log, "%s: cannot be written: %s", path, ret == -EEXIST ?
		       "there is something that is no file" : strerror(-ret));
	free(rgb);
	return ret;
}
