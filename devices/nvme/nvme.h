/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef DEVICES_NVME_NVME_H
#define DEVICES_NVME_NVME_H

#include <liburing.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

#include <gangway/endpoint.h>

#include "devices/nvme.h"
#include "poll.h"
#include "spec.h"

/*
 * An NVMe controller with one namespace, kept in a file.
 *
 * How it works: the threads that answer the VMM only store registers and doorbells and wake the
 * worker. The worker, one thread a controller, owns everything else: it fetches commands, starts
 * their I/O (io_uring, straight to and from pinned guest pages), posts completions and raises
 * interrupts. While it runs, nobody needs to wake it; before it sleeps it says so, and looks
 * once more.
 *
 * The file may not answer. Then the worker sleeps in a system call, or the ring keeps commands, and both
 * hold guest memory. So whoever has the worker do something waits for a bounded time; what is late is
 * done when the file answers, and until then the bus keeps the controller off and its memory mapped. A
 * controller that goes meanwhile is left to its worker.
 *
 * Fields below belong to the worker unless they stand in struct nvme_regs, struct nvme_doorbell
 * or struct nvme_control, whose comments say how they are shared.
 */

#define NVME_NR_IO_QUEUES	64u
#define NVME_NR_QUEUES		(NVME_NR_IO_QUEUES + 1)
#define NVME_NR_VECTORS		NVME_NR_QUEUES
#define NVME_MAX_ENTRIES	1024u	/* of an I/O queue */
#define NVME_MDTS		8u	/* 2^8 * 4 KiB */
#define NVME_MAX_TRANSFER	(4096u << NVME_MDTS)
#define NVME_TIMEOUT		60u	/* CAP.TO: 500 ms each */
#define NVME_MPSMAX		4u	/* 2^(12 + 4): 64 KiB */
#define NVME_NR_COMMANDS	256u
#define NVME_NR_ABORTS		4u
#define NVME_NR_EVENT_REQUESTS	4u
#define NVME_NR_ERRORS		64u
#define NVME_FIRMWARE		"1.0     "

/* BAR0: registers, doorbells at 4 KiB, MSI-X table at 8 KiB, pending bits at 12 KiB. */
#define NVME_BAR_SIZE		0x4000u
#define NVME_BAR_MSIX		0x2000u
#define NVME_BAR_PBA		0x3000u

/* What starting or continuing a command answers, beside a status. */
#define NVME_PENDING		(-1)	/* it will complete by itself */
#define NVME_RETRY		(-2)	/* memory or room is missing just now; start it again */

struct nvme;
struct nvme_cmd;

/* 4.2: a submission queue entry, as copied from the guest. */
struct nvme_sqe {
	uint8_t opcode, flags;
	uint16_t cid;
	uint32_t nsid, cdw2, cdw3;
	uint64_t mptr;
	uint64_t prp1, prp2;		/* or one SGL descriptor */
	uint32_t cdw10, cdw11, cdw12, cdw13, cdw14, cdw15;
};
_Static_assert(sizeof(struct nvme_sqe) == NVME_SQE_SIZE, "NVMe 1.4, 4.2");
_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "queues are little-endian");

/* A contiguous piece of a command's data. */
struct nvme_run {
	gw_iova iova;
	uint32_t len;
	bool discard;			/* bit bucket */
};

#define NVME_DATA_SMALL	4u

/* Where a command's data is. Small transfers need no allocation. */
struct nvme_data {
	uint32_t len;			/* bytes that the command moves */
	enum gw_dma_dir dir;
	unsigned int nr_runs, max_runs, nr_pins, nr_iov;
	struct nvme_run *run;
	struct gw_endpoint_pin *pin;
	struct iovec *iov;
	uint8_t *bounce;		/* instead of pins; @len bytes */
	bool discards;
	struct nvme_run small_run[NVME_DATA_SMALL];
	struct gw_endpoint_pin small_pin[NVME_DATA_SMALL];
	struct iovec small_iov[2 * NVME_DATA_SMALL];
};

