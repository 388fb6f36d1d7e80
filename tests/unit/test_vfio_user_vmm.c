/* SPDX-License-Identifier: BSD-3-Clause */
/* What QEMU 11.1 and Cloud Hypervisor send, message by message, as it was seen on the wire. */
#include "vfio_user_peer.h"

#define CFG	GW_REGION_CONFIG

static uint32_t config_read(struct peer *p, uint64_t off, uint32_t len)
{
	struct { uint64_t off; uint32_t region, count; uint8_t data[4096]; } m = { off, CFG, len };
	uint32_t v = 0;

	assert_int_equal(call(p, GW_VU_REGION_READ, &m, 16, &m, 16 + len), 0);
	memcpy(&v, m.data, len < 4 ? len : 4);
	return v;
}

static void config_write(struct peer *p, uint64_t off, uint32_t len, uint32_t v)
{
	struct { uint64_t off; uint32_t region, count, v; } m = { off, CFG, len, v };

	assert_int_equal(call(p, GW_VU_REGION_WRITE, &m, 16 + len, &m, 16), 0);
}

static void irqs(struct peer *p, uint32_t index, uint32_t flags, uint32_t start, uint32_t count,
		 int fd)
{
	uint32_t in[5] = { 20, flags, index, start, count };

	assert_int_equal(call_fds(p, GW_VU_SET_IRQS, in, 20, NULL, 0, &fd, fd >= 0), 0);
}

static void irq_info(struct peer *p, uint32_t index, uint32_t count)
{
	uint32_t v[4] = { 16, 0, index, 0 };

	assert_int_equal(call(p, GW_VU_GET_IRQ_INFO, v, 16, v, 16), 0);
	assert_int_equal(v[3], count);
}

static void region_info(struct peer *p, uint32_t index)
{
	uint32_t v[44] = { 32, 0, index };
	struct hdr h;
	int fd;

	for (;;) {
		send_msg(p, GW_VU_GET_REGION_INFO, 0, v, 32, NULL, 0);
		assert_true(recv_msg_fd(p->sock, &h, v, sizeof(v), &fd));
		assert_int_equal(h.err, 0);
		if (fd >= 0)
			close(fd);
		if (v[0] + sizeof(h) <= h.size)
			return;
		v[1] = v[3] = 0;	/* once more, with room for all */
	}
}

static uint16_t dma_map(struct peer *p, uint64_t iova, uint64_t size, uint64_t off, uint32_t flags,
			int fd)
{
	struct { uint32_t argsz, flags; uint64_t off, iova, size; } m = { 32, flags, off, iova,
									  size };

	return send_msg(p, GW_VU_DMA_MAP, 0, &m, sizeof(m), &fd, fd >= 0);
}

static int dma_unmap(struct peer *p, uint64_t iova, uint64_t size)
{
	struct { uint32_t argsz, flags; uint64_t iova, size; } m = { 24, 0, iova, size };

	return call(p, GW_VU_DMA_UNMAP, &m, sizeof(m), &m, sizeof(m));
}

static void arm_intx(struct peer *p, int ev)
{
	config_read(p, 0x3d, 1);
	irqs(p, 0, 0x24, 0, 1, ev);
	irqs(p, 0, 0x09, 0, 1, -1);
	irqs(p, 0, 0x14, 0, 1, ev);
	irqs(p, 0, 0x11, 0, 1, -1);
}

static void reset(struct peer *p, int ev)
{
	irqs(p, 0, 0x21, 0, 0, -1);
	config_write(p, 4, 2, config_read(p, 4, 2) & ~0x407u);
	config_read(p, 0x44, 2);
	assert_int_equal(call(p, GW_VU_RESET, NULL, 0, NULL, 0), 0);
	arm_intx(p, ev);
	for (uint64_t bar = 0x10; bar <= 0x24; bar += 4)
		config_write(p, bar, 4, 0);
}

static void realize(struct peer *p, int ev)
{
	static const uint32_t regions[] = { 0, 1, 2, 3, 4, 5, 7 };
	static const uint64_t iova[] = { 0, 0xc0000, 0xe0000, 0x100000, 0xfffc0000 };
	static const uint64_t size[] = { 0xc0000, 0x20000, 0x20000, 0x1ff00000, 0x40000 };
	uint16_t id[5];

	peer_meet(p);
	/* all maps are on their way before the first reply is looked at */
	for (unsigned int i = 0; i < 5; i++)
		id[i] = i % 3 ? dma_map(p, iova[i], size[i], 0, 1, -1) :
				dma_map(p, iova[i], size[i], iova[i], 3, p->bar2_fd);
	for (unsigned int i = 0; i < 5; i++)
		assert_int_equal(expect(p, id[i], GW_VU_DMA_MAP, NULL, 0), 0);
	assert_in_sync(p);
	for (unsigned int i = 0; i < ARRAY_SIZE(regions); i++)
		region_info(p, regions[i]);
	irq_info(p, 3, 1);
	config_read(p, 0, 4096);
	config_read(p, 0x30, 4);
	config_write(p, 0x30, 4, 0xfffff800);
	config_read(p, 0x30, 4);
	config_write(p, 0x30, 4, 0);
	config_read(p, 0x10, 4);
	config_read(p, 0x18, 4);
	config_read(p, 0x20, 4);
	config_read(p, 0x52, 2);
	config_read(p, 0x54, 4);
	config_read(p, 0x58, 4);
	irq_info(p, 2, PEER_VECTORS);
	config_read(p, 0x3d, 1);
	arm_intx(p, ev);
	irqs(p, 3, 0x24, 0, 1, ev);
	reset(p, ev);
}

