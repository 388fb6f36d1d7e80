/* SPDX-License-Identifier: BSD-3-Clause */
#include "unit.h"

#include <gangway/log.h>

struct seen {
	unsigned int lines;
	char last[512];
};

static void keep(void *opaque, enum gw_log_level level, const char *line)
{
	struct seen *s = opaque;

	s->lines++;
	snprintf(s->last, sizeof(s->last), "%s", line);
}

static void levels_above_the_limit_are_dropped(void **state)
{
	struct seen s = { 0 };
	struct gw_log log = { .level = GW_LOG_WARN, .write = keep, .opaque = &s };

	gw_info(&log, "not seen");
	assert_int_equal(s.lines, 0);
	gw_err(&log, "value %d", 7);
	assert_int_equal(s.lines, 1);
	assert_string_equal(s.last, "value 7");
	gw_err(NULL, "no log at all");
}

static void what_a_guest_causes_is_rate_limited(void **state)
{
	struct seen s = { 0 };
	struct gw_log log = { .level = GW_LOG_WARN, .write = keep, .opaque = &s };

	for (int i = 0; i < 1000; i++)
		gw_log_guest(&log, "again");
	assert_int_equal(s.lines, 10);
	atomic_store(&log.window_start, 1);	/* long ago */
	gw_log_guest(&log, "later");
	assert_int_equal(s.lines, 12);
	assert_string_equal(s.last, "later");
}

static void what_one_guest_causes_does_not_mute_another(void **state)
{
	struct seen s = { 0 };
	struct gw_log log = { .level = GW_LOG_WARN, .write = keep, .opaque = &s }, one, other;

	gw_log_own(&one, &log);
	gw_log_own(&other, &log);
	for (int i = 0; i < 1000; i++)
		gw_log_guest(&one, "again");
	assert_int_equal(s.lines, 10);
	gw_log_guest(&other, "first");
	assert_string_equal(s.last, "first");
	gw_log_own(&one, NULL);
	gw_log_guest(&one, "nobody hears it");
	gw_err(&one, "nor this");
	assert_int_equal(s.lines, 11);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(levels_above_the_limit_are_dropped),
		cmocka_unit_test(what_a_guest_causes_is_rate_limited),
		cmocka_unit_test(what_one_guest_causes_does_not_mute_another),
	};

	return cmocka_run_group_tests_name("log", tests, NULL, NULL);
}