/* A command from fetch to completion. */
struct nvme_cmd {
	TAILQ_ENTRY(nvme_cmd) link;	/* in nvme.idle, nvme.parked, or a queue's done */
	TAILQ_ENTRY(nvme_cmd) all;	/* in nvme.fetched */
	struct nvme_sqe sqe;
	uint16_t sqid, cqid;
	uint16_t status, sqhd;
	uint32_t result;
	bool in_ring, parked, orphan;
	bool harmless;			/* in the ring, but nobody need wait for it */
	bool loose;			/* came from no queue */
	uint16_t cancel;		/* status if the ring gives it up; 0: start again */
	uint64_t file_off;
	uint64_t file_len;		/* of a range command */
	uint32_t moved;			/* bytes of @data so far */
	unsigned int range;		/* Dataset Management: the next one */
	int (*step)(struct nvme *nv, struct nvme_cmd *cmd, int res);	/* after ring I/O */
	struct nvme_cmd *abort;		/* the Abort that waits for this one */
	struct iovec one;		/* of a bounce buffer */
	struct nvme_data data;
};

TAILQ_HEAD(nvme_cmd_list, nvme_cmd);

struct nvme_sq {
	bool live, deleting;
	uint16_t id, cqid;
	gw_iova base;
	uint32_t size, head;
	uint32_t nr_fetched;		/* commands not completed */
	uint32_t published;		/* event index the guest sees; ~0: none */
	uint32_t bad_tail;		/* shadow value already reported; ~0: none */
	struct nvme_cmd *deleter;	/* the Delete that waits */
};

struct nvme_cq {
	bool live, phase, irq_on, starved;
	uint16_t id, vector;
	gw_iova base;
	uint32_t size, head, tail;
	uint32_t reserved;		/* entries promised to fetched commands */
	uint32_t nr_sqs;
	uint32_t published, bad_head;
	struct nvme_cmd_list done;	/* to be posted, in order */

	/* interrupt: what was posted and not told yet */
	uint32_t untold;
	uint32_t head_at_irq;
	uint64_t hold_until;		/* ns; 0: not held */
};

/*
 * Doorbells and what bounds them. The worker stores the sizes (0: no such queue), any thread
 * reads them and stores the rest.
 */
struct nvme_doorbell {
	_Atomic uint32_t tail, head;
	_Atomic uint32_t sq_size, cq_size;
	_Atomic bool head_wanted;	/* the worker waits for room: wake it */
};

/* Registers. @lock guards all but the atomics; nothing is taken inside it. */
struct nvme_regs {
	pthread_mutex_t lock;
	uint32_t cc, aqa, intm;
	uint64_t asq, acq;
	bool en_fell, shn_rose;		/* edges of CC that the worker has yet to act on */
	uint32_t msix[NVME_NR_VECTORS * 4];
	uint64_t disable_ns;		/* CAP.TO; fixed */
	uint64_t disable_by;		/* ns: CC.EN fell, and the worker has until then; 0: it did not */
	bool disable_late;		/* it took longer */
	_Atomic uint32_t csts;
	_Atomic uint32_t bad_doorbells;	/* bit enum nvme_event_error: worker to report */
};

enum nvme_order { NVME_ORDER_NONE, NVME_QUIESCE, NVME_RESUME, NVME_RESET, NVME_STOP };

/*
 * What the bus wants of the worker. @lock guards what is up to @attention; nothing is taken inside it.
 */
struct nvme_control {
	pthread_mutex_t lock;
	pthread_cond_t done;		/* @order is NVME_ORDER_NONE again */
	enum nvme_order order;
	uint64_t patience_ns;		/* how long to wait for an order to be done */
	uint64_t late_since;		/* ns: one is not, since then; 0: none */
	bool left;			/* by the bus: the worker frees all */
	bool ended;			/* the worker has */
	_Atomic bool attention;		/* an order or a CC write: look */
	_Atomic bool sleeping;		/* a wake-up is needed */
	_Atomic uint64_t rung;		/* ns: when one was asked for; 0: not since it sleeps */
	int wake_fd;
	uint64_t wake_value;		/* where the ring reads it to */
	bool wake_armed;
};

/* Shadow doorbells (5.7, 7.13). */
struct nvme_shadow {
	bool on, admin;			/* @admin: the host uses them for queue 0 as well */
	bool remote;			/* by copies, as the pages cannot be pinned */
	uint32_t admin_first;
	gw_iova db, ei;
	struct gw_endpoint_pin pin;
	struct iovec iov;
	uint32_t *at;			/* while pinned */
	uint32_t copy[2 * NVME_NR_QUEUES];
};

#define NVME_BACKING_PARTS	128u

