/* SPDX-License-Identifier: BSD-3-Clause */
#include "fake_dext.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/util.h"

char fake_lines[8192];

const struct gw_dext_options fake_opts = { .answer_ms = 60000, .open_ms = 60000, .reset_ms = 60000,
					   .call_ms = 60000 };

/* Answers that are held back: how many, and the end of each. */
static pthread_mutex_t hang_lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t hang_changed = PTHREAD_COND_INITIALIZER;
static unsigned int hanging;

static void hang(struct fake_fn *f, uint32_t selector)
{
	pthread_mutex_lock(&hang_lock);
	hanging++;
	while (atomic_load(&f->hang) >> selector & 1)
		pthread_cond_wait(&hang_changed, &hang_lock);
	hanging--;
	pthread_cond_broadcast(&hang_changed);
	pthread_mutex_unlock(&hang_lock);
}

void fake_release(struct fake_fn *f)
{
	pthread_mutex_lock(&hang_lock);
	atomic_store(&f->hang, 0);
	pthread_cond_broadcast(&hang_changed);
	while (hanging)
		pthread_cond_wait(&hang_changed, &hang_lock);
	pthread_mutex_unlock(&hang_lock);
}

static void keep_line(void *opaque, enum gw_log_level level, const char *line)
{
	static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
	size_t len;

	pthread_mutex_lock(&lock);
	len = strlen(fake_lines);
	snprintf(fake_lines + len, sizeof(fake_lines) - len, "%s\n", line);
	pthread_mutex_unlock(&lock);
}

struct gw_log fake_log = { .level = GW_LOG_DEBUG, .write = keep_line };

static void trace(struct fake_fn *f, uint8_t what)
{
	unsigned int at = atomic_fetch_add(&f->nr_trace, 1);

	if (at < FAKE_TRACE)
		f->trace[at] = what;
	else
		atomic_store(&f->nr_trace, FAKE_TRACE);
}

static struct fake_fn *conn_fn(struct gw_dext_conn *c)
{
	return container_of(c, struct fake_conn, conn)->fn;
}

static struct fake_region *find_region(struct fake_fn *f, uint64_t key)
{
	for (unsigned int i = 0; i < FAKE_REGIONS; i++)
		if (f->region[i].key == key)
			return &f->region[i];
	return NULL;
}

static uint32_t do_register(struct fake_fn *f, const uint64_t *in, uint64_t *out, unsigned int *nr,
			    bool fixed)
{
	struct fake_region *r = find_region(f, 0);
	uint64_t piece = in[2] / f->split;

	if (*nr < 1 + 2 * f->split)
		return GW_IORETURN_NOT_ALIGNED;
	if (find_region(f, in[0]))
		return GW_IORETURN_STILL_OPEN;
	if (!r)
		return GW_IORETURN_NO_SPACE;
	*r = (struct fake_region){ .key = in[0], .addr = in[1], .size = in[2] };
	out[0] = f->split;
	for (unsigned int i = 0; i < f->split; i++) {
		out[1 + 2 * i] = fixed ? in[4] + i * piece : f->next_iova;
		out[2 + 2 * i] = piece;
		f->next_iova += piece + 0x4000;
	}
	*nr = 1 + 2 * f->split;
	return GW_IORETURN_SUCCESS;
}

static void do_check(struct fake_fn *f, uint64_t *out)
{
	for (unsigned int i = 0; i < GW_IRQ_WORDS; i++)
		out[i] = atomic_exchange(&f->page.pending[i], 0);
}

static uint32_t do_dma(struct fake_fn *f, uint32_t selector, const uint64_t *in, uint64_t *out,
		       unsigned int *nr)
{
	struct fake_region *r;

	switch (selector) {
	case GW_DEXT_REGISTER_REGION:
		return do_register(f, in, out, nr, false);
	case GW_DEXT_REGISTER_AT:
	case GW_DEXT_REGISTER_REMOTE:
		return do_register(f, in, out, nr, in[3] & GW_DEXT_REGION_FIXED);
	case GW_DEXT_UNREGISTER_REGION:
		r = find_region(f, in[0]);
		if (!r)
			return GW_IORETURN_NOT_FOUND;
		*r = (struct fake_region){ 0 };
		*nr = 0;
		return GW_IORETURN_SUCCESS;
	case GW_DEXT_PROBE_REGION:
		r = find_region(f, in[0]);
		if (!r)
			return GW_IORETURN_NOT_FOUND;
		if (in[1] > r->size - 8)
			return GW_IORETURN_OVERRUN;
		memcpy(out, (const char *)(uintptr_t)r->addr + in[1], 8);
		*nr = 1;
		return GW_IORETURN_SUCCESS;
	}
	return GW_IORETURN_UNSUPPORTED;
}

