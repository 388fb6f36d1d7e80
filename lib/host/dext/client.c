/* SPDX-License-Identifier: BSD-3-Clause */
#include "host/dext/client.h"

#include <errno.h>
#include <string.h>

#include "base/util.h"

/*
 * How it works: a table in the form of functions, one a selector: each puts its arguments into
 * scalars, makes the call, and checks the reply before it keeps anything of it. Every result passes
 * client_errno(), which notes that the function has gone, or that the dext does not answer, or
 * answers again. Those notes are atomic and there is no lock: any thread may be in any of these
 * calls.
 */

#define CONFIG_SIZE	4096u
#define MAX_GRANULE	(1ull << 30)
#define NO_VENDOR	0xffffu		/* no device is there, or it may not be asked */

static uint64_t width_mask(unsigned int width)
{
	return width >= 8 ? UINT64_MAX : (1ull << 8 * width) - 1;
}

void gw_dext_set_gone(struct gw_dext_client *c)
{
	if (atomic_exchange(&c->gone, true))
		return;
	gw_warn(c->log, "%s: the function has gone", c->info.name);
	if (c->on_gone)
		c->on_gone(c);
}

static int client_errno(struct gw_dext_client *c, uint32_t result)
{
	int ret = gw_dext_errno(result);

	if (ret == -ENODEV)
		gw_dext_set_gone(c);
	if (ret == -ETIMEDOUT && !atomic_exchange(&c->silent, true)) {
		gw_err(c->log, "%s: its driver extension does not answer", c->info.name);
		gw_hint(c->log, "if it stays so, unplug the device, or restart this machine");
	} else if (!ret && atomic_load_explicit(&c->silent, memory_order_relaxed)) {
		atomic_store(&c->silent, false);
		gw_info(c->log, "%s: its driver extension answers again", c->info.name);
	}
	return ret;
}

static bool client_gone(struct gw_dext_client *c)
{
	return atomic_load_explicit(&c->gone, memory_order_relaxed);
}

int gw_dext_call_room(struct gw_dext_client *c, uint32_t selector, const uint64_t *in,
		      unsigned int nr_in, uint64_t *out, unsigned int *nr_out)
{
	unsigned int room = *nr_out;
	uint32_t result = c->conn->ops->call(c->conn, selector, in, nr_in, out, nr_out);

	int ret = client_errno(c, result);

	return !ret && *nr_out > room ? -EPROTO : ret;
}

int gw_dext_call(struct gw_dext_client *c, uint32_t selector, const uint64_t *in,
		 unsigned int nr_in, uint64_t *out, unsigned int nr_out)
{
	unsigned int got = nr_out;
	int ret;

	if (client_gone(c))
		return -ENODEV;
	ret = gw_dext_call_room(c, selector, in, nr_in, out, &got);
	if (ret)
		return ret;
	return got < nr_out ? -EPROTO : 0;
}

int gw_dext_get_identity(struct gw_dext_client *c)
{
	uint64_t out[6];
	int ret = gw_dext_call(c, GW_DEXT_GET_IDENTITY, NULL, 0, out, ARRAY_SIZE(out));

	if (ret)
		return ret;
	if (out[0] > 0xff || out[1] > 0x1f || out[2] > 7 || out[3] > 0xffff || out[4] > 0xffff ||
	    out[5] > 0xffffff)
		return -EPROTO;
	c->info.bus = (uint8_t)out[0];
	c->info.dev = (uint8_t)out[1];
	c->info.fn = (uint8_t)out[2];
	c->confirmed = out[3] != NO_VENDOR;
	if (c->confirmed) {
		c->info.vendor = (uint16_t)out[3];
		c->info.device = (uint16_t)out[4];
		c->info.class_code = (uint32_t)out[5];
	}
	c->info.unidentified = !c->info.vendor;
	return 0;
}

int gw_dext_claim(struct gw_dext_client *c)
{
	return gw_dext_call(c, GW_DEXT_CLAIM, NULL, 0, NULL, 0);
}

int gw_dext_terminate(struct gw_dext_client *c)
{
	return gw_dext_call(c, GW_DEXT_TERMINATE, NULL, 0, NULL, 0);
}

static bool limits_sane(const struct gw_host_limits *l)
{
	return gw_is_pow2(l->granule) && l->granule <= MAX_GRANULE && l->max_maps &&
	       l->max_bytes >= l->granule && l->max_map_bytes >= l->granule && l->max_segments &&
	       l->iova_first.v <= l->iova_last.v;
}

