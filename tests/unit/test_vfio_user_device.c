/* SPDX-License-Identifier: BSD-3-Clause */
/* Regions, interrupts and DMA maps: what a client may ask of the device, and what not. */
#include "vfio_user_peer.h"

struct region_info {
	uint32_t argsz, flags, index, cap_offset;
	uint64_t size, offset;
	struct { uint16_t id, version; uint32_t next, nr, reserved; uint64_t area[4]; } cap;
} __attribute__((packed));

/* Ask with @argsz; returns the errno, or 0 with the reply of @len bytes and its descriptor. */
static int ask_region(struct peer *p, uint32_t index, uint32_t argsz, struct region_info *out,
		      size_t *len, int *fd)
{
	uint32_t in[8] = { argsz, 0, index };
	struct hdr h;

	send_msg(p, GW_VU_GET_REGION_INFO, 0, in, sizeof(in), NULL, 0);
	memset(out, 0, sizeof(*out));
	assert_true(recv_msg_fd(p->sock, &h, out, sizeof(*out), fd));
	*len = h.size - sizeof(h);
	return (int)h.err;
}

static void regions_that_are_not_there_have_no_size(void **state)
{
	struct peer *p = *state;
	struct region_info info;
	size_t len;
	int fd;

	for (uint32_t i = 0; i < 9; i++) {
		assert_int_equal(ask_region(p, i, 4096, &info, &len, &fd), 0);
		assert_int_equal(info.index, i);
		if (fd >= 0)
			close(fd);
		if (i != 0 && i != 2 && i != 4 && i != GW_REGION_CONFIG) {
			assert_int_equal(info.size, 0);
			assert_int_equal(info.flags, 0);
			assert_int_equal(len, 32);
			assert_int_equal(fd, -1);
		}
	}
	assert_int_equal(ask_region(p, 9, 4096, &info, &len, &fd), EINVAL);
	assert_int_equal(ask_region(p, UINT32_MAX, 4096, &info, &len, &fd), EINVAL);
	assert_int_equal(ask_region(p, 0, 31, &info, &len, &fd), EINVAL);
	assert_int_equal(ask_region(p, 0, 0, &info, &len, &fd), EINVAL);
	assert_in_sync(p);
}

static void sparse_areas_are_told_to_who_has_room_for_them(void **state)
{
	struct peer *p = *state;
	struct region_info info;
	struct stat a, b;
	size_t len;
	int fd;

	for (uint32_t argsz = 32; argsz < 80; argsz += 47) {
		assert_int_equal(ask_region(p, 2, argsz, &info, &len, &fd), 0);
		assert_int_equal(len, 32);
		assert_int_equal(info.argsz, 80);
		assert_int_equal(info.flags, 15);
		assert_int_equal(info.cap_offset, 32);	/* as QEMU wants it */
		assert_int_equal(fd, -1);
	}
	for (uint64_t argsz = 80; argsz <= UINT32_MAX; argsz = argsz * 2 + UINT32_MAX / 2) {
		assert_int_equal(ask_region(p, 2, (uint32_t)argsz, &info, &len, &fd), 0);
		assert_int_equal(len, 80);
		assert_int_equal(info.argsz, 80);
		assert_int_equal(info.flags, 15);
		assert_int_equal(info.cap_offset, 32);
		assert_int_equal(info.offset, 0x2000);
		assert_int_equal(info.cap.id, 1);
		assert_int_equal(info.cap.version, 1);
		assert_int_equal(info.cap.next, 0);
		assert_int_equal(info.cap.nr, 2);
		assert_int_equal(info.cap.area[0], 0x1000);
		assert_int_equal(info.cap.area[1], 0x3000);
		assert_int_equal(info.cap.area[2], 0x8000);
		assert_int_equal(info.cap.area[3], 0x1000);
		assert_int_equal(fstat(fd, &a), 0);
		assert_int_equal(fstat(p->bar2_fd, &b), 0);
		assert_int_equal(a.st_ino, b.st_ino);
		close(fd);
	}
}

