/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "cli/screens.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <gangway/buffers.h>

#include "base/bitmap.h"
#include "base/thread.h"
#include "base/util.h"
#include "cli/picture.h"
#include "devices/gpu/driver.h"
#include "devices/gpu/pf.h"

/*
 * How it works: a card tells, from the thread of whoever writes the register, that a function shows
 * a picture; that sets a bit and wakes the thread here, which looks at the mode registers and
 * publishes the picture anew if they say something else than before. What must not wait for that is
 * done in the card's callback: a function that takes its memory back revokes it first. Under plan
 * paravirt the guest's module can share buffers besides, of which the thread tells the broker.
 */

#define FORCE_MS	1000	/* a reply to the VMM waits for it, so well under its 5 s */
#define MAX_SCREENS	MAX_DEVICES

struct screen {
	struct gw_backing backing;
	struct screens *all;
	struct gw_log log;		/* its guest changes the mode as often as it likes */
	struct gw_function *fn;
	struct gpu_card *card;
	unsigned int vf;
	struct gw_exporter *exporter;
	struct gw_exporter_link *link;
	struct gw_export *export;
	struct gw_companion *companion;	/* by which the guest shares buffers; NULL: none */
	struct gw_buffers *buffers;
	struct gpu_driver *driver;	/* shows it on the card's own screen; NULL: nobody does */
	struct gw_export *scanned;	/* the thread's, as is all below: what is shown there */
	bool published;
	uint32_t number;
	char label[PICTURE_TEXT];
};

struct screens {
	struct gw_log *log;
	struct screen screen[MAX_SCREENS];
	unsigned int nr;
	int wake;
	bool started;
	pthread_t thread;
	_Atomic uint64_t shown, todo;	/* a bit for each screen: look at it; at its buffers */
	_Atomic bool end;
};

/* Is it the window, from its first byte to its last, in that order? */
static bool is_window(const struct screen *s, const struct gw_bar_ranges *ranges)
{
	struct gw_bar_cursor c;
	struct gw_bar_run run;

	gw_bar_cursor_init(&c, ranges);
	return gw_bar_ranges_bytes(ranges) == s->card->opt.window &&
	       gw_bar_cursor_run(&c, UINT64_MAX, &run) && !run.at.v &&
	       run.size == s->card->opt.window;
}

/* For a part of the window, make a dma-buf of just its pages. */
static int part_file(const struct screen *s, const struct gw_bar_ranges *ranges, int *fd,
		     struct gw_file_ranges *out, char reason[GW_SHARE_REASON])
{
	struct gw_bar_cursor c;
	struct gw_bar_run run;
	int ret = 0;

	gw_bar_cursor_init(&c, ranges);
	while (!ret && gw_bar_cursor_run(&c, UINT64_MAX, &run))
		ret = gw_file_ranges_add(out, (gw_file_off){ run.at.v }, run.size);
	if (!ret)
		ret = gw_share_udmabuf(s->card->slot[s->vf].fd, out, fd);
	if (ret == -EOPNOTSUPP)
		snprintf(reason, GW_SHARE_REASON, "the file holds all of the window, not a part, and "
			 "there is no /dev/udmabuf");
	return ret;
}

/* The file holds what the window shows, and nothing else. */
static int backing_file(struct gw_backing *b, unsigned int bar, const struct gw_bar_ranges *ranges,
			int *fd, unsigned int *what, struct gw_file_ranges *out,
			char reason[GW_SHARE_REASON])
{
	struct screen *s = container_of(b, struct screen, backing);
	int ret;

	if (bar != GPU_BAR_MEMORY)
		return -EOPNOTSUPP;
	if (!is_window(s, ranges)) {
		*what = GW_SHARE_FILE_MEMORY | GW_SHARE_FILE_DMA_BUF;
		return part_file(s, ranges, fd, out, reason);
	}
	*fd = fcntl(s->card->slot[s->vf].fd, F_DUPFD_CLOEXEC, 0);
	if (*fd < 0)
		return -errno;
	ret = gw_file_ranges_add(out, (gw_file_off){ 0 }, s->card->opt.window);
	if (ret)
		close(*fd);
	*what = GW_SHARE_FILE_MEMORY;
	return ret;
}

