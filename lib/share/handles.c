/* SPDX-License-Identifier: BSD-3-Clause */
#include "share/handles.h"

#include <errno.h>
#include <string.h>
#include <sys/random.h>

int gw_handles_make(struct gw_handles *h, const struct gw_handle *like,
		    uint8_t bytes[GW_SHARE_HANDLE])
{
	struct gw_handle *n = &h->handle[h->next];

	if (getrandom(bytes, GW_SHARE_HANDLE, 0) != (ssize_t)GW_SHARE_HANDLE)
		return errno ? -errno : -EIO;
	*n = *like;
	memcpy(n->bytes, bytes, GW_SHARE_HANDLE);
	n->live = true;
	n->used = false;
	h->next = (h->next + 1) % GW_HANDLES_MAX;
	return 0;
}

/* Return: all ones if they are equal and @live, else 0; no branch depends on the bytes. */
static uint64_t equal(const uint8_t a[GW_SHARE_HANDLE], const uint8_t b[GW_SHARE_HANDLE], bool live)
{
	uint64_t x[2], y[2], diff;

	memcpy(x, a, sizeof(x));
	memcpy(y, b, sizeof(y));
	diff = (x[0] ^ y[0]) | (x[1] ^ y[1]) | !live;
	return ((diff | (0 - diff)) >> 63) - 1;
}

struct gw_handle *gw_handles_find(struct gw_handles *h, const uint8_t bytes[GW_SHARE_HANDLE])
{
	uint64_t found = 0;

	for (unsigned int i = 0; i < GW_HANDLES_MAX; i++)
		found |= equal(h->handle[i].bytes, bytes, h->handle[i].live) & (i + 1);
	return found ? &h->handle[found - 1] : NULL;
}
