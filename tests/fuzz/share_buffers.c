/* SPDX-License-Identifier: BSD-3-Clause */
#include <stdlib.h>

#include <gangway/buffers.h>

#include "base/reader.h"
#include "base/util.h"
#include "share/share.h"

/*
 * What a guest shares. An input is steps: a byte, and for a share a BAR, a picture and ranges of two
 * 64-bit numbers. Whatever they are, an export that comes of them is inside what the guest may
 * share, and no longer than its list.
 */

#define BAR_SIZE	(64 * 4096ull)
#define MAY_SHARE	(48 * 4096ull)
#define MAX_RANGES	32u

enum step { SHARE, UNSHARE, WORK, REVOKE, REARM, END_ALL, NR_STEPS };

struct world {
	struct gw_exporter *x;
	struct gw_buffers *b;
	struct gw_sharer *s;
	uint64_t last;
};

static void check(bool ok)
{
	if (!ok)
		abort();
}

static void on_work(void *opaque)
{
}

static void check_exports(struct world *w)
{
	struct gw_bar_cursor c;
	struct gw_bar_run run;
	struct gw_export *e;
	unsigned int nr = 0;

	LIST_FOREACH(e, &w->x->exports, link) {
		gw_bar_cursor_init(&c, &e->ranges);
		while (gw_bar_cursor_run(&c, UINT64_MAX, &run))
			check(run.size && run.at.v <= MAY_SHARE && run.size <= MAY_SHARE - run.at.v);
		check(gw_export_size(e) && gw_export_size(e) <= BAR_SIZE);
		nr++;
	}
	check(nr <= GW_BUFFERS_MAX);
}

static bool share(struct world *w, struct gw_reader *in)
{
	struct gw_bar_range range[MAX_RANGES];
	struct gw_buffer_picture p;
	uint64_t handle = 0, sum = 0;
	uint8_t bar, nr;
	int ret;

	if (!gw_reader_take(in, &bar, 1) || !gw_reader_take(in, &nr, 1) ||
	    !gw_reader_take(in, &p, sizeof(p)))
		return false;
	nr %= MAX_RANGES + 1;
	for (unsigned int i = 0; i < nr; i++) {
		if (!gw_reader_u64(in, &range[i].off.v) || !gw_reader_u64(in, &range[i].size))
			return false;
		sum += range[i].size;
	}
	ret = w->s->ops->share(w->s, bar % (GW_NR_BARS + 1), range, nr, &p, &handle);
	check(!ret == (handle > w->last));
	if (!ret) {
		check(gw_export_size(LIST_FIRST(&w->x->exports)) == sum);
		w->last = handle;
	}
	return true;
}

static bool step(struct world *w, struct gw_reader *in)
{
	uint8_t what;

	if (!gw_reader_take(in, &what, 1))
		return false;
	switch (what % NR_STEPS) {
	case SHARE:
		return share(w, in);
	case UNSHARE:
		if (!gw_reader_take(in, &what, 1))
			return false;
		w->s->ops->unshare(w->s, w->last - what);
		return true;
	case WORK:
		gw_buffers_work(w->b);
		return true;
	case REVOKE:
		check(!gw_exporter_revoke(w->x));
		return true;
	case REARM:
		check(!gw_exporter_rearm(w->x));
		return true;
	default:
		w->s->ops->unshare_all(w->s);
		gw_buffers_work(w->b);
		check(LIST_EMPTY(&w->x->exports));
		return true;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct gw_reader in = gw_reader_init(data, len);
	struct gw_exporter_options xo = { .vm = "work", .bar_size = { BAR_SIZE, BAR_SIZE } };
	struct gw_buffers_options bo = { .bytes = MAY_SHARE, .work = on_work };
	struct world w = { 0 };

	check(!gw_exporter_new(&xo, &w.x));
	bo.x = w.x;
	check(!gw_buffers_new(&bo, &w.b));
	w.s = gw_buffers_sharer(w.b);
	while (step(&w, &in))
		check_exports(&w);
	gw_buffers_free(w.b);
	gw_exporter_free(w.x);
	return 0;
}
