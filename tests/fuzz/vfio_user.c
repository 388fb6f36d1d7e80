/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The vfio-user message path: framing, negotiation, dispatch, replies to our own requests. The
 * input is a list of sends:
 *
 *   byte 0      bit 0: begin with a good VERSION
 *   then, each  u8 control: bits 0-1 descriptors to attach, bit 2 they are eventfds, bit 3 raw
 *               raw:     u8 length, bytes, sent as they are
 *               message: u8 command, u8 flags, u16 length of body, body; the header is made here
 *
 * Besides what the sanitizers see, a descriptor that is left open is a fault.
 */
#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/reader.h"
#include "vfio_user/client.h"

static int mem_fd, event_fd;

static int attach(struct gw_device *d, struct gw_remote *remote, const struct gw_vmm *vmm)
{
	return 0;
}

static void detach(struct gw_device *d)
{
}

static void region_info(struct gw_device *d, unsigned int region, struct gw_region_info *info)
{
	*info = (struct gw_region_info){ .fd = -1 };
	if (region > 2 && region != GW_REGION_CONFIG)
		return;
	info->size = region == 1 ? 65536 : 4096;
	info->flags = region == 2 ? GW_REGION_F_READ : GW_REGION_F_READ | GW_REGION_F_WRITE;
	if (region == 1) {
		info->flags |= GW_REGION_F_MMAP;
		info->fd = mem_fd;
		info->nr_areas = 1;
		info->area[0].size = 4096;
	}
}

static int region_read(struct gw_device *d, unsigned int region, uint64_t off, void *buf,
		       size_t len)
{
	assert(len && len <= GW_VU_MAX_XFER);
	if (gw_device_check(d, region, GW_REGION_F_READ, off, len))
		return -EINVAL;
	memset(buf, 0x5a, len);
	return 0;
}

static int region_write(struct gw_device *d, unsigned int region, uint64_t off, const void *buf,
			size_t len)
{
	uint8_t sum = 0;

	assert(len && len <= GW_VU_MAX_XFER);
	if (gw_device_check(d, region, GW_REGION_F_WRITE, off, len))
		return -EINVAL;
	for (size_t i = 0; i < len; i++)
		sum ^= ((const uint8_t *)buf)[i];
	return sum == 0xee ? -EIO : 0;
}

static void irq_info(struct gw_device *d, enum gw_irq index, struct gw_irq_info *info)
{
	*info = (struct gw_irq_info){ index == GW_IRQ_MSIX ? 32 : index == GW_IRQ_INTX, 1 };
}

static int irq_set(struct gw_device *d, struct gw_irq_set *set)
{
	struct gw_irq_info info;

	irq_info(d, set->index, &info);
	assert(set->index < GW_NR_IRQS);
	if (set->start > info.count || set->count > info.count - set->start)
		return -EINVAL;
	for (uint32_t i = 0; set->bools && i < set->count; i++)
		if (set->bools[i] == 0xee)
			return -EIO;
	if (set->fds && set->count > 1) {	/* keep one, as a device may */
		close(set->fds[0]);
		set->fds[0] = -1;
	}
	return 0;
}

static int dma_map(struct gw_device *d, const struct gw_slice *s, int fd)
{
	assert(s->size && !((s->at.v | s->size | s->off) % GW_PAGE_SIZE));
	assert(s->at.v + (s->size - 1) >= s->at.v && s->prot);
	return 0;
}

static int dma_unmap(struct gw_device *d, gw_vmm_addr first, gw_vmm_addr last, uint64_t *bytes)
{
	assert(first.v <= last.v);
	*bytes = 0;
	return 0;
}

static int reset(struct gw_device *d)
{
	return 0;
}

static const struct gw_device_ops ops = {
	attach, detach, region_info, region_read, region_write, irq_info, irq_set, dma_map,
	dma_unmap, reset,
};

