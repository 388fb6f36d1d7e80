/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef GW_SHARE_SHARE_H
#define GW_SHARE_SHARE_H

#include <pthread.h>
#include <stdatomic.h>
#include <sys/queue.h>

#include <gangway/share.h>

#include "base/lock.h"
#include "base/notifier.h"
#include "share/state.h"

/*
 * How it works: one lock an exporter guards it, its exports and their attachments. An event goes
 * through the table of state.c; what the step asks of the importer is noted in the attachment, and
 * done by gw_exporter_callbacks() with the lock dropped. A mapping whose importer is to be stopped
 * first goes after that callback.
 *
 * References: an export keeps its exporter, an attachment its export.
 */

struct gw_fence {
	int fd;
	_Atomic uint64_t count;
	_Atomic int err;
	_Atomic bool shared;	/* with another process, which may fill the eventfd */
};

/** gw_fence_init() - ended with -ECANCELED, until armed. Return: 0; -errno of eventfd(2) */
int gw_fence_init(struct gw_fence *f);
void gw_fence_fini(struct gw_fence *f);
void gw_fence_arm(struct gw_fence *f);

/** gw_fence_step() - count one; @n signals what is shared */
void gw_fence_step(struct gw_fence *f, struct gw_notifier *n);

/** gw_fence_end() - nobody will count any more; wakes whoever waits */
void gw_fence_end(struct gw_fence *f, int err, struct gw_notifier *n);

/**
 * gw_attachment_share_fences() - they are about to be handed to another process
 *
 * From then on what is written to the eventfd of GW_FENCE_DONE is counted.
 *
 * Return: 0; as gw_notifier_init().
 */
int gw_attachment_share_fences(struct gw_attachment *a);

struct gw_exporter {
	struct gw_exporter_options opt;		/* does not change */
	char *vm;

	pthread_mutex_t lock;
	pthread_cond_t changed;			/* a mapping or a callback has ended */
	LIST_HEAD(, gw_export) exports GW_GUARDED_BY(lock);
	unsigned int nr_exports GW_GUARDED_BY(lock), refs GW_GUARDED_BY(lock);
	unsigned int owed GW_GUARDED_BY(lock);	/* attachments that want a callback */
	uint64_t generation GW_GUARDED_BY(lock);
	struct gw_notifier notifier GW_GUARDED_BY(lock); /* for fences that other processes have */
	bool notifies GW_GUARDED_BY(lock);
	unsigned int revoking GW_GUARDED_BY(lock);	/* threads */
	bool revoked GW_GUARDED_BY(lock), dead GW_GUARDED_BY(lock);
};

struct gw_export {
	LIST_ENTRY(gw_export) link;
	struct gw_exporter *x;
	unsigned int bar;
	struct gw_bar_ranges ranges;

	/* all below: the exporter's lock, which clang does not know in another struct */
	LIST_HEAD(, gw_attachment) attachments;
	unsigned int nr_attached, refs;
	bool dead, moving;
};

struct gw_match {
	struct gw_share_entry importer;
	unsigned int step;		/* of the same kind */
	bool refused;			/* by the importer */
};

struct gw_attachment {
	LIST_ENTRY(gw_attachment) link;
	struct gw_export *e;
	struct gw_importer *imp;
	struct gw_share_id imp_id;
	struct gw_fence fence[GW_FENCE_NR];
	_Atomic uint64_t live;		/* the generation while mapped, else 0 */

	/* all below: likewise */
	enum gw_attachment_state state;
	uint64_t generation, mapped_in;	/* now; of the last mapping */
	struct gw_match match[GW_SHARE_MAX_KINDS];
	unsigned int nr_matches, current;	/* @current: of the mapping */
	struct gw_share_step step[GW_SHARE_MAX_KINDS];
	unsigned int nr_steps;
	const struct gw_share_kind *mapped;
	void *payload;
	unsigned int pins, readers;
	enum gw_share_why why;
	bool owed;			/* counted in the exporter */
	bool quiesce, tell, ready;	/* callbacks to be made */
	bool undo;			/* the mapping goes after quiesce() */
	bool in_callback, gone;		/* @gone: free it after the callback */
	pthread_t caller;
};

/**
 * gw_attachment_event() - take one step, and do what it asks for; callbacks are only noted. Return:
 * 0; -errno
 */
int gw_attachment_event(struct gw_attachment *a, enum gw_att_event event) GW_HOLDS(a->e->x->lock);

/** gw_attachment_ready() - owe it that callback */
void gw_attachment_ready(struct gw_attachment *a) GW_HOLDS(a->e->x->lock);

/** gw_exporter_callbacks() - make those that are owed; drops the lock meanwhile */
void gw_exporter_callbacks(struct gw_exporter *x) GW_HOLDS(x->lock);

/** gw_exporter_put() - drop a reference; unlocks, as the exporter may be gone */
void gw_exporter_put(struct gw_exporter *x) GW_UNLOCKS(x->lock);

/** gw_export_put() - likewise, of an export's; its last takes it off its exporter */
void gw_export_put(struct gw_exporter *x, struct gw_export *e) GW_UNLOCKS(x->lock);

/**
 * gw_negotiate() - fill in matches and steps of what nobody else has yet. Return: 0; -errno, and
 * @reason
 */
int gw_negotiate(struct gw_attachment *a, char reason[GW_SHARE_REASON]);

/* What a backing can do, as the exporter's data[1]; its data[0] is the BAR. */
#define GW_SHARE_CAN_IOVA	1u
#define GW_SHARE_CAN_FILE	2u
#define GW_SHARE_CAN_READ	4u

#endif
