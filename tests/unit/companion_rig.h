/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef TESTS_UNIT_COMPANION_RIG_H
#define TESTS_UNIT_COMPANION_RIG_H

#include "fake_function.h"

#include <pthread.h>
#include <sched.h>
#include <sys/eventfd.h>

#include <gangway/companion.h>

#include "config/vendor.h"

/*
 * A companion of a fake function, 16 MiB of guest memory, and what the guest's module does: it
 * sees the memory at another address than the companion, as a guest does.
 */

#define RIG_RAM_GPA	0x40000000ull
#define RIG_RAM_SIZE	(16ull << 20)
#define RIG_ROM_GPA	0x1000000ull	/* read-only, of a file */
#define RIG_BAR_GPA	0x2000000ull	/* without a file */
#define RIG_IOVA	0x8000000000ull
#define RIG_RING	(RIG_RAM_GPA + (8ull << 20))

struct rig_map {
	uint64_t iova, size;		/* size 0: unmapped */
	const uint8_t *addr;
	bool ro;
};

struct rig {
	struct fake *f;
	struct gw_function_ops ops;
	struct gw_dma *dma;
	struct gw_guest_function *gf;
	struct gw_companion *c;
	struct gw_device *fn, *dev;	/* as the VMM drives them */
	int ram_fd, rom_fd;
	uint8_t *ram;

	/* the host */
	pthread_mutex_t lock;
	struct rig_map *map;		/* in the order they were made: handle N is at N - 1 */
	size_t nr, made, room;		/* @nr are mapped */
	_Atomic uint64_t steps;		/* calls */
	unsigned int split;		/* segments of a mapping */
	_Atomic unsigned int delay_us;
	int fail_map, fail_unmap;

	/* the guest's end of the ring */
	struct gw_ring *hdr;
	struct gw_ring_sqe *sq;
	struct gw_ring_cqe *cq;
	uint32_t size, sq_tail, cq_head;
	uint64_t rings;
};

static struct rig *rig_of_host;	/* the host of the test that runs; fake_function.h knows none */

static inline int rig_dma_map(struct gw_function *fn, const struct gw_memory *mem, uint64_t size,
			      const gw_iova *want, struct gw_mapping *map)
{
	struct rig *r = rig_of_host;
	unsigned int split = r->split && size / 4096 >= r->split ? r->split : 1;
	uint64_t part = size / split & ~4095ull, at;

	if (want || mem->remote || !mem->addr || size % fn->limits.granule)
		abort();
	if (r->delay_us)
		usleep(r->delay_us);
	pthread_mutex_lock(&r->lock);
	r->steps++;
	if (r->fail_map) {
		pthread_mutex_unlock(&r->lock);
		return r->fail_map;
	}
	if (r->made == r->room) {
		r->room = r->room ? 2 * r->room : 64;
		r->map = realloc(r->map, r->room * sizeof(*r->map));
		if (!r->map)
			abort();
	}
	map->handle = r->made + 1;
	at = RIG_IOVA + (map->handle << 24);
	map->nr_segments = split;
	for (unsigned int i = 0; i < split; i++) {
		map->seg[i].iova.v = at + i * (part + 0x10000);
		map->seg[i].size = i + 1 < split ? part : size - part * (split - 1);
	}
	r->map[r->made++] = (struct rig_map){ at, size, mem->addr, mem->read_only };
	r->nr++;
	pthread_mutex_unlock(&r->lock);
	return 0;
}

static inline int rig_dma_unmap(struct gw_function *fn, uint64_t handle)
{
	struct rig *r = rig_of_host;
	int ret = 0;

	if (r->delay_us)
		usleep(r->delay_us);
	pthread_mutex_lock(&r->lock);
	r->steps++;
	if (!handle || handle > r->made || !r->map[handle - 1].size)
		abort();	/* not by any guest's doing */
	if (r->fail_unmap) {
		ret = r->fail_unmap;
	} else {
		r->map[handle - 1].size = 0;
		r->nr--;
	}
	pthread_mutex_unlock(&r->lock);
	return ret;
}

static inline size_t rig_maps(struct rig *r)
{
	size_t nr;

	pthread_mutex_lock(&r->lock);
	nr = r->nr;
	pthread_mutex_unlock(&r->lock);
	return nr;
}

