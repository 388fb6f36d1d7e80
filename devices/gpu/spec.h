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

#endif
