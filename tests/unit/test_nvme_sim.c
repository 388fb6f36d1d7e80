/* SPDX-License-Identifier: BSD-3-Clause */
#include "nvme_sim_rig.h"

#include "devices/gpu/pf.h"

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
