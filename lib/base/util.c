/* SPDX-License-Identifier: BSD-3-Clause */
#include "base/util.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

uint64_t gw_now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000ull + (uint64_t)ts.tv_nsec;
}

int gw_size_parse(const char *s, uint64_t *bytes)
{
	static const char suffix[] = "KMGT";
	unsigned long long v;
	unsigned int shift = 0;
	const char *at;
	char *end;

	if (!isdigit((unsigned char)*s))
		return -EINVAL;
	errno = 0;
	v = strtoull(s, &end, 0);
	if (errno)
		return -ERANGE;
	if (*end) {
		at = strchr(suffix, toupper((unsigned char)*end));
		if (!at || end[1])
			return -EINVAL;
		shift = 10u * (unsigned int)(at - suffix + 1);
	}
	if (v > (uint64_t)INT64_MAX >> shift)
		return -ERANGE;
	*bytes = (uint64_t)v << shift;
	return 0;
}

char *gw_option_next(char **rest)
{
	char *option = *rest, *from, *to;

	if (!option)
		return NULL;
	*rest = NULL;
	for (from = to = option; *from; *to++ = *from++) {
		if (*from != ',')
			continue;
		if (from[1] != ',') {
			*rest = from + 1;
			break;
		}
		from++;
	}
	*to = '\0';
	return option;
}
