/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <gangway/importer.h>

#include "base/util.h"
#include "share/wire.h"

/*
 * How it works: a request is sent, and messages are received until its reply is there. What comes
 * unasked meanwhile is noted, and told by dispatch. The exporter is not trusted: what it says is
 * checked as it comes, and bounded.
 */

#define ANSWER_MS	6000	/* more than an exporter waits for others before it forces them */
#define ITEM		(16 + GW_SHARE_ID + 2 * GW_SHARE_NAME)

struct gw_share_client {
	int fd;
	uint32_t seq;
	bool has_fn;
	struct gw_share_id fn;
	struct gw_share_msg msg;
};

struct gw_remote_share {
	int fd;
	uint32_t seq;
	struct gw_share_events events;
	bool mapped, gone;
	bool invalidated, ready;		/* to be told */
	enum gw_share_why why;
	struct gw_remote_map map;
	struct gw_share_step step[GW_SHARE_MAX_KINDS];
	unsigned int nr_steps;
	struct gw_share_msg msg;
};

/* What comes unasked. @s: NULL from the broker, which says nothing unasked */
static int note(struct gw_remote_share *s, const struct gw_share_msg *m)
{
	struct gw_reader r = gw_reader_init(m->body, m->len);
	uint32_t why;

	if (!s)
		return -EPROTO;
	if (m->type == GW_SHARE_READY) {
		s->ready = true;
		return 0;
	}
	if (m->type != GW_SHARE_INVALIDATE || !gw_reader_u32(&r, &why) || why > GW_SHARE_DEAD)
		return -EPROTO;
	s->invalidated = true;
	s->ready = false;
	s->why = why;
	return 0;
}

/* Send @m, and have its reply in it. Descriptors that came with it are still in there. */
static int ask(int fd, uint32_t *seq, struct gw_remote_share *s, struct gw_share_msg *m)
{
	uint16_t type = m->type;
	int ret;

	m->seq = ++*seq ? *seq : ++*seq;
	ret = gw_share_send(fd, m);
	while (!ret) {
		ret = gw_share_wait(fd, ANSWER_MS);
		if (!ret)
			ret = gw_share_recv(fd, m);
		if (ret == -EAGAIN) {
			ret = 0;
			continue;
		}
		if (!ret && m->seq == *seq && m->type == type) {
			if (m->status > 0 || m->status < -4095)
				ret = -EPROTO;
			break;
		}
		if (!ret)
			ret = m->seq ? 0 : note(s, m);	/* a reply that came too late is dropped */
		gw_share_msg_close(m);
	}
	if (ret)
		gw_share_msg_close(m);
	else
		ret = m->status;
	return ret == -EPIPE || ret == -ECONNRESET ? -ENOTCONN : ret;
}

static int client_ask(struct gw_share_client *c)
{
	int ret = ask(c->fd, &c->seq, NULL, &c->msg);

	if (ret)
		gw_share_msg_close(&c->msg);
	return ret;
}

int gw_share_client_new(const char *broker, const char *name, struct gw_share_client **c)
{
	struct gw_share_client *n = calloc(1, sizeof(*n));
	struct gw_reader r;
	uint32_t version, has_fn;
	int ret;

	if (!n)
		return -ENOMEM;
	n->fd = gw_share_connect_to(broker);
	if (n->fd < 0) {
		ret = n->fd;
		goto free;
	}
	gw_share_msg_init(&n->msg, GW_SHARE_HELLO, 0);
	gw_share_put_u32(&n->msg, GW_SHARE_VERSION);
	gw_share_put_u32(&n->msg, GW_SHARE_IMPORTER);
	gw_share_put_text(&n->msg, name, GW_SHARE_NAME);
	ret = client_ask(n);
	if (ret)
		goto close;
	gw_share_msg_close(&n->msg);
	r = gw_reader_init(n->msg.body, n->msg.len);
	if (!gw_reader_u32(&r, &version) || !gw_reader_u32(&r, &has_fn) ||
	    !gw_share_take_id(&r, &n->fn)) {
		ret = -EPROTO;
		goto close;
	}
	n->has_fn = has_fn;
	*c = n;
	return 0;
close:
	close(n->fd);
free:
	free(n);
	return ret;
}

void gw_share_client_free(struct gw_share_client *c)
{
	if (!c)
		return;
	close(c->fd);
	free(c);
}

int gw_share_client_function(const struct gw_share_client *c, struct gw_share_id *id)
{
	*id = c->fn;
	return c->has_fn ? 0 : -ENOENT;
}