/* The mapping made last. */
static inline struct rig_map rig_last(struct rig *r)
{
	struct rig_map map;

	pthread_mutex_lock(&r->lock);
	map = r->map[r->made - 1];
	pthread_mutex_unlock(&r->lock);
	return map;
}

static inline int rig_file(uint64_t size)
{
	int fd = memfd_create("guest", MFD_CLOEXEC);

	if (fd < 0 || ftruncate(fd, (off_t)size))
		abort();
	return fd;
}

static inline int rig_map_run(struct gw_device *d, uint64_t gpa, uint64_t size, uint64_t off,
			      int prot, int fd)
{
	struct gw_slice s = { .at.v = gpa, .size = size, .off = off, .prot = prot };

	return d->ops->dma_map(d, &s, fd);
}

/* What a VMM maps for one device. */
static inline void rig_give_memory(struct rig *r, struct gw_device *d)
{
	const int rw = GW_PROT_READ | GW_PROT_WRITE;

	if (rig_map_run(d, RIG_RAM_GPA, RIG_RAM_SIZE, 0, rw, r->ram_fd) ||
	    rig_map_run(d, RIG_ROM_GPA, 1 << 20, 0, GW_PROT_READ, r->rom_fd) ||
	    rig_map_run(d, RIG_BAR_GPA, 1 << 20, 0, rw, -1))
		abort();
}

static inline struct rig *rig_new(const struct gw_companion_options *opt)
{
	struct rig *r = calloc(1, sizeof(*r));

	if (!r)
		abort();
	r->f = fake_new();
	rig_of_host = r;
	pthread_mutex_init(&r->lock, NULL);
	r->ops = fake_ops;
	r->ops.dma_map = rig_dma_map;
	r->ops.dma_unmap = rig_dma_unmap;
	r->f->fn.ops = &r->ops;
	r->f->fn.limits = (struct gw_host_limits){ .granule = 4096, .max_bytes = 1 << 30,
		.max_maps = 65536, .max_map_bytes = 1 << 24, .max_segments = GW_MAX_SEGMENTS,
		.iova_last.v = (1ull << 40) - 1 };
	r->ram_fd = rig_file(RIG_RAM_SIZE);
	r->rom_fd = rig_file(1 << 20);
	r->ram = mmap(NULL, RIG_RAM_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, r->ram_fd, 0);
	if (r->ram == MAP_FAILED ||
	    gw_dma_new(&r->f->fn, GW_PLAN_PARAVIRT, &r->f->log, &r->dma) ||
	    gw_guest_function_new(&r->f->fn, r->dma, &r->f->log, &r->gf) ||
	    gw_companion_new(r->gf, opt, &r->f->log, &r->c))
		abort();
	r->fn = gw_guest_function_device(r->gf);
	r->dev = gw_companion_device(r->c);
	if (r->fn->ops->attach(r->fn, &r->f->remote, NULL) || r->dev->ops->attach(r->dev, &r->f->remote, NULL))
		abort();
	rig_give_memory(r, r->fn);
	rig_give_memory(r, r->dev);
	if (r->fn->ops->reset(r->fn) || r->dev->ops->reset(r->dev))
		abort();
	return r;
}

static inline void rig_free(struct rig *r)
{
	r->fail_unmap = 0;
	r->dev->ops->detach(r->dev);
	r->fn->ops->detach(r->fn);
	gw_companion_free(r->c);
	gw_guest_function_free(r->gf);
	gw_dma_free(r->dma);
	if (r->nr || r->f->stopped)
		abort();	/* a mapping was left */
	fake_free(r->f);
	munmap(r->ram, RIG_RAM_SIZE);
	close(r->ram_fd);
	close(r->rom_fd);
	free(r->map);
	pthread_mutex_destroy(&r->lock);
	free(r);
}

static inline void *rig_at(struct rig *r, uint64_t gpa)
{
	return r->ram + (gpa - RIG_RAM_GPA);
}

static inline uint32_t rig_get(struct rig *r, unsigned int reg)
{
	uint32_t val;

	if (r->dev->ops->region_read(r->dev, 0, reg, &val, 4))
		abort();
	return val;
}

static inline uint64_t rig_get64(struct rig *r, unsigned int reg)
{
	uint64_t lo = rig_get(r, reg);

	return lo | (uint64_t)rig_get(r, reg + 4) << 32;
}