#define ARM_INTX "read 7 3d 1\nirq 0 trigger eventfd 0+1 fds\nirq 0 mask none 0+1\n" \
	"irq 0 unmask eventfd 0+1 fds\nirq 0 unmask none 0+1\n"
#define RESET "irq 0 trigger none 0+0\nread 7 4 2\nwrite 7 4 2 2018\nread 7 44 2\nreset\n" \
	ARM_INTX \
	"write 7 10 4 0\nwrite 7 14 4 0\nwrite 7 18 4 0\nwrite 7 1c 4 0\nwrite 7 20 4 0\n" \
	"write 7 24 4 0\n"
#define MAPS "map 0 c0000 off 0 prot 3 fd file\nmap c0000 20000 off 0 prot 1\n" \
	"map e0000 20000 off 0 prot 1\nmap 100000 1ff00000 off 100000 prot 3 fd file\n" \
	"map fffc0000 40000 off 0 prot 1\n"
#define REALIZE "attach\n" MAPS "read 7 0 1000\nread 7 30 4\nwrite 7 30 4 fffff800\n" \
	"read 7 30 4\nwrite 7 30 4 0\nread 7 10 4\nread 7 18 4\nread 7 20 4\n" \
	"read 7 52 2\nread 7 54 4\nread 7 58 4\nread 7 3d 1\n" \
	ARM_INTX "irq 3 trigger eventfd 0+1 fds\n" RESET

static void qemu_realizes_the_device(void **state)
{
	struct peer *p = *state;
	int ev = eventfd(0, EFD_CLOEXEC);

	p->config[4] = 0x1f;
	p->config[5] = 0x24;
	realize(p, ev);
	assert_trace(p, REALIZE);
	close(ev);
}

static void qemu_resets_with_msix_on(void **state)
{
	struct peer *p = *state;
	int ev = eventfd(0, EFD_CLOEXEC), ev2 = eventfd(0, EFD_CLOEXEC);

	p->config[4] = 0x1f;
	p->config[5] = 0x24;
	realize(p, ev);
	forget(p, p->trace);
	/* the guest turns MSI-X on, one vector after the other, and one is replaced */
	irqs(p, 0, 0x21, 0, 0, -1);
	irqs(p, 2, 0x24, 0, 1, -1);
	irqs(p, 2, 0x24, 0, 1, ev);
	irqs(p, 2, 0x24, 1, 1, ev);
	irqs(p, 2, 0x24, 1, 1, ev2);
	irqs(p, 2, 0x21, 0, 0, -1);
	p->config[4] = 0x1f;
	p->config[5] = 0x24;
	reset(p, ev);
	assert_trace(p, "irq 0 trigger none 0+0\nirq 2 trigger eventfd 0+1\n"
			"irq 2 trigger eventfd 0+1 fds\nirq 2 trigger eventfd 1+1 fds\n"
			"irq 2 trigger eventfd 1+1 fds\nirq 2 trigger none 0+0\n" RESET);
	close(ev);
	close(ev2);
}

static void qemu_unplugs_and_plugs_again(void **state)
{
	struct peer *p = *state;
	int ev = eventfd(0, EFD_CLOEXEC);
	unsigned int before = 0;

	for (unsigned int i = 0; i < 3; i++) {
		p->config[4] = 0x1f;
		p->config[5] = 0x24;
		realize(p, ev);
		if (!i)
			before = count_fds();
		assert_fds(before);
		irqs(p, 3, 0x24, 0, 1, -1);
		irqs(p, 0, 0x21, 0, 0, -1);
		assert_int_equal(dma_unmap(p, 0, 0xc0000), 0);
		assert_int_equal(dma_unmap(p, 0x100000, 0x1ff00000), 0);
		peer_hang_up(p);
		wait_text(p, p->trace, "detach\n");
		assert_trace(p, REALIZE "irq 3 trigger eventfd 0+1\nirq 0 trigger none 0+0\n"
				"unmap 0-bffff\nunmap 100000-1fffffff\ndetach\n");
	}
	close(ev);
}