/* A part of the file that is mapped for reads; see resident.c. */
struct nvme_backing_part {
	uint8_t *addr;			/* NULL: none is */
	uint64_t off;
	uint64_t next;			/* the part that was wanted here last, */
	uint32_t wanted;		/* and how many bytes of it */
};

struct nvme_backing {
	int fd;
	struct nvme_backing_part part[NVME_BACKING_PARTS];
	uint64_t size;			/* bytes used, a multiple of the block size */
	bool no_punch, no_zero_range;	/* the file system said so */
	bool dirty;			/* written since the last flush began */
	uint64_t slow_until;		/* ns: leave writes to the ring */
};

struct nvme_features {
	uint32_t arbitration, power, error_recovery, write_cache, coalescing, atomicity, events;
	uint16_t temp_over, temp_under;
	uint16_t nr_sqs, nr_cqs;	/* I/O queues allocated */
	bool no_coalescing[NVME_NR_VECTORS];
	uint64_t time_base, time_set;	/* ms; ns when it was set */
	bool time_by_host;
};

/* 5.14.1.1 */
struct nvme_error {
	uint64_t count, lba;
	uint16_t sqid, cid, status, location;
	uint32_t nsid;
};

struct nvme_health {
	uint8_t warning;
	uint64_t reads, writes;		/* commands */
	uint64_t read_blocks, written_blocks;	/* 512 bytes each */
	uint64_t media_errors, nr_errors, power_cycles, busy_ns;
	uint64_t started;		/* ns */
};

struct nvme_events {
	struct nvme_cmd *request[NVME_NR_EVENT_REQUESTS];
	unsigned int nr_requests;
	uint8_t pending[2];		/* by enum nvme_event_type: a bit for each information */
	bool masked[2];			/* until the log page is read */
};

/* Whether and how long to nap; see nap.c. */
struct nvme_nap {
	bool judging, on;
	uint64_t before;		/* commands as the last began */
	uint64_t ns, slept_ns;		/* of most naps; of the last */
	unsigned int nr;		/* in this window */
	unsigned int poor;		/* in a row that brought too little */
	uint64_t most, most_before;	/* commands that one brought, in this window and the last */
	uint64_t idle_ns;		/* of naps that brought nothing */
	uint64_t not_before, pause_ns;	/* the next try */
};

struct nvme {
	struct gw_endpoint ep;
	struct gw_log *log, own_log;

	struct nvme_regs regs;
	struct nvme_doorbell db[NVME_NR_QUEUES];
	struct nvme_control ctl;

	pthread_t thread;
	struct io_uring ring;
	unsigned int nr_ring;		/* commands in the ring that are not harmless */
	bool ring_dirty;		/* something to submit */
	bool quiet;			/* no DMA */
	bool stop;
	bool ready, dead, disabling;	/* @dead: until a reset; CFS is set, or it was shut down */
	bool shutdown_waits;		/* for the disable, or for a command */
	bool order_open;		/* begun, waits for the ring */
	bool again;			/* memory was out of reach for a moment */
	uint32_t page_bits, page_size;	/* CC.MPS */
	uint64_t wake_at;		/* ns: earliest reason to end a sleep; 0: none */

	struct nvme_sq sq[NVME_NR_QUEUES];
	struct nvme_cq cq[NVME_NR_QUEUES];
	unsigned int top_sq, top_cq;	/* highest that exists */
	unsigned int next_sq;		/* round robin */

	struct nvme_cmd *pool;
	struct nvme_cmd_list idle, parked;
	struct nvme_cmd_list fetched;	/* by @all: not completed */
	unsigned int nr_idle;
	uint32_t shutdowns;		/* counts; a flush belongs to one */
	unsigned int nr_aborts;
	uint64_t buffer_bytes;		/* bounce buffers and run lists in use */

	struct nvme_shadow shadow;
	struct nvme_backing back;
	uint32_t block_bits;
	struct nvme_features feat;
	struct nvme_health health;
	struct nvme_events events;
	struct nvme_error error[NVME_NR_ERRORS];
	struct nvme_poll poll;
	struct nvme_nap nap;
	uint64_t nr_commands;		/* ever fetched */
	uint64_t serial;
};

static inline struct nvme *to_nvme(struct gw_endpoint *ep)
{
	return (struct nvme *)ep;	/* first member */
}

/* nvme.c */
void gw_nvme_free(struct nvme *nv);

