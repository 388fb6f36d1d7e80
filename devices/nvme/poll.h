/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef DEVICES_NVME_POLL_H
#define DEVICES_NVME_POLL_H

#include <stdbool.h>
#include <stdint.h>

/** struct nvme_poll - whether, and how long, to look for work before sleeping; times are in ns */
struct nvme_poll {
	uint64_t max_ns;		/* of a look; 0: never */
	bool fixed;			/* a look is always as long */
	unsigned int share;		/* of a processor that looks may take, in percent */

	uint64_t wake_ns;		/* what a wake-up takes here, smoothed */
	uint64_t gap_ns;		/* how long a look that paid waited for a host, smoothed */
	uint64_t begun;			/* this wait */
	uint64_t credit_ns, credited;	/* for looks; as of when */
	unsigned int misses;		/* looks in vain that are left until it is off; 0: it is */
	unsigned int pause;		/* sleeps to go before it is tried again */
	unsigned int backoff;		/* the next pause */
	unsigned int quick;		/* sleeps in a row that a look would have spared */
	bool loaded;			/* this pause is for others' sake */
};

/**
 * gw_nvme_poll_init() - before the first
 * @max_ns: how long a look lasts if it is @fixed, and else at most; 0: never
 * @share:  of a processor, percent, 1 to 100
 */
void gw_nvme_poll_init(struct nvme_poll *p, uint64_t max_ns, bool fixed, unsigned int share);

/** gw_nvme_poll_is_on() - will the worker look before it sleeps? */
static inline bool gw_nvme_poll_is_on(const struct nvme_poll *p)
{
	return p->misses;
}

/**
 * gw_nvme_poll_begin() - a wait begins
 * @wakeups: that a host pays for if the worker sleeps
 *
 * Return: how long to look, in ns; 0: not at all.
 */
uint64_t gw_nvme_poll_begin(struct nvme_poll *p, uint64_t now, unsigned int wakeups);

/** gw_nvme_poll_paid() - a look found something */
void gw_nvme_poll_paid(struct nvme_poll *p, uint64_t now);

/** gw_nvme_poll_failed() - a look was in vain */
void gw_nvme_poll_failed(struct nvme_poll *p, uint64_t now);

/** gw_nvme_poll_loaded() - others need the processor */
void gw_nvme_poll_loaded(struct nvme_poll *p, uint64_t now);

/** gw_nvme_poll_slept() - the worker is about to sleep */
void gw_nvme_poll_slept(struct nvme_poll *p);

/**
 * gw_nvme_poll_woken() - a host has ended the sleep
 * @rung: when it rang
 */
void gw_nvme_poll_woken(struct nvme_poll *p, uint64_t now, uint64_t rung, unsigned int wakeups);

#endif
