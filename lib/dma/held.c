/* SPDX-License-Identifier: BSD-3-Clause */
#include "dma/held.h"

#include <errno.h>
#include <stdlib.h>

void gw_dma_held_add(struct gw_dma_held_list *l, const struct gw_dma_held *what)
{
	struct gw_dma_held *h = malloc(sizeof(*h));

	if (!h) {
		free(what->more);
		return;
	}
	*h = *what;
	SLIST_INSERT_HEAD(l, h, link);
}

static void held_drop(struct gw_dma_held_list *l, struct gw_dma_held *h)
{
	SLIST_REMOVE(l, h, gw_dma_held, link);
	if (h->file)
		gw_file_put(h->file);
	for (unsigned int i = 0; i < h->nr_more; i++)
		gw_file_put(h->more[i]);
	free(h->more);
	free(h);
}

bool gw_dma_held_retry(struct gw_dma_held_list *l, struct gw_function *fn)
{
	struct gw_dma_held *h, *next;
	int ret = 0;

	/*
	 * a device that did not answer for one mapping will not for the next, and each takes a wait
	 */
	for (h = SLIST_FIRST(l); h && ret != -ETIMEDOUT; h = next) {
		next = SLIST_NEXT(h, link);
		ret = gw_function_unmap(fn, h->handle, h->size);
		if (!ret)
			held_drop(l, h);
	}
	return SLIST_EMPTY(l);
}

bool gw_dma_held_take(struct gw_dma_held_list *l, gw_iova iova, uint64_t size, const uint8_t *addr,
		      uint64_t *handle)
{
	struct gw_dma_held *h;

	SLIST_FOREACH(h, l, link) {
		if (!h->addr || h->addr != addr || h->iova.v != iova.v || h->size != size)
			continue;
		*handle = h->handle;
		held_drop(l, h);
		return true;
	}
	return false;
}

bool gw_dma_held_part(struct gw_dma_held_list *l, const struct gw_function *peer)
{
	struct gw_dma_held *h;
	bool some = false;

	SLIST_FOREACH(h, l, link) {
		if (h->peer != peer)
			continue;
		some = true;
		h->peer = NULL;		/* another function may be allocated at its address */
	}
	return some;
}

void gw_dma_held_forget(struct gw_dma_held_list *l)
{
	struct gw_dma_held *h;

	while ((h = SLIST_FIRST(l))) {
		SLIST_REMOVE_HEAD(l, link);
		free(h->more);
		free(h);
	}
}