int gw_dext_get_limits(struct gw_dext_client *c)
{
	struct gw_host_limits l;
	uint64_t out[8];
	int ret = gw_dext_call(c, GW_DEXT_GET_LIMITS, NULL, 0, out, ARRAY_SIZE(out));

	/*
	 * a call without arguments cannot have bad ones: a dext that does not know the selector
	 * says so
	 */
	if (ret == -EOPNOTSUPP || ret == -EINVAL)
		return 0;
	if (ret)
		return ret;
	l = (struct gw_host_limits){
		.granule = out[0],
		.max_bytes = out[1],
		.max_maps = out[2],
		.max_map_bytes = out[3] < out[1] ? out[3] : out[1],
		.max_segments = out[4] < GW_MAX_SEGMENTS ? (uint32_t)out[4] : GW_MAX_SEGMENTS,
		.iova_first.v = out[6],
		.iova_last.v = out[7],
		.caller_iova = out[5] & GW_DEXT_LIMIT_CALLER_IOVA,
		.remote = out[5] & GW_DEXT_LIMIT_REMOTE,
	};
	if (!limits_sane(&l))
		return -EPROTO;
	c->limits = l;
	c->extended = true;
	return 0;
}

int gw_dext_get_faults(struct gw_dext_client *c, uint64_t *nr, uint32_t words[GW_DEXT_FAULT_WORDS])
{
	uint64_t out[1 + GW_DEXT_FAULT_WORDS];
	unsigned int got = ARRAY_SIZE(out);
	int ret = -EOPNOTSUPP;

	if (c->extended)
		ret = gw_dext_call_room(c, GW_DEXT_GET_FAULTS, NULL, 0, out, &got);
	if (ret)
		return ret;
	if (got < ARRAY_SIZE(out))
		return -EPROTO;
	*nr = out[0];
	for (unsigned int i = 0; i < GW_DEXT_FAULT_WORDS; i++)
		words[i] = (uint32_t)out[1 + i];
	return 0;
}

int gw_dext_config_check(unsigned int off, unsigned int width)
{
	if (width != 1 && width != 2 && width != 4)
		return -EINVAL;
	return off % width || off >= CONFIG_SIZE ? -EINVAL : 0;
}

int gw_dext_config_read(struct gw_dext_client *c, unsigned int off, unsigned int width,
			uint32_t *val)
{
	uint64_t out, in[] = { off, width };
	int ret;

	ret = gw_dext_config_check(off, width);
	if (ret)
		return ret;
	ret = gw_dext_call(c, GW_DEXT_CONFIG_READ, in, ARRAY_SIZE(in), &out, 1);
	if (!ret)
		*val = (uint32_t)(out & width_mask(width));
	return ret;
}

int gw_dext_config_write(struct gw_dext_client *c, unsigned int off, unsigned int width,
			 uint32_t val)
{
	const uint64_t in[] = { off, width, val & width_mask(width) };
	int ret = gw_dext_config_check(off, width);

	if (ret)
		return ret;
	return gw_dext_call(c, GW_DEXT_CONFIG_WRITE, in, ARRAY_SIZE(in), NULL, 0);
}

int gw_dext_config_block(struct gw_dext_client *c, unsigned int off, void *buf, size_t len)
{
	unsigned int width;
	uint8_t *to = buf;
	uint32_t val;
	int ret;

	if (off > CONFIG_SIZE || len > CONFIG_SIZE - off)
		return -EINVAL;
	for (; len; off += width, to += width, len -= width) {
		width = off % 2 || len < 2 ? 1 : off % 4 || len < 4 ? 2 : 4;
		ret = gw_dext_config_read(c, off, width, &val);
		if (ret)
			return ret;
		for (unsigned int i = 0; i < width; i++)
			to[i] = (uint8_t)(val >> 8 * i);	/* config space is little endian */
	}
	return 0;
}

int gw_dext_get_bar(struct gw_dext_client *c, unsigned int bar, struct gw_dext_bar *info)
{
	uint64_t in = bar, out[3];
	bool io, is_64bit;
	int ret;

	if (bar >= GW_NR_BARS)
		return -EINVAL;
	ret = gw_dext_call(c, GW_DEXT_GET_BAR_INFO, &in, 1, out, ARRAY_SIZE(out));
	if (ret == -ENODEV || ret == -EPROTO)
		return ret;
	if (ret || !out[1]) {	/* unused BARs and upper halves are errors */
		*info = (struct gw_dext_bar){ 0 };
		return 0;
	}
	io = out[2] & 1;
	is_64bit = !io && (out[2] & 6) == 4;
	if (out[0] > UINT8_MAX || !gw_is_pow2(out[1]) || (is_64bit && bar == GW_NR_BARS - 1))
		return -EPROTO;
	*info = (struct gw_dext_bar){
		.index = (uint8_t)out[0],
		.info = {
			.size = out[1],
			.io = io,
			.is_64bit = is_64bit,
			.prefetchable = !io && (out[2] & 8),
		},
	};
	return 0;
}

