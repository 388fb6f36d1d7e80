/* SPDX-License-Identifier: BSD-3-Clause */
#include "host/vfio/dma.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "host/vfio/function.h"
#include "host/vfio/peer.h"

/*
 * How it works: guest memory goes to the space as it is. A peer's BAR is mapped by the address
 * that its registers have in this process, or by a dma-buf of it; that mapping ends before the
 * peer is given up, since the IOMMU would go on pointing at addresses that then belong to another.
 */

static int function_map(struct gw_vfio_function *fn, const struct gw_vfio_want *want,
			struct gw_mapping *map)
{
	int ret;

	if (want->iova && !fn->base.limits.caller_iova)
		return -EOPNOTSUPP;
	ret = gw_vfio_enter(fn);
	if (ret)
		return ret;
	ret = gw_vfio_space_map(fn->space, want, map);
	gw_vfio_leave(fn);
	return ret;
}

int gw_vfio_dma_map(struct gw_function *f, const struct gw_memory *mem, uint64_t size,
		    const gw_iova *want, struct gw_mapping *map)
{
	struct gw_vfio_function *fn = gw_vfio_fn(f);
	const struct gw_vfio_want w = {
		.name = f->info.name, .slot = fn->slot, .addr = mem->addr, .file = mem->file,
		.size = size, .read_only = mem->read_only, .iova = want, .last = mem->last.v,
	};

	if (mem->remote)
		return -EOPNOTSUPP;
	return function_map(fn, &w, map);
}

uint64_t gw_vfio_room(struct gw_function *f)
{
	return gw_vfio_locked_room(&gw_vfio_fn(f)->host->spaces.locked);
}

int gw_vfio_dma_unmap(struct gw_function *f, uint64_t handle)
{
	struct gw_vfio_function *fn = gw_vfio_fn(f);
	int ret = gw_vfio_enter(fn);

	if (ret)
		return ret;
	ret = gw_vfio_space_unmap(fn->space, fn->slot, handle);
	gw_vfio_leave(fn);
	gw_vfio_irqs_poke(&fn->irqs);
	return ret;
}

int gw_vfio_bar_export(struct gw_function *f, unsigned int bar, const struct gw_bar_range *range,
		       unsigned int nr, int *fd)
{
	struct gw_vfio_function *fn = gw_vfio_fn(f);
	int ret = nr ? 0 : -EINVAL;

	for (unsigned int i = 0; !ret && i < nr; i++)
		ret = gw_vfio_bars_range_check(&fn->bars, bar, &range[i]);
	if (ret)
		return ret;
	ret = gw_vfio_enter(fn);
	if (ret)
		return ret;
	*fd = gw_vfio_bars_dma_buf(&fn->bars, bar, range, nr);
	if (*fd >= 0)
		atomic_store(&fn->bars.exported, true);
	gw_vfio_leave(fn);
	return *fd < 0 ? *fd : 0;
}

static int map_peer(struct gw_vfio_function *fn, struct gw_vfio_function *owner, unsigned int bar,
		    const struct gw_bar_range *range, struct gw_vfio_want *w,
		    struct gw_mapping *map) GW_HOLDS(fn->host->lock)
{
	int ret;

	if (gw_vfio_is_gone(fn))
		return -ENODEV;
	if (!gw_vfio_space_of(fn)->ops->bar_as_buf)
		return function_map(fn, w, map);
	w->buf = gw_vfio_bars_dma_buf(&owner->bars, bar, range, 1);
	if (w->buf < 0)
		return w->buf;
	ret = function_map(fn, w, map);
	close(w->buf);	/* the kernel keeps what it needs */
	return ret;
}

int gw_vfio_dma_map_bar(struct gw_function *f, struct gw_function *peer, unsigned int bar,
			const struct gw_bar_range *range, const gw_iova *want,
			struct gw_mapping *map)
{
	struct gw_vfio_function *fn = gw_vfio_fn(f), *owner = gw_vfio_fn(peer);
	struct gw_vfio_want w = { .name = f->info.name, .slot = fn->slot, .iova = want,
				  .peer = owner, .bar = bar, .range = *range };
	int ret;

	if (peer->ops != f->ops || owner->host != fn->host)
		return -EXDEV;
	ret = gw_vfio_bars_range_check(&owner->bars, bar, range);
	if (!ret)
		ret = gw_vfio_peer_check(fn->host, peer->info.name, f->info.name);
	if (ret)
		return ret;
	/* the host's lock: the owner cannot be given up between the look and the mapping */
	pthread_mutex_lock(&fn->host->lock);
	GW_READABLE(owner->lock);	/* the host is the owner's as well */
	if (owner->gone) {
		ret = -ENODEV;
		goto unlock;
	}
	w.addr = gw_vfio_bars_at(&owner->bars, bar, range);
	w.size = range->size;
	ret = w.addr ? map_peer(fn, owner, bar, range, &w, map) : -EOPNOTSUPP;
	if (!ret)
		atomic_store(&owner->reached, true);
unlock:
	pthread_mutex_unlock(&fn->host->lock);
	return ret;
}

static int buf_of(const struct gw_vfio_function *peer, unsigned int bar,
		  const struct gw_bar_range *range)
{
	return gw_vfio_bars_dma_buf(&peer->bars, bar, range, 1);
}

void gw_vfio_dma_again(struct gw_vfio_function *fn)
{
	struct gw_vfio_space *s;

	if (gw_vfio_is_gone(fn) || !atomic_load(&fn->reached))
		return;
	LIST_FOREACH(s, &fn->host->spaces.list, link)
		if (s->ops->bar_as_buf)
			gw_vfio_space_again(s, fn, buf_of);
}
