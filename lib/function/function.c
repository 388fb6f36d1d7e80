/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/lock.h"
#include "base/os.h"
#include "base/util.h"
#include "config/vendor.h"
#include "function/function.h"

/*
 * How it works: everything starts from a reset, so that no state of an earlier owner is seen: the
 * function is reset when it is opened, when the VMM asks, and when the VMM goes. Around each reset
 * bus mastering is off, and it comes back only by the guest's own write to COMMAND. On detach the
 * order is: bus mastering off, reset, eventfds closed, memory unmapped; and only then may another
 * VMM claim what the function shares with others.
 *
 * A reset that fails leaves a function of unknown state. It is fenced: bus mastering stays off,
 * all reads are ones, writes are dropped, until a later reset succeeds.
 *
 * A reset that the guest goes on after, of the function or of a companion's slot alone, keeps what
 * is mapped: only the VMM's going ends that, and the companion.
 *
 * Under plan paravirt the function hides behind an identity of all ones until somebody who
 * translates for it, the companion, shows it. A VMM that attaches needs to know who it is, so it
 * hides from the first reset on, which every VMM asks for before it starts the guest.
 */

static int function_fence(struct gw_guest_function *gf, int err) GW_HOLDS(gf->lock)
{
	bool was = gf->fenced;

	gf->fenced = true;
	gw_guest_irqs_disable(&gf->irqs);
	if (was || !gw_log_may(gf->log))
		return err;	/* said already; a guest can have it reset again and again */
	gw_err(gf->log, "%s: reset failed: %s; bus mastering is off and the guest sees all ones",
	       gf->fn->info.name, strerror(-err));
	gw_hint(gf->log, "the function comes back with the first reset that succeeds: restart the "
		"guest, or else the host");
	return err;
}

static void function_unfence(struct gw_guest_function *gf) GW_HOLDS(gf->lock)
{
	if (gf->fenced && gw_log_may(gf->log))
		gw_info(gf->log, "%s: the reset succeeded: it is back", gf->fn->info.name);
	gf->fenced = false;
}

/* Bus mastering off, reset, and off again: a host may restore what it found before. */
static int function_host_reset(struct gw_guest_function *gf) GW_HOLDS(gf->lock)
{
	int ret, off;

	gf->command &= (uint16_t)~GW_PCI_COMMAND_MASTER;
	ret = gw_guest_config_command(gf);
	if (ret)
		gw_log_guest(gf->log, "%s: cannot turn bus mastering off before a reset: %s",
			     gf->fn->info.name, strerror(-ret));
	gw_guest_decodes(gf, false);
	ret = gf->fn->ops->reset(gf->fn);
	gw_guest_config_initial(gf);
	off = gw_guest_config_command(gf);
	return ret ? ret : off;
}

int gw_guest_function_reset(struct gw_guest_function *gf)
{
	int ret;

	if (gf->gone)
		return -ENODEV;
	gw_guest_count(&gf->resets);
	gw_guest_quiet_begin(gf);
	ret = function_host_reset(gf);
	gw_guest_quiet_end(gf);
	if (ret == -ENODEV)
		gw_guest_failed(gf, ret, "reset");
	else if (ret)
		function_fence(gf, ret);
	else
		function_unfence(gf);
	gw_guest_irqs_forget(&gf->irqs);
	return ret;
}

/* Where COMMAND cannot be written a reset is what makes the function quiet. */
static void function_command(struct gw_guest_function *gf) GW_HOLDS(gf->lock)
{
	int ret;

	if (!gf->attached || gw_guest_dead(gf))
		return;
	ret = gw_guest_config_command(gf);
	if (!ret)
		return;
	gw_guest_failed(gf, ret, "write COMMAND");
	gw_guest_function_reset(gf);	/* fenced if that fails */
}

void gw_guest_function_show(struct gw_guest_function *gf)
{
	pthread_mutex_lock(&gf->lock);
	gf->shown = true;
	gf->hidden = false;
	if (gf->paused) {
		gf->paused = false;
		function_command(gf);
	}
	pthread_mutex_unlock(&gf->lock);
}