static uint32_t do_registers(struct fake_fn *f, uint32_t selector, const uint64_t *in,
			     uint64_t *out, unsigned int *nr)
{
	switch (selector) {
	case GW_DEXT_CONFIG_READ:
		out[0] = 0;
		memcpy(out, f->config + in[0], in[1]);
		return GW_IORETURN_SUCCESS;
	case GW_DEXT_CONFIG_WRITE:
		memcpy(f->config + in[0], &in[2], in[1]);
		return GW_IORETURN_SUCCESS;
	case GW_DEXT_GET_BAR_INFO:
		if (!f->bar[in[0]].size)
			return GW_IORETURN_BAD_ARGUMENT;
		memcpy(out, &f->bar[in[0]], 24);
		return GW_IORETURN_SUCCESS;
	case GW_DEXT_MMIO_READ:
		memcpy(out, (const char *)f->memory + in[1], 8);
		return GW_IORETURN_SUCCESS;
	case GW_DEXT_MMIO_WRITE:
		memcpy((char *)f->memory + in[1], &in[3], in[2]);
		return GW_IORETURN_SUCCESS;
	}
	return do_dma(f, selector, in, out, nr);
}

/* What a good dext does. Room that is too small for a good reply is a bug of the client. */
static uint32_t do_call(struct fake_fn *f, uint32_t selector, const uint64_t *in, uint64_t *out,
			unsigned int *nr)
{
	switch (selector) {
	case GW_DEXT_GET_IDENTITY:
		memcpy(out, f->identity, sizeof(f->identity));
		if (f->anonymous && !f->claims)
			memcpy(out + 3, (uint64_t[]){ 0xffff, 0xffff, 0xffffff }, 24);
		return GW_IORETURN_SUCCESS;
	case GW_DEXT_CLAIM:
		f->claims++;
		return GW_IORETURN_SUCCESS;
	case GW_DEXT_ALLOC_BUFFER:
		memcpy(out, (uint64_t[]){ in[0], 3, 1, 0x90000000, in[0], 0x020000 }, 48);
		return GW_IORETURN_SUCCESS;
	case GW_DEXT_SETUP_INTERRUPTS:
		out[0] = 100;
		return GW_IORETURN_SUCCESS;
	case GW_DEXT_CHECK_INTERRUPT:
		do_check(f, out);
		return GW_IORETURN_SUCCESS;
	case GW_DEXT_SET_IRQ_MASK:
		for (unsigned int i = 0; i < GW_IRQ_WORDS; i++)
			atomic_store(&f->page.enabled[i], in[i]);
		return GW_IORETURN_SUCCESS;
	case GW_DEXT_GET_LIMITS:
		memcpy(out, f->limits, sizeof(f->limits));
		return f->extended ? GW_IORETURN_SUCCESS : GW_IORETURN_UNSUPPORTED;
	case GW_DEXT_TERMINATE:
	case GW_DEXT_FREE_BUFFER:
	case GW_DEXT_RESET_DEVICE:
		return GW_IORETURN_SUCCESS;
	}
	return do_registers(f, selector, in, out, nr);
}

static uint32_t fake_call(struct gw_dext_conn *c, uint32_t selector, const uint64_t *in,
			  unsigned int nr_in, uint64_t *out, unsigned int *nr_out)
{
	struct fake_fn *f = conn_fn(c);
	struct fake_answer *a = &f->answer[selector];
	unsigned int room = *nr_out;

	atomic_fetch_add(&f->calls[selector], 1);
	if (atomic_load(&f->hang) >> selector & 1)
		hang(f, selector);
	if (selector != GW_DEXT_CHECK_INTERRUPT) {	/* those come from any thread */
		trace(f, (uint8_t)selector);
		pthread_mutex_lock(&hang_lock);
		f->nr_in = nr_in;
		f->room = room;
		if (nr_in)
			memcpy(f->in, in, nr_in * sizeof(*in));
		pthread_mutex_unlock(&hang_lock);
	}
	if (a->after) {
		a->after--;
	} else if (a->result) {
		return a->result;
	} else if (a->reply) {
		if (selector >= GW_DEXT_REGISTER_AT || selector == GW_DEXT_REGISTER_REGION)
			*find_region(f, 0) = (struct fake_region){ .key = in[0], .size = in[2] };
		if (room)	/* what is beyond @nr must not be looked at */
			memcpy(out, a->out, room * sizeof(*out));
		*nr_out = a->nr;
		return GW_IORETURN_SUCCESS;
	}
	return do_call(f, selector, in, out, nr_out);
}

