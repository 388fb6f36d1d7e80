/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef GW_BASE_QUOTE_H
#define GW_BASE_QUOTE_H

#include <stddef.h>

/**
 * gw_quote() - a name from outside as a terminal may have it
 * @out: takes at most @size bytes, the last of them NUL; what does not fit is left out
 *
 * Control characters, those of eight bits too, and bytes that are no UTF-8 become \xNN: they
 * could move the cursor, change what is seen, or end a line that then looks like ours.
 *
 * Return: @out.
 */
const char *gw_quote(const char *s, char *out, size_t size);

#endif
