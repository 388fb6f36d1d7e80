/* SPDX-License-Identifier: BSD-3-Clause */
#include "vu.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "vfio_user/wire.h"

/* A driver for one NVMe disk (NVMe 1.4): an admin queue, and one for I/O with MSI-X vector 1. */

#define NVME_CC		0x14u
#define NVME_CSTS	0x1cu
#define NVME_AQA	0x24u
#define NVME_ASQ	0x28u
#define NVME_ACQ	0x30u
#define NVME_DOORBELL	0x1000u
#define DEPTH		16u
#define PAGE		4096u

struct queue {
	uint8_t *sq, *cq;
	unsigned int id, tail, head;
	uint8_t phase;
};

struct nvme {
	struct vu *v;
	struct memory m;
	struct queue admin, io;
	int event;
	int request;
};

struct command {
	uint8_t opcode, flags;
	uint16_t cid;
	uint32_t nsid, rsvd[4];
	uint64_t prp1, prp2;
	uint32_t dw[6];
};

/* pages of the memory: queues, then data */
enum { PAGE_ASQ, PAGE_ACQ, PAGE_SQ, PAGE_CQ, PAGE_DATA };

static uint64_t page_iova(const struct nvme *n, unsigned int page)
{
	return n->m.iova + (uint64_t)page * PAGE;
}

static void submit(struct nvme *n, struct queue *q, struct command *c)
{
	memcpy(q->sq + q->tail * sizeof(*c), c, sizeof(*c));
	q->tail = (q->tail + 1) % DEPTH;
	__sync_synchronize();
	vu_write32(n->v, 0, NVME_DOORBELL + 8 * q->id, q->tail);
}

/* Return: the status; -1 none came. */
static int complete(struct nvme *n, struct queue *q, int ms)
{
	volatile uint16_t *status = (volatile uint16_t *)(q->cq + q->head * 16 + 14);
	int val;

	for (int i = 0; (*status & 1) == !q->phase; i++) {
		if (i * 2 > ms)
			return -1;
		usleep(2000);
	}
	__sync_synchronize();
	val = *status >> 1;
	q->head = (q->head + 1) % DEPTH;
	if (!q->head)
		q->phase ^= 1;
	vu_write32(n->v, 0, NVME_DOORBELL + 8 * q->id + 4, q->head);
	return val;
}

static void run(struct nvme *n, struct queue *q, struct command *c, const char *what)
{
	int status;

	submit(n, q, c);
	status = complete(n, q, 10000);
	must(!status, "nvme: %s: status %#x", what, status);
}

static void queue_init(struct nvme *n, struct queue *q, unsigned int id, unsigned int page)
{
	*q = (struct queue){ .sq = n->m.addr + page * PAGE, .cq = n->m.addr + (page + 1) * PAGE,
			     .id = id, .phase = 1 };
	memset(q->sq, 0, 2 * PAGE);
}

static void wait_ready(struct nvme *n, uint32_t ready)
{
	for (int i = 0; (vu_read32(n->v, 0, NVME_CSTS) & 1) != ready; i++) {
		must(i < 500, "nvme: not ready (%u): CSTS %#x", ready, vu_read32(n->v, 0, NVME_CSTS));
		usleep(10000);
	}
}

static void enable(struct nvme *n)
{
	vu_start(n->v);
	vu_write32(n->v, 0, NVME_CC, 0);
	wait_ready(n, 0);
	queue_init(n, &n->admin, 0, PAGE_ASQ);
	vu_write32(n->v, 0, NVME_AQA, (DEPTH - 1) << 16 | (DEPTH - 1));
	vu_write64(n->v, 0, NVME_ASQ, page_iova(n, PAGE_ASQ));
	vu_write64(n->v, 0, NVME_ACQ, page_iova(n, PAGE_ACQ));
	vu_write32(n->v, 0, NVME_CC, 4u << 20 | 6u << 16 | 1);
	wait_ready(n, 1);
}

static void identify(struct nvme *n, const char *serial)
{
	struct command c = { .opcode = 6, .prp1 = page_iova(n, PAGE_DATA), .dw = { 1 } };

	run(n, &n->admin, &c, "identify");
	must(!strncmp((char *)n->m.addr + PAGE_DATA * PAGE + 4, serial, strlen(serial)),
	     "nvme: serial %.20s", (char *)n->m.addr + PAGE_DATA * PAGE + 4);
}

