/* SPDX-License-Identifier: BSD-3-Clause */
#include "unit.h"

#include "base/util.h"
#include "fake_dext.h"

/* Finding and opening functions of dexts that know little, or do not answer. */

#define SILENT_MS	3000u	/* that one that does answer never takes, however busy the machine is */

static struct fake_dext dext;
static struct fake_fn *fake;
static struct gw_host *host;
static struct gw_function *fn;

static void options(unsigned int answer_ms, unsigned int open_ms, bool leave_out_bars)
{
	const struct gw_dext_options o = {
		.answer_ms = answer_ms, .open_ms = open_ms, .leave_out_bars = leave_out_bars,
	};

	gw_dext_host_set_options(host, &o);
}

static int setup(void **state)
{
	fn = NULL;
	fake_init(&dext);
	fake = fake_add(&dext, "pcic0", 1, 2, 3);
	assert_int_equal(gw_dext_host_new(&dext.services, &fake_log, &host), 0);
	options(60000, 60000, false);
	return 0;
}

static int teardown(void **state)
{
	if (fn)
		fn->ops->close(fn);
	host->ops->free(host);
	for (unsigned int i = 0; i < dext.nr; i++)
		assert_int_equal(fake_open_conns(&dext.fn[i]), 0);
	return 0;
}

static int open_it(void)
{
	return host->ops->open(host, "01:02.3", &fn);
}

/* identity */

static void what_is_not_known_before_the_claim_is_not_shown(void **state)
{
	struct gw_function_info *list;
	size_t nr;

	fake->anonymous = true;
	fake_add(&dext, "pcic0", 4, 5, 6)->anonymous = true;
	assert_int_equal(host->ops->list(host, &list, &nr), 0);
	assert_int_equal(nr, 2);
	for (size_t i = 0; i < nr; i++) {
		assert_true(list[i].unidentified);
		assert_int_equal(list[i].vendor | list[i].device | list[i].class_code, 0);
	}
	assert_string_equal(list[1].name, "04:05.6");
	free(list);
}

static void the_claim_tells_which_device_it_is(void **state)
{
	fake->anonymous = true;
	assert_int_equal(open_it(), 0);
	assert_false(fn->info.unidentified);
	assert_int_equal(fn->info.vendor, 0x1b36);
	assert_int_equal(fn->info.device, 0x0010);
	assert_int_equal(fn->info.class_code, 0x010802);
	assert_string_equal(fn->info.name, "01:02.3");
}

static void what_is_all_ones_even_then_is_refused(void **state)
{
	const uint64_t ones[6] = { 1, 2, 3, 0xffff, 0xffff, 0xffffff };

	fake_reply(fake, GW_DEXT_GET_IDENTITY, 6, ones);
	assert_int_equal(open_it(), -EIO);
	assert_non_null(strstr(fake_lines, "01:02.3: its vendor ID reads as all ones"));
	assert_int_equal(fake_open_conns(fake), 0);
	/* also where the registry remembers what it was */
	dext.registry = true;
	assert_int_equal(open_it(), -EIO);
}

static void the_registry_knows_devices_without_a_claim(void **state)
{
	struct gw_function_info *list;
	size_t nr;

	dext.registry = fake->anonymous = true;
	assert_int_equal(host->ops->list(host, &list, &nr), 0);
	assert_int_equal(nr, 1);
	assert_false(list[0].unidentified);
	assert_int_equal(list[0].vendor, 0x1b36);
	assert_int_equal(list[0].class_code, 0x010802);
	free(list);
	/* what the device says of itself goes before that */
	fake->identity[4] = 0x0011;
	assert_int_equal(open_it(), 0);
	assert_int_equal(fn->info.device, 0x0011);
}

static void a_function_that_moves_when_it_is_claimed_is_refused(void **state)
{
	const uint64_t other[6] = { 1, 2, 4, 0x1b36, 0x10, 0x010802 };

	fake_reply(fake, GW_DEXT_GET_IDENTITY, 6, other);
	fake->answer[GW_DEXT_GET_IDENTITY].after = 1;
	assert_int_equal(open_it(), -EPROTO);
	assert_int_equal(fake_open_conns(fake), 0);
}

/* dexts that do not answer */

static void list_names_the_silent_one_and_shows_the_others(void **state)
{
	struct gw_function_info *list;
	size_t nr;

	fake_add(&dext, "pcic0", 2, 0, 0);
	fake_add(&dext, "pcic0", 3, 0, 0);
	atomic_store(&fake->hang, 1u << GW_DEXT_GET_IDENTITY);
	options(SILENT_MS, 60000, false);
	assert_int_equal(host->ops->list(host, &list, &nr), 0);
	assert_int_equal(nr, 2);
	assert_string_equal(list[0].name, "02:00.0");
	assert_string_equal(list[1].name, "03:00.0");
	free(list);
	assert_non_null(strstr(fake_lines, "dext 0: its driver extension does not answer"));
	/* the registry knows its address */
	dext.registry = true;
	assert_int_equal(host->ops->list(host, &list, &nr), 0);
	assert_int_equal(nr, 2);
	free(list);
	assert_non_null(strstr(fake_lines, "01:02.3@pcic0: its driver extension does not answer"));
	fake_release(fake);
	while (fake_open_conns(fake))	/* the thread that was left alone closes it */
		;
}