/* There are clients that take no descriptor where no area is named. */
static void a_region_mapped_as_a_whole_is_one_area(void **state)
{
	struct peer *p = *state;
	struct region_info info;
	size_t len;
	int fd;

	p->bar2_whole = true;
	assert_int_equal(ask_region(p, 2, 32, &info, &len, &fd), 0);
	assert_int_equal(len, 32);
	assert_int_equal(info.argsz, 64);
	assert_int_equal(info.flags, 15);
	assert_int_equal(fd, -1);
	assert_int_equal(ask_region(p, 2, 64, &info, &len, &fd), 0);
	assert_int_equal(len, 64);
	assert_int_equal(info.cap.nr, 1);
	assert_int_equal(info.cap.area[0], 0);
	assert_int_equal(info.cap.area[1], PEER_BAR2);
	assert_true(fd >= 0);
	close(fd);
}

static void a_client_that_takes_no_descriptors_is_offered_no_mapping(void **state)
{
	struct peer *p = *state;
	struct region_info info;
	size_t len;
	int fd;

	p->sock = peer_connect(p->path);
	assert_int_equal(version(p, "{\"capabilities\":{\"max_msg_fds\":0}}"), 0);
	assert_int_equal(ask_region(p, 2, 32, &info, &len, &fd), 0);
	assert_int_equal(info.flags, 3);
	assert_int_equal(info.argsz, 32);
	assert_int_equal(fd, -1);
}

struct access {
	uint64_t off;
	uint32_t region, count;
	uint8_t data[24];
} __attribute__((packed));

static void accesses_outside_a_region_are_refused(void **state)
{
	static const struct { uint64_t off; uint32_t region, count; } bad[] = {
		{ 0, 0, 0 }, { PEER_BAR0, 0, 1 }, { PEER_BAR0 - 1, 0, 2 }, { UINT64_MAX, 0, 1 },
		{ UINT64_MAX, 0, UINT32_MAX }, { 8, 0, UINT32_MAX }, { 1, 0, PEER_BAR0 },
		{ 4096, 7, 1 }, { 4093, 7, 4 }, { 0, 1, 1 }, { 0, 6, 4 }, { 0, 8, 1 }, { 0, 9, 1 },
		{ 0, UINT32_MAX, 1 },
	};
	struct peer *p = *state;
	struct access a = { 0 };

	for (unsigned int i = 0; i < ARRAY_SIZE(bad); i++) {
		size_t data = bad[i].count < 8 ? bad[i].count : 8;

		memcpy(&a, &bad[i], 16);
		assert_int_equal(call(p, GW_VU_REGION_READ, &a, 16, NULL, 0),
				 bad[i].count > GW_VU_MAX_XFER ? E2BIG : EINVAL);
		assert_int_equal(call(p, GW_VU_REGION_WRITE, &a, 16 + data, NULL, 0),
				 data == bad[i].count ? EINVAL : EMSGSIZE);
	}
	/* what may only be read */
	a = (struct access){ .region = 4, .count = 4 };
	assert_int_equal(call(p, GW_VU_REGION_WRITE, &a, 20, NULL, 0), EINVAL);
	assert_trace(p, "");
	assert_in_sync(p);
}

static void a_write_carries_as_much_as_it_says(void **state)
{
	struct peer *p = *state;
	struct access a = { .count = 4 };

	assert_int_equal(call(p, GW_VU_REGION_WRITE, &a, 16 + 3, NULL, 0), EMSGSIZE);
	assert_int_equal(call(p, GW_VU_REGION_WRITE, &a, 16 + 5, NULL, 0), EMSGSIZE);
	assert_int_equal(call(p, GW_VU_REGION_WRITE, &a, 16, NULL, 0), EMSGSIZE);
	assert_trace(p, "");
}

