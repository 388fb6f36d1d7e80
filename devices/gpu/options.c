/* SPDX-License-Identifier: BSD-3-Clause */
#include "options.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/util.h"
#include "card.h"
#include "edid.h"

#define MIB		(1ull << 20)
#define MAX_VRAM	(64ull << 30)
#define DEFAULT_SHARE	(64 * MIB)

const char gw_gpu_options_help[] =
	"vram=SIZE      memory of the card, a power of two from 16M to 64G (256M)\n"
	"vfs=N          virtual functions, 1 to 8; these are passed through (1)\n"
	"share=SIZE     of the memory, for each of them; multiples of 64K (64M, or what fits)\n"
	"window=SIZE    their BAR, a power of two from 1M (the least that holds the share)\n"
	"pieces=N       that each share is cut into, 1 to 64, none beside its next (1)\n"
	"mode=WxH       that their monitors prefer, up to 4095x4095 (1024x768)\n";

static int set_size(const char *val, uint64_t min, uint64_t max, uint64_t *v)
{
	int ret = gw_size_parse(val, v);

	return ret ? ret : *v < min || *v > max ? -ERANGE : 0;
}

static int set_count(const char *val, unsigned int max, unsigned int *v)
{
	uint64_t n;
	int ret = set_size(val, 1, max, &n);

	if (!ret)
		*v = (unsigned int)n;
	return ret;
}

static int set_vram(struct gpu_options *o, const char *val)
{
	int ret = set_size(val, 16 * MIB, MAX_VRAM, &o->vram);

	return ret ? ret : gw_is_pow2(o->vram) ? 0 : -EINVAL;
}

static int set_vfs(struct gpu_options *o, const char *val)
{
	return set_count(val, GPU_MAX_VFS, &o->vfs);
}

static int set_share(struct gpu_options *o, const char *val)
{
	int ret = set_size(val, MIB, MAX_VRAM, &o->share);

	return ret ? ret : o->share % GPU_GRANULE ? -EINVAL : 0;
}

static int set_window(struct gpu_options *o, const char *val)
{
	int ret = set_size(val, MIB, MAX_VRAM, &o->window);

	return ret ? ret : gw_is_pow2(o->window) ? 0 : -EINVAL;
}

static int set_pieces(struct gpu_options *o, const char *val)
{
	return set_count(val, GPU_MAX_EXTENTS, &o->pieces);
}

static int set_mode(struct gpu_options *o, const char *val)
{
	char end;

	if (sscanf(val, "%4ux%4u%c", &o->width, &o->height, &end) != 2)
		return -EINVAL;
	return o->width < 64 || o->height < 64 || o->width > GPU_EDID_MAX_X ||
	       o->height > GPU_EDID_MAX_Y ? -ERANGE : 0;
}

static const struct {
	const char *key, *want;
	int (*set)(struct gpu_options *o, const char *val);
} options[] = {
	{ "vram", "a power of two from 16M to 64G", set_vram },
	{ "vfs", "a number from 1 to 8", set_vfs },
	{ "share", "a multiple of 64K, at least 1M", set_share },
	{ "window", "a power of two, at least 1M", set_window },
	{ "pieces", "a number from 1 to 64", set_pieces },
	{ "mode", "WIDTHxHEIGHT, each from 64 to 4095", set_mode },
};

static int option_set(struct gpu_options *o, const char *key, const char *val, struct gw_log *log)
{
	for (size_t i = 0; i < ARRAY_SIZE(options); i++) {
		if (strcmp(options[i].key, key) != 0)
			continue;
		if (val && !options[i].set(o, val))
			return 0;
		gw_err(log, "gpu: option %s: \"%s\" is not possible", key, val ? val : "");
		gw_hint(log, "%s takes %s", key, options[i].want);
		return -EINVAL;
	}
	gw_err(log, "gpu: unknown option \"%s\"", key);
	gw_hint(log, "gpu takes vram=SIZE, vfs=N, share=SIZE, window=SIZE, pieces=N, mode=WxH");
	return -EINVAL;
}

/*
 * Options that were not given follow from those that were. The card's own part is as large as a
 * share, at least.
 */
static int settle(struct gpu_options *o, struct gw_log *log)
{
	uint64_t most = o->vram / o->vfs & ~(uint64_t)(GPU_GRANULE - 1);
	uint64_t fair = o->vram / (o->vfs + 1) & ~(uint64_t)(GPU_GRANULE - 1);

	if (!o->share)
		o->share = fair < DEFAULT_SHARE ? fair : DEFAULT_SHARE;
	if (o->share > most) {
		gw_err(log, "gpu: %u shares of %" PRIu64 " bytes do not fit into %" PRIu64
		       " bytes of VRAM", o->vfs, o->share, o->vram);
		gw_hint(log, "share=%" PRIu64 "K is the most", most >> 10);
		return -EINVAL;
	}
	if (o->pieces > o->share / GPU_GRANULE) {
		gw_err(log, "gpu: a share of %" PRIu64 " bytes has no %u pieces of 64 KiB",
		       o->share, o->pieces);
		return -EINVAL;
	}
	if (o->window)
		return 0;
	for (o->window = MIB; o->window < o->share; )
		o->window *= 2;
	return 0;
}

int gw_gpu_options_parse(const char *opts, struct gw_log *log, struct gpu_options *o)
{
	char *copy = strdup(opts), *rest = copy, *word;
	int ret = 0;

	if (!copy)
		return -ENOMEM;
	*o = (struct gpu_options){ .vram = 256 * MIB, .vfs = 1, .pieces = 1,
				   .width = 1024, .height = 768 };
	while (!ret && *opts && (word = gw_option_next(&rest))) {
		char *val = strchr(word, '=');

		if (val)
			*val++ = '\0';
		ret = option_set(o, word, val, log);
	}
	free(copy);
	return ret ? ret : settle(o, log);
}
