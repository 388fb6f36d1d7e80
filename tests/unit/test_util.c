/* SPDX-License-Identifier: BSD-3-Clause */
#include "unit.h"

#include "base/util.h"

static void sizes_take_one_suffix(void **state)
{
	uint64_t v;

	assert_int_equal(gw_size_parse("512", &v), 0);
	assert_int_equal(v, 512);
	assert_int_equal(gw_size_parse("64k", &v), 0);
	assert_int_equal(v, 65536);
	assert_int_equal(gw_size_parse("3G", &v), 0);
	assert_int_equal(v, 3ull << 30);
	assert_int_equal(gw_size_parse("0x10", &v), 0);
	assert_int_equal(v, 16);
}

static void bad_sizes_are_refused(void **state)
{
	static const char *const bad[] = { "", "G", "-1", " 1", "1KB", "1 G", "1x", "+1" };
	uint64_t v;

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		assert_int_equal(gw_size_parse(bad[i], &v), -EINVAL);
	assert_int_equal(gw_size_parse("99999999999999999999", &v), -ERANGE);
	assert_int_equal(gw_size_parse("9223372036854775807T", &v), -ERANGE);
}

static void options_are_split_at_single_commas(void **state)
{
	char list[] = "file=a,,b,c,size=1G,,,,x,,,last";
	char *rest = list, none[] = "", *empty = none;

	assert_string_equal(gw_option_next(&rest), "file=a,b");
	assert_string_equal(gw_option_next(&rest), "c");
	assert_string_equal(gw_option_next(&rest), "size=1G,,x,");
	assert_string_equal(gw_option_next(&rest), "last");
	assert_null(gw_option_next(&rest));
	assert_string_equal(gw_option_next(&empty), "");
	assert_null(gw_option_next(&empty));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sizes_take_one_suffix),
		cmocka_unit_test(bad_sizes_are_refused),
		cmocka_unit_test(options_are_split_at_single_commas),
	};

	return cmocka_run_group_tests_name("util", tests, NULL, NULL);
}