static void accesses_of_every_width_pass_as_they_are(void **state)
{
	struct peer *p = *state;
	struct access a, out;

	for (uint32_t count = 1; count <= 8; count++) {
		char want[64];

		a = (struct access){ .off = 0x43, .region = GW_REGION_CONFIG, .count = count };
		assert_int_equal(call(p, GW_VU_REGION_READ, &a, 16, &out, 16 + count), 0);
		assert_memory_equal(&a, &out, 16);
		assert_memory_equal(out.data, p->config + 0x43, count);
		snprintf(want, sizeof(want), "read 7 43 %x\n", count);
		assert_trace(p, want);
		memset(a.data, 0xa0 + (int)count, 8);
		memset(&out, 0, sizeof(out));
		/* the whole 32 bytes: Cloud Hypervisor waits for them */
		assert_int_equal(call(p, GW_VU_REGION_WRITE, &a, 16 + count, &out, 16), 0);
		assert_memory_equal(&a, &out, 16);
		assert_memory_equal(p->config + 0x43, a.data, count);
		forget(p, p->trace);
	}
	p->fail = -EIO;
	assert_int_equal(call(p, GW_VU_REGION_READ, &a, 16, NULL, 0), EIO);
	p->fail = -EIO;
	assert_int_equal(call(p, GW_VU_REGION_WRITE, &a, 16 + 8, NULL, 0), EIO);
}

struct multi {
	uint64_t nr;
	struct { uint64_t off; uint32_t region, count; uint8_t data[8]; } w[201];
} __attribute__((packed));

static void writes_come_by_the_dozen(void **state)
{
	struct peer *p = *state;
	struct multi m = { .nr = 3 };
	uint64_t out;

	for (uint32_t i = 0; i < 3; i++) {
		m.w[i].off = 0x10 * i;
		m.w[i].count = 1u << i;
		memset(m.w[i].data, 0x11 * (int)(i + 1), 8);
	}
	send_msg(p, GW_VU_REGION_WRITE_MULTI, GW_VU_NO_REPLY, &m, 8 + 3 * 24, NULL, 0);
	assert_in_sync(p);
	assert_trace(p, "write 0 0 1 11\nwrite 0 10 2 2222\nwrite 0 20 4 33333333\n");
	assert_int_equal(call(p, GW_VU_REGION_WRITE_MULTI, &m, 8 + 3 * 24, &out, 8), 0);
	assert_int_equal(out, 3);
}

static void a_bad_write_among_many_leaves_all_undone(void **state)
{
	struct peer *p = *state;
	struct multi m = { .nr = 3 };
	static const struct { uint64_t off; uint32_t count; } bad[] = {
		{ 0, 9 }, { 0, 0 }, { PEER_BAR0 - 7, 8 }, { UINT64_MAX, 1 },
	};

	m.w[0].count = m.w[2].count = 4;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		m.w[1].off = bad[i].off;
		m.w[1].count = bad[i].count;
		assert_int_equal(call(p, GW_VU_REGION_WRITE_MULTI, &m, 8 + 3 * 24, NULL, 0),
				 EINVAL);
	}
	m.nr = 2;
	assert_int_equal(call(p, GW_VU_REGION_WRITE_MULTI, &m, 8 + 2 * 24 - 1, NULL, 0), EMSGSIZE);
	assert_int_equal(call(p, GW_VU_REGION_WRITE_MULTI, &m, 8 + 3 * 24, NULL, 0), EMSGSIZE);
	m.nr = 0;
	assert_int_equal(call(p, GW_VU_REGION_WRITE_MULTI, &m, 8, NULL, 0), EINVAL);
	m.nr = 201;
	assert_int_equal(call(p, GW_VU_REGION_WRITE_MULTI, &m, 8 + 200 * 24, NULL, 0), EINVAL);
	m.nr = UINT64_MAX / 24 + 2;	/* times 24 wraps to a small number */
	assert_int_equal(call(p, GW_VU_REGION_WRITE_MULTI, &m, 8 + 24, NULL, 0), EINVAL);
	assert_trace(p, "");
	assert_in_sync(p);
}

