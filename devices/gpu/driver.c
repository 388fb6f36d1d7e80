/* SPDX-License-Identifier: BSD-3-Clause */
#include "driver.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <gangway/provisioning.h>

#include "base/lock.h"
#include "base/util.h"

/*
 * How it works: a picture is attached to and imported without @lock, which guards what the hardware
 * was told. Whoever revokes calls back meanwhile; so the hardware is told under @lock, and only if
 * the mapping is still the one that was imported.
 */

/**
 * struct gpu_driver - the driver
 * @lock: also of the scan-out's registers; taken last, and by callbacks
 * @a:    the caller's thread's, as @table and @layout are
 */
struct gpu_driver {
	struct gw_importer importer;
	struct gw_share_accept accept;
	struct gw_function *pf;
	struct gpu_card *card;
	struct gw_provisioning *table;
	uint64_t layout[GPU_MAX_VFS];		/* generation of each share in @table, 0: none */
	struct gw_attachment *a;

	pthread_mutex_t lock;
	struct gw_vram_import *im GW_GUARDED_BY(lock);
	unsigned int runs GW_GUARDED_BY(lock);
};

static void set(struct gpu_driver *d, uint64_t off, unsigned int width, uint64_t val)
{
	d->pf->ops->reg_write(d->pf, GPU_BAR_PF, (gw_bar_off){ off }, width, val);
}

/* The hardware lets go. */
static void stop(struct gpu_driver *d) GW_HOLDS(d->lock)
{
	if (!d->im)
		return;
	set(d, GPU_SCAN_CONTROL, 4, 0);
	gw_vram_import_put(d->im);
	d->im = NULL;
	d->runs = 0;
}

static void driver_quiesce(struct gw_importer *imp, struct gw_attachment *a)
{
	struct gpu_driver *d = container_of(imp, struct gpu_driver, importer);

	pthread_mutex_lock(&d->lock);
	stop(d);
	pthread_mutex_unlock(&d->lock);
}

static void driver_invalidate(struct gw_importer *imp, struct gw_attachment *a,
			      enum gw_share_why why)
{
	driver_quiesce(imp, a);
	gw_attachment_unmap(a);
}

static const struct gw_importer_ops importer_ops = {
	.invalidate = driver_invalidate,
	.quiesce = driver_quiesce,
};

static int put_table(struct gpu_driver *d, const struct gw_vram_ranges *ranges) GW_HOLDS(d->lock)
{
	struct gw_vram_cursor c;
	struct gw_vram_run run;
	unsigned int nr = 0;

	gw_vram_cursor_init(&c, ranges);
	for (; gw_vram_cursor_next(&c, UINT64_MAX, &run); nr++) {
		if (nr == GPU_SCAN_MAX)
			return -E2BIG;
		set(d, GPU_SCAN_TABLE + 16 * nr, 8, run.at.v);
		set(d, GPU_SCAN_TABLE + 16 * nr + 8, 8, run.size);
	}
	d->runs = nr;
	return 0;
}

/* Tell the hardware. */
static int start(struct gpu_driver *d, const struct gpu_frame *f, struct gw_vram_import *im)
	GW_HOLDS(d->lock)
{
	uint64_t status = 0;
	int ret = put_table(d, gw_vram_import_ranges(im));

	if (ret)
		return ret;
	set(d, GPU_SCAN_WIDTH, 4, f->width);
	set(d, GPU_SCAN_HEIGHT, 4, f->height);
	set(d, GPU_SCAN_STRIDE, 4, f->stride);
	set(d, GPU_SCAN_FORMAT, 4, f->format);
	set(d, GPU_SCAN_SKIP, 4, f->off.v);
	set(d, GPU_SCAN_RANGES, 4, d->runs);
	set(d, GPU_SCAN_CONTROL, 4, 1);
	d->pf->ops->reg_read(d->pf, GPU_BAR_PF, (gw_bar_off){ GPU_SCAN_STATUS }, 4, &status);
	if (status != GPU_SCAN_SHOWN) {
		set(d, GPU_SCAN_CONTROL, 4, 0);
		return -EIO;
	}
	d->im = im;
	return 0;
}

/* Does the table have a function's share as it is laid out now? */
static bool is_current(const struct gpu_driver *d, unsigned int vf)
{
	struct gpu_share share;

	return !gw_gpu_share(d->card, vf, &share) && d->layout[vf] == share.generation;
}

