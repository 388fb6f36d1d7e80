/* SPDX-License-Identifier: BSD-3-Clause */
#include "companion/share.h"

#include <errno.h>
#include <stdlib.h>

#include "base/lock.h"
#include "base/util.h"

/*
 * How it works: a guest says range by range what it shares, so no list of its own is read, and then
 * has the list shared. The sharer checks whether all of it is inside the BAR, and knows what
 * becomes of it; here the list has a bound, and goes with the generation.
 */

static void list_drop(struct gw_companion *c) GW_HOLDS(c->gate)
{
	free(c->list.range);
	c->list = (struct gw_companion_ranges){ 0 };
}

static int list_grow(struct gw_companion_ranges *l)
{
	unsigned int room = l->room ? 2 * l->room : 16;
	struct gw_bar_range *more;

	if (room > GW_SHARER_RANGES)
		return -ENOSPC;
	more = realloc(l->range, room * sizeof(*more));
	if (!more)
		return -ENOMEM;
	l->range = more;
	l->room = room;
	return 0;
}

int gw_companion_list(struct gw_companion *c, uint64_t index, const struct gw_bar_range *range)
{
	struct gw_companion_ranges *l = &c->list;
	int ret = 0;

	if (!index)
		list_drop(c);
	if (!c->sharer || index != l->nr)
		return -EINVAL;
	if (l->nr == l->room)
		ret = list_grow(l);
	if (!ret)
		l->range[l->nr++] = *range;
	return ret;
}

int gw_companion_share(struct gw_companion *c, uint64_t bar, const struct gw_buffer_picture *p,
		       uint64_t *handle)
{
	int ret = -EINVAL;

	if (c->kept)
		return -ESTALE;
	if (c->releasing)
		return -EBUSY;
	if (c->sharer && bar < GW_NR_BARS)
		ret = c->sharer->ops->share(c->sharer, (unsigned int)bar, c->list.range,
					    c->list.nr, p, handle);
	list_drop(c);
	return ret;
}

int gw_companion_unshare(struct gw_companion *c, uint64_t handle)
{
	return c->sharer ? c->sharer->ops->unshare(c->sharer, handle) : -EINVAL;
}

void gw_companion_unshare_all(struct gw_companion *c)
{
	list_drop(c);
	if (c->sharer)
		c->sharer->ops->unshare_all(c->sharer);
}
