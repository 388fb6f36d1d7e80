/* SPDX-License-Identifier: BSD-3-Clause */
#include "unit.h"

#include <gangway/log.h>

#include "base/quote.h"
#include "base/util.h"

static void what_a_terminal_would_obey_is_spelt_out(void **state)
{
	static const struct { const char *in, *out; } v[] = {
		{ "", "" },
		{ "vfio-pci", "vfio-pci" },
		{ "gr\xc3\xbc\xc3\x9f \xe2\x82\xac \xf0\x9f\x98\x80", "gr\xc3\xbc\xc3\x9f \xe2\x82\xac \xf0\x9f\x98\x80" },
		{ "a\033[31mb", "a\\x1b[31mb" },
		{ "a\nerror: b\r\t\x7f", "a\\x0aerror: b\\x0d\\x09\\x7f" },
		{ "\xc2\x9b" "31m", "\\xc2\\x9b31m" },		/* CSI in one character */
		{ "\x9b" "31m", "\\x9b31m" },			/* and in one byte */
		{ "\xc3", "\\xc3" },				/* cut short */
		{ "\xe2\x82", "\\xe2\\x82" },
		{ "\xc0\x9b", "\\xc0\\x9b" },			/* longer than it need be */
		{ "\xe0\x80\x9b", "\\xe0\\x80\\x9b" },
		{ "\xed\xa0\x80", "\\xed\\xa0\\x80" },		/* half a pair */
		{ "\xf4\x90\x80\x80", "\\xf4\\x90\\x80\\x80" },	/* behind the last */
		{ "\xff", "\\xff" },
	};
	char out[64];

	for (size_t i = 0; i < ARRAY_SIZE(v); i++)
		assert_string_equal(gw_quote(v[i].in, out, sizeof(out)), v[i].out);
}

static void what_does_not_fit_is_left_out_whole(void **state)
{
	static const char *const with[] = { "", "", "", "", "\\x1b", "\\x1b", "\\x1b\xc3\xbc" };
	char out[16];

	for (size_t size = 1; size <= ARRAY_SIZE(with); size++) {
		memset(out, '!', sizeof(out));
		assert_string_equal(gw_quote("\033\xc3\xbc", out, size), with[size - 1]);
		assert_int_equal(out[size], '!');
	}
}

static void keep(void *opaque, enum gw_log_level level, const char *line)
{
	strcpy(opaque, line);
}

static void what_is_logged_is_one_line_without_effects(void **state)
{
	char line[1024] = "";
	struct gw_log log = { .level = GW_LOG_INFO, .write = keep, .opaque = line };

	gw_err(&log, "%s is in use", "disk\033]0;root#\007\nhint: run this");
	assert_string_equal(line, "disk\\x1b]0;root#\\x07\\x0ahint: run this is in use");
	gw_log_guest(&log, "%s", "\x9b");
	assert_string_equal(line, "\\x9b");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_a_terminal_would_obey_is_spelt_out),
		cmocka_unit_test(what_does_not_fit_is_left_out_whole),
		cmocka_unit_test(what_is_logged_is_one_line_without_effects),
	};

	return cmocka_run_group_tests_name("quote", tests, NULL, NULL);
}
