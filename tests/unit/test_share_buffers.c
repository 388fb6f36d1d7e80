/* SPDX-License-Identifier: BSD-3-Clause */
#include "share_rig.h"

#include <fcntl.h>

#include <gangway/buffers.h>
#include <gangway/importer.h>

#include "share/share.h"

/* What a guest shares: no list of a guest's reaches beyond its part of the BAR, or costs much. */

#define LIMIT	(RIG_BYTES - 8 * RIG_PAGE)	/* what the guest may share */
#define XR24	0x34325258u

struct guest {
	struct rig_backing *backing;
	struct gw_exporter *x;
	struct gw_buffers *b;
	struct gw_sharer *s;
	unsigned int work;
};

static void on_work(void *opaque)
{
	((struct guest *)opaque)->work++;
}

static const struct gw_buffer_picture no_picture;

static void begin_with(struct guest *g, uint64_t bar_size, uint64_t bytes)
{
	struct gw_buffers_options opt = { .bytes = bytes, .work = on_work, .opaque = g };
	struct gw_exporter_options xo = { .id = rig_vf, .vm = "work", .bar_size = { bar_size, bar_size },
					  .warn_ms = 1, .force_ms = 2 };

	*g = (struct guest){ .backing = rig_backing_new() };
	xo.backing = &g->backing->base;
	assert_int_equal(gw_exporter_new(&xo, &g->x), 0);
	opt.x = g->x;
	assert_int_equal(gw_buffers_new(&opt, &g->b), 0);
	g->s = gw_buffers_sharer(g->b);
}

static void begin(struct guest *g)
{
	begin_with(g, RIG_BYTES, LIMIT);
}

static void end(struct guest *g)
{
	gw_buffers_free(g->b);
	assert_int_equal(g->x->nr_exports, 0);
	gw_exporter_free(g->x);
	free(g->backing);
}

static int share(struct guest *g, unsigned int bar, const struct gw_bar_range *range,
		 unsigned int nr, uint64_t *handle)
{
	return g->s->ops->share(g->s, bar, range, nr, &no_picture, handle);
}

static int share_pages(struct guest *g, uint64_t first, uint64_t nr, uint64_t *handle)
{
	const struct gw_bar_range range = { { first * RIG_PAGE }, nr * RIG_PAGE };

	return share(g, RIG_BAR, &range, 1, handle);
}

/* Of the buffer that was shared last. */
static struct gw_attachment *attach_last(struct guest *g, struct rig_importer *imp)
{
	struct gw_attachment *a;

	assert_int_equal(gw_attach(LIST_FIRST(&g->x->exports), &imp->base, &a, NULL), 0);
	assert_int_equal(gw_attachment_map(a), 0);
	return a;
}

static void a_list_that_is_not_inside_is_refused(void **state)
{
	static const struct {
		struct gw_bar_range range[2];
		unsigned int nr;
		int ret;
	} bad[] = {
		{ { { { 0 }, 0 } }, 1, -EINVAL },
		{ { { { 0 }, RIG_PAGE } }, 0, -EINVAL },
		{ { { { 1 }, RIG_PAGE } }, 1, -EINVAL },
		{ { { { 0 }, RIG_PAGE - 1 } }, 1, -EINVAL },
		{ { { { LIMIT }, RIG_PAGE } }, 1, -EINVAL },
		{ { { { LIMIT - RIG_PAGE }, 2 * RIG_PAGE } }, 1, -EINVAL },
		{ { { { 0 }, LIMIT + RIG_PAGE } }, 1, -EINVAL },
		{ { { { 1ull << 40 }, RIG_PAGE } }, 1, -EINVAL },
		{ { { { 0 - RIG_PAGE }, RIG_PAGE } }, 1, -EOVERFLOW },
		{ { { { 0 - RIG_PAGE }, 2 * RIG_PAGE } }, 1, -EOVERFLOW },
		{ { { { RIG_PAGE }, 0 - RIG_PAGE } }, 1, -EOVERFLOW },
		{ { { { 0 }, RIG_PAGE }, { { LIMIT }, RIG_PAGE } }, 2, -EINVAL },
		{ { { { 0 }, LIMIT }, { { 0 }, LIMIT } }, 2, -EOVERFLOW },
	};
	struct guest g;
	uint64_t handle = 0;

	begin(&g);
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		assert_int_equal(share(&g, RIG_BAR, bad[i].range, bad[i].nr, &handle), bad[i].ret);
	/* the exporter has that BAR; the guest may not share of it */
	assert_int_equal(share(&g, 1, bad[1].range, 1, &handle), -EINVAL);
	assert_int_equal(share(&g, 6, bad[1].range, 1, &handle), -EINVAL);
	assert_int_equal(handle, 0);
	assert_int_equal(g.x->nr_exports, 0);
	assert_int_equal(g.work, 0);
	assert_int_equal(share_pages(&g, 0, LIMIT / RIG_PAGE, &handle), 0);
	assert_int_equal(gw_export_size(LIST_FIRST(&g.x->exports)), LIMIT);
	end(&g);
}

