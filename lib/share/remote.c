/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/pidfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/os.h"
#include "base/util.h"
#include "share/link.h"
#include "share/share.h"

/*
 * How it works: an importer in another process is an importer like any other to its attachment. Its
 * messages are looked up in ops[] and become calls of the attachment, in the link's thread; the
 * attachment's callbacks become messages, in whatever thread revokes. So a callback only sends, and
 * whoever is not reached by it is hung up on, which the link's thread notices.
 *
 * What the importer is, and what it may have, the broker has said; what it says of itself is only
 * what it can use.
 */

#define END_MS	1000	/* for a process that was killed */

static struct gw_remote_importer *remote_of(struct gw_importer *imp)
{
	return container_of(imp, struct gw_remote_importer, base);
}

/*
 * It could not be told. If it has hung up, it has nothing mapped by its own word; else it is stuck.
 */
static void unheard(struct gw_remote_importer *r, int ret)
{
	r->hang_up = true;
	if (ret != -EPIPE && ret != -ECONNRESET)
		r->stuck = true;
}

/*
 * Send what was not asked for. An importer that does not read is hung up on; the thread notices,
 * and abandons it.
 */
static void tell(struct gw_remote_importer *r, struct gw_attachment *a, uint16_t type, uint32_t why)
{
	struct gw_share_msg *m = malloc(sizeof(*m));
	int ret = -ENOMEM;

	if (m) {
		gw_share_msg_init(m, type, 0);
		m->generation = gw_attachment_generation(a);
		if (type == GW_SHARE_INVALIDATE)
			gw_share_put_u32(m, why);
		ret = gw_share_send(r->fd, m);
	}
	free(m);
	if (ret) {
		unheard(r, ret);
		shutdown(r->fd, SHUT_RDWR);
	}
}

static void remote_invalidate(struct gw_importer *imp, struct gw_attachment *a,
			      enum gw_share_why why)
{
	tell(remote_of(imp), a, GW_SHARE_INVALIDATE, why);
}

/* End a process that has mapped memory, as nobody can take that away while it lives. */
static void end_process(struct gw_remote_importer *r)
{
	struct pollfd ended = { .fd = r->process, .events = POLLIN };
	int ret = -EPERM;

	if (r->process >= 0)
		ret = pidfd_send_signal(r->process, SIGKILL, NULL, 0) ? -errno : 0;
	if (!ret && poll(&ended, 1, END_MS) != 1)
		ret = -ETIMEDOUT;
	if (!ret || ret == -ESRCH)
		gw_log_guest(r->l->opt.log, "importer %s hangs with memory of %s mapped: its process was "
			"ended", r->name, gw_export_vm(r->e));
	else
		gw_err_guest(r->l->opt.log, "importer %s hangs with memory of %s mapped, and its process "
		       "cannot be ended: %s", r->name, gw_export_vm(r->e), strerror(-ret));
}

/*
 * Nothing here can stop the other process. The kind's unmap takes away its way to the memory, but
 * for memory that it has mapped; and one that has hung up says by that that it has none.
 */
static void remote_quiesce(struct gw_importer *imp, struct gw_attachment *a)
{
	struct gw_remote_importer *r = remote_of(imp);

	if (!r->hang_up)
		gw_log_guest(r->l->opt.log, "importer %s did not let go in time: it is hung up on",
			     r->name);
	if ((!r->hang_up || r->stuck) && gw_attachment_kind(a) == &gw_share_memfd)
		end_process(r);
	r->hang_up = true;
	shutdown(r->fd, SHUT_RDWR);
	pthread_mutex_lock(&r->use);	/* until the thread does not look at the payload */
	pthread_mutex_unlock(&r->use);
}

static void remote_ready(struct gw_importer *imp, struct gw_attachment *a)
{
	tell(remote_of(imp), a, GW_SHARE_READY, 0);
}

static const struct gw_importer_ops remote_ops = {
	.invalidate = remote_invalidate, .quiesce = remote_quiesce, .ready = remote_ready,
};