static void io_queues(struct nvme *n)
{
	struct command cq = { .opcode = 5, .prp1 = page_iova(n, PAGE_CQ),
			      .dw = { (DEPTH - 1) << 16 | 1, 1u << 16 | 3 } };
	struct command sq = { .opcode = 1, .prp1 = page_iova(n, PAGE_SQ),
			      .dw = { (DEPTH - 1) << 16 | 1, 1u << 16 | 1 } };

	queue_init(n, &n->io, 1, PAGE_SQ);
	run(n, &n->admin, &cq, "create CQ");
	run(n, &n->admin, &sq, "create SQ");
}

/* 8 blocks of 512 bytes are a page. */
static void transfer(struct nvme *n, uint8_t opcode, uint32_t lba, unsigned int page)
{
	struct command c = { .opcode = opcode, .nsid = 1, .prp1 = page_iova(n, page),
			     .dw = { lba, 0, 7 } };

	run(n, &n->io, &c, opcode == 1 ? "write" : "read");
}

static void open_disk(struct nvme *n, struct vu *v, const char *serial)
{
	*n = (struct nvme){ .v = v };
	memory_new(v, &n->m, 0x40000000, 64 * PAGE);
	n->request = event_new(v, GW_IRQ_REQ, 0);
	n->event = event_new(v, GW_IRQ_MSIX, 1);
	enable(n);
	identify(n, serial);
	io_queues(n);
}

static void write_and_read(struct nvme *n, uint32_t seed)
{
	uint8_t *data = n->m.addr + PAGE_DATA * PAGE;

	for (unsigned int i = 0; i < 16; i++) {
		pattern_fill(data + i * PAGE, PAGE, seed + i);
		transfer(n, 1, 8 * i, PAGE_DATA + i);
		must(event_wait(n->event, 10000), "nvme: no MSI-X");
	}
	memset(data, 0, 16 * PAGE);
	for (unsigned int i = 0; i < 16; i++) {
		transfer(n, 2, 8 * i, PAGE_DATA + i);
		must(event_wait(n->event, 10000), "nvme: no MSI-X");
		must(pattern_is(data + i * PAGE, PAGE, seed + i), "nvme: page %u is not what was "
		     "written", i);
	}
}

/* SERIAL SEED: verify, reset, and verify again. */
int nvme_test(struct vu *v, int argc, char **argv)
{
	struct nvme n;

	must(argc == 2, "nvme wants a serial number and a seed");
	open_disk(&n, v, argv[0]);
	write_and_read(&n, (uint32_t)atoi(argv[1]));
	must(!vu_reset(v), "nvme: reset");
	must(!(vu_read32(v, GW_REGION_CONFIG, 4) & 4), "nvme: bus mastering is on after a reset");
	n.event = event_new(v, GW_IRQ_MSIX, 1);
	enable(&n);
	identify(&n, argv[0]);
	io_queues(&n);
	write_and_read(&n, (uint32_t)atoi(argv[1]) + 100);
	say("nvme: DMA by content, MSI-X, reset");
	return 0;
}

/* SERIAL polite|stubborn: load without end, until the function or the server has gone. */
int nvme_load(struct vu *v, int argc, char **argv)
{
	struct nvme n;
	bool polite;

	must(argc == 2, "load wants a serial number, and polite or stubborn");
	polite = !strcmp(argv[1], "polite");
	open_disk(&n, v, argv[0]);
	v->quiet = true;
	say("load: begins");
	for (uint32_t i = 0;; i = (i + 1) % 4096) {
		struct command c = { .opcode = 2, .nsid = 1, .prp1 = page_iova(&n, PAGE_DATA),
				     .dw = { i * 8, 0, 7 } };
		uint32_t id;
		int ret = vu_read(v, GW_REGION_CONFIG, 0, &id, sizeof(id));

		if (ret || id == UINT32_MAX) {
			say("load: %s", ret ? "the server has gone" : "the function has gone");
			return 0;
		}
		if (polite && event_wait(n.request, 0)) {
			say("load: asked to let go, and does");
			return 0;
		}
		submit(&n, &n.io, &c);
		complete(&n, &n.io, 1000);
		event_wait(n.event, 0);
	}
}
