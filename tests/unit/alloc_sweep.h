/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef TESTS_UNIT_ALLOC_SWEEP_H
#define TESTS_UNIT_ALLOC_SWEEP_H

/*
 * Calls that ask for memory, descriptors or threads, of which one can be made to fail: the linker
 * sends them here (--wrap; meson.build has the list). A sweep has the first of them fail, then the
 * second, and so on, until a run has none left that could:
 *
 *	do {
 *		alloc_fail(++nth);
 *		ret = gw_thing_new(&thing);
 *		err = alloc_end();
 *		assert_int_equal(ret, err);
 *	} while (err);
 */

/** alloc_fail() - the @nth call from now fails, counted from 1, of those this thread makes */
void alloc_fail(unsigned int nth);

/** alloc_fail_elsewhere() - the same, of those that the other threads make */
void alloc_fail_elsewhere(unsigned int nth);

/**
 * alloc_end() - no call fails any longer
 *
 * Where a call of this thread has failed, as many descriptors must be open as were before.
 *
 * Return: what the call that failed meant, as -errno; 0 if there were not so many calls.
 */
int alloc_end(void);

#endif
