/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef GW_BASE_GATE_H
#define GW_BASE_GATE_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>

/*
 * A mutex with two kinds of users: those that somebody waits for, and patient ones that take it
 * again and again. A plain mutex lets the latter keep it from the former for as long as they like;
 * here a patient one steps back while any other waits.
 */
struct gw_gate {
	pthread_mutex_t lock;
	pthread_cond_t turn;
	_Atomic uint32_t waiting;	/* of those that are not patient */
	uint32_t patient;		/* asleep at @turn; under @lock */
};

void gw_gate_init(struct gw_gate *g);
void gw_gate_fini(struct gw_gate *g);

void gw_gate_lock(struct gw_gate *g);

/** gw_gate_lock_patient() - lock it when nobody else wants to */
void gw_gate_lock_patient(struct gw_gate *g);

void gw_gate_unlock(struct gw_gate *g);

#endif
