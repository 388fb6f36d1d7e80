/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-only */
#ifndef GANGWAY_ABI_H
#define GANGWAY_ABI_H

/*
 * What the companion device and the guest module agree on. Everything is little endian. The
 * daemon and the module include this one file.
 *
 * The companion is PCI 1b36:0015. BAR0 is 4 KiB of registers, accessed 32 bits at a time. The
 * registers below 0x20 and the command page are those of an earlier device with the same
 * identity. That device had two layouts of the command page under one version number; a driver
 * for the later one, with lengths of 64 bits, works unchanged. The registers from 0x20 on are
 * there if MAGIC reads as GW_COMPANION_MAGIC. BAR2 is 64 KiB, of which the guest may map the
 * whole, and begins with struct gw_companion_page.
 */

#ifdef __KERNEL__
#include <linux/types.h>
typedef __le16 gw_le16;
typedef __le32 gw_le32;
typedef __le64 gw_le64;
#else
#include <stdint.h>
typedef uint16_t gw_le16;
typedef uint32_t gw_le32;
typedef uint64_t gw_le64;
#endif

#define GW_COMPANION_VENDOR		0x1b36
#define GW_COMPANION_DEVICE		0x0015
#define GW_COMPANION_CLASS		0x088000	/* system peripheral, other */

/* Registers of the earlier device. */
#define GW_REG_VERSION			0x00	/* R: 2 */
#define GW_REG_MANAGED_BDF		0x04	/* R: guest bus << 8 | devfn; ~0 if not known */
#define GW_REG_MAX_ENTRIES		0x08	/* R: of one command */
#define GW_REG_STATUS			0x0c	/* R: of the last command */
#define GW_REG_CMD_GPA_LO		0x10	/* W: address of the command page */
#define GW_REG_CMD_GPA_HI		0x14
#define GW_REG_DOORBELL			0x18	/* W: run the command; the write waits for it */

/* Registers of gangway. A 64-bit one is read low half first, which latches the high half. */
#define GW_REG_MAGIC			0x20	/* R: GW_COMPANION_MAGIC */
#define GW_REG_ABI			0x24	/* R: the oldest version a module may speak */
#define GW_REG_FEATURES			0x28	/* R: GW_FEATURE_* */
#define GW_REG_GRANULE_SHIFT		0x2c	/* R: mappings are multiples of 1 << this */
#define GW_REG_BUDGET_BYTES_LO		0x30	/* R: what the function may have mapped */
#define GW_REG_BUDGET_BYTES_HI		0x34
#define GW_REG_USED_BYTES_LO		0x38	/* R */
#define GW_REG_USED_BYTES_HI		0x3c
#define GW_REG_BUDGET_MAPS		0x40	/* R: mappings at one time */
#define GW_REG_USED_MAPS		0x44	/* R */
#define GW_REG_MAX_MAP_LO		0x48	/* R: bytes of the largest mapping */
#define GW_REG_MAX_MAP_HI		0x4c
#define GW_REG_IOVA_BITS		0x50	/* R: no address needs more than so many bits */
#define GW_REG_GENERATION		0x54	/* R: changes when all mappings have gone */
#define GW_REG_CONTROL			0x58	/* W: GW_CONTROL_*; done when the write returns */
#define GW_REG_CONTROL_STATUS		0x5c	/* R: GW_STATUS_* of the last CONTROL write */
#define GW_REG_RING_GPA_LO		0x60	/* W: address of struct gw_ring, page aligned */
#define GW_REG_RING_GPA_HI		0x64
#define GW_REG_RING_SHIFT		0x68	/* W: 1 << this entries in each ring, 6 to 12 */
#define GW_REG_RING_ENABLE		0x6c	/* W: 1 start, 0 stop; R: is it running */
#define GW_REG_RING_DOORBELL		0x70	/* W: any value; see struct gw_ring */
#define GW_REG_ABI_NEWEST		0x74	/* R: the newest version of the companion; 0 is 1 */
#define GW_REG_COOKIE_LO		0x78	/* R: same as in the vendor capability */
#define GW_REG_COOKIE_HI		0x7c
/* Those of version 2; in a companion of version 1 they read as 0. */
#define GW_REG_NONCE_LO			0x80	/* W: of the next ANNOUNCE, then cleared; 0: none */
#define GW_REG_NONCE_HI			0x84
#define GW_REG_DROPPED			0x88	/* R: mappings that the VMM ended, modulo 2^32 */
#define GW_REG_DOORBELL_MS		0x8c	/* R: how long a doorbell may take, see below */
#define GW_REG_LEFT_BYTES_LO		0x90	/* R: what can be mapped still, by known limits */
#define GW_REG_LEFT_BYTES_HI		0x94
#define GW_REG_IOVA_FIRST_LO		0x98	/* R: no address is below this one */
#define GW_REG_IOVA_FIRST_HI		0x9c

