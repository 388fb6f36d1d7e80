/* SPDX-License-Identifier: BSD-3-Clause */
#include "vu.h"

#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "vfio_user/wire.h"

#define MAX_BODY	4096u

struct header {
	uint16_t id, cmd;
	uint32_t size, flags, error;
};

void say(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vprintf(fmt, ap);
	va_end(ap);
	putchar('\n');
	fflush(stdout);
}

void fail(const char *fmt, ...)
{
	va_list ap;

	fputs("client: ", stderr);
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fputc('\n', stderr);
	exit(1);
}

static bool send_all(struct vu *v, struct header *h, const void *body, uint32_t len,
		     const int *fds, unsigned int nr_fds)
{
	union { struct cmsghdr head; char room[CMSG_SPACE(16 * sizeof(int))]; } control;
	struct iovec iov[2] = { { h, sizeof(*h) }, { (void *)(uintptr_t)body, len } };
	struct msghdr msg = { .msg_iov = iov, .msg_iovlen = 2 };

	if (nr_fds) {
		msg.msg_control = &control;
		msg.msg_controllen = CMSG_SPACE(nr_fds * sizeof(int));
		control.head.cmsg_level = SOL_SOCKET;
		control.head.cmsg_type = SCM_RIGHTS;
		control.head.cmsg_len = CMSG_LEN(nr_fds * sizeof(int));
		memcpy(CMSG_DATA(&control.head), fds, nr_fds * sizeof(int));
	}
	return sendmsg(v->sock, &msg, MSG_NOSIGNAL) == (ssize_t)(sizeof(*h) + len);
}

/* The header, and the descriptor that may come with it. */
static bool receive_header(struct vu *v, struct header *h)
{
	union { struct cmsghdr head; char room[CMSG_SPACE(sizeof(int))]; } control;
	struct iovec iov = { h, sizeof(*h) };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = &control,
			      .msg_controllen = sizeof(control) };

	if (recvmsg(v->sock, &msg, MSG_WAITALL | MSG_CMSG_CLOEXEC) != sizeof(*h))
		return false;
	if (CMSG_FIRSTHDR(&msg))
		memcpy(&v->fd, CMSG_DATA(CMSG_FIRSTHDR(&msg)), sizeof(v->fd));
	return true;
}

static bool receive(struct vu *v, void *buf, size_t len)
{
	return !len || recv(v->sock, buf, len, MSG_WAITALL) == (ssize_t)len;
}

/* One command and its reply; *@len is the room in @reply, and then what came. */
static int call(struct vu *v, uint16_t cmd, const void *body, uint32_t body_len, const int *fds,
		unsigned int nr_fds, void *reply, uint32_t *len)
{
	struct header h = { ++v->id, cmd, (uint32_t)sizeof(h) + body_len, 0, 0 }, r;
	uint32_t got;

	if (!send_all(v, &h, body, body_len, fds, nr_fds) || !receive_header(v, &r))
		return EPIPE;
	got = r.size - (uint32_t)sizeof(r);
	must(r.id == h.id && got <= *len, "a reply of %u bytes to message %u", r.size, r.id);
	if (!receive(v, reply, got))
		return EPIPE;
	*len = got;
	return r.flags & GW_VU_ERROR ? (int)r.error : 0;
}

void vu_connect(struct vu *v, const char *path)
{
	struct { uint16_t major, minor; char json[128]; } version = { 0, 1, "" };
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	char reply[MAX_BODY];
	uint32_t len = sizeof(reply);

	*v = (struct vu){ .fd = -1, .sock = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0) };
	snprintf(a.sun_path, sizeof(a.sun_path), "%s", path);
	must(!connect(v->sock, (struct sockaddr *)&a, sizeof(a)), "%s: %s", path, strerror(errno));
	strcpy(version.json, "{\"capabilities\":{\"max_msg_fds\":8}}");
	must(!call(v, GW_VU_VERSION, &version, (uint32_t)(4 + strlen(version.json) + 1), NULL, 0,
		   reply, &len), "the server refuses the version");
}

int vu_dma_map(struct vu *v, int fd, uint64_t off, uint64_t iova, uint64_t size, uint32_t prot)
{
	struct { uint32_t argsz, flags; uint64_t off, iova, size; } m = {
		sizeof(m), prot, off, iova, size };
	uint32_t len = 0;

	return call(v, GW_VU_DMA_MAP, &m, sizeof(m), &fd, 1, NULL, &len);
}

int vu_dma_unmap(struct vu *v, uint64_t iova, uint64_t size)
{
	struct { uint32_t argsz, flags; uint64_t iova, size; } m = { sizeof(m), 0, iova, size };
	char reply[64];
	uint32_t len = sizeof(reply);

	return call(v, GW_VU_DMA_UNMAP, &m, sizeof(m), NULL, 0, reply, &len);
}

struct access { uint64_t off; uint32_t region, len; uint8_t data[MAX_BODY]; };

int vu_read(struct vu *v, unsigned int region, uint64_t off, void *buf, uint32_t size)
{
	struct access a = { off, region, size, { 0 } };
	uint32_t len = sizeof(a);
	int ret = call(v, GW_VU_REGION_READ, &a, 16, NULL, 0, &a, &len);

	memcpy(buf, a.data, size);
	return ret;
}

