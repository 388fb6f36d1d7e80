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
 * How it works: /dev/iommu gives an address space (IOAS); each function of the group is opened by
 * its own node, bound to that iommufd and attached to the IOAS. Which addresses there are is known
 * once the first is attached.
 */

#define MAX_MAPS	(1u << 20)	/* the kernel has no limit but memory */

static int ioas_open(struct gw_vfio_space *s, const char *bdf)
{
	struct gw_iommufd_alloc alloc = { .size = sizeof(alloc) };
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "%s/iommu", s->at->dev);
	s->iommufd = open(path, O_RDWR | O_CLOEXEC);
	if (s->iommufd < 0 && errno == ENOENT) {
		gw_err(s->log, "%s: this kernel has no iommufd (%s)", bdf, path);
		gw_hint(s->log, "--host-option iommufd=off uses the function's group");
		return -EOPNOTSUPP;
	}
	if (s->iommufd < 0)
		return gw_vfio_open_failed(path, bdf, errno, s->log);
	if (ioctl(s->iommufd, GW_IOMMUFD_IOAS_ALLOC, &alloc))
		return -errno;
	s->ioas = alloc.out_ioas_id;
	return 0;
}

static int ranges_read(struct gw_vfio_space *s)
{
	struct gw_iommufd_range range[GW_VFIO_MAX_RANGES] = { 0 };
	struct gw_iommufd_ranges get = {
		.size = sizeof(get), .ioas_id = s->ioas, .num_iovas = GW_VFIO_MAX_RANGES,
		.allowed_iovas = (uintptr_t)range,
	};
	uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE);

	/* more than there is room for: the first ones count */
	if (ioctl(s->iommufd, GW_IOMMUFD_IOVA_RANGES, &get) && errno != EMSGSIZE)
		return -errno;
	s->nr_ranges = get.num_iovas < GW_VFIO_MAX_RANGES ? get.num_iovas : GW_VFIO_MAX_RANGES;
	for (unsigned int i = 0; i < s->nr_ranges; i++)
		s->range[i] = (struct gw_vfio_range){ range[i].first, range[i].last };
	s->granule = get.out_iova_alignment > page ? get.out_iova_alignment : page;
	s->max_maps = MAX_MAPS;
	return s->nr_ranges ? 0 : -EIO;
}

static int bind_failed(struct gw_vfio_space *s, const char *bdf, int err)
{
	if (err == EPERM) {
		gw_err(s->log, "%s: the IOMMU does not remap interrupts, so a device could forge any",
		       bdf);
		gw_hint(s->log, "enable interrupt remapping (x2APIC) in the firmware setup");
		return -EOPNOTSUPP;
	}
	gw_err(s->log, "%s: the kernel does not bind it to an iommufd: %s", bdf, strerror(err));
	gw_vfio_group_explain(s->at->tree, s->group, s->log);
	return -err;
}

static int node_open(struct gw_vfio_space *s, const char *bdf)
{
	char path[PATH_MAX], node[64];
	int fd, err;

	if (gw_sysfs_vfio_node(s->at->sysfs, bdf, node, sizeof(node))) {
		gw_err(s->log, "%s: the kernel has no node for it", bdf);
		gw_hint(s->log, "--host-option iommufd=off uses the function's group");
		return -EOPNOTSUPP;
	}
	snprintf(path, sizeof(path), "%s/vfio/devices/%s", s->at->dev, node);
	fd = open(path, O_RDWR | O_CLOEXEC);
	err = errno;
	return fd < 0 ? gw_vfio_open_failed(path, bdf, err, s->log) : fd;
}

static int iommufd_open(struct gw_vfio_space *s, const char *bdf, int *fd)
{
	struct gw_vfio_bind_iommufd bind = { .argsz = sizeof(bind) };
	struct gw_vfio_attach_pt attach = { .argsz = sizeof(attach) };
	int ret = s->iommufd < 0 ? ioas_open(s, bdf) : 0, node;

	if (ret)
		return ret;
	node = node_open(s, bdf);
	if (node < 0)
		return node;
	bind.iommufd = s->iommufd;
	attach.pt_id = s->ioas;
	if (ioctl(node, GW_VFIO_DEVICE_BIND_IOMMUFD, &bind) ||
	    ioctl(node, GW_VFIO_DEVICE_ATTACH_PT, &attach))
		ret = bind_failed(s, bdf, errno);
	else if (!s->nr_ranges)
		ret = ranges_read(s);
	if (ret)
		close(node);
	else
		*fd = node;
	return ret;
}

/* The kernel takes a BAR by its dma-buf only, since 6.19. */
static int iommufd_map_buf(struct gw_vfio_space *s, const struct gw_vfio_want *want,
			   uint64_t iova, uint32_t flags)
{
	struct gw_iommufd_map_file map = {
		.size = sizeof(map), .flags = flags, .ioas_id = s->ioas, .fd = want->buf,
		.length = want->size, .iova = iova,
	};

	return ioctl(s->iommufd, GW_IOMMUFD_IOAS_MAP_FILE, &map) ? -errno : 0;
}

static int iommufd_map(struct gw_vfio_space *s, const struct gw_vfio_want *want, uint64_t iova)
{
	struct gw_iommufd_map map = {
		.size = sizeof(map), .ioas_id = s->ioas,
		.flags = GW_IOMMUFD_MAP_FIXED | GW_IOMMUFD_MAP_READABLE |
			 (want->read_only ? 0 : GW_IOMMUFD_MAP_WRITEABLE),
		.user_va = (uintptr_t)want->addr, .length = want->size, .iova = iova,
	};

	if (want->peer)
		return iommufd_map_buf(s, want, iova, map.flags);
	return ioctl(s->iommufd, GW_IOMMUFD_IOAS_MAP, &map) ? -errno : 0;
}

static int iommufd_unmap(struct gw_vfio_space *s, uint64_t iova, uint64_t size)
{
	struct gw_iommufd_unmap unmap = {
		.size = sizeof(unmap), .ioas_id = s->ioas, .iova = iova, .length = size,
	};

	if (ioctl(s->iommufd, GW_IOMMUFD_IOAS_UNMAP, &unmap))
		return -errno;
	return unmap.length == size ? 0 : -EIO;
}

static void iommufd_close(struct gw_vfio_space *s)
{
	if (s->iommufd >= 0)
		close(s->iommufd);
}

const struct gw_vfio_space_ops gw_vfio_iommufd = {
	.open = iommufd_open,
	.map = iommufd_map,
	.unmap = iommufd_unmap,
	.close = iommufd_close,
	.bar_as_buf = true,
};
