/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef TESTS_UNIT_FAKE_FUNCTION_H
#define TESTS_UNIT_FAKE_FUNCTION_H

#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>

#include <gangway/guest.h>

#include "base/util.h"
#include "device_config.h"
#include "config/caps.h"

/*
 * A host with one function that is memory: config space, registers, and a record of what was
 * asked of it, in order.
 */

#define FAKE_BAR0_SIZE	0x1000u		/* trapped */
#define FAKE_BAR2_SIZE	0x100000u	/* mapped, 64-bit, prefetchable */
#define FAKE_BAR4_SIZE	0x4000u		/* mapped, with the MSI-X table at 0x1000, PBA 0x2000 */
#define FAKE_MSIX	8u

struct fake {
	struct gw_function fn;
	uint8_t cfg[GW_PCI_CFG_SIZE];
	struct gw_bar_info bar[GW_NR_BARS];
	uint8_t *mem[GW_NR_BARS];
	int fd[GW_NR_BARS];
	uint64_t unit;			/* of mapping */
	unsigned int vectors;
	struct gw_irq_sink *sink;
	uint64_t enabled[GW_IRQ_WORDS];
	uint64_t next_handle;
	unsigned int maps, bar_maps, widths;	/* @widths: of register accesses, or-ed */
	int fail_reset, fail_config, fail_reg, fail_irq_setup, fail_irq_mask, fail_bar_info;

	/* the VMM's end */
	struct gw_remote remote;
	unsigned int stopped;

	char trace[1024];
	struct gw_log log;
	unsigned int errors, warnings;
	char line[512];				/* the last error */
};

static inline void fake_note(struct fake *f, const char *what)
{
	size_t at = strlen(f->trace);

	if (at + strlen(what) + 2 < sizeof(f->trace))
		sprintf(f->trace + at, "%s ", what);
}

static inline int fake_config_read(struct gw_function *fn, unsigned int off, unsigned int width,
				   uint32_t *val)
{
	struct fake *f = container_of(fn, struct fake, fn);

	if (!width || width > 4 || width == 3 || off % width || off + width > GW_PCI_CFG_SIZE)
		abort();
	if (f->fail_config)
		return f->fail_config;
	*val = gw_pci_get(f->cfg, off, width);
	return 0;
}

static inline int fake_config_write(struct gw_function *fn, unsigned int off, unsigned int width,
				    uint32_t val)
{
	struct fake *f = container_of(fn, struct fake, fn);
	uint32_t was;

	/* nothing but COMMAND may ever be written */
	if (off != GW_PCI_COMMAND || width != 2)
		abort();
	if (f->fail_config)
		return f->fail_config;
	was = gw_pci_get(f->cfg, off, 2);
	if ((was ^ val) & ~0x407u)
		abort();
	if (was & ~val & GW_PCI_COMMAND_MASTER)
		fake_note(f, f->stopped ? "master-off" : "MASTER-OFF-UNSTOPPED");
	if (~was & val & GW_PCI_COMMAND_MASTER)
		fake_note(f, "master-on");
	gw_pci_put(f->cfg, off, 2, val);
	return 0;
}

static inline int fake_bar_info(struct gw_function *fn, unsigned int bar, struct gw_bar_info *info)
{
	struct fake *f = container_of(fn, struct fake, fn);

	*info = f->bar[bar];
	return f->fail_bar_info;
}

static inline int fake_bar_map(struct gw_function *fn, unsigned int bar, struct gw_bar_map *map)
{
	struct fake *f = container_of(fn, struct fake, fn);

	if (!f->bar[bar].mappable)
		return -EOPNOTSUPP;
	f->bar_maps++;
	*map = (struct gw_bar_map){ .addr = f->mem[bar], .size = f->bar[bar].size,
				    .fd = f->fd[bar], .unit = f->unit };
	return 0;
}

static inline void fake_bar_unmap(struct gw_function *fn, unsigned int bar)
{
	container_of(fn, struct fake, fn)->bar_maps--;
}

