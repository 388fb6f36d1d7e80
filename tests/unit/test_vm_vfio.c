/* SPDX-License-Identifier: BSD-3-Clause */
/* A program with gangway inside, on a Linux host. */
#include "fake_vfio.h"

#include <gangway/devices.h>
#include <gangway/embed.h>

#define MiB		(1ull << 20)
#define FUNCTION	"0000:01:00.0"

static struct gw_vm *vm_new(uint64_t memory, const char *option)
{
	const struct gw_vm_options opt = { .plan = GW_PLAN_DIRECT, .endpoints = gw_endpoint_types,
					   .memory = memory, .tree = fake.tree };
	struct gw_vm *vm;

	assert_int_equal(gw_vm_new(&opt, &fake.sink, &vm), 0);
	if (option)
		assert_int_equal(gw_vm_set_option(vm, option), 0);
	return vm;
}

/* What the function of such a guest may have mapped. */
static struct gw_host_limits limits(uint64_t memory, const char *option)
{
	struct gw_vm *vm = vm_new(memory, option);
	struct gw_host_limits limits;
	struct gw_vm_function *f;

	assert_int_equal(gw_vm_open(vm, FUNCTION, NULL, &f), 0);
	limits = f->fn->limits;
	gw_vm_close(f);
	gw_vm_free(vm);
	return limits;
}

static void a_function_maps_no_more_than_the_guest_can_have(void **state)
{
	struct gw_host_limits l = limits(512 * MiB, NULL);

	assert_int_equal(l.max_bytes, 768 * MiB);
	assert_int_equal(l.max_maps, FAKE_MAPS);	/* the kernel's, which are fewer */
	assert_int_equal(limits(64 * MiB, NULL).max_bytes, 320 * MiB);
	/* who asks for a budget gets that */
	assert_int_equal(limits(512 * MiB, "max-bytes=1G").max_bytes, 1024 * MiB);
	assert_int_equal(limits(512 * MiB, "max-maps=7").max_maps, 7);
	/* not known: the same as without a guest */
	assert_int_not_equal(limits(0, NULL).max_bytes, 256 * MiB);
}

static void each_error_of_an_open_is_told_apart(void **state)
{
	struct gw_vm *vm = vm_new(0, NULL);
	struct gw_vm_function *f, *g;

	assert_int_equal(gw_vm_open(vm, "0000:77:00.0", NULL, &f), -ENOENT);
	assert_int_equal(gw_vm_open(vm, "teapot", NULL, &f), -EINVAL);
	assert_int_equal(gw_vm_open(vm, "sim:teapot", NULL, &f), -EINVAL);
	assert_int_equal(gw_vm_open(vm, FUNCTION, NULL, &f), 0);
	assert_int_equal(gw_vm_set_option(vm, "max-maps=7"), -EBUSY);
	assert_int_equal(gw_vm_open(vm, "sim:probe", NULL, &g), -EINVAL);
	assert_int_equal(gw_vm_open(vm, FUNCTION, NULL, &g), -EBUSY);
	assert_int_equal(gw_vm_open_next(f, NULL, &g), -ENOENT);
	gw_vm_close(f);
	gw_vm_free(vm);
	vm = vm_new(0, "max-maps=none");
	assert_int_equal(gw_vm_open(vm, FUNCTION, NULL, &f), -EINVAL);
	gw_vm_free(vm);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_function_maps_no_more_than_the_guest_can_have,
						fake_setup, fake_teardown),
		cmocka_unit_test_setup_teardown(each_error_of_an_open_is_told_apart, fake_setup,
						fake_teardown),
	};

	return cmocka_run_group_tests_name("vm_vfio", tests, NULL, NULL);
}