#define GW_COMPANION_MAGIC		0x4d445747	/* "GWDM" */
#define GW_COMPANION_ABI		2		/* what this file describes */
#define GW_COMPANION_ABI_OLDEST		1		/* both sides work with that as well */

#define GW_FEATURE_RING			0x1
#define GW_FEATURE_HIDDEN		0x2	/* the function shows after GW_CONTROL_ANNOUNCE */
#define GW_FEATURE_PAGE			0x4	/* BAR2 is there */
#define GW_FEATURE_PLACE		0x8	/* the host looks for a place up to MAP's @last */
#define GW_FEATURE_RESUME		0x10	/* ANNOUNCE with a nonce resumes */
#define GW_FEATURE_DROPPED		0x20	/* DROPPED: register, words and request are there */
#define GW_FEATURE_SHARE		0x40	/* RANGE, SHARE and UNSHARE are there */

/*
 * After ANNOUNCE a function that was hidden is there at the next scan of its bus; what is mapped
 * and the ring stay. A second ANNOUNCE without WITHDRAW between them comes from a kernel that was
 * started over the first: the function is reset and everything unmapped. Where unmapping takes
 * longer than a second CONTROL_STATUS reads BUSY; mapping then answers BUSY as well until it is
 * done, and UNMAP_ALL may be written again to wait for that.
 *
 * All mappings end together with a generation: when another kernel or module announces itself,
 * at WITHDRAW and UNMAP_ALL, and when the VMM goes. A reset of the function ends none.
 *
 * A reset of the companion may be that of the machine, or of the companion's slot alone, under a
 * module that goes on. The companion cannot tell, so a module that wants to go on announces itself
 * with a nonce: a random number that nobody knows but its kernel, written to NONCE before. After
 * the reset what is mapped stays, the function does no DMA, and MAP answers STALE, until the next
 * ANNOUNCE. With the same nonce everything is as before the reset and GENERATION has not changed.
 * With another, or none, it is as a second ANNOUNCE. Where the last ANNOUNCE had no nonce the
 * generation ends with the reset. The reset stops the ring and clears all that was written, NONCE
 * too: so the module sets up the ring or the command page, and then announces itself.
 */
#define GW_CONTROL_ANNOUNCE		1	/* the module translates: show the function */
#define GW_CONTROL_WITHDRAW		2	/* it no longer does: reset, hide, unmap all */
#define GW_CONTROL_UNMAP_ALL		3	/* and begin a new generation */

/*
 * Status of a command, a control write or a ring entry. The first four are the earlier device's.
 * Others may come; a status that is not known is an error like IOERR.
 */
#define GW_STATUS_OK			0
#define GW_STATUS_IOERR			1
#define GW_STATUS_INVAL			3
#define GW_STATUS_NOSPC			4	/* over the budget */
#define GW_STATUS_NOENT			5	/* no such mapping */
#define GW_STATUS_BUSY			6
#define GW_STATUS_STALE			7	/* of an older generation */
#define GW_STATUS_NOROOM		8	/* within the budget; the host has no room now */
#define GW_STATUS_RANGE			9	/* no place at or below MAP's @last */
#define GW_STATUS_SPLIT			10	/* memory, but not in one piece: ask for parts */

/*
 * Command page and entries of the earlier device, packed. The id that MAP answers is any number,
 * different from those of all mappings that live; UNMAP wants it back. The same memory may be
 * mapped more than once.
 */
#define GW_CMD_MAP			1
#define GW_CMD_UNMAP			2
/* limit: entries of one command page */
#define GW_CMD_MAX_ENTRIES		4096	/* what MAX_ENTRIES reads as */

struct gw_cmd_page {
	gw_le32 type;
	gw_le32 count;
	gw_le32 status;
	gw_le32 reserved;
	gw_le64 request_gpa;
	gw_le64 response_gpa;
} __attribute__((packed));

