/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <string.h>

#include "base/util.h"
#include "host/dext/client.h"

/*
 * Memory that the device reaches: the dext's own buffer, and regions of ours. What the dext says
 * of them goes to the guest as addresses for the device, so all of it is checked first.
 */

#define BUFFER_MAX_SEGMENTS	32u

static bool segment_sane(const struct gw_dext_client *c, const struct gw_segment *s)
{
	uint64_t last;

	return s->size && s->iova.v % c->limits.granule == 0 &&
	       !__builtin_add_overflow(s->iova.v, s->size - 1, &last) &&
	       s->iova.v >= c->limits.iova_first.v && last <= c->limits.iova_last.v;
}

static bool segments_overlap(const struct gw_segment *a, const struct gw_segment *b)
{
	return a->iova.v <= b->iova.v + (b->size - 1) && b->iova.v <= a->iova.v + (a->size - 1);
}

static int buffer_parse(const struct gw_dext_client *c, const uint64_t out[6], uint64_t size,
			struct gw_dext_buffer *buf)
{
	*buf = (struct gw_dext_buffer){
		.size = out[0],
		.flags = out[1],
		.nr_segments = (unsigned int)out[2],
		.first = { .iova.v = out[3], .size = out[4] },
	};
	if (out[0] < size || !out[2] || out[2] > BUFFER_MAX_SEGMENTS || out[4] > out[0] ||
	    !segment_sane(c, &buf->first))
		return -EPROTO;
	return buf->nr_segments == 1 && buf->first.size < size ? -EPROTO : 0;
}

int gw_dext_alloc_buffer(struct gw_dext_client *c, uint64_t size, uint64_t align,
			 struct gw_dext_buffer *buf)
{
	const uint64_t in[] = { size, align };
	uint64_t out[6];
	int ret;

	if (!size || (align && !gw_is_pow2(align)))
		return -EINVAL;
	ret = gw_dext_call(c, GW_DEXT_ALLOC_BUFFER, in, ARRAY_SIZE(in), out, ARRAY_SIZE(out));
	if (!ret)
		ret = buffer_parse(c, out, size, buf);
	if (ret == -EPROTO)
		gw_dext_free_buffer(c);
	return ret;
}

int gw_dext_free_buffer(struct gw_dext_client *c)
{
	unsigned int none = 0;

	return gw_dext_call_room(c, GW_DEXT_FREE_BUFFER, NULL, 0, NULL, &none);
}

/* Read and check the @got scalars of a registration's reply. */
static int region_parse(const struct gw_dext_client *c, const uint64_t *out, unsigned int got,
			uint64_t size, struct gw_dext_region *r)
{
	uint64_t left = size;

	if (got < 3 || !out[0] || out[0] > c->limits.max_segments || out[0] > (got - 1) / 2)
		return -EPROTO;
	r->nr_segments = (unsigned int)out[0];
	for (unsigned int i = 0; i < r->nr_segments; i++) {
		struct gw_segment *s = &r->seg[i];

		*s = (struct gw_segment){ .iova.v = out[1 + 2 * i], .size = out[2 + 2 * i] };
		/* no page of a guest's may lie across two of the platform's */
		if (!segment_sane(c, s) || s->size % c->limits.granule || s->size > left)
			return -EPROTO;
		for (unsigned int j = 0; j < i; j++)
			if (segments_overlap(s, &r->seg[j]))
				return -EPROTO;
		left -= s->size;
	}
	return left ? -EPROTO : 0;
}

/* Was all of the memory mapped at the address that the caller named, in one piece? */
static bool region_at(const struct gw_dext_region *r, gw_iova want)
{
	uint64_t at = want.v;

	for (unsigned int i = 0; i < r->nr_segments; at += r->seg[i++].size)
		if (r->seg[i].iova.v != at)
			return false;
	return true;
}

static void region_undo(struct gw_dext_client *c, uint64_t key)
{
	int ret = gw_dext_unregister(c, key);

	if (ret && ret != -ENOENT)
		gw_err_guest(c->log, "%s: DMA region %#llx of a bad reply could not be unregistered: %s",
			     c->info.name, (unsigned long long)key, strerror(-ret));
}

int gw_dext_register(struct gw_dext_client *c, const struct gw_memory *mem, uint64_t size,
		     const gw_iova *want, struct gw_dext_region *region)
{
	bool plain = !mem->remote && !mem->read_only && !want;
	struct gw_dext_region r = { .key = atomic_fetch_add(&c->last_key, 1) + 1 };
	uint64_t in[] = {
		r.key,
		mem->remote ? (uintptr_t)mem->remote : (uintptr_t)mem->addr,
		size,
		(mem->read_only ? GW_DEXT_REGION_READ_ONLY : 0) |
			(want ? GW_DEXT_REGION_FIXED : 0),
		want ? want->v : 0,
		mem->remote_addr.v,
	};
	uint64_t out[1 + 2 * GW_MAX_SEGMENTS];
	unsigned int got = 1 + 2 * c->limits.max_segments;
	int ret;

	if (atomic_load_explicit(&c->gone, memory_order_relaxed))
		return -ENODEV;
	if (!plain && !c->extended)
		return -EOPNOTSUPP;
	ret = gw_dext_call_room(c,
				mem->remote ? GW_DEXT_REGISTER_REMOTE :
				plain ? GW_DEXT_REGISTER_REGION : GW_DEXT_REGISTER_AT,
				in, mem->remote ? 6 : plain ? 3 : 5, out, &got);
	if (!ret)
		ret = region_parse(c, out, got, size, &r);
	if (!ret && want && !region_at(&r, *want))
		ret = -EPROTO;
	if (ret == -EPROTO)
		region_undo(c, r.key);
	if (!ret)
		*region = r;
	return ret;
}

int gw_dext_unregister(struct gw_dext_client *c, uint64_t key)
{
	unsigned int none = 0;

	return gw_dext_call_room(c, GW_DEXT_UNREGISTER_REGION, &key, 1, NULL, &none);
}

int gw_dext_probe(struct gw_dext_client *c, uint64_t key, uint64_t off, uint64_t *val)
{
	const uint64_t in[] = { key, off };

	return gw_dext_call(c, GW_DEXT_PROBE_REGION, in, ARRAY_SIZE(in), val, 1);
}