static void raise_locked(struct fake_fn *f, unsigned int v)
{
	if (atomic_load(&f->page.enabled[v / 64]) >> v % 64 & 1)
		atomic_fetch_or(&f->page.pending[v / 64], 1ull << v % 64);
}

static bool pending(struct fake_fn *f)
{
	uint64_t any = 0;

	for (unsigned int i = 0; i < GW_IRQ_WORDS; i++)
		any |= atomic_load(&f->page.pending[i]);
	return any;
}

bool fake_complete(struct fake_fn *f, uint32_t result)
{
	void (*done)(void *opaque, uint32_t result);
	void *opaque;

	pthread_mutex_lock(&f->lock);
	done = f->done;
	opaque = f->opaque;
	f->done = NULL;
	pthread_mutex_unlock(&f->lock);
	if (done)
		done(opaque, result);
	return done;
}

bool fake_waited_for(struct fake_fn *f)
{
	bool waits;

	pthread_mutex_lock(&f->lock);
	waits = f->done;
	pthread_mutex_unlock(&f->lock);
	return waits;
}

void fake_set_pending(struct fake_fn *f, unsigned int v)
{
	pthread_mutex_lock(&f->lock);
	raise_locked(f, v);
	pthread_mutex_unlock(&f->lock);
}

void fake_raise(struct fake_fn *f, unsigned int v)
{
	fake_set_pending(f, v);
	fake_complete(f, GW_IORETURN_SUCCESS);
}

static uint32_t fake_call_async(struct gw_dext_conn *c, uint32_t selector,
				void (*done)(void *opaque, uint32_t result), void *opaque)
{
	struct fake_fn *f = conn_fn(c);
	bool now;

	atomic_fetch_add(&f->calls[selector], 1);
	if (atomic_load(&f->hang) >> selector & 1)
		hang(f, selector);
	if (f->wait_result)
		return f->wait_result;
	pthread_mutex_lock(&f->lock);
	if (atomic_load(&f->storm)) {
		atomic_fetch_sub(&f->storm, 1);
		raise_locked(f, 5);
	}
	f->done = done;
	f->opaque = opaque;
	now = !f->deaf && pending(f);
	pthread_mutex_unlock(&f->lock);
	if (now)
		fake_complete(f, GW_IORETURN_SUCCESS);
	return GW_IORETURN_SUCCESS;
}

static uint32_t fake_map(struct gw_dext_conn *c, unsigned int type, uint32_t options,
			 struct gw_dext_map *map)
{
	struct fake_fn *f = conn_fn(c);
	struct fake_bar *bar = type >= 1 && type <= 6 ? &f->bar[type - 1] : NULL;

	if (atomic_load(&f->hang) >> FAKE_HANG_MAP & 1)
		hang(f, FAKE_HANG_MAP);
	trace(f, (uint8_t)(0x80 + type));
	if (type == GW_DEXT_MEMORY_IRQ_PAGE && f->page_result)
		return f->page_result;
	if (bar && bar->map_result)
		return bar->map_result;
	f->map_options[type] = options;
	f->maps[type]++;
	*map = (struct gw_dext_map){ .addr = f->memory, .size = 16384, .fd = -1 };
	if (type == GW_DEXT_MEMORY_IRQ_PAGE)
		map->addr = &f->page;
	if (bar)
		map->size = bar->size - bar->map_short;
	return GW_IORETURN_SUCCESS;
}

static void fake_unmap(struct gw_dext_conn *c, unsigned int type, const struct gw_dext_map *map)
{
	struct fake_fn *f = conn_fn(c);

	if (atomic_load(&f->hang) >> FAKE_HANG_UNMAP & 1)
		hang(f, FAKE_HANG_UNMAP);
	trace(f, (uint8_t)(0xc0 + type));
	f->maps[type]--;
}

static void *complete_late(void *opaque)
{
	fake_complete(opaque, GW_IORETURN_ABORTED);
	return NULL;
}

/* Whoever sees it closed may begin anew, so that comes last. */
static void fake_close(struct gw_dext_conn *c)
{
	struct fake_conn *fc = container_of(c, struct fake_conn, conn);
	bool last = fake_open_conns(fc->fn) == 1;

	if (atomic_load(&fc->fn->hang) >> FAKE_HANG_CLOSE & 1)
		hang(fc->fn, FAKE_HANG_CLOSE);
	trace(fc->fn, 0xff);
	if (fc->fn->by_hand)
		;
	else if (last && !fc->fn->late)
		fake_complete(fc->fn, GW_IORETURN_ABORTED);
	else if (last && pthread_create(&fc->fn->late_thread, NULL, complete_late, fc->fn))
		abort();
	atomic_store(&fc->open, false);
}

