/* SPDX-License-Identifier: BSD-3-Clause */
#include "share/broker.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/util.h"
#include "share/audit.h"

/*
 * How it works: a table says what may be asked by whom, and how long it is. Whoever is refused
 * hears -EACCES, whatever the reason: the reason is in the audit. A handle is used up by whoever
 * shows it.
 */

#define LIST_MAX	64u	/* entries in one reply */
#define NO_LINE		"no line of the policy allows it"

void gw_broker_core_init(struct gw_broker_core *b, struct gw_policy *policy, int audit,
			 struct gw_log *log)
{
	memset(b, 0, sizeof(*b));
	b->policy = policy;
	b->audit = audit;
	b->log = log;
	gw_log_own(&b->denied, log);
	gw_log_own(&b->allowed, log);
	b->tree = "";
	b->next_number = 1;
	LIST_INIT(&b->peers);
	LIST_INIT(&b->published);
}

void gw_broker_core_fini(struct gw_broker_core *b)
{
	while (!LIST_EMPTY(&b->peers))
		gw_broker_leave(b, LIST_FIRST(&b->peers));
	gw_policy_free(b->policy);
}

/* @reason: NULL: it is allowed */
static __attribute__((format(printf, 5, 6))) void audit(struct gw_broker_core *b,
							const struct gw_broker_peer *p,
							const char *request, const char *reason,
							const char *fmt, ...)
{
	const char *role = p->role == GW_SHARE_EXPORTER ? "vm" : p->role ? "importer" : NULL;
	char about[256];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(about, sizeof(about), fmt, ap);
	va_end(ap);
	gw_audit_write(b->audit, reason ? &b->denied : &b->allowed,
		       &(struct gw_audit){ role, p->name, p->pid, p->uid, request, about, reason });
}

static void peer_close(int fd, int process)
{
	close(fd);
	if (process >= 0)
		close(process);
}

int gw_broker_join(struct gw_broker_core *b, int fd, int process, pid_t pid, uid_t uid)
{
	struct gw_broker_peer *p, *n;
	unsigned int same = 0;

	LIST_FOREACH(p, &b->peers, link)
		same += p->uid == uid;
	if (b->nr_peers >= GW_BROKER_PEERS || same >= GW_BROKER_PEERS_UID) {
		peer_close(fd, process);
		return -EUSERS;
	}
	n = calloc(1, sizeof(*n));
	if (!n) {
		peer_close(fd, process);
		return -ENOMEM;
	}
	*n = (struct gw_broker_peer){ .fd = fd, .process = process, .pid = pid,
				       .uid = uid };
	LIST_INSERT_HEAD(&b->peers, n, link);
	b->nr_peers++;
	return 0;
}

static void unpublish(struct gw_broker_core *b, struct gw_published *e)
{
	LIST_REMOVE(e, link);
	e->by->nr_published--;
	b->nr_published--;
	free(e);
}

void gw_broker_leave(struct gw_broker_core *b, struct gw_broker_peer *p)
{
	struct gw_published *e, *next;

	for (e = LIST_FIRST(&b->published); e; e = next) {
		next = LIST_NEXT(e, link);
		if (e->by == p)
			unpublish(b, e);
	}
	LIST_REMOVE(p, link);
	b->nr_peers--;
	peer_close(p->fd, p->process);
	free(p);
}

static struct gw_published *find(struct gw_broker_core *b, uint32_t number)
{
	struct gw_published *e;

	LIST_FOREACH(e, &b->published, link)
		if (e->number == number)
			return e;
	return NULL;
}

static bool same_addr(const struct gw_pci_addr *a, const struct gw_pci_addr *b)
{
	return a->domain == b->domain && a->bus == b->bus && a->dev == b->dev && a->fn == b->fn;
}

/* A device that is plugged in again has a folder with another inode in sysfs. 0: none */
static uint64_t device_ino(const struct gw_broker_core *b, const struct gw_pci_addr *addr)
{
	char name[GW_PCI_ADDR_SIZE], path[512];
	struct stat st;

	snprintf(path, sizeof(path), "%.400s/sys/bus/pci/devices/%s", b->tree,
		 gw_pci_addr_format(addr, name));
	return stat(path, &st) ? 0 : st.st_ino;
}

