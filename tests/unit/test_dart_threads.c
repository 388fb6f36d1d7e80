/* SPDX-License-Identifier: BSD-3-Clause */
#include "sim_rig.h"

#include <pthread.h>
#include <semaphore.h>

#include "base/guard.h"
#include "host/sim/dart.h"

/* Taking a mapping away while the device is in it. */

struct shared {
	struct gw_dart_limits limits;
	struct gw_dart_totals totals;
	struct gw_dart d;
	struct gw_dart_mapping m;
	gw_iova iova;
	char *mem;
	_Atomic bool removed, stop;
};

static void shared_init(struct shared *s)
{
	*s = (struct shared){ .limits = { .granule = RIG_G, .max_bytes = 1ull << 30,
					  .max_maps = 1000, .max_map_bytes = 1ull << 30,
					  .segments = 1 } };
	s->mem = rig_memory(64 * RIG_G);
	assert_int_equal(gw_dart_init(&s->d, &s->limits, &s->totals, NULL, "dart", 1), 0);
}

static void shared_fini(struct shared *s)
{
	assert_int_equal(s->totals.live_maps, 0);
	gw_dart_fini(&s->d);
	free(s->mem);
}

static void shared_map(struct shared *s, struct gw_remote *remote)
{
	struct gw_dart_request req = { .size = RIG_G, .mem.remote = remote };
	struct gw_segment seg;
	unsigned int nr;

	if (remote)
		req.mem.remote_addr.v = 0x10000;
	else
		req.mem.addr = s->mem;
	assert_int_equal(gw_dart_register(&s->d, &s->m, &req, &seg, 1, &nr), 0);
	s->iova = seg.iova;
	s->removed = false;
}

static void *remover(void *opaque)
{
	struct shared *s = opaque;

	gw_dart_unregister(&s->d, &s->m);
	s->removed = true;
	return NULL;
}

static void until_closed(struct shared *s)
{
	while (!(atomic_load(&s->m.use.v) & GW_USE_CLOSED))
		sched_yield();
}

static void a_pin_holds_unregistering_back(void **state)
{
	struct shared s;
	struct iovec iov;
	struct gw_endpoint_pin pin = { .iov = &iov, .max_iov = 1 }, late = pin;
	pthread_t t;
	char c;

	shared_init(&s);
	shared_map(&s, NULL);
	assert_int_equal(gw_dart_pin(&s.d, s.iova, 8, GW_DMA_READ, &pin), 0);
	assert_int_equal(pthread_create(&t, NULL, remover, &s), 0);
	until_closed(&s);
	/* nobody new gets in while the last one is still inside */
	assert_int_equal(gw_dart_pin(&s.d, s.iova, 8, GW_DMA_READ, &late), -EFAULT);
	assert_int_equal(gw_dart_copy(&s.d, s.iova, &c, 1, GW_DMA_READ), -EFAULT);
	assert_false(s.removed);
	gw_dart_unpin(&s.d, &pin);
	pthread_join(t, NULL);
	assert_true(s.removed);
	shared_fini(&s);
}

struct slow_remote {
	struct gw_remote r;
	sem_t entered, go;
	gw_vmm_addr addr;
	size_t len;
	int answer;
};

static int slow(struct gw_remote *r, gw_vmm_addr addr, size_t len)
{
	struct slow_remote *s = container_of(r, struct slow_remote, r);

	s->addr = addr;
	s->len = len;
	sem_post(&s->entered);
	sem_wait(&s->go);
	return s->answer;
}

static int slow_read(struct gw_remote *r, gw_vmm_addr addr, void *buf, size_t len)
{
	memset(buf, 'r', len);
	return slow(r, addr, len);
}

static int slow_write(struct gw_remote *r, gw_vmm_addr addr, const void *buf, size_t len)
{
	return slow(r, addr, len);
}

static const struct gw_remote_ops slow_ops = { .read = slow_read, .write = slow_write };

static void slow_init(struct slow_remote *r)
{
	*r = (struct slow_remote){ .r.ops = &slow_ops };
	sem_init(&r->entered, 0, 0);
	sem_init(&r->go, 0, 0);
}

struct access {
	struct shared *s;
	pthread_t t;
	char buf[8];
	int ret;
};

static void *reader(void *opaque)
{
	struct access *a = opaque;

	a->ret = gw_dart_copy(&a->s->d, (gw_iova){ a->s->iova.v + 100 }, a->buf, 8, GW_DMA_READ);
	return NULL;
}

static void a_remote_call_holds_unregistering_back_and_nothing_else(void **state)
{
	struct slow_remote remote;
	struct gw_dart_mapping other;
	struct gw_dart_request req = { .size = RIG_G };
	struct gw_segment seg;
	struct shared s;
	struct access a = { .s = &s };
	unsigned int nr;
	pthread_t t;

	slow_init(&remote);
	shared_init(&s);
	shared_map(&s, &remote.r);
	assert_int_equal(pthread_create(&a.t, NULL, reader, &a), 0);
	sem_wait(&remote.entered);
	assert_int_equal(remote.addr.v, 0x10000 + 100);
	assert_int_equal(remote.len, 8);
	assert_int_equal(pthread_create(&t, NULL, remover, &s), 0);
	until_closed(&s);
	/* others come and go meanwhile: no lock is held over the call */
	req.mem.addr = s.mem;
	assert_int_equal(gw_dart_register(&s.d, &other, &req, &seg, 1, &nr), 0);
	gw_dart_unregister(&s.d, &other);
	assert_false(s.removed);
	sem_post(&remote.go);
	pthread_join(a.t, NULL);
	pthread_join(t, NULL);
	assert_int_equal(a.ret, 0);
	assert_memory_equal(a.buf, "rrrrrrrr", 8);
	shared_fini(&s);
}