static int take_item(struct gw_reader *r, struct gw_share_item *item)
{
	uint32_t bar;

	if (!gw_reader_u32(r, &item->number) || !gw_reader_u32(r, &bar) ||
	    !gw_reader_u64(r, &item->bytes) || !gw_share_take_id(r, &item->id) ||
	    !gw_share_take_text(r, item->vm, sizeof(item->vm)) ||
	    !gw_share_take_text(r, item->label, sizeof(item->label)))
		return -EPROTO;
	item->bar = bar;
	return 0;
}

/* Ask for a few more. Return: 0, also at the end */
static int list_more(struct gw_share_client *c, struct gw_share_item **list, size_t *nr, bool *end)
{
	uint32_t from = *nr ? (*list)[*nr - 1].number + 1 : 0;
	struct gw_share_item *more;
	struct gw_reader r;
	size_t n;
	int ret;

	gw_share_msg_init(&c->msg, GW_SHARE_LIST, 0);
	gw_share_put_u32(&c->msg, from);
	ret = client_ask(c);
	if (ret)
		return ret;
	gw_share_msg_close(&c->msg);
	r = gw_reader_init(c->msg.body, c->msg.len);
	n = c->msg.len / ITEM;
	*end = !n;
	more = realloc(*list, (*nr + n + 1) * sizeof(**list));
	if (!more)
		return -ENOMEM;
	*list = more;
	for (size_t i = 0; !ret && i < n; i++) {
		ret = take_item(&r, &more[*nr]);
		/* numbers only grow, so this ends */
		if (!ret && more[*nr].number < from)
			ret = -EPROTO;
		if (!ret)
			from = more[(*nr)++].number + 1;
		if (!from)
			*end = true;
	}
	return ret;
}

int gw_share_client_list(struct gw_share_client *c, struct gw_share_item **list, size_t *nr)
{
	bool end = false;
	int ret = 0;

	*list = NULL;
	*nr = 0;
	while (!ret && !end)
		ret = *nr > GW_RANGES_MAX ? -EPROTO : list_more(c, list, nr, &end);
	if (ret) {
		free(*list);
		*list = NULL;
		*nr = 0;
	}
	return ret;
}

int gw_share_client_ask(struct gw_share_client *c, uint32_t number,
			uint8_t handle[GW_SHARE_HANDLE_SIZE])
{
	struct gw_reader r;
	int ret;

	gw_share_msg_init(&c->msg, GW_SHARE_ASK, 0);
	gw_share_put_u32(&c->msg, number);
	ret = client_ask(c);
	if (ret)
		return ret;
	gw_share_msg_close(&c->msg);
	r = gw_reader_init(c->msg.body, c->msg.len);
	return gw_reader_take(&r, handle, GW_SHARE_HANDLE) ? 0 : -EPROTO;
}

static int share_ask(struct gw_remote_share *s)
{
	int ret = s->gone ? -ENOTCONN : ask(s->fd, &s->seq, s, &s->msg);

	if (ret == -ENOTCONN || ret == -ETIMEDOUT)
		s->gone = true;		/* what it still says would be taken for the next reply */
	return ret;
}

static int take_steps(struct gw_remote_share *s, struct gw_reader *r)
{
	uint8_t uuid[16];
	unsigned int bit;
	uint32_t nr, err;

	if (!gw_reader_u32(r, &nr) || nr > GW_SHARE_MAX_KINDS)
		return -EPROTO;
	for (; nr; nr--) {
		struct gw_share_step *step = &s->step[s->nr_steps];

		if (!gw_reader_take(r, uuid, sizeof(uuid)) || !gw_reader_u32(r, &err) ||
		    !gw_share_take_text(r, step->reason, sizeof(step->reason)))
			return -EPROTO;
		step->err = (int)err;
		step->kind = gw_share_kind_by_uuid(uuid, &bit);
		if (step->kind)		/* else a kind of the exporter's own, of which we know
					 * nothing */
			s->nr_steps++;
	}
	return 0;
}

/* Say what we take; hear what was agreed on, or why not. */
static int negotiate(struct gw_remote_share *s, const struct gw_share_accept *accept,
		     unsigned int nr, char reason[GW_SHARE_REASON])
{
	struct gw_reader r;
	char text[GW_SHARE_REASON] = "";
	int ret;

	gw_share_msg_init(&s->msg, GW_SHARE_WANT, 0);
	gw_share_put_u32(&s->msg, nr);
	for (unsigned int i = 0; i < nr; i++) {
		gw_share_put(&s->msg, accept[i].kind->uuid, sizeof(accept[i].kind->uuid));
		gw_share_put_u64(&s->msg, accept[i].data[0]);
		gw_share_put_u64(&s->msg, accept[i].data[1]);
	}
	ret = share_ask(s);
	gw_share_msg_close(&s->msg);
	r = gw_reader_init(s->msg.body, s->msg.len);
	if (!s->gone && gw_share_take_text(&r, text, sizeof(text)) && !ret)
		ret = take_steps(s, &r);
	else if (!ret)
		ret = -EPROTO;
	if (reason)
		memcpy(reason, text, sizeof(text));
	return ret;
}

