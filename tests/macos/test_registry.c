/* SPDX-License-Identifier: BSD-3-Clause */
#include "dext_rig.h"

#include "iokit_standin.h"

/* What the IORegistry says of a device is looked at before it is believed. */

static int look(struct gw_dext_description *d)
{
	*d = (struct gw_dext_description){ .root = "" };
	return services->ops->describe(services, 0, d);
}

static void what_makes_sense_is_taken(void **state)
{
	struct gw_dext_description d;

	assert_int_equal(look(&d), 0);
	assert_true(d.addressed && d.identified);
	assert_int_equal(d.dev, 1);
	assert_int_equal(d.vendor, PROBE_VENDOR);
	assert_int_equal(d.granule, 16384);
	assert_true(d.iova_first < d.iova_last);
	assert_string_equal(d.root, "sim0");
}

enum { ADDRESS, IDENTITY, WINDOW };

static void what_makes_none_is_not_known(void **state)
{
	static const struct {
		const char *key;
		char kind;
		const char *data;
		size_t size;
		int64_t number;
		int what;
	} odd[] = {
		{ "pcidebug", 's', "256:1:0", 7, 0, ADDRESS }, { "pcidebug", 's', "0:32:0", 6, 0, ADDRESS },
		{ "pcidebug", 's', "0:1:8", 5, 0, ADDRESS }, { "pcidebug", 's', "0:1", 3, 0, ADDRESS },
		{ "pcidebug", 's', "4294967296:1:0", 14, 0, ADDRESS }, { "pcidebug", 'n', "", 0, 1, ADDRESS },
		{ "vendor-id", 'd', "\xff\xff\0\0", 4, 0, IDENTITY }, { "vendor-id", 'd', "\0\0\0\0", 4, 0, IDENTITY },
		{ "vendor-id", 'd', "\x36\x1b\1\0", 4, 0, IDENTITY }, { "vendor-id", 'd', "\x36\x1b", 2, 0, IDENTITY },
		{ "vendor-id", 'n', "", 0, 0x1b36, IDENTITY }, { "device-id", 'd', "\0\0\1\0", 4, 0, IDENTITY },
		{ "class-code", 'd', "", 0, 0, IDENTITY }, { "class-code", 's', "abcd", 4, 0, IDENTITY },
		{ "IOPCIDeviceMapperPageSize", 'n', "", 0, 0, WINDOW },
		{ "IOPCIDeviceMapperPageSize", 'n', "", 0, 12345, WINDOW },
		{ "IOPCIDeviceMapperPageSize", 'n', "", 0, 1ll << 31, WINDOW },
		{ "IOPCIDeviceMapperPageSize", 'd', "\0\x40\0\0", 4, 0, WINDOW },
		{ "IOPCIDeviceMemoryMapSize", 'n', "", 0, 0, WINDOW },
		{ "IOPCIDeviceMemoryMapSize", 'n', "", 0, -1, WINDOW },
		{ "IOPCIDeviceMemoryMapSize", 'n', "", 0, INT64_MAX, WINDOW },
		{ "IOPCIDeviceMemoryMapBase", 'n', "", 0, -1, WINDOW },
		{ "IOPCIDeviceMemoryMapBase", 'n', "", 0, INT64_MAX, WINDOW },
	};
	struct gw_dext_description d;

	for (size_t i = 0; i < ARRAY_SIZE(odd); i++) {
		standin_says(odd[i].key, odd[i].kind, odd[i].data, odd[i].size, odd[i].number);
		assert_int_equal(look(&d), 0);
		assert_int_equal(d.addressed, odd[i].what != ADDRESS);
		assert_int_equal(d.identified, odd[i].what != IDENTITY);
		assert_int_equal(d.granule, odd[i].what == WINDOW ? 0 : 16384);
	}
	standin_says("class-code", 'd', "\1\2\3\4", 4, 0);	/* of 24 bits */
	assert_int_equal(look(&d), 0);
	assert_int_equal(d.class_code, 0x030201);
	standin_says(NULL, 0, NULL, 0, 0);
}

static void services_of_others_are_left_alone(void **state)
{
	struct gw_dext_description d;

	standin_says("IOUserClass", 's', "SomebodysDriver", 15, 0);
	assert_int_equal(look(&d), -ENOENT);
	standin_says("IOUserClass", 's', "VFIOUserPCIDriver", 17, 0);
	assert_int_equal(look(&d), 0);
	standin_says(NULL, 0, NULL, 0, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(what_makes_sense_is_taken),
		T(what_makes_none_is_not_known),
		T(services_of_others_are_left_alone),
	};

	return cmocka_run_group_tests_name("registry", tests, NULL, NULL);
}
