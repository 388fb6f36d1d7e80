/* SPDX-License-Identifier: BSD-3-Clause */
#include "share_rig.h"

#include "share/state.h"

/* The table, event by event and state by state; then the same with real attachments. */

static void for_all(void (*check)(enum gw_attachment_state s, enum gw_att_event ev,
				  struct gw_att_step step))
{
	for (int s = 0; s < GW_ATT_NR; s++)
		for (int ev = 0; ev < GW_ATT_NR_EVENTS; ev++)
			check(s, ev, gw_att_step(s, ev));
}

/* Whoever had a mapping and has none any longer, had it undone; nobody else. */
static void check_undo(enum gw_attachment_state s, enum gw_att_event ev, struct gw_att_step step)
{
	if (!step.ret)
		assert_int_equal(gw_att_holds(s) && !gw_att_holds(step.next),
				 !!(step.actions & GW_ATT_UNDO));
}

static void a_mapping_is_undone_just_when_it_is_lost(void **state)
{
	for_all(check_undo);
}

/* Without the importer's word, the hardware is stopped before the mapping goes. */
static void check_quiesce(enum gw_attachment_state s, enum gw_att_event ev,
			  struct gw_att_step step)
{
	bool unasked = ev == GW_ATT_FORCE || ev == GW_ATT_ABANDON;

	if (!step.ret)
		assert_int_equal(!!(step.actions & GW_ATT_QUIESCE), unasked && gw_att_holds(s));
}

static void what_the_importer_did_not_end_is_stopped_first(void **state)
{
	for_all(check_quiesce);
}

/* What the exporter wants, and what happens to an importer, is never refused. */
static void check_end(enum gw_attachment_state s, enum gw_att_event ev, struct gw_att_step step)
{
	if (s == GW_ATT_DETACHED)
		return;
	if (ev >= GW_ATT_MOVE)
		assert_int_equal(step.ret, 0);
	if (ev == GW_ATT_FORCE)
		assert_false(gw_att_holds(step.next));
	if (ev == GW_ATT_DETACH || ev == GW_ATT_ABANDON)
		assert_int_equal(step.next, GW_ATT_DETACHED);
	if (ev == GW_ATT_EXPORT_DIES)
		assert_true(step.next == GW_ATT_DYING || step.next == GW_ATT_DEAD);
}

static void each_state_has_an_end(void **state)
{
	for_all(check_end);
}

/* Only a live attachment that has no mapping can get one; the dead stay dead. */
static void check_map(enum gw_attachment_state s, enum gw_att_event ev, struct gw_att_step step)
{
	if (ev == GW_ATT_MAP)
		assert_int_equal(!step.ret, s == GW_ATT_ATTACHED);
	if (!step.ret && step.next == GW_ATT_MAPPED)
		assert_true(ev == GW_ATT_MAP);
	if (!step.ret && s == GW_ATT_DEAD)
		assert_true(step.next == GW_ATT_DEAD || step.next == GW_ATT_DETACHED);
	if (!step.ret && s == GW_ATT_DYING)
		assert_true(step.next != GW_ATT_ATTACHED && step.next != GW_ATT_INVALIDATING);
}

static void only_what_is_attached_can_be_mapped(void **state)
{
	for_all(check_map);
}

/* Whoever has to let go is told once. */
static void check_tell(enum gw_attachment_state s, enum gw_att_event ev, struct gw_att_step step)
{
	bool asks = ev == GW_ATT_MOVE || ev == GW_ATT_REVOKE || ev == GW_ATT_EXPORT_DIES;

	if (!step.ret && step.actions & GW_ATT_TELL)
		assert_true(asks);
	if (s == GW_ATT_MAPPED && asks)
		assert_true(step.actions & GW_ATT_TELL);
}

static void whoever_has_to_let_go_is_told(void **state)
{
	for_all(check_tell);
}

/*
 * Real ones: an attachment is brought into a state with an importer of some manner, something
 * happens, and then the function is reset. Whatever it was, the revoke ends, and the importer's
 * hardware has stopped.
 */
enum happening {
	NOTHING, MAPS, UNMAPS, EXPORTER_MOVES, EXPORT_FREED, IMPORTER_DETACHES, IMPORTER_DIES,
	NR_HAPPENINGS,
};

struct scene {
	struct rig_backing *b;
	struct gw_exporter *x;
	struct gw_export *e, *dying;
	struct gw_attachment *a;
	struct rig_importer *imp;
	pthread_t revoker;
	bool revoking;
};

static void *revoke_all(void *opaque)
{
	gw_exporter_revoke(((struct scene *)opaque)->x);
	return NULL;
}

static void *free_export(void *opaque)
{
	gw_export_free(((struct scene *)opaque)->dying);
	return NULL;
}

static void in_thread(struct scene *s, void *(*run)(void *))
{
	assert_int_equal(pthread_create(&s->revoker, NULL, run, s), 0);
	s->revoking = true;
}

