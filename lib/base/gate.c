/* SPDX-License-Identifier: BSD-3-Clause */
#include "base/gate.h"

void gw_gate_init(struct gw_gate *g)
{
	pthread_mutex_init(&g->lock, NULL);
	pthread_cond_init(&g->turn, NULL);
	atomic_init(&g->waiting, 0);
}

void gw_gate_fini(struct gw_gate *g)
{
	pthread_cond_destroy(&g->turn);
	pthread_mutex_destroy(&g->lock);
}

/*
 * Taking it and giving it back is not proved, as clang cannot know that the mutex of a gate is the
 * gate.
 */
void gw_gate_lock(struct gw_gate *g) GW_UNPROVED
{
	if (!pthread_mutex_trylock(&g->lock))
		return;
	atomic_fetch_add_explicit(&g->waiting, 1, memory_order_relaxed);
	pthread_mutex_lock(&g->lock);
	atomic_fetch_sub_explicit(&g->waiting, 1, memory_order_relaxed);
}

void gw_gate_lock_patient(struct gw_gate *g) GW_UNPROVED
{
	pthread_mutex_lock(&g->lock);
	while (atomic_load_explicit(&g->waiting, memory_order_relaxed)) {
		g->patient++;
		pthread_cond_wait(&g->turn, &g->lock);
		g->patient--;
	}
}

/* Those that wait will lock and unlock the gate, so the last of them wakes the patient ones. */
static void give_turn(struct gw_gate *g) GW_HOLDS(g->lock)
{
	if (g->patient && !atomic_load_explicit(&g->waiting, memory_order_relaxed))
		pthread_cond_broadcast(&g->turn);
}

void gw_gate_wait(struct gw_gate *g, pthread_cond_t *cond)
{
	GW_HELD(g->lock);	/* which is the gate */
	give_turn(g);
	pthread_cond_wait(cond, &g->lock);
}

void gw_gate_unlock(struct gw_gate *g) GW_UNPROVED
{
	give_turn(g);
	pthread_mutex_unlock(&g->lock);
}
