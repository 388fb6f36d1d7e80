/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef GW_HOST_VFIO_IRQS_H
#define GW_HOST_VFIO_IRQS_H

#include <pthread.h>

#include <gangway/host.h>

#include "base/lock.h"
#include "host/vfio/device.h"

/**
 * struct gw_vfio_irqs - interrupts that a thread delivers, and those that need none
 * @device:  the function's. Whoever changes interrupts sees to it that it stays open
 * @let_go:  the kernel asks for the function back, @overdue: for too long. Called by the thread
 * @asked:   how often the kernel has asked for that, and when first; the thread's
 * @patience: ns that a VMM has at least to let go; set before the thread starts
 * @count:   vectors of each index at the kernel
 * @wake:    ends the thread, or has it ask @let_go again
 * @err, @req: eventfds of ours for these two indexes; they stay while the thread runs
 * @lock:    innermost but for @firing. Not held over a call to the sink
 * @index:   which of INTx, MSI and MSI-X is enabled, with @nr vectors; GW_NR_IRQS: none
 * @park:    eventfds of ours, for the vectors that have none of a VMM's
 * @firing:  held over calls to the sink, under no other lock
 */
struct gw_vfio_irqs {
	const struct gw_vfio_device *device;
	void (*let_go)(struct gw_vfio_irqs *irqs, bool overdue);
	unsigned int asked;
	uint64_t asked_ns, patience;
	pthread_t thread;
	bool started;
	unsigned int count[GW_NR_IRQS];
	int epoll, wake, err, req;
	_Atomic bool quit;

	pthread_mutex_t lock;
	enum gw_irq index GW_GUARDED_BY(lock);
	unsigned int nr GW_GUARDED_BY(lock);
	int park[GW_MAX_VECTORS] GW_GUARDED_BY(lock);

	pthread_mutex_t firing;
	struct gw_irq_sink *sink GW_GUARDED_BY(firing);
	uint64_t enabled[GW_IRQ_WORDS] GW_GUARDED_BY(firing);
};

/** gw_vfio_irqs_init() - nothing is open yet; gw_vfio_irqs_fini() undoes this and all else */
void gw_vfio_irqs_init(struct gw_vfio_irqs *irqs, const struct gw_vfio_device *device,
		       void (*let_go)(struct gw_vfio_irqs *irqs, bool overdue));
void gw_vfio_irqs_fini(struct gw_vfio_irqs *irqs);

/** gw_vfio_irqs_open() - learn the vectors, and have ERR and REQ delivered. Return: 0; -errno */
int gw_vfio_irqs_open(struct gw_vfio_irqs *irqs);

/** gw_vfio_irqs_stop() - the thread has ended on return */
void gw_vfio_irqs_stop(struct gw_vfio_irqs *irqs);

/** gw_vfio_irqs_poke() - a mapping has gone; if the function is wanted back, may it go now? */
void gw_vfio_irqs_poke(struct gw_vfio_irqs *irqs);

/** gw_vfio_irqs_setup() - struct gw_function_ops irq_setup(), and the others likewise */
int gw_vfio_irqs_setup(struct gw_vfio_irqs *irqs, struct gw_irq_sink *sink, unsigned int *nr);
void gw_vfio_irqs_mask(struct gw_vfio_irqs *irqs, const uint64_t enabled[GW_IRQ_WORDS]);
int gw_vfio_irqs_enable(struct gw_vfio_irqs *irqs, enum gw_irq index, unsigned int nr);
int gw_vfio_irqs_eventfd(struct gw_vfio_irqs *irqs, enum gw_irq index, unsigned int vector, int fd);
int gw_vfio_irqs_intx_mask(struct gw_vfio_irqs *irqs, bool masked);
int gw_vfio_irqs_intx_unmask_fd(struct gw_vfio_irqs *irqs, int fd);

/** gw_vfio_irqs_disable() - whichever index is enabled. Return: 0; -errno */
int gw_vfio_irqs_disable(struct gw_vfio_irqs *irqs);

/** gw_vfio_irqs_forget_sink() - no call of the sink is under way on return, and none follows */
void gw_vfio_irqs_forget_sink(struct gw_vfio_irqs *irqs);

#endif