static int cookie_of(struct gw_broker_core *b, const struct gw_pci_addr *pf, uint64_t *cookie)
{
	uint64_t ino = device_ino(b, pf);
	struct gw_broker_device *d = b->device, *end = d + b->nr_devices;

	while (d < end && !same_addr(&d->pf, pf))
		d++;
	if (d == end && b->nr_devices == GW_BROKER_DEVICES)
		return -ENOSPC;
	if (d == end || d->ino != ino) {
		if (getrandom(cookie, sizeof(*cookie), 0) != sizeof(*cookie))
			return -EIO;
		if (d == end)
			b->nr_devices++;
		*d = (struct gw_broker_device){ *pf, ino, *cookie };
	}
	*cookie = d->cookie;
	return 0;
}

/* If the machine says which function has that index, it must be this one. */
static bool is_that_vf(const struct gw_broker_core *b, const struct gw_share_id *id)
{
	char pf[GW_PCI_ADDR_SIZE], vf[GW_PCI_ADDR_SIZE], path[512], to[256], *name;
	ssize_t n;

	if (id->vf < 0)
		return same_addr(&id->fn, &id->pf);
	if (!device_ino(b, &id->pf))
		return true;	/* a simulated one */
	snprintf(path, sizeof(path), "%.400s/sys/bus/pci/devices/%s/virtfn%d", b->tree,
		 gw_pci_addr_format(&id->pf, pf), id->vf);
	n = readlink(path, to, sizeof(to) - 1);
	if (n < 0)
		return false;
	to[n] = '\0';
	name = strrchr(to, '/');
	return !strcmp(name ? name + 1 : to, gw_pci_addr_format(&id->fn, vf));
}

static int do_hello(struct gw_broker_core *b, struct gw_broker_peer *p, struct gw_share_msg *m)
{
	struct gw_reader r = gw_reader_init(m->body, m->len);
	uint32_t version, role;
	char name[GW_SHARE_NAME];
	uint64_t cookie = 0;
	bool known;

	if (!gw_reader_u32(&r, &version) || !gw_reader_u32(&r, &role) ||
	    !gw_share_take_text(&r, name, sizeof(name)))
		return -EINVAL;
	if (version != GW_SHARE_VERSION)
		return -EPROTONOSUPPORT;
	if (role == GW_SHARE_EXPORTER)
		known = gw_policy_vm(b->policy, name, p->uid);
	else if (role == GW_SHARE_IMPORTER)
		known = gw_policy_importer(b->policy, name, p->uid, &p->fn, &p->has_fn);
	else
		return -EINVAL;
	if (!known) {
		audit(b, p, "hello", "the policy has none of this user", "as=%s name=%s",
		      role == GW_SHARE_EXPORTER ? "vm" : "importer", name);
		return -EACCES;
	}
	p->role = role;
	memcpy(p->name, name, sizeof(name));
	if (p->has_fn && cookie_of(b, &p->fn, &cookie))
		p->has_fn = false;
	gw_share_msg_reply(m, 0);
	gw_share_put_u32(m, GW_SHARE_VERSION);
	gw_share_put_u32(m, p->has_fn);
	gw_share_put_id(m, &(struct gw_share_id){ p->fn, p->fn, -1, cookie });
	return 0;
}

static int do_cookie(struct gw_broker_core *b, struct gw_broker_peer *p, struct gw_share_msg *m)
{
	struct gw_reader r = gw_reader_init(m->body, m->len);
	struct gw_share_id id;
	uint64_t cookie;
	int ret;

	if (!gw_share_take_id(&r, &id))
		return -EINVAL;
	ret = gw_policy_has(b->policy, p->name, &id.fn) ? cookie_of(b, &id.pf, &cookie) : -EACCES;
	if (ret)
		return ret;
	gw_share_msg_reply(m, 0);
	gw_share_put_u64(m, cookie);
	return 0;
}