static inline int fake_reg_access(struct fake *f, unsigned int bar, gw_bar_off off,
				  unsigned int width)
{
	if (!gw_is_pow2(width) || width > 8 || off.v % width || off.v + width > f->bar[bar].size)
		abort();
	if (!f->fail_reg)
		f->widths |= width;
	return f->fail_reg;
}

static inline int fake_reg_read(struct gw_function *fn, unsigned int bar, gw_bar_off off,
				unsigned int width, uint64_t *val)
{
	struct fake *f = container_of(fn, struct fake, fn);
	int ret = fake_reg_access(f, bar, off, width);

	if (ret)
		return ret;
	*val = 0;
	memcpy(val, f->mem[bar] + off.v, width);
	return 0;
}

static inline int fake_reg_write(struct gw_function *fn, unsigned int bar, gw_bar_off off,
				 unsigned int width, uint64_t val)
{
	struct fake *f = container_of(fn, struct fake, fn);
	int ret = fake_reg_access(f, bar, off, width);

	if (ret)
		return ret;
	memcpy(f->mem[bar] + off.v, &val, width);
	return 0;
}

static inline int fake_dma_map(struct gw_function *fn, const struct gw_memory *mem, uint64_t size,
			       const gw_iova *want, struct gw_mapping *map)
{
	struct fake *f = container_of(fn, struct fake, fn);

	*map = (struct gw_mapping){ .handle = ++f->next_handle, .nr_segments = 1 };
	map->seg[0].iova = *want;
	map->seg[0].size = size;
	f->maps++;
	return 0;
}

static inline int fake_dma_unmap(struct gw_function *fn, uint64_t handle)
{
	struct fake *f = container_of(fn, struct fake, fn);

	fake_note(f, f->stopped ? "unmap" : "UNMAP-UNSTOPPED");
	f->maps--;
	return 0;
}

static inline int fake_irq_setup(struct gw_function *fn, struct gw_irq_sink *sink, unsigned int *nr)
{
	struct fake *f = container_of(fn, struct fake, fn);

	if (f->fail_irq_setup)
		return f->fail_irq_setup;
	if (f->sink)
		return -EBUSY;
	f->sink = sink;
	*nr = f->vectors;
	return 0;
}

static inline void fake_irq_teardown(struct gw_function *fn)
{
	container_of(fn, struct fake, fn)->sink = NULL;
}

static inline int fake_irq_mask(struct gw_function *fn, const uint64_t enabled[GW_IRQ_WORDS])
{
	struct fake *f = container_of(fn, struct fake, fn);

	if (f->fail_irq_mask)
		return f->fail_irq_mask;
	memcpy(f->enabled, enabled, sizeof(f->enabled));
	fake_note(f, enabled[0] ? "irqs-on" : "irqs-off");
	return 0;
}

static inline int fake_reset(struct gw_function *fn)
{
	struct fake *f = container_of(fn, struct fake, fn);

	fake_note(f, f->cfg[GW_PCI_COMMAND] & GW_PCI_COMMAND_MASTER ? "RESET-WHILE-MASTER" :
								      "reset");
	return f->fail_reset;
}

static inline int fake_gone(struct gw_function *fn, int *fd)
{
	*fd = -1;
	return 0;
}

static inline void fake_remote_stop(struct gw_remote *r)
{
	container_of(r, struct fake, remote)->stopped++;
}

static inline void fake_remote_start(struct gw_remote *r)
{
	container_of(r, struct fake, remote)->stopped--;
}

static inline void fake_log(void *opaque, enum gw_log_level level, const char *line)
{
	struct fake *f = opaque;

	if (level == GW_LOG_ERR) {
		f->errors++;
		snprintf(f->line, sizeof(f->line), "%s", line);
	}
	f->warnings += level == GW_LOG_WARN;
}

static inline void fake_cap(struct fake *f, unsigned int off, uint8_t id, uint8_t next)
{
	f->cfg[off] = id;
	f->cfg[off + 1] = next;
}

static inline void fake_ext(struct fake *f, unsigned int off, uint32_t id, uint32_t next)
{
	gw_pci_put(f->cfg, off, 4, next << 20 | 1u << 16 | id);
}

