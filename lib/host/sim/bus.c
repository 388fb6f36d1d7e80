/* SPDX-License-Identifier: BSD-3-Clause */
#include "host/sim/bus.h"

#include <errno.h>

#include "base/bitmap.h"
#include "base/lock.h"
#include "base/util.h"
#include "host/sim/sriov.h"

/*
 * How it works: config space decides. After each write the bus works out anew what follows from
 * it: whether the endpoint may do DMA, which BARs decode, how interrupts travel. The endpoint is
 * told of the first; the other two are flags that its threads read.
 *
 * An endpoint whose DMA does not end when it should is stalled: off the bus, and its mappings stay,
 * until a look finds that it has ended. Each config write and each reset looks.
 */

#define SPACE32_FIRST	0x80000000ull
#define SPACE32_LAST	0xfebfffffull
#define SPACE64_FIRST	0x5000000000ull
#define SPACE64_LAST	0x5fffffffffffull

/* What the platform writes into an MSI capability: its own, known to nobody else. */
#define MSI_ADDR	0xfffff000u
#define MSI_DATA	0x0040u

static int make_memory(struct gw_endpoint_bus *b, unsigned int i)
{
	uint64_t size = b->ep->desc.bar[i].size;
	int fd = b->ep->ops->bar_file ? b->ep->ops->bar_file(b->ep, i) : -1;

	return fd < 0 ? gw_sim_memory_alloc(&b->bar[i], "gangway-bar", size, 4096) :
			gw_sim_memory_adopt(&b->bar[i], fd, size, 4096);
}

/* Room for @nr BARs in a row. Return: where, 0 if there is none (logged) */
static uint64_t find_place(struct gw_endpoint_bus *b, const struct gw_endpoint_bar *bar,
			   unsigned int nr, struct gw_bus_space *space)
{
	uint64_t *next = bar->is_64bit ? &space->next64 : &space->next32;
	uint64_t first = bar->is_64bit ? SPACE64_FIRST : SPACE32_FIRST;
	uint64_t last = bar->is_64bit ? SPACE64_LAST : SPACE32_LAST;
	uint64_t align = bar->size < 16384 ? 16384 : bar->size, size = nr * bar->size;
	uint64_t at = ((*next > first ? *next : first) + align - 1) & ~(align - 1);

	if (at > last || size - 1 > last - at) {
		gw_err(b->log, "%s: no room for %u BARs of %#llx bytes", b->name, nr,
		       (unsigned long long)bar->size);
		return 0;
	}
	*next = at + size;
	return at;
}

static int place_bar(struct gw_endpoint_bus *b, unsigned int i, struct gw_bus_space *space)
{
	const struct gw_endpoint_bar *bar = &b->ep->desc.bar[i];

	if (!b->bar_addr[i])
		b->bar_addr[i] = find_place(b, bar, 1, space);
	if (!b->bar_addr[i])
		return -ENOMEM;
	gw_config_set_bar(&b->config, &b->ep->desc, i, b->bar_addr[i]);
	return bar->mapped ? make_memory(b, i) : 0;
}

static int place_vf_bar(struct gw_endpoint_bus *b, unsigned int i, struct gw_bus_space *space)
{
	const struct gw_endpoint_sriov *s = &b->ep->desc.sriov;

	b->vf_bar_addr[i] = find_place(b, &s->bar[i], s->total, space);
	if (!b->vf_bar_addr[i])
		return -ENOMEM;
	gw_sriov_set_bar(&b->config, &b->ep->desc, i, b->vf_bar_addr[i]);
	return 0;
}

static int place_bars(struct gw_endpoint_bus *b, struct gw_bus_space *space)
{
	const struct gw_endpoint_desc *desc = &b->ep->desc;
	int ret = 0;

	for (unsigned int i = 0; i < GW_NR_BARS && !ret; i++) {
		if (desc->bar[i].size)
			ret = place_bar(b, i, space);
		if (!ret && desc->sriov.total && desc->sriov.bar[i].size)
			ret = place_vf_bar(b, i, space);
	}
	for (unsigned int i = 0; i < GW_NR_BARS && ret; i++)
		gw_sim_memory_free(&b->bar[i]);
	return ret;
}

static enum gw_bus_irq irq_mode(const struct gw_endpoint_bus *b)
{
	const struct gw_config *c = &b->config;
	uint32_t ctl;

