/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef GW_VFIO_USER_NEGOTIATE_H
#define GW_VFIO_USER_NEGOTIATE_H

#include <stddef.h>
#include <stdint.h>

/* What a client said of itself, clamped to what we make use of. */
struct gw_caps {
	uint32_t max_fds;		/* it takes with one message */
	uint64_t max_xfer;		/* bytes of data it takes in one message */
	const char *wrong;		/* which part of it makes no sense; NULL: none */
};

/**
 * gw_caps_parse() - read a client's capabilities
 * @json: with its NUL; @len 0 means that the client said nothing
 *
 * Return: 0; -EINVAL not one NUL-terminated JSON object, or a value that cannot be, then
 * @caps->wrong says which; -ENOMEM.
 */
int gw_caps_parse(const char *json, size_t len, struct gw_caps *caps);

#endif
