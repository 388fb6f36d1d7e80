/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/reader.h"
#include "vfio_user/dispatch.h"

#define IRQ_SET	20u		/* bytes of struct vfio_irq_set without data */

int gw_do_irq_info(struct gw_client *c, struct gw_msg *m, struct gw_reply *r)
{
	struct gw_reader in = gw_reader_init(m->body, m->len);
	struct gw_irq_info info = { 0 };
	uint32_t v[4];			/* argsz, flags, index, count */

	if (!gw_reader_take(&in, v, sizeof(v)))
		return -EMSGSIZE;
	if (v[0] < sizeof(v) || v[2] >= GW_NR_IRQS)
		return -EINVAL;
	c->dev->ops->irq_info(c->dev, v[2], &info);
	v[0] = sizeof(v);
	v[1] = info.flags;
	v[3] = info.count;
	memcpy(r->data, v, sizeof(v));
	r->len = sizeof(v);
	return 0;
}

/*
 * A device signals eventfds and nothing else. The flags of the file are left as they are: they are
 * the client's too, so nothing may depend on them.
 */
static int check_eventfd(struct gw_client *c, int fd)
{
	static const char want[] = "anon_inode:[eventfd]";
	char link[sizeof("/proc/self/fd/-2147483648")], is[sizeof(want) + 1];
	ssize_t n;

	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	n = readlink(link, is, sizeof(is));
	if (n < 0) {
		int err = errno;

		gw_log_guest(c->log, "vfio-user: cannot see what the client sent as an eventfd: "
			     "%s: %s; is /proc mounted?", link, strerror(err));
		return -err;
	}
	return (size_t)n == sizeof(want) - 1 && !memcmp(is, want, (size_t)n) ? 0 : -EINVAL;
}

static int parse_flags(uint32_t flags, struct gw_irq_set *set)
{
	switch (flags & 7) {
	case GW_VU_IRQ_NONE:	set->data = GW_IRQ_NONE; break;
	case GW_VU_IRQ_BOOL:	set->data = GW_IRQ_BOOL; break;
	case GW_VU_IRQ_EVENTFD:	set->data = GW_IRQ_EVENTFD; break;
	default:		return -EINVAL;
	}
	switch (flags & ~7u) {
	case GW_VU_IRQ_MASK:	set->action = GW_IRQ_MASK; break;
	case GW_VU_IRQ_UNMASK:	set->action = GW_IRQ_UNMASK; break;
	case GW_VU_IRQ_TRIGGER:	set->action = GW_IRQ_TRIGGER; break;
	default:		return -EINVAL;
	}
	return 0;
}

/*
 * Eventfds for all vectors of the message, or for none: then those are taken away. What comes with
 * a message of another kind is not looked at.
 */
static int check_fds(struct gw_client *c, struct gw_msg *m, struct gw_irq_set *set)
{
	unsigned int nr = m->fds ? m->fds->nr : 0;
	int ret = 0;

	if (!nr || set->data != GW_IRQ_EVENTFD)
		return 0;
	if (nr != set->count)
		return -EINVAL;
	for (unsigned int i = 0; i < nr && !ret; i++)
		ret = check_eventfd(c, m->fds->fd[i]);
	set->fds = m->fds->fd;
	return ret;
}

int gw_do_set_irqs(struct gw_client *c, struct gw_msg *m, struct gw_reply *r)
{
	struct gw_reader in = gw_reader_init(m->body, m->len);
	struct gw_irq_set set = { 0 };
	uint32_t v[5];			/* argsz, flags, index, start, count */
	int ret;

	if (!gw_reader_take(&in, v, sizeof(v)))
		return -EMSGSIZE;
	if (v[0] < IRQ_SET || v[2] >= GW_NR_IRQS)
		return -EINVAL;
	set.index = v[2];
	set.start = v[3];
	set.count = v[4];
	ret = parse_flags(v[1], &set);
	if (ret)
		return ret;
	if (gw_reader_left(&in) != (set.data == GW_IRQ_BOOL ? set.count : 0))
		return -EMSGSIZE;
	set.bools = set.data == GW_IRQ_BOOL ? in.p : NULL;
	ret = check_fds(c, m, &set);
	return ret ? ret : c->dev->ops->irq_set(c->dev, &set);
}
