/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef GW_HOST_DEXT_BOUND_H
#define GW_HOST_DEXT_BOUND_H

#include <gangway/dext.h>

/**
 * gw_dext_bound_new() - a connection whose calls end in time, whatever the dext does
 * @inner: closed with it, once no call is under way
 * @ms:    for each call but GW_DEXT_CLAIM, whose caller does not wait for it, and a reset, which
 *         has 3 times as long
 *
 * A call that is not answered in time is GW_IORETURN_TIMEOUT, and so is every other as long as it
 * is not answered. What a late answer brings is given back: a region, a buffer, a mapping. A wait
 * for interrupts is made late, or fails late.
 *
 * Return: NULL if memory is out; then @inner is still the caller's.
 */
struct gw_dext_conn *gw_dext_bound_new(struct gw_dext_conn *inner, unsigned int ms);

#endif
