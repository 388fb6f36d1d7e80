/* SPDX-License-Identifier: BSD-3-Clause */
#include "../unit/companion_rig.h"

#include "base/reader.h"

/*
 * Everything a guest can write: registers, config space, the command page, the ring. An input is a
 * byte of flags and then steps, each a byte and what it takes. After each step what is mapped is
 * looked at: within the budget, and of memory that the guest may give away. A reset leaves the
 * function quiet, also where what is mapped stays.
 */

#define FLAG_SHOW	1u
#define FLAG_SPLIT	2u	/* mappings come in three ranges */
#define FLAG_FAIL_MAP	4u
#define FLAG_RING	8u	/* a ring is running at first */
#define FLAG_SHARE	16u	/* the guest may share */
#define MAX_MAPS	20u
#define MAX_BYTES	(1u << 20)
#define PAGE_AT		(RIG_RAM_GPA + 0x1000)

enum step {
	WRITE_REG,		/* u8 number, u32 */
	READ_REG,		/* u8 number, u8 length */
	WRITE_MEMORY,		/* u16 number of 16 bytes, 16 bytes */
	PUSH_ENTRY,		/* struct gw_ring_sqe, whose handle may be the N-th last given */
	RUN_COMMAND,		/* struct gw_cmd_page */
	WRITE_CONFIG,		/* u8 offset, u8 length 1 to 4, u32 */
	VMM,			/* u8: what the VMM does */
	NR_STEPS,
};

static void check(bool ok)
{
	if (!ok)
		abort();
}

static bool inside(struct rig *r, const struct rig_map *m, uint64_t gpa,
		   uint64_t size)
{
	void *at;

	return !gw_dma_find(r->dma, (gw_gpa){ gpa }, size, GW_PROT_READ, &at) &&
	       m->addr >= (uint8_t *)at && m->size <= size &&
	       (uint64_t)(m->addr - (uint8_t *)at) <= size - m->size;
}

/* Whoever shares gets a list that is all there, and no longer than one may be. */
static int share(struct gw_sharer *s, unsigned int bar, const struct gw_bar_range *range,
		 unsigned int nr, const struct gw_buffer_picture *picture, uint64_t *handle)
{
	uint64_t sum = 0;

	check(bar < GW_NR_BARS && nr <= GW_SHARER_RANGES);
	for (unsigned int i = 0; i < nr; i++)
		sum ^= range[i].off.v ^ range[i].size;
	*handle = sum ^ picture->width ^ picture->fourcc ^ 1;
	return nr % 5 == 4 ? -EOVERFLOW : 0;
}

static int give_back(struct gw_sharer *s, uint64_t handle)
{
	return handle % 2 ? -EBUSY : -ENOENT;
}

static void end_all(struct gw_sharer *s)
{
}

static const struct gw_sharer_ops sharer_ops = { share, give_back, end_all };
static struct gw_sharer sharer = { &sharer_ops };

static void check_host(struct rig *r)
{
	uint64_t bytes = 0, nr = 0;

	for (size_t i = 0; i < r->made; i++) {
		const struct rig_map *m = &r->map[i];

		if (!m->size)
			continue;
		nr++;
		bytes += m->size;
		check(inside(r, m, RIG_RAM_GPA, RIG_RAM_SIZE) ||
		      (m->ro && inside(r, m, RIG_ROM_GPA, 1 << 20)));
	}
	check(nr == r->nr && nr <= MAX_MAPS && bytes <= MAX_BYTES);
	check(rig_get(r, GW_REG_USED_MAPS) == nr && rig_get64(r, GW_REG_USED_BYTES_LO) == bytes);
}

static bool push_entry(struct rig *r, struct gw_reader *in)
{
	struct gw_ring_sqe sqe;
	struct gw_ring_cqe cqe;

	if (!gw_reader_take(in, &sqe, sizeof(sqe)))
		return false;
	if (!r->size || !rig_get(r, GW_REG_RING_ENABLE))
		return true;
	/* a number stands for a handle that was given */
	if (sqe.op == GW_RING_UNMAP && sqe.addr < r->size)
		sqe.addr = r->cq[(r->cq_head - 1 - sqe.addr) & (r->size - 1)].handle;
	r->sq[r->sq_tail++ & (r->size - 1)] = sqe;
	rig_ring_push(r, 1);
	/* the input may have written anything there */
	for (uint32_t i = 0; i < r->size && rig_ring_take(r, &cqe); i++)
		;
	return true;
}