static int take_share(struct gpu_driver *d, unsigned int vf)
{
	struct gw_vram_extent extent[GPU_MAX_EXTENTS];
	struct gpu_share share;
	int ret = gw_gpu_share(d->card, vf, &share);

	for (unsigned int i = 0; !ret && i < share.nr; i++)
		extent[i] = (struct gw_vram_extent){ share.extent[i].at, share.extent[i].len };
	if (!ret)
		ret = gw_provisioning_set(d->table, vf, share.window, extent, share.nr);
	if (!ret)
		d->layout[vf] = share.generation;
	return ret;
}

/*
 * Map it by a table that is right. A share is laid out anew while its function does not decode, and
 * what is mapped is taken back before that; so one that is right once it is mapped stays right.
 */
static int map(struct gpu_driver *d, struct gw_export *e, struct gw_vram_import **im, char *reason)
{
	int32_t vf = gw_export_id(e)->vf;
	bool ours = vf >= 0 && (unsigned int)vf < d->card->opt.vfs;
	int ret;

	for (;;) {
		ret = ours && !is_current(d, (unsigned int)vf) ?
		      take_share(d, (unsigned int)vf) : 0;
		if (ret)
			snprintf(reason, GW_SHARE_REASON, "its share cannot be looked up: %s",
				 strerror(-ret));
		if (!ret)
			ret = gw_provisioning_map(d->table, d->a, im, reason);
		if (ret || !ours || is_current(d, (unsigned int)vf))
			return ret;
		gw_vram_import_put(*im);
		gw_attachment_unmap(d->a);
	}
}

static int import(struct gpu_driver *d, struct gw_export *e, const struct gpu_frame *f,
		  char *reason)
{
	struct gw_vram_import *im = NULL;
	uint64_t generation;
	int ret = map(d, e, &im, reason);

	if (ret)
		return ret;
	generation = gw_attachment_generation(d->a);
	pthread_mutex_lock(&d->lock);
	ret = gw_attachment_valid(d->a, generation) && im ? start(d, f, im) : -ENODEV;
	if (ret)
		d->runs = 0;
	pthread_mutex_unlock(&d->lock);
	if (!ret)
		return 0;
	snprintf(reason, GW_SHARE_REASON, "the scan-out does not take it: %s", strerror(-ret));
	gw_vram_import_put(im);
	return ret;
}

int gw_gpu_driver_show(struct gpu_driver *d, struct gw_export *e, const struct gpu_frame *f,
		       char reason[GW_SHARE_REASON])
{
	int ret;

	gw_gpu_driver_hide(d);
	ret = gw_attach(e, &d->importer, &d->a, reason);
	if (ret) {
		d->a = NULL;
		return ret;
	}
	ret = import(d, e, f, reason);
	if (ret)
		gw_gpu_driver_hide(d);
	return ret;
}

void gw_gpu_driver_hide(struct gpu_driver *d)
{
	pthread_mutex_lock(&d->lock);
	stop(d);
	pthread_mutex_unlock(&d->lock);
	/* not under the lock, for which a callback may be waiting */
	gw_attachment_detach(d->a);
	d->a = NULL;
}

unsigned int gw_gpu_driver_runs(struct gpu_driver *d)
{
	unsigned int runs;

	pthread_mutex_lock(&d->lock);
	runs = d->runs;
	pthread_mutex_unlock(&d->lock);
	return runs;
}

int gw_gpu_driver_new(struct gw_function *pf, const struct gw_share_id *id, struct gpu_card *card,
		      struct gw_log *log, struct gpu_driver **out)
{
	struct gpu_driver *d = calloc(1, sizeof(*d));
	int ret;

	if (!d)
		return -ENOMEM;
	pthread_mutex_init(&d->lock, NULL);
	d->pf = pf;
	d->card = card;
	d->accept = (struct gw_share_accept){ .kind = &gw_share_iov_vram,
					      .data = { GPU_BAR_MEMORY } };
	d->importer = (struct gw_importer){ .ops = &importer_ops, .id = *id,
					    .accept = &d->accept, .nr_accept = 1 };
	ret = gw_provisioning_new(id, GPU_BAR_MEMORY, card->opt.vfs, card->opt.vram, log,
				  &d->table);
	for (unsigned int vf = 0; !ret && vf < card->opt.vfs; vf++)
		ret = take_share(d, vf);
	if (ret)
		gw_gpu_driver_free(d);
	else
		*out = d;
	return ret;
}

void gw_gpu_driver_free(struct gpu_driver *d)
{
	if (!d)
		return;
	gw_gpu_driver_hide(d);
	gw_provisioning_free(d->table);
	pthread_mutex_destroy(&d->lock);
	free(d);
}