static bool send_bytes(int sock, const void *buf, size_t len, uint8_t control)
{
	_Alignas(struct cmsghdr) char space[CMSG_SPACE(3 * sizeof(int))] = { 0 };
	struct iovec iov = { .iov_base = (void *)buf, .iov_len = len };
	struct msghdr mh = { .msg_iov = &iov, .msg_iovlen = 1 };
	unsigned int nr = control & 3;
	int fd = control & 4 ? event_fd : mem_fd;
	struct cmsghdr *h;

	if (nr) {
		mh.msg_control = space;
		mh.msg_controllen = CMSG_SPACE(nr * sizeof(int));
		h = CMSG_FIRSTHDR(&mh);
		h->cmsg_level = SOL_SOCKET;
		h->cmsg_type = SCM_RIGHTS;
		h->cmsg_len = CMSG_LEN(nr * sizeof(int));
		for (unsigned int i = 0; i < nr; i++)
			memcpy(CMSG_DATA(h) + i * sizeof(int), &fd, sizeof(fd));
	}
	return sendmsg(sock, &mh, MSG_DONTWAIT | MSG_NOSIGNAL) == (ssize_t)len;
}

static bool send_message(int sock, uint8_t control, uint8_t cmd, uint8_t flags, const void *body,
			 uint16_t len)
{
	static uint8_t buf[GW_VU_HDR + 65535];
	uint32_t size = GW_VU_HDR + len;

	memset(buf, 0, GW_VU_HDR);
	buf[2] = cmd;
	memcpy(buf + 4, &size, 4);
	buf[8] = flags;
	memcpy(buf + GW_VU_HDR, body, len);
	return send_bytes(sock, buf, size, control);
}

static bool send_next(int sock, struct gw_reader *in)
{
	uint8_t control, head[2];
	const uint8_t *body;
	uint16_t len = 0;

	if (!gw_reader_take(in, &control, 1))
		return false;
	if (control & 8) {
		if (!gw_reader_take(in, &len, 1))
			return false;
		body = gw_reader_skip(in, len);
		return body && len && send_bytes(sock, body, len, control);
	}
	if (!gw_reader_take(in, head, 2) || !gw_reader_u16(in, &len))
		return false;
	if (len > gw_reader_left(in))
		len = (uint16_t)gw_reader_left(in);
	body = gw_reader_skip(in, len);
	return send_message(sock, control, head[0], head[1], body, len);
}

static int lowest_free(void)
{
	int fd = dup(mem_fd);

	close(fd);
	return fd;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct gw_reader in = gw_reader_init(data, size);
	struct gw_device dev = { .ops = &ops };
	struct gw_call calls[2];
	uint8_t options, buf[32];
	struct gw_client c;
	int sv[2], before;

	if (!mem_fd) {
		mem_fd = memfd_create("fuzz", MFD_CLOEXEC);
		event_fd = eventfd(0, EFD_CLOEXEC);
	}
	if (!gw_reader_take(&in, &options, 1))
		return 0;
	before = lowest_free();
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sv))
		abort();
	if (options & 1)
		send_message(sv[0], 0, GW_VU_VERSION, 0, "\0\0\0\0{}", 7);
	while (send_next(sv[0], &in))
		;
	shutdown(sv[0], SHUT_WR);
	if (gw_client_init(&c, &dev, 0, NULL) || gw_client_open(&c, sv[1]))
		abort();
	/* two requests of ours that the input may answer */
	for (unsigned int i = 0; i < 2; i++) {
		calls[i] = (struct gw_call){ .id = 0, .addr = 0x1000, .buf = buf, .len = 32,
					     .cmd = i ? GW_VU_DMA_WRITE : GW_VU_DMA_READ };
		LIST_INSERT_HEAD(&c.calls, &calls[i], link);
	}
	gw_client_serve(&c);
	LIST_INIT(&c.calls);
	gw_client_end(&c);
	gw_client_fini(&c);
	close(sv[0]);
	assert(lowest_free() == before);
	return 0;
}