struct gw_cmd_map {
	gw_le64 gpa;
	gw_le64 len;
	gw_le32 flags;
} __attribute__((packed));

struct gw_cmd_mapped {
	gw_le64 id;
	gw_le64 dma_addr;
	gw_le64 dma_len;
	gw_le32 status;
} __attribute__((packed));

struct gw_cmd_unmap {
	gw_le64 id;
	gw_le64 size;
} __attribute__((packed));

struct gw_cmd_unmapped {
	gw_le64 id;
	gw_le32 status;
	gw_le32 reserved;
} __attribute__((packed));

/*
 * The ring: one page of indices, then 1 << shift submissions, then as many completions, in
 * consecutive guest memory. Indices run freely, modulo 2^32; an entry's place is the index modulo
 * the size.
 *
 * The guest writes entries, then sq_tail, then reads sq_event after a full barrier, and writes
 * RING_DOORBELL only if sq_event was passed: (u32)(new tail - sq_event - 1) < (u32)(new tail - old
 * tail). While the daemon polls it keeps sq_event out of the way, so a busy guest never rings. A
 * doorbell write returns when everything up to the tail it saw is complete, so the ring can be used
 * where the guest cannot sleep. It returns earlier, and has to be repeated by whoever still waits,
 * in two cases: a second has passed, as the host is slow; or the completions are full, which they
 * can only be where mappings are split, and some must be taken first. Completions come in any
 * order, matched by tag; the guest never has more entries outstanding than the size. cq_event asks
 * for an interrupt in the same way (MSI vector 0; MSI-X would need room in BAR0, and QEMU 11.1
 * cannot unplug a device that has it); a guest that wants none sets it to ~0.
 *
 * A doorbell takes DOORBELL_MS at most (0: a second), and then what the entry takes that is under
 * way. That grows with the length of a MAP, as the host may have to pin page by page: a GiB takes
 * up to half a second. So a guest that waits with interrupts off maps GW_MAP_PIECE at a time.
 *
 * The VMM may take memory away, as when a DIMM is unplugged. What is mapped of it ends, each
 * mapping whole, before the VMM has its answer, and DROPPED counts up before that too. The guest
 * asks for the handles, one by one, with GW_RING_DROPPED. The companion remembers 4096: a guest
 * that gets fewer than were counted takes everything for dropped. A new generation forgets them,
 * but goes on counting.
 *
 * The guest may share a part of its function's memory, by offsets in a BAR: pages, in any order, up
 * to 65536 ranges. The host's policy says who may look at it. It ends with UNSHARE, with the
 * generation, and when the function is reset or its memory no longer decodes.
 *
 * RING_ENABLE 1 starts with both rings empty and all indices zero; it reads as 0 if the ring is not
 * in memory that can be written, and after a reset. Impossible indices stop the ring.
 */
struct gw_ring {
	/* written by the guest */
	gw_le32 sq_tail;
	gw_le32 cq_head;
	gw_le32 cq_event;
	gw_le32 reserved0[13];
	/* written by the daemon */
	gw_le32 sq_head;
	gw_le32 cq_tail;
	gw_le32 sq_event;
	gw_le32 generation;
	gw_le32 dropped;
	gw_le32 reserved1[11];
};

#define GW_RING_MIN_SHIFT		6
#define GW_RING_MAX_SHIFT		12
#define GW_RING_HEADER_BYTES		4096

#define GW_RING_MAP			1	/* addr: GPA, len: bytes; both in granules */
#define GW_RING_UNMAP			2	/* addr: the handle that MAP answered */
#define GW_RING_QUERY			3	/* answers bytes used in iova, mappings used in len,
						 * and bytes left in handle (LEFT_BYTES) */
#define GW_RING_DROPPED			4	/* answers handle, address and bytes of a mapping
						 * that the VMM ended; NOENT: no more */
#define GW_RING_RANGE			5	/* of the BAR that is to be shared: addr: offset,
						 * len: bytes, last: its index in the list; 0
						 * begins one */
#define GW_RING_SHARE			6	/* the list, of BAR last, which is then gone.
						 * addr: width | height << 32, len: stride | DRM
						 * fourcc << 32 of the picture in it, or all 0.
						 * Answers a handle */
#define GW_RING_UNSHARE			7	/* addr: the handle. BUSY: it is being taken back,
						 * ask again; NOENT: nobody has it (any more) */

#define GW_MAP_PIECE			(1u << 30)