/* Every list of two ranges of a small BAR, against the rule in so many words. */
static void small_lists_are_all_as_the_rule_says(void **state)
{
	enum { PAGES = 4, MAY = 3 };
	struct guest g;

	begin_with(&g, PAGES * RIG_PAGE, MAY * RIG_PAGE);
	for (unsigned int word = 0; word < 6 * 6 * 6 * 6; word++) {
		const struct gw_bar_range range[2] = {
			{ { word % 6 * RIG_PAGE }, word / 6 % 6 * RIG_PAGE },
			{ { word / 36 % 6 * RIG_PAGE }, word / 216 % 6 * RIG_PAGE },
		};
		bool good = range[0].size && range[1].size &&
			    range[0].off.v + range[0].size <= MAY * RIG_PAGE &&
			    range[1].off.v + range[1].size <= MAY * RIG_PAGE &&
			    range[0].size + range[1].size <= PAGES * RIG_PAGE;
		uint64_t handle;
		int ret = share(&g, RIG_BAR, range, 2, &handle);

		assert_int_equal(!ret, good);
		if (ret)
			continue;
		assert_int_equal(g.s->ops->unshare(g.s, handle), -EBUSY);
		gw_buffers_work(g.b);
	}
	end(&g);
}

static void pictures_that_do_not_fit_are_refused(void **state)
{
	static const struct {
		struct gw_buffer_picture p;
		int ret;
	} all[] = {
		{ { 32, 32, 128, XR24 }, 0 },			/* exactly a page */
		{ { 32, 32, 129, XR24 }, -EINVAL },
		{ { 32, 33, 128, XR24 }, -EINVAL },
		{ { 32, 32, 127, XR24 }, -EINVAL },
		{ { 64, 32, 128, 0x36314752 }, 0 },
		{ { 0, 32, 128, XR24 }, -EINVAL },
		{ { 32, 0, 128, XR24 }, -EINVAL },
		{ { 32, 32, 128, XR24 + 1 }, -EINVAL },
		{ { 32, 32, 128, 0 }, -EINVAL },
		{ { UINT32_MAX, UINT32_MAX, UINT32_MAX, XR24 }, -EINVAL },
		{ { 1, UINT32_MAX, UINT32_MAX, XR24 }, -EINVAL },
		{ { 1, 1, UINT32_MAX, XR24 }, 0 },
	};
	const struct gw_bar_range page = { .size = RIG_PAGE };
	struct guest g;
	uint64_t handle;

	begin(&g);
	for (size_t i = 0; i < ARRAY_SIZE(all); i++)
		assert_int_equal(g.s->ops->share(g.s, RIG_BAR, &page, 1, &all[i].p, &handle),
				 all[i].ret);
	end(&g);
}

