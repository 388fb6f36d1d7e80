/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef TESTS_MACOS_CF_STANDIN_H
#define TESTS_MACOS_CF_STANDIN_H

#include <CoreFoundation/CoreFoundation.h>
#include <stddef.h>
#include <stdint.h>

/* CoreFoundation, played. */

/**
 * cf_new() - a value of the caller's, for CFRelease()
 * @type: s: a string, d: data, n: @number, m: what is to be matched
 * @len:  bytes, less than 64; copied
 */
CFTypeRef cf_new(char type, const void *bytes, size_t len, int64_t number);

/** cf_text() - what a string says; the string's */
const char *cf_text(CFTypeRef cf);

/** cf_left() - Return: how many values there are */
long cf_left(void);

#endif