static bool run_command(struct rig *r, struct gw_reader *in)
{
	struct gw_cmd_page page;
	uint32_t status;

	if (!gw_reader_take(in, &page, sizeof(page)))
		return false;
	page.count %= 8192;	/* it is the count that is slow, not what is done */
	memcpy(rig_at(r, PAGE_AT), &page, sizeof(page));
	rig_put64(r, GW_REG_CMD_GPA_LO, PAGE_AT);
	rig_put(r, GW_REG_DOORBELL, 1);
	status = rig_get(r, GW_REG_STATUS);
	check(status == GW_STATUS_OK || status == GW_STATUS_IOERR || status == GW_STATUS_INVAL);
	return true;
}

static void vmm_step(struct rig *r, uint8_t what)
{
	struct gw_device *d = what & 0x10 ? r->fn : r->dev;
	uint64_t bytes;

	switch (what % 4) {
	case 0:
		check(!d->ops->reset(d));
		/* whichever of the two it was, and whether or not what is mapped stays */
		check(!(r->f->cfg[GW_PCI_COMMAND] & GW_PCI_COMMAND_MASTER));
		break;
	case 1:
		check(!d->ops->dma_unmap(d, (gw_vmm_addr){ 0 }, (gw_vmm_addr){ UINT64_MAX },
					 &bytes));
		rig_give_memory(r, d);
		break;
	case 2:
		d->ops->detach(d);
		check(!d->ops->attach(d, &r->f->remote, NULL));
		rig_give_memory(r, d);
		break;
	default:
		cfg_put(r->fn, GW_PCI_COMMAND, 2, GW_PCI_COMMAND_MEMORY | GW_PCI_COMMAND_MASTER);
		break;
	}
}

static bool write_config(struct rig *r, struct gw_reader *in)
{
	uint8_t off, len;
	uint32_t val;

	if (!gw_reader_take(in, &off, 1) || !gw_reader_take(in, &len, 1) ||
	    !gw_reader_u32(in, &val))
		return false;
	r->dev->ops->region_write(r->dev, GW_REGION_CONFIG, off, &val, 1 + len % 4);
	check(!r->dev->ops->region_read(r->dev, GW_REGION_CONFIG, 0, &val, 4));
	check(val == (GW_COMPANION_DEVICE << 16 | GW_COMPANION_VENDOR));
	return true;
}

static bool write_memory(struct rig *r, struct gw_reader *in)
{
	uint16_t at;

	return gw_reader_u16(in, &at) &&
	       gw_reader_take(in, rig_at(r, RIG_RAM_GPA + 16ull * at), 16);
}

static bool step(struct rig *r, struct gw_reader *in)
{
	uint8_t what, reg, len, buf[64];
	uint32_t val;

	if (!gw_reader_take(in, &what, 1))
		return false;
	switch (what % NR_STEPS) {
	case WRITE_REG:
		if (!gw_reader_take(in, &reg, 1) || !gw_reader_u32(in, &val))
			return false;
		rig_put(r, reg * 4u, val);
		return true;
	case READ_REG:
		if (!gw_reader_take(in, &reg, 1) || !gw_reader_take(in, &len, 1))
			return false;
		check(!r->dev->ops->region_read(r->dev, reg % 3, reg, buf, len % sizeof(buf)) ||
		      reg % 3 == 1);
		return true;
	case WRITE_MEMORY:
		return write_memory(r, in);
	case PUSH_ENTRY:
		return push_entry(r, in);
	case RUN_COMMAND:
		return run_command(r, in);
	case WRITE_CONFIG:
		return write_config(r, in);
	default:
		if (!gw_reader_take(in, &what, 1))
			return false;
		vmm_step(r, what);
		return true;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct gw_reader in = gw_reader_init(data, len);
	struct gw_companion_options opt = { 0 };
	struct rig *r;
	uint8_t flags;

	if (!gw_reader_take(&in, &flags, 1))
		return 0;
	opt.show = flags & FLAG_SHOW;
	r = rig_new(&opt);
	r->f->fn.limits.max_maps = MAX_MAPS;
	r->f->fn.limits.max_bytes = MAX_BYTES;
	r->split = flags & FLAG_SPLIT ? 3 : 0;
	r->fail_map = flags & FLAG_FAIL_MAP ? -EIO : 0;
	if (flags & FLAG_SHARE)
		gw_companion_share_by(r->c, &sharer);
	if (flags & FLAG_RING)
		check(rig_ring_start(r, GW_RING_MIN_SHIFT));
	while (step(r, &in))
		check_host(r);
	rig_free(r);
	return 0;
}
