/* SPDX-License-Identifier: BSD-3-Clause */
#include "unit.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <gangway/sim.h>

#include "base/util.h"
#include "devices/gpu/pf.h"
#include "devices/nvme.h"
#include "devices/nvme/nvme.h"

/* The controller on the simulated host, reached as the daemon does: dext client, DART, bus. */

#define MEM	(4u << 20)
#define GRANULE	16384u		/* of the host; memory must begin at one */
#define DATA	(1u << 20)

struct sink {
	struct gw_irq_sink sink;
	int fd;
};

struct rig {
	struct gw_sim *sim;
	struct gw_host *host;
	struct gw_function *fn;
	struct sink sink;
	struct gw_mapping map;
	uint8_t *mem;
	char path[64];
	uint32_t tail[2], head[2];
};

static void fire(struct gw_irq_sink *sink, const uint64_t pending[GW_IRQ_WORDS])
{
	eventfd_write(container_of(sink, struct sink, sink)->fd, 1);
}

static void set(struct rig *r, uint32_t off, unsigned int width, uint64_t val)
{
	assert_int_equal(r->fn->ops->reg_write(r->fn, 0, (gw_bar_off){ off }, width, val), 0);
}

static uint64_t iova(struct rig *r, uint32_t off)
{
	return r->map.seg[0].iova.v + off;
}

static void await_csts(struct rig *r, uint64_t want)
{
	uint64_t val, end = gw_now_ns() + 20000000000ull;

	do {
		assert_true(gw_now_ns() < end);
		assert_int_equal(r->fn->ops->reg_read(r->fn, 0, (gw_bar_off){ NVME_REG_CSTS }, 4,
						      &val), 0);
	} while (val != want);
}

/* Runs a command of queue @q, 64 entries, and waits for its completion by interrupt. */
static void run(struct rig *r, unsigned int q, struct nvme_sqe e)
{
	struct pollfd p = { .fd = r->sink.fd, .events = POLLIN };
	uint32_t *cqe, last;
	eventfd_t n;

	memcpy(r->mem + 0x4000 * q + 64 * (r->tail[q] % 64), &e, sizeof(e));
	set(r, NVME_REG_DOORBELLS + 8 * q, 4, ++r->tail[q] % 64);
	cqe = (uint32_t *)(r->mem + 0x4000 * q + 0x2000 + 16 * (r->head[q] % 64));
	while (last = __atomic_load_n(&cqe[3], __ATOMIC_ACQUIRE),
	       (last >> 16 & 1) == (r->head[q] / 64 & 1)) {
		assert_int_equal(poll(&p, 1, 20000), 1);
		eventfd_read(p.fd, &n);
	}
	assert_int_equal(last >> 17, 0);
	set(r, NVME_REG_DOORBELLS + 8 * q + 4, 4, ++r->head[q] % 64);
}

static void enable(struct rig *r)
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

static void command_register(struct rig *r, uint32_t val)
{
	assert_int_equal(r->fn->ops->config_write(r->fn, 4, 2, val), 0);
}

static void host_open(struct rig *r)
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

static int setup(void **state)
{
	struct rig *r = calloc(1, sizeof(*r));
	struct gw_endpoint *ep;
	char opts[128];
	int fd;

	assert_non_null(r);
	strcpy(r->path, "/tmp/gangway-nvme-XXXXXX");
	fd = mkstemp(r->path);
	assert_true(fd >= 0);
	close(fd);
	snprintf(opts, sizeof(opts), "file=%s,size=16M", r->path);
	r->sink.sink.fire = fire;
	r->sink.fd = eventfd(0, EFD_NONBLOCK);
	r->mem = aligned_alloc(GRANULE, MEM);
	assert_non_null(r->mem);
	assert_int_equal(gw_sim_new(NULL, &r->sim), 0);
	assert_int_equal(gw_nvme_type.make(opts, NULL, &ep), 0);
	assert_int_equal(gw_sim_add(r->sim, ep, NULL, 1, 0, 0), 0);
	host_open(r);
	*state = r;
	return 0;
}

static int teardown(void **state)
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

static void move(struct rig *r, uint8_t op, unsigned int block, uint32_t off)
{
	run(r, 1, (struct nvme_sqe){ .opcode = op, .nsid = 1, .prp1 = iova(r, off), .cdw10 = block,
				     .cdw12 = 7 });
}

static void data_goes_through_the_dart(void **state)
{
	struct rig *r = *state;
	unsigned int i;

	enable(r);
	for (i = 0; i < 300; i++) {
		memset(r->mem + DATA, (int)i, 4096);
		move(r, NVME_IO_WRITE, 8 * i, DATA);
		move(r, NVME_IO_READ, 8 * i, DATA + 4096);
		assert_memory_equal(r->mem + DATA, r->mem + DATA + 4096, 4096);
	}
}

/* A virtual function of a GPU beside the disk. */
static struct gw_function *open_gpu(struct rig *r, struct gw_function **pf, struct gpu_card **card)
{
	struct gw_endpoint *ep;
	struct gw_function *vf;
	struct gpu_options o;

