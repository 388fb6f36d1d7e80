/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include <gangway/dext.h>

#include "base/reader.h"
#include "base/util.h"

/*
 * The replies of a dext. An input is what it answers, call by call, and what is asked of the function
 * in between: a byte of kind, and for the kinds that want it a byte of count and 8 bytes for each
 * scalar. Once the input has ended, the function has gone. A reply that was believed must make sense:
 * what is told of a mapping goes to a guest.
 */

enum { ANSWER_GOOD, ANSWER_SCALARS, ANSWER_ERROR, ANSWER_KINDS };

static const uint32_t errors[] = {
	GW_IORETURN_ERROR, GW_IORETURN_NO_DEVICE, GW_IORETURN_UNSUPPORTED, GW_IORETURN_BAD_ARGUMENT,
	GW_IORETURN_NOT_OPEN, GW_IORETURN_NOT_READY, GW_IORETURN_STILL_OPEN, GW_IORETURN_NOT_ALIGNED,
	GW_IORETURN_ABORTED, GW_IORETURN_NOT_FOUND, GW_IORETURN_TIMEOUT, 1, 0x10000003,
	GW_IORETURN_NO_POWER,
};

static struct {
	pthread_mutex_t lock;		/* of all: opening is a thread's of its own */
	struct gw_reader r;
	void (*done)(void *opaque, uint32_t result);
	void *opaque;
	uint8_t memory[65536];
	bool open;
} dext = { .lock = PTHREAD_MUTEX_INITIALIZER };

static uint8_t memory[4][65536] __attribute__((aligned(65536)));

static void check(bool ok)
{
	if (!ok)
		abort();
}

static uint64_t take(size_t size)
{
	uint64_t v = 0;

	pthread_mutex_lock(&dext.lock);
	if (!gw_reader_take(&dext.r, &v, size))
		v = 0;
	pthread_mutex_unlock(&dext.lock);
	return v;
}

static bool at_end(void)
{
	bool end;

	pthread_mutex_lock(&dext.lock);
	end = !gw_reader_left(&dext.r);
	pthread_mutex_unlock(&dext.lock);
	return end;
}

/* What a dext would say, so that inputs get anywhere. */
static unsigned int good(uint32_t selector, const uint64_t *in, uint64_t *out)
{
	static const struct { uint8_t nr; uint64_t out[8]; } answer[GW_DEXT_NR_SELECTORS] = {
		[GW_DEXT_GET_IDENTITY] = { 6, { 1, 2, 3, 0x1b36, 0x10, 0x010802 } },
		[GW_DEXT_ALLOC_BUFFER] = { 6, { 65536, 3, 1, 0x80000000, 65536, 0 } },
		[GW_DEXT_PROBE_REGION] = { 1, { 0 } },
		[GW_DEXT_CONFIG_READ] = { 1, { 6 } },
		[GW_DEXT_GET_BAR_INFO] = { 3, { 0, 16384, 0 } },
		[GW_DEXT_MMIO_READ] = { 1, { 0 } },
		[GW_DEXT_SETUP_INTERRUPTS] = { 1, { 32 } },
		[GW_DEXT_CHECK_INTERRUPT] = { 4, { 1 } },
		[GW_DEXT_GET_LIMITS] = { 8, { 4096, 1 << 20, 16, 1 << 19, 4, 3, 0, ~0ull >> 16 } },
		[GW_DEXT_REGISTER_REGION] = { 3, { 1, 0x80000000 } },
		[GW_DEXT_REGISTER_AT] = { 3, { 1, 0x80000000 } },
		[GW_DEXT_REGISTER_REMOTE] = { 3, { 1, 0x80000000 } },
		[GW_DEXT_GET_FAULTS] = { 6, { 2, 3, 4, 5, 6, 7 } },
	};

	memcpy(out, answer[selector].out, answer[selector].nr * sizeof(*out));
	if (selector == GW_DEXT_REGISTER_REGION || selector == GW_DEXT_REGISTER_AT ||
	    selector == GW_DEXT_REGISTER_REMOTE)
		out[2] = in[2];
	return answer[selector].nr;
}

static uint32_t fuzz_call(struct gw_dext_conn *c, uint32_t selector, const uint64_t *in,
			  unsigned int nr_in, uint64_t *out, unsigned int *nr_out)
{
	unsigned int room = *nr_out, nr;
	uint64_t reply[16];

	*nr_out = 0;
	if (at_end())
		return GW_IORETURN_NO_DEVICE;
	switch (take(1) % ANSWER_KINDS) {
	case ANSWER_ERROR:
		return errors[take(1) % ARRAY_SIZE(errors)];
	case ANSWER_SCALARS:
		nr = take(1) % 17;
		for (unsigned int i = 0; i < nr; i++)
			reply[i] = take(8);
		break;
	default:
		nr = good(selector, in, reply);
	}
	/* IOKit writes no more than there is room for, but a count is only a count */
	for (unsigned int i = 0; i < nr && i < room; i++)
		out[i] = reply[i];
	*nr_out = nr;
	return GW_IORETURN_SUCCESS;
}

static bool complete(uint32_t result)
{
	void (*done)(void *opaque, uint32_t result);
	void *opaque;

	pthread_mutex_lock(&dext.lock);
	done = dext.done;
	opaque = dext.opaque;
	dext.done = NULL;
	pthread_mutex_unlock(&dext.lock);
	if (done)
		done(opaque, result);
	return done;
}

