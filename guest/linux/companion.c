// SPDX-License-Identifier: GPL-2.0-only
/*
 * A companion: setting it up, and having the host do things.
 *
 * How it works. When a companion is attached its identity and limits are read, and do not change
 * any more. From then on requests go by the ring (ring.c), from any context. CONTROL is written
 * with @control held, which can sleep. While the device is reset it is paused, and requests fail;
 * afterwards it is resumed, and the nonce tells the host that this is still the same kernel.
 * Withdrawing is final.
 */

#include <linux/random.h>

#include "companion.h"

#define MAX_BUSY	60

/**
 * gw_companion_init() - before anything else
 * @c:         zeroed
 * @dev:       the device
 * @transport: how it is reached
 *
 * Return: 0, -ENOMEM.
 */
int gw_companion_init(struct gw_companion *c, struct device *dev,
		      const struct gw_transport *transport)
{
	c->stats = alloc_percpu(struct gw_stats);
	if (!c->stats)
		return -ENOMEM;
	mutex_init(&c->control);
	mutex_init(&c->access);
	spin_lock_init(&c->rings.lock);
	c->dev = dev;
	c->transport = transport;
	c->nonce = get_random_u64() | 1;
	return 0;
}

/* gw_companion_fini() - the last act; it is detached */
void gw_companion_fini(struct gw_companion *c)
{
	free_percpu(c->stats);
}

/* Two halves that belong together; the low one latches the other. */
static u64 companion_read64(struct gw_companion *c, unsigned int reg)
{
	u32 lo = gw_companion_read(c, reg);

	return (u64)gw_companion_read(c, reg + 4) << 32 | lo;
}

static void companion_limits(struct gw_companion *c)
{
	c->features = gw_companion_read(c, GW_REG_FEATURES);
	c->granule_shift = gw_companion_read(c, GW_REG_GRANULE_SHIFT);
	c->budget_bytes = companion_read64(c, GW_REG_BUDGET_BYTES_LO);
	c->budget_maps = gw_companion_read(c, GW_REG_BUDGET_MAPS);
	c->max_map = companion_read64(c, GW_REG_MAX_MAP_LO);
	c->iova_bits = clamp(gw_companion_read(c, GW_REG_IOVA_BITS), 1U, 64U);
	c->iova_first = companion_read64(c, GW_REG_IOVA_FIRST_LO);
	c->cookie = companion_read64(c, GW_REG_COOKIE_LO);
}

/* What is plugged into this slot: a companion that we can work with? */
static int companion_identify(struct gw_companion *c)
{
	struct device *dev = c->dev;
	u32 magic = gw_companion_read(c, GW_REG_MAGIC);
	u32 abi = gw_companion_read(c, GW_REG_ABI);

	if (magic != GW_COMPANION_MAGIC) {
		dev_err(dev, "not gangway's (it reads %#x): this needs another driver\n", magic);
		return -ENODEV;
	}
	if (abi > GW_COMPANION_ABI) {
		dev_err(dev, "speaks version %u, and this module up to %u: install a newer one\n",
			abi, GW_COMPANION_ABI);
		return -ENODEV;
	}
	companion_limits(c);
	if (!(c->features & GW_FEATURE_RING)) {
		dev_err(dev, "has no ring: it is too old for this module\n");
		return -ENODEV;
	}
	if (c->granule_shift < 12 || c->granule_shift > 30 ||
	    c->max_map < max_t(u64, gw_granule(c), PAGE_SIZE)) {
		dev_err(dev, "maps multiples of 2^%u bytes, up to %llu: that cannot be\n",
			c->granule_shift, c->max_map);
		return -EINVAL;
	}
	/* what is mapped are pages, so nothing smaller than they are */
	c->granule_shift = max_t(unsigned int, c->granule_shift, PAGE_SHIFT);
	return 0;
}

/**
 * gw_companion_attach() - set a companion up
 * @c: the companion
 *
 * Return: 0, -ENODEV if it is not one that this module knows, or -errno.
 */