/* Is it what it says, and nobody else's? Return: NULL, or what is wrong */
static const char *check_function(struct gw_broker_core *b, const struct gw_broker_peer *p,
				  const struct gw_share_id *id)
{
	struct gw_published *e;
	uint64_t cookie;

	if (!gw_policy_has(b->policy, p->name, &id->fn))
		return "the policy does not give it this function";
	if (cookie_of(b, &id->pf, &cookie) || cookie != id->cookie)
		return "its device is another than it was";
	if (!is_that_vf(b, id))
		return "the device has another function at that index";
	LIST_FOREACH(e, &b->published, link)
		if (e->by != p && same_addr(&e->id.fn, &id->fn))
			return "another process exports this function";
	return NULL;
}

static int do_publish(struct gw_broker_core *b, struct gw_broker_peer *p, struct gw_share_msg *m)
{
	struct gw_reader r = gw_reader_init(m->body, m->len);
	struct gw_published e = { .by = p }, *n;
	char name[GW_PCI_ADDR_SIZE];
	const char *wrong;

	if (!gw_share_take_id(&r, &e.id) || !gw_reader_u32(&r, &e.bar) ||
	    !gw_reader_u64(&r, &e.bytes) || !gw_share_take_text(&r, e.label, sizeof(e.label)) ||
	    e.bar >= GW_NR_BARS || !e.bytes)
		return -EINVAL;
	wrong = check_function(b, p, &e.id);
	if (wrong) {
		audit(b, p, "publish", wrong, "function=%s", gw_pci_addr_format(&e.id.fn, name));
		return -EACCES;
	}
	if (b->nr_published >= GW_BROKER_PUBLISHED || p->nr_published >= GW_SHARE_MAX_EXPORTS)
		return -ENOSPC;
	n = malloc(sizeof(*n));
	if (!n)
		return -ENOMEM;
	e.number = b->next_number++;
	*n = e;
	LIST_INSERT_HEAD(&b->published, n, link);
	b->nr_published++;
	p->nr_published++;
	audit(b, p, "publish", NULL, "export=%u function=%s bar=%u bytes=%" PRIu64, e.number,
	      gw_pci_addr_format(&e.id.fn, name), e.bar, e.bytes);
	gw_share_msg_reply(m, 0);
	gw_share_put_u32(m, e.number);
	return 0;
}

static int do_withdraw(struct gw_broker_core *b, struct gw_broker_peer *p, struct gw_share_msg *m)
{
	struct gw_reader r = gw_reader_init(m->body, m->len);
	struct gw_published *e;
	uint32_t number;

	e = gw_reader_u32(&r, &number) ? find(b, number) : NULL;
	if (!e || e->by != p)
		return -ENOENT;
	unpublish(b, e);
	gw_share_msg_reply(m, 0);
	return 0;
}

static unsigned int kinds(struct gw_broker_core *b, const struct gw_published *e,
			  const char *importer)
{
	return gw_policy_kinds(b->policy, e->by->name, &e->id.fn, importer);
}

static int make_handle(struct gw_broker_core *b, struct gw_share_msg *m,
		       const struct gw_handle *like)
{
	uint8_t bytes[GW_SHARE_HANDLE];
	int ret = gw_handles_make(&b->handles, like, bytes);

	if (ret)
		return ret;
	gw_share_msg_reply(m, 0);
	gw_share_put(m, bytes, sizeof(bytes));
	return 0;
}

static int do_grant(struct gw_broker_core *b, struct gw_broker_peer *p, struct gw_share_msg *m)
{
	struct gw_reader r = gw_reader_init(m->body, m->len);
	struct gw_handle like = { 0 };
	struct gw_published *e;
	uint32_t pid;

	if (!gw_reader_u32(&r, &like.number) || !gw_reader_u32(&r, &pid) || pid > INT32_MAX ||
	    !gw_share_take_text(&r, like.importer, sizeof(like.importer)))
		return -EINVAL;
	like.bound = pid;
	like.pid = (pid_t)pid;
	e = find(b, like.number);
	if (!e || e->by != p)
		return -ENOENT;
	if (!kinds(b, e, like.importer)) {
		audit(b, p, "grant", NO_LINE, "export=%u to=%s", e->number, like.importer);
		return -EACCES;
	}
	audit(b, p, "grant", NULL, "export=%u to=%s to-pid=%u", e->number, like.importer, pid);
	return make_handle(b, m, &like);
}

