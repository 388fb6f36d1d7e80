/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef TESTS_UNIT_NVME_RIG_H
#define TESTS_UNIT_NVME_RIG_H

#include "unit.h"

#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <fcntl.h>
#include <unistd.h>

#include "base/guard.h"
#include "base/util.h"
#include "devices/nvme/nvme.h"

/*
 * A bus with one controller on it, and a driver for it. Memory is one range of IOVA space that
 * can be unmapped, or be said to be out of reach of pins.
 */
#define RIG_IOVA	0x40000000ull
#define RIG_MEM		(32u << 20)
#define RIG_DATA	(16u << 20)	/* where tests put data; queues are below */
#define RIG_DEADLINE_MS	90000		/* a failure, or a flush of a disk that others keep busy */
#define RIG_SQ(q)	(0x20000u * (q))
#define RIG_CQ(q)	(RIG_SQ(q) + 0x10000u)

struct gw_endpoint_bus {
	pthread_mutex_t lock;
	pthread_cond_t unpinned;
	uint8_t *mem;
	_Atomic bool master, mapped, remote, remote_stopped;
	_Atomic unsigned int pins, faults, accesses;
	_Atomic unsigned int irqs[NVME_NR_VECTORS];
	int irq_fd[NVME_NR_VECTORS];
};

struct rig_queue {
	uint32_t size, tail, head;	/* of the submission and the completion queue */
	bool phase;
	uint16_t sqhd;
};

struct rig {
	struct gw_endpoint_bus bus;
	struct gw_endpoint *ep;
	struct rig_queue q[NVME_NR_QUEUES];
	uint32_t *db, *ei;		/* shadow doorbells, once in use */
	uint16_t cid;
	unsigned int doorbells;		/* real ones */
	char path[128];
};

struct rig_cqe {
	uint32_t result;
	uint16_t sqhd, sqid, cid, status;	/* status without the phase */
};

static inline bool rig_reach(struct gw_endpoint_bus *b, gw_iova iova, size_t len)
{
	uint64_t off = iova.v - RIG_IOVA;

	atomic_fetch_add(&b->accesses, 1);
	if (iova.v >= RIG_IOVA && off < RIG_MEM && len <= RIG_MEM - off && b->mapped)
		return true;
	atomic_fetch_add(&b->faults, 1);
	return false;
}

static inline int rig_dma(struct gw_endpoint *ep, gw_iova iova, void *buf, size_t len, bool write)
{
	struct gw_endpoint_bus *b = ep->bus;
	int ret = 0;

	if (!b->master)
		return -EPERM;
	if (b->remote && b->remote_stopped)
		return -ECANCELED;
	pthread_mutex_lock(&b->lock);
	if (!rig_reach(b, iova, len))
		ret = -EFAULT;
	else if (write)
		memcpy(b->mem + (iova.v - RIG_IOVA), buf, len);
	else
		memcpy(buf, b->mem + (iova.v - RIG_IOVA), len);
	pthread_mutex_unlock(&b->lock);
	return ret;
}

int gw_endpoint_dma_read(struct gw_endpoint *ep, gw_iova iova, void *buf, size_t len)
{
	return rig_dma(ep, iova, buf, len, false);
}

int gw_endpoint_dma_write(struct gw_endpoint *ep, gw_iova iova, const void *buf, size_t len)
{
	return rig_dma(ep, iova, (void *)(uintptr_t)buf, len, true);
}

int gw_endpoint_pin(struct gw_endpoint *ep, gw_iova iova, size_t len, enum gw_dma_dir dir,
		    struct gw_endpoint_pin *pin)
{
	struct gw_endpoint_bus *b = ep->bus;
	int ret = 0;

	if (!b->master)
		return -EPERM;
	if (b->remote)
		return -EOPNOTSUPP;
	pthread_mutex_lock(&b->lock);
	if (!rig_reach(b, iova, len)) {
		ret = -EFAULT;
	} else {
		atomic_fetch_add(&b->pins, 1);
		pin->iov[0] = (struct iovec){ b->mem + (iova.v - RIG_IOVA), len };
		pin->nr_iov = 1;
	}
	pthread_mutex_unlock(&b->lock);
	return ret;
}