int gw_remote_new(struct gw_exporter_link *l, struct gw_share_msg *m)
{
	struct gw_reader in = gw_reader_init(m->body, m->len);
	struct gw_remote_importer *r = calloc(1, sizeof(*r));
	uint32_t pid, uid, has_fn, zero;
	int ret = -EPROTO;

	if (!r) {
		ret = -ENOMEM;
		goto close;
	}
	*r = (struct gw_remote_importer){ .base.ops = &remote_ops, .base.accept = r->accept, .l = l,
					  .staging = -1, .process = -1 };
	if (!m->nr_fds || m->nr_fds > 2 || !gw_reader_u32(&in, &r->number) || !gw_reader_u32(&in, &r->kinds) ||
	    !gw_reader_u32(&in, &pid) || !gw_reader_u32(&in, &uid) ||
	    !gw_reader_u32(&in, &has_fn) || !gw_reader_u32(&in, &zero) ||
	    !gw_share_take_id(&in, &r->base.id) ||
	    !gw_share_take_text(&in, r->name, sizeof(r->name)))
		goto free;
	if (l->nr_remotes == GW_LINK_REMOTES) {
		ret = -ENOSPC;
		goto free;
	}
	r->has_fn = has_fn;
	pthread_mutex_init(&r->use, NULL);
	r->fd = m->fd[0];
	if (m->nr_fds == 2 && (pid_t)pid != getpid())
		r->process = m->fd[1];
	else if (m->nr_fds == 2)
		close(m->fd[1]);	/* we are not to end ourselves */
	m->nr_fds = 0;
	LIST_INSERT_HEAD(&l->remotes, r, link);
	l->nr_remotes++;
	return 0;
free:
	free(r);
close:
	gw_share_msg_close(m);
	return ret;
}

static void staging_drop(struct gw_remote_importer *r)
{
	if (r->staging < 0)
		return;
	munmap(r->staging_at, r->staging_size);
	close(r->staging);
	r->staging = -1;
}

void gw_remote_end(struct gw_remote_importer *r)
{
	r->hang_up = true;	/* it is not told of the end, nor is anyone that it was slow */
	gw_attachment_abandon(r->a);
	gw_p2p_proof_free(r->proof);
	staging_drop(r);
	LIST_REMOVE(r, link);
	r->l->nr_remotes--;
	close(r->fd);
	if (r->process >= 0)
		close(r->process);
	pthread_mutex_destroy(&r->use);
	free(r);
}

/* Take of its kinds those that the policy allows. For one by the fabric, a proof is made here. */
static int take_wants(struct gw_remote_importer *r, struct gw_reader *in)
{
	char reason[GW_SHARE_REASON];
	const struct gw_share_kind *kind;
	uint8_t uuid[16];
	unsigned int bit;
	uint32_t nr;

	if (!gw_reader_u32(in, &nr) || nr > GW_SHARE_MAX_KINDS)
		return -EINVAL;
	for (; nr; nr--) {
		struct gw_share_accept *a = &r->accept[r->base.nr_accept];

		if (!gw_reader_take(in, uuid, sizeof(uuid)) || !gw_reader_u64(in, &a->data[0]) ||
		    !gw_reader_u64(in, &a->data[1]))
			return -EINVAL;
		kind = gw_share_kind_by_uuid(uuid, &bit);
		if (!kind || !(r->kinds & bit))
			continue;
		if (kind == &gw_share_iova && r->has_fn && !r->proof && r->l->opt.prove &&
		    r->l->opt.prove(r->l->opt.opaque, &r->base.id.fn, &r->proof, reason)) {
			r->proof = NULL;
			gw_log_guest(r->l->opt.log, "importer %s: %s", r->name, reason);
		}
		a->kind = kind;
		a->proof = r->proof;
		r->base.nr_accept++;
	}
	return gw_reader_left(in) ? -EMSGSIZE : 0;
}

static struct gw_export *find_export(struct gw_exporter_link *l, uint32_t number) GW_HOLDS(l->lock)
{
	struct gw_link_export *e;

	LIST_FOREACH(e, &l->exports, link)
		if (e->number == number)
			return e->e;
	return NULL;
}

static void put_steps(struct gw_remote_importer *r, struct gw_share_msg *m)
{
	struct gw_share_step step;
	uint32_t nr = 0;

	while (gw_attachment_step(r->a, nr, &step))
		nr++;
	gw_share_put_u32(m, nr);
	for (uint32_t i = 0; i < nr && gw_attachment_step(r->a, i, &step); i++) {
		gw_share_put(m, step.kind->uuid, sizeof(step.kind->uuid));
		gw_share_put_u32(m, (uint32_t)step.err);
		gw_share_put_text(m, step.reason, sizeof(step.reason));
	}
}