	if (c->msix) {
		ctl = gw_config_get(c, c->msix + 2u, 2);
		if (ctl & 0x8000)
			return ctl & 0x4000 ? GW_BUS_IRQ_MSIX_MASKED : GW_BUS_IRQ_MSIX;
	}
	/* a message that someone else wrote goes nowhere */
	if (c->msi && c->byte[c->msi + 2u] & 1 && gw_config_get(c, c->msi + 4u, 4) == MSI_ADDR &&
	    !gw_config_get(c, c->msi + 8u, 4) && gw_config_get(c, c->msi + 12u, 2) == MSI_DATA)
		return GW_BUS_IRQ_MSI;
	return GW_BUS_IRQ_OFF;
}

static unsigned int decodes(const struct gw_endpoint_bus *b)
{
	const struct gw_endpoint_desc *desc = &b->ep->desc;
	const struct gw_config *c = &b->config;
	unsigned int bits = 0;

	if (!(c->byte[GW_PCI_COMMAND] & GW_PCI_COMMAND_MEMORY) || !gw_config_in_d0(c))
		return 0;
	for (unsigned int i = 0; i < GW_NR_BARS; i++)
		if (desc->bar[i].size && gw_config_bar(c, desc, i) == b->bar_addr[i])
			bits |= 1u << i;
	return bits;
}

bool gw_bus_stalled(struct gw_endpoint_bus *b)
{
	return b->ep->ops->stalled && b->ep->ops->stalled(b->ep);
}

/* Return: it is; else it is stalled */
static bool quiet(struct gw_endpoint_bus *b) GW_HOLDS(b->state_lock)
{
	bool stalled, was_running = b->running;

	atomic_store(&b->master, false);
	b->running = false;
	if (was_running)
		b->ep->ops->quiesce(b->ep);
	stalled = gw_bus_stalled(b);
	if (was_running && stalled)
		atomic_fetch_add(&b->stalls, 1);
	atomic_store(&b->dart.hasty, stalled);
	return !stalled;
}

static void hold_off(struct gw_endpoint_bus *b)
{
	atomic_store(&b->master, false);
	atomic_store(&b->decodes, 0);
}

void gw_bus_fence(struct gw_endpoint_bus *b)
{
	atomic_store(&b->fenced, true);
	if (atomic_load(&b->master))
		atomic_fetch_add(&b->stalls, 1);	/* else it has been counted */
	hold_off(b);
}

static void tell_decoding(struct gw_endpoint_bus *b, bool on) GW_HOLDS(b->state_lock)
{
	if (b->decoding == on)
		return;
	b->decoding = on;
	if (b->ep->ops->decode)
		b->ep->ops->decode(b->ep, on);
}

/* Deliver what was raised while the vectors were masked. */
static void release_held(struct gw_endpoint_bus *b)
{
	unsigned int bit;

	for (unsigned int i = 0; i < GW_IRQ_WORDS; i++) {
		uint64_t word = atomic_exchange(&b->irq_held[i], 0);

		gw_bitmap_for_each(bit, word)
			b->irq(b, i * 64 + bit);
	}
}

static bool absent(struct gw_endpoint_bus *b)
{
	return atomic_load(&b->gone) || atomic_load(&b->fenced) || atomic_load(&b->asleep);
}

/* Does config space let the endpoint do DMA? */
static bool may_run(struct gw_endpoint_bus *b)
{
	bool run;

	pthread_mutex_lock(&b->config_lock);
	run = !absent(b) && b->config.byte[GW_PCI_COMMAND] & GW_PCI_COMMAND_MASTER &&
	      gw_config_in_d0(&b->config);
	pthread_mutex_unlock(&b->config_lock);
	return run;
}

/* Act on what config space now says. */
static void settle(struct gw_endpoint_bus *b) GW_HOLDS(b->state_lock)
{
	bool run = may_run(b), off = absent(b);
	enum gw_bus_irq mode;

	if (!b->running || !run) {
		off |= !quiet(b);
		run &= !off;
	}
	pthread_mutex_lock(&b->config_lock);
	/* a message is a write to memory, so it needs what DMA needs */
	mode = run ? irq_mode(b) : GW_BUS_IRQ_OFF;
	atomic_store(&b->decodes, off ? 0 : decodes(b));
	b->nr_vfs = atomic_load(&b->gone) ? 0 : gw_sriov_vfs(&b->config);
	pthread_mutex_unlock(&b->config_lock);
	tell_decoding(b, atomic_load(&b->decodes));
	atomic_store(&b->irq_mode, mode);
	if (mode == GW_BUS_IRQ_MSIX)
		release_held(b);
	if (run && !b->running) {
		b->running = true;
		atomic_store(&b->master, true);
		b->ep->ops->resume(b->ep);
	}
	if (atomic_load(&b->fenced))	/* it was fenced meanwhile, so none of the above may hold */
		hold_off(b);
}

