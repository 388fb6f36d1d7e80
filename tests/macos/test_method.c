/* SPDX-License-Identifier: BSD-3-Clause */
#include "dext_rig.h"

#include "shell.h"

/* Calls of the extension that no client of ours makes, but whoever may open it can. */

static struct shell_conn *open_client(void)
{
	struct shell_conn *c;
	char root[GW_ROOT_SIZE];

	assert_int_equal(shell_open(0, &c, root), 0);
	return c;
}

static uint32_t method(struct shell_conn *c, unsigned long selector, bool structure, const unsigned long *in,
		       unsigned int nr_in)
{
	unsigned long out[16];

	return shell_method(c, selector, structure, in, nr_in, out);
}

/* What is cut to 32 bits would be a call: here the claim. */
static void a_selector_of_64_bits_is_none(void **state)
{
	struct shell_conn *c = open_client();

	assert_int_equal(method(c, 1ul << 32 | GW_DEXT_CLAIM, false, NULL, 0), GW_IORETURN_UNSUPPORTED);
	assert_int_equal(method(c, UINT64_MAX, false, NULL, 0), GW_IORETURN_UNSUPPORTED);
	assert_int_equal(method(c, GW_DEXT_RESET_DEVICE, false, NULL, 0), GW_IORETURN_NOT_OPEN);
	shell_close(c);
}

/* A pointer of the client's is none of the extension's. */
static void a_remote_of_another_process_is_refused(void **state)
{
	const unsigned long in[6] = { 1, 0x1000, 16384, 0, 0, 0x4000 };
	struct shell_conn *c = open_client();

	assert_int_equal(method(c, GW_DEXT_CLAIM, false, NULL, 0), GW_IORETURN_SUCCESS);
	assert_int_equal(method(c, GW_DEXT_REGISTER_REMOTE, false, in, 6), GW_IORETURN_UNSUPPORTED);
	shell_close(c);
}

static void structures_are_no_scalars(void **state)
{
	struct shell_conn *c = open_client();

	assert_int_equal(method(c, GW_DEXT_CLAIM, true, NULL, 0), GW_IORETURN_UNSUPPORTED);
	assert_int_equal(method(c, GW_DEXT_RESET_DEVICE, false, NULL, 0), GW_IORETURN_NOT_OPEN);
	shell_close(c);
}

static void a_client_that_was_stopped_does_nothing(void **state)
{
	struct shell_conn *c = open_client();

	assert_int_equal(method(c, GW_DEXT_CLAIM, false, NULL, 0), GW_IORETURN_SUCCESS);
	shell_stop_client(c);
	assert_int_equal(method(c, GW_DEXT_GET_LIMITS, false, NULL, 0), GW_IORETURN_NOT_READY);
	assert_int_equal(shell_memory(c, GW_DEXT_MEMORY_BAR0), GW_IORETURN_NOT_READY);
	shell_drop(c);
}

/* A machine has a number of them for all its devices. */
static void fewer_interrupts_than_asked_for_are_those_there_are(void **state)
{
	struct shell_conn *c = open_client();
	unsigned long nr[16];

	assert_int_equal(method(c, GW_DEXT_CLAIM, false, NULL, 0), GW_IORETURN_SUCCESS);
	shell_vectors(3);
	assert_int_equal(shell_method(c, GW_DEXT_SETUP_INTERRUPTS, false, NULL, 0, nr), GW_IORETURN_SUCCESS);
	shell_vectors(0);
	assert_int_equal(nr[0], 3);
	shell_close(c);
	c = open_client();		/* and so they stay */
	assert_int_equal(method(c, GW_DEXT_CLAIM, false, NULL, 0), GW_IORETURN_SUCCESS);
	assert_int_equal(shell_method(c, GW_DEXT_SETUP_INTERRUPTS, false, NULL, 0, nr), GW_IORETURN_SUCCESS);
	assert_int_equal(nr[0], 3);
	shell_close(c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(a_selector_of_64_bits_is_none),
		T(a_remote_of_another_process_is_refused),
		T(structures_are_no_scalars),
		T(a_client_that_was_stopped_does_nothing),
		T(fewer_interrupts_than_asked_for_are_those_there_are),
	};

	return cmocka_run_group_tests_name("method", tests, NULL, NULL);
}
