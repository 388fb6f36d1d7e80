/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef GANGWAY_COMPANION_H
#define GANGWAY_COMPANION_H

#include <gangway/sharer.h>
#include <gangway/guest.h>

#ifdef __cplusplus
extern "C" {
#endif

/*
 * The companion: a second PCI device by which a guest's kernel module has memory mapped for a
 * passed-through function under plan paravirt. What the two say to each other is in
 * include/gangway/abi.h.
 */

struct gw_companion;

#define GW_COMPANION_NO_BDF	0xffffffffu

struct gw_companion_options {
	uint32_t guest_bdf;		/* its bus << 8 | devfn, or GW_COMPANION_NO_BDF */
	bool show;			/* the function at once, for a module that does not announce
					 * itself */
	bool any_memory;		/* see gw_dma_any_memory() */
	unsigned int poll_us;		/* look at the ring so long before waiting for a doorbell;
					 * 0: not. Bounded further when it does not pay or the
					 * machine is loaded */
};

/* Why a guest's request was not done. */
enum gw_refusal {
	GW_REFUSED_INVALID,		/* a bad value, or not memory */
	GW_REFUSED_SPLIT,		/* memory, but in several pieces here */
	GW_REFUSED_RANGE,		/* no place where the device can reach */
	GW_REFUSED_BUDGET,		/* over the function's budget */
	GW_REFUSED_ROOM,		/* the host has no room, for this function or all */
	GW_REFUSED_UNKNOWN,		/* no such mapping, or one of an older generation */
	GW_REFUSED_BUSY,		/* everything was being unmapped */
	GW_REFUSED_FAILED,		/* the host failed, or took too long */
	GW_NR_REFUSALS,
};

/** gw_refusal_name() - "invalid", ...; static */
const char *gw_refusal_name(enum gw_refusal why);

struct gw_companion_stats {
	uint64_t maps, unmaps;		/* that were asked for and done */
	uint64_t refused[GW_NR_REFUSALS];	/* requests, command pages among them */
	uint64_t commands;		/* of the command page */
	uint64_t doorbells;		/* of the ring */
	uint64_t polled;		/* entries of the ring that came without a doorbell */
	uint64_t interrupts;		/* sent */
	uint32_t generation;
	uint32_t dropped;		/* mappings that ended as the VMM took memory away */
};

/**
 * gw_companion_new() - a companion for a function
 * @gf:  its address space has plan paravirt. Stays the caller's, is not served yet, and must
 *       outlive the companion. One companion a function
 * @opt: NULL for defaults
 *
 * Until the module announces itself the guest does not see the function.
 *
 * Return: 0; -EPROTO another plan, -EBUSY the function has a companion, -ENOMEM, or -errno of
 * memfd_create(2) or pthread_create(3).
 */
int gw_companion_new(struct gw_guest_function *gf, const struct gw_companion_options *opt,
		     struct gw_log *log, struct gw_companion **c);

/** gw_companion_free() - nobody serves it or its function any more; NULL is fine */
void gw_companion_free(struct gw_companion *c);

/** gw_companion_device() - what a front end serves; lives as long as @c */
struct gw_device *gw_companion_device(struct gw_companion *c);

/**
 * gw_companion_share_by() - the guest may share memory of its function
 * @s: stays the caller's, and must stay until this is called with NULL, which ends it
 *
 * A guest looks only once whether it may, so call this before the companion is served.
 */
void gw_companion_share_by(struct gw_companion *c, struct gw_sharer *s);

struct gw_companion_link;

enum gw_link_kind { GW_LINK_IVSHMEM, GW_LINK_PORT };

/**
 * gw_companion_link_open() - serve a companion to a VMM that does not speak vfio-user
 * @c:    stays the caller's, is served by nobody else, and must outlive the link
 * @kind: for QEMU's ivshmem-doorbell, to which the link is the server; or for a virtio-serial port,
 *        by which the guest can map only where it can sleep. See abi.h
 * @path: of the socket, made with mode 0600
 *
 * One client at a time. When it goes everything mapped goes.
 *
 * Return: 0; -ENOMEM, or -errno of eventfd(2) or pthread_create(3); or why it is not possible to
 * listen at @path, which is logged.
 */
int gw_companion_link_open(struct gw_companion *c, enum gw_link_kind kind, const char *path,
			   struct gw_log *log, struct gw_companion_link **link);

/** gw_companion_link_close() - drop the client, and remove the socket; NULL is fine */
void gw_companion_link_close(struct gw_companion_link *link);

/** gw_companion_stats() - what it has done until now; any thread */
void gw_companion_stats(struct gw_companion *c, struct gw_companion_stats *stats);

#ifdef __cplusplus
}
#endif

#endif
