/* SPDX-License-Identifier: BSD-3-Clause */
#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include <gangway/pool.h>

#include "base/os.h"


/*
 * How it works: guest memory is one file (ram.c). A pool is a piece of it that the host maps for
 * one function alone; the guest keeps it for that function's bounce buffers. Pools are taken from
 * the end of what lies below 4 GiB, where a kernel has nothing yet when it reads its device tree:
 * the VMM loads the kernel at the start, and initramfs and device tree 128 MiB or less behind it.
 */

#define LOW_END		(4ull << 30)
#define GUEST_MIN	(256ull << 20)	/* left at the start of memory */
#define POOL_MIN	(1ull << 20)	/* Linux' smallest bounce buffer */

/* By base class (PCI Code and ID Assignment, 1): how much such devices have in flight. */
uint64_t gw_pool_default_size(const struct gw_function_info *info)
{
	switch (info->class_code >> 16) {
	case 0x01: return 64ull << 20;		/* mass storage */
	case 0x02: return 32ull << 20;		/* network */
	case 0x03: return 256ull << 20;		/* display */
	case 0x12: return 256ull << 20;		/* processing accelerator */
	default: return 16ull << 20;
	}
}

int gw_pools_open(struct gw_pools *p, gw_gpa gpa, uint64_t ram_size, const char *path,
		  struct gw_log *log)
{
	int ret;

	*p = (struct gw_pools){ 0 };
	ret = gw_ram_open(&p->ram, gpa, ram_size, path, log);
	if (ret)
		return ret;
	ret = gw_ram_settle(&p->ram, 0, log);
	if (ret)
		gw_ram_close(&p->ram, false);
	return ret;
}

void gw_pools_open_in(struct gw_pools *p, gw_gpa gpa, uint64_t ram_size, void *addr)
{
	*p = (struct gw_pools){ 0 };
	gw_ram_adopt(&p->ram, gpa, ram_size, addr);
}

static int size_check(const struct gw_function *fn, uint64_t size, struct gw_log *log)
{
	const struct gw_host_limits *l = &fn->limits;
	uint64_t most = l->max_map_bytes;

	if (size < POOL_MIN || size & (l->granule - 1)) {
		gw_err(log, "%s: a pool of %#" PRIx64 " bytes must be a multiple of %#" PRIx64
		       ", and at least 1 MiB", fn->info.name, size, l->granule);
		gw_hint(log, "give --pool-size in MiB, as in 64M");
		return -EINVAL;
	}
	if (size > most) {
		gw_err(log, "%s: a pool of %" PRIu64 " MiB exceeds what the host maps: %" PRIu64
		       " MiB at once, %" PRIu64 " MiB in one mapping", fn->info.name, size >> 20,
		       l->max_bytes >> 20, l->max_map_bytes >> 20);
		gw_hint(log, "ask for --pool-size %" PRIu64 "M or less", most >> 20);
		return -ENOSPC;
	}
	return 0;
}

/* Find room below the pools there are. */
static int find_room(const struct gw_pools *p, const struct gw_function *fn, uint64_t size,
		     struct gw_log *log, gw_gpa *gpa)
{
	uint64_t first = p->ram.gpa.v + GUEST_MIN, end = p->ram.gpa.v + p->ram.size;

	if (end > LOW_END)
		end = LOW_END;
	if (p->nr)
		end = p->pool[p->nr - 1].gpa.v;
	end &= ~(fn->limits.granule - 1);
	if (p->nr < GW_MAX_POOLS && end >= first && end - first >= size) {
		gpa->v = end - size;
		return 0;
	}
	gw_err(log, "%s: no room for a pool of %" PRIu64 " MiB: %" PRIu64 " MiB of guest memory, "
	       "%u pools in it already, and its first %" PRIu64 " MiB are left to the kernel",
	       fn->info.name, size >> 20, p->ram.size >> 20, p->nr, (uint64_t)GUEST_MIN >> 20);
	gw_hint(log, "give the guest more memory, or ask for a smaller --pool-size");
	return -ENOSPC;
}

/* Addresses that meet could not be told apart by the guest. */
static int overlap_check(const struct gw_pools *p, const struct gw_pool *new, struct gw_log *log)
{
	for (unsigned int i = 0; i < p->nr; i++) {
		const struct gw_pool *o = &p->pool[i];

		if (new->iova.v > o->iova.v + (o->size - 1) ||
		    o->iova.v > new->iova.v + (new->size - 1))
			continue;
		gw_err(log, "%s: the host puts its pool at %#" PRIx64 "+%#" PRIx64 ", and that of %s "
		       "at %#" PRIx64 "+%#" PRIx64 "; functions behind one host bridge need pools "
		       "apart", new->fn->info.name, new->iova.v, new->size,
		       o->fn ? o->fn->info.name : "one that has left", o->iova.v, o->size);
		gw_hint(log, "pass one function through to each guest, or use --plan paravirt");
		return -EADDRNOTAVAIL;
	}
	return 0;
}

