/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/reader.h"
#include "devices/nvme/nvme.h"

/*
 * The command path of the NVMe endpoint, with a host that does what the input says. The input is
 * a list of records, each a kind and what it needs:
 *
 *   0  an admin command: 64 bytes, put in the queue and rung
 *   1  an I/O command of queue 1, likewise
 *   2  bytes into memory: u32 offset, u8 length, the bytes
 *   3  a register write: u16 offset, u32 value, u8 width
 *   4  bus mastering off and on
 *   5  controller reset, enable, queue 1 made again
 *   6  memory unmapped, or mapped again
 *   7  memory only by copies, or by pins again
 *   8  function reset
 *
 * Addresses in a command (PRPs) whose top byte is zero are taken as offsets into memory.
 */
#define IOVA	0x40000000ull
#define MEM	(1u << 20)
#define ENTRIES	16u

struct gw_endpoint_bus {
	pthread_mutex_t lock;
	uint8_t mem[MEM] __attribute__((aligned(4096)));
	_Atomic bool master, mapped, remote;
};

static struct gw_endpoint_bus bus = { .lock = PTHREAD_MUTEX_INITIALIZER };
static struct gw_endpoint *ep;
static uint32_t tail[2];

static uint8_t *reach(gw_iova iova, size_t len)
{
	uint64_t off = iova.v - IOVA;

	return iova.v >= IOVA && off < MEM && len <= MEM - off && bus.mapped ? bus.mem + off : NULL;
}

static int copy(gw_iova iova, void *buf, size_t len, bool write)
{
	uint8_t *at = reach(iova, len);

	if (!bus.master)
		return -EPERM;
	if (!at)
		return -EFAULT;
	if (write)
		memcpy(at, buf, len);
	else
		memcpy(buf, at, len);
	return 0;
}

int gw_endpoint_dma_read(struct gw_endpoint *e, gw_iova iova, void *buf, size_t len)
{
	return copy(iova, buf, len, false);
}

int gw_endpoint_dma_write(struct gw_endpoint *e, gw_iova iova, const void *buf, size_t len)
{
	return copy(iova, (void *)(uintptr_t)buf, len, true);
}

int gw_endpoint_pin(struct gw_endpoint *e, gw_iova iova, size_t len, enum gw_dma_dir dir,
		    struct gw_endpoint_pin *pin)
{
	uint8_t *at = reach(iova, len);

	if (!bus.master)
		return -EPERM;
	if (bus.remote)
		return -EOPNOTSUPP;
	if (!at)
		return -EFAULT;
	pin->iov[0] = (struct iovec){ at, len };
	pin->nr_iov = 1;
	return 0;
}

void gw_endpoint_unpin(struct gw_endpoint *e, struct gw_endpoint_pin *pin)
{
}

void gw_endpoint_io_failed(struct gw_endpoint *e)
{
}

void gw_endpoint_irq(struct gw_endpoint *e, unsigned int v)
{
}

void *gw_endpoint_bar_mem(struct gw_endpoint *e, unsigned int bar)
{
	return NULL;
}

static void set(uint32_t off, unsigned int width, uint64_t val)
{
	ep->ops->bar_write(ep, 0, (gw_bar_off){ off }, width, val);
}

/* The worker has been round once between the two. */
static void settle(void)
{
	if (!bus.master)
		return;
	ep->ops->resume(ep);
	ep->ops->resume(ep);
}

static void master(bool on)
{
	if (!on)
		ep->ops->quiesce(ep);
	bus.master = on;
	if (on)
		ep->ops->resume(ep);
}

static void command(unsigned int q, struct nvme_sqe *e)
{
	if (!(e->prp1 >> 56))
		e->prp1 = IOVA + (e->prp1 & (MEM - 1));
	if (!(e->prp2 >> 56) && !(e->flags >> 6))
		e->prp2 = IOVA + (e->prp2 & (MEM - 1));
	memcpy(bus.mem + 0x4000 * q + 64 * tail[q], e, sizeof(*e));
	tail[q] = (tail[q] + 1) % ENTRIES;
	set(NVME_REG_DOORBELLS + 8 * q, 4, tail[q]);
	/* all that was posted is taken: the head follows the tail */
	settle();
	set(NVME_REG_DOORBELLS + 8 * q + 4, 4, tail[q]);
}

static void enable(void)
{
	struct nvme_sqe cq = { .opcode = NVME_ADM_CREATE_CQ, .prp1 = 0x6000,
			       .cdw10 = 1 | (ENTRIES - 1) << 16, .cdw11 = 3 | 1 << 16 };
	struct nvme_sqe sq = { .opcode = NVME_ADM_CREATE_SQ, .prp1 = 0x4000,
			       .cdw10 = 1 | (ENTRIES - 1) << 16, .cdw11 = 1 | 1 << 16 };

	set(NVME_REG_CC, 4, 0);
	settle();
	tail[0] = tail[1] = 0;
	set(NVME_REG_AQA, 4, (ENTRIES - 1) | (ENTRIES - 1) << 16);
	set(NVME_REG_ASQ, 8, IOVA);
	set(NVME_REG_ACQ, 8, IOVA + 0x2000);
	set(NVME_REG_CC, 4, NVME_CC_EN | 6 << 16 | 4 << 20);
	settle();
	command(0, &cq);
	command(0, &sq);
}

static void function_reset(void)
{
	master(false);
	ep->ops->reset(ep);
	master(true);
}

static bool record(struct gw_reader *in)
{
	struct nvme_sqe e;
	uint32_t at, val;
	uint16_t off;
	uint8_t kind, n;

	if (!gw_reader_take(in, &kind, 1))
		return false;
	switch (kind % 9) {
	case 0:
	case 1:
		if (!gw_reader_take(in, &e, sizeof(e)))
			return false;
		command(kind % 9, &e);
		return true;
	case 2:
		if (!gw_reader_u32(in, &at) || !gw_reader_take(in, &n, 1))
			return false;
		return gw_reader_take(in, bus.mem + (at & (MEM - 1) & ~255u), n);
	case 3:
		if (!gw_reader_u16(in, &off) || !gw_reader_u32(in, &val) ||
		    !gw_reader_take(in, &n, 1))
			return false;
		n = (uint8_t)(1u << (n & 3));
		set(off % NVME_BAR_SIZE & ~(n - 1u), n, val);
		settle();
		return true;
	case 4:
		master(false);
		master(true);
		return true;
	case 5:
		enable();
		return true;
	case 6:
		master(false);	/* as unregistering waits for what is under way */
		bus.mapped = !bus.mapped;
		master(true);
		return true;
	case 7:
		bus.remote = !bus.remote;
		return true;
	}
	function_reset();
	return true;
}

static void start(void)
{
	char opts[64];
	int fd = memfd_create("disk", MFD_CLOEXEC);

	snprintf(opts, sizeof(opts), "file=/proc/self/fd/%d,size=1M,poll=0,serial=1", fd);
	if (fd < 0 || gw_nvme_type.make(opts, NULL, &ep))
		abort();
	close(fd);
	ep->bus = &bus;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct gw_reader in = gw_reader_init(data, size);

	if (!ep)
		start();
	memset(bus.mem, 0, 0x20000);
	bus.mapped = true;
	bus.remote = false;
	function_reset();
	enable();
	while (record(&in))
		;
	return 0;
}