int gw_share_client_open(struct gw_share_client *c, const uint8_t handle[GW_SHARE_HANDLE_SIZE],
			 const char *vm, const struct gw_share_accept *accept, unsigned int nr,
			 const struct gw_share_events *events, struct gw_remote_share **s,
			 char reason[GW_SHARE_REASON])
{
	struct gw_remote_share *n;
	int ret;

	if (reason)
		reason[0] = '\0';
	if (nr > GW_SHARE_MAX_KINDS)
		return -EINVAL;
	n = calloc(1, sizeof(*n));
	if (!n)
		return -ENOMEM;
	gw_share_msg_init(&c->msg, GW_SHARE_ATTACH, 0);
	gw_share_put(&c->msg, handle, GW_SHARE_HANDLE);
	gw_share_put_text(&c->msg, vm, GW_SHARE_NAME);
	ret = client_ask(c);
	if (!ret && c->msg.nr_fds != 1)
		ret = -EPROTO;
	if (ret) {
		gw_share_msg_close(&c->msg);
		free(n);
		return ret;
	}
	n->fd = c->msg.fd[0];
	c->msg.nr_fds = 0;
	if (events)
		n->events = *events;
	ret = negotiate(n, accept, nr, reason);
	if (ret)
		gw_remote_share_close(n);
	else
		*s = n;
	return ret;
}

static void forget_map(struct gw_remote_share *s)
{
	struct gw_remote_map *m = &s->map;
	const int fd[] = { m->fd, m->frame_fd, m->done_fd };

	if (!s->mapped)
		return;
	s->mapped = false;
	for (unsigned int i = 0; i < ARRAY_SIZE(fd); i++)
		if (fd[i] >= 0)
			close(fd[i]);
	gw_bar_ranges_fini(&m->bar_ranges);
	gw_iova_ranges_fini(&m->iova);
	gw_file_ranges_fini(&m->file);
}

void gw_remote_share_close(struct gw_remote_share *s)
{
	if (!s)
		return;
	forget_map(s);
	close(s->fd);
	free(s);
}

int gw_remote_share_fd(const struct gw_remote_share *s)
{
	return s->fd;
}

static void take_fds(struct gw_remote_share *s)
{
	struct gw_remote_map *m = &s->map;

	m->frame_fd = s->msg.nr_fds > 0 ? s->msg.fd[0] : -1;
	m->done_fd = s->msg.nr_fds > 1 ? s->msg.fd[1] : -1;
	m->fd = s->msg.nr_fds > 2 ? s->msg.fd[2] : -1;
	s->msg.nr_fds = 0;
}

/* The reply to a map. *@nr: ranges to be fetched, into *@list (NULL: none) */
static int take_mapping(struct gw_remote_share *s, struct gw_ranges **list, uint32_t *nr)
{
	struct gw_reader r = gw_reader_init(s->msg.body, s->msg.len);
	struct gw_remote_map *m = &s->map;
	bool wants_fd;
	uint8_t uuid[16];
	uint32_t bar, what, zero;
	unsigned int bit;

	*m = (struct gw_remote_map){ .generation = s->msg.generation };
	gw_bar_ranges_init(&m->bar_ranges, GW_RANGES_EXTENTS, GW_RANGES_MAX);
	gw_iova_ranges_init(&m->iova, GW_RANGES_EXTENTS, GW_RANGES_MAX);
	gw_file_ranges_init(&m->file, GW_RANGES_EXTENTS, GW_RANGES_MAX);
	take_fds(s);
	s->mapped = true;	/* so that it is forgotten after an error */
	if (!gw_reader_take(&r, uuid, sizeof(uuid)) || !gw_reader_u64(&r, &m->size) ||
	    !gw_reader_u32(&r, &bar) || !gw_reader_u32(&r, &what) || !gw_reader_u32(&r, nr) ||
	    !gw_reader_u32(&r, &zero) || !gw_share_take_id(&r, &m->fn) || *nr > GW_RANGES_MAX)
		return -EPROTO;
	m->kind = gw_share_kind_by_uuid(uuid, &bit);
	m->bar = bar;
	m->what = what;
	wants_fd = m->kind == &gw_share_memfd || m->kind == &gw_share_copy;
	*list = m->kind == &gw_share_iova ? &m->iova.raw :
		m->kind == &gw_share_memfd ? &m->file.raw :
		m->kind == &gw_share_copy ? NULL : &m->bar_ranges.raw;
	if (!m->kind || m->frame_fd < 0 || m->done_fd < 0 || wants_fd != (m->fd >= 0))
		return -EPROTO;
	return *list && !*nr ? -EAGAIN : 0;	/* it was taken back before it was told */
}