static int do_ask(struct gw_broker_core *b, struct gw_broker_peer *p, struct gw_share_msg *m)
{
	struct gw_reader r = gw_reader_init(m->body, m->len);
	struct gw_handle like = { .bound = true, .pid = p->pid };
	struct gw_published *e;

	if (!gw_reader_u32(&r, &like.number))
		return -EINVAL;
	e = find(b, like.number);
	if (!e || !kinds(b, e, p->name)) {
		audit(b, p, "ask", e ? NO_LINE : "there is none", "export=%u", like.number);
		return -EACCES;
	}
	memcpy(like.importer, p->name, sizeof(like.importer));
	audit(b, p, "ask", NULL, "export=%u vm=%s", e->number, e->by->name);
	return make_handle(b, m, &like);
}

static int do_list(struct gw_broker_core *b, struct gw_broker_peer *p, struct gw_share_msg *m)
{
	struct gw_reader r = gw_reader_init(m->body, m->len);
	unsigned int nr = 0;
	uint32_t from;

	if (!gw_reader_u32(&r, &from))
		return -EINVAL;
	gw_share_msg_reply(m, 0);
	for (; nr < LIST_MAX; nr++) {
		struct gw_published *e, *least = NULL;

		LIST_FOREACH(e, &b->published, link)
			if (e->number >= from && (!least || e->number < least->number) &&
			    kinds(b, e, p->name))
				least = e;
		if (!least)
			break;
		gw_share_put_u32(m, least->number);
		gw_share_put_u32(m, least->bar);
		gw_share_put_u64(m, least->bytes);
		gw_share_put_id(m, &least->id);
		gw_share_put_text(m, least->by->name, GW_SHARE_NAME);
		gw_share_put_text(m, least->label, GW_SHARE_NAME);
		from = least->number + 1;
	}
	return 0;
}

/* Return: what is wrong with it, or NULL and the export */
static const char *check_handle(struct gw_broker_core *b, const struct gw_broker_peer *p,
				struct gw_handle *h, const char *vm, struct gw_published **e)
{
	bool used;

	if (!h)
		return "an unknown handle";
	used = h->used;
	h->used = true;
	if (used)
		return "a handle that was used before";
	if (strcmp(h->importer, p->name))
		return "a handle of another importer";
	if (h->bound && h->pid != p->pid)
		return "a handle of another process";
	*e = find(b, h->number);
	if (!*e)
		return "its export was withdrawn";
	if (strcmp((*e)->by->name, vm))
		return "its export is of another VM";
	if (!kinds(b, *e, p->name))
		return NO_LINE;
	return NULL;
}

/* Hand each of the two an end of a new socket. Return: 0; -errno, and then neither has one */
static int introduce(struct gw_broker_core *b, struct gw_broker_peer *p, struct gw_published *e,
		     struct gw_share_msg *m)
{
	struct gw_share_id id = { p->fn, p->fn, -1, 0 };
	int pair[2], ret = 0;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair))
		return -errno;
	if (p->has_fn)
		ret = cookie_of(b, &p->fn, &id.cookie);
	gw_share_msg_init(m, GW_SHARE_INTRODUCE, 0);
	gw_share_put_u32(m, e->number);
	gw_share_put_u32(m, kinds(b, e, p->name));
	gw_share_put_u32(m, (uint32_t)p->pid);
	gw_share_put_u32(m, p->uid);
	gw_share_put_u32(m, p->has_fn);
	gw_share_put_u32(m, 0);
	gw_share_put_id(m, &id);
	gw_share_put_text(m, p->name, GW_SHARE_NAME);
	m->nr_fds = p->process >= 0 ? 2 : 1;
	m->fd[0] = pair[1];
	m->fd[1] = p->process;
	if (!ret)
		ret = gw_share_send(e->by->fd, m);
	if (ret)
		e->by->hang_up = true;
	m->nr_fds = 1;		/* the other one stays the peer's */
	gw_share_msg_close(m);
	if (ret) {
		close(pair[0]);
		return -ENOTCONN;
	}
	m->nr_fds = 1;
	m->fd[0] = pair[0];
	return 0;
}