static void qemu_is_killed_and_the_next_one_comes(void **state)
{
	struct peer *p = *state;
	int ev = eventfd(0, EFD_CLOEXEC);

	for (unsigned int i = 0; i < 3; i++) {
		p->config[4] = 0x1f;
		p->config[5] = 0x24;
		realize(p, ev);
		assert_trace(p, REALIZE);
		/* in the middle of a write */
		assert_true(send_raw(p->sock, "\1\0\12\0\44\0\0\0\0", 9, NULL, 0));
		peer_hang_up(p);
		wait_detached(p, i + 1);
		assert_trace(p, "detach\n");
	}
	close(ev);
}

/* Firmware opens and closes segments of low memory: maps come and go by the dozen. */
static void qemus_firmware_remaps_in_a_storm(void **state)
{
	static const uint64_t start[] = { 0, 0xc0000, 0xe0000, 0x100000 };
	struct peer *p = *state;
	unsigned int before;

	peer_meet(p);
	before = count_fds();
	for (unsigned int round = 0; round < 25; round++) {
		uint16_t id[4];

		for (unsigned int i = 0; i < 4; i++)
			id[i] = dma_map(p, start[i], 0x20000, 0, i == 1 ? 1 : 3,
					i == 2 ? -1 : p->bar2_fd);
		for (unsigned int i = 0; i < 4; i++)
			assert_int_equal(expect(p, id[i], GW_VU_DMA_MAP, NULL, 0), 0);
		for (unsigned int i = 0; i < 4; i++)
			assert_int_equal(dma_unmap(p, start[i], 0x20000), 0);
		assert_trace(p, round ? "map 0 20000 off 0 prot 3 fd file\n"
				"map c0000 20000 off 0 prot 1 fd file\n"
				"map e0000 20000 off 0 prot 3\n"
				"map 100000 20000 off 0 prot 3 fd file\n"
				"unmap 0-1ffff\nunmap c0000-dffff\nunmap e0000-fffff\n"
				"unmap 100000-11ffff\n" :
				"attach\nmap 0 20000 off 0 prot 3 fd file\n"
				"map c0000 20000 off 0 prot 1 fd file\n"
				"map e0000 20000 off 0 prot 3\n"
				"map 100000 20000 off 0 prot 3 fd file\n"
				"unmap 0-1ffff\nunmap c0000-dffff\nunmap e0000-fffff\n"
				"unmap 100000-11ffff\n");
	}
	assert_in_sync(p);
	assert_fds(before);
}

static void cloud_hypervisor_brings_up_the_device(void **state)
{
	static const char json[] = "{\"capabilities\":{\"max_msg_fds\":1,"
		"\"max_data_xfer_size\":1048576,\"migration\":{\"pgsize\":4096}}}";
	uint8_t in[4 + sizeof(json)] = { 0, 0, 1, 0 }, out[128];
	uint32_t info[4] = { 32 }, set[5] = { 20, 0x24, 2, 0, 32 };
	struct peer *p = *state;
	int fds[32], ev = eventfd(0, EFD_CLOEXEC);
	struct hdr h;

	memcpy(in + 4, json, sizeof(json));
	p->sock = peer_connect(p->path);
	send_msg(p, GW_VU_VERSION, 0, in, sizeof(in), NULL, 0);
	assert_true(recv_msg(p, &h, out, sizeof(out)));
	assert_int_equal(h.err, 0);
	assert_memory_equal(out, "\0\0\0\0", 4);
	assert_non_null(strstr((char *)out + 4, "{\"capabilities\":{"));
	assert_int_equal(call(p, GW_VU_GET_INFO, info, 16, info, 16), 0);
	for (uint32_t i = 0; i < 9; i++)
		region_info(p, i);
	irq_info(p, 0, 1);
	irq_info(p, 1, 0);
	irq_info(p, 2, PEER_VECTORS);
	assert_int_equal(expect(p, dma_map(p, 0, 0x20000000, 0, 3, p->bar2_fd), GW_VU_DMA_MAP,
				NULL, 0), 0);
	for (unsigned int i = 0; i < 32; i++)
		fds[i] = ev;
	assert_int_equal(call_fds(p, GW_VU_SET_IRQS, set, 20, NULL, 0, fds, 32), 0);
	assert_int_equal(dma_unmap(p, 0, 0x20000000), 0);
	assert_trace(p, "attach\nmap 0 20000000 off 0 prot 3 fd file\n"
			"irq 2 trigger eventfd 0+32 fds\nunmap 0-1fffffff\n");
	close(ev);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		listening_test(qemu_realizes_the_device),
		listening_test(qemu_resets_with_msix_on),
		listening_test(qemu_unplugs_and_plugs_again),
		listening_test(qemu_is_killed_and_the_next_one_comes),
		listening_test(qemus_firmware_remaps_in_a_storm),
		listening_test(cloud_hypervisor_brings_up_the_device),
	};

	return cmocka_run_group_tests_name("vfio_user_vmm", tests, NULL, NULL);
}
