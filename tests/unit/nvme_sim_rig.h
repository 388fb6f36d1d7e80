/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef TESTS_UNIT_NVME_SIM_RIG_H
#define TESTS_UNIT_NVME_SIM_RIG_H

#include "unit.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <gangway/sim.h>

#include "base/util.h"
#include "devices/nvme.h"
#include "devices/nvme/nvme.h"

/* The controller on the simulated host, reached as the daemon does: dext client, DART, bus. */

#define MEM	(4u << 20)
#define GRANULE	16384u		/* of the host; memory must begin at one */
#define DATA	(1u << 20)

#ifndef RIG_MORE
#define RIG_MORE	""	/* options */
#endif

struct sink {
	struct gw_irq_sink sink;
	int fd;
};

struct rig {
	struct gw_sim *sim;
	struct gw_endpoint *ep;
	struct gw_host *host;
	struct gw_function *fn;
	struct sink sink;
	struct gw_mapping map;
	uint8_t *mem;
	char path[64];
	uint32_t tail[2], head[2];
};

static inline void fire(struct gw_irq_sink *sink, const uint64_t pending[GW_IRQ_WORDS])
{
	eventfd_write(container_of(sink, struct sink, sink)->fd, 1);
}

static inline void set(struct rig *r, uint32_t off, unsigned int width, uint64_t val)
{
	assert_int_equal(r->fn->ops->reg_write(r->fn, 0, (gw_bar_off){ off }, width, val), 0);
}

static inline uint64_t iova(struct rig *r, uint32_t off)
{
	return r->map.seg[0].iova.v + off;
}

static inline void await_csts(struct rig *r, uint64_t want)
{
	uint64_t val, end = gw_now_ns() + 20000000000ull;

	do {
		assert_true(gw_now_ns() < end);
		assert_int_equal(r->fn->ops->reg_read(r->fn, 0, (gw_bar_off){ NVME_REG_CSTS }, 4,
						      &val), 0);
	} while (val != want);
}

/* Begins a command of queue @q, 64 entries. */
static inline void begin(struct rig *r, unsigned int q, struct nvme_sqe e)
{
	memcpy(r->mem + 0x4000 * q + 64 * (r->tail[q] % 64), &e, sizeof(e));
	set(r, NVME_REG_DOORBELLS + 8 * q, 4, ++r->tail[q] % 64);
}

/* Waits for the next completion of queue @q by interrupt. */
static inline void end(struct rig *r, unsigned int q)
{
	struct pollfd p = { .fd = r->sink.fd, .events = POLLIN };
	uint32_t *cqe, last;
	eventfd_t n;

	cqe = (uint32_t *)(r->mem + 0x4000 * q + 0x2000 + 16 * (r->head[q] % 64));
	while (last = __atomic_load_n(&cqe[3], __ATOMIC_ACQUIRE),
	       (last >> 16 & 1) == (r->head[q] / 64 & 1)) {
		assert_int_equal(poll(&p, 1, 20000), 1);
		eventfd_read(p.fd, &n);
	}
	assert_int_equal(last >> 17, 0);
	set(r, NVME_REG_DOORBELLS + 8 * q + 4, 4, ++r->head[q] % 64);
}

static inline void run(struct rig *r, unsigned int q, struct nvme_sqe e)
{
	begin(r, q, e);
	end(r, q);
}

static inline void enable(struct rig *r)
{
	memset(r->mem, 0, 0x8000);
	memset(r->tail, 0, sizeof(r->tail));
	memset(r->head, 0, sizeof(r->head));
	set(r, NVME_REG_AQA, 4, 63 | 63 << 16);
	set(r, NVME_REG_ASQ, 8, iova(r, 0));
	set(r, NVME_REG_ACQ, 8, iova(r, 0x2000));
	set(r, NVME_REG_CC, 4, NVME_CC_EN | 6 << 16 | 4 << 20);
	await_csts(r, NVME_CSTS_RDY);
	run(r, 0, (struct nvme_sqe){ .opcode = NVME_ADM_CREATE_CQ, .prp1 = iova(r, 0x6000),
				     .cdw10 = 1 | 63 << 16, .cdw11 = 3 | 1 << 16 });
	run(r, 0, (struct nvme_sqe){ .opcode = NVME_ADM_CREATE_SQ, .prp1 = iova(r, 0x4000),
				     .cdw10 = 1 | 63 << 16, .cdw11 = 1 | 1 << 16 });
}

static inline void command_register(struct rig *r, uint32_t val)
{
	assert_int_equal(r->fn->ops->config_write(r->fn, 4, 2, val), 0);
}

static inline void host_open(struct rig *r)
{
	struct gw_memory mem = { .addr = r->mem };
	struct gw_function_info *list;
	unsigned int nr;
	size_t n;

	assert_int_equal(gw_sim_set_option(r->sim, "registry", "on"), 0);
	assert_int_equal(gw_dext_host_new(gw_sim_services(r->sim), NULL, &r->host), 0);
	assert_int_equal(r->host->ops->list(r->host, &list, &n), 0);
	assert_int_equal(n, 1);
	assert_int_equal(list[0].class_code, 0x010802);
	assert_int_equal(r->host->ops->open(r->host, list[0].name, &r->fn), 0);
	free(list);
	assert_int_equal(r->fn->ops->dma_map(r->fn, &mem, MEM, NULL, &r->map), 0);
	assert_int_equal(r->map.nr_segments, 1);
	assert_int_equal(r->fn->ops->irq_setup(r->fn, &r->sink.sink, &nr), 0);
	assert_int_equal(nr, NVME_NR_VECTORS);
	command_register(r, 6);
}

static inline int setup(void **state)
{
	struct rig *r = calloc(1, sizeof(*r));
	char opts[128];
	int fd;

	assert_non_null(r);
	strcpy(r->path, "/tmp/gangway-nvme-XXXXXX");
	fd = mkstemp(r->path);
	assert_true(fd >= 0);
	close(fd);
	snprintf(opts, sizeof(opts), "file=%s,size=16M" RIG_MORE, r->path);
	r->sink.sink.fire = fire;
	r->sink.fd = eventfd(0, EFD_NONBLOCK);
	r->mem = aligned_alloc(GRANULE, MEM);
	assert_non_null(r->mem);
	assert_int_equal(gw_sim_new(NULL, &r->sim), 0);
	assert_int_equal(gw_nvme_type.make(opts, NULL, &r->ep), 0);
	assert_int_equal(gw_sim_add(r->sim, r->ep, NULL, 1, 0, 0), 0);
	host_open(r);
	*state = r;
	return 0;
}

static inline int teardown(void **state)
{
	struct rig *r = *state;
	struct gw_sim_stats stats;

	r->fn->ops->close(r->fn);
	r->host->ops->free(r->host);
	gw_sim_stats(r->sim, &stats);
	assert_int_equal(stats.faults, 0);
	assert_int_equal(stats.live_maps, 0);
	gw_sim_free(r->sim);
	free(r->mem);
	close(r->sink.fd);
	unlink(r->path);
	free(r);
	return 0;
}

static inline struct nvme_sqe piece(struct rig *r, uint8_t op, unsigned int block, uint32_t off)
{
	return (struct nvme_sqe){ .opcode = op, .nsid = 1, .prp1 = iova(r, off), .cdw10 = block,
				  .cdw12 = 7 };
}

static inline void move(struct rig *r, uint8_t op, unsigned int block, uint32_t off)
{
	run(r, 1, piece(r, op, block, off));
}

#endif
