/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
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

int gw_vfio_set_option(struct gw_vfio_options *opt, const char *key, const char *value,
		       struct gw_log *log)
{
	bool choice = false;
	int ret;

	if (!strcmp(key, "hide-caller-iova")) {
		ret = set_switch(&opt->hide_caller_iova, value);
	} else if (!strcmp(key, "bar-resource")) {
		ret = set_switch(&opt->bar_resource, value);
	} else if (!strcmp(key, "iommufd")) {
		choice = true;
		ret = set_choice(&opt->iommufd, value);
	} else {
		gw_err(log, "host option '%s': a VFIO host has hide-caller-iova, bar-resource and "
		       "iommufd", key);
		return -ENOENT;
	}
	if (ret)
		gw_err(log, "host option %s: '%s' is not %son or off", key, value,
		       choice ? "auto, " : "");
	return ret;
}

const char *gw_vfio_options_help(void)
{
	return "hide-caller-iova=on|off  choose DMA addresses as a platform would (default off)\n"
	       "iommufd=auto|on|off      use iommufd instead of groups (default auto)\n"
	       "bar-resource=on|off      hand BARs to the VMM by sysfs (default off)\n";
}
