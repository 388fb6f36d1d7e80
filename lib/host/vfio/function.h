/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef GW_HOST_VFIO_FUNCTION_H
#define GW_HOST_VFIO_FUNCTION_H

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>

#include <bsd/sys/queue.h>

#include <gangway/vfio.h>

#include "base/util.h"
#include "host/vfio/space.h"
#include "host/vfio/uapi.h"

/* Inside lib/host/vfio: the host and an open function of it. */

#define GW_VFIO_PATH	256

/**
 * struct gw_vfio_host - the host
 * @lock: of the lists; outermost
 * @unclaimed: a function was given back by its VMM
 */
struct gw_vfio_host {
	struct gw_host base;
	struct gw_vfio_options opt;
	char tree[GW_VFIO_PATH], sysfs[GW_VFIO_PATH + 8], dev[GW_VFIO_PATH + 8];
	struct gw_vfio_folders at;
	struct gw_vfio_locked locked;
	pthread_mutex_t lock;
	pthread_cond_t unclaimed;
	LIST_HEAD(, gw_vfio_space) spaces;
	LIST_HEAD(, gw_vfio_function) functions;
};

/* A piece of a BAR that is mapped into this process. */
struct gw_vfio_area {
	uint64_t off, size;
	char *addr;
};

/**
 * struct gw_vfio_bar - a BAR
 * @off:    of the region in the function's descriptor
 * @fd:     what gives a VMM this BAR and nothing else, or -1
 * @shared: @fd mapped, while @users
 */
struct gw_vfio_bar {
	struct gw_bar_info info;
	uint64_t off;
	unsigned int nr_areas;
	struct gw_vfio_area area[GW_MAX_MMAP_AREAS];
	int fd;
	void *shared;
	unsigned int users;
};

/**
 * struct gw_vfio_irqs - interrupts that a thread delivers, and those that need none
 * @count:   vectors of each index at the kernel
 * @wake:    ends the thread, or has it look whether the function is idle
 * @lock:    of all below it; innermost but for nothing. Not held over a call to the sink
 * @index:   which of INTx, MSI and MSI-X is enabled, with @nr vectors; GW_NR_IRQS: none
 * @park:    eventfds of ours, for the vectors that have none of a VMM's, and for ERR and REQ
 * @firing:  held over calls to the sink, under no other lock; guards @enabled
 */
struct gw_vfio_irqs {
	pthread_t thread;
	bool started;
	unsigned int count[GW_NR_IRQS];
	int epoll, wake;
	_Atomic bool quit;

	pthread_mutex_t lock;
	enum gw_irq index;
	unsigned int nr;
	int park[GW_MAX_VECTORS];
	int err, req;

	pthread_mutex_t firing;
	struct gw_irq_sink *sink;
	uint64_t enabled[GW_IRQ_WORDS];
};

/**
 * struct gw_vfio_function - an open function
 * @slot:   its bit among the users of @space
 * @asked:  how often the kernel has asked for the function back, and when first; the thread's
 * @patience: ns that a VMM has at least to let go; set before the thread starts
 * @lock:   held for reading by all that use the descriptor, for writing to give it up. Taken under
 *          the host's lock, over the space's
 * @gone:   it was given up: @device and @space are no more
 * @claimed: a VMM has it, which is the owner of @space; changed under the host's lock
 */
struct gw_vfio_function {
	struct gw_function base;
	struct gw_vfio_host *host;
	LIST_ENTRY(gw_vfio_function) link;
	int gone_fd;
	unsigned int asked;
	uint64_t asked_ns, patience;
	struct gw_vfio_irqs irqs;

	pthread_rwlock_t lock;
	bool gone;
	_Atomic bool claimed;
	int device;
	struct gw_vfio_space *space;
	unsigned int slot;
	uint64_t config_off, config_size;
	bool can_reset;
	struct gw_vfio_bar bar[GW_NR_BARS];
};

static inline struct gw_vfio_function *gw_vfio_fn(struct gw_function *f)
{
	return container_of(f, struct gw_vfio_function, base);
}

/** gw_vfio_enter() - use the descriptor until gw_vfio_leave(). Return: 0; -ENODEV it is gone */
static inline int gw_vfio_enter(struct gw_vfio_function *fn)
{
	pthread_rwlock_rdlock(&fn->lock);
	if (!fn->gone)
		return 0;
	pthread_rwlock_unlock(&fn->lock);
	return -ENODEV;
}

static inline void gw_vfio_leave(struct gw_vfio_function *fn)
{
	pthread_rwlock_unlock(&fn->lock);
}

extern const struct gw_function_ops gw_vfio_function_ops;