static void who_is_silent_does_not_keep_others_from_being_opened(void **state)
{
	atomic_store(&fake->hang, 1u << GW_DEXT_GET_IDENTITY);
	fake_add(&dext, "pcic0", 2, 0, 0);
	options(SILENT_MS, 60000, false);
	assert_int_equal(host->ops->open(host, "02:00.0", &fn), 0);
	fn->ops->close(fn);
	fn = NULL;
	assert_int_equal(open_it(), -ETIMEDOUT);
	/* where its address is known it is not even asked */
	dext.registry = true;
	fake_lines[0] = '\0';
	options(60000, 60000, false);
	assert_int_equal(host->ops->open(host, "02:00.0", &fn), 0);
	assert_null(strstr(fake_lines, "does not answer"));
	fake_release(fake);
	while (fake_open_conns(fake))
		;
}

static void a_claim_without_an_end_is_given_up(void **state)
{
	static const unsigned int calls[] = {
		GW_DEXT_CLAIM, GW_DEXT_GET_LIMITS, GW_DEXT_GET_BAR_INFO, GW_DEXT_CONFIG_READ,
	};

	for (size_t i = 0; i < ARRAY_SIZE(calls); i++) {
		fake_lines[0] = '\0';
		atomic_store(&fake->hang, 1u << calls[i]);
		options(60000, 100, false);
		assert_int_equal(open_it(), -ETIMEDOUT);
		assert_non_null(strstr(fake_lines, "does not answer"));
		fake_release(fake);
		while (fake_open_conns(fake))
			;
		options(60000, 60000, false);
		assert_int_equal(open_it(), 0);
		fn->ops->close(fn);
		fn = NULL;
	}
}

/* BARs without an address */

static void set_bars(uint32_t bar0, uint32_t upper, uint32_t bar2)
{
	memcpy(fake->config + 0x10, (uint32_t[]){ bar0, upper, bar2 }, 12);
}

static void a_bar_without_an_address_is_refused_with_the_reason(void **state)
{
	struct gw_bar_info info;

	set_bars(0xc, 0, 0);
	assert_int_equal(open_it(), -EIO);
	assert_non_null(strstr(fake_lines, "BAR 0 has no address (the platform gave it none)"));
	assert_non_null(strstr(fake_lines, "leave-out-bars=on"));
	set_bars(0xc, 1, 0);	/* above 4 GiB is an address */
	assert_int_equal(open_it(), -EIO);
	assert_non_null(strstr(fake_lines, "BAR 2 has no address"));
	options(60000, 60000, true);
	assert_int_equal(open_it(), 0);
	assert_int_equal(fn->ops->bar_info(fn, 0, &info), 0);
	assert_int_equal(info.size, 16384);
	assert_int_equal(fn->ops->bar_info(fn, 2, &info), 0);
	assert_int_equal(info.size, 0);
	assert_non_null(strstr(fake_lines, "BAR 2 has no address (the platform gave it none) and is left"));
	assert_int_equal(fn->ops->reg_read(fn, 2, (gw_bar_off){ 0 }, 4, &(uint64_t){ 0 }), -EINVAL);
}

static void decoding_that_stays_off_is_refused_unless_no_bar_is_left(void **state)
{
	const uint64_t zero = 0;

	fake_reply(fake, GW_DEXT_CONFIG_READ, 1, &zero);
	options(60000, 60000, true);
	assert_int_equal(open_it(), 0);		/* none has an address, so all are left out */
	fn->ops->close(fn);
	fn = NULL;
	fake->answer[GW_DEXT_CONFIG_READ].after = 6;	/* the BARs of 64 and of 32 bits */
	fake->calls[GW_DEXT_CONFIG_WRITE] = 0;
	assert_int_equal(open_it(), -EIO);
	assert_non_null(strstr(fake_lines, "memory decoding stays off"));
	assert_true(fake->calls[GW_DEXT_CONFIG_WRITE] > 0);
}

static void options_are_checked(void **state)
{
	struct gw_dext_options o = { 0 };

	assert_int_equal(gw_dext_set_option(&o, "leave-out-bars", "on", &fake_log), 0);
	assert_true(o.leave_out_bars);
	assert_int_equal(gw_dext_set_option(&o, "leave-out-bars", "off", &fake_log), 0);
	assert_false(o.leave_out_bars);
	assert_int_equal(gw_dext_set_option(&o, "leave-out-bars", "1", &fake_log), -EINVAL);
	assert_int_equal(gw_dext_set_option(&o, "answer-ms", "7", &fake_log), 0);
	assert_int_equal(gw_dext_set_option(&o, "open-ms", "8", &fake_log), 0);
	assert_int_equal(gw_dext_set_option(&o, "reset-ms", "600000", &fake_log), 0);
	assert_int_equal(o.answer_ms + o.open_ms + o.reset_ms, 600015);
	assert_int_equal(gw_dext_set_option(&o, "reset-ms", "0", &fake_log), -EINVAL);
	assert_int_equal(gw_dext_set_option(&o, "reset-ms", "600001", &fake_log), -EINVAL);
	assert_int_equal(gw_dext_set_option(&o, "reset-ms", "x", &fake_log), -EINVAL);
	assert_int_equal(gw_dext_set_option(&o, "granule", "4K", &fake_log), -ENOENT);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(what_is_not_known_before_the_claim_is_not_shown),
		T(the_claim_tells_which_device_it_is),
		T(what_is_all_ones_even_then_is_refused),
		T(the_registry_knows_devices_without_a_claim),
		T(a_function_that_moves_when_it_is_claimed_is_refused),
		T(list_names_the_silent_one_and_shows_the_others),
		T(who_is_silent_does_not_keep_others_from_being_opened),
		T(a_claim_without_an_end_is_given_up),
		T(a_bar_without_an_address_is_refused_with_the_reason),
		T(decoding_that_stays_off_is_refused_unless_no_bar_is_left),
		T(options_are_checked),
	};

	return cmocka_run_group_tests_name("dext_open", tests, NULL, NULL);
}