static int backing_read(struct gw_backing *b, unsigned int bar, gw_bar_off off, void *buf,
			size_t len)
{
	struct screen *s = container_of(b, struct screen, backing);

	if (bar != GPU_BAR_MEMORY || off.v > s->card->opt.window ||
	    len > s->card->opt.window - off.v)
		return -ERANGE;
	memcpy(buf, s->card->slot[s->vf].mem + off.v, len);
	return 0;
}

static const struct gw_backing_ops backing_ops = { .file = backing_file, .read = backing_read };

static uint16_t dispi(struct gw_function *fn, enum gpu_dispi reg)
{
	uint64_t val;

	return fn->ops->reg_read(fn, GPU_BAR_DISPLAY, (gw_bar_off){ GPU_DISPI_AT + 2 * reg }, 2,
				 &val) ? UINT16_MAX : (uint16_t)val;
}

/* What the mode registers say. Return: false: no picture */
static bool look(const struct screen *s, struct picture *p, struct gpu_frame *f)
{
	static const enum picture_format format[] = {
		[GPU_XRGB8888] = PICTURE_XRGB8888, [GPU_BGRX8888] = PICTURE_BGRX8888,
		[GPU_RGB565] = PICTURE_RGB565,
	};
	struct gpu_display d = { .memory = s->card->opt.window };
	uint64_t endian;

	if (dispi(s->fn, GPU_DISPI_ID) != GPU_DISPI_ID_VALUE)
		return false;	/* its memory does not decode */
	for (enum gpu_dispi reg = GPU_DISPI_XRES; reg < GPU_DISPI_MEMORY_64K; reg++)
		d.dispi[reg] = dispi(s->fn, reg);
	if (!s->fn->ops->reg_read(s->fn, GPU_BAR_DISPLAY, (gw_bar_off){ GPU_EXT_ENDIAN }, 4,
				  &endian))
		d.big_endian = endian == GPU_EXT_BIG;
	if (!gw_gpu_display_frame(&d, f))
		return false;
	*p = (struct picture){ f->width, f->height, f->stride, format[f->format], f->off.v };
	return true;
}

static void withdraw(struct screen *s)
{
	if (s->published)
		gw_exporter_link_withdraw(s->link, s->number);
	s->published = false;
	s->label[0] = '\0';
}

static void scan_out_end(struct screen *s)
{
	if (s->driver)
		gw_gpu_driver_hide(s->driver);
	gw_export_free(s->scanned);
	s->scanned = NULL;
}

/* Have the card show it: exactly the pages that the picture is in. */
static void scan_out(struct screen *s, const struct gpu_frame *f)
{
	const uint64_t first = f->off.v & ~4095ull, last = (f->off.v + f->size - 1) | 4095;
	const struct gw_bar_range range = { .off = { first }, .size = last - first + 1 };
	struct gpu_frame in = *f;
	char reason[GW_SHARE_REASON] = "";
	int ret;

	scan_out_end(s);
	in.off.v -= first;
	ret = gw_export_new(s->exporter, GPU_BAR_MEMORY, &range, 1, &s->scanned);
	if (!ret)
		ret = gw_gpu_driver_show(s->driver, s->scanned, &in, reason);
	if (ret)
		gw_log_guest(&s->log, "%s: not on the card's own screen: %s", s->fn->info.name,
			*reason ? reason : strerror(-ret));
	else if (gw_log_may(&s->log))
		gw_info(&s->log, "%s: on the card's own screen by %s, %u runs of VRAM",
			s->fn->info.name, gw_share_iov_vram.name, gw_gpu_driver_runs(s->driver));
}

