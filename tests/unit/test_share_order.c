/* SPDX-License-Identifier: BSD-3-Clause */
#include "share_rig.h"

/* What is asked for while something else is under way, and how much there may be of it. */

/* The backing, one of whose reads has something done in its middle. */
struct slow {
	struct rig_backing rig;
	struct gw_exporter *x;
	struct gw_attachment *a;
	pthread_t thread;
	void *(*meanwhile)(void *slow);		/* in a thread */
	enum gw_attachment_state until;		/* the read goes on when @a is in it */
	unsigned int reads;
};

static int slow_read(struct gw_backing *base, unsigned int bar, gw_bar_off off, void *buf,
		     size_t len)
{
	struct slow *s = container_of(base, struct slow, rig.base);

	if (!s->reads++) {
		assert_int_equal(pthread_create(&s->thread, NULL, s->meanwhile, s), 0);
		while (gw_attachment_state(s->a) != s->until)
			usleep(100);
	}
	return rig_read(base, bar, off, buf, len);
}

static const struct gw_backing_ops slow_ops = { .read = slow_read };

static void *take_back(void *opaque)
{
	gw_exporter_revoke(((struct slow *)opaque)->x);
	return NULL;
}

static void *detach(void *opaque)
{
	gw_attachment_detach(((struct slow *)opaque)->a);
	return NULL;
}

/* Read two ranges by copy; after the first, @meanwhile has begun. Return: what the read says */
static int read_while(struct slow *s, void *(*meanwhile)(void *), enum gw_attachment_state until)
{
	static const struct gw_share_accept accept = { &gw_share_copy };
	const struct gw_bar_range ranges[] = { { { 0 }, RIG_PAGE }, { { 2 * RIG_PAGE }, RIG_PAGE } };
	struct rig_importer *imp = rig_importer(RIG_AT_ONCE);
	struct gw_exporter_options opt = { .id = rig_vf, .vm = "work", .bar_size = { RIG_BYTES },
					   .backing = &s->rig.base };
	uint8_t buf[2 * RIG_PAGE];
	struct gw_export *e;
	int ret;

	*s = (struct slow){ .rig.base.ops = &slow_ops, .meanwhile = meanwhile, .until = until };
	imp->base.accept = &accept;
	imp->base.nr_accept = 1;
	assert_int_equal(gw_exporter_new(&opt, &s->x), 0);
	assert_int_equal(gw_export_new(s->x, RIG_BAR, ranges, 2, &e), 0);
	assert_int_equal(gw_attach(e, &imp->base, &s->a, NULL), 0);
	assert_int_equal(gw_attachment_map(s->a), 0);
	ret = gw_attachment_read(s->a, 0, buf, sizeof(buf));
	pthread_join(s->thread, NULL);
	if (meanwhile != detach)
		gw_attachment_detach(s->a);
	gw_export_free(e);
	gw_exporter_free(s->x);
	rig_importer_free(imp);
	return ret;
}

static void a_copy_stops_when_its_memory_is_wanted_back(void **state)
{
	struct slow s;

	assert_int_equal(read_while(&s, take_back, GW_ATT_ATTACHED), -ENODEV);
	assert_int_equal(s.reads, 1);
}

static void a_detach_waits_for_the_copy_that_is_under_way(void **state)
{
	struct slow s;

	assert_int_equal(read_while(&s, detach, GW_ATT_DETACHED), -ENODEV);
	assert_int_equal(s.reads, 1);
}

static struct gw_exporter *to_rearm;
static int rearmed;

static void rearm(struct gw_importer *imp, struct gw_attachment *a, enum gw_share_why why)
{
	rearmed = gw_exporter_rearm(to_rearm);
	gw_attachment_unmap(a);
}

static void nothing_comes_back_while_it_is_taken(void **state)
{
	static const struct gw_importer_ops ops = { rearm, rig_quiesce };
	struct rig_backing *b = rig_backing_new();
	struct rig_importer *imp = rig_importer(RIG_AT_ONCE);
	struct gw_exporter *x = to_rearm = rig_exporter(b, 1000);
	struct gw_export *e = rig_export(x, 0, 1);
	struct gw_attachment *a;

	imp->base.ops = &ops;
	assert_int_equal(gw_attach(e, &imp->base, &a, NULL), 0);
	assert_int_equal(gw_attachment_map(a), 0);
	assert_int_equal(gw_exporter_revoke(x), 0);
	assert_int_equal(rearmed, -EBUSY);
	assert_int_equal(gw_attachment_map(a), -ENODEV);
	assert_int_equal(gw_exporter_rearm(x), 0);
	assert_int_equal(gw_attachment_map(a), 0);
	gw_attachment_detach(a);
	gw_export_free(e);
	gw_exporter_free(x);
	rig_importer_free(imp);
	free(b);
}

static void map_again(void *opaque)
{
	assert_int_equal(gw_attachment_map(opaque), -EBUSY);
}

