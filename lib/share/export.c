/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <stdlib.h>

#include "base/lock.h"
#include "base/util.h"
#include "share/share.h"

/* What an export is; how it comes, and goes with its last reference. */

void gw_exporter_put(struct gw_exporter *x)
{
	bool last = !--x->refs;

	pthread_mutex_unlock(&x->lock);
	if (!last)
		return;
	gw_notifier_fini(&x->notifier);
	pthread_mutex_destroy(&x->lock);
	pthread_cond_destroy(&x->changed);
	free(x->vm);
	free(x);
}

static int check_ranges(uint64_t bar_size, const struct gw_bar_range *range, unsigned int nr,
			uint64_t *bytes)
{
	*bytes = 0;
	if (!bar_size || !nr)
		return -EINVAL;
	if (nr > GW_RANGES_MAX)
		return -ENOSPC;
	for (unsigned int i = 0; i < nr; i++) {
		uint64_t end;

		if (__builtin_add_overflow(range[i].off.v, range[i].size, &end) ||
		    __builtin_add_overflow(*bytes, range[i].size, bytes))
			return -EOVERFLOW;
		if (!range[i].size || (range[i].off.v | range[i].size) % GW_PAGE_SIZE ||
		    end > bar_size)
			return -EINVAL;
	}
	return *bytes > bar_size ? -EOVERFLOW : 0;
}

static int export_make(struct gw_exporter *x, unsigned int bar, const struct gw_bar_range *range,
		       unsigned int nr, struct gw_export **e)
{
	struct gw_export *n = calloc(1, sizeof(*n));
	int ret = 0;

	if (!n)
		return -ENOMEM;
	*n = (struct gw_export){ .x = x, .bar = bar, .refs = 1 };
	LIST_INIT(&n->attachments);
	gw_bar_ranges_init(&n->ranges, GW_RANGES_EXTENTS, nr);
	for (unsigned int i = 0; !ret && i < nr; i++)
		ret = gw_bar_ranges_add(&n->ranges, range[i].off, range[i].size);
	if (ret) {
		gw_bar_ranges_fini(&n->ranges);
		free(n);
	} else {
		*e = n;
	}
	return ret;
}

int gw_export_new(struct gw_exporter *x, unsigned int bar, const struct gw_bar_range *range,
		  unsigned int nr, struct gw_export **e)
{
	struct gw_export *n;
	uint64_t bytes;
	int ret;

	ret = bar < GW_NR_BARS ? check_ranges(x->opt.bar_size[bar], range, nr, &bytes) : -EINVAL;
	if (!ret)
		ret = export_make(x, bar, range, nr, &n);
	if (ret)
		return ret;
	pthread_mutex_lock(&x->lock);
	if (x->dead)
		ret = -ENODEV;
	else if (x->nr_exports >= GW_SHARE_MAX_EXPORTS)
		ret = -ENOSPC;
	if (!ret) {
		LIST_INSERT_HEAD(&x->exports, n, link);
		x->nr_exports++;
		x->refs++;
		*e = n;
	}
	pthread_mutex_unlock(&x->lock);
	if (ret) {
		gw_bar_ranges_fini(&n->ranges);
		free(n);
	}
	return ret;
}

void gw_export_put(struct gw_exporter *x, struct gw_export *e)
{
	if (--e->refs) {
		pthread_mutex_unlock(&x->lock);
		return;
	}
	LIST_REMOVE(e, link);
	x->nr_exports--;
	gw_bar_ranges_fini(&e->ranges);
	free(e);
	gw_exporter_put(x);
}

const struct gw_share_id *gw_export_id(const struct gw_export *e)
{
	return &e->x->opt.id;
}

const char *gw_export_vm(const struct gw_export *e)
{
	return e->x->vm;
}

unsigned int gw_export_bar(const struct gw_export *e)
{
	return e->bar;
}

uint64_t gw_export_size(const struct gw_export *e)
{
	return gw_bar_ranges_bytes(&e->ranges);
}

const struct gw_bar_ranges *gw_export_ranges(const struct gw_export *e)
{
	return &e->ranges;
}

struct gw_backing *gw_export_backing(const struct gw_export *e)
{
	return e->x->opt.backing;
}