static void update(struct screen *s)
{
	char label[PICTURE_TEXT];
	struct gpu_frame f;
	struct picture p;
	bool other;
	int ret;

	if (!look(s, &p, &f)) {
		withdraw(s);
		scan_out_end(s);
		return;
	}
	picture_text(&p, label);
	/* a picture that could not be published is not tried again for each frame */
	other = strcmp(label, s->label) != 0;
	if (s->driver && (other || !gw_gpu_driver_runs(s->driver)))
		scan_out(s, &f);
	if (other) {
		withdraw(s);
		ret = gw_exporter_link_publish(s->link, s->export, label, &s->number);
		s->published = !ret;
		memcpy(s->label, label, sizeof(label));
		if (ret)
			gw_log_guest(&s->log, "%s: its screen cannot be published: %s",
				s->fn->info.name, strerror(-ret));
		else if (gw_log_may(&s->log))
			gw_info(&s->log, "%s: screen %u is %s", s->fn->info.name, s->number,
				label);
	}
	gw_export_frame(s->export);
}

static void *screens_thread(void *opaque)
{
	struct screens *all = opaque;
	eventfd_t count;
	unsigned int i;
	uint64_t word;

	while (!atomic_load(&all->end)) {
		if (eventfd_read(all->wake, &count))
			continue;
		word = atomic_exchange(&all->shown, 0);
		gw_bitmap_for_each(i, word)
			update(&all->screen[i]);
		word = atomic_exchange(&all->todo, 0);
		gw_bitmap_for_each(i, word)
			gw_buffers_work(all->screen[i].buffers);
	}
	return NULL;
}

static struct screen *screen_of(struct screens *all, struct gpu_card *card, unsigned int vf)
{
	for (unsigned int i = 0; i < all->nr; i++)
		if (all->screen[i].card == card && all->screen[i].vf == vf)
			return &all->screen[i];
	return NULL;
}

static void wake(struct screen *s)
{
	atomic_fetch_or(&s->all->shown, 1ull << (s - s->all->screen));
	eventfd_write(s->all->wake, 1);
}

static void on_work(void *opaque)
{
	struct screen *s = opaque;

	atomic_fetch_or(&s->all->todo, 1ull << (s - s->all->screen));
	eventfd_write(s->all->wake, 1);
}

static void on_flip(void *opaque, struct gpu_card *card, unsigned int vf)
{
	struct screen *s = screen_of(opaque, card, vf);

	if (s)
		wake(s);
}

static void buffers_end(struct gw_buffers *b)
{
	struct gw_sharer *s = gw_buffers_sharer(b);

	s->ops->unshare_all(s);
}

static void on_decode(void *opaque, struct gpu_card *card, unsigned int vf, bool on)
{
	struct screen *s = screen_of(opaque, card, vf);

	if (!s)
		return;
	if (on) {
		gw_exporter_rearm(s->exporter);
	} else {
		gw_exporter_revoke(s->exporter);
		/* the screen comes back with the memory; what the guest had shared does not */
		if (s->buffers)
			buffers_end(s->buffers);
	}
	wake(s);
}

static struct gw_pci_addr address_of(const struct gw_function *fn)
{
	return (struct gw_pci_addr){ .bus = fn->info.bus, .dev = fn->info.dev, .fn = fn->info.fn };
}

static int make_exporter(struct screen *s, const struct gw_function *pf, const char *broker,
			 const char *name, uint64_t *cookie)
{
	const struct gw_bar_range whole = { .size = s->card->opt.window };
	struct gw_exporter_options opt = {
		.id = { .fn = address_of(s->fn), .pf = address_of(pf), .vf = (int32_t)s->vf },
		.vm = name, .bar_size[GPU_BAR_MEMORY] = whole.size, .backing = &s->backing,
		.force_ms = FORCE_MS, .warn_ms = FORCE_MS, .log = s->all->log,
	};
	const struct gw_exporter_link_options link = { .broker = broker, .log = s->all->log };
	int ret = gw_share_cookie(broker, name, &opt.id, &opt.id.cookie);

	*cookie = opt.id.cookie;
	s->backing.ops = &backing_ops;
	if (!ret)
		ret = gw_exporter_new(&opt, &s->exporter);
	if (!ret)
		ret = gw_export_new(s->exporter, GPU_BAR_MEMORY, &whole, 1, &s->export);
	return ret ? ret : gw_exporter_link_new(&link, s->exporter, &s->link);
}