/* Map @type, of which at least @size bytes must come. */
static int client_map(struct gw_dext_client *c, unsigned int type, uint32_t options, uint64_t size,
		      struct gw_dext_map *map)
{
	struct gw_dext_map m = { .fd = -1 };
	int ret;

	if (client_gone(c))
		return -ENODEV;
	ret = client_errno(c, c->conn->ops->map(c->conn, type, options, &m));
	if (ret)
		return ret;
	if (!m.addr || m.size < size) {
		c->conn->ops->unmap(c->conn, type, &m);
		return -EPROTO;
	}
	*map = m;
	return 0;
}

int gw_dext_map_bar(struct gw_dext_client *c, unsigned int bar, const struct gw_dext_bar *info,
		    struct gw_dext_map *map)
{
	if (bar >= GW_NR_BARS || !info->info.size)
		return -EINVAL;
	if (info->info.io)
		return -EOPNOTSUPP;
	return client_map(c, GW_DEXT_MEMORY_BAR0 + bar,
			  info->info.prefetchable ? GW_DEXT_MAP_WRITE_COMBINE : 0,
			  info->info.size, map);
}

void gw_dext_unmap_bar(struct gw_dext_client *c, unsigned int bar, const struct gw_dext_map *map)
{
	c->conn->ops->unmap(c->conn, GW_DEXT_MEMORY_BAR0 + bar, map);
}

int gw_dext_mmio_read(struct gw_dext_client *c, unsigned int index, uint64_t off,
		      unsigned int width, uint64_t *val)
{
	uint64_t out, in[] = { index, off, width };
	int ret = gw_dext_call(c, GW_DEXT_MMIO_READ, in, ARRAY_SIZE(in), &out, 1);

	if (!ret)
		*val = out & width_mask(width);
	return ret;
}

int gw_dext_mmio_write(struct gw_dext_client *c, unsigned int index, uint64_t off,
		       unsigned int width, uint64_t val)
{
	const uint64_t in[] = { index, off, width, val & width_mask(width) };

	return gw_dext_call(c, GW_DEXT_MMIO_WRITE, in, ARRAY_SIZE(in), NULL, 0);
}

int gw_dext_reset(struct gw_dext_client *c)
{
	return gw_dext_call(c, GW_DEXT_RESET_DEVICE, NULL, 0, NULL, 0);
}

int gw_dext_map_buffer(struct gw_dext_client *c, uint64_t size, struct gw_dext_map *map)
{
	return client_map(c, GW_DEXT_MEMORY_BUFFER, 0, size, map);
}

void gw_dext_unmap_buffer(struct gw_dext_client *c, const struct gw_dext_map *map)
{
	c->conn->ops->unmap(c->conn, GW_DEXT_MEMORY_BUFFER, map);
}

int gw_dext_setup_irq(struct gw_dext_client *c, unsigned int *nr)
{
	uint64_t out;
	int ret = gw_dext_call(c, GW_DEXT_SETUP_INTERRUPTS, NULL, 0, &out, 1);

	/* what the platform says of a function that has neither MSI nor MSI-X */
	if (ret == -EINVAL)
		return -EOPNOTSUPP;
	if (ret)
		return ret;
	if (!out || out > GW_MAX_VECTORS)
		return -EPROTO;
	*nr = (unsigned int)out;
	return 0;
}

int gw_dext_check_irq(struct gw_dext_client *c, uint64_t pending[GW_IRQ_WORDS])
{
	return gw_dext_call(c, GW_DEXT_CHECK_INTERRUPT, NULL, 0, pending, GW_IRQ_WORDS);
}

uint32_t gw_dext_wait_irq(struct gw_dext_client *c, void (*done)(void *opaque, uint32_t result),
			  void *opaque)
{
	return c->conn->ops->call_async(c->conn, GW_DEXT_WAIT_INTERRUPT, done, opaque);
}

int gw_dext_mask_irq(struct gw_dext_client *c, const uint64_t enabled[GW_IRQ_WORDS])
{
	return gw_dext_call(c, GW_DEXT_SET_IRQ_MASK, enabled, GW_IRQ_WORDS, NULL, 0);
}

int gw_dext_map_irq_page(struct gw_dext_client *c, struct gw_dext_map *map)
{
	return client_map(c, GW_DEXT_MEMORY_IRQ_PAGE, 0, sizeof(struct gw_dext_irq_page), map);
}

void gw_dext_unmap_irq_page(struct gw_dext_client *c, const struct gw_dext_map *map)
{
	c->conn->ops->unmap(c->conn, GW_DEXT_MEMORY_IRQ_PAGE, map);
}
