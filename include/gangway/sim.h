/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef GANGWAY_SIM_H
#define GANGWAY_SIM_H

#include <gangway/dext.h>
#include <gangway/endpoint.h>

#ifdef __cplusplus
extern "C" {
#endif

/*
 * The simulated host: a dext core in portable C over a modelled DART and modelled endpoints. It
 * is reached by the dext client like the real one: gw_dext_host_new(gw_sim_services(sim), ...).
 */

struct gw_sim;

/** gw_sim_new() - a host without functions, with Apple's limits. Return: 0; -ENOMEM */
int gw_sim_new(struct gw_log *log, struct gw_sim **sim);

/** gw_sim_free() - every connection must be closed; NULL is fine */
void gw_sim_free(struct gw_sim *sim);

/**
 * gw_sim_set_option() - change how the host behaves
 * @key, @value: "granule", "max-bytes", "max-maps", "max-map-bytes", "segments" (ranges that a
 *   mapping is split into), "seed", "call-delay-us", "caller-iova" (on/off),
 *   "base" (of the addresses handed out), "fail-map" (N: the
 *   N-th map fails), "fail-map-one-in", "vanish-after" (N: the function is gone after N calls),
 *   "fail-reset" (on/off), "no-peers" (on/off: functions cannot reach each other), "lose-irq" (one
 *   in N is not notified until re-arm), "irq-storm" (each
 *   raised N times). Sizes take K, M, G suffixes.
 *
 * Limits are set before a function is opened, failures at any time.
 *
 * Return: 0; -ENOENT unknown key, -EINVAL bad value (both logged with what is possible); -EBUSY.
 */
int gw_sim_set_option(struct gw_sim *sim, const char *key, const char *value);

/** gw_sim_peers() - whether functions can reach each other's memory, by the options */
bool gw_sim_peers(struct gw_sim *sim);

/** gw_sim_options_help() - the options and their meaning, a line each, for --help */
const char *gw_sim_options_help(void);

#define GW_SIM_NAME	48

/** gw_sim_name() - what messages call a function that was just added, in place of its address */
void gw_sim_name(struct gw_endpoint *ep, const char *name);

/**
 * gw_sim_add() - put an endpoint on the bus
 * @ep:   becomes @sim's, also after an error
 * @root: name of the root port it sits under; NULL for "sim0"
 *
 * Return: 0; -EEXIST the address is taken; -EINVAL its description is wrong; -ENOMEM.
 */
int gw_sim_add(struct gw_sim *sim, struct gw_endpoint *ep, const char *root, uint8_t bus,
	       uint8_t dev, uint8_t fn);

/** gw_sim_services() - its dexts, to connect to; stays @sim's */
struct gw_dext_services *gw_sim_services(struct gw_sim *sim);

/**
 * gw_sim_power() - the machine goes to sleep (@on is false), or wakes
 *
 * Until it wakes its functions do no DMA and cannot be reached. Then their config space, and what
 * was mapped for them, are as before, and they have forgotten all else. Not to be called by an
 * endpoint, nor by two threads at a time.
 */
void gw_sim_power(struct gw_sim *sim, bool on);

/** gw_sim_vanish() - the function disappears, as on a cable pulled. Return: 0; -ENOENT */
int gw_sim_vanish(struct gw_sim *sim, const char *root, uint8_t bus, uint8_t dev, uint8_t fn);

/** A DMA access that hit no mapping. Equal ones are counted, not repeated. */
struct gw_sim_fault {
	uint8_t bus, dev, fn;
	gw_iova iova;
	uint64_t size;
	enum gw_dma_dir dir;
	uint64_t count;
};

struct gw_sim_stats {
	uint64_t maps, unmaps;		/* calls that succeeded */
	uint64_t live_maps, live_bytes, peak_maps, peak_bytes;
	uint64_t faults;		/* accesses */
	uint64_t irqs;			/* raised */
	uint64_t dma_read_bytes, dma_written_bytes;
	uint64_t io_errors;		/* reads and writes that files behind endpoints refused */
	uint64_t stalls;		/* times that DMA did not end when it had to */
	uint64_t stalled;		/* functions that have some that still has not */
};

/** gw_sim_stats() - totals over all functions */
void gw_sim_stats(struct gw_sim *sim, struct gw_sim_stats *stats);

/**
 * struct gw_sim_watcher - is told of each fault, from the device's thread
 * @fault: waits for nothing that may wait for the device
 */
struct gw_sim_watcher {
	void (*fault)(void *opaque, const struct gw_sim_fault *f);
	void *opaque;
};

/** gw_sim_watch_faults() - one watcher, before a function is opened; @w is copied */
void gw_sim_watch_faults(struct gw_sim *sim, const struct gw_sim_watcher *w);

/**
 * gw_sim_faults() - the fault record
 * @max: room in @out
 *
 * Return: how many there are, which may exceed @max; the oldest 256 different ones are kept.
 */
size_t gw_sim_faults(struct gw_sim *sim, struct gw_sim_fault *out, size_t max);

#ifdef __cplusplus
}
#endif

#endif
