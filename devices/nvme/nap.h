/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef DEVICES_NVME_NAP_H
#define DEVICES_NVME_NAP_H

#include <stdbool.h>
#include <stdint.h>

/* Whether and how long to nap; see nap.c. */
struct nvme_nap {
	bool judging, on;
	uint64_t before;		/* commands as the last began */
	uint64_t ns, slept_ns;		/* of most naps; of the last */
	unsigned int nr;		/* in this round */
	unsigned int poor;		/* in a row that brought too little */
	uint64_t most, most_before;	/* commands that one brought, in this round and the last */
	uint64_t idle_ns;		/* of naps that brought nothing */
	uint64_t not_before, pause_ns;	/* the next try */
};

/** gw_nvme_nap_init() - before the first */
void gw_nvme_nap_init(struct nvme_nap *n);

/**
 * gw_nvme_nap_wanted() - judge the last nap, and say whether there is to be another
 * @n:        the state
 * @commands: taken so far
 * @now:      ns
 *
 * To be asked whenever there is nothing to do.
 */
bool gw_nvme_nap_wanted(struct nvme_nap *n, uint64_t commands, uint64_t now);

/**
 * gw_nvme_nap_begin() - begin one that is wanted
 * @n:        the state
 * @commands: taken so far
 *
 * Return: how long to sleep, in ns.
 */
uint64_t gw_nvme_nap_begin(struct nvme_nap *n, uint64_t commands);

/** gw_nvme_nap_cut() - something else than the end of the nap woke the worker; it does not count */
void gw_nvme_nap_cut(struct nvme_nap *n);

#endif
