/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef TESTS_UNIT_FAKE_DEXT_H
#define TESTS_UNIT_FAKE_DEXT_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>

#include <gangway/dext.h>

/*
 * A dext that follows a script: it answers as a good one would, except where the script says
 * otherwise. It keeps count and order of what it was asked.
 */

#define FAKE_CONNS	4
#define FAKE_REGIONS	64
#define FAKE_TRACE	4096

/* bits of @hang beside the selectors */
#define FAKE_HANG_MAP	24
#define FAKE_HANG_UNMAP	25
#define FAKE_HANG_CLOSE	26

/** The scripted answer to one selector: a code, or a reply of any length and content. */
struct fake_answer {
	uint32_t result;
	bool reply;			/* answer @nr scalars of @out instead */
	unsigned int nr;
	uint64_t out[20];
	unsigned int after;		/* calls answered well before the script applies */
};

struct fake_bar {
	uint64_t index, size, type;
	uint32_t map_result;
	uint64_t map_short;		/* this much less is mapped */
};

struct fake_region {
	uint64_t key, addr, size;
};

struct fake_fn;

struct fake_conn {
	struct gw_dext_conn conn;
	struct fake_fn *fn;
	_Atomic bool open;
};

/** One function behind a dext. */
struct fake_fn {
	char root[GW_ROOT_SIZE];
	uint64_t identity[6];
	int open_error;
	bool extended;			/* knows selectors 18 to 20 */
	uint64_t limits[8];
	unsigned int split;		/* segments a registration is split into */
	struct fake_bar bar[6];
	struct fake_answer answer[GW_DEXT_NR_SELECTORS];
	uint32_t page_result;		/* of mapping the interrupt page */
	uint32_t wait_result;		/* of call_async */
	bool deaf;			/* a wait does not look at what is pending already */
	_Atomic unsigned int storm;	/* this many waits find an interrupt at once */
	bool anonymous;			/* until it is claimed: all ones in place of the IDs */
	_Atomic unsigned int hang;	/* a bit for each selector that is not answered for now, and: */
	bool late;			/* a wait is still to be completed when close() returns */
	pthread_t late_thread;		/* which does so */
	bool by_hand;			/* or the test does, whenever it likes */

	uint8_t config[4096];
	struct fake_conn conn[FAKE_CONNS];
	_Atomic unsigned int claims;
	_Atomic unsigned int calls[GW_DEXT_NR_SELECTORS];
	uint64_t in[8];			/* of the last call */
	unsigned int nr_in, room;
	uint8_t trace[FAKE_TRACE];	/* selectors in order; 0x80 + type for maps, 0xff close */
	_Atomic unsigned int nr_trace;
	uint32_t map_options[8];
	unsigned int maps[8];
	struct fake_region region[FAKE_REGIONS];
	uint64_t next_iova;
	uint64_t memory[4096];		/* what is mapped of BARs and the buffer */

	pthread_mutex_t lock;		/* the interrupt state */
	struct gw_dext_irq_page page;
	void (*done)(void *opaque, uint32_t result);
	void *opaque;
};

struct fake_dext {
	struct gw_dext_services services;
	struct fake_fn fn[6];
	unsigned int nr;
	bool registry;			/* the system says where each is, and which device */
};

/** Patient enough for any machine. */
extern const struct gw_dext_options fake_opts;

/** What was logged, a message a line; emptied by fake_init(). */
extern char fake_lines[8192];
extern struct gw_log fake_log;

/** fake_init() - no functions yet */
void fake_init(struct fake_dext *d);

/** fake_add() - a function with a 16 KiB prefetchable 64-bit BAR 0, a trapped BAR 2, I/O BAR 5 */
struct fake_fn *fake_add(struct fake_dext *d, const char *root, uint8_t bus, uint8_t dev,
			 uint8_t fn);

/** fake_raise() - vector @v fires; the completion runs on this thread */
void fake_raise(struct fake_fn *f, unsigned int v);

/** fake_set_pending() - as fake_raise(), but the notification is lost */
void fake_set_pending(struct fake_fn *f, unsigned int v);

/** fake_complete() - complete the wait with @result. Return: false if there was none */
bool fake_complete(struct fake_fn *f, uint32_t result);

bool fake_waited_for(struct fake_fn *f);
unsigned int fake_open_conns(const struct fake_fn *f);
unsigned int fake_regions(const struct fake_fn *f);

/** fake_reply() - script a reply */
void fake_reply(struct fake_fn *f, unsigned int selector, unsigned int nr, const uint64_t *out);

/** fake_fail() - script a result after @after good answers */
void fake_fail(struct fake_fn *f, unsigned int selector, uint32_t result, unsigned int after);

/** fake_release() - answer whatever is held back, and wait until nobody waits for it any more */
void fake_release(struct fake_fn *f);

/** fake_heal() - forget the script of @selector */
void fake_heal(struct fake_fn *f, unsigned int selector);

#endif