static void a_remote_error_reaches_the_device(void **state)
{
	static const struct { int answer, ret; } rows[] = {
		{ -ECANCELED, -ECANCELED }, { -EFAULT, -EIO }, { -ETIMEDOUT, -EIO },
		{ -EPIPE, -EIO }, { 0, 0 },
	};
	struct iovec iov;
	struct gw_endpoint_pin pin = { .iov = &iov, .max_iov = 1 };
	struct slow_remote remote;
	struct shared s;
	uint64_t v = 0;

	slow_init(&remote);
	shared_init(&s);
	shared_map(&s, &remote.r);
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		remote.answer = rows[i].answer;
		sem_post(&remote.go);
		sem_post(&remote.go);
		assert_int_equal(gw_dart_copy(&s.d, s.iova, &v, 8, GW_DMA_READ), rows[i].ret);
		assert_int_equal(gw_dart_copy(&s.d, s.iova, &v, 8, GW_DMA_WRITE), rows[i].ret);
	}
	assert_int_equal(gw_dart_pin(&s.d, s.iova, 8, GW_DMA_READ, &pin), -EOPNOTSUPP);
	assert_int_equal(gw_dart_peek(&s.m, 0, &v), -EOPNOTSUPP);
	gw_dart_unregister(&s.d, &s.m);
	shared_fini(&s);
}

#define NEIGHBOURS 4

/* Copies and pins over neighbours, as fast as they go, while another thread remaps them. */
static void *hammer(void *opaque)
{
	struct shared *s = opaque;
	struct iovec iov[NEIGHBOURS];
	struct gw_endpoint_pin pin = { .iov = iov, .max_iov = NEIGHBOURS };
	char buf[64];
	uint64_t hits = 0;

	for (unsigned int i = 0; !s->stop || hits < 100; i++) {
		gw_iova at = { (i % (NEIGHBOURS - 1) + 1) * RIG_G - 32 };

		hits += !gw_dart_copy(&s->d, at, buf, sizeof(buf), GW_DMA_READ);
		if (gw_dart_pin(&s->d, at, RIG_G, GW_DMA_READ, &pin))
			continue;
		/* what was unmapped is unusable, so a stale pin would be seen here */
		for (unsigned int k = 0; k < pin.nr_iov; k++)
			if (gw_guard_copy(buf, iov[k].iov_base, 1) || *buf == 'x')
				abort();
		gw_dart_unpin(&s->d, &pin);
	}
	return NULL;
}

static void many_threads_never_see_memory_that_went(void **state)
{
	struct gw_dart_mapping m[NEIGHBOURS];
	struct gw_dart_request req = { .size = RIG_G };
	struct gw_segment seg;
	struct shared s;
	pthread_t t[3];
	unsigned int nr;
	gw_iova at;

	shared_init(&s);
	s.limits.caller_iova = true;
	req.want = &at;
	for (int i = 0; i < 3; i++)
		assert_int_equal(pthread_create(&t[i], NULL, hammer, &s), 0);
	for (int round = 0; round < 1000; round++) {
		for (unsigned int i = 0; i < NEIGHBOURS; i++) {
			at.v = i * RIG_G;
			req.mem.addr = s.mem + i * RIG_G;
			memset(req.mem.addr, 'a', 64);
			assert_int_equal(gw_dart_register(&s.d, &m[i], &req, &seg, 1, &nr), 0);
		}
		for (unsigned int i = 0; i < NEIGHBOURS; i++) {
			gw_dart_unregister(&s.d, &m[i]);
			memset(s.mem + i * RIG_G, 'x', 64);
		}
	}
	for (unsigned int i = 0; i < NEIGHBOURS; i++) {
		at.v = i * RIG_G;
		req.mem.addr = s.mem + i * RIG_G;
		memset(req.mem.addr, 'a', 64);
		assert_int_equal(gw_dart_register(&s.d, &m[i], &req, &seg, 1, &nr), 0);
	}
	s.stop = true;
	for (int i = 0; i < 3; i++)
		pthread_join(t[i], NULL);
	for (unsigned int i = 0; i < NEIGHBOURS; i++)
		gw_dart_unregister(&s.d, &m[i]);
	shared_fini(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_pin_holds_unregistering_back),
		cmocka_unit_test(a_remote_call_holds_unregistering_back_and_nothing_else),
		cmocka_unit_test(a_remote_error_reaches_the_device),
		cmocka_unit_test(many_threads_never_see_memory_that_went),
	};

	return cmocka_run_group_tests_name("dart_threads", tests, NULL, NULL);
}