void gw_guest_function_pause(struct gw_guest_function *gf)
{
	pthread_mutex_lock(&gf->lock);
	gf->shown = false;
	gf->paused = true;
	function_command(gf);
	if (gf->attached && gw_guest_config_idle(gf))
		gf->hidden = gf->hides;
	pthread_mutex_unlock(&gf->lock);
}

void gw_guest_function_hide(struct gw_guest_function *gf)
{
	bool paused;

	pthread_mutex_lock(&gf->lock);
	paused = gf->paused;
	gf->shown = gf->paused = false;
	if (gf->attached && (!gf->hidden || paused)) {
		gw_guest_function_reset(gf);	/* fenced if that fails */
		gf->hidden = gf->hides;
	}
	pthread_mutex_unlock(&gf->lock);
}

int gw_guest_function_adopt(struct gw_guest_function *gf, struct gw_guest_listener *listener,
			    bool show)
{
	int ret = 0;

	if (gw_dma_plan(gf->dma) != GW_PLAN_PARAVIRT)
		return -EPROTO;
	pthread_mutex_lock(&gf->lock);
	if (gf->listener) {
		ret = -EBUSY;
	} else {
		gf->listener = listener;
		gf->hides = !show;
	}
	pthread_mutex_unlock(&gf->lock);
	return ret;
}

void gw_guest_function_leave(struct gw_guest_function *gf)
{
	pthread_mutex_lock(&gf->lock);
	gf->listener = NULL;
	gf->hides = true;
	pthread_mutex_unlock(&gf->lock);
}

static struct gw_guest_function *from_device(struct gw_device *d)
{
	return container_of(d, struct gw_guest_function, dev);
}

/* The front end's thread begins an operation. */
static void device_begin(struct gw_guest_function *gf) GW_LOCKS(gf->lock)
{
	pthread_mutex_lock(&gf->lock);
}

static void device_end(struct gw_guest_function *gf) GW_UNLOCKS(gf->lock)
{
	pthread_mutex_unlock(&gf->lock);
}

static int device_reset(struct gw_device *d)
{
	struct gw_guest_function *gf = from_device(d);
	int ret;

	device_begin(gf);
	ret = gw_guest_function_reset(gf);
	gw_guest_irqs_disable(&gf->irqs);
	gf->hidden = gf->hides && !gf->shown;
	device_end(gf);
	return ret;
}

static int function_claim(struct gw_guest_function *gf, const struct gw_vmm *vmm)
	GW_HOLDS(gf->lock)
{
	const struct gw_function_ops *ops = gf->fn->ops;
	int ret = ops->claim ? ops->claim->take(gf->fn, vmm) : 0;

	gf->claimed = !ret;
	return ret;
}

static void function_unclaim(struct gw_guest_function *gf) GW_HOLDS(gf->lock)
{
	if (gf->claimed && gf->fn->ops->claim)
		gf->fn->ops->claim->drop(gf->fn);
	gf->claimed = false;
}

static int device_attach(struct gw_device *d, struct gw_remote *remote, const struct gw_vmm *vmm)
{
	struct gw_guest_function *gf = from_device(d);
	int ret = vmm ? gw_guest_function_own(gf, vmm, "the function") : 0;

	gf->owned = vmm && !ret;
	if (ret)
		return ret;
	device_begin(gf);
	ret = gf->gone ? -ENODEV : function_claim(gf, vmm);
	if (!ret && gf->fenced && gw_guest_function_reset(gf))
		ret = -EIO;
	if (!ret) {
		gf->attached = true;
		gf->hidden = false;
		gf->remote = remote;
		gw_dma_set_remote(gf->dma, remote);
	}
	device_end(gf);
	return ret;
}

static void device_detach(struct gw_device *d)
{
	struct gw_guest_function *gf = from_device(d);
	struct gw_guest_listener *listener = gf->listener;

	device_begin(gf);
	gw_guest_quiet_begin(gf);
	gw_guest_function_reset(gf);	/* failure is logged, and memory goes all the same */
	gw_guest_irqs_disable(&gf->irqs);
	gw_dma_unmap_all(gf->dma);
	gw_dma_set_remote(gf->dma, NULL);
	gw_guest_quiet_end(gf);
	function_unclaim(gf);
	gf->remote = NULL;
	gf->attached = false;
	device_end(gf);
	if (listener)
		listener->left(listener);
	if (gf->owned)
		gw_guest_function_disown(gf);
	gf->owned = false;
}