static void so_many_and_no_more(void **state)
{
	struct gw_bar_range *range = calloc(GW_SHARER_RANGES + 1, sizeof(*range));
	uint64_t first, handle, last = 0;
	struct guest g;

	for (uint32_t i = 0; i <= GW_SHARER_RANGES; i++)
		range[i] = (struct gw_bar_range){ { 2 * i * RIG_PAGE }, RIG_PAGE };
	begin_with(&g, 2 * (GW_SHARER_RANGES + 1) * RIG_PAGE, UINT64_MAX);
	assert_int_equal(share(&g, RIG_BAR, range, GW_SHARER_RANGES + 1, &handle), -ENOSPC);
	assert_int_equal(share(&g, RIG_BAR, range, GW_BUFFERS_RANGES - 1, &first), 0);
	assert_int_equal(share(&g, RIG_BAR, range, 2, &handle), -ENOSPC);
	assert_int_equal(share(&g, RIG_BAR, range, 1, &handle), 0);
	assert_int_equal(share(&g, RIG_BAR, range, 1, &handle), -ENOSPC);
	assert_int_equal(g.s->ops->unshare(g.s, first), -EBUSY);
	gw_buffers_work(g.b);
	for (unsigned int i = 1; i < GW_BUFFERS_MAX; i++) {
		assert_int_equal(share(&g, RIG_BAR, range, 1, &handle), 0);
		assert_true(handle > last);
		last = handle;
	}
	assert_int_equal(share(&g, RIG_BAR, range, 1, &handle), -ENOSPC);
	end(&g);
	free(range);
}

static void what_ends_is_busy_until_nobody_has_it(void **state)
{
	struct rig_importer *imp = rig_importer(RIG_AT_ONCE);
	struct gw_attachment *a;
	struct guest g;
	uint64_t one, other;

	begin(&g);
	assert_int_equal(share_pages(&g, 1, 1, &other), 0);
	assert_int_equal(share_pages(&g, 0, 1, &one), 0);
	assert_int_equal(g.work, 2);
	gw_buffers_work(g.b);
	a = attach_last(&g, imp);
	assert_int_equal(g.s->ops->unshare(g.s, 0), -ENOENT);
	assert_int_equal(g.s->ops->unshare(g.s, other + one), -ENOENT);
	assert_int_equal(g.s->ops->unshare(g.s, one), -EBUSY);
	assert_int_equal(g.s->ops->unshare(g.s, one), -EBUSY);
	assert_int_equal(g.work, 3);
	gw_buffers_work(g.b);
	assert_int_equal(imp->last_why, GW_SHARE_DEAD);
	assert_int_equal(gw_attachment_state(a), GW_ATT_DEAD);
	assert_int_equal(g.s->ops->unshare(g.s, one), -ENOENT);
	gw_attachment_detach(a);
	assert_int_equal(g.x->nr_exports, 1);
	end(&g);
	rig_importer_free(imp);
}

/* One that does not let go is stopped; the screen, an export of another's, is not touched. */
static void all_end_at_once_and_for_good(void **state)
{
	struct rig_importer *good = rig_importer(RIG_AT_ONCE), *bad = rig_importer(RIG_NEVER);
	struct rig_importer *viewer = rig_importer(RIG_AT_ONCE);
	struct gw_attachment *a[3], *more;
	struct gw_export *screen, *last;
	struct guest g;
	uint64_t handle;

	begin(&g);
	screen = rig_export(g.x, 0, RIG_BYTES / RIG_PAGE);
	assert_int_equal(gw_attach(screen, &viewer->base, &a[0], NULL), 0);
	assert_int_equal(gw_attachment_map(a[0]), 0);
	assert_int_equal(share_pages(&g, 0, 1, &handle), 0);
	a[1] = attach_last(&g, good);
	assert_int_equal(share_pages(&g, 1, 2, &handle), 0);
	a[2] = attach_last(&g, bad);
	last = LIST_FIRST(&g.x->exports);
	g.s->ops->unshare_all(g.s);
	assert_int_equal(gw_attachment_state(a[0]), GW_ATT_MAPPED);
	assert_int_equal(viewer->told, 0);
	assert_int_equal(gw_attachment_state(a[1]), GW_ATT_DEAD);
	assert_int_equal(good->quiesced, 0);
	assert_int_equal(gw_attachment_state(a[2]), GW_ATT_DEAD);
	assert_int_equal(bad->quiesced, 1);
	assert_int_equal(gw_attach(last, &good->base, &more, NULL), -ENODEV);
	assert_int_equal(gw_exporter_rearm(g.x), 0);
	assert_int_equal(gw_attachment_map(a[1]), -ENODEV);
	assert_int_equal(g.s->ops->unshare(g.s, handle), -EBUSY);
	gw_buffers_work(g.b);
	assert_int_equal(g.s->ops->unshare(g.s, handle), -ENOENT);
	for (unsigned int i = 0; i < ARRAY_SIZE(a); i++)
		gw_attachment_detach(a[i]);
	gw_export_free(screen);
	end(&g);
	rig_importer_free(good);
	rig_importer_free(bad);
	rig_importer_free(viewer);
}

