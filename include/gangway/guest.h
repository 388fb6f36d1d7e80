/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef GANGWAY_GUEST_H
#define GANGWAY_GUEST_H

#include <gangway/device.h>
#include <gangway/dma.h>
#include <gangway/host.h>

#ifdef __cplusplus
extern "C" {
#endif

/* A passed-through function as the guest sees it: a struct gw_device over a function. */

struct gw_guest_function;

struct gw_guest_stats {
	uint64_t reads, writes;		/* trapped BAR accesses */
	uint64_t config_reads, config_writes;
	uint64_t irqs;			/* delivered to an eventfd */
	uint64_t resets;
};

/**
 * gw_guest_function_new() - show @fn to a guest
 * @fn:  stays the caller's and must outlive the result; likewise @dma, its address space
 *
 * Resets @fn and sets up its interrupt delivery. Errors have been logged. Under plan paravirt the
 * guest does not see it before a companion shows it, see gw_companion_new().
 *
 * Return: 0; -EINVAL a BAR that cannot be shown, -EOPNOTSUPP a bridge, -ENODEV nothing answers,
 * -ENOMEM, or -errno of the host, of a reset that failed too.
 */
int gw_guest_function_new(struct gw_function *fn, struct gw_dma *dma, struct gw_log *log,
			  struct gw_guest_function **gf);

/** gw_guest_function_free() - the front end must have detached; NULL is fine */
void gw_guest_function_free(struct gw_guest_function *gf);

/** gw_guest_function_device() - what a front end serves; lives as long as @gf */
struct gw_device *gw_guest_function_device(struct gw_guest_function *gf);

/**
 * gw_guest_function_gone() - the host's function has disappeared: tell the VMM, so that it lets go
 *
 * The next access would find that out, too; this is for whoever watches struct gw_function_ops
 * gone(). Any thread, also more than once; waits for an operation that is under way.
 */
void gw_guest_function_gone(struct gw_guest_function *gf);

/**
 * gw_guest_function_had_bar() - is @at in a BAR, where the guest had it when its memory decoded
 * last?
 *
 * Takes no lock, so it may be asked in the course of a device's work.
 */
bool gw_guest_function_had_bar(struct gw_guest_function *gf, gw_gpa at);

/**
 * gw_guest_function_spent() - can nobody have it any more?
 *
 * So it is under plans window and pool when the VMM whose memory was made has let go and ended, or
 * cannot be told from another.
 */
bool gw_guest_function_spent(struct gw_guest_function *gf);

/**
 * gw_guest_function_bar() - where the guest has put a BAR
 *
 * Return: 0; -ENOENT there is no such BAR, or its memory does not decode.
 */
int gw_guest_function_bar(struct gw_guest_function *gf, unsigned int bar, gw_gpa *at);

/**
 * struct gw_guest_watch - who shares memory of the function
 * @decode: its memory decodes from now on; or is about not to, by the guest's own write, a reset,
 *          or as its VMM goes: when this returns for @on false, nobody may use it any more
 *
 * Called with the function's lock held: it does nothing to the function.
 */
struct gw_guest_watch {
	void (*decode)(void *opaque, bool on);
	void *opaque;
};

/**
 * gw_guest_function_watch() - @watch is copied; NULL: nobody watches, and no call is under way
 *
 * If its memory decodes already, that is told at once.
 */
void gw_guest_function_watch(struct gw_guest_function *gf, const struct gw_guest_watch *watch);

/** gw_guest_function_stats() - what the guest has done until now; any thread */
void gw_guest_function_stats(struct gw_guest_function *gf, struct gw_guest_stats *stats);

#ifdef __cplusplus
}
#endif

#endif
