/* SPDX-License-Identifier: BSD-3-Clause */
#include "base/util.h"
#include "host/core/client.h"

/*
 * Interrupts: a page shared with the client holds a pending and an enabled bit for each vector.
 *
 * How it works: raising sets the pending bit and then looks whether someone waits; waiting stores
 * the completion and then looks whether a bit is pending. Both orders are total, so one of the
 * two sees the other, and the completion is taken by exactly one of them. It is called without
 * any lock, so it may wait again from inside.
 */

#define STATUS		0x06u
#define STATUS_CAPS	0x0010u
#define CAPS		0x34u
#define CAP_MSI		0x05u
#define CAP_MSIX	0x11u

/* Take the stored completion and call it with @result. */
static void complete(struct gw_core_client *c, uint32_t result)
{
	void (*done)(void *opaque, uint32_t result);
	void *opaque;

	if (!atomic_load(&c->waiting))
		return;
	pthread_mutex_lock(&c->wait_lock);
	done = c->done;
	opaque = c->opaque;
	c->done = NULL;
	atomic_store(&c->waiting, false);
	pthread_mutex_unlock(&c->wait_lock);
	if (done)
		done(opaque, result);
}

void gw_core_interrupt(struct gw_core *core, unsigned int v, bool notify)
{
	uint64_t bit = 1ull << v % 64;
	struct gw_core_client *c;

	if (v >= GW_MAX_VECTORS || !gw_use_get(&core->irq_use))
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

static unsigned int find_cap(struct gw_core *core, uint32_t id)
{
	const struct gw_core_hooks *h = core->hooks;
	unsigned int at, left = 48;	/* more cannot fit, so a loop ends */

	if (!(h->config_read(core, STATUS, 2) & STATUS_CAPS))
		return 0;
	at = h->config_read(core, CAPS, 1) & 0xfc;
	for (; at && left; left--) {
		if (h->config_read(core, at, 1) == id)
			return at;
		at = h->config_read(core, at + 1, 1) & 0xfc;
	}
	return 0;
}

/* As many as the function has; 256 if that makes no sense. */
static unsigned int vectors_wanted(struct gw_core *core)
{
	unsigned int nr = 1, at = find_cap(core, CAP_MSIX);

	if (at) {
		nr = (core->hooks->config_read(core, at + 2, 2) & 0x7ff) + 1;
	} else {
		at = find_cap(core, CAP_MSI);
		if (at)
			nr = 1u << (core->hooks->config_read(core, at + 2, 2) >> 1 & 7);
	}
	return nr > GW_MAX_VECTORS ? GW_MAX_VECTORS : nr;
}

/* Nobody else reaches irq_client until the use count opens. */
static uint32_t start(struct gw_core *core, struct gw_core_client *c, unsigned int *nr)
{
	uint32_t ret = core->hooks->memory_alloc(core, GW_CORE_IRQ_PAGE, GW_CORE_IRQ_PAGE,
						 &c->irq_memory);

	if (ret)
		return ret;
	c->irq_page = c->irq_memory.addr;
	for (unsigned int i = 0; i < GW_IRQ_WORDS; i++)
		atomic_store(&c->irq_page->enabled[i], UINT64_MAX);
	*nr = vectors_wanted(core);
	core->irq_client = c;
	gw_use_open(&core->irq_use);
	ret = core->hooks->irq_setup(core, nr);
	if (!ret) {
		atomic_store(&c->irq_ready, true);
		return GW_IORETURN_SUCCESS;
	}
	gw_use_close(&core->irq_use);
	gw_use_drain(&core->irq_use);
	core->irq_client = NULL;
	core->hooks->memory_free(core, &c->irq_memory);
	return ret;
}

uint32_t gw_core_setup_interrupts(struct gw_core_client *c, struct core_call *call)
{
	struct gw_core *core = c->core;
	unsigned int nr = 0;
	uint32_t ret = GW_IORETURN_STILL_OPEN;

	pthread_mutex_lock(&core->lock);
	if (!core->irq_client)
		ret = start(core, c, &nr);
	pthread_mutex_unlock(&core->lock);
	call->out[0] = nr;
	return ret;
}

uint32_t gw_core_check_interrupt(struct gw_core_client *c, struct core_call *call)
{
	if (!atomic_load(&c->irq_ready))
		return GW_IORETURN_NOT_READY;
	for (unsigned int i = 0; i < GW_IRQ_WORDS; i++)
		call->out[i] = atomic_exchange(&c->irq_page->pending[i], 0);
	return GW_IORETURN_SUCCESS;
}

uint32_t gw_core_set_irq_mask(struct gw_core_client *c, struct core_call *call)
{
	if (!atomic_load(&c->irq_ready))
		return GW_IORETURN_NOT_READY;
	for (unsigned int i = 0; i < GW_IRQ_WORDS; i++)
		atomic_store(&c->irq_page->enabled[i], call->in[i]);
	return GW_IORETURN_SUCCESS;
}

uint32_t gw_core_wait_interrupt(struct gw_core_client *c,
				void (*done)(void *opaque, uint32_t result), void *opaque)
{
	uint64_t pending = 0;

	if (!atomic_load(&c->irq_ready))
		return GW_IORETURN_NOT_READY;
	pthread_mutex_lock(&c->wait_lock);
	if (c->done) {
		pthread_mutex_unlock(&c->wait_lock);
		return GW_IORETURN_STILL_OPEN;
	}
	c->done = done;
	c->opaque = opaque;
	atomic_store(&c->waiting, true);
	pthread_mutex_unlock(&c->wait_lock);
	for (unsigned int i = 0; i < GW_IRQ_WORDS; i++)
		pending |= atomic_load(&c->irq_page->pending[i]);
	if (atomic_load(&c->core->gone))
		complete(c, GW_IORETURN_NO_DEVICE);
	else if (pending)
		complete(c, GW_IORETURN_SUCCESS);
	return GW_IORETURN_SUCCESS;
}

void gw_core_drop_interrupts(struct gw_core_client *c)
{
	struct gw_core *core = c->core;

	pthread_mutex_lock(&core->lock);
	if (core->irq_client == c) {
		core->hooks->irq_teardown(core);
		gw_use_close(&core->irq_use);
		gw_use_drain(&core->irq_use);
		core->irq_client = NULL;
		atomic_store(&c->irq_ready, false);
	}
	pthread_mutex_unlock(&core->lock);
	complete(c, GW_IORETURN_ABORTED);
	if (c->irq_memory.addr)
		core->hooks->memory_free(core, &c->irq_memory);
}
