/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef DEVICES_GPU_SPEC_H
#define DEVICES_GPU_SPEC_H

/*
 * What a virtual function of the GPU has in common with QEMU's standard display, so that Linux's
 * own bochs driver drives it (QEMU's docs/specs/standard-vga):
 *
 * BAR0  memory, prefetchable, mapped: the window to the function's share of the VRAM
 * BAR2  4 KiB, trapped: the registers below
 */
#define GPU_VF_VENDOR		0x1234
#define GPU_VF_DEVICE		0x1111
#define GPU_VF_CLASS		0x038000	/* a display, but not VGA */
#define GPU_VF_REVISION		2		/* has the extended registers */

#define GPU_BAR_MEMORY		0u
#define GPU_BAR_DISPLAY		2u

#define GPU_EDID_AT		0x000u
#define GPU_EDID_ROOM		0x400u
#define GPU_VGA_AT		0x400u		/* ports 0x3c0 to 0x3df */
#define GPU_VGA_END		0x420u
#define  GPU_VGA_ATTRIBUTE	0x400u		/* index and data by turns */
#define   GPU_VGA_UNBLANK	0x20u		/* in the index */
#define  GPU_VGA_STATUS		0x41au		/* a read makes the index next */
#define GPU_DISPI_AT		0x500u		/* 16 bits each */
#define GPU_EXT_AT		0x600u		/* 32 bits each */
#define GPU_DISPLAY_SIZE	0x1000u

enum gpu_dispi {
	GPU_DISPI_ID,
	GPU_DISPI_XRES,
	GPU_DISPI_YRES,
	GPU_DISPI_BPP,
	GPU_DISPI_ENABLE,
	GPU_DISPI_BANK,
	GPU_DISPI_VIRT_WIDTH,
	GPU_DISPI_VIRT_HEIGHT,
	GPU_DISPI_X_OFFSET,
	GPU_DISPI_Y_OFFSET,
	GPU_DISPI_MEMORY_64K,
	GPU_DISPI_REGS,
};

#define GPU_DISPI_ID_VALUE	0xb0c5u
#define GPU_DISPI_ENABLED	0x01u
#define GPU_DISPI_GETCAPS	0x02u		/* resolution registers tell the most they take */
#define GPU_DISPI_MAX_X		8192u
#define GPU_DISPI_MAX_Y		8192u

#define GPU_EXT_SIZE		0x600u		/* ro: bytes of the extended registers */
#define GPU_EXT_ENDIAN		0x604u
#define  GPU_EXT_BIG		0xbebebebeu
#define  GPU_EXT_LITTLE		0x1e1e1e1eu
#define GPU_EXT_END		0x608u

/*
 * The engine. A physical function has it in BAR0, a virtual one in BAR4; both beside MSI-X. It
 * takes commands from a ring in the driver's memory: 64 bytes each, little endian, at RING_BASE +
 * 64 * (index modulo entries). TAIL counts the commands that the driver has written, HEAD those
 * that the engine has done; both wrap at 2^32.
 */
#define GPU_PF_VENDOR		0x1234
#define GPU_PF_DEVICE		0x6770
#define GPU_PF_CLASS		0x038000
#define GPU_BAR_PF		0u
#define GPU_BAR_ENGINE		4u
#define GPU_ENGINE_BAR_SIZE	0x4000u
#define GPU_MSIX_TABLE		0x1000u
#define GPU_MSIX_PBA		0x1800u
#define GPU_VECTORS		2u		/* 0: the engine stopped; 1 or 0: of fences */

