/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef TESTS_UNIT_SHARE_RIG_H
#define TESTS_UNIT_SHARE_RIG_H

#include "unit.h"

#include <pthread.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <unistd.h>

#include <gangway/provisioning.h>
#include <gangway/share.h>

#include "base/util.h"

/* A virtual function with memory, and importers that do as they are told, or do not. */

#define RIG_PAGE	4096ull
#define RIG_BAR		0u
#define RIG_BYTES	(64 * RIG_PAGE)

static const struct gw_share_id rig_pf = { .fn = { 0, 1, 0, 0 }, .pf = { 0, 1, 0, 0 }, .vf = -1,
					   .cookie = 77 };
static const struct gw_share_id rig_vf = { .fn = { 0, 1, 0, 2 }, .pf = { 0, 1, 0, 0 }, .vf = 1,
					   .cookie = 77 };
static const struct gw_share_id rig_other = { .fn = { 0, 2, 0, 0 }, .pf = { 0, 2, 0, 0 },
					      .vf = -1, .cookie = 78 };

/* The backing: bytes, whose file may be refused, and DMA addresses at a fixed distance. */
struct rig_backing {
	struct gw_backing base;
	uint8_t bytes[RIG_BYTES];
	_Atomic int mapped;		/* DMA mappings that there are */
	bool no_file, no_iova;
};

static inline int rig_iova_map(struct gw_backing *base, const struct gw_share_id *importer,
			       unsigned int bar, const struct gw_bar_ranges *ranges,
			       struct gw_iova_ranges *out, uint64_t *token,
			       char reason[GW_SHARE_REASON])
{
	struct rig_backing *b = container_of(base, struct rig_backing, base);
	struct gw_bar_cursor c;
	struct gw_bar_run run;
	int ret = 0;

	if (b->no_iova) {
		snprintf(reason, GW_SHARE_REASON, "no room");
		return -EOPNOTSUPP;
	}
	gw_bar_cursor_init(&c, ranges);
	while (!ret && gw_bar_cursor_next(&c, UINT64_MAX, &run))
		ret = gw_iova_ranges_add(out, (gw_iova){ run.at.v + (1ull << 40) }, run.size);
	if (!ret)
		b->mapped++;
	*token = 5;
	return ret;
}

static inline void rig_iova_unmap(struct gw_backing *base, uint64_t token)
{
	assert_int_equal(token, 5);
	container_of(base, struct rig_backing, base)->mapped--;
}

static inline int rig_file(struct gw_backing *base, unsigned int bar,
			   const struct gw_bar_ranges *ranges, int *fd, unsigned int *what,
			   struct gw_file_ranges *out, char reason[GW_SHARE_REASON])
{
	struct rig_backing *b = container_of(base, struct rig_backing, base);

	if (b->no_file || gw_bar_ranges_bytes(ranges) != RIG_BYTES) {
		snprintf(reason, GW_SHARE_REASON, "the file holds more than this");
		return -EOPNOTSUPP;
	}
	*fd = memfd_create("rig", MFD_CLOEXEC);
	assert_true(*fd >= 0);
	*what = GW_SHARE_FILE_MEMORY;
	return gw_file_ranges_add(out, (gw_file_off){ 0 }, RIG_BYTES);
}

static inline int rig_read(struct gw_backing *base, unsigned int bar, gw_bar_off off, void *buf,
			   size_t len)
{
	memcpy(buf, container_of(base, struct rig_backing, base)->bytes + off.v, len);
	return 0;
}

static const struct gw_backing_ops rig_backing_ops = {
	.iova_map = rig_iova_map, .iova_unmap = rig_iova_unmap, .file = rig_file, .read = rig_read,
};

static inline struct rig_backing *rig_backing_new(void)
{
	struct rig_backing *b = calloc(1, sizeof(*b));

	b->base.ops = &rig_backing_ops;
	for (size_t i = 0; i < sizeof(b->bytes); i++)
		b->bytes[i] = (uint8_t)(i >> 8 ^ i);
	return b;
}

