/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef GW_HOST_DEXT_INTERRUPTS_H
#define GW_HOST_DEXT_INTERRUPTS_H

#include <pthread.h>

#include "base/lock.h"
#include "host/dext/client.h"

/**
 * struct gw_dext_irq - delivery of one function's interrupts to a sink
 * @state: IRQ_* bits; the thread that sets IRQ_BUSY delivers
 * @result:    of the wait that completed last. While IRQ_WAIT is set only the completion touches
 *             it, else only the thread that has IRQ_BUSY
 * @errors, @dead: failures in a row; too many, and no wait is made any more. Only the thread that
 *                 has IRQ_BUSY touches them
 * @enabled:   bits that reach the sink
 * @mask_lock: @nr, @enabled and the dext's mask change together. Held over a call; taken by no
 *             completion
 * @fire_lock: held from the look at @enabled to the end of fire(), so that a mask can wait for
 *             it. Taken after @mask_lock
 * @sink:      changes with both held, so either is enough to look
 * @lock:      also of the waits for @state. Innermost, held for moments
 */
struct gw_dext_irq {
	struct gw_dext_client *client;
	struct gw_dext_irq_page *page;	/* NULL: what is pending is taken by call */
	struct gw_dext_map page_map;

	_Atomic unsigned int state;
	uint32_t result;
	unsigned int errors;
	bool dead;

	pthread_mutex_t mask_lock;
	unsigned int nr GW_GUARDED_BY(mask_lock);	/* vectors; 0: not started */
	_Atomic uint64_t enabled[GW_IRQ_WORDS];

	pthread_mutex_t fire_lock;
	struct gw_irq_sink *sink GW_GUARDED_BY(fire_lock);
	pthread_mutex_t lock;
	pthread_cond_t changed;
	pthread_t relay;
	bool relay_run GW_GUARDED_BY(lock), relay_quit GW_GUARDED_BY(lock);
};

/** gw_dext_irq_init() - nothing is delivered yet; all vectors are enabled. Return: 0; -ENOMEM */
int gw_dext_irq_init(struct gw_dext_irq *irq, struct gw_dext_client *client);

/**
 * gw_dext_irq_start() - set up interrupts and deliver them to @sink
 *
 * What a dext was once told to set up stays: after gw_dext_irq_detach() the vectors are the same.
 *
 * Return: 0, *@nr vectors; -EBUSY there is a sink, or another has set them up; -ENOMEM; -EAGAIN no
 * thread; or -errno of the dext. After an error nothing is delivered.
 */
int gw_dext_irq_start(struct gw_dext_irq *irq, struct gw_irq_sink *sink, unsigned int *nr);

/**
 * gw_dext_irq_mask() - drop vectors whose bit is clear; may be called before start
 *
 * Waits for a delivery under way, so not to be called by the sink.
 */
int gw_dext_irq_mask(struct gw_dext_irq *irq, const uint64_t enabled[GW_IRQ_WORDS]);

/**
 * gw_dext_irq_detach() - deliver nothing until the next start
 *
 * When it returns no call of the sink is under way and none follows. Not to be called by the sink.
 */
void gw_dext_irq_detach(struct gw_dext_irq *irq);

/** gw_dext_irq_kick() - look at what is pending and, if waiting had failed, wait again */
void gw_dext_irq_kick(struct gw_dext_irq *irq);

/** gw_dext_irq_error() - tell the sink of an error that the function does not recover from */
void gw_dext_irq_error(struct gw_dext_irq *irq);

/** gw_dext_irq_stop() - when it returns no fire() is under way, and none follows */
void gw_dext_irq_stop(struct gw_dext_irq *irq);

/** gw_dext_irq_fini() - after stop() and after the connection was closed */
void gw_dext_irq_fini(struct gw_dext_irq *irq);

#endif
