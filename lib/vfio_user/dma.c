/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "base/reader.h"
#include "vfio_user/dispatch.h"

#define DMA_MAP		32u		/* bytes of the payload */
#define DMA_UNMAP	24u

int gw_do_dma_map(struct gw_client *c, struct gw_msg *m, struct gw_reply *r)
{
	struct gw_reader in = gw_reader_init(m->body, m->len);
	int fd = m->fds && m->fds->nr ? m->fds->fd[0] : -1;
	uint32_t argsz, flags;
	struct gw_slice s = { 0 };
	uint64_t last;
	int ret;

	if (!gw_reader_u32(&in, &argsz) || !gw_reader_u32(&in, &flags) ||
	    !gw_reader_u64(&in, &s.off) || !gw_reader_u64(&in, &s.at.v) ||
	    !gw_reader_u64(&in, &s.size))
		return -EMSGSIZE;
	if (argsz < DMA_MAP || flags & ~(GW_VU_MAP_READ | GW_VU_MAP_WRITE | GW_VU_MAP_MMAP) ||
	    !(flags & (GW_VU_MAP_READ | GW_VU_MAP_WRITE)))
		return -EINVAL;
	ret = gw_slice_last(&s, &last);
	if (ret)
		return ret;
	if (fd >= 0 && gw_private_memory(&c->private, gw_client_socket(c), fd)) {
		gw_log_guest(c->log, "vfio-user: guest memory %#" PRIx64 "-%#" PRIx64 " is private "
			     "to the VMM, the device would see other contents; start QEMU with "
			     "share=on in its -object memory-backend-...", s.at.v, last);
		return -EACCES;
	}
	s.prot = (flags & GW_VU_MAP_READ ? GW_PROT_READ : 0) |
		 (flags & GW_VU_MAP_WRITE ? GW_PROT_WRITE : 0);
	gw_trace(c->log, "vfio-user: map %#" PRIx64 "-%#" PRIx64 "%s", s.at.v, last,
		 fd < 0 ? ", by message" : "");
	return c->dev->ops->dma_map(c->dev, &s, fd);
}

/*
 * With a virtual IOMMU a range may cover any number of maps, also none, so what was unmapped is
 * not compared with what was asked. The reply repeats the request, whole.
 */
int gw_do_dma_unmap(struct gw_client *c, struct gw_msg *m, struct gw_reply *r)
{
	struct gw_reader in = gw_reader_init(m->body, m->len);
	uint64_t last = UINT64_MAX, bytes = 0;
	struct gw_slice s = { 0 };
	uint32_t argsz, flags;
	int ret = 0;

	if (!gw_reader_u32(&in, &argsz) || !gw_reader_u32(&in, &flags) ||
	    !gw_reader_u64(&in, &s.at.v) || !gw_reader_u64(&in, &s.size))
		return -EMSGSIZE;
	if (flags & GW_VU_UNMAP_DIRTY)
		return -EOPNOTSUPP;
	if (argsz < DMA_UNMAP || flags & ~GW_VU_UNMAP_ALL || gw_reader_left(&in))
		return -EINVAL;
	if (!(flags & GW_VU_UNMAP_ALL))
		ret = gw_slice_last(&s, &last);
	else if (s.at.v || s.size)
		ret = -EINVAL;
	if (ret)
		return ret;
	gw_trace(c->log, "vfio-user: unmap %#" PRIx64 "-%#" PRIx64, s.at.v, last);
	memcpy(r->data, m->body, DMA_UNMAP);
	r->len = DMA_UNMAP;
	return c->dev->ops->dma_unmap(c->dev, s.at, (gw_vmm_addr){ last }, &bytes);
}
