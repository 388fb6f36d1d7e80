/* SPDX-License-Identifier: BSD-3-Clause */
#include "igb.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "vfio_user/wire.h"
#include "vu.h"

/*
 * Two virtual functions of an Intel 82576 send each other frames through the controller's own
 * switch. Each has memory of its own, at the same addresses: if the IOMMU took one for the other,
 * frames would turn up in the wrong one. The physical function is driven by igb-pf.
 */

/* Registers of a virtual function (82576 data sheet, 8.26). */
#define CTRL		0x0000u
#define CTRL_RST	(1u << 26)
#define STATUS		0x0008u
#define VMBMEM		0x0800u
#define V2PMAILBOX	0x0c40u
#define V2P_REQ		(1u << 0)
#define V2P_ACK		(1u << 1)
#define V2P_VFU		(1u << 2)
#define V2P_PFSTS	(1u << 4)	/* read to clear, as PFACK */
#define EICS		0x1520u
#define EIMS		0x1524u
#define EIAC		0x152cu
#define IVAR0		0x1700u
#define IVAR_VALID	0x80u
#define RX(reg)		(0x2800u + (reg))
#define TX(reg)		(0x3800u + (reg))
#define DBAL		0x00u
#define DBAH		0x04u
#define DLEN		0x08u
#define SRRCTL		0x0cu		/* RX only */
#define SRRCTL_2K	2u		/* size of a buffer */
#define SRRCTL_ADVANCED	(1u << 25)
#define DH		0x10u
#define DT		0x18u
#define DCTL		0x28u

/* Advanced descriptors, as the driver writes them (82576 data sheet, 7.1 and 7.2). */
struct desc {
	uint64_t addr;			/* of the buffer */
	uint32_t lo, hi;
};

#define TX_DATA		(3u << 20 | 1u << 29)
#define TX_EOP		(1u << 24)
#define TX_IFCS		(1u << 25)
#define TX_RS		(1u << 27)
#define TX_PAYLEN	14
#define TX_DONE		1u		/* in @hi */
#define RX_DONE		1u		/* in @lo, as it is written back */
#define RX_EOP		2u

#define NR_DESC		8u
#define RX_RING		0x0000u
#define TX_RING		0x1000u
#define TX_BUFFER	0x2000u
#define RX_BUFFERS	0x4000u
#define BUFFER		2048u
#define MEMORY		0x10000u
#define IOVA		0x40000000u
#define UNTOUCHED	0x55
#define RX_VECTOR	1u
#define TX_VECTOR	2u

/* One virtual function. */
struct vf {
	struct vu *v;
	struct memory m;
	uint8_t mac[6];
	int event[3];
	unsigned int rx, tx;		/* descriptors used so far */
};

/* Send a message to the physical function's driver, and take the answer. */
static void mailbox(struct vf *f, uint32_t msg[3])
{
	const uint32_t type = msg[0];
	unsigned int tries = 0;

	do {
		must(tries++ < 100, "the mailbox is not to be had");
		vu_write32(f->v, 0, V2PMAILBOX, V2P_VFU);
	} while (!(vu_read32(f->v, 0, V2PMAILBOX) & V2P_VFU));
	for (unsigned int i = 0; i < 3; i++)
		vu_write32(f->v, 0, VMBMEM + 4 * i, msg[i]);
	vu_write32(f->v, 0, V2PMAILBOX, V2P_REQ);
	for (tries = 0; !(vu_read32(f->v, 0, V2PMAILBOX) & V2P_PFSTS); tries++) {
		must(tries < 3000, "no answer to message %u", type);
		usleep(10000);
	}
	for (unsigned int i = 0; i < 3; i++)
		msg[i] = vu_read32(f->v, 0, VMBMEM + 4 * i);
	vu_write32(f->v, 0, V2PMAILBOX, V2P_ACK);
	must((msg[0] & IGB_MSG_TYPE) == type, "the answer to message %u is %#x", type, msg[0]);
}