static void device_region_info(struct gw_device *d, unsigned int region,
			       struct gw_region_info *info)
{
	struct gw_guest_function *gf = from_device(d);

	*info = (struct gw_region_info){ .fd = -1 };
	if (region < GW_NR_BARS) {
		*info = gf->bar[region].region;
	} else if (region == GW_REGION_CONFIG) {
		info->size = gf->policy.size;
		info->flags = GW_REGION_F_READ | GW_REGION_F_WRITE;
	}
}

static int device_region_read(struct gw_device *d, unsigned int region, uint64_t off, void *buf,
			      size_t len)
{
	struct gw_guest_function *gf = from_device(d);
	int ret = gw_device_check(d, region, GW_REGION_F_READ, off, len);

	if (ret)
		return ret;
	device_begin(gf);
	if (region == GW_REGION_CONFIG) {
		gw_guest_count(&gf->config_reads);
		gw_guest_config_read(gf, (unsigned int)off, buf, len);
	} else {
		gw_guest_count(&gf->reads);
		gw_guest_bar_read(gf, region, off, buf, len);
	}
	device_end(gf);
	return 0;
}

/* A reset that the guest asks for comes before what it writes after that. */
static void config_write(struct gw_guest_function *gf, unsigned int off, const uint8_t *buf,
			 size_t len) GW_HOLDS(gf->lock)
{
	bool reset;
	size_t n;

	for (; len; off += (unsigned int)n, buf += n, len -= n) {
		n = gw_guest_config_write(gf, off, buf, len, &reset);
		if (reset)
			gw_guest_function_reset(gf);	/* fenced if that fails */
	}
}

static int device_region_write(struct gw_device *d, unsigned int region, uint64_t off,
			       const void *buf, size_t len)
{
	struct gw_guest_function *gf = from_device(d);
	int ret = gw_device_check(d, region, GW_REGION_F_WRITE, off, len);

	if (ret)
		return ret;
	device_begin(gf);
	if (region == GW_REGION_CONFIG) {
		gw_guest_count(&gf->config_writes);
		config_write(gf, (unsigned int)off, buf, len);
	} else {
		gw_guest_count(&gf->writes);
		gw_guest_bar_write(gf, region, off, buf, len);
	}
	device_end(gf);
	return 0;
}

static void device_irq_info(struct gw_device *d, enum gw_irq index, struct gw_irq_info *info)
{
	gw_guest_irqs_info(&from_device(d)->irqs, index, info);
}

static int device_irq_set(struct gw_device *d, struct gw_irq_set *set)
{
	struct gw_guest_function *gf = from_device(d);
	int ret;

	device_begin(gf);
	ret = gw_guest_irqs_set(&gf->irqs, set);
	/* the VMM may have attached before the function went, and says only now where to ask it */
	if (!ret && gf->gone && set->index == GW_IRQ_REQ)
		gw_guest_irqs_request(&gf->irqs);
	device_end(gf);
	return ret;
}

static int device_dma_map(struct gw_device *d, const struct gw_slice *s, int fd)
{
	return gw_dma_map(from_device(d)->dma, s, fd);
}

static int device_dma_unmap(struct gw_device *d, gw_vmm_addr first, gw_vmm_addr last,
			    uint64_t *bytes)
{
	struct gw_guest_function *gf = from_device(d);
	struct gw_guest_listener *listener = gf->listener;
	int ret;

	gw_guest_quiet_begin(gf);
	ret = gw_dma_unmap(gf->dma, first, last, bytes);
	gw_guest_quiet_end(gf);
	if (listener && *bytes)
		listener->taken(listener);
	return ret;
}

