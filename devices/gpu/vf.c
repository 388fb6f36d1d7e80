/* SPDX-License-Identifier: BSD-3-Clause */
#include "vf.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>

#include "base/util.h"

struct gpu_vf {
	struct gw_endpoint ep;
	struct gpu_card *card;
	unsigned int index;

	pthread_mutex_t lock;
	struct gpu_display display;	/* lock */
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

	if (bar != GPU_BAR_DISPLAY)
		return 0;
	pthread_mutex_lock(&v->lock);
	gw_gpu_display_write(&v->display, (unsigned int)off.v, width, val);
	pthread_mutex_unlock(&v->lock);
	return 0;
}

static int vf_bar_file(struct gw_endpoint *ep, unsigned int bar)
{
	struct gpu_vf *v = to_vf(ep);

	return bar == GPU_BAR_MEMORY ? v->card->slot[v->index].fd : -1;
}

static void vf_decode(struct gw_endpoint *ep, bool on)
{
	struct gpu_vf *v = to_vf(ep);

	gw_gpu_set_live(v->card, v->index, on);
}

static void vf_quiesce(struct gw_endpoint *ep)
{
}

static void vf_resume(struct gw_endpoint *ep)
{
}

static void vf_reset(struct gw_endpoint *ep)
{
	struct gpu_vf *v = to_vf(ep);

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
	.bar = {
		[GPU_BAR_MEMORY] = { .is_64bit = true, .prefetchable = true, .mapped = true },
		[GPU_BAR_DISPLAY] = { .size = GPU_DISPLAY_SIZE },
	},
};

int gw_gpu_vf_new(struct gpu_card *card, unsigned int index, struct gw_endpoint **ep)
{
	struct gpu_vf *v = calloc(1, sizeof(*v));
	struct gpu_share share;
	int ret = v ? gw_gpu_share(card, index, &share) : -ENOMEM;

	if (ret) {
		free(v);
		return ret;
	}
	v->ep.ops = &vf_ops;
	v->ep.desc = vf_desc;
	v->ep.desc.bar[GPU_BAR_MEMORY].size = share.window;
	v->card = gw_gpu_card_get(card);
	v->index = index;
	pthread_mutex_init(&v->lock, NULL);
	gw_gpu_display_init(&v->display, share.bytes < share.window ? share.bytes : share.window,
			    card->opt.width, card->opt.height);
	*ep = &v->ep;
	return 0;
}
