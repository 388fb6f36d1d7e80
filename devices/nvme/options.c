/* SPDX-License-Identifier: BSD-3-Clause */
#include "options.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/util.h"

static int set_file(struct nvme_options *o, const char *val)
{
	free(o->file);
	o->file = strdup(val);
	if (!o->file)
		return -ENOMEM;
	return *val ? 0 : -EINVAL;
}

static int set_size(struct nvme_options *o, const char *val)
{
	int ret = gw_size_parse(val, &o->size);

	return ret ? ret : o->size ? 0 : -EINVAL;
}

static int set_block(struct nvme_options *o, const char *val)
{
	uint64_t v;
	int ret = gw_size_parse(val, &v);

	if (ret)
		return ret;
	if (v != 512 && v != 4096)
		return -EINVAL;
	o->block = (uint32_t)v;
	return 0;
}

static int set_poll(struct nvme_options *o, const char *val)
{
	int ret;

	o->poll_fixed = strcmp(val, "auto") != 0;
	ret = o->poll_fixed ? gw_size_parse(val, &o->poll_us) : 0;
	return ret ? ret : o->poll_us <= 10000 ? 0 : -EINVAL;
}

static int set_share(struct nvme_options *o, const char *val)
{
	int ret = gw_size_parse(val, &o->poll_share);

	return ret ? ret : o->poll_share && o->poll_share <= 100 ? 0 : -EINVAL;
}

/* A BAR's size; what VMMs map is in units of their pages, of which 64 KiB is the largest. */
static int set_cmb(struct nvme_options *o, const char *val)
{
	int ret = gw_size_parse(val, &o->cmb);

	return ret ? ret : gw_is_pow2(o->cmb) && o->cmb >= 65536 && o->cmb <= 256u << 20 ? 0 : -EINVAL;
}

static int set_serial(struct nvme_options *o, const char *val)
{
	return gw_size_parse(val, &o->serial);
}

static const struct {
	const char *key, *want;
	int (*set)(struct nvme_options *o, const char *val);
} options[] = {
	{ "file", "a path", set_file },
	{ "size", "bytes, with K, M, G or T", set_size },
	{ "block", "512 or 4096", set_block },
	{ "cmb", "bytes, a power of two from 64K to 256M", set_cmb },
	{ "poll", "auto, or microseconds, at most 10000; 0 turns it off", set_poll },
	{ "poll-share", "percent of a processor, 1 to 100", set_share },
	{ "serial", "a number", set_serial },
};

static int option_set(struct nvme_options *o, const char *key, const char *val,
		      struct gw_log *log)
{
	size_t i;
	int ret;

	for (i = 0; i < ARRAY_SIZE(options); i++)
		if (!strcmp(options[i].key, key))
			break;
	if (i == ARRAY_SIZE(options)) {
		gw_err(log, "nvme: unknown option \"%s\"", key);
		gw_hint(log, "nvme takes file=PATH, size=N, block=512|4096, cmb=N, poll=auto|US, "
			"poll-share=PERCENT, serial=N");
		return -EINVAL;
	}
	ret = val ? options[i].set(o, val) : -EINVAL;
	if (ret && ret != -ENOMEM) {
		gw_err(log, "nvme: option %s: \"%s\" is not possible", key, val ? val : "");
		gw_hint(log, "%s takes %s", key, options[i].want);
		ret = -EINVAL;
	}
	return ret;
}

int gw_nvme_options_parse(const char *opts, struct gw_log *log, struct nvme_options *o)
{
	char *copy, *rest, *key;
	int ret = 0;

	*o = (struct nvme_options){ .block = 512, .poll_us = 1000, .poll_share = 90 };
	copy = strdup(opts ? opts : "");
	if (!copy)
		return -ENOMEM;
	rest = copy;
	while (!ret && (key = gw_option_next(&rest))) {
		char *val = strchr(key, '=');

		if (!*key)
			continue;
		if (val)
			*val++ = '\0';
		ret = option_set(o, key, val, log);
	}
	free(copy);
	if (!ret && !o->file) {
		gw_err(log, "nvme: no backing file is named");
		gw_hint(log, "add file=PATH, and size=N if the file is to be made");
		ret = -EINVAL;
	}
	return ret;
}
