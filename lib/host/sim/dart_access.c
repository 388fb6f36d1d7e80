/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>

#include "base/guard.h"
#include "base/util.h"
#include "host/sim/dart.h"

/* Accesses by the device; see dart.c for how they and unregistering keep apart. */

static struct gw_dart_mapping *mapping_of(struct gw_imap_node *n)
{
	return container_of(n, struct gw_dart_mapping, node);
}

/* Become a user of the mapping at @iova, if it is there and allows the direction. */
static struct gw_dart_mapping *get(struct gw_dart *d, uint64_t iova, enum gw_dma_dir dir)
{
	struct gw_dart_mapping *m = NULL;
	struct gw_imap_node *n;

	pthread_rwlock_rdlock(&d->lock);
	n = gw_imap_find(&d->map, iova);
	if (n) {
		m = mapping_of(n);
		if ((m->read_only && dir == GW_DMA_WRITE) || !gw_use_get(&m->use))
			m = NULL;
	}
	pthread_rwlock_unlock(&d->lock);
	return m;
}

static int copy_remote(struct gw_remote *r, uint64_t addr, void *buf, size_t len,
		       enum gw_dma_dir dir)
{
	gw_vmm_addr at = { addr };
	int ret = dir == GW_DMA_READ ? r->ops->read(r, at, buf, len) :
				       r->ops->write(r, at, buf, len);

	return !ret || ret == -ECANCELED ? ret : -EIO;
}

static int copy_piece(struct gw_dart_mapping *m, uint64_t off, void *buf, size_t len,
		      enum gw_dma_dir dir)
{
	if (m->remote)
		return copy_remote(m->remote, m->remote_addr + off, buf, len, dir);
	if (dir == GW_DMA_READ)
		return gw_guard_copy(buf, m->addr + off, len) ? -EIO : 0;
	return gw_guard_copy(m->addr + off, buf, len) ? -EIO : 0;
}

int gw_dart_copy(struct gw_dart *d, gw_iova iova, void *buf, size_t len, enum gw_dma_dir dir)
{
	struct gw_dart_mapping *m;
	uint64_t last, left;
	uint8_t *p = buf;
	size_t n;
	int ret;

	if (!len)
		return 0;
	if (__builtin_add_overflow(iova.v, len - 1, &last))
		return -EFAULT;
	for (; len; p += n, iova.v += n, len -= n) {
		m = get(d, iova.v, dir);
		if (!m)
			return -EFAULT;
		left = m->node.last - iova.v;
		n = left < len - 1 ? (size_t)left + 1 : len;
		ret = copy_piece(m, iova.v - m->node.first, p, n, dir);
		gw_use_put(&m->use);
		if (ret)
			return ret;
	}
	return 0;
}

/* The tokens of a pin: the first mapping and how many, neighbours all. */
enum { PIN_FIRST, PIN_COUNT };

/* Let go of @count neighbours; the read lock keeps the later ones in the tree meanwhile. */
static void put_neighbours(struct gw_dart_mapping *m, uint64_t count)
{
	struct gw_imap_node *next;

	for (; count; count--) {
		next = count > 1 ? gw_imap_next(&m->node) : NULL;
		gw_use_put(&m->use);
		if (next)
			m = mapping_of(next);
	}
}

static int pin_piece(struct gw_dart_mapping *m, uint64_t iova, size_t len, enum gw_dma_dir dir,
		     struct gw_endpoint_pin *pin, size_t *n)
{
	uint64_t left = m->node.last - iova;

	if (m->read_only && dir == GW_DMA_WRITE)
		return -EFAULT;
	if (m->remote)
		return -EOPNOTSUPP;
	if (pin->nr_iov == pin->max_iov)
		return -E2BIG;
	if (!gw_use_get(&m->use))
		return -EFAULT;
	*n = left < len - 1 ? (size_t)left + 1 : len;
	pin->iov[pin->nr_iov++] = (struct iovec){ .iov_base = m->addr + (iova - m->node.first),
						  .iov_len = *n };
	return 0;
}

static int pin_run(struct gw_dart *d, uint64_t iova, size_t len, enum gw_dma_dir dir,
		   struct gw_endpoint_pin *pin)
{
	struct gw_imap_node *node = gw_imap_find(&d->map, iova), *first = node;
	size_t n;
	int ret;

	for (; len; iova += n, len -= n) {
		ret = node && node->first <= iova ?
			pin_piece(mapping_of(node), iova, len, dir, pin, &n) : -EFAULT;
		if (ret) {
			if (pin->nr_iov)
				put_neighbours(mapping_of(first), pin->nr_iov);
			pin->nr_iov = 0;
			return ret;
		}
		if (n < len)
			node = gw_imap_next(node);
	}
	pin->token[PIN_FIRST] = (uintptr_t)(first ? mapping_of(first) : NULL);
	pin->token[PIN_COUNT] = pin->nr_iov;
	return 0;
}

int gw_dart_pin(struct gw_dart *d, gw_iova iova, size_t len, enum gw_dma_dir dir,
		struct gw_endpoint_pin *pin)
{
	uint64_t last;
	int ret;

	pin->nr_iov = 0;
	pin->token[PIN_COUNT] = 0;
	if (!len)
		return 0;
	if (__builtin_add_overflow(iova.v, len - 1, &last))
		return -EFAULT;
	pthread_rwlock_rdlock(&d->lock);
	ret = pin_run(d, iova.v, len, dir, pin);
	pthread_rwlock_unlock(&d->lock);
	return ret;
}

void gw_dart_unpin(struct gw_dart *d, struct gw_endpoint_pin *pin)
{
	struct gw_dart_mapping *first = (struct gw_dart_mapping *)(uintptr_t)pin->token[PIN_FIRST];

	if (pin->token[PIN_COUNT] == 1) {
		gw_use_put(&first->use);
	} else if (pin->token[PIN_COUNT]) {
		pthread_rwlock_rdlock(&d->lock);
		put_neighbours(first, pin->token[PIN_COUNT]);
		pthread_rwlock_unlock(&d->lock);
	}
	pin->token[PIN_COUNT] = 0;
	pin->nr_iov = 0;
}