/*
 * The endpoint returns to its power-on state, unless it is stalled. Config space is left to the
 * caller.
 */
static bool reset_endpoint(struct gw_endpoint_bus *b) GW_HOLDS(b->state_lock)
{
	if (!quiet(b))
		return false;
	tell_decoding(b, false);
	atomic_store(&b->irq_mode, GW_BUS_IRQ_OFF);
	for (unsigned int i = 0; i < GW_IRQ_WORDS; i++)
		atomic_store(&b->irq_held[i], 0);
	b->ep->ops->reset(b->ep);
	atomic_store(&b->fenced, false);
	return true;
}

int gw_bus_init(struct gw_endpoint_bus *b, struct gw_bus_space *space)
{
	const char *why;
	int ret = gw_config_check(&b->ep->desc, &why);

	if (ret) {
		gw_err(b->log, "%s: endpoint refused: %s", b->name, why);
		return ret;
	}
	gw_config_build(&b->config, &b->ep->desc);
	ret = place_bars(b, space);
	if (ret)
		return ret;
	pthread_mutex_init(&b->state_lock, NULL);
	pthread_mutex_init(&b->config_lock, NULL);
	b->ep->bus = b;
	return 0;
}

bool gw_bus_fini(struct gw_endpoint_bus *b)
{
	bool stalled;

	gw_bus_vanish(b);
	stalled = gw_bus_stalled(b);
	b->ep->ops->free(b->ep);
	if (stalled)
		return false;
	for (unsigned int i = 0; i < GW_NR_BARS; i++)
		gw_sim_memory_free(&b->bar[i]);
	pthread_mutex_destroy(&b->config_lock);
	pthread_mutex_destroy(&b->state_lock);
	return true;
}

uint32_t gw_bus_config_read(struct gw_endpoint_bus *b, unsigned int off, unsigned int width)
{
	uint32_t val;

	if (atomic_load(&b->gone) || atomic_load(&b->asleep))
		return UINT32_MAX >> (32 - 8 * width);
	pthread_mutex_lock(&b->config_lock);
	val = gw_config_get(&b->config, off, width);
	pthread_mutex_unlock(&b->config_lock);
	return val;
}

/*
 * Tell how many virtual functions there shall be. Not under a lock of this function, as those that
 * appear and vanish have locks of the same kind; so only the config writes and the end of the
 * physical function do, which the host makes one after the other.
 */
static void tell_vfs(struct gw_endpoint_bus *b)
{
	unsigned int nr;

	if (!b->vfs || !b->ep->desc.sriov.total)
		return;
	pthread_mutex_lock(&b->state_lock);
	nr = b->nr_vfs;
	pthread_mutex_unlock(&b->state_lock);
	b->vfs(b, nr);
}

void gw_bus_config_write(struct gw_endpoint_bus *b, unsigned int off, unsigned int width,
			 uint32_t val)
{
	bool flr;

	pthread_mutex_lock(&b->state_lock);
	if (atomic_load(&b->gone) || atomic_load(&b->asleep))
		goto unlock;
	pthread_mutex_lock(&b->config_lock);
	flr = gw_config_write(&b->config, off, width, val);
	pthread_mutex_unlock(&b->config_lock);
	if (flr && reset_endpoint(b)) {
		pthread_mutex_lock(&b->config_lock);
		gw_config_reset(&b->config, &b->ep->desc);
		pthread_mutex_unlock(&b->config_lock);
	}
	settle(b);
unlock:
	pthread_mutex_unlock(&b->state_lock);
	tell_vfs(b);
}

static void set_config(struct gw_endpoint_bus *b, unsigned int off, unsigned int width,
		       uint32_t val)
{
	pthread_mutex_lock(&b->config_lock);
	gw_config_set(&b->config, off, width, val);
	pthread_mutex_unlock(&b->config_lock);
}

