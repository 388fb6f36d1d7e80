/* SPDX-License-Identifier: BSD-3-Clause */
#include "pf.h"

#include <errno.h>
#include <stdlib.h>

#include "base/util.h"
#include "engine.h"
#include "vf.h"

/* Routing identifiers from a function at 0x80 and above to one of the next bus. */
#define VF_OFFSET	0x80
#define VF_STRIDE	1

struct gpu_pf {
	struct gw_endpoint ep;
	struct gpu_card *card;
	struct gpu_engine engine;
	struct gpu_scanout scanout;
};

static struct gpu_pf *to_pf(struct gw_endpoint *ep)
{
	return container_of(ep, struct gpu_pf, ep);
}

static int pf_bar_read(struct gw_endpoint *ep, unsigned int bar, gw_bar_off off,
		       unsigned int width, uint64_t *val)
{
	struct gpu_pf *p = to_pf(ep);

	*val = 0;
	if (off.v < GPU_ENGINE_REGS)
		*val = gw_gpu_engine_read(&p->engine, (unsigned int)off.v, width);
	else if (gw_gpu_scanout_owns(off.v))
		*val = gw_gpu_scanout_read(&p->scanout, (unsigned int)off.v, width);
	return 0;
}

static int pf_bar_write(struct gw_endpoint *ep, unsigned int bar, gw_bar_off off,
			unsigned int width, uint64_t val)
{
	struct gpu_pf *p = to_pf(ep);

	if (off.v < GPU_ENGINE_REGS)
		gw_gpu_engine_write(&p->engine, (unsigned int)off.v, width, val);
	else if (gw_gpu_scanout_owns(off.v))
		gw_gpu_scanout_write(&p->scanout, (unsigned int)off.v, width, val);
	return 0;
}

static int pf_vf_new(struct gw_endpoint *ep, unsigned int vf, struct gw_endpoint **out)
{
	return gw_gpu_vf_new(to_pf(ep)->card, vf, out);
}

static void pf_quiesce(struct gw_endpoint *ep)
{
	gw_gpu_engine_quiesce(&to_pf(ep)->engine);
}

static void pf_resume(struct gw_endpoint *ep)
{
	gw_gpu_engine_resume(&to_pf(ep)->engine);
}

static void pf_reset(struct gw_endpoint *ep)
{
	gw_gpu_engine_reset(&to_pf(ep)->engine);
	gw_gpu_scanout_reset(&to_pf(ep)->scanout);
}

static void pf_free(struct gw_endpoint *ep)
{
	struct gpu_pf *p;

	if (!ep)
		return;
	p = to_pf(ep);
	gw_gpu_engine_fini(&p->engine);
	gw_gpu_scanout_fini(&p->scanout);
	gw_gpu_card_put(p->card);
	free(p);
}

static const struct gw_endpoint_ops pf_ops = {
	.bar_read = pf_bar_read,
	.bar_write = pf_bar_write,
	.vf_new = pf_vf_new,
	.quiesce = pf_quiesce,
	.resume = pf_resume,
	.reset = pf_reset,
	.free = pf_free,
};

static const struct gw_endpoint_desc pf_desc = {
	.vendor = GPU_PF_VENDOR,
	.device = GPU_PF_DEVICE,
	.subvendor = GPU_PF_VENDOR,
	.subdevice = GPU_PF_DEVICE,
	.class_code = GPU_PF_CLASS,
	.revision = 1,
	.bar = { [GPU_BAR_PF] = { .size = GPU_ENGINE_BAR_SIZE } },
	.msix_vectors = GPU_VECTORS,
	.msix_bar = GPU_BAR_PF,
	.msix_table = GPU_MSIX_TABLE,
	.msix_pba = GPU_MSIX_PBA,
	.serial = 0x7570670000000001,
	.sriov = { .offset = VF_OFFSET, .stride = VF_STRIDE, .device = GPU_VF_DEVICE },
};

static int mem_read(void *ep, uint64_t off, void *buf, size_t len)
{
	return gw_gpu_read(to_pf(ep)->card, (gw_vram){ off }, buf, len);
}

static int mem_write(void *ep, uint64_t off, const void *buf, size_t len)
{
	return gw_gpu_write(to_pf(ep)->card, (gw_vram){ off }, buf, len);
}

int gw_gpu_pf_new(struct gpu_card *card, struct gw_endpoint **ep)
{
	const struct gpu_reach reach = { .memory = card->opt.vram, .mem_read = mem_read,
					 .mem_write = mem_write };
	struct gpu_pf *p = calloc(1, sizeof(*p));
	int ret;

	if (!p)
		return -ENOMEM;
	p->ep.ops = &pf_ops;
	p->ep.desc = pf_desc;
	p->ep.desc.sriov.total = (uint16_t)card->opt.vfs;
	gw_gpu_vf_bars(card, p->ep.desc.sriov.bar);
	p->card = gw_gpu_card_get(card);
	gw_gpu_scanout_init(&p->scanout, card);
	ret = gw_gpu_engine_init(&p->engine, &p->ep, &reach);
	if (ret)
		pf_free(&p->ep);
	else
		*ep = &p->ep;
	return ret;
}

struct gpu_scanout *gw_gpu_pf_scanout(struct gw_endpoint *ep)
{
	return &to_pf(ep)->scanout;
}

struct gpu_card *gw_gpu_pf_card(struct gw_endpoint *ep)
{
	return to_pf(ep)->card;
}
