/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef TESTS_UNIT_SIM_RIG_H
#define TESTS_UNIT_SIM_RIG_H

#include "unit.h"
#ifdef RIG_BACKEND
#include "dext_backend.h"
#endif

#include <stdatomic.h>
#include <sys/mman.h>

#include <gangway/sim.h>

#include "base/util.h"

/* A simulated host with one small endpoint and a connection to it. */

#define RIG_VECTORS	32
#define RIG_G		16384ull	/* granule unless an option says otherwise */

struct rig_ep {
	struct gw_endpoint ep;
	_Atomic unsigned int quiesced, resumed, resets, freed;
	_Atomic unsigned int *freed_out;	/* outlives the endpoint */
	_Atomic bool running;
	uint64_t reg[8];			/* BAR0, trapped */
};

struct rig {
	struct gw_sim *sim;
	struct gw_dext_services *services;	/* with RIG_BACKEND */
	struct rig_ep *ep;
	struct gw_dext_conn *c;
	_Atomic unsigned int freed;
};

static int rig_bar_read(struct gw_endpoint *ep, unsigned int bar, gw_bar_off off,
			unsigned int width, uint64_t *val)
{
	struct rig_ep *r = container_of(ep, struct rig_ep, ep);

	*val = 0;
	memcpy(val, (char *)r->reg + off.v % sizeof(r->reg), width);
	return 0;
}

static int rig_bar_write(struct gw_endpoint *ep, unsigned int bar, gw_bar_off off,
			 unsigned int width, uint64_t val)
{
	struct rig_ep *r = container_of(ep, struct rig_ep, ep);

	memcpy((char *)r->reg + off.v % sizeof(r->reg), &val, width);
	return 0;
}

static void rig_quiesce(struct gw_endpoint *ep)
{
	struct rig_ep *r = container_of(ep, struct rig_ep, ep);

	assert_true(r->running);
	r->running = false;
	r->quiesced++;
}

static void rig_resume(struct gw_endpoint *ep)
{
	struct rig_ep *r = container_of(ep, struct rig_ep, ep);

	assert_false(r->running);
	r->running = true;
	r->resumed++;
}

static void rig_reset(struct gw_endpoint *ep)
{
	struct rig_ep *r = container_of(ep, struct rig_ep, ep);

	assert_false(r->running);
	r->resets++;
	memset(r->reg, 0, sizeof(r->reg));
}

static void rig_free_ep(struct gw_endpoint *ep)
{
	struct rig_ep *r;

	if (!ep)
		return;
	r = container_of(ep, struct rig_ep, ep);
	assert_false(r->running);
	if (r->freed_out)
		++*r->freed_out;
	free(r);
}

static const struct gw_endpoint_ops rig_ops = {
	.bar_read = rig_bar_read, .bar_write = rig_bar_write, .quiesce = rig_quiesce,
	.resume = rig_resume, .reset = rig_reset, .free = rig_free_ep,
};

/* BAR0 4 KiB trapped, BAR2 64 KiB mapped, 64-bit and prefetchable, BAR4 holds the MSI-X table. */
static inline struct rig_ep *rig_ep_new(void)
{
	struct rig_ep *r = calloc(1, sizeof(*r));

	assert_non_null(r);
	r->ep.ops = &rig_ops;
	r->ep.desc = (struct gw_endpoint_desc){
		.vendor = 0x1234, .device = 0xabcd, .subvendor = 0x1af4, .subdevice = 0x0001,
		.class_code = 0xff0102, .revision = 3,
		.bar = { [0] = { .size = 4096 },
			 [2] = { .size = 65536, .is_64bit = true, .prefetchable = true,
				 .mapped = true },
			 [4] = { .size = 4096 } },
		.msix_vectors = RIG_VECTORS, .msix_bar = 4, .msix_table = 0, .msix_pba = 2048,
		.msi_vectors = 4, .serial = 0x1122334455667788,
	};
	return r;
}

static inline struct rig *rig_sim(void)
{
	struct rig *r = calloc(1, sizeof(*r));

	assert_non_null(r);
	assert_int_equal(gw_sim_new(NULL, &r->sim), 0);
	return r;
}

static inline void rig_add(struct rig *r, struct rig_ep *ep)
{
	r->ep = ep;
	ep->freed_out = &r->freed;
	assert_int_equal(gw_sim_add(r->sim, &ep->ep, NULL, 1, 0, 0), 0);
}