void gw_endpoint_unpin(struct gw_endpoint *ep, struct gw_endpoint_pin *pin)
{
	struct gw_endpoint_bus *b = ep->bus;

	pthread_mutex_lock(&b->lock);
	if (atomic_fetch_sub(&b->pins, 1) == 1)
		pthread_cond_broadcast(&b->unpinned);
	pthread_mutex_unlock(&b->lock);
}

void gw_endpoint_io_failed(struct gw_endpoint *ep)
{
}

void gw_endpoint_irq(struct gw_endpoint *ep, unsigned int v)
{
	atomic_fetch_add(&ep->bus->irqs[v], 1);
	eventfd_write(ep->bus->irq_fd[v], 1);
}

void *gw_endpoint_bar_mem(struct gw_endpoint *ep, unsigned int bar)
{
	return NULL;
}

/* As unregistering a region does: waits until nothing is pinned. */
static inline void rig_unmap(struct rig *r)
{
	pthread_mutex_lock(&r->bus.lock);
	r->bus.mapped = false;
	while (r->bus.pins)
		pthread_cond_wait(&r->bus.unpinned, &r->bus.lock);
	pthread_mutex_unlock(&r->bus.lock);
}

static inline uint64_t rig_get(struct rig *r, uint32_t off, unsigned int width)
{
	uint64_t val;

	assert_int_equal(r->ep->ops->bar_read(r->ep, 0, (gw_bar_off){ off }, width, &val), 0);
	return val;
}

static inline void rig_set(struct rig *r, uint32_t off, unsigned int width, uint64_t val)
{
	assert_int_equal(r->ep->ops->bar_write(r->ep, 0, (gw_bar_off){ off }, width, val), 0);
}

static inline uint32_t rig_csts(struct rig *r)
{
	return (uint32_t)rig_get(r, NVME_REG_CSTS, 4);
}

static inline void rig_wait_csts(struct rig *r, uint32_t mask, uint32_t want)
{
	uint64_t end = gw_now_ns() + RIG_DEADLINE_MS * 1000000ull;

	while ((rig_csts(r) & mask) != want) {
		assert_true(gw_now_ns() < end);
		sched_yield();
	}
}

static inline gw_iova rig_iova(uint32_t off)
{
	return (gw_iova){ RIG_IOVA + off };
}

static inline void rig_master(struct rig *r, bool on)
{
	if (!on)
		r->ep->ops->quiesce(r->ep);
	r->bus.master = on;
	if (on)
		r->ep->ops->resume(r->ep);
}

static inline void rig_queue_init(struct rig *r, unsigned int q, uint32_t size)
{
	r->q[q] = (struct rig_queue){ .size = size, .phase = true };
	memset(r->bus.mem + RIG_SQ(q), 0, 64 * size);
	memset(r->bus.mem + RIG_CQ(q), 0, 16 * size);
}

#define RIG_CC		(6u << 16 | 4u << 20)
#define RIG_ADMIN_SIZE	32u

static inline void rig_enable_cc(struct rig *r, uint32_t cc)
{
	r->db = r->ei = NULL;
	rig_queue_init(r, 0, RIG_ADMIN_SIZE);
	rig_set(r, NVME_REG_AQA, 4, (RIG_ADMIN_SIZE - 1) | (RIG_ADMIN_SIZE - 1) << 16);
	rig_set(r, NVME_REG_ASQ, 8, rig_iova(RIG_SQ(0)).v);
	rig_set(r, NVME_REG_ACQ, 8, rig_iova(RIG_CQ(0)).v);
	rig_set(r, NVME_REG_CC, 4, cc | NVME_CC_EN);
	rig_wait_csts(r, NVME_CSTS_RDY | NVME_CSTS_CFS, NVME_CSTS_RDY);
}

static inline void rig_enable(struct rig *r)
{
	rig_enable_cc(r, RIG_CC);
}

static inline void rig_disable(struct rig *r)
{
	rig_set(r, NVME_REG_CC, 4, RIG_CC);
	rig_wait_csts(r, NVME_CSTS_RDY, 0);
}

