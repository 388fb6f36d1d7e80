/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef TESTS_UNIT_VFIO_USER_DEVICE_H
#define TESTS_UNIT_VFIO_USER_DEVICE_H

/* The device that the tests of the server have it serve: it notes what it is asked for. */

#include "unit.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdarg.h>
#include <sys/stat.h>
#include <unistd.h>

#include <gangway/vfio_user.h>

#include "base/util.h"

#define PEER_BAR0	0x100000u	/* large enough for the largest access */
#define PEER_BAR2	0x10000u	/* can be mapped, in two pieces */
#define PEER_VECTORS	300u

struct peer {
	struct gw_device dev;
	struct gw_log log;
	struct gw_vfio_user *server;
	struct gw_vfio_user_options opt;
	char dir[32], path[64];
	int sock;			/* the raw client's; -1 */
	uint16_t id;			/* of its next message */

	int bar2_fd;
	bool bar2_whole;		/* the whole of BAR 2 may be mapped */
	uint8_t config[4096], bar0[PEER_BAR0];
	int fail;			/* what the next operation of the device returns; then 0 */
	void (*on_reset)(struct peer *p);	/* connection thread */

	pthread_mutex_t lock;		/* guards what follows */
	pthread_cond_t cond;
	struct gw_remote *remote;
	unsigned int attached, detached;
	char trace[65536];		/* what the device was asked, a line each */
	char lines[65536];		/* what was logged */
	int kept[PEER_VECTORS];		/* eventfds the device took; -1 */
};

static inline struct peer *peer_of(struct gw_device *d)
{
	return container_of(d, struct peer, dev);
}

static inline void append(char *buf, size_t size, const char *fmt, va_list ap)
{
	size_t at = strlen(buf);

	vsnprintf(buf + at, size - at, fmt, ap);
}

/* Write down what happened; returns what the test wants the operation to return. */
static inline int __attribute__((format(printf, 2, 3))) note(struct peer *p, const char *fmt, ...)
{
	va_list ap;
	int ret;

	va_start(ap, fmt);
	pthread_mutex_lock(&p->lock);
	append(p->trace, sizeof(p->trace), fmt, ap);
	ret = p->fail;
	p->fail = 0;
	pthread_cond_broadcast(&p->cond);
	pthread_mutex_unlock(&p->lock);
	va_end(ap);
	return ret;
}

static int peer_attach(struct gw_device *d, struct gw_remote *remote, const struct gw_vmm *vmm)
{
	struct peer *p = peer_of(d);

	pthread_mutex_lock(&p->lock);
	p->remote = remote;
	p->attached++;
	pthread_mutex_unlock(&p->lock);
	return note(p, "attach\n");
}

static inline void drop_kept(struct peer *p)
{
	for (unsigned int i = 0; i < PEER_VECTORS; i++) {
		if (p->kept[i] >= 0)
			close(p->kept[i]);
		p->kept[i] = -1;
	}
}

static void peer_detach(struct gw_device *d)
{
	struct peer *p = peer_of(d);

	note(p, "detach\n");
	pthread_mutex_lock(&p->lock);
	drop_kept(p);
	p->detached++;		/* last: who waits for it then looks at the rest */
	pthread_cond_broadcast(&p->cond);
	pthread_mutex_unlock(&p->lock);
}

static void peer_region_info(struct gw_device *d, unsigned int region, struct gw_region_info *info)
{
	struct peer *p = peer_of(d);

	info->fd = -1;
	if (region == 0) {
		info->size = PEER_BAR0;
		info->flags = GW_REGION_F_READ | GW_REGION_F_WRITE;
	} else if (region == 2) {
		info->size = PEER_BAR2;
		info->flags = GW_REGION_F_READ | GW_REGION_F_WRITE | GW_REGION_F_MMAP;
		info->fd = p->bar2_fd;
		info->fd_off = 0x2000;
		info->nr_areas = p->bar2_whole ? 0 : 2;
		info->area[0].off = 0x1000;
		info->area[0].size = 0x3000;
		info->area[1].off = 0x8000;
		info->area[1].size = 0x1000;
	} else if (region == 4) {
		info->size = 0x1000;
		info->flags = GW_REGION_F_READ;
	} else if (region == GW_REGION_CONFIG) {
		info->size = sizeof(p->config);
		info->flags = GW_REGION_F_READ | GW_REGION_F_WRITE;
	}
}