/* What the guest may share: its share of the card's memory, as far as the window shows that. */
static int make_buffers(struct screen *s)
{
	struct gw_buffers_options opt = { .x = s->exporter, .link = s->link, .bar = GPU_BAR_MEMORY,
					  .work = on_work, .opaque = s, .log = &s->log };
	struct gpu_share share;
	int ret = gw_gpu_share(s->card, s->vf, &share);

	if (ret)
		return ret;
	opt.bytes = share.bytes < share.window ? share.bytes : share.window;
	ret = gw_buffers_new(&opt, &s->buffers);
	if (!ret)
		gw_companion_share_by(s->companion, gw_buffers_sharer(s->buffers));
	return ret;
}

bool screens_has(const struct gw_vm_function *f)
{
	return f->ep && f->ep->desc.vendor == GPU_PF_VENDOR && f->ep->desc.device == GPU_PF_DEVICE;
}

static int make_driver(struct screen *s, const struct gw_vm_function *f, uint64_t cookie)
{
	const struct gw_share_id id = { .fn = address_of(f->pf), .pf = address_of(f->pf), .vf = -1,
					.cookie = cookie };

	return gw_gpu_driver_new(f->pf, &id, s->card, s->all->log, &s->driver);
}

static int add_screen(struct screens *all, const struct gw_vm_function *f, const char *broker,
		      const char *name, bool with_driver)
{
	struct screen *s = &all->screen[all->nr++];
	uint64_t cookie = 0;
	int ret;

	s->all = all;
	gw_log_own(&s->log, all->log);
	s->fn = f->fn;
	s->vf = f->vf;
	s->card = gw_gpu_pf_card(f->ep);
	ret = make_exporter(s, f->pf, broker, name, &cookie);
	s->companion = f->companion;
	if (!ret && s->companion)
		ret = make_buffers(s);
	if (!ret && with_driver && !f->vf)
		ret = make_driver(s, f, cookie);
	if (ret)
		gw_err(all->log, "%s cannot be shared as VM %s by the broker at %s: %s",
		       s->fn->info.name, name, broker, strerror(-ret));
	return ret;
}

static int start(struct screens *all)
{
	const struct gpu_watch watch = { .flip = on_flip, .decode = on_decode, .opaque = all };
	int ret;

	if (!all->nr)
		return 0;
	ret = gw_thread_start(&all->thread, "gw-screens", screens_thread, all);
	all->started = !ret;
	for (unsigned int i = 0; i < all->nr && !ret; i++)
		gw_gpu_watch(all->screen[i].card, &watch);
	return ret;
}

int screens_open(struct screens **out, struct vm *vm, const char *broker, const char *name,
		 bool with_driver)
{
	struct screens *all = calloc(1, sizeof(*all));
	int ret = 0;

	if (!all)
		return -ENOMEM;
	all->log = vm->log;
	all->wake = eventfd(0, EFD_CLOEXEC);
	if (all->wake < 0)
		ret = -errno;
	for (unsigned int i = 0; i < vm->nr_functions && !ret; i++)
		if (screens_has(vm->function[i].gw))
			ret = add_screen(all, vm->function[i].gw, broker, name,
					 with_driver);
	if (!ret)
		ret = start(all);
	*out = NULL;
	if (ret || !all->nr)
		screens_close(all);
	else
		*out = all;
	return ret;
}

void screens_close(struct screens *all)
{
	if (!all)
		return;
	for (unsigned int i = 0; i < all->nr; i++) {
		gw_gpu_watch(all->screen[i].card, NULL);
		if (all->screen[i].buffers)
			gw_companion_share_by(all->screen[i].companion, NULL);
	}
	atomic_store(&all->end, true);
	if (all->wake >= 0)
		eventfd_write(all->wake, 1);
	if (all->started)
		pthread_join(all->thread, NULL);
	for (unsigned int i = 0; i < all->nr; i++) {
		struct screen *s = &all->screen[i];

		gw_buffers_free(s->buffers);
		if (s->link)
			withdraw(s);
		scan_out_end(s);
		gw_gpu_driver_free(s->driver);
		gw_exporter_link_free(s->link);
		gw_export_free(s->export);
		gw_exporter_free(s->exporter);
	}
	if (all->wake >= 0)
		close(all->wake);
	free(all);
}