static inline struct gw_exporter *rig_exporter(struct rig_backing *b, unsigned int force_ms)
{
	const struct gw_exporter_options opt = {
		.id = rig_vf, .vm = "work", .bar_size = { RIG_BYTES },
		.backing = b ? &b->base : NULL, .warn_ms = force_ms / 2 ? force_ms / 2 : 1,
		.force_ms = force_ms,
	};
	struct gw_exporter *x;

	assert_int_equal(gw_exporter_new(&opt, &x), 0);
	return x;
}

static inline struct gw_export *rig_export(struct gw_exporter *x, uint64_t first, uint64_t pages)
{
	const struct gw_bar_range range = { { first * RIG_PAGE }, pages * RIG_PAGE };
	struct gw_export *e;

	assert_int_equal(gw_export_new(x, RIG_BAR, &range, 1, &e), 0);
	return e;
}

/* How an importer answers when it is told to let go. */
enum rig_answer { RIG_AT_ONCE, RIG_LATER, RIG_NEVER, RIG_DETACH };

struct rig_importer {
	struct gw_importer base;
	struct gw_share_accept accept[5];
	enum rig_answer answer;
	pthread_t later[4];
	unsigned int nr_later;
	_Atomic unsigned int told, quiesced, ready, last_why;
	_Atomic bool detached;
	_Atomic bool stopped;		/* its hardware does not access any longer */
};

struct rig_later {
	struct gw_attachment *a;
	struct rig_importer *imp;
};

static inline void *rig_unmap_later(void *opaque)
{
	struct rig_later *l = opaque;

	usleep(2000);
	l->imp->stopped = true;
	gw_attachment_unmap(l->a);
	free(l);
	return NULL;
}

static inline void rig_invalidate(struct gw_importer *base, struct gw_attachment *a,
				  enum gw_share_why why)
{
	struct rig_importer *imp = container_of(base, struct rig_importer, base);
	struct rig_later *l;

	imp->told++;
	imp->last_why = why;
	switch (imp->answer) {
	case RIG_AT_ONCE:
		imp->stopped = true;
		gw_attachment_unmap(a);
		break;
	case RIG_LATER:
		assert_true(imp->nr_later < ARRAY_SIZE(imp->later));
		l = malloc(sizeof(*l));
		*l = (struct rig_later){ a, imp };
		assert_int_equal(pthread_create(&imp->later[imp->nr_later++], NULL,
						rig_unmap_later, l), 0);
		break;
	case RIG_NEVER: break;
	case RIG_DETACH:
		imp->detached = true;
		gw_attachment_detach(a);
		break;
	}
}

static inline void rig_quiesce(struct gw_importer *base, struct gw_attachment *a)
{
	struct rig_importer *imp = container_of(base, struct rig_importer, base);

	imp->quiesced++;
	imp->stopped = true;
}

static inline void rig_ready(struct gw_importer *base, struct gw_attachment *a)
{
	container_of(base, struct rig_importer, base)->ready++;
}

static const struct gw_importer_ops rig_importer_ops = { rig_invalidate, rig_quiesce, rig_ready };

/* One that takes all kinds, as the physical function. */
static inline struct rig_importer *rig_importer(enum rig_answer answer)
{
	struct rig_importer *imp = calloc(1, sizeof(*imp));

	imp->base = (struct gw_importer){ .ops = &rig_importer_ops, .id = rig_pf,
					  .accept = imp->accept, .nr_accept = 5 };
	imp->accept[0] = (struct gw_share_accept){ &gw_share_copy };
	imp->accept[1] = (struct gw_share_accept){ &gw_share_memfd,
						   .data = { GW_SHARE_FILE_MEMORY } };
	imp->accept[2] = (struct gw_share_accept){ &gw_share_iova };
	imp->accept[3] = (struct gw_share_accept){ &gw_share_iov_vram, .data = { RIG_BAR } };
	imp->accept[4] = (struct gw_share_accept){ &gw_share_bar_range };
	imp->answer = answer;
	return imp;
}

static inline void rig_importer_join(struct rig_importer *imp)
{
	while (imp->nr_later)
		pthread_join(imp->later[--imp->nr_later], NULL);
}

static inline void rig_importer_free(struct rig_importer *imp)
{
	rig_importer_join(imp);
	free(imp);
}

#endif