static void memory_that_is_not_there_is_not_shared(void **state)
{
	struct guest g;
	uint64_t handle;

	begin(&g);
	gw_exporter_revoke(g.x);
	assert_int_equal(share_pages(&g, 0, 1, &handle), -ENODEV);
	assert_int_equal(g.x->nr_exports, 0);
	gw_exporter_rearm(g.x);
	assert_int_equal(share_pages(&g, 0, 1, &handle), 0);
	end(&g);
}

struct broker {
	char dir[64], socket[96], policy[96];
	struct gw_broker *b;
	pthread_t thread;
};

static void *serve(void *opaque)
{
	gw_broker_serve(opaque);
	return NULL;
}

static void broker_begin(struct broker *w)
{
	struct gw_broker_options opt = { .socket = w->socket, .policy = w->policy, .audit = -1 };
	char text[256];
	int fd;

	*w = (struct broker){ .dir = "/tmp/gangway-buffers-XXXXXX" };
	assert_non_null(mkdtemp(w->dir));
	snprintf(w->socket, sizeof(w->socket), "%s/broker", w->dir);
	snprintf(w->policy, sizeof(w->policy), "%s/policy", w->dir);
	snprintf(text, sizeof(text), "vm work uid %u\nimporter viewer uid %u\n"
		 "allow vm work function any importer viewer kinds copy\n", getuid(), getuid());
	fd = open(w->policy, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	close(fd);
	assert_int_equal(gw_broker_new(&opt, &w->b), 0);
	assert_int_equal(pthread_create(&w->thread, NULL, serve, w->b), 0);
}

static void broker_end(struct broker *w)
{
	gw_broker_stop(w->b);
	pthread_join(w->thread, NULL);
	gw_broker_free(w->b);
	unlink(w->policy);
	rmdir(w->dir);
}

/* What the viewer finds, one at most. Return: how many */
static size_t look(struct gw_share_client *c, struct gw_share_item *item)
{
	struct gw_share_item *list;
	size_t nr;

	assert_int_equal(gw_share_client_list(c, &list, &nr), 0);
	if (nr)
		*item = list[0];
	free(list);
	return nr;
}

/* As begin(), with a link to the broker. */
static struct gw_exporter_link *begin_linked(struct guest *g, const struct broker *w)
{
	const struct gw_exporter_link_options lo = { .broker = w->socket };
	struct gw_buffers_options opt = { .bytes = LIMIT, .work = on_work, .opaque = g };
	struct gw_exporter_options xo = { .id = rig_vf, .vm = "work", .bar_size = { RIG_BYTES },
					  .warn_ms = 500, .force_ms = 1000 };

	*g = (struct guest){ .backing = rig_backing_new() };
	xo.backing = &g->backing->base;
	assert_int_equal(gw_share_cookie(w->socket, "work", &xo.id, &xo.id.cookie), 0);
	assert_int_equal(gw_exporter_new(&xo, &g->x), 0);
	assert_int_equal(gw_exporter_link_new(&lo, g->x, &opt.link), 0);
	opt.x = g->x;
	assert_int_equal(gw_buffers_new(&opt, &g->b), 0);
	g->s = gw_buffers_sharer(g->b);
	return opt.link;
}

static struct gw_remote_share *open_copy(struct gw_share_client *c, const uint8_t *handle, int want)
{
	static const struct gw_share_accept copies[] = { { &gw_share_copy } };
	struct gw_remote_share *s = NULL;

	assert_int_equal(gw_share_client_open(c, handle, "work", copies, 1, NULL, &s, NULL), want);
	return s;
}

static void the_broker_has_it_as_long_as_it_is_shared(void **state)
{
	const struct gw_bar_range ranges[] = { { { 3 * RIG_PAGE }, RIG_PAGE }, { { 0 }, RIG_PAGE } };
	const struct gw_buffer_picture picture = { 32, 64, 128, XR24 };
	uint8_t handle[GW_SHARE_HANDLE_SIZE], other[GW_SHARE_HANDLE_SIZE], *at;
	const struct gw_remote_map *m;
	struct gw_exporter_link *link;
	struct gw_remote_share *s;
	struct gw_share_client *c;
	struct gw_share_item item;
	struct broker w;
	struct guest g;
	uint64_t number;

	broker_begin(&w);
	link = begin_linked(&g, &w);
	assert_int_equal(gw_share_client_new(w.socket, "viewer", &c), 0);
	assert_int_equal(g.s->ops->share(g.s, RIG_BAR, ranges, 2, &picture, &number), 0);
	assert_int_equal(look(c, &item), 0);	/* nobody has told it yet */
	gw_buffers_work(g.b);
	assert_int_equal(look(c, &item), 1);
	assert_string_equal(item.label, "buffer 32x64 stride 128 offset 0 xrgb8888");
	assert_int_equal(item.bytes, 2 * RIG_PAGE);
	assert_int_equal(gw_share_client_ask(c, item.number, handle), 0);
	assert_int_equal(gw_share_client_ask(c, item.number, other), 0);
	s = open_copy(c, handle, 0);
	assert_int_equal(gw_remote_share_map(s, &m), 0);
	assert_int_equal(gw_remote_share_read(s, 0, 2 * RIG_PAGE), 0);
	at = mmap(NULL, m->size, PROT_READ, MAP_SHARED, m->fd, 0);
	assert_ptr_not_equal(at, MAP_FAILED);
	assert_memory_equal(at, g.backing->bytes + 3 * RIG_PAGE, RIG_PAGE);
	assert_memory_equal(at + RIG_PAGE, g.backing->bytes, RIG_PAGE);
	munmap(at, m->size);
	assert_int_equal(gw_remote_share_unmap(s), 0);
	assert_int_equal(g.s->ops->unshare(g.s, number), -EBUSY);
	gw_buffers_work(g.b);
	assert_int_equal(look(c, &item), 0);
	assert_int_equal(gw_remote_share_map(s, &m), -ENODEV);
	gw_remote_share_close(s);
	open_copy(c, other, -EACCES);
	assert_int_equal(gw_share_client_ask(c, item.number, handle), -EACCES);
	gw_share_client_free(c);
	gw_buffers_free(g.b);
	gw_exporter_link_free(link);
	gw_exporter_free(g.x);
	free(g.backing);
	broker_end(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_list_that_is_not_inside_is_refused),
		cmocka_unit_test(small_lists_are_all_as_the_rule_says),
		cmocka_unit_test(pictures_that_do_not_fit_are_refused),
		cmocka_unit_test(so_many_and_no_more),
		cmocka_unit_test(what_ends_is_busy_until_nobody_has_it),
		cmocka_unit_test(all_end_at_once_and_for_good),
		cmocka_unit_test(memory_that_is_not_there_is_not_shared),
		cmocka_unit_test(the_broker_has_it_as_long_as_it_is_shared),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
