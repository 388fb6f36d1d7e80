/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>

#include <gangway/host.h>

/*
 * The one account of what a function has mapped. The budget is taken before the host is asked, as a
 * platform may fail badly beyond it, and given back only once the host has let go. Counters are
 * words that any thread changes; none is used to order anything else.
 */

static uint64_t get(const uint64_t *n)
{
	return __atomic_load_n(n, __ATOMIC_RELAXED);
}

static bool take(uint64_t *n, uint64_t by, uint64_t most)
{
	uint64_t had = get(n);

	do {
		if (had > most || by > most - had)
			return false;
	} while (!__atomic_compare_exchange_n(n, &had, had + by, true, __ATOMIC_RELAXED,
					      __ATOMIC_RELAXED));
	return true;
}

static void put(uint64_t *n, uint64_t by)
{
	__atomic_sub_fetch(n, by, __ATOMIC_RELAXED);
}

static void raise_to(uint64_t *peak, uint64_t n)
{
	uint64_t had = get(peak);

	while (had < n && !__atomic_compare_exchange_n(peak, &had, n, true, __ATOMIC_RELAXED,
						       __ATOMIC_RELAXED))
		continue;
}

static int budget_take(struct gw_function *f, uint64_t size)
{
	struct gw_account *a = &f->mapped;

	if (size > f->limits.max_map_bytes)
		return -E2BIG;
	if (!take(&a->maps, 1, f->limits.max_maps))
		return -ENOSPC;
	if (!take(&a->bytes, size, f->limits.max_bytes)) {
		put(&a->maps, 1);
		return -ENOSPC;
	}
	return 0;
}

static void budget_put(struct gw_function *f, uint64_t size)
{
	put(&f->mapped.bytes, size);
	put(&f->mapped.maps, 1);
}

/* Use what was taken from the budget, or give it back if @ret is an error. Return: @ret */
static int budget_used(struct gw_function *f, uint64_t size, int ret)
{
	struct gw_account *a = &f->mapped;

	if (ret) {
		budget_put(f, size);
		return ret;
	}
	__atomic_add_fetch(&a->total_maps, 1, __ATOMIC_RELAXED);
	raise_to(&a->peak_maps, get(&a->maps));
	raise_to(&a->peak_bytes, get(&a->bytes));
	return 0;
}

int gw_function_map(struct gw_function *f, const struct gw_memory *mem, uint64_t size,
		    const gw_iova *want, struct gw_mapping *map)
{
	int ret = budget_take(f, size);

	return ret ? ret : budget_used(f, size, f->ops->dma_map(f, mem, size, want, map));
}

int gw_function_map_bar(struct gw_function *f, struct gw_function *peer, unsigned int bar,
			const struct gw_bar_range *range, const gw_iova *want,
			struct gw_mapping *map)
{
	const struct gw_peer_ops *p = f->ops->peer;
	int ret = p && p->dma_map_bar ? budget_take(f, range->size) : -EOPNOTSUPP;

	return ret ? ret : budget_used(f, range->size,
				       p->dma_map_bar(f, peer, bar, range, want, map));
}

int gw_function_unmap(struct gw_function *f, uint64_t handle, uint64_t size)
{
	int ret = f->ops->dma_unmap(f, handle);

	if (ret && ret != -ENODEV && ret != -ENOENT)
		return ret;
	budget_put(f, size);
	return 0;
}

void gw_function_mapped(const struct gw_function *f, struct gw_account *account)
{
	const struct gw_account *a = &f->mapped;

	*account = (struct gw_account){
		.maps = get(&a->maps), .bytes = get(&a->bytes), .peak_maps = get(&a->peak_maps),
		.peak_bytes = get(&a->peak_bytes), .total_maps = get(&a->total_maps),
	};
}

void gw_function_budget_text(const struct gw_function *f, char text[GW_BUDGET_TEXT])
{
	snprintf(text, GW_BUDGET_TEXT, "%" PRIu64 " of %" PRIu64 " mappings are in use, %#" PRIx64
		 " of %#" PRIx64 " bytes", get(&f->mapped.maps), f->limits.max_maps,
		 get(&f->mapped.bytes), f->limits.max_bytes);
}