#define GPU_ENGINE_ID		0x00u		/* 32 ro: "GGPU" */
#define GPU_ENGINE_VERSION	0x04u		/* 32 ro: 1 */
#define GPU_ENGINE_MEMORY	0x08u		/* 64 ro: bytes that addresses of memory may name */
#define GPU_RING_BASE		0x10u		/* 64 rw: IOVA, 64 byte aligned */
#define GPU_RING_ENTRIES	0x18u		/* 32 rw: a power of two up to 4096 */
#define GPU_RING_ENABLE		0x1cu		/* 32 rw: 0 stops, and forgets HEAD and TAIL */
#define GPU_RING_TAIL		0x20u		/* 32 rw: doorbell */
#define GPU_RING_HEAD		0x24u		/* 32 ro */
#define GPU_FENCE_BASE		0x28u		/* 64 rw: IOVA for fences; 0: nowhere */
#define GPU_FENCE		0x30u		/* 64 ro: value of the last fence */
#define GPU_ENGINE_STATUS	0x38u		/* 32 ro: GPU_STOPPED .. */
#define GPU_ENGINE_ERROR	0x3cu		/* 32 ro: errno of GPU_FAILED, positive */
#define GPU_ENGINE_REGS		0x40u

#define GPU_ENGINE_ID_VALUE	0x55504747u
#define GPU_RING_MAX		4096u	/* limit: entries of a card's ring */

enum { GPU_STOPPED, GPU_RUNNING, GPU_FAILED };

/* A command. What is not used must be zero. */
#define GPU_COMMAND_SIZE	64u
#define GPU_CMD_OP		0u		/* 32 */
#define GPU_CMD_FLAGS		4u		/* 32: GPU_CMD_SRC_IOVA .. */
#define GPU_CMD_SRC		8u		/* 64: offset in memory, or IOVA */
#define GPU_CMD_DST		16u		/* 64: likewise */
#define GPU_CMD_SRC_STRIDE	24u		/* 32: bytes from line to line */
#define GPU_CMD_DST_STRIDE	28u		/* 32 */
#define GPU_CMD_WIDTH		32u		/* 32: bytes of a line */
#define GPU_CMD_HEIGHT		36u		/* 32: lines */
#define GPU_CMD_VALUE		40u		/* 64: FILL repeats its lower half */
#define GPU_CMD_VECTOR		48u		/* 32: FENCE raises it, with GPU_CMD_IRQ */
#define GPU_CMD_USED		52u

#define GPU_CMD_SRC_IOVA	1u
#define GPU_CMD_DST_IOVA	2u
#define GPU_CMD_IRQ		4u

enum { GPU_OP_NOP, GPU_OP_FILL, GPU_OP_COPY, GPU_OP_BLIT, GPU_OP_FENCE, GPU_OPS };

#define GPU_MAX_MOVE		(1ull << 30)	/* limit: bytes that one of its commands moves */

/*
 * The physical function's scan-out, behind the engine's registers: the picture is made of RANGES
 * runs of VRAM, one after the other. CONTROL takes all of it over at once; from then on the other
 * registers and the table may be written for the next picture.
 */
#define GPU_SCAN_CONTROL	0x100u		/* 32 rw: 1 shows what the others say, 0 nothing */
#define GPU_SCAN_STATUS		0x104u		/* 32 ro: 0 nothing, 1 shown, 2 refused */
#define GPU_SCAN_WIDTH		0x108u		/* 32 rw: pixels */
#define GPU_SCAN_HEIGHT		0x10cu		/* 32 rw */
#define GPU_SCAN_STRIDE		0x110u		/* 32 rw: bytes */
#define GPU_SCAN_FORMAT		0x114u		/* 32 rw: enum gpu_format */
#define GPU_SCAN_RANGES		0x118u		/* 32 rw: of the table, up to GPU_SCAN_MAX */
#define GPU_SCAN_SKIP		0x11cu		/* 32 rw: bytes of the first run before it */
#define GPU_SCAN_REGS		0x120u
#define GPU_SCAN_TABLE		0x2000u		/* 64 rw each: VRAM offset, bytes */
#define GPU_SCAN_MAX		128u

enum { GPU_SCAN_NOTHING, GPU_SCAN_SHOWN, GPU_SCAN_REFUSED };

#endif