unsigned int gw_bus_irq_setup(struct gw_endpoint_bus *b)
{
	const struct gw_config *c = &b->config;
	unsigned int nr = 0;

	pthread_mutex_lock(&b->state_lock);
	if (c->msix) {
		set_config(b, c->msix + 2u, 2, (b->ep->desc.msix_vectors - 1u) | 0x8000);
		nr = b->ep->desc.msix_vectors;
	} else if (c->msi) {
		/* the platform grants one message, whatever the function asks for */
		set_config(b, c->msi + 4u, 4, MSI_ADDR);
		set_config(b, c->msi + 8u, 4, 0);
		set_config(b, c->msi + 12u, 2, MSI_DATA);
		set_config(b, c->msi + 2u, 1, (c->byte[c->msi + 2u] & 0x8eu) | 1);
		nr = 1;
	}
	settle(b);
	pthread_mutex_unlock(&b->state_lock);
	return nr;
}

int gw_bus_reset(struct gw_endpoint_bus *b, bool flr, bool fail)
{
	static const unsigned int master = GW_PCI_COMMAND_MASTER;
	struct gw_config *c = &b->config;

	if (flr && b->ep->desc.no_flr)
		return -EOPNOTSUPP;
	pthread_mutex_lock(&b->state_lock);
	/* config space is saved and restored around a reset, so it never changes */
	if (!fail)
		fail = atomic_load(&b->asleep) || !reset_endpoint(b);
	if (fail)
		set_config(b, GW_PCI_COMMAND, 1, c->byte[GW_PCI_COMMAND] & ~master);
	settle(b);
	pthread_mutex_unlock(&b->state_lock);
	return fail ? -ETIMEDOUT : 0;
}

void gw_bus_power(struct gw_endpoint_bus *b, bool on)
{
	pthread_mutex_lock(&b->state_lock);
	if (!on && !atomic_load(&b->gone))
		reset_endpoint(b);
	atomic_store(&b->asleep, !on);
	settle(b);
	pthread_mutex_unlock(&b->state_lock);
}

void gw_bus_vanish(struct gw_endpoint_bus *b)
{
	atomic_store(&b->gone, true);
	pthread_mutex_lock(&b->state_lock);
	settle(b);
	pthread_mutex_unlock(&b->state_lock);
	tell_vfs(b);
}

/* A mapped BAR is shared with others, so each access is one access. */
static uint64_t load(void *at, unsigned int width)
{
	switch (width) {
	case 1:
		return __atomic_load_n((uint8_t *)at, __ATOMIC_ACQUIRE);
	case 2:
		return __atomic_load_n((uint16_t *)at, __ATOMIC_ACQUIRE);
	case 4:
		return __atomic_load_n((uint32_t *)at, __ATOMIC_ACQUIRE);
	}
	return __atomic_load_n((uint64_t *)at, __ATOMIC_ACQUIRE);
}

static void store(void *at, unsigned int width, uint64_t val)
{
	switch (width) {
	case 1:
		__atomic_store_n((uint8_t *)at, (uint8_t)val, __ATOMIC_RELEASE);
		return;
	case 2:
		__atomic_store_n((uint16_t *)at, (uint16_t)val, __ATOMIC_RELEASE);
		return;
	case 4:
		__atomic_store_n((uint32_t *)at, (uint32_t)val, __ATOMIC_RELEASE);
		return;
	}
	__atomic_store_n((uint64_t *)at, val, __ATOMIC_RELEASE);
}

int gw_bus_mmio_read(struct gw_endpoint_bus *b, unsigned int bar, uint64_t off,
		     unsigned int width, uint64_t *val)
{
	gw_bar_off at = { off };

	*val = UINT64_MAX >> (64 - 8 * width);
	if (!(atomic_load(&b->decodes) >> bar & 1))
		return 0;
	if (!b->bar[bar].addr)
		return b->ep->ops->bar_read(b->ep, bar, at, width, val);
	*val = load((uint8_t *)b->bar[bar].addr + off, width);
	return 0;
}

int gw_bus_mmio_write(struct gw_endpoint_bus *b, unsigned int bar, uint64_t off,
		      unsigned int width, uint64_t val)
{
	gw_bar_off at = { off };

	if (!(atomic_load(&b->decodes) >> bar & 1))
		return 0;
	if (!b->bar[bar].addr)
		return b->ep->ops->bar_write(b->ep, bar, at, width, val);
	store((uint8_t *)b->bar[bar].addr + off, width, val);
	return 0;
}
