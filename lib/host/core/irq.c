/* SPDX-License-Identifier: BSD-3-Clause */
#include "base/lock.h"
#include "base/util.h"
#include "config/walk.h"
#include "host/core/client.h"

/*
 * Interrupts: a page shared with the client holds a pending and an enabled bit for each vector.
 *
 * How it works: raising sets the pending bit and then looks whether someone waits; waiting stores
 * the completion and then looks whether a bit is pending. Both orders are total, so one of the two
 * sees the other, and exactly one of them takes the completion. It calls the completion without any
 * lock, so that may wait again from inside.
 */

struct wait {
	void (*done)(void *opaque, uint32_t result);
	void *opaque;
};

static struct wait take_locked(struct gw_core_client *c) GW_HOLDS(c->wait_lock)
{
	struct wait w = { c->done, c->opaque };

	c->done = NULL;
	atomic_store(&c->waiting, false);
	return w;
}

/* Take the stored completion and call it with @result. */
static void complete(struct gw_core_client *c, uint32_t result)
{
	struct wait w;

	if (!atomic_load(&c->waiting))
		return;
	gw_core_lock(&c->wait_lock);
	w = take_locked(c);
	gw_core_unlock(&c->wait_lock);
	if (w.done)
		w.done(w.opaque, result);
}

/* Once for each time; a wait that is made later is told then. */
static void tell_sleep(struct gw_core_client *c)
{
	struct wait w = { NULL, NULL };
	unsigned int sleeps;

	if (!atomic_load(&c->extended))
		return;
	gw_core_lock(&c->wait_lock);
	sleeps = atomic_load(&c->core->sleeps);
	if (c->sleeps_told != sleeps && c->done) {
		c->sleeps_told = sleeps;
		w = take_locked(c);
	}
	gw_core_unlock(&c->wait_lock);
	if (w.done)
		w.done(w.opaque, GW_IORETURN_NO_POWER);
}

void core_tell_sleep(struct gw_core *core)
{
	if (!gw_use_get(&core->irq_use))
		return;
	tell_sleep(core->irq_client);
	gw_use_put(&core->irq_use);
}

void gw_core_interrupt(struct gw_core *core, unsigned int v, bool notify)
{
	uint64_t bit = 1ull << v % 64;
	struct gw_core_client *c;

	if (v >= GW_DEXT_MAX_VECTORS || !gw_use_get(&core->irq_use))
		return;
	c = core->irq_client;
	if (atomic_load(&c->irq_page->enabled[v / 64]) & bit) {
		atomic_fetch_or(&c->irq_page->pending[v / 64], bit);
		if (notify)
			complete(c, GW_IORETURN_SUCCESS);
	}
	gw_use_put(&core->irq_use);
}

void gw_core_gone(struct gw_core *core)
{
	atomic_store(&core->gone, true);
	if (!gw_use_get(&core->irq_use))
		return;
	complete(core->irq_client, GW_IORETURN_NO_DEVICE);
	gw_use_put(&core->irq_use);
}

bool gw_core_is_gone(struct gw_core *core)
{
	return atomic_load(&core->gone);
}

static int source_get(void *opaque, unsigned int off, unsigned int width, uint32_t *val)
{
	struct gw_core *core = opaque;

	*val = core->platform->config_read(core->ctx, off, width);
	return 0;
}

/* As many as the function has of the better type; 256 if that makes no sense. */
static unsigned int vectors_wanted(struct gw_core *core, enum gw_core_irq_type *type)
{
	const struct gw_pci_source config = { source_get, core };
	unsigned int nr, at;
	bool msix = gw_pci_find(&config, false, GW_PCI_CAP_MSIX, &at) == 1;

	*type = msix ? GW_CORE_IRQ_MSIX : GW_CORE_IRQ_MSI;
	if (!msix)
		return 1;		/* the platform grants one message in any case */
	nr = (core->platform->config_read(core->ctx, at + GW_PCI_MSIX_CTRL, 2) &
	      GW_PCI_MSIX_TABLE_SIZE) + 1;
	return nr > GW_DEXT_MAX_VECTORS ? GW_DEXT_MAX_VECTORS : nr;
}

/* Type and number stay as they are first configured, for as long as the function is there. */
static uint32_t configure(struct gw_core *core) GW_HOLDS(core->lock)
{
	enum gw_core_irq_type type;
	unsigned int nr;
	uint32_t ret;

	if (core->irq_type != GW_CORE_IRQ_NONE)
		return GW_IORETURN_SUCCESS;
	nr = vectors_wanted(core, &type);
	ret = core->platform->irq_configure(core->ctx, type, &nr);
	if (ret && type == GW_CORE_IRQ_MSIX) {
		type = GW_CORE_IRQ_MSI;
		nr = 1;
		ret = core->platform->irq_configure(core->ctx, type, &nr);
	}
	if (!ret && (!nr || nr > GW_DEXT_MAX_VECTORS))
		ret = GW_IORETURN_NO_RESOURCES;
	if (ret)
		return ret;
	core->irq_type = type;
	core->nr_irqs = nr;
	return GW_IORETURN_SUCCESS;
}