static int do_attach(struct gw_broker_core *b, struct gw_broker_peer *p, struct gw_share_msg *m)
{
	struct gw_reader r = gw_reader_init(m->body, m->len);
	uint8_t bytes[GW_SHARE_HANDLE];
	uint32_t seq = m->seq;
	struct gw_published *e = NULL;
	char vm[GW_SHARE_NAME];
	const char *wrong;
	int ret, fd;

	if (!gw_reader_take(&r, bytes, sizeof(bytes)) || !gw_share_take_text(&r, vm, sizeof(vm)))
		return -EINVAL;
	wrong = check_handle(b, p, gw_handles_find(&b->handles, bytes), vm, &e);
	if (wrong) {
		audit(b, p, "attach", wrong, "vm=%s", vm);
		p->hang_up = ++p->bad >= GW_BROKER_BAD;
		return -EACCES;
	}
	ret = introduce(b, p, e, m);
	m->type = GW_SHARE_ATTACH;
	m->seq = seq;
	if (ret) {
		audit(b, p, "attach", "its process does not answer", "vm=%s export=%u", vm,
		      e->number);
		return ret;
	}
	audit(b, p, "attach", NULL, "vm=%s export=%u", vm, e->number);
	fd = m->fd[0];
	gw_share_msg_init(m, GW_SHARE_ATTACH, seq);
	m->nr_fds = 1;
	m->fd[0] = fd;
	return 0;
}

struct op {
	size_t len;			/* of the body */
	uint32_t role;			/* 0: before HELLO */
	int (*run)(struct gw_broker_core *b, struct gw_broker_peer *p, struct gw_share_msg *m);
};

static const struct op ops[] = {
	[GW_SHARE_HELLO] = { 8 + GW_SHARE_NAME, 0, do_hello },
	[GW_SHARE_COOKIE] = { GW_SHARE_ID, GW_SHARE_EXPORTER, do_cookie },
	[GW_SHARE_PUBLISH] = { GW_SHARE_ID + 12 + GW_SHARE_NAME, GW_SHARE_EXPORTER,
			       do_publish },
	[GW_SHARE_WITHDRAW] = { 4, GW_SHARE_EXPORTER, do_withdraw },
	[GW_SHARE_GRANT] = { 8 + GW_SHARE_NAME, GW_SHARE_EXPORTER, do_grant },
	[GW_SHARE_LIST] = { 4, GW_SHARE_IMPORTER, do_list },
	[GW_SHARE_ASK] = { 4, GW_SHARE_IMPORTER, do_ask },
	[GW_SHARE_ATTACH] = { GW_SHARE_HANDLE + GW_SHARE_NAME, GW_SHARE_IMPORTER,
			      do_attach },
};

void gw_broker_message(struct gw_broker_core *b, struct gw_broker_peer *p,
		       struct gw_share_msg *m)
{
	const struct op *op = m->type < ARRAY_SIZE(ops) ? &ops[m->type] : NULL;
	int ret;

	if (!op || !op->run)
		ret = -EOPNOTSUPP;
	else if (m->len != op->len || m->nr_fds || !m->seq)
		ret = -EMSGSIZE;
	else if (op->role != p->role)
		ret = -EPROTO;
	else
		ret = op->run(b, p, m);
	if (ret)
		gw_share_msg_reply(m, ret);
	ret = gw_share_send(p->fd, m);
	gw_share_msg_close(m);
	if (ret)
		p->hang_up = true;
}
