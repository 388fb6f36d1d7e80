/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef GW_BASE_GATE_H
#define GW_BASE_GATE_H

#include <pthread.h>

#include <stdatomic.h>
#include <stdint.h>

#include "base/lock.h"

/*
 * A mutex with two kinds of users: those that somebody waits for, and patient ones that take it
 * again and again. A plain mutex lets the latter keep it from the former for as long as they like;
 * here a patient one steps back while any other waits.
 */
struct gw_gate {
	pthread_mutex_t lock;
	pthread_cond_t turn;
	_Atomic uint32_t waiting;	/* of those that are not patient */
	uint32_t patient GW_GUARDED_BY(lock);	/* asleep at @turn */
};

/** gw_gate_init() - of a gate that is zeroed */
void gw_gate_init(struct gw_gate *g) GW_MAKES(*g);
void gw_gate_fini(struct gw_gate *g);

void gw_gate_lock(struct gw_gate *g) GW_LOCKS(*g);

/** gw_gate_lock_patient() - lock it when nobody else wants to */
void gw_gate_lock_patient(struct gw_gate *g) GW_LOCKS(*g);

/** gw_gate_wait() - as pthread_cond_wait(3), of whoever has locked it */
void gw_gate_wait(struct gw_gate *g, pthread_cond_t *cond) GW_HOLDS(*g);

void gw_gate_unlock(struct gw_gate *g) GW_UNLOCKS(*g);

#endif
