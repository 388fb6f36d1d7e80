/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef GW_HOST_VFIO_UAPI_H
#define GW_HOST_VFIO_UAPI_H

#include <linux/vfio.h>

/*
 * What Debian 12's linux/vfio.h (Linux 6.1) does not know yet: the function's own node with
 * iommufd (6.6), dma-bufs of BARs (6.19) and their way into an iommufd (6.19). The kernel is asked
 * at run time what it has.
 */

struct gw_vfio_bind_iommufd {
	__u32 argsz, flags;
	__s32 iommufd;
	__u32 out_devid;
};

#define GW_VFIO_DEVICE_BIND_IOMMUFD	_IO(VFIO_TYPE, VFIO_BASE + 18)

struct gw_vfio_attach_pt {
	__u32 argsz, flags;
	__u32 pt_id;
};

#define GW_VFIO_DEVICE_ATTACH_PT	_IO(VFIO_TYPE, VFIO_BASE + 19)

#define GW_VFIO_FEATURE_DMA_BUF		11u

struct gw_vfio_dma_buf {
	__u32 region_index;
	__u32 open_flags;
	__u32 flags;
	__u32 nr_ranges;
	struct {
		__u64 offset, length;
	} range[];
};

#define GW_IOMMUFD_IOAS_ALLOC		_IO(';', 0x81)
#define GW_IOMMUFD_IOVA_RANGES		_IO(';', 0x84)
#define GW_IOMMUFD_IOAS_MAP		_IO(';', 0x85)
#define GW_IOMMUFD_IOAS_UNMAP		_IO(';', 0x86)

struct gw_iommufd_alloc {
	__u32 size, flags;
	__u32 out_ioas_id;
};

struct gw_iommufd_range {
	__u64 first, last;
};

struct gw_iommufd_ranges {
	__u32 size, ioas_id;
	__u32 num_iovas, reserved;
	__u64 allowed_iovas;		/* struct gw_iommufd_range * */
	__u64 out_iova_alignment;
};

#define GW_IOMMUFD_MAP_FIXED		1u
#define GW_IOMMUFD_MAP_WRITEABLE	2u
#define GW_IOMMUFD_MAP_READABLE		4u

struct gw_iommufd_map {
	__u32 size, flags;
	__u32 ioas_id, reserved;
	__u64 user_va, length, iova;
};

#define GW_IOMMUFD_IOAS_MAP_FILE	_IO(';', 0x8f)

struct gw_iommufd_map_file {
	__u32 size, flags;
	__u32 ioas_id;
	__s32 fd;
	__u64 start, length, iova;
};

struct gw_iommufd_unmap {
	__u32 size, ioas_id;
	__u64 iova, length;
};

#endif