static inline struct rig *rig_make(const char *path, const char *opts)
{
	struct rig *r = calloc(1, sizeof(*r));
	char all[160];
	unsigned int i;

	assert_non_null(r);
	snprintf(r->path, sizeof(r->path), "%s", path);
	snprintf(all, sizeof(all), "file=%s,%s", path, opts);
	pthread_mutex_init(&r->bus.lock, NULL);
	pthread_cond_init(&r->bus.unpinned, NULL);
	r->bus.mem = mmap(NULL, RIG_MEM, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	assert_ptr_not_equal(r->bus.mem, MAP_FAILED);
	for (i = 0; i < NVME_NR_VECTORS; i++) {
		r->bus.irq_fd[i] = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
		assert_true(r->bus.irq_fd[i] >= 0);
	}
	r->bus.mapped = true;
	assert_int_equal(gw_nvme_type.make(all, NULL, &r->ep), 0);
	r->ep->bus = &r->bus;
	rig_master(r, true);
	return r;
}

static inline struct rig *rig_open(const char *opts)
{
	char path[] = "/tmp/gangway-nvme-XXXXXX";
	int fd = mkstemp(path);

	assert_true(fd >= 0);
	close(fd);
	return rig_make(path, opts);
}

static inline void rig_close(struct rig *r)
{
	unsigned int i;

	rig_master(r, false);
	r->ep->ops->free(r->ep);
	assert_int_equal(r->bus.pins, 0);
	for (i = 0; i < NVME_NR_VECTORS; i++)
		close(r->bus.irq_fd[i]);
	munmap(r->bus.mem, RIG_MEM);
	unlink(r->path);
	free(r);
}

static inline void rig_sync(struct rig *r)
{
	pthread_mutex_lock(&r->bus.lock);
	pthread_mutex_unlock(&r->bus.lock);
}

/* As in 7.13: the real doorbell is rung only when the shadow passes the event index. */
static inline void rig_ring(struct rig *r, unsigned int index, uint32_t val)
{
	uint16_t old, event;

	rig_sync(r);
	if (r->db && index > 1) {
		old = (uint16_t)__atomic_load_n(&r->db[index], __ATOMIC_RELAXED);
		/* a VMM that is asked for this page copies it under a lock of its own */
		pthread_mutex_lock(&r->bus.lock);
		__atomic_store_n(&r->db[index], val, __ATOMIC_SEQ_CST);
		pthread_mutex_unlock(&r->bus.lock);
		__sync_synchronize();
		pthread_mutex_lock(&r->bus.lock);
		event = (uint16_t)__atomic_load_n(&r->ei[index], __ATOMIC_SEQ_CST);
		pthread_mutex_unlock(&r->bus.lock);
		if ((uint16_t)(val - event - 1) >= (uint16_t)(val - old))
			return;
	}
	r->doorbells++;
	rig_set(r, NVME_REG_DOORBELLS + 4 * index, 4, val);
}

/* Puts a command into queue @q without telling. Returns its identifier. */
static inline uint16_t rig_put(struct rig *r, unsigned int q, struct nvme_sqe e)
{
	struct rig_queue *rq = &r->q[q];

	e.cid = r->cid++;
	memcpy(r->bus.mem + RIG_SQ(q) + 64 * rq->tail, &e, sizeof(e));
	rq->tail = (rq->tail + 1) % rq->size;
	return e.cid;
}

static inline uint16_t rig_send(struct rig *r, unsigned int q, struct nvme_sqe e)
{
	uint16_t cid = rig_put(r, q, e);

	rig_ring(r, 2 * q, r->q[q].tail);
	return cid;
}

/*
 * ThreadSanitizer does not see the device's guarded stores; so it is kept out of the loads, too,
 * and told of the order by a lock (rig_sync) that every access of the device takes.
 */
__attribute__((noinline, no_sanitize("thread")))
static bool rig_load(struct rig *r, unsigned int q, struct rig_cqe *c)
{
	struct rig_queue *rq = &r->q[q];
	uint32_t *at = (uint32_t *)(r->bus.mem + RIG_CQ(q) + 16 * rq->head), last;

	last = __atomic_load_n(&at[3], __ATOMIC_ACQUIRE);
	if ((last >> 16 & 1) != rq->phase)
		return false;
	*c = (struct rig_cqe){ at[0], (uint16_t)at[2], (uint16_t)(at[2] >> 16), (uint16_t)last,
			       (uint16_t)(last >> 17) };
	return true;
}

/* The next completion of @q if there is one; its head moves, the doorbell is not rung. */
static inline bool rig_peek(struct rig *r, unsigned int q, struct rig_cqe *c)
{
	struct rig_queue *rq = &r->q[q];

	if (!rig_load(r, q, c))
		return false;
	rig_sync(r);
	rq->sqhd = c->sqhd;
	if (++rq->head == rq->size) {
		rq->head = 0;
		rq->phase = !rq->phase;
	}
	return true;
}

/* Waits for an interrupt where nothing is there yet: each queue has its own vector. */
static inline struct rig_cqe rig_take_quietly(struct rig *r, unsigned int q)
{
	struct pollfd p = { .fd = r->bus.irq_fd[q], .events = POLLIN };
	struct rig_cqe c;
	eventfd_t n;

	while (!rig_peek(r, q, &c)) {
		assert_int_equal(poll(&p, 1, RIG_DEADLINE_MS), 1);
		eventfd_read(p.fd, &n);
	}
	return c;
}

static inline struct rig_cqe rig_take(struct rig *r, unsigned int q)
{
	struct rig_cqe c = rig_take_quietly(r, q);

	rig_ring(r, 2 * q + 1, r->q[q].head);
	return c;
}

static inline struct rig_cqe rig_do(struct rig *r, unsigned int q, struct nvme_sqe e)
{
	uint16_t cid = rig_send(r, q, e);
	struct rig_cqe c = rig_take(r, q);

	assert_int_equal(c.cid, cid);
	assert_int_equal(c.sqid, q);
	return c;
}

#define RIG_CODE(status)	((status) & 0x7ff)

/* Runs a command and checks its status; "more" only says that the error log knows. */
static inline uint32_t rig_expect(struct rig *r, unsigned int q, struct nvme_sqe e,
				  unsigned int status)
{
	struct rig_cqe c = rig_do(r, q, e);

	assert_int_equal(c.status & ~NVME_MORE, status);
	assert_int_equal(!(c.status & NVME_MORE), !RIG_CODE(status));
	return c.result;
}

static inline struct nvme_sqe rig_sqe_cq(unsigned int q, uint32_t size)
{
	return (struct nvme_sqe){ .opcode = NVME_ADM_CREATE_CQ, .prp1 = rig_iova(RIG_CQ(q)).v,
				  .cdw10 = q | (size - 1) << 16, .cdw11 = 3 | q << 16 };
}

static inline struct nvme_sqe rig_sqe_sq(unsigned int q, unsigned int cq, uint32_t size)
{
	return (struct nvme_sqe){ .opcode = NVME_ADM_CREATE_SQ, .prp1 = rig_iova(RIG_SQ(q)).v,
				  .cdw10 = q | (size - 1) << 16, .cdw11 = 1 | cq << 16 };
}

static inline void rig_add_queue(struct rig *r, unsigned int q, uint32_t size)
{
	rig_queue_init(r, q, size);
	rig_expect(r, 0, rig_sqe_cq(q, size), NVME_OK);
	rig_expect(r, 0, rig_sqe_sq(q, q, size), NVME_OK);
}

static inline void rig_drop_queue(struct rig *r, unsigned int q)
{
	struct nvme_sqe e = { .opcode = NVME_ADM_DELETE_SQ, .cdw10 = q };

	rig_expect(r, 0, e, NVME_OK);
	e.opcode = NVME_ADM_DELETE_CQ;
	rig_expect(r, 0, e, NVME_OK);
}

static inline struct rig *rig_ready(const char *opts)
{
	struct rig *r = rig_open(opts);

	rig_enable(r);
	rig_add_queue(r, 1, 16);
	return r;
}

/* A read or write of whole blocks at @off of memory, contiguous and at most two pages. */
static inline struct nvme_sqe rig_rw(uint8_t opcode, uint64_t slba, uint32_t blocks, uint32_t off)
{
	return (struct nvme_sqe){
		.opcode = opcode, .nsid = 1,
		.prp1 = rig_iova(off).v, .prp2 = rig_iova((off & ~4095u) + 4096).v,
		.cdw10 = (uint32_t)slba, .cdw11 = (uint32_t)(slba >> 32), .cdw12 = blocks - 1,
	};
}

static inline void rig_fill(struct rig *r, uint32_t off, size_t len, unsigned int seed)
{
	size_t i;

	for (i = 0; i < len; i++) {
		seed = seed * 1103515245 + 12345;
		r->bus.mem[off + i] = (uint8_t)(seed >> 16);
	}
}

#endif