static int peer_region_read(struct gw_device *d, unsigned int region, uint64_t off, void *buf,
			    size_t len)
{
	struct peer *p = peer_of(d);

	if (gw_device_check(d, region, GW_REGION_F_READ, off, len))
		return -EINVAL;
	if (region == GW_REGION_CONFIG)
		memcpy(buf, p->config + off, len);
	else if (region == 0)
		memcpy(buf, p->bar0 + off, len);
	else
		memset(buf, 0x44, len);
	return note(p, "read %u %" PRIx64 " %zx\n", region, off, len);
}

static int peer_region_write(struct gw_device *d, unsigned int region, uint64_t off,
			     const void *buf, size_t len)
{
	struct peer *p = peer_of(d);
	uint64_t v = 0;

	if (gw_device_check(d, region, GW_REGION_F_WRITE, off, len))
		return -EINVAL;
	memcpy(&v, buf, len < 8 ? len : 8);
	if (region == GW_REGION_CONFIG)
		memcpy(p->config + off, buf, len);
	else if (region == 0)
		memcpy(p->bar0 + off, buf, len);
	return note(p, "write %u %" PRIx64 " %zx %" PRIx64 "\n", region, off, len, v);
}

static void peer_irq_info(struct gw_device *d, enum gw_irq index, struct gw_irq_info *info)
{
	static const struct gw_irq_info infos[GW_NR_IRQS] = {
		[GW_IRQ_INTX] = { 1, GW_IRQ_F_EVENTFD | GW_IRQ_F_MASKABLE | GW_IRQ_F_AUTOMASKED },
		[GW_IRQ_MSIX] = { PEER_VECTORS, GW_IRQ_F_EVENTFD },
		[GW_IRQ_ERR] = { 1, GW_IRQ_F_EVENTFD },
	};

	*info = infos[index];
}

static int peer_irq_set(struct gw_device *d, struct gw_irq_set *s)
{
	static const char *const action[] = { "mask", "unmask", "trigger" };
	static const char *const data[] = { "none", "bool", "eventfd" };
	struct peer *p = peer_of(d);
	struct gw_irq_info info;
	char bools[65] = "";
	int ret;

	peer_irq_info(d, s->index, &info);
	if (s->count ? s->start >= info.count || s->count > info.count - s->start :
		       s->start || s->data != GW_IRQ_NONE || s->action != GW_IRQ_TRIGGER)
		return -EINVAL;

	for (unsigned int i = 0; s->bools && i < s->count && i < 64; i++)
		bools[i] = s->bools[i] ? '1' : '0';
	ret = note(p, "irq %d %s %s %u+%u%s%s%s\n", s->index, action[s->action], data[s->data],
		   s->start, s->count, s->fds ? " fds" : "", *bools ? " " : "", bools);
	pthread_mutex_lock(&p->lock);
	for (unsigned int i = 0; !ret && s->index == GW_IRQ_MSIX && s->fds && i < s->count; i++) {
		if (p->kept[s->start + i] >= 0)
			close(p->kept[s->start + i]);
		p->kept[s->start + i] = s->fds[i];
		s->fds[i] = -1;
	}
	pthread_mutex_unlock(&p->lock);
	return ret;
}

static int peer_dma_map(struct gw_device *d, const struct gw_slice *s, int fd)
{
	struct stat st = { 0 };

	if (fd >= 0)
		fstat(fd, &st);
	return note(peer_of(d), "map %" PRIx64 " %" PRIx64 " off %" PRIx64 " prot %d%s%s\n",
		    s->at.v, s->size, s->off, s->prot, fd >= 0 ? " fd" : "",
		    S_ISREG(st.st_mode) ? " file" : "");
}

static int peer_dma_unmap(struct gw_device *d, gw_vmm_addr first, gw_vmm_addr last, uint64_t *bytes)
{
	*bytes = 0;
	return note(peer_of(d), "unmap %" PRIx64 "-%" PRIx64 "\n", first.v, last.v);
}

static int peer_reset(struct gw_device *d)
{
	struct peer *p = peer_of(d);

	if (p->on_reset)
		p->on_reset(p);
	return note(p, "reset\n");
}

static const struct gw_device_ops peer_ops = {
	.attach = peer_attach,
	.detach = peer_detach,
	.region_info = peer_region_info,
	.region_read = peer_region_read,
	.region_write = peer_region_write,
	.irq_info = peer_irq_info,
	.irq_set = peer_irq_set,
	.dma_map = peer_dma_map,
	.dma_unmap = peer_dma_unmap,
	.reset = peer_reset,
};

#endif
