/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/util.h"
#include "host/dext/function.h"

/* DMA mappings of a function, by the dext's keys. */

struct region {
	struct gw_imap_node node;	/* first = last = key */
};

static struct gw_dext_function *to_fn(struct gw_function *f)
{
	return container_of(f, struct gw_dext_function, f);
}

static int range_check(const struct gw_host_limits *l, uint64_t at, uint64_t size)
{
	uint64_t last;

	return at % l->granule || __builtin_add_overflow(at, size - 1, &last) ? -EINVAL : 0;
}

/* Is it within what the dext can be asked for? */
static int map_check(const struct gw_host_limits *l, const struct gw_memory *mem, uint64_t size,
		     const gw_iova *want)
{
	if (!size || size % l->granule)
		return -EINVAL;
	if (mem->remote ? range_check(l, mem->remote_addr.v, size) :
			  !mem->addr || range_check(l, (uintptr_t)mem->addr, size))
		return -EINVAL;
	if ((want && !l->caller_iova) || (mem->remote && !l->remote))
		return -EOPNOTSUPP;
	if (want && (range_check(l, want->v, size) || want->v < l->iova_first.v ||
		     want->v + (size - 1) > l->iova_last.v))
		return -EINVAL;
	return 0;
}

static void region_insert(struct gw_dext_function *fn, struct region *r)
{
	pthread_mutex_lock(&fn->lock);
	gw_imap_insert(&fn->regions, &r->node);		/* keys do not repeat */
	pthread_mutex_unlock(&fn->lock);
}

/* The region of @key, which is then the caller's; NULL if there is none. */
static struct region *region_take(struct gw_dext_function *fn, uint64_t key)
{
	struct gw_imap_node *node;

	pthread_mutex_lock(&fn->lock);
	node = gw_imap_find(&fn->regions, key);
	if (node)
		gw_imap_remove(&fn->regions, node);
	pthread_mutex_unlock(&fn->lock);
	return node ? container_of(node, struct region, node) : NULL;
}

int gw_dext_function_dma_map(struct gw_function *f, const struct gw_memory *mem, uint64_t size,
			     const gw_iova *want, struct gw_mapping *map)
{
	struct gw_dext_function *fn = to_fn(f);
	struct gw_dext_region reg;
	struct region *r;
	int ret = map_check(&f->limits, mem, size, want);

	if (ret)
		return ret;
	r = calloc(1, sizeof(*r));
	if (!r)
		return -ENOMEM;
	ret = gw_dext_register(&fn->client, mem, size, want, &reg);
	if (ret) {
		free(r);
		return ret;
	}
	r->node.first = r->node.last = reg.key;
	region_insert(fn, r);
	map->handle = reg.key;
	map->nr_segments = reg.nr_segments;
	memcpy(map->seg, reg.seg, sizeof(map->seg));
	return 0;
}

/* A function that has gone, and a key the dext has lost, both mean that nothing is mapped. */
static int region_unregister(struct gw_dext_function *fn, const struct region *r)
{
	int ret = gw_dext_unregister(&fn->client, r->node.first);

	if (ret == -ENOENT)
		gw_log_guest(fn->f.log, "%s: the dext had lost DMA region %#llx", fn->f.info.name,
			     (unsigned long long)r->node.first);
	return ret == -ENODEV || ret == -ENOENT ? 0 : ret;
}

int gw_dext_function_dma_unmap(struct gw_function *f, uint64_t handle)
{
	struct gw_dext_function *fn = to_fn(f);
	struct region *r = region_take(fn, handle);
	int ret;

	if (!r)
		return -ENOENT;
	ret = region_unregister(fn, r);
	if (ret) {
		region_insert(fn, r);	/* still mapped, as far as we know */
		return ret;
	}
	free(r);
	return 0;
}

void gw_dext_function_dma_fini(struct gw_dext_function *fn)
{
	struct gw_imap_node *node;
	struct region *r;
	int ret;

	while ((node = gw_imap_from(&fn->regions, 0))) {
		r = container_of(node, struct region, node);
		gw_imap_remove(&fn->regions, node);
		ret = region_unregister(fn, r);
		if (ret)
			gw_err_guest(fn->f.log,
				     "%s: DMA region %#llx not unregistered, the connection's end will: %s",
				     fn->f.info.name,
				     (unsigned long long)r->node.first, strerror(-ret));
		free(r);
	}
}