/*
 * A function with one of everything. Shown: PM 0x40, MSI 0x50, MSI-X 0x70, PCI Express 0x80, vendor
 * 0xd0; serial number 0x150, vendor 0x1a0. Hidden: VPD 0xc0; AER 0x100, SR-IOV 0x160, L1SS 0x200.
 */
static inline void fake_sample_config(struct fake *f)
{
	uint8_t *c = f->cfg;

	gw_pci_put(c, 0x00, 4, 0x67771234);
	gw_pci_put(c, GW_PCI_COMMAND, 4, 0xf9100146);
	gw_pci_put(c, GW_PCI_REVISION, 4, 0xff000002);
	gw_pci_put(c, 0x0c, 4, 0x80800010);
	gw_pci_put(c, GW_PCI_SUBSYSTEM, 4, 0x00021af4);
	gw_pci_put(c, GW_PCI_ROM, 4, 0xfffff801);
	c[GW_PCI_CAP_PTR] = 0x40;
	gw_pci_put(c, GW_PCI_INT_LINE, 4, 0x0807010a);

	fake_cap(f, 0x40, GW_PCI_CAP_PM, 0x50);
	gw_pci_put(c, 0x42, 2, 0xfe23);
	gw_pci_put(c, 0x44, 4, 0xff00e108);
	fake_cap(f, 0x50, GW_PCI_CAP_MSI, 0x70);
	gw_pci_put(c, 0x52, 2, 0x0187 | 1 << 4);
	gw_pci_put(c, 0x54, 4, 0xfee01000);
	gw_pci_put(c, 0x5c, 4, 0x00004041);
	gw_pci_put(c, 0x60, 4, 0xffffffff);
	fake_cap(f, 0x70, GW_PCI_CAP_MSIX, 0xc0);
	gw_pci_put(c, 0x72, 2, 0x8000 | (FAKE_MSIX - 1));
	gw_pci_put(c, 0x74, 4, 0x1000 | 4);
	gw_pci_put(c, 0x78, 4, 0x2000 | 4);
	fake_cap(f, 0xc0, 0x03, 0x80);
	gw_pci_put(c, 0xc4, 4, 0x5a5a5a5a);
	fake_cap(f, 0x80, GW_PCI_CAP_PCIE, 0xd0);
	gw_pci_put(c, 0x82, 2, 0x0002);
	gw_pci_put(c, 0x84, 4, 0x10008fc1);
	gw_pci_put(c, 0x88, 4, 0x001f2910);
	memset(c + 0x8c, 0xff, 0x30);
	fake_cap(f, 0xd0, GW_PCI_CAP_VENDOR, 0x00);
	c[0xd2] = 0x10;
	memset(c + 0xd3, 0x77, 0x0d);

	fake_ext(f, 0x100, 0x0001, 0x150);
	memset(c + 0x104, 0x11, 0x40);
	fake_ext(f, 0x150, GW_PCI_EXT_SERIAL, 0x160);
	gw_pci_put(c, 0x154, 4, 0x89abcdef);
	gw_pci_put(c, 0x158, 4, 0x01234567);
	fake_ext(f, 0x160, 0x0010, 0x1a0);
	memset(c + 0x164, 0x22, 0x3c);
	fake_ext(f, 0x1a0, GW_PCI_EXT_VENDOR, 0x200);
	gw_pci_put(c, 0x1a4, 4, 0x01010042);
	memset(c + 0x1a8, 0x33, 8);
	fake_ext(f, 0x200, 0x001e, 0);
	memset(c + 0x204, 0x44, 0x10);
}

static inline void fake_memory(struct fake *f, unsigned int bar)
{
	if (!f->bar[bar].size)
		return;
	f->fd[bar] = memfd_create("bar", MFD_CLOEXEC);
	if (f->fd[bar] < 0 || ftruncate(f->fd[bar], (off_t)f->bar[bar].size))
		abort();
	f->mem[bar] = mmap(NULL, f->bar[bar].size, PROT_READ | PROT_WRITE, MAP_SHARED, f->fd[bar],
			   0);
	if (f->mem[bar] == MAP_FAILED)
		abort();
}

