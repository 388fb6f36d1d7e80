/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef DEVICES_NVME_REGS_H
#define DEVICES_NVME_REGS_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include <gangway/endpoint.h>

#include "base/lock.h"
#include "limits.h"

struct nvme;

/*
 * Doorbells and what bounds them. The worker stores the sizes (0: no such queue), any thread
 * reads them and stores the rest.
 */
struct nvme_doorbell {
	_Atomic uint32_t tail, head;
	_Atomic uint32_t sq_size, cq_size;
	_Atomic bool head_wanted;	/* the worker waits for room: wake it */
};

/* Registers. Nothing is taken inside @lock. */
struct nvme_regs {
	pthread_mutex_t lock;
	uint32_t cc GW_GUARDED_BY(lock), aqa GW_GUARDED_BY(lock), intm GW_GUARDED_BY(lock);
	uint64_t asq GW_GUARDED_BY(lock), acq GW_GUARDED_BY(lock), cmbmsc GW_GUARDED_BY(lock);
	/* edges of CC that the worker has yet to act on */
	bool en_fell GW_GUARDED_BY(lock), shn_rose GW_GUARDED_BY(lock);
	uint32_t msix[NVME_NR_VECTORS * 4] GW_GUARDED_BY(lock);
	uint64_t disable_ns;		/* CAP.TO; fixed */
	uint64_t disable_by GW_GUARDED_BY(lock); /* ns: CC.EN fell, and the worker has until then;
						  * 0: it did not */
	bool disable_late GW_GUARDED_BY(lock);	/* it took longer */
	bool late_said GW_GUARDED_BY(lock);	/* and that is in the log, so its end is, too */
	_Atomic uint32_t csts;
	_Atomic uint32_t bad_doorbells;	/* bit enum nvme_event_error: worker to report */
};

/** gw_nvme_cap() - controller capabilities (3.1.1) */
uint64_t gw_nvme_cap(const struct nvme *nv);

/** gw_nvme_bar_read() - for the bus; registers are read by any width */
int gw_nvme_bar_read(struct gw_endpoint *ep, unsigned int bar, gw_bar_off off, unsigned int width,
		     uint64_t *val);

/**
 * gw_nvme_bar_write() - for the bus; registers are written whole or by dwords (3.1), what is
 * narrower is no write
 */
int gw_nvme_bar_write(struct gw_endpoint *ep, unsigned int bar, gw_bar_off off,
		      unsigned int width, uint64_t val);

#endif
