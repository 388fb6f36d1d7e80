/* SPDX-License-Identifier: BSD-3-Clause */
#define RIG_MORE ",cmb=1M"
#include "nvme_sim_rig.h"

#include <errno.h>
#include <sys/mman.h>
#include <unistd.h>

#include <gangway/share.h>

/* The controller memory buffer: by the controller itself, by another function, and shared. */

#define BUFFER	(1u << 20)
#define BASE	0x5000000000ull		/* where the guest sees the BAR */

static uint64_t reg(struct rig *r, uint32_t off, unsigned int width)
{
	uint64_t val;

	assert_int_equal(r->fn->ops->reg_read(r->fn, 0, (gw_bar_off){ off }, width, &val), 0);
	return val;
}

static uint8_t *buffer(struct rig *r, int *fd)
{
	struct gw_bar_map map;

	assert_int_equal(r->fn->ops->bar_map(r->fn, NVME_BAR_CMB, &map), 0);
	assert_int_equal(map.size, BUFFER);
	r->fn->ops->bar_unmap(r->fn, NVME_BAR_CMB);
	if (fd)
		*fd = map.fd;
	return map.addr;
}

/* The buffer at an address that the host maps: its granule is larger than a page here. */
static uint8_t *buffer_aligned(struct rig *r)
{
	uint8_t *at = mmap(NULL, BUFFER + GRANULE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	int fd;

	assert_ptr_not_equal(at, MAP_FAILED);
	at += -(uintptr_t)at % GRANULE;
	buffer(r, &fd);
	assert_ptr_equal(mmap(at, BUFFER, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, fd, 0), at);
	return at;
}

/* As Linux does. */
static void use_buffer(struct rig *r)
{
	enable(r);
	set(r, NVME_REG_CMBMSC, 8, BASE | NVME_CMBMSC_CRE | NVME_CMBMSC_CMSE);
}

static struct nvme_sqe there(uint8_t op, unsigned int block, uint64_t at)
{
	return (struct nvme_sqe){ .opcode = op, .nsid = 1, .prp1 = at, .cdw10 = block, .cdw12 = 7 };
}

static void it_is_told_of_once_it_is_asked_for(void **state)
{
	struct rig *r = *state;

	assert_true(reg(r, 0, 8) & NVME_CAP_CMBS);
	assert_int_equal(reg(r, NVME_REG_CMBSZ, 4), 0);
	set(r, NVME_REG_CMBMSC, 4, NVME_CMBMSC_CRE);
	assert_int_equal(reg(r, NVME_REG_CMBSZ, 4), 3 << 3 | 256 << 12);	/* reads and writes; 4 KiB */
	assert_int_equal(reg(r, NVME_REG_CMBLOC, 4), NVME_BAR_CMB);
	set(r, NVME_REG_CMBMSC + 4, 4, 0x50);
	assert_int_equal(reg(r, NVME_REG_CMBMSC, 8), BASE | NVME_CMBMSC_CRE);
}

static void commands_move_data_in_and_out_of_it_without_dma(void **state)
{
	struct rig *r = *state;
	uint8_t *mem = buffer(r, NULL);
	struct gw_sim_stats before, after;

	use_buffer(r);
	memset(mem + 0x3000, 0x5a, 4096);
	gw_sim_stats(r->sim, &before);
	run(r, 1, there(NVME_IO_WRITE, 0, BASE + 0x3000));
	run(r, 1, there(NVME_IO_READ, 0, BASE + BUFFER - 4096));
	run(r, 1, there(NVME_IO_COMPARE, 0, BASE + 0x3000));
	gw_sim_stats(r->sim, &after);
	assert_memory_equal(mem + 0x3000, mem + BUFFER - 4096, 4096);
	assert_true(after.dma_read_bytes - before.dma_read_bytes < 4096);	/* commands alone */
	move(r, NVME_IO_READ, 0, DATA);
	assert_int_equal(r->mem[DATA + 4095], 0x5a);
}

/* Before the host has said where it is, and beyond its end, such an address is the bus's. */
static void what_is_not_in_it_is_not_reached(void **state)
{
	static const uint64_t outside[] = { BASE - 4096, BASE + BUFFER, BASE + BUFFER - 2048 };
	struct rig *r = *state;

	assert_null(gw_nvme_cmb_at(to_nvme(r->ep), (gw_iova){ BASE }, 1));
	use_buffer(r);
	assert_non_null(gw_nvme_cmb_at(to_nvme(r->ep), (gw_iova){ BASE }, BUFFER));
	for (unsigned int i = 0; i < ARRAY_SIZE(outside); i++)
		assert_null(gw_nvme_cmb_at(to_nvme(r->ep), (gw_iova){ outside[i] }, 4096));
	assert_null(gw_nvme_cmb_at(to_nvme(r->ep), (gw_iova){ BASE + 4096 }, SIZE_MAX));
	set(r, NVME_REG_CMBMSC, 4, NVME_CMBMSC_CRE);
	assert_null(gw_nvme_cmb_at(to_nvme(r->ep), (gw_iova){ BASE }, 1));
}

static void a_reset_leaves_nothing_in_it(void **state)
{
	struct rig *r = *state;
	uint8_t *mem = buffer(r, NULL);

	use_buffer(r);
	mem[0] = mem[BUFFER - 1] = 0xee;
	assert_int_equal(r->fn->ops->reset(r->fn), 0);
	assert_int_equal(mem[0] | mem[BUFFER - 1], 0);
	assert_int_equal(reg(r, NVME_REG_CMBMSC, 8), 0);
	assert_null(gw_nvme_cmb_at(to_nvme(r->ep), (gw_iova){ BASE }, 1));
	command_register(r, 6);
}

/* A second disk reads from its file into the first one's buffer, which writes it to its own. */
static void another_disk_reads_into_it(void **state)
{
	struct rig *r = *state, other = { .sim = r->sim, .mem = r->mem, .sink = r->sink };
	struct gw_memory ram = { .addr = r->mem }, mem = { .addr = buffer_aligned(r) };
	struct gw_mapping map;
	char opts[128];

	strcpy(other.path, "/tmp/gangway-nvme-XXXXXX");
	close(mkstemp(other.path));
	snprintf(opts, sizeof(opts), "file=%s,size=1M", other.path);
	assert_int_equal(gw_nvme_type.make(opts, NULL, &other.ep), 0);
	assert_int_equal(gw_sim_add(r->sim, other.ep, NULL, 2, 0, 0), 0);
	assert_int_equal(r->host->ops->open(r->host, "02:00.0", &other.fn), 0);
	assert_int_equal(other.fn->ops->dma_map(other.fn, &ram, MEM, NULL, &other.map), 0);
	assert_int_equal(other.fn->ops->dma_map(other.fn, &mem, BUFFER, NULL, &map), 0);
	assert_int_equal(other.fn->ops->irq_setup(other.fn, &other.sink.sink, &(unsigned int){ 0 }), 0);
	command_register(&other, 6);
	enable(&other);
	memset(r->mem + DATA, 0x69, 4096);
	move(&other, NVME_IO_WRITE, 0, DATA);
	run(&other, 1, there(NVME_IO_READ, 0, map.seg[0].iova.v + 0x8000));
	other.fn->ops->close(other.fn);
	use_buffer(r);
	run(r, 1, there(NVME_IO_WRITE, 64, BASE + 0x8000));
	move(r, NVME_IO_READ, 64, 2 * DATA);
	assert_memory_equal(r->mem + 2 * DATA, r->mem + DATA, 4096);
	munmap(mem.addr, BUFFER);
	unlink(other.path);
}

/* What holds the function offers the buffer. */
struct backing {
	struct gw_backing backing;
	int fd;
};

static int file(struct gw_backing *b, unsigned int bar, const struct gw_bar_ranges *ranges, int *fd,
		unsigned int *what, struct gw_file_ranges *out, char reason[GW_SHARE_REASON])
{
	assert_int_equal(bar, NVME_BAR_CMB);
	*fd = dup(container_of(b, struct backing, backing)->fd);
	*what = GW_SHARE_FILE_MEMORY;
	return gw_file_ranges_add(out, (gw_file_off){ 0 }, BUFFER);
}

static const struct gw_backing_ops backing_ops = { .file = file };

static void let_go(struct gw_importer *imp, struct gw_attachment *a, enum gw_share_why why)
{
	gw_attachment_unmap(a);
}

static void stop(struct gw_importer *imp, struct gw_attachment *a)
{
}

static void it_is_exported_and_a_process_sees_what_the_disk_has_read(void **state)
{
	static const struct gw_importer_ops ops = { .invalidate = let_go, .quiesce = stop };
	const struct gw_share_accept accept = { .kind = &gw_share_memfd, .data = { GW_SHARE_FILE_MEMORY } };
	struct gw_importer imp = { .ops = &ops, .accept = &accept, .nr_accept = 1 };
	const struct gw_bar_range whole = { .size = BUFFER };
	struct rig *r = *state;
	struct backing b = { .backing.ops = &backing_ops };
	struct gw_exporter_options opt = { .vm = "work", .bar_size[NVME_BAR_CMB] = BUFFER,
					   .backing = &b.backing };
	const struct gw_file_payload *payload;
	struct gw_attachment *a;
	struct gw_exporter *x;
	struct gw_export *e;
	uint8_t seen[4096];

	buffer(r, &b.fd);
	use_buffer(r);
	memset(r->mem + DATA, 0x2d, 4096);
	move(r, NVME_IO_WRITE, 0, DATA);
	run(r, 1, there(NVME_IO_READ, 0, BASE + 0x10000));
	assert_int_equal(gw_exporter_new(&opt, &x), 0);
	assert_int_equal(gw_export_new(x, NVME_BAR_CMB, &whole, 1, &e), 0);
	assert_int_equal(gw_attach(e, &imp, &a, NULL), 0);
	assert_int_equal(gw_attachment_map(a), 0);
	payload = gw_attachment_payload(a, &gw_share_memfd);
	assert_int_equal(pread(payload->fd, seen, sizeof(seen), 0x10000), sizeof(seen));
	assert_memory_equal(seen, r->mem + DATA, sizeof(seen));
	assert_int_equal(gw_exporter_revoke(x), 0);
	gw_attachment_detach(a);
	gw_export_free(e);
	gw_exporter_free(x);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(it_is_told_of_once_it_is_asked_for),
		T(commands_move_data_in_and_out_of_it_without_dma),
		T(what_is_not_in_it_is_not_reached),
		T(a_reset_leaves_nothing_in_it),
		T(another_disk_reads_into_it),
		T(it_is_exported_and_a_process_sees_what_the_disk_has_read),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
