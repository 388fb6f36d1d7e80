/* SPDX-License-Identifier: BSD-3-Clause */
#include "unit.h"

#include <sched.h>

#include "base/gate.h"

struct env {
	struct gw_gate gate;
	_Atomic bool stop, held;
	uint64_t rounds, owner;		/* under the gate */
};

/* As the poller does: holds it nearly always. */
static void *patient_main(void *opaque)
{
	struct env *e = opaque;

	while (!atomic_load(&e->stop)) {
		gw_gate_lock_patient(&e->gate);
		atomic_store(&e->held, true);
		e->rounds++;
		gw_gate_unlock(&e->gate);
	}
	return NULL;
}

static void who_is_waited_for_gets_in_between(void **state)
{
	struct env e = { 0 };
	pthread_t thread[2];

	gw_gate_init(&e.gate);
	for (unsigned int i = 0; i < 2; i++)
		assert_int_equal(pthread_create(&thread[i], NULL, patient_main, &e), 0);
	while (!atomic_load(&e.held))
		sched_yield();
	for (unsigned int i = 0; i < 1000; i++) {
		gw_gate_lock(&e.gate);
		e.owner++;
		gw_gate_unlock(&e.gate);
	}
	atomic_store(&e.stop, true);
	for (unsigned int i = 0; i < 2; i++)
		pthread_join(thread[i], NULL);
	assert_int_equal(e.owner, 1000);
	assert_true(e.rounds);
	assert_int_equal(e.gate.patient, 0);
	assert_int_equal(e.gate.waiting, 0);
	gw_gate_fini(&e.gate);
}

static void *urgent_main(void *opaque)
{
	struct env *e = opaque;

	gw_gate_lock(&e->gate);
	e->owner++;
	gw_gate_unlock(&e->gate);
	return NULL;
}

static void a_patient_one_steps_back_for_each_that_waits(void **state)
{
	struct env e = { 0 };
	pthread_t thread[3];

	gw_gate_init(&e.gate);
	gw_gate_lock_patient(&e.gate);
	for (unsigned int i = 0; i < 3; i++)
		assert_int_equal(pthread_create(&thread[i], NULL, urgent_main, &e), 0);
	while (atomic_load(&e.gate.waiting) < 3)
		sched_yield();
	gw_gate_unlock(&e.gate);
	gw_gate_lock_patient(&e.gate);
	assert_int_equal(e.owner, 3);
	gw_gate_unlock(&e.gate);
	for (unsigned int i = 0; i < 3; i++)
		pthread_join(thread[i], NULL);
	gw_gate_fini(&e.gate);
}

struct turns {
	struct gw_gate gate;
	pthread_cond_t told;
	bool done;			/* under the gate */
};

static void *patient_once(void *opaque)
{
	struct turns *t = opaque;

	gw_gate_lock_patient(&t->gate);
	t->done = true;
	pthread_cond_signal(&t->told);
	gw_gate_unlock(&t->gate);
	return NULL;
}

static bool sleeps(struct gw_gate *g)
{
	bool is;

	pthread_mutex_lock(&g->lock);
	is = g->patient;
	pthread_mutex_unlock(&g->lock);
	return is;
}

/* Waiting for something lets go of the gate as unlocking does. */
static void a_patient_one_has_its_turn_while_another_waits_for_it(void **state)
{
	struct turns t = { .told = PTHREAD_COND_INITIALIZER };
	pthread_t thread;

	gw_gate_init(&t.gate);
	atomic_store(&t.gate.waiting, 1);	/* as if somebody were about to lock */
	assert_int_equal(pthread_create(&thread, NULL, patient_once, &t), 0);
	while (!sleeps(&t.gate))
		sched_yield();
	gw_gate_lock(&t.gate);
	atomic_store(&t.gate.waiting, 0);
	while (!t.done)
		gw_gate_wait(&t.gate, &t.told);
	gw_gate_unlock(&t.gate);
	pthread_join(thread, NULL);
	gw_gate_fini(&t.gate);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(who_is_waited_for_gets_in_between),
		cmocka_unit_test(a_patient_one_steps_back_for_each_that_waits),
		cmocka_unit_test(a_patient_one_has_its_turn_while_another_waits_for_it),
	};

	return cmocka_run_group_tests_name("gate", tests, NULL, NULL);
}