static void reach(struct scene *s, enum gw_attachment_state want)
{
	s->imp->stopped = want == GW_ATT_ATTACHED;
	if (want != GW_ATT_ATTACHED)
		assert_int_equal(gw_attachment_map(s->a), 0);
	if (want == GW_ATT_INVALIDATING)
		in_thread(s, revoke_all);
	if (want == GW_ATT_DYING || want == GW_ATT_DEAD) {
		s->dying = s->e;
		s->e = NULL;
		in_thread(s, free_export);
	}
	if (want == GW_ATT_DEAD) {
		pthread_join(s->revoker, NULL);
		s->revoking = false;
	}
	while (s->imp->answer == RIG_NEVER && gw_attachment_state(s->a) < want)
		usleep(100);
}

static void happen(struct scene *s, enum happening what)
{
	switch (what) {
	case MAPS: gw_attachment_map(s->a); break;
	case UNMAPS:
		s->imp->stopped = true;
		gw_attachment_unmap(s->a);
		break;
	case EXPORTER_MOVES:
		if (s->e)
			gw_export_move(s->e, NULL, NULL);
		break;
	case EXPORT_FREED:
		gw_export_free(s->e);
		s->e = NULL;
		break;
	case IMPORTER_DETACHES:
		s->imp->stopped = true;
		gw_attachment_detach(s->a);
		s->a = NULL;
		break;
	case IMPORTER_DIES:
		gw_attachment_abandon(s->a);
		s->a = NULL;
		break;
	default: break;
	}
}

static void scene_init(struct scene *s, enum rig_answer answer)
{
	*s = (struct scene){ .b = rig_backing_new(), .imp = rig_importer(answer) };
	/* one that never answers is forced soon; for the others it must not matter */
	s->x = rig_exporter(s->b, answer == RIG_NEVER ? 20 : 60000);
	s->e = rig_export(s->x, 0, 4);
	assert_int_equal(gw_attach(s->e, &s->imp->base, &s->a, NULL), 0);
}

static void scene_check(struct scene *s)
{
	int err = 0;

	/* the reset comes here: nobody has the memory mapped, or reaches it */
	assert_int_equal(s->b->mapped, 0);
	assert_true(s->imp->stopped || s->imp->detached || !s->imp->told);
	if (!s->a)
		return;
	assert_false(gw_att_holds(gw_attachment_state(s->a)));
	assert_null(gw_attachment_payload(s->a, gw_attachment_kind(s->a)));
	gw_fence_count(gw_attachment_fence(s->a, GW_FENCE_DONE), &err);
	assert_true(err == -ECANCELED || err == -ENODEV);
	assert_int_equal(gw_attachment_map(s->a), -ENODEV);
}

static void play(enum gw_attachment_state from, enum happening what, enum rig_answer answer)
{
	struct scene s;

	scene_init(&s, answer);
	reach(&s, from);
	if (!s.imp->detached)
		happen(&s, what);
	gw_exporter_revoke(s.x);
	if (s.imp->detached)
		s.a = NULL;
	if (s.revoking)
		pthread_join(s.revoker, NULL);
	rig_importer_join(s.imp);
	scene_check(&s);
	gw_attachment_detach(s.a);
	gw_export_free(s.e);
	gw_exporter_free(s.x);
	rig_importer_free(s.imp);
	free(s.b);
}

/*
 * With an importer that answers at once a state between is over before it is seen, and with one
 * that answers later it may be: what happens then meets what comes next, which is as well.
 */
static void a_revoke_ends_in_every_state_whatever_happens(void **state)
{
	static const enum gw_attachment_state from[] = {
		GW_ATT_ATTACHED, GW_ATT_MAPPED, GW_ATT_INVALIDATING, GW_ATT_DYING, GW_ATT_DEAD,
	};

	for (size_t f = 0; f < ARRAY_SIZE(from); f++)
		for (int what = 0; what < NR_HAPPENINGS; what++)
			for (int answer = RIG_AT_ONCE; answer <= RIG_NEVER; answer++) {
				if (answer == RIG_LATER && what >= IMPORTER_DETACHES)
					continue;	/* its thread would use what is gone */
				play(from[f], what, answer);
			}
}

/* Likewise where the importer answers by going away. */
static void an_importer_may_detach_when_it_is_told(void **state)
{
	for (int what = NOTHING; what <= EXPORT_FREED; what++) {
		play(GW_ATT_ATTACHED, what, RIG_DETACH);
		play(GW_ATT_MAPPED, what, RIG_DETACH);
		play(GW_ATT_DEAD, what, RIG_DETACH);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_mapping_is_undone_just_when_it_is_lost),
		cmocka_unit_test(what_the_importer_did_not_end_is_stopped_first),
		cmocka_unit_test(each_state_has_an_end),
		cmocka_unit_test(only_what_is_attached_can_be_mapped),
		cmocka_unit_test(whoever_has_to_let_go_is_told),
		cmocka_unit_test(a_revoke_ends_in_every_state_whatever_happens),
		cmocka_unit_test(an_importer_may_detach_when_it_is_told),
	};

	return cmocka_run_group_tests_name("share state", tests, NULL, NULL);
}
