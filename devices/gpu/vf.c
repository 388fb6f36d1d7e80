/* SPDX-License-Identifier: BSD-3-Clause */
#include "vf.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/lock.h"
#include "base/util.h"
#include "engine.h"

/*
 * How it works: a virtual function is an endpoint of the simulated bus, called by the threads that
 * answer the VMM. Accesses to its BARs go to the display, under @lock, or to the engine, which has
 * a lock and a thread of its own. The window is a file of the card's that the VMM maps, so no
 * access to it comes here.
 */

struct gpu_vf {
	struct gw_endpoint ep;
	struct gpu_card *card;
	unsigned int index;
	struct gpu_engine engine;

	pthread_mutex_t lock;
	struct gpu_display display GW_GUARDED_BY(lock);
};

static struct gpu_vf *to_vf(struct gw_endpoint *ep)
{
	return container_of(ep, struct gpu_vf, ep);
}

static int vf_bar_read(struct gw_endpoint *ep, unsigned int bar, gw_bar_off off,
		       unsigned int width, uint64_t *val)
{
	struct gpu_vf *v = to_vf(ep);

	*val = 0;
	if (bar == GPU_BAR_ENGINE && off.v < GPU_ENGINE_REGS)
		*val = gw_gpu_engine_read(&v->engine, (unsigned int)off.v, width);
	if (bar != GPU_BAR_DISPLAY)
		return 0;
	pthread_mutex_lock(&v->lock);
	*val = gw_gpu_display_read(&v->display, (unsigned int)off.v, width);
	pthread_mutex_unlock(&v->lock);
	return 0;
}

static int vf_bar_write(struct gw_endpoint *ep, unsigned int bar, gw_bar_off off,
			unsigned int width, uint64_t val)
{
	struct gpu_vf *v = to_vf(ep);
	uint64_t flips;
	bool flipped;

	if (bar == GPU_BAR_ENGINE && off.v < GPU_ENGINE_REGS)
		gw_gpu_engine_write(&v->engine, (unsigned int)off.v, width, val);
	if (bar != GPU_BAR_DISPLAY)
		return 0;
	pthread_mutex_lock(&v->lock);
	flips = v->display.flips;
	gw_gpu_display_write(&v->display, (unsigned int)off.v, width, val);
	flipped = flips != v->display.flips;
	pthread_mutex_unlock(&v->lock);
	if (flipped)
		gw_gpu_flip(v->card, v->index);
	return 0;
}

static int vf_bar_file(struct gw_endpoint *ep, unsigned int bar)
{
	struct gpu_vf *v = to_vf(ep);

	return bar == GPU_BAR_MEMORY ? v->card->slot[v->index].fd : -1;
}

/* A share is laid out anew only while the memory does not decode, so it may be another one now. */
static void vf_decode(struct gw_endpoint *ep, bool on)
{
	struct gpu_vf *v = to_vf(ep);
	struct gpu_share share;

	if (on) {
		gw_gpu_share(v->card, v->index, &share);
		gw_gpu_engine_set_memory(&v->engine, share.bytes);
		pthread_mutex_lock(&v->lock);
		gw_gpu_display_resize(&v->display, share.bytes < share.window ? share.bytes :
				      share.window);
		pthread_mutex_unlock(&v->lock);
	}
	gw_gpu_set_live(v->card, v->index, on);
}

static void vf_quiesce(struct gw_endpoint *ep)
{
	gw_gpu_engine_quiesce(&to_vf(ep)->engine);
}

static void vf_resume(struct gw_endpoint *ep)
{
	gw_gpu_engine_resume(&to_vf(ep)->engine);
}

static void vf_reset(struct gw_endpoint *ep)
{
	struct gpu_vf *v = to_vf(ep);

	gw_gpu_engine_reset(&v->engine);
	pthread_mutex_lock(&v->lock);
	gw_gpu_display_reset(&v->display);
	pthread_mutex_unlock(&v->lock);
	gw_gpu_clear(v->card, v->index);
}

static void vf_free(struct gw_endpoint *ep)
{
	struct gpu_vf *v;

	if (!ep)
		return;
	v = to_vf(ep);
	gw_gpu_engine_fini(&v->engine);
	gw_gpu_card_put(v->card);
	pthread_mutex_destroy(&v->lock);
	free(v);
}

static const struct gw_endpoint_ops vf_ops = {
	.bar_read = vf_bar_read,
	.bar_write = vf_bar_write,
	.bar_file = vf_bar_file,
	.decode = vf_decode,
	.quiesce = vf_quiesce,
	.resume = vf_resume,
	.reset = vf_reset,
	.free = vf_free,
};

static const struct gw_endpoint_desc vf_desc = {
	.vendor = GPU_VF_VENDOR,
	.device = GPU_VF_DEVICE,
	.subvendor = 0x1af4,		/* as QEMU's */
	.subdevice = 0x1100,
	.class_code = GPU_VF_CLASS,
	.revision = GPU_VF_REVISION,
	.msix_vectors = GPU_VECTORS,
	.msix_bar = GPU_BAR_ENGINE,
	.msix_table = GPU_MSIX_TABLE,
	.msix_pba = GPU_MSIX_PBA,
};

void gw_gpu_vf_bars(const struct gpu_card *card, struct gw_endpoint_bar bar[GW_NR_BARS])
{
	memset(bar, 0, GW_NR_BARS * sizeof(*bar));
	bar[GPU_BAR_MEMORY] = (struct gw_endpoint_bar){
		.size = card->opt.window, .is_64bit = true, .prefetchable = true, .mapped = true,
	};
	bar[GPU_BAR_DISPLAY].size = GPU_DISPLAY_SIZE;
	bar[GPU_BAR_ENGINE].size = GPU_ENGINE_BAR_SIZE;
}

/* The engine reaches all of the share, also what the window does not show. */
static int mem_read(void *ep, uint64_t off, void *buf, size_t len)
{
	struct gpu_vf *v = to_vf(ep);

	memcpy(buf, v->card->slot[v->index].mem + off, len);
	return 0;
}

static int mem_write(void *ep, uint64_t off, const void *buf, size_t len)
{
	struct gpu_vf *v = to_vf(ep);

	memcpy(v->card->slot[v->index].mem + off, buf, len);
	return 0;
}

static int init(struct gpu_vf *v, uint64_t share, uint64_t window)
{
	const struct gpu_reach reach = { .memory = share, .mem_read = mem_read,
					 .mem_write = mem_write };

	v->ep.ops = &vf_ops;
	v->ep.desc = vf_desc;
	gw_gpu_vf_bars(v->card, v->ep.desc.bar);
	pthread_mutex_init(&v->lock, NULL);
	gw_gpu_display_init(&v->display, share < window ? share : window, v->card->opt.width,
			    v->card->opt.height);
	return gw_gpu_engine_init(&v->engine, &v->ep, &reach);
}

int gw_gpu_vf_new(struct gpu_card *card, unsigned int index, struct gw_endpoint **ep)
{
	struct gpu_vf *v = calloc(1, sizeof(*v));
	struct gpu_share share;
	int ret;

	if (!v)
		return -ENOMEM;
	ret = gw_gpu_share(card, index, &share);
	if (ret) {
		free(v);
		return ret;
	}
	v->card = gw_gpu_card_get(card);
	v->index = index;
	ret = init(v, share.bytes, share.window);
	if (ret)
		vf_free(&v->ep);
	else
		*ep = &v->ep;
	return ret;
}