static const struct gw_function_ops fake_ops = {
	.config_read = fake_config_read,
	.config_write = fake_config_write,
	.bar_info = fake_bar_info,
	.bar_map = fake_bar_map,
	.bar_unmap = fake_bar_unmap,
	.reg_read = fake_reg_read,
	.reg_write = fake_reg_write,
	.dma_map = fake_dma_map,
	.dma_unmap = fake_dma_unmap,
	.irq_setup = fake_irq_setup,
	.irq_teardown = fake_irq_teardown,
	.irq_mask = fake_irq_mask,
	.reset = fake_reset,
	.gone = fake_gone,
};

static const struct gw_remote_ops fake_remote_ops = {
	.stop = fake_remote_stop,
	.start = fake_remote_start,
};

static inline struct fake *fake_new(void)
{
	struct fake *f = calloc(1, sizeof(*f));

	if (!f)
		abort();
	f->fn.ops = &fake_ops;
	strcpy(f->fn.info.name, "fake");
	f->fn.limits = (struct gw_host_limits){ .granule = 4096, .max_bytes = 1 << 30,
		.max_maps = 64, .max_map_bytes = 1 << 30, .max_segments = 1, .caller_iova = true,
		.iova_last.v = UINT64_MAX };
	f->remote.ops = &fake_remote_ops;
	f->log = (struct gw_log){ .level = GW_LOG_DEBUG, .write = fake_log, .opaque = f };
	f->fn.log = &f->log;
	f->vectors = FAKE_MSIX;
	f->unit = 4096;
	f->bar[0] = (struct gw_bar_info){ .size = FAKE_BAR0_SIZE };
	f->bar[2] = (struct gw_bar_info){ .size = FAKE_BAR2_SIZE, .is_64bit = true,
					  .prefetchable = true, .mappable = true };
	f->bar[4] = (struct gw_bar_info){ .size = FAKE_BAR4_SIZE, .mappable = true };
	for (unsigned int i = 0; i < GW_NR_BARS; i++) {
		f->fd[i] = -1;
		fake_memory(f, i);
	}
	fake_sample_config(f);
	return f;
}

static inline void fake_free(struct fake *f)
{
	for (unsigned int i = 0; i < GW_NR_BARS; i++) {
		if (f->fd[i] < 0)
			continue;
		munmap(f->mem[i], f->bar[i].size);
		close(f->fd[i]);
	}
	free(f);
}

/* The fake as a guest's device. */
struct guest {
	struct fake *f;
	struct gw_dma *dma;
	struct gw_guest_function *gf;
	struct gw_device *dev;
};

static inline int event(void)
{
	int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);

	if (fd < 0)
		abort();
	return fd;
}

/* What an eventfd has counted since it was asked last. */
static inline uint64_t counted(int fd)
{
	uint64_t n = 0;

	return read(fd, &n, sizeof(n)) == sizeof(n) ? n : 0;
}

static inline struct guest *guest_open(struct fake *f)
{
	struct guest *g = calloc(1, sizeof(*g));

	if (!g)
		abort();
	g->f = f;
	if (gw_dma_new(&f->fn, GW_PLAN_DIRECT, &f->log, &g->dma) ||
	    gw_guest_function_new(&f->fn, g->dma, &f->log, &g->gf)) {
		gw_dma_free(g->dma);
		free(g);
		return NULL;
	}
	g->dev = gw_guest_function_device(g->gf);
	if (g->dev->ops->attach(g->dev, &f->remote, NULL))
		abort();
	f->trace[0] = '\0';
	return g;
}

static inline void guest_close(struct guest *g)
{
	g->dev->ops->detach(g->dev);
	gw_guest_function_free(g->gf);
	gw_dma_free(g->dma);
	if (g->f->bar_maps || g->f->maps || g->f->stopped)
		abort();
	fake_free(g->f);
	free(g);
}

static inline uint32_t guest_get(struct guest *g, unsigned int off, unsigned int width)
{
	return cfg_get(g->dev, off, width);
}

static inline void guest_put(struct guest *g, unsigned int off, unsigned int width, uint32_t val)
{
	cfg_put(g->dev, off, width, val);
}

#endif