/* As a driver begins: reset, and ask for the address. */
static void greet(struct vf *f)
{
	uint32_t msg[3] = { IGB_MSG_RESET };

	vu_start(f->v);
	vu_write32(f->v, 0, CTRL, CTRL_RST);
	mailbox(f, msg);
	must(msg[0] & IGB_MSG_ACK, "no leave to go on: %#x", msg[0]);
	memcpy(f->mac, &msg[1], 4);
	memcpy(f->mac + 4, &msg[2], 2);
	msg[0] = 0x77;
	mailbox(f, msg);
	must(msg[0] & IGB_MSG_NACK, "a message that there is not was taken");
}

static void interrupts(struct vf *f)
{
	uint32_t count, flags;

	vu_irq_info(f->v, GW_IRQ_MSIX, &count, &flags);
	must(count == 3, "it has %u vectors", count);
	for (unsigned int i = 0; i < 3; i++)
		f->event[i] = event_new(f->v, GW_IRQ_MSIX, i);
	vu_write32(f->v, 0, EIAC, 7);
	vu_write32(f->v, 0, EIMS, 7);
	for (unsigned int i = 0; i < 3; i++) {
		vu_write32(f->v, 0, EICS, 1u << i);
		must(event_wait(f->event[i], 5000), "no MSI-X %u", i);
	}
	vu_write32(f->v, 0, IVAR0, (IVAR_VALID | TX_VECTOR) << 8 | IVAR_VALID | RX_VECTOR);
}

static void put(struct vf *f, uint32_t ring, unsigned int i, const struct desc *d)
{
	memcpy(f->m.addr + ring + i * sizeof(*d), d, sizeof(*d));
}

static struct desc get(const struct vf *f, uint32_t ring, unsigned int i)
{
	struct desc d;

	__sync_synchronize();
	memcpy(&d, f->m.addr + ring + i * sizeof(d), sizeof(d));
	return d;
}

static void ring_start(struct vf *f, uint32_t regs, uint32_t ring, uint32_t tail)
{
	vu_write32(f->v, 0, regs + DBAL, IOVA + ring);
	vu_write32(f->v, 0, regs + DBAH, 0);
	vu_write32(f->v, 0, regs + DLEN, NR_DESC * sizeof(struct desc));
	vu_write32(f->v, 0, regs + DH, 0);
	vu_write32(f->v, 0, regs + DT, 0);
	vu_write32(f->v, 0, regs + DCTL, IGB_QUEUE_ENABLE);
	vu_write32(f->v, 0, regs + DT, tail);
}

static void queues(struct vf *f)
{
	struct desc d = { 0 };

	memset(f->m.addr, 0, TX_BUFFER);
	memset(f->m.addr + TX_BUFFER, UNTOUCHED, MEMORY - TX_BUFFER);
	for (unsigned int i = 0; i < NR_DESC; i++) {
		d.addr = IOVA + RX_BUFFERS + i * BUFFER;
		put(f, RX_RING, i, &d);
	}
	f->rx = f->tx = 0;
	vu_write32(f->v, 0, RX(SRRCTL), SRRCTL_2K | SRRCTL_ADVANCED);
	ring_start(f, RX(0), RX_RING, NR_DESC - 1);
	ring_start(f, TX(0), TX_RING, 0);
}

/* Have @f send @size bytes to @to. */
static void transmit(struct vf *f, const struct vf *to, uint32_t size, uint32_t seed)
{
	uint8_t *frame = f->m.addr + TX_BUFFER;
	const struct desc d = { IOVA + TX_BUFFER, TX_DATA | TX_EOP | TX_IFCS | TX_RS | size,
				size << TX_PAYLEN };
	const uint8_t type[2] = { 0x88, 0xb5 };		/* IEEE 802, local experiments */

	pattern_fill(frame, BUFFER, seed);
	memcpy(frame, to->mac, 6);
	memcpy(frame + 6, f->mac, 6);
	memcpy(frame + 12, type, 2);
	put(f, TX_RING, f->tx, &d);
	__sync_synchronize();
	f->tx = (f->tx + 1) % NR_DESC;
	vu_write32(f->v, 0, TX(DT), f->tx);
}