static int do_want(struct gw_remote_importer *r, struct gw_share_msg *m) GW_HOLDS(r->l->lock)
{
	struct gw_reader in = gw_reader_init(m->body, m->len);
	char reason[GW_SHARE_REASON] = "";
	struct gw_export *e = find_export(r->l, r->number);
	int ret;

	if (r->a || r->base.nr_accept)
		return -EPROTO;
	ret = take_wants(r, &in);
	if (!ret)
		ret = e ? gw_attach(e, &r->base, &r->a, reason) : -ENODEV;
	if (ret && !*reason)
		snprintf(reason, sizeof(reason), "%s", strerror(-ret));
	r->e = e;
	gw_share_msg_reply(m, ret);
	gw_share_put_text(m, reason, sizeof(reason));
	if (!ret)
		put_steps(r, m);
	return 0;
}

/* Memory for the copies that the importer asks for. */
static int staging_make(struct gw_remote_importer *r)
{
	int fd;

	if (r->staging >= 0)
		return 0;
	r->staging_size = gw_export_size(r->e);
	fd = gw_os_memory_file("gangway-copy", r->staging_size, true);
	if (fd < 0)
		return fd;
	r->staging_at = mmap(NULL, r->staging_size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (r->staging_at == MAP_FAILED)
		goto close;
	r->staging = fd;
	return 0;
close:
	close(fd);
	return -ENOMEM;
}

/* What the mapping has: the list to be fetched, or a file. */
static const struct gw_ranges *ranges_of(struct gw_attachment *a, int *fd, unsigned int *what)
{
	const struct gw_iov_vram_payload *vram = gw_attachment_payload(a, &gw_share_iov_vram);
	const struct gw_bar_range_payload *bar = gw_attachment_payload(a, &gw_share_bar_range);
	const struct gw_iova_payload *iova = gw_attachment_payload(a, &gw_share_iova);
	const struct gw_file_payload *file = gw_attachment_payload(a, &gw_share_memfd);

	if (file) {
		*fd = file->fd;
		*what = file->what;
		return &file->ranges.raw;
	}
	if (iova)
		return &iova->ranges.raw;
	return bar ? &bar->ranges->raw : vram ? &vram->ranges->raw : NULL;
}

static void put_mapping(struct gw_remote_importer *r, struct gw_share_msg *m)
{
	const struct gw_share_kind *kind = gw_attachment_kind(r->a);
	const struct gw_ranges *ranges;
	unsigned int what = 0;
	int fd = kind == &gw_share_copy ? r->staging : -1;

	ranges = ranges_of(r->a, &fd, &what);
	m->generation = gw_attachment_generation(r->a);
	gw_share_put(m, kind->uuid, sizeof(kind->uuid));
	gw_share_put_u64(m, gw_export_size(r->e));
	gw_share_put_u32(m, gw_export_bar(r->e));
	gw_share_put_u32(m, what);
	gw_share_put_u32(m, ranges ? ranges->nr : 0);
	gw_share_put_u32(m, 0);
	gw_share_put_id(m, gw_export_id(r->e));
	m->fd[m->nr_fds++] = dup(gw_fence_fd(gw_attachment_fence(r->a, GW_FENCE_FRAME)));
	m->fd[m->nr_fds++] = dup(gw_fence_fd(gw_attachment_fence(r->a, GW_FENCE_DONE)));
	if (fd >= 0)
		m->fd[m->nr_fds++] = dup(fd);
}

static int do_map(struct gw_remote_importer *r, struct gw_share_msg *m)
{
	int ret = gw_attachment_map(r->a);

	if (ret)
		return ret;
	ret = gw_attachment_share_fences(r->a);
	if (!ret && gw_attachment_payload(r->a, &gw_share_copy))
		ret = staging_make(r);
	if (ret) {
		gw_attachment_unmap(r->a);
		return ret;
	}
	gw_share_msg_reply(m, 0);
	pthread_mutex_lock(&r->use);
	put_mapping(r, m);
	pthread_mutex_unlock(&r->use);
	return 0;
}

static int put_ranges(struct gw_remote_importer *r, struct gw_share_msg *m)
{
	struct gw_reader in = gw_reader_init(m->body, m->len);
	const struct gw_ranges *ranges;
	unsigned int what, nr = 0;
	struct gw_cursor c;
	struct gw_run run;
	uint64_t from;
	int fd;

	if (!gw_reader_u64(&in, &from))
		return -EMSGSIZE;
	ranges = ranges_of(r->a, &fd, &what);
	if (!ranges)
		return -EPROTO;
	gw_cursor_init(&c, ranges);
	if (gw_cursor_seek(&c, from))
		return -ERANGE;
	gw_share_msg_reply(m, 0);
	m->generation = gw_attachment_generation(r->a);
	while (nr++ < GW_SHARE_CHUNK && gw_cursor_next(&c, UINT64_MAX, &run)) {
		gw_share_put_u64(m, run.at);
		gw_share_put_u64(m, run.size);
	}
	return 0;
}

static int do_ranges(struct gw_remote_importer *r, struct gw_share_msg *m)
{
	int ret;

	pthread_mutex_lock(&r->use);
	ret = put_ranges(r, m);
	pthread_mutex_unlock(&r->use);
	return ret;
}

static int do_read(struct gw_remote_importer *r, struct gw_share_msg *m)
{
	struct gw_reader in = gw_reader_init(m->body, m->len);
	uint64_t pos, len;
	int ret;

	if (!gw_reader_u64(&in, &pos) || !gw_reader_u64(&in, &len))
		return -EMSGSIZE;
	if (r->staging < 0)
		return -EPROTO;
	if (pos > r->staging_size || len > r->staging_size - pos)
		return -ERANGE;
	ret = gw_attachment_read(r->a, pos, (uint8_t *)r->staging_at + pos, len);
	if (!ret)
		gw_share_msg_reply(m, 0);
	return ret;
}

static int do_refuse(struct gw_remote_importer *r, struct gw_share_msg *m)
{
	struct gw_reader in = gw_reader_init(m->body, m->len);
	char reason[GW_SHARE_REASON];
	int ret;

	if (!gw_share_take_text(&in, reason, sizeof(reason)))
		return -EINVAL;
	ret = gw_attachment_refuse(r->a, reason);
	if (!ret)
		gw_share_msg_reply(m, 0);
	return ret;
}

static int do_unmap(struct gw_remote_importer *r, struct gw_share_msg *m)
{
	int ret = gw_attachment_unmap(r->a);

	if (!ret)
		gw_share_msg_reply(m, 0);
	return ret;
}

static int do_pin(struct gw_remote_importer *r, struct gw_share_msg *m)
{
	struct gw_reader in = gw_reader_init(m->body, m->len);
	uint32_t pin;
	int ret = 0;

	if (!gw_reader_u32(&in, &pin))
		return -EMSGSIZE;
	if (pin)
		ret = gw_attachment_pin(r->a);
	else
		gw_attachment_unpin(r->a);
	if (!ret)
		gw_share_msg_reply(m, 0);
	return ret;
}

static const struct {
	size_t min, max;
	bool early;			/* there is no attachment yet */
	int (*run)(struct gw_remote_importer *r, struct gw_share_msg *m);
} ops[] = {
	[GW_SHARE_WANT] = { 4, 4 + GW_SHARE_MAX_KINDS * 32, true, do_want },
	[GW_SHARE_MAP] = { 0, 0, false, do_map },
	[GW_SHARE_RANGES] = { 8, 8, false, do_ranges },
	[GW_SHARE_READ] = { 16, 16, false, do_read },
	[GW_SHARE_REFUSE] = { GW_SHARE_REASON, GW_SHARE_REASON, false, do_refuse },
	[GW_SHARE_UNMAP] = { 0, 0, false, do_unmap },
	[GW_SHARE_PIN] = { 4, 4, false, do_pin },
};

void gw_remote_message(struct gw_remote_importer *r, struct gw_share_msg *m)
{
	int ret;

	if (m->type >= ARRAY_SIZE(ops) || !ops[m->type].run)
		ret = -EOPNOTSUPP;
	else if (m->len < ops[m->type].min || m->len > ops[m->type].max || m->nr_fds || !m->seq)
		ret = -EMSGSIZE;
	else if (!ops[m->type].early && !r->a)
		ret = -EPROTO;
	else
		ret = ops[m->type].run(r, m);
	if (ret)
		gw_share_msg_reply(m, ret);
	ret = gw_share_send(r->fd, m);
	gw_share_msg_close(m);
	if (ret)
		unheard(r, ret);
}