/** gw_vfio_function_new() - open what gw_vfio_group_check() has let pass */
int gw_vfio_function_new(struct gw_vfio_host *host, const char *bdf, unsigned int group,
			 struct gw_function **f);

/**
 * gw_vfio_function_give_up() - let the kernel have the function back: bus mastering is off, nothing
 * is mapped, and every operation answers -ENODEV from now on. Any thread; a second time does nothing
 */
void gw_vfio_function_give_up(struct gw_vfio_function *fn);

/* host.c: the space of a group, made with the first of its functions; under the host's lock */
int gw_vfio_host_space(struct gw_vfio_host *host, unsigned int group, bool iommufd,
		       struct gw_vfio_space **s, unsigned int *slot);
void gw_vfio_host_put_space(struct gw_vfio_space *s, unsigned int slot);

/* bars.c */
int gw_vfio_bars_open(struct gw_vfio_function *fn);
void gw_vfio_bars_close(struct gw_vfio_function *fn);
int gw_vfio_bar_info(struct gw_function *f, unsigned int bar, struct gw_bar_info *info);
int gw_vfio_bar_map(struct gw_function *f, unsigned int bar, struct gw_bar_map *map);
void gw_vfio_bar_unmap(struct gw_function *f, unsigned int bar);
int gw_vfio_reg_read(struct gw_function *f, unsigned int bar, gw_bar_off off, unsigned int width,
		     uint64_t *val);
int gw_vfio_reg_write(struct gw_function *f, unsigned int bar, gw_bar_off off, unsigned int width,
		      uint64_t val);

/** gw_vfio_bar_dma_buf() - Return: a descriptor; -errno */
int gw_vfio_bar_dma_buf(int device, unsigned int bar, const struct gw_bar_range *range,
			unsigned int nr);

/* irqs.c */

/** gw_vfio_irqs_init() - nothing is open yet; gw_vfio_irqs_close() undoes this and all else */
void gw_vfio_irqs_init(struct gw_vfio_function *fn);

/** gw_vfio_irqs_open() - learn the vectors, and have ERR and REQ delivered */
int gw_vfio_irqs_open(struct gw_vfio_function *fn);

/** gw_vfio_irqs_stop() - the thread has ended on return */
void gw_vfio_irqs_stop(struct gw_vfio_function *fn);
void gw_vfio_irqs_close(struct gw_vfio_function *fn);

/** gw_vfio_irqs_poke() - a mapping has gone; was it the last, and is the function wanted back? */
void gw_vfio_irqs_poke(struct gw_vfio_function *fn);

int gw_vfio_irq_setup(struct gw_function *f, struct gw_irq_sink *sink, unsigned int *nr);
void gw_vfio_irq_teardown(struct gw_function *f);
int gw_vfio_irq_mask(struct gw_function *f, const uint64_t enabled[GW_IRQ_WORDS]);
int gw_vfio_irq_enable(struct gw_function *f, enum gw_irq index, unsigned int nr);
int gw_vfio_irq_eventfd(struct gw_function *f, enum gw_irq index, unsigned int vector, int fd);
int gw_vfio_intx_mask(struct gw_function *f, bool masked);
int gw_vfio_intx_unmask_fd(struct gw_function *f, int fd);

/* claim.c */
int gw_vfio_claim(struct gw_function *f, const struct gw_vmm *vmm);
void gw_vfio_unclaim(struct gw_function *f);

/** gw_vfio_claim_end() - as unclaim(), under the host's lock; fine without a claim */
void gw_vfio_claim_end(struct gw_vfio_function *fn);

/* reset.c */
int gw_vfio_reset(struct gw_function *f);

/* peer.c */

/**
 * gw_vfio_peer_check() - does a way lead from @client's requests through the IOMMU to @provider?
 *
 * Return: 0; -EXDEV the verdict is no (logged); or -errno of reading the topology.
 */
int gw_vfio_peer_check(const struct gw_vfio_host *host, const char *provider, const char *client);

/* dma.c */
/** gw_vfio_room() - what is left of the limit on locked memory, which all functions share */
uint64_t gw_vfio_room(struct gw_function *f);

int gw_vfio_dma_map(struct gw_function *f, const struct gw_memory *mem, uint64_t size,
		    const gw_iova *want, struct gw_mapping *map);
int gw_vfio_dma_unmap(struct gw_function *f, uint64_t handle);
int gw_vfio_bar_export(struct gw_function *f, unsigned int bar, const struct gw_bar_range *range,
		       unsigned int nr, int *fd);
int gw_vfio_dma_map_bar(struct gw_function *f, struct gw_function *peer, unsigned int bar,
			const struct gw_bar_range *range, const gw_iova *want,
			struct gw_mapping *map);

#endif