#define GW_RING_F_READ_ONLY		0x1	/* MAP: the device may only read */

struct gw_ring_sqe {
	gw_le16 op;
	gw_le16 flags;
	gw_le32 tag;
	gw_le64 addr;
	gw_le64 len;
	gw_le64 last;		/* MAP: the device's last address, 0: any. RANGE, SHARE: see there.
				 * Others: 0. Version 1: 0 */
};

/* A mapping that the host split answers several of these; all but the last say MORE. */
#define GW_RING_F_MORE			0x1

struct gw_ring_cqe {
	gw_le32 tag;
	gw_le16 status;
	gw_le16 flags;
	gw_le64 handle;
	gw_le64 iova;
	gw_le64 len;
};

/*
 * BAR2: what changes often, so that reading it needs no trap. Written by the daemon only. A region
 * that can be mapped also has QEMU wait for every write to the others, which it would post
 * otherwise: that is what makes a doorbell synchronous.
 */
struct gw_companion_page {
	gw_le32 generation;
	gw_le32 used_maps;
	gw_le64 used_bytes;
	gw_le32 dropped;
	gw_le32 reserved;
};

/*
 * Where the VMM does not speak vfio-user, the companion is the other peer of QEMU's
 * ivshmem-doorbell (PCI 1af4:1110), or the other end of a virtio-serial port. Registers and entries
 * are the same.
 *
 * Of ivshmem's shared memory, BAR2, the first page is struct gw_shared; GPAs of ring and command
 * page are offsets in the shared memory. For a register the guest fills in @op, @reg and @value,
 * then changes @seq, and writes @peer << 16 to ivshmem's doorbell register; the answer is there
 * when @done equals @seq. That same write is the ring's doorbell, which here does not wait: the
 * guest looks at the ring until it has what it wants. Interrupts come as ivshmem's vector 0. The
 * companion does not see a reset of the machine, which ends nothing until the next ANNOUNCE.
 */
#define GW_SHARED_MAGIC			0x48535747	/* "GWSH" */
#define GW_SHARED_BYTES			(1u << 20)

#define GW_SHARED_READ			1
#define GW_SHARED_WRITE			2

struct gw_shared {
	/* written by the companion, once */
	gw_le32 magic;
	gw_le32 version;		/* GW_COMPANION_ABI */
	gw_le32 bytes;			/* of the shared memory */
	gw_le32 peer;			/* number of the companion */
	gw_le32 reserved0[12];
	/* written by the guest */
	gw_le32 seq;			/* 0 at first */
	gw_le32 op;
	gw_le32 reg;
	gw_le32 value;
	gw_le32 reserved1[12];
	/* written by the companion */
	gw_le32 done;
	gw_le32 answer;
	gw_le32 reserved2[14];
};

/*
 * The port: requests and replies follow each other in both directions. READ and WRITE are of
 * registers, of which CONTROL and NONCE can be written, and have one reply. ENTRY has as many as it
 * has completions; all but the last say MORE. Requests are done in order.
 */
#define GW_PORT_READ			1
#define GW_PORT_WRITE			2
#define GW_PORT_ENTRY			3

struct gw_port_request {
	gw_le32 op;
	gw_le32 tag;			/* any; the replies have it */
	gw_le32 reg;
	gw_le32 value;
	struct gw_ring_sqe sqe;
};

struct gw_port_reply {
	gw_le32 tag;
	gw_le32 status;			/* GW_STATUS_* of the request; an entry's is in @cqe */
	gw_le32 value;
	gw_le32 reserved;
	struct gw_ring_cqe cqe;
};

/*
 * Vendor capability (PCI 3.0, appendix H: id 0x09) in config space of the companion and of the
 * function it serves; equal cookies belong together.
 */
#define GW_VENDOR_CAP_LEN		16
#define GW_VENDOR_CAP_MAGIC		0x4757		/* "WG" at offset 4 */
#define GW_VENDOR_ROLE_COMPANION	0
#define GW_VENDOR_ROLE_FUNCTION		1

struct gw_vendor_cap {
	uint8_t id;
	uint8_t next;
	uint8_t len;			/* GW_VENDOR_CAP_LEN */
	uint8_t role;			/* GW_VENDOR_ROLE_* */
	gw_le16 magic;
	gw_le16 reserved;
	gw_le64 cookie;
} __attribute__((packed));

#endif
