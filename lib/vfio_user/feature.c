/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/reader.h"
#include "vfio_user/dispatch.h"

/*
 * DEVICE_FEATURE: what is optional in VFIO, by number, in the kernel's layout. One number is known
 * here: a dma-buf of ranges of a BAR. Higher ones mean one thing in one kernel and another in the
 * next, so whoever wants them has to probe, and hears that they are not there.
 */

#define FEATURE_NUMBER	0xffffu
#define FEATURE_GET	0x10000u
#define FEATURE_SET	0x20000u
#define FEATURE_PROBE	0x40000u
#define FEATURE_DMA_BUF	11u

#define HEAD		8u		/* argsz, flags */
#define DMA_BUF		16u		/* region, open flags, flags, number of ranges */

/* *@range is to be freed. */
static int take_ranges(struct gw_reader *in, uint32_t *region, struct gw_bar_range **range,
		       uint32_t *nr)
{
	uint32_t open_flags, flags;

	if (!gw_reader_u32(in, region) || !gw_reader_u32(in, &open_flags) ||
	    !gw_reader_u32(in, &flags) || !gw_reader_u32(in, nr))
		return -EMSGSIZE;
	if (flags || !*nr)
		return -EINVAL;
	if (gw_reader_left(in) / 16 != *nr || gw_reader_left(in) % 16)
		return -EMSGSIZE;
	*range = calloc(*nr, sizeof(**range));
	if (!*range)
		return -ENOMEM;
	for (uint32_t i = 0; i < *nr; i++)
		if (!gw_reader_u64(in, &(*range)[i].off.v) || !gw_reader_u64(in, &(*range)[i].size))
			return -EMSGSIZE;
	return 0;
}

static int dma_buf(struct gw_client *c, struct gw_reader *in, int *fd)
{
	struct gw_bar_range *range = NULL;
	uint32_t region, nr;
	int ret = take_ranges(in, &region, &range, &nr);

	if (!ret)
		ret = c->dev->ops->dma_buf(c->dev, region, range, nr, fd);
	free(range);
	return ret;
}

int gw_do_feature(struct gw_client *c, struct gw_msg *m, struct gw_reply *r)
{
	struct gw_reader in = gw_reader_init(m->body, m->len);
	uint32_t argsz, flags;
	int ret = 0;

	if (!gw_reader_u32(&in, &argsz) || !gw_reader_u32(&in, &flags))
		return -EMSGSIZE;
	if (argsz < HEAD || argsz < m->len ||
	    flags & ~(FEATURE_NUMBER | FEATURE_GET | FEATURE_SET | FEATURE_PROBE))
		return -EINVAL;
	if ((flags & FEATURE_NUMBER) != FEATURE_DMA_BUF || !c->dev->ops->dma_buf)
		return -EOPNOTSUPP;
	if (flags & FEATURE_SET || !(flags & (FEATURE_GET | FEATURE_PROBE)))
		return -EINVAL;
	if (!(flags & FEATURE_PROBE)) {
		if (!c->max_fds)
			return -EOPNOTSUPP;	/* the client could not take it */
		ret = dma_buf(c, &in, &r->fd);
		r->owned = !ret;
	}
	if (ret)
		return ret;
	/* the kernel leaves its caller's words as they were; so they go back */
	memcpy(r->data, m->body, m->len);
	r->len = m->len;
	return 0;
}