/* regs.c: called by the threads that answer the VMM */
int gw_nvme_bar_read(struct gw_endpoint *ep, unsigned int bar, gw_bar_off off, unsigned int width,
		     uint64_t *val);
int gw_nvme_bar_write(struct gw_endpoint *ep, unsigned int bar, gw_bar_off off,
		      unsigned int width, uint64_t val);
uint64_t gw_nvme_cap(void);

/* nap.c */
void gw_nvme_nap_init(struct nvme_nap *n);
bool gw_nvme_nap_wanted(struct nvme_nap *n, uint64_t commands, uint64_t now);
uint64_t gw_nvme_nap_begin(struct nvme_nap *n, uint64_t commands);
void gw_nvme_nap_cut(struct nvme_nap *n);

/* worker.c */
int gw_nvme_worker_start(struct nvme *nv);
bool gw_nvme_worker_stop(struct nvme *nv);
bool gw_nvme_order(struct nvme *nv, enum nvme_order order);
bool gw_nvme_late(struct nvme *nv);
void gw_nvme_wake(struct nvme *nv);

/* controller.c */
void gw_nvme_defaults(struct nvme *nv);
void gw_nvme_power_on(struct nvme *nv);
void gw_nvme_control_cc(struct nvme *nv);
void gw_nvme_fatal(struct nvme *nv, const char *why);
void gw_nvme_again(struct nvme *nv);
bool gw_nvme_dma_failed(struct nvme *nv, int ret, const char *what);

/* queue.c */
void gw_nvme_sq_open(struct nvme *nv, unsigned int id, gw_iova base, uint32_t size,
		     unsigned int cqid);
void gw_nvme_cq_open(struct nvme *nv, unsigned int id, gw_iova base, uint32_t size,
		     unsigned int vector, bool irq_on);
void gw_nvme_sq_close(struct nvme *nv, struct nvme_sq *sq);
void gw_nvme_cq_close(struct nvme *nv, struct nvme_cq *cq);
bool gw_nvme_fetch(struct nvme *nv);
bool gw_nvme_work_waits(struct nvme *nv);
void gw_nvme_want_room(struct nvme *nv, bool on);

/* cq.c */
void gw_nvme_cq_refresh(struct nvme *nv, struct nvme_cq *cq);
uint32_t gw_nvme_cq_room(struct nvme *nv, struct nvme_cq *cq, uint32_t want);
bool gw_nvme_post(struct nvme *nv);
bool gw_nvme_signal(struct nvme *nv, bool all);

/* shadow.c */
void gw_nvme_shadow_begin(struct nvme *nv);
void gw_nvme_shadow_end(struct nvme *nv);
int gw_nvme_shadow_load(struct nvme *nv, unsigned int index, uint32_t *val);
void gw_nvme_shadow_publish(struct nvme *nv);
int gw_nvme_shadow_config(struct nvme *nv, struct nvme_cmd *cmd);

/* command.c */
struct nvme_cmd *gw_nvme_cmd_get(struct nvme *nv);
void gw_nvme_cmd_put(struct nvme *nv, struct nvme_cmd *cmd);
void gw_nvme_cmd_start(struct nvme *nv, struct nvme_cmd *cmd);
void gw_nvme_cmd_end(struct nvme *nv, struct nvme_cmd *cmd, int status);
void gw_nvme_cmd_done(struct nvme *nv, struct nvme_cmd *cmd, uint16_t status);
bool gw_nvme_unpark(struct nvme *nv);
void gw_nvme_cancel(struct nvme *nv, struct nvme_cmd *cmd);
void gw_nvme_drop_all(struct nvme *nv);

/* ring.c */
int gw_nvme_ring_init(struct nvme *nv);
struct io_uring_sqe *gw_nvme_ring_get(struct nvme *nv);
void gw_nvme_ring_own(struct nvme *nv, struct nvme_cmd *cmd, struct io_uring_sqe *sqe);
void gw_nvme_ring_submit(struct nvme *nv);
bool gw_nvme_ring_waits(const struct nvme *nv);
bool gw_nvme_ring_reap(struct nvme *nv);
uint64_t gw_nvme_ring_sleep(struct nvme *nv, uint64_t ns);

/* data.c, prp.c, sgl.c */
int gw_nvme_data_add(struct nvme *nv, struct nvme_data *d, gw_iova iova, uint32_t len,
		     bool discard);