static void interrupts_are_described(void **state)
{
	static const uint32_t want[5][2] = { { 7, 1 }, { 0, 0 }, { 1, PEER_VECTORS }, { 1, 1 },
					     { 0, 0 } };
	struct peer *p = *state;
	uint32_t out[4];

	for (uint32_t i = 0; i < 5; i++) {
		uint32_t in[4] = { i % 2 ? 16 : 4096, 0, i, 0 };

		assert_int_equal(call(p, GW_VU_GET_IRQ_INFO, in, 16, out, 16), 0);
		assert_int_equal(out[0], 16);
		assert_int_equal(out[1], want[i][0]);
		assert_int_equal(out[2], i);
		assert_int_equal(out[3], want[i][1]);
	}
	for (unsigned int i = 0; i < 3; i++) {
		static const uint32_t bad[3][4] = { { 15, 0, 0 }, { 16, 0, 5 }, { 16, 0, ~0u } };

		assert_int_equal(call(p, GW_VU_GET_IRQ_INFO, bad[i], 16, NULL, 0), EINVAL);
	}
}

static int set_irqs(struct peer *p, uint32_t flags, uint32_t index, uint32_t start, uint32_t count,
		    const int *fds, unsigned int nr)
{
	uint32_t in[5] = { 20, flags, index, start, count };

	return call_fds(p, GW_VU_SET_IRQS, in, sizeof(in), NULL, 0, fds, nr);
}

static void interrupts_are_set_in_every_form(void **state)
{
	struct peer *p = *state;
	uint32_t in[6] = { 23, 0x22, 2, 5, 3, 0x00ff0001 };
	int fd[3];

	for (unsigned int i = 0; i < 3; i++)
		fd[i] = eventfd(0, EFD_CLOEXEC);
	assert_int_equal(set_irqs(p, 0x24, 0, 0, 1, fd, 1), 0);
	assert_int_equal(set_irqs(p, 0x09, 0, 0, 1, NULL, 0), 0);
	assert_int_equal(set_irqs(p, 0x14, 0, 0, 1, fd, 1), 0);
	assert_int_equal(set_irqs(p, 0x11, 0, 0, 1, NULL, 0), 0);
	assert_int_equal(set_irqs(p, 0x21, 0, 0, 0, NULL, 0), 0);
	assert_int_equal(set_irqs(p, 0x24, 2, 0, 1, NULL, 0), 0);
	assert_int_equal(set_irqs(p, 0x24, 2, 297, 3, fd, 3), 0);
	assert_int_equal(set_irqs(p, 0x24, 2, 298, 1, NULL, 0), 0);
	assert_int_equal(set_irqs(p, 0x24, 3, 0, 1, NULL, 0), 0);
	assert_int_equal(set_irqs(p, 0x21, 2, 7, 2, NULL, 0), 0);
	assert_int_equal(call(p, GW_VU_SET_IRQS, in, 23, NULL, 0), 0);
	assert_int_equal(set_irqs(p, 0x21, 2, 0, 0, NULL, 0), 0);
	assert_int_equal(set_irqs(p, 0x21, 1, 0, 0, NULL, 0), 0);
	assert_trace(p,
		     "irq 0 trigger eventfd 0+1 fds\n"
		     "irq 0 mask none 0+1\n"
		     "irq 0 unmask eventfd 0+1 fds\n"
		     "irq 0 unmask none 0+1\n"
		     "irq 0 trigger none 0+0\n"
		     "irq 2 trigger eventfd 0+1\n"
		     "irq 2 trigger eventfd 297+3 fds\n"
		     "irq 2 trigger eventfd 298+1\n"
		     "irq 3 trigger eventfd 0+1\n"
		     "irq 2 trigger none 7+2\n"
		     "irq 2 trigger bool 5+3 101\n"
		     "irq 2 trigger none 0+0\n"
		     "irq 1 trigger none 0+0\n");
	for (unsigned int i = 0; i < 3; i++)
		close(fd[i]);
}