/* The next few. Each reply has at least one, so this ends; together they are the export. */
static int fetch_ranges(struct gw_remote_share *s, struct gw_ranges *list)
{
	uint64_t at, size;
	int ret = 0;

	while (!ret && list->bytes < s->map.size) {
		struct gw_reader r;

		gw_share_msg_init(&s->msg, GW_SHARE_RANGES, 0);
		gw_share_put_u64(&s->msg, list->bytes);
		ret = share_ask(s);
		gw_share_msg_close(&s->msg);
		if (ret)
			break;
		r = gw_reader_init(s->msg.body, s->msg.len);
		if (!s->msg.len || s->msg.len % 16)
			return -EPROTO;
		while (!ret && gw_reader_u64(&r, &at) && gw_reader_u64(&r, &size))
			ret = gw_ranges_add(list, at, size, 0) ? -EPROTO : 0;
	}
	return ret ? ret : list->bytes == s->map.size ? 0 : -EPROTO;
}

static int unmap_there(struct gw_remote_share *s)
{
	int ret;

	forget_map(s);
	gw_share_msg_init(&s->msg, GW_SHARE_UNMAP, 0);
	ret = share_ask(s);
	gw_share_msg_close(&s->msg);
	return ret;
}

int gw_remote_share_map(struct gw_remote_share *s, const struct gw_remote_map **map)
{
	struct gw_ranges *list = NULL;
	uint32_t nr = 0;
	int ret;

	if (s->mapped)
		return -EPROTO;
	gw_share_msg_init(&s->msg, GW_SHARE_MAP, 0);
	s->invalidated = false;
	ret = share_ask(s);
	if (ret) {
		gw_share_msg_close(&s->msg);
		return ret;
	}
	ret = take_mapping(s, &list, &nr);
	if (!ret && list)
		ret = fetch_ranges(s, list);
	if (!ret && s->invalidated)
		ret = -EAGAIN;
	if (!ret) {
		*map = &s->map;
		return 0;
	}
	if (ret == -EPROTO && s->invalidated)
		ret = -EAGAIN;	/* the rest of the list could not be had */
	s->invalidated = false;
	unmap_there(s);
	return ret;
}

int gw_remote_share_unmap(struct gw_remote_share *s)
{
	if (!s->mapped)
		return -EPROTO;
	s->invalidated = false;
	return unmap_there(s);
}

int gw_remote_share_refuse(struct gw_remote_share *s, const char *reason)
{
	int ret;

	if (!s->mapped)
		return -EPROTO;
	forget_map(s);
	s->invalidated = false;
	gw_share_msg_init(&s->msg, GW_SHARE_REFUSE, 0);
	gw_share_put_text(&s->msg, reason, GW_SHARE_REASON);
	ret = share_ask(s);
	gw_share_msg_close(&s->msg);
	return ret;
}

int gw_remote_share_read(struct gw_remote_share *s, uint64_t pos, uint64_t len)
{
	int ret;

	if (!s->mapped || s->map.kind != &gw_share_copy)
		return -EPROTO;
	gw_share_msg_init(&s->msg, GW_SHARE_READ, 0);
	gw_share_put_u64(&s->msg, pos);
	gw_share_put_u64(&s->msg, len);
	ret = share_ask(s);
	gw_share_msg_close(&s->msg);
	return ret;
}

/* Tell what was noted. Whoever does not unmap when told has it done. */
static void tell(struct gw_remote_share *s)
{
	if (s->invalidated) {
		s->invalidated = false;
		if ((s->mapped || s->why == GW_SHARE_DEAD) && s->events.invalidate)
			s->events.invalidate(s->events.opaque, s->why);
		if (s->mapped)
			unmap_there(s);
	}
	if (s->ready) {
		s->ready = false;
		if (s->events.ready)
			s->events.ready(s->events.opaque);
	}
}

int gw_remote_share_dispatch(struct gw_remote_share *s)
{
	int ret;

	while (!s->gone) {
		ret = gw_share_recv(s->fd, &s->msg);
		if (ret == -EAGAIN)
			break;
		if (!ret && !s->msg.seq)
			ret = note(s, &s->msg);
		gw_share_msg_close(&s->msg);
		if (ret)
			s->gone = true;
		tell(s);
	}
	if (!s->gone) {
		tell(s);
		return 0;
	}
	if (s->mapped) {
		if (s->events.invalidate)
			s->events.invalidate(s->events.opaque, GW_SHARE_DEAD);
		forget_map(s);
	}
	return -ENOTCONN;
}

bool gw_remote_share_step(const struct gw_remote_share *s, unsigned int i,
			  struct gw_share_step *step)
{
	if (i < s->nr_steps)
		*step = s->step[i];
	return i < s->nr_steps;
}
