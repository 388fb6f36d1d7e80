/* SPDX-License-Identifier: BSD-3-Clause */
#include "host/dext/options.h"

#include <errno.h>
#include <string.h>

#include "base/util.h"

#define MS_MAX		600000u

struct gw_dext_options gw_dext_options_fill(const struct gw_dext_options *o)
{
	struct gw_dext_options full = *o;

	if (!full.answer_ms)
		full.answer_ms = 5000;
	if (!full.open_ms)
		full.open_ms = 30000;
	if (!full.reset_ms)
		full.reset_ms = 500;
	if (!full.call_ms)
		full.call_ms = 3000;
	return full;
}

const char *gw_dext_options_help(void)
{
	return "leave-out-bars=on|off open a device with BARs that the platform gave no address, and\n"
	       "                      show it to the guest without them (off: it is refused)\n"
	       "answer-ms=N           how long a driver extension has to say who it is (5000)\n"
	       "call-ms=N             how long it has for any other answer (3000)\n"
	       "open-ms=N             how long opening a device may take (30000)\n"
	       "reset-ms=N            how long a VMM waits for a reset, which then goes on (500)\n";
}

static int parse_ms(const char *key, const char *value, struct gw_log *log, unsigned int *ms)
{
	uint64_t v;

	if (gw_size_parse(value, &v) || !v || v > MS_MAX) {
		gw_err(log, "%s=%s: not a number from 1 to %u", key, value, MS_MAX);
		return -EINVAL;
	}
	*ms = (unsigned int)v;
	return 0;
}

int gw_dext_set_option(struct gw_dext_options *o, const char *key, const char *value,
		       struct gw_log *log)
{
	if (!strcmp(key, "answer-ms"))
		return parse_ms(key, value, log, &o->answer_ms);
	if (!strcmp(key, "call-ms"))
		return parse_ms(key, value, log, &o->call_ms);
	if (!strcmp(key, "open-ms"))
		return parse_ms(key, value, log, &o->open_ms);
	if (!strcmp(key, "reset-ms"))
		return parse_ms(key, value, log, &o->reset_ms);
	if (strcmp(key, "leave-out-bars") != 0)
		return -ENOENT;
	o->leave_out_bars = !strcmp(value, "on");
	if (o->leave_out_bars || !strcmp(value, "off"))
		return 0;
	gw_err(log, "%s=%s: neither on nor off", key, value);
	return -EINVAL;
}
