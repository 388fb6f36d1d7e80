/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "host/vfio/group.h"
#include "host/vfio/space.h"
#include "host/vfio/sysfs.h"
#include "host/vfio/uapi.h"

/*
 * How it works: /dev/vfio/GROUP is put into a container of its own, and the container takes the
 * type1 v2 IOMMU. The kernel pins what is mapped, and accounts it to this process.
 */

#define INFO_ROOM	4096u
#define DEFAULT_MAPS	65535u		/* of type1 where the kernel does not say */

static int container_open(struct gw_vfio_space *s, const char *bdf)
{
	char path[PATH_MAX];
	int version;

	snprintf(path, sizeof(path), "%s/vfio/vfio", s->at->dev);
	s->container = open(path, O_RDWR | O_CLOEXEC);
	if (s->container < 0)
		return gw_vfio_open_failed(path, bdf, errno, s->log);
	version = ioctl(s->container, VFIO_GET_API_VERSION);
	if (version == VFIO_API_VERSION &&
	    ioctl(s->container, VFIO_CHECK_EXTENSION, VFIO_TYPE1v2_IOMMU) > 0)
		return 0;
	gw_err(s->log, "%s: %s offers no type1 v2 IOMMU", bdf, path);
	gw_hint(s->log, "as root: modprobe vfio_iommu_type1");
	return -EOPNOTSUPP;
}

static int group_open(struct gw_vfio_space *s, const char *bdf)
{
	struct vfio_group_status status = { .argsz = sizeof(status) };
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "%s/vfio/%u", s->at->dev, s->group);
	s->group_fd = open(path, O_RDWR | O_CLOEXEC);
	if (s->group_fd < 0)
		return gw_vfio_open_failed(path, bdf, errno, s->log);
	if (ioctl(s->group_fd, VFIO_GROUP_GET_STATUS, &status))
		return -errno;
	if (status.flags & VFIO_GROUP_FLAGS_VIABLE)
		return 0;
	gw_err(s->log, "%s: its IOMMU group %u cannot be handed out as it is", bdf, s->group);
	gw_vfio_group_explain(s->at->tree, s->group, s->log);
	return -EOPNOTSUPP;
}

static int iommu_set(struct gw_vfio_space *s, const char *bdf)
{
	char unsafe[8] = "";
	int err;

	gw_sysfs_text(unsafe, sizeof(unsafe), "%s/module/vfio_iommu_type1/parameters/"
		      "allow_unsafe_interrupts", s->at->sysfs);
	if (unsafe[0] == 'Y')
		gw_warn(s->log, "%s: vfio_iommu_type1 allows unsafe interrupts: without interrupt "
			"remapping a device can forge any", bdf);
	if (!ioctl(s->container, VFIO_SET_IOMMU, VFIO_TYPE1v2_IOMMU))
		return 0;
	err = errno;
	if (err == EPERM) {
		gw_err(s->log, "%s: the IOMMU does not remap interrupts, so a device could forge any",
		       bdf);
		gw_hint(s->log, "enable interrupt remapping (x2APIC) in the firmware setup; where all "
			"guests are trusted, as root: echo Y > /sys/module/vfio_iommu_type1/"
			"parameters/allow_unsafe_interrupts");
		return -EOPNOTSUPP;
	}
	gw_err(s->log, "%s: the kernel does not take group %u under type1: %s", bdf, s->group,
	       strerror(err));
	gw_hint(s->log, "'dmesg' may say why; 'gangway doctor' looks at what VFIO needs");
	return -err;
}

static void take_range(struct gw_vfio_space *s, const struct vfio_info_cap_header *head,
		       size_t room)
{
	const struct vfio_iommu_type1_info_cap_iova_range *cap = (const void *)head;

	for (uint32_t i = 0; i < cap->nr_iovas && s->nr_ranges < GW_VFIO_MAX_RANGES; i++) {
		if (sizeof(*cap) + (i + 1) * sizeof(cap->iova_ranges[0]) > room)
			return;
		s->range[s->nr_ranges++] = (struct gw_vfio_range){
			.first = cap->iova_ranges[i].start, .last = cap->iova_ranges[i].end };
	}
}