	assert_int_equal(gw_gpu_options_parse("vram=16M,share=2M,pieces=4", NULL, &o), 0);
	assert_int_equal(gw_gpu_card_new(&o, NULL, card), 0);
	assert_int_equal(gw_gpu_pf_new(*card, &ep), 0);
	assert_int_equal(gw_sim_add(r->sim, ep, NULL, 2, 0, 0), 0);
	assert_int_equal(r->host->ops->open(r->host, "02:00.0", pf), 0);
	assert_int_equal((*pf)->ops->config_write(*pf, 0x150, 2, 1), 0);
	assert_int_equal((*pf)->ops->config_write(*pf, 0x148, 2, 9), 0);
	assert_int_equal(r->host->ops->open(r->host, "02:10.0", &vf), 0);
	assert_int_equal(vf->ops->config_write(vf, 4, 2, 2), 0);
	return vf;
}

/* From VRAM to the disk and back to another place in it; the two are in different pieces. */
static void the_disk_reads_and_writes_a_gpus_memory(void **state)
{
	struct rig *r = *state;
	struct gw_function *pf, *vf;
	struct gw_memory mem = { 0 };
	struct gpu_share share;
	struct gpu_card *card;
	struct gw_bar_map bar;
	struct gw_mapping map;
	uint64_t skip, to;
	uint8_t seen[4096];

	vf = open_gpu(r, &pf, &card);
	assert_int_equal(vf->ops->bar_map(vf, GPU_BAR_MEMORY, &bar), 0);
	skip = -(uintptr_t)bar.addr % GRANULE;
	mem.addr = (uint8_t *)bar.addr + skip;
	assert_int_equal(r->fn->ops->dma_map(r->fn, &mem, 1536 * 1024, NULL, &map), 0);
	enable(r);
	memset(mem.addr, 0x3c, 4096);
	run(r, 1, (struct nvme_sqe){ .opcode = NVME_IO_WRITE, .nsid = 1, .cdw12 = 7,
				     .prp1 = map.seg[0].iova.v });
	to = 1024 * 1024;
	run(r, 1, (struct nvme_sqe){ .opcode = NVME_IO_READ, .nsid = 1, .cdw12 = 7,
				     .prp1 = map.seg[0].iova.v + to });
	/* the third of four pieces of 512 KiB */
	gw_gpu_share(card, 0, &share);
	assert_int_equal(gw_gpu_read(card, (gw_vram){ share.extent[2].at.v + skip }, seen, 4096),
			 0);
	for (unsigned int i = 0; i < sizeof(seen); i++)
		assert_int_equal(seen[i], 0x3c);
	assert_int_equal(r->fn->ops->dma_unmap(r->fn, map.handle), 0);
	vf->ops->bar_unmap(vf, GPU_BAR_MEMORY);
	vf->ops->close(vf);
	pf->ops->close(pf);
	gw_gpu_card_put(card);
}

static void shadow_doorbells_do_not_hold_their_mapping(void **state)
{
	struct rig *r = *state;
	struct gw_memory mem = { .addr = r->mem };
	unsigned int i;

	for (i = 0; i < 10; i++) {
		enable(r);
		memset(r->mem + 0x10000, 0, 8192);
		run(r, 0, (struct nvme_sqe){ .opcode = NVME_ADM_DOORBELL_BUFFER,
					     .prp1 = iova(r, 0x10000), .prp2 = iova(r, 0x11000) });
		command_register(r, 2);
		assert_int_equal(r->fn->ops->dma_unmap(r->fn, r->map.handle), 0);
		assert_int_equal(r->fn->ops->dma_map(r->fn, &mem, MEM, NULL, &r->map), 0);
		assert_int_equal(r->fn->ops->reset(r->fn), 0);
		await_csts(r, 0);
		command_register(r, 6);
	}
}

static void a_host_reset_under_load_leaves_it_usable(void **state)
{
	struct rig *r = *state;
	unsigned int i, k;

	for (i = 0; i < 20; i++) {
		enable(r);
		for (k = 0; k < 60; k++) {
			struct nvme_sqe e = { .opcode = k % 2 ? NVME_IO_READ : NVME_IO_WRITE,
					      .nsid = 1, .prp1 = iova(r, DATA + 4096 * k),
					      .cdw10 = 8 * k, .cdw12 = 7 };

			memcpy(r->mem + 0x4000 + 64 * k, &e, sizeof(e));
		}
		set(r, NVME_REG_DOORBELLS + 8, 4, 60);
		assert_int_equal(r->fn->ops->reset(r->fn), 0);
		await_csts(r, 0);
		command_register(r, 6);
	}
	enable(r);
	move(r, NVME_IO_READ, 0, DATA);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(data_goes_through_the_dart, setup, teardown),
		cmocka_unit_test_setup_teardown(the_disk_reads_and_writes_a_gpus_memory, setup,
						teardown),
		cmocka_unit_test_setup_teardown(shadow_doorbells_do_not_hold_their_mapping, setup,
						teardown),
		cmocka_unit_test_setup_teardown(a_host_reset_under_load_leaves_it_usable, setup,
						teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