/* The frame, the descriptors and the interrupts of it. */
static void delivered(struct vf *f, struct vf *to, uint32_t size)
{
	const unsigned int sent = (f->tx + NR_DESC - 1) % NR_DESC;
	const uint8_t *buffer = to->m.addr + RX_BUFFERS + to->rx * BUFFER;
	struct desc d;

	must(event_wait(to->event[RX_VECTOR], 10000), "no MSI-X of a frame received");
	must(event_wait(f->event[TX_VECTOR], 10000), "no MSI-X of a frame sent");
	d = get(f, TX_RING, sent);
	must(d.hi & TX_DONE, "the sender's descriptor was not written back: %#x", d.hi);
	d = get(to, RX_RING, to->rx);
	must((d.lo & (RX_DONE | RX_EOP)) == (RX_DONE | RX_EOP), "the receiver's is %#x", d.lo);
	must((d.hi & 0xffff) == size, "%u bytes came of %u", d.hi & 0xffff, size);
	must(!memcmp(buffer, f->m.addr + TX_BUFFER, size), "the frame is another");
	for (uint32_t i = size; i < BUFFER; i++)
		must(buffer[i] == UNTOUCHED, "byte %u behind the frame was written", i);
	to->rx++;
}

/* No frame has come since the last. */
static void untouched(const struct vf *f)
{
	const uint8_t *at = f->m.addr + RX_BUFFERS + f->rx * BUFFER;

	for (; at < f->m.addr + MEMORY; at++)
		must(*at == UNTOUCHED, "a frame came where none may");
}

static void send_frames(struct vf *f, struct vf *to)
{
	static const uint32_t size[] = { 60, 1514, 61, 1000 };

	for (unsigned int i = 0; i < 4; i++) {
		transmit(f, to, size[i], size[i] + f->mac[5]);
		delivered(f, to, size[i]);
		untouched(to);
	}
}

/* Both get queues; they hand frames to and fro. */
static void traffic(struct vf f[2])
{
	for (unsigned int i = 0; i < 2; i++)
		queues(&f[i]);
	send_frames(&f[0], &f[1]);
	untouched(&f[0]);
	send_frames(&f[1], &f[0]);
	untouched(&f[1]);
}

/* What was unmapped is out of reach, even though the queue still runs. */
static void unmapped(struct vf f[2])
{
	must(!vu_dma_unmap(f[1].v, IOVA, MEMORY), "unmap");
	transmit(&f[0], &f[1], 1514, 99);
	must(event_wait(f[0].event[TX_VECTOR], 10000), "no MSI-X of a frame sent");
	untouched(&f[1]);
	must(!(get(&f[1], RX_RING, f[1].rx).lo & RX_DONE), "a descriptor was written");
	must(!vu_dma_map(f[1].v, f[1].m.fd, 0, IOVA, MEMORY, MAP_RW), "map again");
}

/* Queues must be off after it. */
static void reset(struct vf *f)
{
	must(vu_read32(f->v, 0, RX(DCTL)) & IGB_QUEUE_ENABLE, "the queue is off before the reset");
	must(!vu_reset(f->v), "function level reset");
	must(vu_read32(f->v, 0, STATUS) == UINT32_MAX, "registers answer without being enabled");
	for (unsigned int i = 0; i < 3; i++)
		close(f->event[i]);
	vu_start(f->v);
	must(!((vu_read32(f->v, 0, RX(DCTL)) | vu_read32(f->v, 0, TX(DCTL))) & IGB_QUEUE_ENABLE),
	     "a queue outlived the reset");
}

/* SOCKET of the other virtual function. */
int igb_test(struct vu *v, int argc, char **argv)
{
	struct vu other;
	struct vf f[2] = { { .v = v }, { .v = &other } };

	must(argc == 1, "igb wants another socket");
	vu_connect(&other, argv[0]);
	for (unsigned int i = 0; i < 2; i++) {
		uint32_t id = vu_read32(f[i].v, GW_REGION_CONFIG, 0);

		must(id == 0x10ca8086, "the virtual function is %#x", id);
		memory_new(f[i].v, &f[i].m, IOVA, MEMORY);
		greet(&f[i]);
		interrupts(&f[i]);
	}
	must(memcmp(f[0].mac, f[1].mac, 6), "both have the same address");
	traffic(f);
	unmapped(f);
	for (unsigned int i = 0; i < 2; i++) {
		reset(&f[i]);
		greet(&f[i]);
		interrupts(&f[i]);
	}
	traffic(f);
	say("igb: mailbox, MSI-X, frames by content between two virtual functions, reset");
	return 0;
}