static void what_moves_is_mapped_when_it_has_moved(void **state)
{
	struct rig_backing *b = rig_backing_new();
	struct rig_importer *imp = rig_importer(RIG_AT_ONCE);
	struct gw_exporter *x = rig_exporter(b, 1000);
	struct gw_export *e = rig_export(x, 0, 1);
	struct gw_attachment *a;

	assert_int_equal(gw_attach(e, &imp->base, &a, NULL), 0);
	assert_int_equal(gw_attachment_map(a), 0);
	assert_int_equal(gw_export_move(e, map_again, a), 0);
	assert_int_equal(gw_attachment_map(a), 0);
	gw_attachment_detach(a);
	gw_export_free(e);
	gw_exporter_free(x);
	rig_importer_free(imp);
	free(b);
}

static int fence_error(struct gw_attachment *a)
{
	int err = 0;

	gw_fence_count(gw_attachment_fence(a, GW_FENCE_FRAME), &err);
	return err;
}

static void a_fence_says_whether_there_will_be_more(void **state)
{
	struct rig_backing *b = rig_backing_new();
	struct rig_importer *imp = rig_importer(RIG_AT_ONCE);
	struct gw_exporter *x = rig_exporter(b, 1000);
	struct gw_export *e = rig_export(x, 0, 1);
	struct gw_attachment *a;

	assert_int_equal(gw_attach(e, &imp->base, &a, NULL), 0);
	assert_int_equal(gw_attachment_map(a), 0);
	assert_int_equal(fence_error(a), 0);
	gw_exporter_revoke(x);
	assert_int_equal(fence_error(a), -ECANCELED);
	gw_exporter_rearm(x);
	assert_int_equal(gw_attachment_map(a), 0);
	assert_int_equal(fence_error(a), 0);
	imp->answer = RIG_NEVER;	/* forced, so it ends in the mapping itself */
	gw_export_free(e);
	assert_int_equal(fence_error(a), -ENODEV);
	gw_attachment_detach(a);
	gw_exporter_free(x);
	rig_importer_free(imp);
	free(b);
}

static void there_are_so_many_and_no_more(void **state)
{
	static struct gw_export *e[GW_SHARE_MAX_EXPORTS];
	static struct gw_attachment *a[GW_SHARE_MAX_ATTACHED];
	const struct gw_bar_range page = { .size = RIG_PAGE };
	struct rig_backing *b = rig_backing_new();
	struct rig_importer *imp = rig_importer(RIG_AT_ONCE);
	struct gw_exporter *x = rig_exporter(b, 1000);
	struct gw_attachment *more;
	struct gw_export *another;

	for (unsigned int i = 0; i < GW_SHARE_MAX_EXPORTS; i++)
		e[i] = rig_export(x, 0, 1);
	assert_int_equal(gw_export_new(x, RIG_BAR, &page, 1, &another), -ENOSPC);
	for (unsigned int i = 0; i < GW_SHARE_MAX_ATTACHED; i++)
		assert_int_equal(gw_attach(e[0], &imp->base, &a[i], NULL), 0);
	assert_int_equal(gw_attach(e[0], &imp->base, &more, NULL), -ENOSPC);
	gw_attachment_detach(a[0]);
	assert_int_equal(gw_attach(e[0], &imp->base, &a[0], NULL), 0);
	for (unsigned int i = 0; i < GW_SHARE_MAX_ATTACHED; i++)
		gw_attachment_detach(a[i]);
	for (unsigned int i = 0; i < GW_SHARE_MAX_EXPORTS; i++)
		gw_export_free(e[i]);
	gw_exporter_free(x);
	rig_importer_free(imp);
	free(b);
}

/* The backing's file is memory, and the importer wants dma-bufs. */
static void a_file_that_is_not_wanted_is_not_handed_out(void **state)
{
	static const struct gw_share_accept accept[] = {
		{ &gw_share_memfd, .data = { GW_SHARE_FILE_DMA_BUF } }, { &gw_share_copy },
	};
	struct rig_backing *b = rig_backing_new();
	struct rig_importer *imp = rig_importer(RIG_AT_ONCE);
	struct gw_exporter *x = rig_exporter(b, 1000);
	struct gw_export *e = rig_export(x, 0, RIG_BYTES / RIG_PAGE);
	struct gw_share_step step = { 0 };
	struct gw_attachment *a;
	bool said = false;

	imp->base.accept = accept;
	imp->base.nr_accept = 2;
	assert_int_equal(gw_attach(e, &imp->base, &a, NULL), 0);
	assert_int_equal(gw_attachment_map(a), 0);
	assert_ptr_equal(gw_attachment_kind(a), &gw_share_copy);
	for (unsigned int i = 0; gw_attachment_step(a, i, &step); i++)
		said |= step.kind == &gw_share_memfd && step.err && *step.reason;
	assert_true(said);
	gw_attachment_detach(a);
	gw_export_free(e);
	gw_exporter_free(x);
	rig_importer_free(imp);
	free(b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_copy_stops_when_its_memory_is_wanted_back),
		cmocka_unit_test(a_detach_waits_for_the_copy_that_is_under_way),
		cmocka_unit_test(nothing_comes_back_while_it_is_taken),
		cmocka_unit_test(what_moves_is_mapped_when_it_has_moved),
		cmocka_unit_test(a_fence_says_whether_there_will_be_more),
		cmocka_unit_test(there_are_so_many_and_no_more),
		cmocka_unit_test(a_file_that_is_not_wanted_is_not_handed_out),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