/* Give a mapping up that will not do. Where the host fails, its memory must stay for good. */
static void pool_unmap(struct gw_pools *p, struct gw_pool *pool)
{
	if (!pool->mapped)
		return;
	pool->mapped = false;
	p->reachable |= gw_function_unmap(pool->fn, pool->handle, pool->size) != 0;
}

static int pool_map(struct gw_pools *p, struct gw_pool *pool, struct gw_log *log)
{
	struct gw_function *fn = pool->fn;
	struct gw_memory mem = { .addr = p->ram.addr + (pool->gpa.v - p->ram.gpa.v) };
	gw_iova want = { pool->gpa.v };
	struct gw_mapping map;
	int ret;

	ret = gw_function_map(fn, &mem, pool->size, fn->limits.caller_iova ? &want : NULL, &map);
	if (ret) {
		gw_err(log, "%s: the host cannot map a pool of %" PRIu64 " MiB: %s", fn->info.name,
		       pool->size >> 20,
		       ret == -EMLINK ? "it is split into too many ranges" : strerror(-ret));
		gw_hint(log, "a smaller --pool-size may do; --plan paravirt needs none");
		return ret;
	}
	pool->handle = map.handle;
	pool->mapped = true;
	pool->iova = map.seg[0].iova;
	if (map.nr_segments == 1)
		return 0;
	/* what is left out would be reachable, and not the pool's */
	gw_err(log, "%s: the host splits a pool of %" PRIu64 " MiB into %u ranges, the first of %"
	       PRIu64 " MiB; a pool is one range", fn->info.name, pool->size >> 20,
	       map.nr_segments, map.seg[0].size >> 20);
	gw_hint(log, "ask for a smaller --pool-size");
	pool_unmap(p, pool);
	return -ENOTUNIQ;
}

/* A function comes where another has left: the guest knows one pool of that place. */
static int pool_return(struct gw_pools *p, struct gw_pool *old, struct gw_function *fn,
		       struct gw_log *log)
{
	struct gw_pool pool = *old;
	int ret;

	pool.fn = fn;
	ret = size_check(fn, pool.size, log);
	if (!ret)
		ret = pool_map(p, &pool, log);
	if (ret)
		return ret;
	if (pool.iova.v != old->iova.v) {
		gw_err(log, "%s: the host puts its pool at %#" PRIx64 ", and the guest was told %#"
		       PRIx64, fn->info.name, pool.iova.v, old->iova.v);
		gw_hint(log, "start the guest anew");
		pool_unmap(p, &pool);
		return -EADDRNOTAVAIL;
	}
	*old = pool;
	return 0;
}

int gw_pools_add(struct gw_pools *p, struct gw_function *fn, uint8_t devfn, uint64_t size,
		 struct gw_log *log)
{
	struct gw_pool pool = { .fn = fn, .devfn = devfn };
	int ret;

	for (unsigned int i = 0; i < p->nr; i++) {
		if (p->pool[i].devfn != devfn)
			continue;
		assert(!p->pool[i].fn);
		return pool_return(p, &p->pool[i], fn, log);
	}
	pool.size = size ? size : gw_pool_default_size(&fn->info);
	ret = size_check(fn, pool.size, log);
	if (!ret)
		ret = find_room(p, fn, pool.size, log, &pool.gpa);
	if (!ret)
		ret = pool_map(p, &pool, log);
	if (ret)
		return ret;
	ret = overlap_check(p, &pool, log);
	if (ret) {
		pool_unmap(p, &pool);
		return ret;
	}
	p->pool[p->nr++] = pool;
	return 0;
}

void gw_pools_leave(struct gw_pools *p, struct gw_function *fn)
{
	for (unsigned int i = 0; i < p->nr; i++) {
		if (p->pool[i].fn != fn)
			continue;
		pool_unmap(p, &p->pool[i]);
		p->pool[i].fn = NULL;
	}
}

void gw_pools_unmap(struct gw_pools *p)
{
	for (unsigned int i = 0; i < p->nr; i++)
		pool_unmap(p, &p->pool[i]);
}

void gw_pools_close(struct gw_pools *p)
{
	gw_pools_unmap(p);
	gw_ram_close(&p->ram, p->reachable);
	memset(p, 0, sizeof(*p));
}
