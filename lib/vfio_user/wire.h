/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef GW_VFIO_USER_WIRE_H
#define GW_VFIO_USER_WIRE_H

/*
 * Numbers and sizes of the vfio-user protocol (vfio-user specification 0.9.2, "Protocol
 * Specification"). Integers travel in host byte order.
 */

enum gw_vu_cmd {
	GW_VU_VERSION = 1,
	GW_VU_DMA_MAP = 2,
	GW_VU_DMA_UNMAP = 3,
	GW_VU_GET_INFO = 4,
	GW_VU_GET_REGION_INFO = 5,
	GW_VU_GET_REGION_IO_FDS = 6,
	GW_VU_GET_IRQ_INFO = 7,
	GW_VU_SET_IRQS = 8,
	GW_VU_REGION_READ = 9,
	GW_VU_REGION_WRITE = 10,
	GW_VU_DMA_READ = 11,		/* server to client */
	GW_VU_DMA_WRITE = 12,		/* server to client */
	GW_VU_RESET = 13,
	GW_VU_REGION_WRITE_MULTI = 15,
	GW_VU_DEVICE_FEATURE = 16,
	GW_VU_MIG_DATA_READ = 17,
	GW_VU_MIG_DATA_WRITE = 18,
	GW_VU_NR_CMDS,
};

/* Header: u16 id, u16 command, u32 size, u32 flags, u32 errno. */
#define GW_VU_HDR		16u
#define GW_VU_TYPE		0xfu
#define GW_VU_COMMAND		0x0u
#define GW_VU_REPLY		0x1u
#define GW_VU_NO_REPLY		0x10u
#define GW_VU_ERROR		0x20u

#define GW_VU_MAX_XFER		(1024u * 1024)	/* limit: bytes of data in one message */
#define GW_VU_MAX_MSG		(GW_VU_HDR + 16u + GW_VU_MAX_XFER)
#define GW_VU_MAX_VERSION	4096u	/* limit: bytes of capabilities */
/* limit: descriptors with a message that is not complete */
#define GW_VU_OUR_FDS		16		/* what we ask a client to keep to, and
					 * hold for a message that is not complete */
#define GW_VU_MAX_FDS		253		/* what a client can send: SCM_MAX_FD */

#define GW_VU_MAX_FEATURE	65536u	/* limit: bytes of a device feature */

#define GW_VU_DEVICE_RESET	1u
#define GW_VU_DEVICE_PCI	2u

#define GW_VU_REGION_CAPS	8u
#define GW_VU_CAP_SPARSE_MMAP	1

#define GW_VU_MAP_READ		1u
#define GW_VU_MAP_WRITE		2u
#define GW_VU_MAP_MMAP		4u		/* with a descriptor this goes without saying */
#define GW_VU_UNMAP_DIRTY	1u
#define GW_VU_UNMAP_ALL		2u

#define GW_VU_IRQ_NONE		0x01u
#define GW_VU_IRQ_BOOL		0x02u
#define GW_VU_IRQ_EVENTFD	0x04u
#define GW_VU_IRQ_MASK		0x08u
#define GW_VU_IRQ_UNMASK	0x10u
#define GW_VU_IRQ_TRIGGER	0x20u

#define GW_VU_MULTI_MAX		200u	/* limit: writes in one REGION_WRITE_MULTI */
#define GW_VU_MULTI_WRITE	24u		/* u64 off, u32 region, u32 count, u8 data[8] */

#endif