static inline void rig_put(struct rig *r, unsigned int reg, uint32_t val)
{
	if (r->dev->ops->region_write(r->dev, 0, reg, &val, 4))
		abort();
}

static inline void rig_put64(struct rig *r, unsigned int reg, uint64_t val)
{
	rig_put(r, reg, (uint32_t)val);
	rig_put(r, reg + 4, (uint32_t)(val >> 32));
}

static inline uint32_t rig_control(struct rig *r, uint32_t what)
{
	rig_put(r, GW_REG_CONTROL, what);
	return rig_get(r, GW_REG_CONTROL_STATUS);
}

/* Identity of the function, as a scan of the bus reads it. */
static inline uint32_t rig_identity(struct rig *r)
{
	return cfg_get(r->fn, 0, 4);
}

static inline bool rig_ring_start(struct rig *r, unsigned int shift)
{
	r->size = 1u << shift;
	r->hdr = rig_at(r, RIG_RING);
	memset(r->hdr, 0, GW_RING_HEADER_BYTES);
	r->hdr->cq_event = UINT32_MAX;
	r->sq = (void *)((uint8_t *)r->hdr + GW_RING_HEADER_BYTES);
	r->cq = (void *)(r->sq + r->size);
	r->sq_tail = r->cq_head = 0;
	rig_put64(r, GW_REG_RING_GPA_LO, RIG_RING);
	rig_put(r, GW_REG_RING_SHIFT, shift);
	rig_put(r, GW_REG_RING_ENABLE, 1);
	return rig_get(r, GW_REG_RING_ENABLE) == 1;
}

static inline void rig_ring_put(struct rig *r, uint16_t op, uint16_t flags, uint32_t tag,
				uint64_t addr, uint64_t len)
{
	r->sq[r->sq_tail++ & (r->size - 1)] =
		(struct gw_ring_sqe){ .op = op, .flags = flags, .tag = tag, .addr = addr,
				      .len = len };
}

/* Show entries to the companion, and ring if it asks for that. Return: whether it did. */
static inline bool rig_ring_push(struct rig *r, uint32_t nr)
{
	__atomic_store_n(&r->hdr->sq_tail, r->sq_tail, __ATOMIC_RELEASE);
	__sync_synchronize();
	if (r->sq_tail - __atomic_load_n(&r->hdr->sq_event, __ATOMIC_RELAXED) - 1 >= nr)
		return false;
	r->rings++;
	rig_put(r, GW_REG_RING_DOORBELL, 1);
	return true;
}

/* Take a completion if there is one. */
static inline bool rig_ring_take(struct rig *r, struct gw_ring_cqe *cqe)
{
	if (__atomic_load_n(&r->hdr->cq_tail, __ATOMIC_ACQUIRE) == r->cq_head)
		return false;
	*cqe = r->cq[r->cq_head++ & (r->size - 1)];
	__atomic_store_n(&r->hdr->cq_head, r->cq_head, __ATOMIC_RELEASE);
	return true;
}

/* One entry, and its one completion. */
static inline struct gw_ring_cqe rig_ring_do(struct rig *r, uint16_t op, uint16_t flags,
					     uint64_t addr, uint64_t len)
{
	static uint32_t tag;
	struct gw_ring_cqe cqe = { 0 };

	rig_ring_put(r, op, flags, ++tag, addr, len);
	rig_ring_push(r, 1);
	/* who polls may have lost the processor; then a doorbell has it done */
	for (unsigned int i = 1; !rig_ring_take(r, &cqe); i++) {
		if (i % 64)
			sched_yield();
		else
			rig_put(r, GW_REG_RING_DOORBELL, 1);
	}
	if (cqe.tag != tag)
		abort();
	return cqe;
}

/* Fixtures: a companion that is made with @opt, and one whose ring of 2^@shift entries runs. */
static inline int rig_setup(void **state, const struct gw_companion_options *opt)
{
	*state = rig_new(opt);
	return 0;
}

static inline int rig_setup_ring(void **state, const struct gw_companion_options *opt,
				 unsigned int shift)
{
	struct rig *r = rig_new(opt);

	*state = r;
	return rig_ring_start(r, shift) ? 0 : -1;
}

static inline int rig_teardown(void **state)
{
	rig_free(*state);
	return 0;
}

#endif