static uint32_t fuzz_call_async(struct gw_dext_conn *c, uint32_t selector,
				void (*done)(void *opaque, uint32_t result), void *opaque)
{
	uint8_t how = (uint8_t)take(1);

	if (at_end() || how % 4 == 3)
		return errors[how / 4 % ARRAY_SIZE(errors)];
	pthread_mutex_lock(&dext.lock);
	check(!dext.done);
	dext.done = done;
	dext.opaque = opaque;
	pthread_mutex_unlock(&dext.lock);
	if (how % 4 == 2)
		complete(how & 4 ? GW_IORETURN_SUCCESS : errors[how / 8 % ARRAY_SIZE(errors)]);
	return GW_IORETURN_SUCCESS;
}

static uint32_t fuzz_map(struct gw_dext_conn *c, unsigned int type, uint32_t options,
			 struct gw_dext_map *map)
{
	uint8_t how = (uint8_t)take(1);

	if (how & 1)
		return errors[how / 2 % ARRAY_SIZE(errors)];
	*map = (struct gw_dext_map){ .addr = how & 2 ? NULL : dext.memory, .size = take(2), .fd = -1 };
	return GW_IORETURN_SUCCESS;
}

static void fuzz_unmap(struct gw_dext_conn *c, unsigned int type, const struct gw_dext_map *map)
{
}

static void fuzz_close(struct gw_dext_conn *c)
{
	check(dext.open);
	dext.open = false;
	complete(GW_IORETURN_ABORTED);
}

static const struct gw_dext_conn_ops conn_ops = {
	.call = fuzz_call, .call_async = fuzz_call_async, .map = fuzz_map, .unmap = fuzz_unmap,
	.close = fuzz_close,
};

static struct gw_dext_conn conn = { .ops = &conn_ops };

static int services_open(struct gw_dext_services *s, unsigned int i, struct gw_dext_conn **c,
			 char root[GW_ROOT_SIZE])
{
	if (i)
		return -ENOENT;
	check(!dext.open);
	dext.open = true;
	memset(root, 'r', 32);		/* and no NUL */
	*c = &conn;
	return 0;
}

static const struct gw_dext_services_ops services_ops = { .open = services_open };
static struct gw_dext_services services = { .ops = &services_ops };

static void fire(struct gw_irq_sink *sink, const uint64_t pending[GW_IRQ_WORDS])
{
}

static struct gw_irq_sink sink = { .fire = fire };

/* What a guest would be given. */
static void map_one(struct gw_function *f, uint64_t *handle)
{
	const struct gw_memory mem = { .addr = memory[take(1) % 4] };
	const struct gw_host_limits *l = &f->limits;
	uint64_t size = (take(1) % 5) << 14, left = size;
	struct gw_mapping m;

	if (f->ops->dma_map(f, &mem, size, NULL, &m))
		return;
	check(m.nr_segments && m.nr_segments <= GW_MAX_SEGMENTS && m.nr_segments <= l->max_segments);
	for (unsigned int i = 0; i < m.nr_segments; i++) {
		const struct gw_segment *s = &m.seg[i];

		check(s->size && s->size <= left && s->iova.v % l->granule == 0 &&
		      s->size % l->granule == 0 && s->iova.v >= l->iova_first.v &&
		      s->iova.v + (s->size - 1) >= s->iova.v && s->iova.v + (s->size - 1) <= l->iova_last.v);
		left -= s->size;
	}
	check(!left);
	*handle = m.handle;
}

static void use(struct gw_function *f)
{
	uint64_t handle = 0, val;
	struct gw_bar_info info;
	struct gw_bar_map map;
	unsigned int nr, bar;
	uint32_t v;

	while (!at_end()) {
		bar = take(1) % GW_NR_BARS;
		switch (take(1) % 10) {
		case 0: map_one(f, &handle); break;
		case 1: f->ops->dma_unmap(f, handle); break;
		case 2: f->ops->config_read(f, (unsigned int)take(2), (unsigned int)take(1), &v); break;
		case 3: f->ops->config_write(f, (unsigned int)take(2), (unsigned int)take(1), 6); break;
		case 4: f->ops->reg_read(f, bar, (gw_bar_off){ take(2) }, (unsigned int)take(1), &val); break;
		case 5: f->ops->reg_write(f, bar, (gw_bar_off){ take(2) }, (unsigned int)take(1), 0); break;
		case 6: f->ops->irq_setup(f, &sink, &nr); break;
		case 7: f->ops->reset(f); break;
		case 8:
			check(!f->ops->bar_info(f, bar, &info));
			check(!(info.size & (info.size - 1)));
			if (!f->ops->bar_map(f, bar, &map)) {
				check(map.addr && map.size == info.size && map.size <= sizeof(dext.memory));
				f->ops->bar_unmap(f, bar);
			}
			break;
		case 9: complete(take(1) & 1 ? GW_IORETURN_SUCCESS : GW_IORETURN_TIMEOUT); break;
		}
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct gw_dext_options opts = { .answer_ms = 60000, .open_ms = 60000, .reset_ms = 60000 };
	struct gw_function_info *list;
	struct gw_function *f;
	struct gw_host *host;
	size_t nr;

	dext.r = (struct gw_reader){ .p = data, .end = data + size };
	dext.done = NULL;
	memset(dext.memory, 0, sizeof(dext.memory));
	check(!gw_dext_host_new(&services, NULL, &host));
	gw_dext_host_set_options(host, &opts);
	if (!host->ops->list(host, &list, &nr)) {
		for (size_t i = 0; i < nr; i++)
			check(list[i].vendor != 0xffff && strlen(list[i].name) < 64);
		free(list);
	}
	if (!host->ops->open(host, "01:02.3", &f)) {
		check(f->info.vendor != 0xffff && !f->info.unidentified);
		use(f);
		f->ops->close(f);
	}
	check(!dext.open);
	host->ops->free(host);
	return 0;
}