static void an_eventfd_that_was_kept_is_the_clients_and_keeps_its_flags(void **state)
{
	struct peer *p = *state;
	int fds[253], fd = eventfd(0, EFD_CLOEXEC);
	unsigned int before;
	uint64_t n = UINT64_MAX - 1;

	for (unsigned int i = 0; i < 253; i++)
		fds[i] = fd;
	assert_in_sync(p);
	before = count_fds();
	assert_int_equal(set_irqs(p, 0x24, 2, 40, 253, fds, 253), 0);	/* unchunked, as by CH */
	assert_in_sync(p);
	assert_fds(before + 253);
	assert_false(fcntl(fd, F_GETFL) & O_NONBLOCK);
	pthread_mutex_lock(&p->lock);
	assert_int_equal(write(p->kept[292], &n, 8), 8);
	pthread_mutex_unlock(&p->lock);
	assert_int_equal(read(fd, &n, 8), 8);
	close(fd);
}

static void interrupts_that_cannot_be_are_refused(void **state)
{
	static const uint32_t bad[][5] = {	/* argsz, flags, index, start, count */
		{ 19, 0x21, 2, 0, 1 }, { 0, 0x21, 2, 0, 1 }, { 20, 0x21, 5, 0, 1 },
		{ 20, 0x21, UINT32_MAX, 0, 1 }, { 20, 0, 2, 0, 1 }, { 20, 0x20, 2, 0, 1 },
		{ 20, 0x01, 2, 0, 1 }, { 20, 0x25, 2, 0, 1 }, { 20, 0x31, 2, 0, 1 },
		{ 20, 0x61, 2, 0, 1 }, { 20, 0x80000021, 2, 0, 1 },
		{ 20, 0x21, 2, 0, PEER_VECTORS + 1 }, { 20, 0x21, 2, PEER_VECTORS, 1 },
		{ 20, 0x21, 2, 1, UINT32_MAX }, { 20, 0x21, 2, UINT32_MAX, 2 },
		{ 20, 0x21, 1, 0, 1 }, { 20, 0x21, 2, 1, 0 }, { 20, 0x24, 2, 0, 0 },
		{ 20, 0x22, 2, 0, 0 }, { 20, 0x09, 0, 0, 0 }, { 20, 0x11, 0, 0, 0 },
	};
	struct peer *p = *state;
	uint32_t in[6] = { 24, 0x22, 2, 0, 3, 0 };

	for (unsigned int i = 0; i < ARRAY_SIZE(bad); i++)
		assert_int_equal(call(p, GW_VU_SET_IRQS, bad[i], 20, NULL, 0), EINVAL);
	/* as many bools as vectors, and none with other kinds of data */
	assert_int_equal(call(p, GW_VU_SET_IRQS, in, 24, NULL, 0), EMSGSIZE);
	assert_int_equal(call(p, GW_VU_SET_IRQS, in, 22, NULL, 0), EMSGSIZE);
	in[4] = UINT32_MAX;
	assert_int_equal(call(p, GW_VU_SET_IRQS, in, 24, NULL, 0), EMSGSIZE);
	in[1] = 0x21;
	in[4] = 1;
	assert_int_equal(call(p, GW_VU_SET_IRQS, in, 24, NULL, 0), EMSGSIZE);
	assert_trace(p, "");
	assert_in_sync(p);
}

static void only_eventfds_are_taken_and_one_for_each_vector(void **state)
{
	struct peer *p = *state;
	int ev = eventfd(0, EFD_CLOEXEC), sv[2], pipes[2], null;
	unsigned int before;

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, sv), 0);
	assert_int_equal(pipe(pipes), 0);
	null = open("/dev/null", O_RDWR);
	assert_in_sync(p);
	before = count_fds();
	assert_int_equal(set_irqs(p, 0x24, 2, 0, 1, sv, 1), EINVAL);
	assert_int_equal(set_irqs(p, 0x24, 2, 0, 1, &pipes[1], 1), EINVAL);
	assert_int_equal(set_irqs(p, 0x24, 2, 0, 1, &null, 1), EINVAL);
	assert_int_equal(set_irqs(p, 0x24, 2, 0, 1, &p->bar2_fd, 1), EINVAL);
	assert_int_equal(set_irqs(p, 0x24, 2, 0, 2, (int[]){ ev, sv[0] }, 2), EINVAL);
	assert_int_equal(set_irqs(p, 0x24, 2, 0, 3, (int[]){ ev, ev }, 2), EINVAL);
	assert_int_equal(set_irqs(p, 0x24, 2, 0, 1, (int[]){ ev, ev }, 2), EINVAL);
	assert_in_sync(p);
	assert_fds(before);
	assert_trace(p, "");
	/* what the device refuses is closed too */
	p->fail = -ENOSPC;
	assert_int_equal(set_irqs(p, 0x24, 2, 0, 1, &ev, 1), ENOSPC);
	assert_in_sync(p);
	assert_fds(before);
	close(ev);
	close(sv[0]);
	close(sv[1]);
	close(pipes[0]);
	close(pipes[1]);
	close(null);
}