/* Only whole pages of what a VMM may map as well. */
static bool may_map(const struct gw_region_info *r, const struct gw_bar_range *range)
{
	if (!range->size || (range->off.v | range->size) % GW_PAGE_SIZE ||
	    !gw_region_holds(r, GW_REGION_F_MMAP, range->off.v, range->size))
		return false;
	for (unsigned int i = 0; i < r->nr_areas; i++)
		if (range->off.v >= r->area[i].off && range->size <= r->area[i].size &&
		    range->off.v - r->area[i].off <= r->area[i].size - range->size)
			return true;
	return !r->nr_areas;
}

static int device_dma_buf(struct gw_device *d, unsigned int bar, const struct gw_bar_range *range,
			  unsigned int nr, int *fd)
{
	struct gw_guest_function *gf = from_device(d);
	const struct gw_peer_ops *peer = gf->fn->ops->peer;
	int ret = -EOPNOTSUPP;

	if (!peer || !peer->bar_export)
		return ret;
	if (bar >= GW_NR_BARS)
		return -EINVAL;
	for (unsigned int i = 0; i < nr; i++)
		if (!may_map(&gf->bar[bar].region, &range[i]))
			return -EINVAL;
	pthread_mutex_lock(&gf->lock);
	if (!gf->gone && !gf->hidden)
		ret = peer->bar_export(gf->fn, bar, range, nr, fd);
	else
		ret = -ENODEV;
	pthread_mutex_unlock(&gf->lock);
	return ret;
}

static const struct gw_device_ops function_ops = {
	.attach = device_attach,
	.detach = device_detach,
	.region_info = device_region_info,
	.region_read = device_region_read,
	.region_write = device_region_write,
	.irq_info = device_irq_info,
	.irq_set = device_irq_set,
	.dma_map = device_dma_map,
	.dma_unmap = device_dma_unmap,
	.reset = device_reset,
	.dma_buf = device_dma_buf,
};

/* The whole config space after reset. What lies above 256 may not answer: then it is empty. */
static int function_snapshot(struct gw_guest_function *gf, uint8_t *cfg)
{
	uint32_t val;
	int ret;

	for (unsigned int off = 0; off < GW_PCI_CFG_SIZE; off += 4) {
		ret = gf->fn->ops->config_read(gf->fn, off, 4, &val);
		if (ret == -ENODEV || (ret && off < GW_PCI_CFG_SIZE_CONV)) {
			gw_err(gf->log, "%s: cannot read config space at %#x: %s",
			       gf->fn->info.name, off, strerror(-ret));
			return ret;
		}
		if (ret)
			break;
		gw_pci_put(cfg, off, 4, val);
	}
	return 0;
}

static int function_check(struct gw_guest_function *gf, const uint8_t *cfg)
{
	unsigned int type = cfg[GW_PCI_HEADER_TYPE] & GW_PCI_HEADER_TYPE_MASK;

	if (gw_pci_get(cfg, GW_PCI_VENDOR_ID, 2) == 0xffff) {
		gw_err(gf->log, "%s: config space reads as all ones; is the device powered?",
		       gf->fn->info.name);
		return -ENODEV;
	}
	if (type) {
		gw_err(gf->log, "%s: header type %u is a bridge; only endpoints can be passed "
		       "through", gf->fn->info.name, type);
		return -EOPNOTSUPP;
	}
	return 0;
}

/* A capability by which the guest's module finds the companion that belongs to the function. */
static void function_add_cookie(struct gw_guest_function *gf, const uint8_t *cfg)
{
	struct gw_vendor_cap cap = gw_abi_vendor_cap(GW_VENDOR_ROLE_FUNCTION, gf->cookie);

	if (!gw_pci_policy_add_cap(&gf->policy, cfg, &cap, sizeof(cap)))
		gw_warn(gf->log, "%s: config space has no room for a capability of ours; the "
			"guest's module has to be told which companion serves it", gf->fn->info.name);
}

