/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef GW_FUNCTION_IRQS_H
#define GW_FUNCTION_IRQS_H

#include <pthread.h>
#include <stdatomic.h>

#include <gangway/device.h>
#include <gangway/host.h>

#include "base/lock.h"
#include "base/notifier.h"

/* An eventfd, which is ours, or a call, or neither: then @fd is -1 and @call NULL. */
struct gw_irq_way {
	int fd;
	struct gw_irq_call *call;
};

/**
 * struct gw_guest_irqs - from the host's vectors to the VMM's eventfds and calls
 * @sink:    what the host fires at, from any thread
 * @fn:      NULL: there is none, and whoever owns @irqs fires them
 * @name:    for messages
 * @vectors: that the host delivers
 * @intx:    the host delivers INTx
 * @count:   per index, what irq_info() says; set before the first use
 * @lock:    innermost, never held over a call to the host
 * @mode:    GW_IRQ_INTX to GW_IRQ_MSIX, GW_NR_IRQS while none is enabled
 * @notifier: signals the eventfds
 * @at:      where each vector goes
 * @notice:  likewise GW_IRQ_ERR and GW_IRQ_REQ, in this order
 * @pending: vectors that fired while they had nowhere to go or were masked
 */
struct gw_guest_irqs {
	struct gw_irq_sink sink;
	struct gw_function *fn;
	const char *name;
	struct gw_log *log;
	unsigned int vectors;
	bool intx;
	unsigned int count[GW_NR_IRQS];
	_Atomic uint64_t delivered;

	pthread_mutex_t lock;
	struct gw_notifier notifier GW_GUARDED_BY(lock);
	enum gw_irq mode GW_GUARDED_BY(lock);
	struct gw_irq_way at[GW_MAX_VECTORS] GW_GUARDED_BY(lock);
	struct gw_irq_way notice[2] GW_GUARDED_BY(lock);
	uint64_t pending[GW_IRQ_WORDS] GW_GUARDED_BY(lock);
	uint64_t masked[GW_IRQ_WORDS] GW_GUARDED_BY(lock);
};

/**
 * gw_guest_irqs_init() - have the host deliver to @irqs; all vectors are dropped at first
 * @fn:   NULL: no host, what is delivered is fired at the sink by the caller
 * @name: stays the caller's
 *
 * Return: 0, also where the host has no interrupts; or -errno of gw_notifier_init() (logged) or of
 * the host.
 */
int gw_guest_irqs_init(struct gw_guest_irqs *irqs, struct gw_function *fn, const char *name,
		       struct gw_log *log);

/** gw_guest_irqs_fini() - on return the host delivers nothing any more */
void gw_guest_irqs_fini(struct gw_guest_irqs *irqs);

void gw_guest_irqs_info(struct gw_guest_irqs *irqs, enum gw_irq index, struct gw_irq_info *info);

/**
 * gw_guest_irqs_set() - struct gw_device_ops irq_set()
 *
 * Return: 0; -EINVAL out of range or no such combination; -EPROTO another of INTx, MSI and
 * MSI-X is enabled, or this one is not; or -errno of the host, then the index is disabled.
 */
int gw_guest_irqs_set(struct gw_guest_irqs *irqs, struct gw_irq_set *set);

/** gw_guest_irqs_disable() - every index; all eventfds are closed on return */
void gw_guest_irqs_disable(struct gw_guest_irqs *irqs);

/** gw_guest_irqs_forget() - the function was reset: what fired before and waits is gone */
void gw_guest_irqs_forget(struct gw_guest_irqs *irqs);

/** gw_guest_irqs_request() - ask the VMM to let go of the device, if it cares to hear */
void gw_guest_irqs_request(struct gw_guest_irqs *irqs);

#endif
