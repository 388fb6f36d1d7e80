/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <string.h>

#include "base/reader.h"
#include "vfio_user/dispatch.h"

#define REGION_INFO	32u		/* bytes of struct vfio_region_info */
#define SPARSE_HEAD	16u		/* of struct vfio_region_info_cap_sparse_mmap */

static uint8_t *put_u32(uint8_t *p, uint32_t v)
{
	memcpy(p, &v, sizeof(v));
	return p + sizeof(v);
}

static uint8_t *put_u64(uint8_t *p, uint64_t v)
{
	memcpy(p, &v, sizeof(v));
	return p + sizeof(v);
}

static uint8_t *put_sparse(uint8_t *p, const struct gw_region_info *info)
{
	p = put_u32(p, GW_VU_CAP_SPARSE_MMAP | 1u << 16);	/* id, version */
	p = put_u32(p, 0);					/* no further capability */
	p = put_u32(p, info->nr_areas);
	p = put_u32(p, 0);
	for (unsigned int i = 0; i < info->nr_areas; i++) {
		p = put_u64(p, info->area[i].off);
		p = put_u64(p, info->area[i].size);
	}
	return p;
}

/*
 * What of a region may be mapped is always told by areas, as there are clients that take no
 * descriptor without.
 *
 * A client first asks with room for the bare info. If capabilities do not fit they are left out,
 * and the descriptor with them; argsz says how much to ask for. Where they begin is said all the
 * same: QEMU refuses a region that has capabilities nowhere before it looks at argsz.
 */
int gw_do_region_info(struct gw_client *c, struct gw_msg *m, struct gw_reply *r)
{
	struct gw_reader in = gw_reader_init(m->body, m->len);
	uint32_t argsz, flags, index, need = REGION_INFO;
	struct gw_region_info info = { .fd = -1 };
	uint8_t *p = r->data;
	bool all;

	if (!gw_reader_u32(&in, &argsz) || !gw_reader_u32(&in, &flags) ||
	    !gw_reader_u32(&in, &index))
		return -EMSGSIZE;
	if (argsz < REGION_INFO || m->len > argsz || index >= GW_NR_REGIONS)
		return -EINVAL;
	c->dev->ops->region_info(c->dev, index, &info);
	if (!c->max_fds)
		info.flags &= ~GW_REGION_F_MMAP;
	if (!(info.flags & GW_REGION_F_MMAP)) {
		info.nr_areas = 0;
	} else if (!info.nr_areas) {
		info.nr_areas = 1;
		info.area[0].off = 0;
		info.area[0].size = info.size;
	}
	if (info.nr_areas)
		need += SPARSE_HEAD + info.nr_areas * 16;
	all = need <= argsz;
	p = put_u32(p, need);
	p = put_u32(p, info.flags | (info.nr_areas ? GW_VU_REGION_CAPS : 0));
	p = put_u32(p, index);
	p = put_u32(p, info.nr_areas ? REGION_INFO : 0);
	p = put_u64(p, info.size);
	p = put_u64(p, info.flags & GW_REGION_F_MMAP ? info.fd_off : 0);
	if (info.nr_areas && all)
		p = put_sparse(p, &info);
	if (info.flags & GW_REGION_F_MMAP && all)
		r->fd = info.fd;
	r->len = (size_t)(p - r->data);
	return 0;
}

struct access {
	uint64_t off;
	uint32_t region, count;
};

static bool take_access(struct gw_reader *in, struct access *a)
{
	return gw_reader_u64(in, &a->off) && gw_reader_u32(in, &a->region) &&
	       gw_reader_u32(in, &a->count);
}

/* What a message may hold; all else the device checks. */
static int check_count(const struct access *a)
{
	if (!a->count)
		return -EINVAL;
	return a->count > GW_VU_MAX_XFER ? -E2BIG : 0;
}

int gw_do_region_read(struct gw_client *c, struct gw_msg *m, struct gw_reply *r)
{
	struct gw_reader in = gw_reader_init(m->body, m->len);
	struct access a;
	int ret;

	if (!take_access(&in, &a))
		return -EMSGSIZE;
	ret = check_count(&a);
	if (ret)
		return ret;
	memcpy(r->data, m->body, sizeof(a));
	r->len = sizeof(a) + a.count;
	return c->dev->ops->region_read(c->dev, a.region, a.off, r->data + sizeof(a), a.count);
}

int gw_do_region_write(struct gw_client *c, struct gw_msg *m, struct gw_reply *r)
{
	struct gw_reader in = gw_reader_init(m->body, m->len);
	struct access a;
	int ret;

	if (!take_access(&in, &a) || gw_reader_left(&in) != a.count)
		return -EMSGSIZE;
	ret = check_count(&a);
	if (ret)
		return ret;
	memcpy(r->data, m->body, sizeof(a));
	r->len = sizeof(a);
	return c->dev->ops->region_write(c->dev, a.region, a.off, in.p, a.count);
}

static bool is_possible(struct gw_client *c, const struct access *a)
{
	return a->count && a->count <= 8 &&
	       !gw_device_check(c->dev, a->region, GW_REGION_F_WRITE, a->off, a->count);
}

/* All are checked before the first is done, so that one that is not possible leaves all undone. */
int gw_do_write_multi(struct gw_client *c, struct gw_msg *m, struct gw_reply *r)
{
	struct gw_reader in = gw_reader_init(m->body, m->len), first;
	struct access a;
	uint64_t nr;
	int ret = 0;

	if (!gw_reader_u64(&in, &nr))
		return -EMSGSIZE;
	if (!nr || nr > GW_VU_MULTI_MAX)
		return -EINVAL;
	if (gw_reader_left(&in) != nr * GW_VU_MULTI_WRITE)
		return -EMSGSIZE;
	first = in;
	while (!ret && take_access(&in, &a) && gw_reader_skip(&in, 8))
		ret = is_possible(c, &a) ? 0 : -EINVAL;
	in = first;
	while (!ret && take_access(&in, &a))
		ret = c->dev->ops->region_write(c->dev, a.region, a.off, gw_reader_skip(&in, 8),
						a.count);
	memcpy(r->data, &nr, sizeof(nr));
	r->len = sizeof(nr);
	return ret;
}
