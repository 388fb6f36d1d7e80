/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/lock.h"
#include "base/thread.h"
#include "base/os.h"
#include "base/util.h"
#include "companion/command.h"
#include "companion/control.h"
#include "companion/registers.h"
#include "companion/ring.h"
#include "companion/share.h"

/*
 * How it works: the companion is a PCI device, served to the VMM like the function, and by a thread
 * of its own. It reaches guest memory by what its VMM has told it, and maps into the function's
 * address space.
 *
 * What happens to the function may come from the function's thread, or from here. The order of
 * locks is companion, function, address space; so the function's thread tells us after it has let
 * go of the function's lock, and before it answers the VMM.
 */

#define MSI_AT		0x40u
#define VENDOR_AT	0x50u

static struct gw_companion *from_device(struct gw_device *d)
{
	return container_of(d, struct gw_companion, dev);
}

static void config_reset(struct gw_companion *c)
{
	memcpy(c->config, c->policy.initial, sizeof(c->config));
}

/* Return: a file for BAR2, mapped at *@page; -errno of making it or of mmap(2). */
static int page_make(struct gw_companion_page **page)
{
	int fd = gw_os_memory_file("gangway-companion", GW_COMPANION_PAGE_SIZE, true), ret;

	if (fd < 0)
		return fd;
	*page = mmap(NULL, GW_COMPANION_PAGE_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (*page != MAP_FAILED)
		return fd;
	ret = -errno;
	close(fd);
	return ret;
}

static void page_close(struct gw_companion *c)
{
	munmap(c->page, GW_COMPANION_PAGE_SIZE);
	close(c->page_fd);
}

/*
 * An earlier VMM may still have the page it was handed, and could write there what the next one's
 * guest believes. So each has a page of its own. Memory that the VMM keeps to itself is out of
 * reach.
 */
static int device_attach(struct gw_device *d, struct gw_remote *remote, const struct gw_vmm *vmm)
{
	struct gw_companion *c = from_device(d);
	struct gw_companion_page *page;
	int fd = vmm ? gw_guest_function_own(c->gf, vmm, "its companion") : 0;

	c->owns = vmm && !fd;
	if (fd)
		return fd;
	fd = page_make(&page);
	if (fd < 0) {
		gw_log_guest(c->log, "%s: cannot make a page for the VMM: %s", c->name,
		       strerror(-fd));
		return fd;
	}
	gw_gate_lock(&c->gate);
	page_close(c);
	c->page = page;
	c->page_fd = fd;
	c->page->generation = c->stats.generation;
	c->page->dropped = c->stats.dropped;
	gw_companion_ring_publish(c);
	gw_gate_unlock(&c->gate);
	return 0;
}

static void device_detach(struct gw_device *d)
{
	struct gw_companion *c = from_device(d);

	gw_gate_lock(&c->gate);
	gw_companion_leave(c);
	config_reset(c);
	gw_guest_memory_clear(&c->memory);
	gw_gate_unlock(&c->gate);
	gw_guest_irqs_disable(&c->irqs);
	if (c->owns)
		gw_guest_function_disown(c->gf);
	c->owns = false;
}

static int device_reset(struct gw_device *d)
{
	struct gw_companion *c = from_device(d);

	gw_gate_lock(&c->gate);
	gw_companion_reset(c, gw_now_ns() + GW_RELEASE_LIMIT_NS);
	config_reset(c);
	gw_gate_unlock(&c->gate);
	gw_guest_irqs_disable(&c->irqs);
	return 0;
}

static void device_region_info(struct gw_device *d, unsigned int region,
			       struct gw_region_info *info)
{
	struct gw_companion *c = from_device(d);

	*info = (struct gw_region_info){ .fd = -1 };
	if (region != GW_REGION_BAR0 && region != GW_REGION_BAR0 + 2 && region != GW_REGION_CONFIG)
		return;
	info->flags = GW_REGION_F_READ | GW_REGION_F_WRITE;
	info->size = region == GW_REGION_CONFIG ? GW_PCI_CFG_SIZE_CONV : GW_COMPANION_BAR_SIZE;
	if (region == GW_REGION_BAR0 + 2) {
		info->size = GW_COMPANION_PAGE_SIZE;
		/*
		 * it can be written, as a guest's write would end its VMM otherwise; we do not look
		 * at what is written
		 */
		info->flags |= GW_REGION_F_MMAP;
		info->fd = c->page_fd;
		info->addr = c->page;
	}
}

static int device_region_read(struct gw_device *d, unsigned int region, uint64_t off, void *buf,
			      size_t len)
{
	struct gw_companion *c = from_device(d);
	int ret = gw_device_check(d, region, GW_REGION_F_READ, off, len);

	if (ret)
		return ret;
	gw_gate_lock(&c->gate);
	if (region == GW_REGION_CONFIG)
		memcpy(buf, c->config + off, len);
	else if (region == GW_REGION_BAR0)
		gw_companion_regs_read(c, off, buf, len);
	else
		memcpy(buf, (const uint8_t *)c->page + off, len);
	gw_gate_unlock(&c->gate);
	return 0;
}

static void config_write(struct gw_companion *c, uint64_t off, const uint8_t *buf, size_t len)
	GW_HOLDS(c->gate)
{
	const struct gw_pci_policy *p = &c->policy;

	for (; len; off++, buf++, len--) {
		/* no function is behind this, so bits that would be forwarded are ours as well */
		uint8_t mask = p->emulated[off] | p->forwarded[off];

		c->config[off] = (uint8_t)((c->config[off] & ~mask) | (*buf & mask));
	}
}

static int device_region_write(struct gw_device *d, unsigned int region, uint64_t off,
			       const void *buf, size_t len)
{
	struct gw_companion *c = from_device(d);
	int ret = gw_device_check(d, region, GW_REGION_F_WRITE, off, len);

	if (ret)
		return ret;
	gw_gate_lock(&c->gate);
	if (region == GW_REGION_CONFIG)
		config_write(c, off, buf, len);
	else if (region == GW_REGION_BAR0)
		gw_companion_regs_write(c, off, buf, len);
	gw_gate_unlock(&c->gate);
	return 0;
}

static void device_irq_info(struct gw_device *d, enum gw_irq index, struct gw_irq_info *info)
{
	gw_guest_irqs_info(&from_device(d)->irqs, index, info);
}

static int device_irq_set(struct gw_device *d, struct gw_irq_set *set)
{
	return gw_guest_irqs_set(&from_device(d)->irqs, set);
}

static int device_dma_map(struct gw_device *d, const struct gw_slice *s, int fd)
{
	struct gw_companion *c = from_device(d);
	int ret;

	gw_gate_lock(&c->gate);
	ret = gw_guest_memory_add(&c->memory, s, fd);
	gw_gate_unlock(&c->gate);
	return ret;
}

static int device_dma_unmap(struct gw_device *d, gw_vmm_addr first, gw_vmm_addr last,
			    uint64_t *bytes)
{
	struct gw_companion *c = from_device(d);
	struct gw_companion_ring *r = &c->ring;
	int ret;

	gw_gate_lock(&c->gate);
	if (r->running && r->gpa.v <= last.v && first.v <= r->gpa.v + (r->bytes - 1))
		gw_companion_ring_stop(c);
	ret = gw_guest_memory_remove(&c->memory, first, last, bytes);
	gw_gate_unlock(&c->gate);
	return ret;
}

static const struct gw_device_ops companion_ops = {
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
};

/* The function's VMM has gone, and is quiet: what was mapped for it is of no use. */
static void function_left(struct gw_guest_listener *l)
{
	struct gw_companion *c = container_of(l, struct gw_companion, listener);

	gw_gate_lock(&c->gate);
	gw_companion_end(c, gw_now_ns() + GW_RELEASE_LIMIT_NS);
	gw_gate_unlock(&c->gate);
}

/* The guest learns of what has gone with its memory before the VMM has its answer. */
static void function_taken(struct gw_guest_listener *l)
{
	struct gw_companion *c = container_of(l, struct gw_companion, listener);
	struct gw_dma_usage u;

	gw_dma_usage(c->dma, &u);
	if (u.dropped == __atomic_load_n(&c->stats.dropped, __ATOMIC_RELAXED))
		return;		/* nothing was mapped there, or it is known already */
	gw_gate_lock(&c->gate);
	gw_log_guest(c->log, "%s: the VMM took memory away of which the guest had %u mappings, which "
		     "ended; a guest that unplugs memory should let go of it first", c->name,
		     u.dropped - c->stats.dropped);
	gw_companion_ring_publish(c);
	gw_gate_unlock(&c->gate);
}

static void config_make(struct gw_companion *c)
{
	const struct gw_bar_info bar[GW_NR_BARS] = { [0].size = GW_COMPANION_BAR_SIZE,
						     [2].size = GW_COMPANION_PAGE_SIZE };
	struct gw_vendor_cap cap = gw_abi_vendor_cap(GW_VENDOR_ROLE_COMPANION, c->gf->cookie);
	struct gw_pci_policy *p = &c->policy;
	uint8_t cfg[GW_PCI_CFG_SIZE] = { 0 };

	gw_pci_put(cfg, GW_PCI_VENDOR_ID, 4, (uint32_t)GW_COMPANION_DEVICE << 16 |
		   GW_COMPANION_VENDOR);
	gw_pci_put(cfg, GW_PCI_STATUS, 2, GW_PCI_STATUS_CAPS);
	gw_pci_put(cfg, GW_PCI_REVISION, 4, (uint32_t)GW_COMPANION_CLASS << 8);
	gw_pci_put(cfg, GW_PCI_SUBSYSTEM, 4, (uint32_t)GW_COMPANION_DEVICE << 16 |
		   GW_COMPANION_VENDOR);
	cfg[GW_PCI_CAP_PTR] = MSI_AT;
	gw_pci_put(cfg, MSI_AT, 4, (uint32_t)GW_PCI_MSI_64BIT << 16 | VENDOR_AT << 8 |
		   GW_PCI_CAP_MSI);
	memcpy(cfg + VENDOR_AT, &cap, sizeof(cap));
	gw_pci_policy_compile(cfg, bar, 1, p);
	/* there is no function behind it to ask */
	for (unsigned int i = 0; i < GW_PCI_CFG_SIZE_CONV; i++)
		p->initial[i] |= cfg[i] & p->read_only[i];
	config_reset(c);
}

static void *poller_main(void *opaque)
{
	struct gw_companion *c = opaque;

	gw_gate_lock_patient(&c->gate);
	while (!c->stop) {
		if (!c->kicked) {
			gw_gate_wait(&c->gate, &c->kick);
			continue;
		}
		c->kicked = false;
		if ((!c->releasing || !gw_companion_end(c, 0)) && c->ring.running)
			gw_companion_poll(c);
		gw_gate_unlock(&c->gate);
		gw_gate_lock_patient(&c->gate);
	}
	gw_gate_unlock(&c->gate);
	return NULL;
}

static int companion_start(struct gw_companion *c) GW_HOLDS(c->gate)
{
	int ret;

	c->page_fd = page_make(&c->page);
	if (c->page_fd < 0)
		return c->page_fd;
	ret = gw_guest_irqs_init(&c->irqs, NULL, c->name, c->log);
	if (ret)
		goto close_page;
	c->irqs.count[GW_IRQ_MSI] = 1;
	gw_companion_publish(c);
	ret = gw_thread_start(&c->poller, "gw-companion", poller_main, c);
	if (ret)
		goto fini_irqs;
	return 0;
fini_irqs:
	gw_guest_irqs_fini(&c->irqs);
close_page:
	page_close(c);
	return ret;
}

int gw_companion_new(struct gw_guest_function *gf, const struct gw_companion_options *opt,
		     struct gw_log *log, struct gw_companion **out)
{
	struct gw_companion *c;
	int ret;

	c = calloc(1, sizeof(*c));
	if (!c)
		return -ENOMEM;
	gw_gate_init(&c->gate);
	c->dev.ops = &companion_ops;
	c->listener.left = function_left;
	c->listener.taken = function_taken;
	c->gf = gf;
	c->limits = &gf->fn->limits;
	c->dma = gf->dma;
	c->log = log;
	c->opt = opt ? *opt : (struct gw_companion_options){ .guest_bdf = GW_COMPANION_NO_BDF };
	snprintf(c->name, sizeof(c->name), "companion of %.40s", gf->fn->info.name);
	gw_guest_memory_init(&c->memory, NULL, sizeof(struct gw_run), c->name, log);
	c->memory.any = c->opt.any_memory;
	gw_spin_init(&c->spin, c->opt.poll_us);
	pthread_cond_init(&c->kick, NULL);
	config_make(c);
	ret = gw_guest_function_adopt(gf, &c->listener, c->opt.show);
	if (ret)
		goto fini_gate;
	ret = companion_start(c);
	if (ret)
		goto leave_function;
	*out = c;
	return 0;
leave_function:
	gw_guest_function_leave(gf);
fini_gate:
	pthread_cond_destroy(&c->kick);
	gw_gate_fini(&c->gate);
	free(c);
	return ret;
}

void gw_companion_free(struct gw_companion *c)
{
	if (!c)
		return;
	gw_gate_lock(&c->gate);
	c->stop = true;
	gw_companion_kick(c);
	gw_companion_unshare_all(c);
	gw_gate_unlock(&c->gate);
	pthread_join(c->poller, NULL);
	gw_guest_function_leave(c->gf);
	GW_ALONE(c->gate);	/* the poller has ended, and its function knows it no more */
	gw_companion_forget_ids(c);
	gw_guest_irqs_fini(&c->irqs);
	gw_guest_memory_fini(&c->memory);
	page_close(c);
	pthread_cond_destroy(&c->kick);
	gw_gate_fini(&c->gate);
	free(c);
}

struct gw_device *gw_companion_device(struct gw_companion *c)
{
	return &c->dev;
}

void gw_companion_share_by(struct gw_companion *c, struct gw_sharer *s)
{
	gw_gate_lock(&c->gate);
	if (!s)
		gw_companion_unshare_all(c);
	c->sharer = s;
	gw_gate_unlock(&c->gate);
}

void gw_companion_stats(struct gw_companion *c, struct gw_companion_stats *stats)
{
	gw_gate_lock(&c->gate);
	*stats = c->stats;
	gw_gate_unlock(&c->gate);
}