/* Nobody reaches irq_client any more. */
static void detach(struct gw_core *core)
{
	gw_use_close(&core->irq_use);
	gw_use_drain(&core->irq_use);
	core->irq_client = NULL;
}

/* Nobody else reaches irq_client until the use count opens. */
static uint32_t start(struct gw_core *core, struct gw_core_client *c) GW_HOLDS(core->lock)
{
	uint32_t ret = core->platform->memory_alloc(core->ctx, GW_DEXT_IRQ_PAGE_SIZE,
						    GW_DEXT_IRQ_PAGE_SIZE, &c->irq_memory);

	if (ret)
		return ret;
	c->irq_page = (struct core_irq_page *)c->irq_memory.addr;
	for (unsigned int i = 0; i < GW_CORE_IRQ_WORDS; i++)
		atomic_store(&c->irq_page->enabled[i], UINT64_MAX);
	gw_core_lock(&c->wait_lock);
	c->sleeps_told = atomic_load(&core->sleeps);
	gw_core_unlock(&c->wait_lock);
	core->irq_client = c;
	gw_use_open(&core->irq_use);
	ret = configure(core);
	if (!ret)
		ret = core->platform->irq_enable(core->ctx, true);
	if (!ret) {
		atomic_store(&c->irq_ready, true);
		return GW_IORETURN_SUCCESS;
	}
	detach(core);
	core->platform->memory_free(core->ctx, &c->irq_memory);
	return ret;
}

uint32_t core_setup_interrupts(struct gw_core_client *c, struct core_call *call)
{
	struct gw_core *core = c->core;
	uint32_t ret = GW_IORETURN_STILL_OPEN;

	gw_core_lock(&core->lock);
	if (!core->irq_client)
		ret = start(core, c);
	call->out[0] = core->nr_irqs;
	gw_core_unlock(&core->lock);
	return ret;
}

uint32_t core_check_interrupt(struct gw_core_client *c, struct core_call *call)
{
	if (!atomic_load(&c->irq_ready))
		return GW_IORETURN_NOT_READY;
	for (unsigned int i = 0; i < GW_CORE_IRQ_WORDS; i++)
		call->out[i] = atomic_exchange(&c->irq_page->pending[i], 0);
	return GW_IORETURN_SUCCESS;
}

uint32_t core_set_irq_mask(struct gw_core_client *c, struct core_call *call)
{
	if (!atomic_load(&c->irq_ready))
		return GW_IORETURN_NOT_READY;
	for (unsigned int i = 0; i < GW_CORE_IRQ_WORDS; i++)
		atomic_store(&c->irq_page->enabled[i], call->in[i]);
	return GW_IORETURN_SUCCESS;
}

uint32_t core_wait_interrupt(struct gw_core_client *c,
				void (*done)(void *opaque, uint32_t result), void *opaque)
{
	uint64_t pending = 0;

	if (!atomic_load(&c->irq_ready))
		return GW_IORETURN_NOT_READY;
	gw_core_lock(&c->wait_lock);
	if (c->done) {
		gw_core_unlock(&c->wait_lock);
		return GW_IORETURN_STILL_OPEN;
	}
	c->done = done;
	c->opaque = opaque;
	atomic_store(&c->waiting, true);
	gw_core_unlock(&c->wait_lock);
	for (unsigned int i = 0; i < GW_CORE_IRQ_WORDS; i++)
		pending |= atomic_load(&c->irq_page->pending[i]);
	if (atomic_load(&c->core->gone))
		complete(c, GW_IORETURN_NO_DEVICE);
	else if (pending)
		complete(c, GW_IORETURN_SUCCESS);
	else
		tell_sleep(c);
	return GW_IORETURN_SUCCESS;
}

void core_drop_interrupts(struct gw_core_client *c)
{
	struct gw_core *core = c->core;

	gw_core_lock(&core->lock);
	if (core->irq_client == c) {
		core->platform->irq_enable(core->ctx, false);
		detach(core);
		atomic_store(&c->irq_ready, false);
	}
	gw_core_unlock(&core->lock);
	complete(c, GW_IORETURN_ABORTED);
	if (c->irq_memory.addr)
		core->platform->memory_free(core->ctx, &c->irq_memory);
}
