/* SPDX-License-Identifier: BSD-3-Clause */
#include "vfio_rig.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <gangway/broker.h>
#include <gangway/devices.h>
#include <gangway/embed.h>

#include "share/bars.h"

/* The memory of a function of the machine, as its holder shares it: by a kernel that makes dma-bufs. */

#define BAR_SIZE	0x4000u

static struct gw_function_ops ops;
static const struct gw_function_ops *vfio;

static int prefetchable(struct gw_function *f, unsigned int bar, struct gw_bar_info *info)
{
	int ret = vfio->bar_info(f, bar, info);

	info->prefetchable = bar == 0;
	return ret;
}

struct world {
	struct rig *rig;		/* of a function of the machine */
	char dir[64], socket[96], policy[96];
	struct gw_broker *broker;
	pthread_t thread;
	struct gw_share_bars *bars;
	struct gw_share_client *client;
	struct gw_share_item *list;
	size_t nr;
};

static void *serve(void *opaque)
{
	gw_broker_serve(opaque);
	return NULL;
}

static int begin_with(struct world *w, struct gw_function *fn, bool files)
{
	struct gw_broker_options bo = { .socket = w->socket, .policy = w->policy, .audit = -1 };
	struct gw_share_bars_options opt = { .broker = w->socket, .vm = "work", .force_ms = 1000,
		.id = { .fn = { .bus = 1 }, .pf = { .bus = 1 }, .vf = -1 }, .fn = fn, .files = files };
	char text[256];
	int fd, ret;

	*w = (struct world){ .dir = "/tmp/gangway-bars-XXXXXX" };
	assert_non_null(mkdtemp(w->dir));
	snprintf(w->socket, sizeof(w->socket), "%s/broker", w->dir);
	snprintf(w->policy, sizeof(w->policy), "%s/policy", w->dir);
	snprintf(text, sizeof(text), "vm work uid %u\nimporter viewer uid %u function 01:00.0\n"
		 "allow vm work function any importer viewer kinds bar-range memfd copy\n", getuid(),
		 getuid());
	fd = open(w->policy, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	close(fd);
	assert_int_equal(gw_broker_new(&bo, &w->broker), 0);
	assert_int_equal(pthread_create(&w->thread, NULL, serve, w->broker), 0);
	ret = gw_share_bars_new(&opt, &w->bars);
	if (ret)
		return ret;
	assert_int_equal(gw_share_client_new(w->socket, "viewer", &w->client), 0);
	assert_int_equal(gw_share_client_list(w->client, &w->list, &w->nr), 0);
	return 0;
}

static int begin(struct world *w, bool has_memory)
{
	struct rig *r = rig_open(false);
	int ret;

	vfio = r->f->ops;
	ops = *vfio;
	if (has_memory)
		ops.bar_info = prefetchable;
	r->f->ops = &ops;
	ret = begin_with(w, r->f, false);
	w->rig = r;
	return ret;
}

static void end(struct world *w)
{
	gw_share_client_free(w->client);
	free(w->list);
	gw_share_bars_free(w->bars);
	gw_broker_stop(w->broker);
	pthread_join(w->thread, NULL);
	gw_broker_free(w->broker);
	unlink(w->policy);
	rmdir(w->dir);
	if (w->rig)
		rig_close(w->rig);
}

static struct gw_remote_share *open_by(struct world *w, const struct gw_share_kind *a,
				       const struct gw_share_kind *b)
{
	const struct gw_share_accept accept[] = {
		{ .kind = a, .data = { GW_SHARE_FILE_DMA_BUF | GW_SHARE_FILE_MEMORY } }, { .kind = b },
	};
	uint8_t handle[GW_SHARE_HANDLE_SIZE];
	struct gw_remote_share *s;

	assert_int_equal(gw_share_client_ask(w->client, w->list[0].number, handle), 0);
	assert_int_equal(gw_share_client_open(w->client, handle, "work", accept, b ? 2 : 1, NULL, &s,
					      NULL), 0);
	return s;
}

static void a_kernel_that_makes_dma_bufs_has_one_handed_out(void **state)
{
	const struct gw_remote_map *m;
	struct gw_remote_share *s;
	struct stat is, want;
	struct world w;

	fake.dma_buf = memfd_create("buf", MFD_CLOEXEC);
	assert_int_equal(ftruncate(fake.dma_buf, BAR_SIZE), 0);
	assert_int_equal(begin(&w, true), 0);
	assert_int_equal(w.nr, 1);
	assert_string_equal(w.list[0].label, "BAR 0");
	assert_true(w.list[0].bytes == BAR_SIZE && w.list[0].bar == 0);
	s = open_by(&w, &gw_share_memfd, &gw_share_copy);
	/* memory that does not decode yet */
	assert_int_equal(gw_remote_share_map(s, &m), -ENODEV);
	gw_share_bars_decode(w.bars, true);
	assert_int_equal(gw_remote_share_map(s, &m), 0);
	assert_ptr_equal(m->kind, &gw_share_memfd);
	assert_int_equal(m->what, GW_SHARE_FILE_DMA_BUF);
	assert_int_equal(fstat(m->fd, &is), 0);
	assert_int_equal(fstat(fake.dma_buf, &want), 0);
	assert_true(is.st_ino == want.st_ino);
	assert_int_equal(gw_remote_share_unmap(s), 0);
	gw_share_bars_decode(w.bars, false);
	assert_int_equal(gw_remote_share_map(s, &m), -ENODEV);
	gw_remote_share_close(s);
	end(&w);
	assert_int_equal(fake.feature_flags & 0xffff, 11);	/* by a thread that has ended */
	close(fake.dma_buf);
	fake.dma_buf = -ENOTTY;
}

/* An older kernel: the one that drives the function gets its ranges, others the bytes. */
static void one_that_makes_none_leaves_ranges_and_copies(void **state)
{
	const struct gw_remote_map *m;
	struct gw_remote_share *s;
	struct gw_share_step step;
	struct gw_bar_cursor c;
	struct gw_bar_run run = { 0 };
	bool said = false;
	struct world w;
	void *at;

	assert_int_equal(begin(&w, true), 0);
	gw_share_bars_decode(w.bars, true);
	s = open_by(&w, &gw_share_bar_range, NULL);
	assert_int_equal(gw_remote_share_map(s, &m), 0);
	assert_ptr_equal(m->kind, &gw_share_bar_range);
	gw_bar_cursor_init(&c, &m->bar_ranges);
	assert_true(gw_bar_cursor_next(&c, UINT64_MAX, &run));
	assert_true(!run.at.v && run.size == BAR_SIZE);
	gw_remote_share_close(s);

	assert_int_equal(w.rig->f->ops->reg_write(w.rig->f, 0, (gw_bar_off){ 0x1008 }, 8,
						  0x1122334455667788), 0);
	s = open_by(&w, &gw_share_memfd, &gw_share_copy);
	assert_int_equal(gw_remote_share_map(s, &m), 0);
	assert_ptr_equal(m->kind, &gw_share_copy);
	assert_int_equal(gw_remote_share_read(s, 0x1003, 0x10), 0);
	at = mmap(NULL, m->size, PROT_READ, MAP_SHARED, m->fd, 0);
	assert_ptr_not_equal(at, MAP_FAILED);
	assert_memory_equal((uint8_t *)at + 0x1008, "\x88\x77\x66\x55\x44\x33\x22\x11", 8);
	munmap(at, m->size);
	/* read at mapping time, the steps being those of the agreement */
	for (unsigned int i = 0; gw_remote_share_step(s, i, &step); i++)
		said |= step.kind == &gw_share_memfd;
	assert_true(said);
	gw_remote_share_close(s);
	end(&w);
}

static void on_decode(void *opaque, bool on)
{
	gw_share_bars_decode(opaque, on);
}

static void command(struct gw_vm_function *f, uint16_t bits)
{
	struct gw_device *d = gw_guest_function_device(f->guest);

	assert_int_equal(d->ops->region_write(d, GW_REGION_CONFIG, 4, &bits, 2), 0);
}

/* A disk's memory buffer: what its guest sees there is what the importer has mapped. */
static void a_buffer_of_a_disk_is_mapped_as_long_as_it_decodes(void **state)
{
	const struct gw_vm_options vo = { .plan = GW_PLAN_DIRECT, .endpoints = gw_endpoint_types };
	char name[128], file[] = "/tmp/gangway-disk-XXXXXX";
	struct gw_guest_watch watch = { .decode = on_decode };
	const struct gw_remote_map *m;
	struct gw_remote_share *s;
	struct gw_vm_function *f;
	struct gw_device *d;
	struct gw_vm *vm;
	struct world w;
	uint64_t word = 0x0123456789abcdef;
	void *at;
	int fd = mkstemp(file);

	assert_int_equal(ftruncate(fd, 1 << 20), 0);
	snprintf(name, sizeof(name), "sim:nvme,file=%s,cmb=1M", file);
	assert_int_equal(gw_vm_new(&vo, &fake.sink, &vm), 0);
	assert_int_equal(gw_vm_set_option(vm, "caller-iova=on"), 0);
	assert_int_equal(gw_vm_open(vm, name, NULL, &f), 0);
	d = gw_guest_function_device(f->guest);
	assert_int_equal(begin_with(&w, f->fn, true), 0);
	watch.opaque = w.bars;
	gw_guest_function_watch(f->guest, &watch);
	assert_int_equal(w.nr, 1);
	assert_true(w.list[0].bytes == 1 << 20 && w.list[0].bar == 2);
	s = open_by(&w, &gw_share_memfd, NULL);
	assert_int_equal(gw_remote_share_map(s, &m), -ENODEV);
	command(f, 2);
	assert_int_equal(gw_remote_share_map(s, &m), 0);
	assert_true(m->what == GW_SHARE_FILE_MEMORY && m->size == 1 << 20);
	at = mmap(NULL, m->size, PROT_READ, MAP_SHARED, m->fd, 0);
	assert_ptr_not_equal(at, MAP_FAILED);
	assert_int_equal(d->ops->region_write(d, 2, 0x800, &word, 8), 0);
	assert_memory_equal((uint8_t *)at + 0x800, &word, 8);
	munmap(at, m->size);
	assert_int_equal(gw_remote_share_unmap(s), 0);
	command(f, 0);
	assert_int_equal(gw_remote_share_map(s, &m), -ENODEV);
	gw_remote_share_close(s);
	gw_guest_function_watch(f->guest, NULL);
	end(&w);
	gw_vm_close(f);
	gw_vm_free(vm);
	close(fd);
	unlink(file);
}

static void registers_are_shared_with_nobody(void **state)
{
	struct world w;

	assert_int_equal(begin(&w, false), -ENOENT);
	end(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_kernel_that_makes_dma_bufs_has_one_handed_out,
						fake_setup, fake_teardown),
		cmocka_unit_test_setup_teardown(one_that_makes_none_leaves_ranges_and_copies, fake_setup,
						fake_teardown),
		cmocka_unit_test_setup_teardown(a_buffer_of_a_disk_is_mapped_as_long_as_it_decodes,
						fake_setup, fake_teardown),
		cmocka_unit_test_setup_teardown(registers_are_shared_with_nobody, fake_setup,
						fake_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