static const struct gw_dext_conn_ops conn_ops = {
	.call = fake_call,
	.call_async = fake_call_async,
	.map = fake_map,
	.unmap = fake_unmap,
	.close = fake_close,
};

static int fake_services_open(struct gw_dext_services *s, unsigned int i, struct gw_dext_conn **c,
			      char root[GW_ROOT_SIZE])
{
	struct fake_dext *d = container_of(s, struct fake_dext, services);
	struct fake_fn *f = &d->fn[i];

	if (i >= d->nr)
		return -ENOENT;
	if (f->open_error)
		return f->open_error;
	for (unsigned int k = 0; k < FAKE_CONNS; k++) {
		if (atomic_exchange(&f->conn[k].open, true))
			continue;
		f->conn[k].conn.ops = &conn_ops;
		f->conn[k].fn = f;
		*c = &f->conn[k].conn;
		memcpy(root, f->root, GW_ROOT_SIZE);
		return 0;
	}
	return -EMFILE;
}

static int fake_services_describe(struct gw_dext_services *s, unsigned int i,
				  struct gw_dext_description *out)
{
	struct fake_dext *d = container_of(s, struct fake_dext, services);
	const uint64_t *id = d->fn[i].identity;

	if (i >= d->nr)
		return -ENOENT;
	memcpy(out->root, d->fn[i].root, sizeof(out->root));
	if (!d->registry)
		return 0;
	out->addressed = out->identified = true;
	out->bus = (uint8_t)id[0];
	out->dev = (uint8_t)id[1];
	out->fn = (uint8_t)id[2];
	out->vendor = (uint16_t)id[3];
	out->device = (uint16_t)id[4];
	out->class_code = (uint32_t)id[5];
	return 0;
}

static const struct gw_dext_services_ops services_ops = {
	.open = fake_services_open, .describe = fake_services_describe,
};

void fake_init(struct fake_dext *d)
{
	memset(d, 0, sizeof(*d));
	fake_lines[0] = '\0';
	d->services.ops = &services_ops;
}

struct fake_fn *fake_add(struct fake_dext *d, const char *root, uint8_t bus, uint8_t dev,
			 uint8_t fn)
{
	struct fake_fn *f = &d->fn[d->nr++];

	snprintf(f->root, sizeof(f->root), "%s", root);
	memcpy(f->identity, (uint64_t[]){ bus, dev, fn, 0x1b36, 0x0010, 0x010802 }, 48);
	memcpy(f->limits, (uint64_t[]){ 4096, 1 << 20, 8, 1 << 19, 4, 3, 0x1000, ~0ull >> 16 }, 64);
	f->split = 1;
	f->next_iova = 0x80000000;
	f->bar[0] = (struct fake_bar){ .index = 3, .size = 16384, .type = 0xc };
	f->bar[2] = (struct fake_bar){ .index = 1, .size = 4096,
				       .map_result = GW_IORETURN_UNSUPPORTED };
	f->bar[5] = (struct fake_bar){ .index = 2, .size = 64, .type = 1 };
	f->config[4] = 0x06;
	memcpy(f->config + 0x10, (uint32_t[]){ 0x4000000c, 0x50, 0xc0000000, 0, 0, 0x1001 }, 24);
	pthread_mutex_init(&f->lock, NULL);
	for (unsigned int i = 0; i < GW_IRQ_WORDS; i++)
		atomic_store(&f->page.enabled[i], UINT64_MAX);
	return f;
}

unsigned int fake_open_conns(const struct fake_fn *f)
{
	unsigned int n = 0;

	for (unsigned int i = 0; i < FAKE_CONNS; i++)
		n += f->conn[i].open;
	return n;
}

unsigned int fake_regions(const struct fake_fn *f)
{
	unsigned int n = 0;

	for (unsigned int i = 0; i < FAKE_REGIONS; i++)
		n += f->region[i].key != 0;
	return n;
}

void fake_reply(struct fake_fn *f, unsigned int selector, unsigned int nr, const uint64_t *out)
{
	f->answer[selector] = (struct fake_answer){ .reply = true, .nr = nr };
	if (out)
		memcpy(f->answer[selector].out, out, nr * sizeof(*out));
}

void fake_fail(struct fake_fn *f, unsigned int selector, uint32_t result, unsigned int after)
{
	f->answer[selector] = (struct fake_answer){ .result = result, .after = after };
}

void fake_heal(struct fake_fn *f, unsigned int selector)
{
	f->answer[selector] = (struct fake_answer){ 0 };
}
