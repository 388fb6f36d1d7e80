/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef GW_BASE_GUARD_H
#define GW_BASE_GUARD_H

#include <stddef.h>
#include <stdint.h>

/*
 * Access to memory that another process may take from under us: a mapped file that shrinks
 * answers with SIGBUS. These calls turn that into an error. The first one installs a handler for
 * SIGBUS; a signal that did not come from here goes on to the handler that was there before.
 */

/** gw_guard_install() - put the handler (back) on top, after something else took SIGBUS over */
void gw_guard_install(void);

/** gw_guard_copy() - memcpy(3) that survives. Return: 0; -EFAULT, @dst is then undefined */
int gw_guard_copy(void *dst, const void *src, size_t len);

/** gw_guard_load32() - one aligned load with acquire order. Return: 0; -EFAULT */
int gw_guard_load32(const uint32_t *src, uint32_t *val);

/** gw_guard_store32() - one aligned store with release order. Return: 0; -EFAULT */
int gw_guard_store32(uint32_t *dst, uint32_t val);

/**
 * gw_guard_reg_read() - one load of exactly @width bytes, as a device register wants it
 * @width: 1, 2, 4 or 8; @src is aligned to it
 *
 * Return: 0; -EFAULT.
 */
int gw_guard_reg_read(const volatile void *src, unsigned int width, uint64_t *val);

/** gw_guard_reg_write() - one store of exactly @width bytes. Return: 0; -EFAULT */
int gw_guard_reg_write(volatile void *dst, unsigned int width, uint64_t val);

#endif