struct map { uint32_t argsz, flags; uint64_t off, iova, size; };

static int map(struct peer *p, struct map m, int fd)
{
	return call_fds(p, GW_VU_DMA_MAP, &m, sizeof(m), NULL, 0, &fd, fd >= 0);
}

static void maps_reach_the_device_with_or_without_a_file(void **state)
{
	const uint64_t top = 0 - 0x1000ull;
	struct peer *p = *state;
	unsigned int before;

	assert_in_sync(p);
	before = count_fds();
	assert_int_equal(map(p, (struct map){ 32, 3, 0x3000, 0, 0x20000000 }, p->bar2_fd), 0);
	assert_int_equal(map(p, (struct map){ 48, 1, 0, 0xfffc0000, 0x40000 }, -1), 0);
	assert_int_equal(map(p, (struct map){ 32, 2, 0, top, 0x1000 }, -1), 0);
	assert_int_equal(map(p, (struct map){ 32, 7, 0, 0x1000, 0x1000 }, p->bar2_fd), 0);
	assert_trace(p, "map 0 20000000 off 3000 prot 3 fd file\n"
			"map fffc0000 40000 off 0 prot 1\n"
			"map fffffffffffff000 1000 off 0 prot 2\n"
			"map 1000 1000 off 0 prot 3 fd file\n");
	p->fail = -EEXIST;
	assert_int_equal(map(p, (struct map){ 32, 3, 0, 0, 0x1000 }, p->bar2_fd), EEXIST);
	assert_in_sync(p);
	assert_fds(before);	/* the device duplicates what it keeps */
}

static void maps_that_cannot_be_are_refused(void **state)
{
	const uint64_t top = 0 - 0x1000ull;
	static const struct map bad[] = {	/* argsz, flags, off, iova, size */
		{ 31, 3, 0, 0, 0x1000 }, { 0, 3, 0, 0, 0x1000 }, { 32, 0, 0, 0, 0x1000 },
		{ 32, 4, 0, 0, 0x1000 }, { 32, 0xb, 0, 0, 0x1000 }, { 32, 0x80000003, 0, 0, 0x1000 },
		{ 32, 3, 0, 0, 0 }, { 32, 3, 0, 0, 0x1001 }, { 32, 3, 0, 0x10, 0x1000 },
		{ 32, 3, 0x10, 0, 0x1000 }, { 32, 3, 0, 0, 1 },
	};
	struct peer *p = *state;

	for (unsigned int i = 0; i < ARRAY_SIZE(bad); i++)
		assert_int_equal(map(p, bad[i], i % 2 ? p->bar2_fd : -1), EINVAL);
	assert_int_equal(map(p, (struct map){ 32, 3, 0, top, 0x2000 }, -1), EOVERFLOW);
	assert_int_equal(map(p, (struct map){ 32, 3, 0, 0x1000, top }, -1), 0);
	assert_int_equal(map(p, (struct map){ 32, 3, 0, 0x2000, top }, -1), EOVERFLOW);
	assert_int_equal(map(p, (struct map){ 32, 3, top, 0, 0x2000 }, p->bar2_fd), EOVERFLOW);
	assert_trace(p, "map 1000 fffffffffffff000 off 0 prot 3\n");
}

