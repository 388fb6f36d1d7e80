/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef GW_SIM_BUS_H
#define GW_SIM_BUS_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>

#include <gangway/endpoint.h>
#include <gangway/sim.h>

#include "base/lock.h"
#include "host/sim/config.h"
#include "host/sim/dart.h"
#include "host/sim/fault.h"
#include "host/sim/memory.h"

enum gw_bus_irq { GW_BUS_IRQ_OFF, GW_BUS_IRQ_MSI, GW_BUS_IRQ_MSIX, GW_BUS_IRQ_MSIX_MASKED };

/** Addresses for BARs still to be handed out, shared by all functions. */
struct gw_bus_space {
	uint64_t next32, next64;
};

/**
 * struct gw_endpoint_bus - an endpoint's place on the bus
 *
 * Lock order: state_lock, config_lock. Neither is taken by what an endpoint may call.
 */
struct gw_endpoint_bus {
	/* fixed once added */
	struct gw_endpoint *ep;
	struct gw_log *log, own_log;
	struct gw_fault_record *faults;
	char root[GW_ROOT_SIZE];
	char name[GW_SIM_NAME];	/* BB:DD.F@ROOT or another, for messages */
	uint8_t bus, dev, fn;
	uint64_t bar_addr[GW_NR_BARS];	/* where the platform put them */
	uint64_t vf_bar_addr[GW_NR_BARS];	/* likewise, those of the first virtual function */
	struct gw_sim_memory bar[GW_NR_BARS];
	void (*irq)(struct gw_endpoint_bus *b, unsigned int v);	/* an interrupt has arrived */
	void (*vfs)(struct gw_endpoint_bus *b, unsigned int nr);	/* so many there are now */

	pthread_mutex_t state_lock;	/* at most one of quiesce, resume, reset at a time */
	bool running GW_GUARDED_BY(state_lock);	/* the endpoint may do DMA */
	bool decoding GW_GUARDED_BY(state_lock);	/* the endpoint was told so */
	unsigned int nr_vfs GW_GUARDED_BY(state_lock);	/* virtual functions that there shall be */

	pthread_mutex_t config_lock;
	struct gw_config config GW_GUARDED_BY(config_lock);

	/* what config space says, for those who cannot wait; written under state_lock */
	_Atomic bool master;
	_Atomic unsigned int decodes;	/* a bit for each BAR */
	_Atomic enum gw_bus_irq irq_mode;
	_Atomic uint64_t irq_held[GW_IRQ_WORDS];	/* raised while masked */
	_Atomic bool gone;
	_Atomic bool asleep;		/* without power, until the machine wakes; written under
					 * state_lock */
	_Atomic bool fenced;		/* until a reset: it keeps hold of memory that was to be
					 * unmapped */

	_Atomic uint64_t irqs, read_bytes, written_bytes;
	_Atomic uint64_t io_errors;	/* of what stands behind the endpoint */
	_Atomic uint64_t stalls;	/* times that it was not quiet in time */
	struct gw_dart dart;
};

/**
 * gw_bus_init() - power the endpoint on and give its BARs addresses
 * @b: @ep, @log, @faults, @root, @name, @bus, @dev, @fn, @irq and @vfs are set, and those of
 *     @bar_addr that are decided already; all else zero
 *
 * Return: 0; -EINVAL the description is wrong (logged), -ENOMEM also for room for its BARs, or
 * -errno of making the memory of its mapped BARs. The endpoint stays the caller's on error.
 */
int gw_bus_init(struct gw_endpoint_bus *b, struct gw_bus_space *space);

/**
 * gw_bus_fini() - quiets and frees the endpoint; the DART is the caller's to end
 *
 * Return: whether it has ended. Else the endpoint is stalled: @b and its DART must stay for good.
 */
bool gw_bus_fini(struct gw_endpoint_bus *b);

/** gw_bus_fence() - no DMA begins and nothing answers until a reset succeeds; takes no lock */
void gw_bus_fence(struct gw_endpoint_bus *b);

/** gw_bus_stalled() - is DMA under way that should have ended? Not during the calls above */
bool gw_bus_stalled(struct gw_endpoint_bus *b);

uint32_t gw_bus_config_read(struct gw_endpoint_bus *b, unsigned int off, unsigned int width);

/** gw_bus_config_write() - with all its effects, which are over on return */
void gw_bus_config_write(struct gw_endpoint_bus *b, unsigned int off, unsigned int width,
			 uint32_t val);

/**
 * gw_bus_irq_setup() - what the platform writes when a driver asks for interrupts
 *
 * Return: vectors that can arrive; 0 if the function has neither MSI-X nor MSI.
 */
unsigned int gw_bus_irq_setup(struct gw_endpoint_bus *b);

/**
 * gw_bus_reset() - function level reset, or by the port; config space is restored afterwards
 * @fail: the function does not come back; it stays quiet and off the bus's memory
 *
 * Return: 0; -EOPNOTSUPP no function level reset; -ETIMEDOUT, also if the endpoint is stalled.
 */
int gw_bus_reset(struct gw_endpoint_bus *b, bool flr, bool fail);

/**
 * gw_bus_vanish() - as on a cable pulled: the endpoint is quiet on return, or stalled, and stays so
 */
void gw_bus_vanish(struct gw_endpoint_bus *b);

/**
 * gw_bus_power() - the machine goes to sleep, or wakes
 *
 * The endpoint is quiet on return, or stalled, and has forgotten all but config space, which the
 * platform restores. Meanwhile it is as if it were not there.
 */
void gw_bus_power(struct gw_endpoint_bus *b, bool on);

/** gw_bus_mmio_read() - @off and @width lie inside the BAR. All ones if it does not decode */
int gw_bus_mmio_read(struct gw_endpoint_bus *b, unsigned int bar, uint64_t off,
		     unsigned int width, uint64_t *val);
int gw_bus_mmio_write(struct gw_endpoint_bus *b, unsigned int bar, uint64_t off,
		      unsigned int width, uint64_t val);

#endif