int gw_nvme_data_map(struct nvme *nv, struct nvme_cmd *cmd, uint32_t len, enum gw_dma_dir dir);
int gw_nvme_data_attach(struct nvme *nv, struct nvme_cmd *cmd);
int gw_nvme_data_bounce(struct nvme *nv, struct nvme_cmd *cmd);
int gw_nvme_data_copy(struct nvme *nv, struct nvme_cmd *cmd, void *buf);
void gw_nvme_data_release(struct nvme *nv, struct nvme_cmd *cmd);
int gw_nvme_dma_status(int ret);
int gw_nvme_prp_map(struct nvme *nv, struct nvme_cmd *cmd);
int gw_nvme_sgl_map(struct nvme *nv, struct nvme_cmd *cmd);

/* admin.c and what it dispatches to */
int gw_nvme_admin(struct nvme *nv, struct nvme_cmd *cmd);
int gw_nvme_create_sq(struct nvme *nv, struct nvme_cmd *cmd);
int gw_nvme_create_cq(struct nvme *nv, struct nvme_cmd *cmd);
int gw_nvme_delete_sq(struct nvme *nv, struct nvme_cmd *cmd);
int gw_nvme_delete_cq(struct nvme *nv, struct nvme_cmd *cmd);
int gw_nvme_identify(struct nvme *nv, struct nvme_cmd *cmd);
int gw_nvme_get_log(struct nvme *nv, struct nvme_cmd *cmd);
int gw_nvme_set_features(struct nvme *nv, struct nvme_cmd *cmd);
int gw_nvme_get_features(struct nvme *nv, struct nvme_cmd *cmd);
int gw_nvme_admin_send(struct nvme *nv, struct nvme_cmd *cmd, void *buf, uint32_t len);
int gw_nvme_admin_recv(struct nvme *nv, struct nvme_cmd *cmd, void *buf, uint32_t len);
uint32_t gw_nvme_admin_effects(unsigned int opcode);

/* events.c */
int gw_nvme_event_request(struct nvme *nv, struct nvme_cmd *cmd);
void gw_nvme_event(struct nvme *nv, enum nvme_event_type type, unsigned int info);
void gw_nvme_events_deliver(struct nvme *nv);
bool gw_nvme_events_wait(struct nvme *nv);
void gw_nvme_event_unmask(struct nvme *nv, enum nvme_event_type type);
void gw_nvme_warn(struct nvme *nv, uint8_t bits, bool on);
void gw_nvme_check_temperature(struct nvme *nv);
void gw_nvme_log_error(struct nvme *nv, const struct nvme_cmd *cmd, uint16_t status);

#define NVME_TEMPERATURE	313u	/* kelvin */
#define NVME_TEMPERATURE_OVER	343u	/* default threshold, and the warning level */

/* io.c, range.c */
int gw_nvme_io(struct nvme *nv, struct nvme_cmd *cmd);
int gw_nvme_flush(struct nvme *nv, struct nvme_cmd *cmd);
int gw_nvme_flush_step(struct nvme *nv, struct nvme_cmd *cmd, int res);
int gw_nvme_media_error(struct nvme *nv, struct nvme_cmd *cmd, bool write, int err);
int gw_nvme_write_zeroes(struct nvme *nv, struct nvme_cmd *cmd);
int gw_nvme_dsm(struct nvme *nv, struct nvme_cmd *cmd);
bool gw_nvme_write_through(struct nvme *nv, struct nvme_cmd *cmd);
uint32_t gw_nvme_io_effects(unsigned int opcode);

/* backing.c, options.c */
struct nvme_options {
	char *file;
	uint64_t size;			/* 0: as the file is */
	uint32_t block;
	uint64_t poll_us;
	bool poll_fixed;
	uint64_t poll_share;		/* percent */
	uint64_t serial;		/* 0: made from the file */
};

int gw_nvme_options_parse(const char *opts, struct gw_log *log, struct nvme_options *o);
int gw_nvme_backing_open(struct nvme_backing *b, const struct nvme_options *o,
			 struct gw_log *log);
void gw_nvme_backing_close(struct nvme_backing *b);

/* resident.c */
bool gw_nvme_resident_read(struct nvme_backing *b, uint64_t off, const struct iovec *iov,
			   uint32_t len);
void gw_nvme_resident_drop(struct nvme_backing *b);

#endif