int gw_companion_attach(struct gw_companion *c)
{
	int ret = companion_identify(c);

	return ret || !c->transport->kick ? ret : gw_rings_start(c);
}

/* gw_companion_detach() - nothing is asked of it any more */
void gw_companion_detach(struct gw_companion *c)
{
	gw_rings_stop(c);
}

/* gw_companion_pause() - it is about to be reset: until it is resumed, what is asked fails */
void gw_companion_pause(struct gw_companion *c)
{
	unsigned long flags;

	mutex_lock(&c->control);
	/* whoever asks holds this lock, so nobody is asking when this returns */
	spin_lock_irqsave(&c->rings.lock, flags);
	WRITE_ONCE(c->paused, true);
	spin_unlock_irqrestore(&c->rings.lock, flags);
	mutex_unlock(&c->control);
}

/**
 * gw_companion_resume() - it was reset: set it up again
 * @c: the companion, paused
 *
 * Return: 0 and what was mapped is mapped; -ESTALE if it is not, and was before; -EIO, -ENODEV.
 */
int gw_companion_resume(struct gw_companion *c)
{
	u32 before = gw_companion_generation(c);
	int ret = gw_rings_restart(c);

	if (!ret)
		ret = gw_companion_control(c, GW_CONTROL_ANNOUNCE);
	if (ret)
		return ret;
	WRITE_ONCE(c->paused, false);
	return gw_companion_read(c, GW_REG_GENERATION) == before ? 0 : -ESTALE;
}

/**
 * gw_companion_ask() - have the host do one thing
 * @c:   the companion
 * @req: what; the answer is left in it
 *
 * Return: 0, or as gw_request_error() and gw_rings_submit().
 * Context: any, and does not sleep, if there is a ring.
 */
int gw_companion_ask(struct gw_companion *c, struct gw_request *req)
{
	LIST_HEAD(list);
	int ret;

	list_add(&req->node, &list);
	ret = c->transport->submit(c, &list);
	return ret ? ret : gw_request_error(req);
}

/* gw_companion_unmap() - have the host undo a mapping; if it knows of none, that is as well */
void gw_companion_unmap(struct gw_companion *c, u64 handle)
{
	struct gw_request req = { .op = GW_RING_UNMAP, .handle = handle };

	gw_companion_ask(c, &req);
}

/**
 * gw_companion_control() - write CONTROL and look at how that went
 * @c:    the companion
 * @what: GW_CONTROL_*
 *
 * Return: 0, -ENODEV if the device has gone, -EIO.
 */
int gw_companion_control(struct gw_companion *c, u32 what)
{
	unsigned int tries = MAX_BUSY;
	u32 status;

	mutex_lock(&c->control);
	if (c->gone) {
		mutex_unlock(&c->control);
		return -ENODEV;
	}
	if (what == GW_CONTROL_ANNOUNCE && c->features & GW_FEATURE_RESUME)
		gw_companion_write64(c, GW_REG_NONCE_LO, c->nonce);
	gw_companion_write(c, GW_REG_CONTROL, what);
	status = gw_companion_read(c, GW_REG_CONTROL_STATUS);
	/* done, but for unmapping, which takes the host more than a second */
	while (status == GW_STATUS_BUSY && tries--) {
		gw_companion_write(c, GW_REG_CONTROL, GW_CONTROL_UNMAP_ALL);
		status = gw_companion_read(c, GW_REG_CONTROL_STATUS);
	}
	mutex_unlock(&c->control);
	if (status == GW_STATUS_OK)
		return 0;
	dev_err(c->dev, "control %u failed with status %u\n", what, status);
	return -EIO;
}

/* gw_companion_withdraw() - take leave of the host, which resets the function and unmaps all */
void gw_companion_withdraw(struct gw_companion *c)
{
	gw_companion_control(c, GW_CONTROL_WITHDRAW);
	mutex_lock(&c->control);
	c->gone = true;
	mutex_unlock(&c->control);
}