/* The kernel's own answer, and yet every offset is checked: a loop here would be for good. */
static void take_caps(struct gw_vfio_space *s, const char *info, uint32_t size, uint32_t off)
{
	const struct vfio_info_cap_header *head;
	uint32_t last = 0;

	while (off > last && off <= size - sizeof(*head)) {
		head = (const void *)(info + off);
		if (head->id == VFIO_IOMMU_TYPE1_INFO_CAP_IOVA_RANGE)
			take_range(s, head, size - off);
		if (head->id == VFIO_IOMMU_TYPE1_INFO_DMA_AVAIL &&
		    size - off >= sizeof(struct vfio_iommu_type1_info_dma_avail))
			s->max_maps = ((const struct vfio_iommu_type1_info_dma_avail *)
				       (const void *)head)->avail;
		last = off;
		off = head->next;
	}
}

static int limits_read(struct gw_vfio_space *s)
{
	struct vfio_iommu_type1_info *info = calloc(1, INFO_ROOM);
	long page = sysconf(_SC_PAGESIZE);
	uint64_t sizes;

	if (!info)
		return -ENOMEM;
	info->argsz = INFO_ROOM;
	if (ioctl(s->container, VFIO_IOMMU_GET_INFO, info)) {
		int err = errno;

		free(info);
		return -err;
	}
	sizes = info->flags & VFIO_IOMMU_INFO_PGSIZES ? info->iova_pgsizes : 0;
	sizes &= ~((uint64_t)page - 1);
	s->granule = sizes ? sizes & -sizes : (uint64_t)page;
	s->max_maps = DEFAULT_MAPS;
	if (info->flags & VFIO_IOMMU_INFO_CAPS)
		take_caps(s, (const char *)info, info->argsz < INFO_ROOM ? info->argsz : INFO_ROOM,
			  info->cap_offset);
	if (!s->nr_ranges)
		s->range[s->nr_ranges++] = (struct gw_vfio_range){ 0, UINT64_MAX };
	free(info);
	return 0;
}

static int type1_attach(struct gw_vfio_space *s, const char *bdf)
{
	int ret = container_open(s, bdf);

	if (!ret)
		ret = group_open(s, bdf);
	if (!ret && ioctl(s->group_fd, VFIO_GROUP_SET_CONTAINER, &s->container))
		ret = -errno;
	if (!ret)
		ret = iommu_set(s, bdf);
	if (!ret)
		ret = limits_read(s);
	return ret;
}

static int type1_open(struct gw_vfio_space *s, const char *bdf, int *fd)
{
	int ret = s->container < 0 ? type1_attach(s, bdf) : 0;

	if (ret)
		return ret;
	*fd = ioctl(s->group_fd, VFIO_GROUP_GET_DEVICE_FD, bdf);
	if (*fd >= 0)
		return 0;
	ret = -errno;
	gw_err(s->log, "%s: the kernel does not hand it out: %s", bdf, strerror(-ret));
	if (ret == -EACCES)
		gw_hint(s->log, "its physical function is bound to vfio-pci, which wants a VF token; "
			"bind that to pci-pf-stub or its own driver");
	return ret;
}

static int type1_map(struct gw_vfio_space *s, const struct gw_vfio_want *want, uint64_t iova)
{
	struct vfio_iommu_type1_dma_map map = {
		.argsz = sizeof(map),
		.flags = VFIO_DMA_MAP_FLAG_READ | (want->read_only ? 0 : VFIO_DMA_MAP_FLAG_WRITE),
		.vaddr = (uintptr_t)want->addr,
		.iova = iova,
		.size = want->size,
	};

	return ioctl(s->container, VFIO_IOMMU_MAP_DMA, &map) ? -errno : 0;
}

static int type1_unmap(struct gw_vfio_space *s, uint64_t iova, uint64_t size)
{
	struct vfio_iommu_type1_dma_unmap unmap = {
		.argsz = sizeof(unmap), .iova = iova, .size = size,
	};

	if (ioctl(s->container, VFIO_IOMMU_UNMAP_DMA, &unmap))
		return -errno;
	return unmap.size == size ? 0 : -EIO;
}

static void type1_close(struct gw_vfio_space *s)
{
	/* the group first: it leaves the container, which then forgets all mappings */
	if (s->group_fd >= 0)
		close(s->group_fd);
	if (s->container >= 0)
		close(s->container);
}

const struct gw_vfio_space_ops gw_vfio_type1 = {
	.open = type1_open,
	.map = type1_map,
	.unmap = type1_unmap,
	.close = type1_close,
};