/* Reset and learn what the function is. */
static int function_open(struct gw_guest_function *gf) GW_HOLDS(gf->lock)
{
	uint8_t cfg[GW_PCI_CFG_SIZE] = { 0 };
	struct gw_bar_info bar[GW_NR_BARS];
	int ret;

	ret = gw_guest_bars_probe(gf);
	if (ret)
		return ret;
	ret = function_host_reset(gf);
	if (ret) {
		gw_err(gf->log, "%s: reset failed: %s; a function that cannot be reset is not safe "
		       "to hand to a guest", gf->fn->info.name, strerror(-ret));
		gw_hint(gf->log, "switch the device off and on, or restart the machine, and try again");
		return ret;
	}
	ret = function_snapshot(gf, cfg);
	if (!ret)
		ret = function_check(gf, cfg);
	if (ret)
		return ret;
	gf->hides = gw_dma_plan(gf->dma) == GW_PLAN_PARAVIRT;
	if (gf->hides)
		gw_os_random(&gf->cookie, sizeof(gf->cookie));
	ret = gw_guest_irqs_init(&gf->irqs, gf->fn, gf->fn->info.name, gf->log);
	if (ret) {
		gw_err(gf->log, "%s: cannot set up interrupts: %s", gf->fn->info.name,
		       strerror(-ret));
		return ret;
	}
	for (unsigned int i = 0; i < GW_NR_BARS; i++)
		bar[i] = gf->bar[i].info;
	gw_pci_policy_compile(cfg, bar, gf->irqs.vectors, &gf->policy);
	if (gf->hides)
		function_add_cookie(gf, cfg);
	if (gf->irqs.intx)
		gw_pci_policy_show_pin(cfg, &gf->policy);
	if (gf->policy.broken)
		gw_warn(gf->log, "%s: the capability list is broken; what came before is shown",
			gf->fn->info.name);
	return 0;
}

int gw_guest_function_new(struct gw_function *fn, struct gw_dma *dma, struct gw_log *log,
			  struct gw_guest_function **out)
{
	struct gw_guest_function *gf = calloc(1, sizeof(*gf));
	int ret;

	if (!gf)
		return -ENOMEM;
	gf->dev.ops = &function_ops;
	gf->fn = fn;
	gf->dma = dma;
	gf->log = log;
	ret = gw_guest_owner_init(&gf->owner);
	if (ret)
		goto free_function;
	pthread_mutex_init(&gf->lock, NULL);
	ret = function_open(gf);
	if (ret)
		goto destroy_locks;
	gf->irqs.count[GW_IRQ_MSI] = gf->policy.msi_vectors;
	gf->irqs.count[GW_IRQ_MSIX] = gf->policy.msix_vectors;
	gw_guest_config_initial(gf);
	gw_guest_bars_map(gf);
	*out = gf;
	return 0;
destroy_locks:
	pthread_mutex_destroy(&gf->lock);
	gw_guest_owner_fini(&gf->owner);
free_function:
	free(gf);
	return ret;
}

void gw_guest_function_free(struct gw_guest_function *gf)
{
	if (!gf)
		return;
	gw_guest_irqs_fini(&gf->irqs);
	gw_guest_bars_unmap(gf);
	pthread_mutex_destroy(&gf->lock);
	gw_guest_owner_fini(&gf->owner);
	free(gf);
}

struct gw_device *gw_guest_function_device(struct gw_guest_function *gf)
{
	return &gf->dev;
}

void gw_guest_function_gone(struct gw_guest_function *gf)
{
	pthread_mutex_lock(&gf->lock);
	gw_guest_failed(gf, -ENODEV, "be reached");
	pthread_mutex_unlock(&gf->lock);
}

void gw_guest_function_stats(struct gw_guest_function *gf, struct gw_guest_stats *stats)
{
	stats->reads = atomic_load_explicit(&gf->reads, memory_order_relaxed);
	stats->writes = atomic_load_explicit(&gf->writes, memory_order_relaxed);
	stats->config_reads = atomic_load_explicit(&gf->config_reads, memory_order_relaxed);
	stats->config_writes = atomic_load_explicit(&gf->config_writes, memory_order_relaxed);
	stats->irqs = atomic_load_explicit(&gf->irqs.delivered, memory_order_relaxed);
	stats->resets = atomic_load_explicit(&gf->resets, memory_order_relaxed);
}