int vu_write(struct vu *v, unsigned int region, uint64_t off, const void *buf, uint32_t size)
{
	struct access a = { off, region, size, { 0 } };
	uint32_t len = sizeof(a);

	memcpy(a.data, buf, size);
	return call(v, GW_VU_REGION_WRITE, &a, 16 + size, NULL, 0, &a, &len);
}

int vu_irqs(struct vu *v, unsigned int index, uint32_t flags, uint32_t start, uint32_t nr,
	    const int *fds, unsigned int nr_fds)
{
	uint32_t m[5] = { sizeof(m), flags, index, start, nr }, len = 0;

	return call(v, GW_VU_SET_IRQS, m, sizeof(m), fds, nr_fds, NULL, &len);
}

int vu_reset(struct vu *v)
{
	uint32_t len = 0;

	return call(v, GW_VU_RESET, NULL, 0, NULL, 0, NULL, &len);
}

void vu_region(struct vu *v, unsigned int region, uint64_t *size, uint32_t *flags)
{
	struct { uint32_t argsz, flags, index, caps; uint64_t size, off; uint8_t more[256]; } m = {
		sizeof(m), 0, region, 0, 0, 0, { 0 } };
	uint32_t len = sizeof(m);
	int ret = call(v, GW_VU_GET_REGION_INFO, &m, 32, NULL, 0, &m, &len);

	must(!ret, "region %u: %s", region, strerror(ret));
	*size = m.size;
	*flags = m.flags;
}

void vu_irq_info(struct vu *v, unsigned int index, uint32_t *count, uint32_t *flags)
{
	uint32_t m[4] = { sizeof(m), 0, index, 0 }, len = sizeof(m);
	int ret = call(v, GW_VU_GET_IRQ_INFO, m, sizeof(m), NULL, 0, m, &len);

	must(!ret, "interrupt %u: %s", index, strerror(ret));
	*flags = m[1];
	*count = m[3];
}

static void checked(struct vu *v, int ret, const char *what, uint64_t off)
{
	must(!ret || v->quiet, "%s at %#llx: %s", what, (unsigned long long)off, strerror(ret));
}

uint32_t vu_read32(struct vu *v, unsigned int region, uint64_t off)
{
	uint32_t val = UINT32_MAX;

	checked(v, vu_read(v, region, off, &val, sizeof(val)), "read", off);
	return val;
}

uint64_t vu_read64(struct vu *v, unsigned int region, uint64_t off)
{
	uint64_t val = UINT64_MAX;

	checked(v, vu_read(v, region, off, &val, sizeof(val)), "read", off);
	return val;
}

void vu_write32(struct vu *v, unsigned int region, uint64_t off, uint32_t val)
{
	checked(v, vu_write(v, region, off, &val, sizeof(val)), "write", off);
}

void vu_write64(struct vu *v, unsigned int region, uint64_t off, uint64_t val)
{
	checked(v, vu_write(v, region, off, &val, sizeof(val)), "write", off);
}

void memory_new(struct vu *v, struct memory *m, uint64_t iova, uint64_t size)
{
	int ret;

	m->iova = iova;
	m->size = size;
	m->fd = memfd_create("guest", MFD_CLOEXEC);
	must(m->fd >= 0 && !ftruncate(m->fd, (off_t)size), "memory: %s", strerror(errno));
	m->addr = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, m->fd, 0);
	must(m->addr != MAP_FAILED, "memory: %s", strerror(errno));
	ret = vu_dma_map(v, m->fd, 0, iova, size, MAP_RW);
	must(!ret, "map %#llx: %s", (unsigned long long)iova, strerror(ret));
}

static uint32_t pattern_word(uint32_t seed, size_t i)
{
	uint64_t x = ((uint64_t)seed << 32 | i) * 0x9e3779b97f4a7c15ull;

	return (uint32_t)(x >> 32 ^ x >> 12);
}

void pattern_fill(uint8_t *p, size_t size, uint32_t seed)
{
	for (size_t i = 0; i < size; i += 4) {
		uint32_t w = pattern_word(seed, i);

		memcpy(p + i, &w, 4);
	}
}

bool pattern_is(const uint8_t *p, size_t size, uint32_t seed)
{
	for (size_t i = 0; i < size; i += 4) {
		uint32_t w = pattern_word(seed, i);

		if (memcmp(p + i, &w, 4))
			return false;
	}
	return true;
}

int event_new(struct vu *v, unsigned int index, unsigned int vector)
{
	int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK), ret;

	must(fd >= 0, "eventfd: %s", strerror(errno));
	ret = vu_irqs(v, index, GW_VU_IRQ_TRIGGER | GW_VU_IRQ_EVENTFD, vector, 1, &fd, 1);
	must(!ret, "eventfd of interrupt %u.%u: %s", index, vector, strerror(ret));
	return fd;
}

uint64_t event_wait(int fd, int ms)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };
	uint64_t n = 0;

	if (poll(&p, 1, ms) == 1 && read(fd, &n, sizeof(n)) != sizeof(n))
		n = 0;
	return n;
}

void vu_start(struct vu *v)
{
	const uint16_t command = 0x6;

	must(!vu_write(v, GW_REGION_CONFIG, 4, &command, sizeof(command)), "COMMAND");
}