struct unmap { uint32_t argsz, flags; uint64_t iova, size, bitmap[2]; };

static void unmaps_of_any_range_are_answered_in_full(void **state)
{
	const uint64_t high = 0xfef00000;
	struct unmap u[] = {
		{ 24, 0, 0, 0x20000000 }, { 24, 0, high, 0 - high }, { 24, 0, 0, 1ull << 51 },
		{ 40, 0, 0x1000, 0x1000 }, { 24, 2, 0, 0 },
	};
	struct peer *p = *state;
	struct unmap out;

	for (unsigned int i = 0; i < ARRAY_SIZE(u); i++) {
		assert_int_equal(call(p, GW_VU_DMA_UNMAP, &u[i], 24, &out, 24), 0);
		assert_memory_equal(&u[i], &out, 24);
	}
	assert_trace(p, "unmap 0-1fffffff\nunmap fef00000-ffffffffffffffff\n"
			"unmap 0-7ffffffffffff\nunmap 1000-1fff\nunmap 0-ffffffffffffffff\n");
	p->fail = -EINVAL;
	assert_int_equal(call(p, GW_VU_DMA_UNMAP, &u[0], 24, NULL, 0), EINVAL);
}

static void unmaps_that_cannot_be_are_refused(void **state)
{
	static const struct { struct unmap u; size_t len; int err; } bad[] = {
		{ { 23, 0, 0, 0x1000 }, 24, EINVAL }, { { 24, 0, 0, 0 }, 24, EINVAL },
		{ { 24, 0, 1, 0x1000 }, 24, EINVAL }, { { 24, 0, 0, 0xfff }, 24, EINVAL },
		{ { 24, 2, 0, 0x1000 }, 24, EINVAL }, { { 24, 2, 0x1000, 0 }, 24, EINVAL },
		{ { 24, 4, 0, 0x1000 }, 24, EINVAL }, { { 40, 0, 0, 0x1000 }, 40, EINVAL },
		{ { 24, 0, 0x1000, 0 - 0x1000ull }, 24, 0 },
		{ { 24, 0, 0x2000, 0 - 0x1000ull }, 24, EOVERFLOW },
		{ { 40, 1, 0, 0x1000, { 4096, 8 } }, 40, EOPNOTSUPP },
		{ { 40, 1, 0, 0x1000 }, 24, EOPNOTSUPP },
	};
	struct peer *p = *state;
	struct unmap out;

	for (unsigned int i = 0; i < ARRAY_SIZE(bad); i++)
		assert_int_equal(call(p, GW_VU_DMA_UNMAP, &bad[i].u, bad[i].len, &out, 24),
				 bad[i].err);
	assert_trace(p, "unmap 1000-ffffffffffffffff\n");
	assert_in_sync(p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		met_test(regions_that_are_not_there_have_no_size),
		met_test(sparse_areas_are_told_to_who_has_room_for_them),
		met_test(a_region_mapped_as_a_whole_is_one_area),
		listening_test(a_client_that_takes_no_descriptors_is_offered_no_mapping),
		met_test(accesses_outside_a_region_are_refused),
		met_test(a_write_carries_as_much_as_it_says),
		met_test(accesses_of_every_width_pass_as_they_are),
		met_test(writes_come_by_the_dozen),
		met_test(a_bad_write_among_many_leaves_all_undone),
		met_test(interrupts_are_described),
		met_test(interrupts_are_set_in_every_form),
		met_test(an_eventfd_that_was_kept_is_the_clients_and_keeps_its_flags),
		met_test(interrupts_that_cannot_be_are_refused),
		met_test(only_eventfds_are_taken_and_one_for_each_vector),
		met_test(maps_reach_the_device_with_or_without_a_file),
		met_test(maps_that_cannot_be_are_refused),
		met_test(unmaps_of_any_range_are_answered_in_full),
		met_test(unmaps_that_cannot_be_are_refused),
	};

	return cmocka_run_group_tests_name("vfio_user_device", tests, NULL, NULL);
}