/* The simulated dext; or, where a file of dext_backend.h is linked, that one. */
static inline struct gw_dext_services *rig_services(struct rig *r)
{
#ifdef RIG_BACKEND
	if (!r->services)
		r->services = backend_start(r->sim);
	return r->services;
#else
	return gw_sim_services(r->sim);
#endif
}

static inline struct gw_dext_conn *rig_connect(struct rig *r, unsigned int i)
{
	struct gw_dext_services *s = rig_services(r);
	struct gw_dext_conn *c;
	char root[GW_ROOT_SIZE];

	assert_int_equal(s->ops->open(s, i, &c, root), 0);
	return c;
}

/* Call with up to six arguments; the reply goes to @out, of which there is room for @room. */
static inline uint32_t rig_call_n(struct gw_dext_conn *c, uint32_t sel, const uint64_t *in,
				  unsigned int nr_in, uint64_t *out, unsigned int room)
{
	unsigned int nr = room;

	return c->ops->call(c, sel, in, nr_in, out, &nr);
}

#define rig_call(c, sel, out, room, ...)                                                         \
	rig_call_n(c, sel, (const uint64_t[]){ 0, ##__VA_ARGS__ } + 1,                           \
		   ARRAY_SIZE(((const uint64_t[]){ 0, ##__VA_ARGS__ })) - 1, out, room)

/* A rig with options (key, value, ..., NULL), one endpoint, connected and claimed. */
static inline struct rig *rig_new(const char *const *opts)
{
	struct rig *r = rig_sim();

	for (; opts && *opts; opts += 2)
		assert_int_equal(gw_sim_set_option(r->sim, opts[0], opts[1]), 0);
	rig_add(r, rig_ep_new());
	r->c = rig_connect(r, 0);
	assert_int_equal(rig_call(r->c, GW_DEXT_CLAIM, NULL, 0), 0);
	return r;
}

#define rig_with(...) rig_new((const char *const[]){ __VA_ARGS__, NULL })

static inline void rig_free(struct rig *r)
{
	if (r->c)
		r->c->ops->close(r->c);
#ifdef RIG_BACKEND
	if (r->services)
		backend_stop();
#endif
	gw_sim_free(r->sim);
	free(r);
}

/* Memory aligned as a host wants it. */
static inline char *rig_memory(uint64_t size)
{
	char *p = aligned_alloc(2 << 20, (size + (2 << 20) - 1) & ~((2ull << 20) - 1));

	assert_non_null(p);
	memset(p, 0, size);
	return p;
}

/* Register; *@iova takes where. */
static inline uint32_t rig_map(struct rig *r, uint64_t key, void *addr, uint64_t size,
			       gw_iova *iova)
{
	uint64_t out[3] = { 0 };
	uint32_t ret = rig_call(r->c, GW_DEXT_REGISTER_REGION, out, 3, key, (uintptr_t)addr, size);

	iova->v = 0;
	if (!ret) {
		assert_int_equal(out[0], 1);
		assert_int_equal(out[2], size);
		iova->v = out[1];
	}
	return ret;
}

static inline uint32_t rig_unmap(struct rig *r, uint64_t key)
{
	return rig_call(r->c, GW_DEXT_UNREGISTER_REGION, NULL, 0, key);
}

static inline struct gw_sim_stats rig_stats(struct rig *r)
{
	struct gw_sim_stats s;

	gw_sim_stats(r->sim, &s);
	return s;
}

static inline uint64_t rig_config(struct rig *r, unsigned int off, unsigned int width)
{
	uint64_t v = 0;

	assert_int_equal(rig_call(r->c, GW_DEXT_CONFIG_READ, &v, 1, off, width), 0);
	return v;
}

static inline void rig_config_write(struct rig *r, unsigned int off, unsigned int width,
				    uint64_t v)
{
	assert_int_equal(rig_call(r->c, GW_DEXT_CONFIG_WRITE, NULL, 0, off, width, v), 0);
}

/* Where a capability that must be there is. */
static inline unsigned int rig_cap(struct rig *r, unsigned int id)
{
	unsigned int at = (unsigned int)rig_config(r, 0x34, 1);

	while (at && rig_config(r, at, 1) != id)
		at = (unsigned int)rig_config(r, at + 1, 1);
	assert_int_not_equal(at, 0);
	return at;
}

#endif
