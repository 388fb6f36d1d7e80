/* SPDX-License-Identifier: BSD-3-Clause */
#include "devices/gpu.h"

#include "card.h"
#include "options.h"
#include "pf.h"

static int gpu_new(const char *opts, struct gw_log *log, struct gw_endpoint **ep)
{
	struct gpu_options o;
	struct gpu_card *card;
	int ret = gw_gpu_options_parse(opts ? opts : "", log, &o);

	if (ret)
		return ret;
	ret = gw_gpu_card_new(&o, log, &card);
	if (ret)
		return ret;
	ret = gw_gpu_pf_new(card, ep);
	gw_gpu_card_put(card);
	return ret;
}

const struct gw_endpoint_type gw_gpu_type = {
	.name = "gpu",
	.help = gw_gpu_options_help,
	.make = gpu_new,
};
