/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <gangway/vfio.h>

#include "base/util.h"

static const char *const choices[] = {
	[GW_VFIO_AUTO] = "auto",
	[GW_VFIO_ON] = "on",
	[GW_VFIO_OFF] = "off",
};

static int set_choice(enum gw_vfio_choice *c, const char *value)
{
	for (size_t i = 0; i < ARRAY_SIZE(choices); i++) {
		if (strcmp(value, choices[i]))
			continue;
		*c = (enum gw_vfio_choice)i;
		return 0;
	}
	return -EINVAL;
}

static int set_switch(bool *b, const char *value)
{
	enum gw_vfio_choice c;
	int ret = set_choice(&c, value);

	if (ret || c == GW_VFIO_AUTO)
		return -EINVAL;
	*b = c == GW_VFIO_ON;
	return 0;
}

static int set_size(uint64_t *bytes, const char *value)
{
	return gw_size_parse(value, bytes) || *bytes < GW_PAGE_SIZE ? -EINVAL : 0;
}

static int set_number(uint64_t *n, const char *value)
{
	char *end;

	errno = 0;
	*n = strtoull(value, &end, 10);
	return *value < '0' || *value > '9' || *end || errno || !*n || *n > UINT32_MAX ? -EINVAL : 0;
}

int gw_vfio_set_option(struct gw_vfio_options *opt, const char *key, const char *value,
		       struct gw_log *log)
{
	const char *wants = "on or off";
	int ret;

	if (!strcmp(key, "hide-caller-iova")) {
		ret = set_switch(&opt->hide_caller_iova, value);
	} else if (!strcmp(key, "bar-resource")) {
		ret = set_switch(&opt->bar_resource, value);
	} else if (!strcmp(key, "iommufd")) {
		wants = "auto, on or off";
		ret = set_choice(&opt->iommufd, value);
	} else if (!strcmp(key, "max-bytes")) {
		wants = "a size such as 4G, of a page at least";
		ret = set_size(&opt->max_bytes, value);
	} else if (!strcmp(key, "max-maps")) {
		wants = "a number from 1 on";
		ret = set_number(&opt->max_maps, value);
	} else {
		gw_err(log, "host option '%s': a VFIO host has hide-caller-iova, bar-resource, iommufd, "
		       "max-bytes and max-maps", key);
		return -ENOENT;
	}
	if (ret)
		gw_err(log, "host option %s: '%s' is not %s", key, value, wants);
	return ret;
}

const char *gw_vfio_options_help(void)
{
	return "hide-caller-iova=on|off  choose DMA addresses as a platform would (default off)\n"
	       "iommufd=auto|on|off      use iommufd instead of groups (default auto)\n"
	       "bar-resource=on|off      hand BARs to the VMM by sysfs (default off)\n"
	       "max-bytes=SIZE           what one function may have mapped, and so locked (what may be\n"
	       "                         locked, or 7/8 of memory; run: the guest's memory and a little)\n"
	       "max-maps=N               mappings that one function may have (the kernel's limit)\n";
}
