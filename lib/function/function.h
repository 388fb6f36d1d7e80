/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef GW_FUNCTION_FUNCTION_H
#define GW_FUNCTION_FUNCTION_H

#include <gangway/guest.h>

#include "base/lock.h"
#include "base/owner.h"
#include "config/policy.h"
#include "function/irqs.h"

/* Inside lib/function: the function's parts and what they ask of each other. */

/* A BAR as the guest sees it. */
struct gw_guest_bar {
	struct gw_bar_info info;
	struct gw_bar_map map;		/* @addr NULL: trapped */
	struct gw_region_info region;
};

/**
 * struct gw_guest_listener - told of what ends a guest's mappings
 * @left:  the VMM has gone, and with it all of them
 * @taken: the VMM has taken memory away, of which some may have been
 *
 * Called by the front end's thread, without the function's lock, before it answers the VMM. A reset
 * of the function, whoever asks for it, ends no mapping: a driver keeps its buffers mapped over
 * that, as it may on any machine, and uses them again afterwards.
 */
struct gw_guest_listener {
	void (*left)(struct gw_guest_listener *l);
	void (*taken)(struct gw_guest_listener *l);
};

/** struct gw_guest_owner - which VMM has the function and its companion, or one of them */
struct gw_guest_owner {
	pthread_mutex_t lock;		/* nothing is taken under it */
	pthread_cond_t left;
	struct gw_owner vmm GW_GUARDED_BY(lock);
	const char *has GW_GUARDED_BY(lock);	/* what it claimed last */
};

/**
 * struct gw_guest_function - a passed-through function
 * @bar, @policy: fixed after open
 * @config:  our copy of config space: fixed and emulated bits
 * @command: COMMAND's forwarded bits as the guest has set them; the host has the same, but for
 *           bus mastering in D3hot and while @paused
 * @fenced:  a reset failed: bus mastering is off and the guest reads all ones until one succeeds
 * @gone:    the host has lost the function, for good
 * @claimed: at the host, for the VMM that is attached
 *
 * @cookie:   in the vendor capability; 0 but under plan paravirt
 * @listener: changes only while no VMM is attached
 * @remote:   changes in the front end's thread and with the lock, so either is enough to look
 * @hides:    the guest sees it only while @shown, see gw_guest_function_show()
 * @hidden:   its identity reads as all ones and writes are dropped. Follows from the two at a
 *            reset; a VMM that attaches reads who it is before it resets it
 * @paused:   it does no DMA, see gw_guest_function_pause()
 * @owner: has a lock of its own; @owned: the VMM that is attached claimed the function there
 * @lock: the front end's thread holds it over each operation, but for DMA maps; taken before the
 *        host's, and before that of @irqs
 */
struct gw_guest_function {
	struct gw_device dev;
	struct gw_function *fn;
	struct gw_dma *dma;
	struct gw_log *log;
	struct gw_remote *_Atomic remote;
	struct gw_guest_irqs irqs;
	struct gw_guest_bar bar[GW_NR_BARS];
	struct gw_pci_policy policy;
	uint8_t config[GW_PCI_CFG_SIZE] GW_GUARDED_BY(lock);
	uint16_t command GW_GUARDED_BY(lock);
	bool fenced GW_GUARDED_BY(lock), gone GW_GUARDED_BY(lock), claimed GW_GUARDED_BY(lock);
	uint64_t cookie;
	struct gw_guest_listener *_Atomic listener;
	bool hides GW_GUARDED_BY(lock), shown GW_GUARDED_BY(lock), hidden GW_GUARDED_BY(lock);
	bool paused GW_GUARDED_BY(lock), attached GW_GUARDED_BY(lock);
	struct gw_guest_watch watch GW_GUARDED_BY(lock);
	bool decodes GW_GUARDED_BY(lock);	/* memory, at the host; the watch was told so */
	struct gw_guest_owner owner;
	bool owned;			/* the front end's thread's */
	pthread_mutex_t lock;
	_Atomic uint64_t had_bar[GW_NR_BARS];	/* where they were last; 0: nowhere yet */
	_Atomic uint64_t reads, writes, config_reads, config_writes, resets;
};

static inline void gw_guest_count(_Atomic uint64_t *counter)
{
	atomic_fetch_add_explicit(counter, 1, memory_order_relaxed);
}

/** gw_guest_decodes() - tell who watches, if that is news; for @on false before it is so */
void gw_guest_decodes(struct gw_guest_function *gf, bool on) GW_HOLDS(gf->lock);

/** gw_guest_dead() - nothing of the function can be reached; it reads as all ones */
static inline bool gw_guest_dead(const struct gw_guest_function *gf) GW_HOLDS(gf->lock)
{
	return gf->fenced || gf->gone;
}

/* state.c */

/** gw_guest_asleep() - is it in D3hot? */
bool gw_guest_asleep(const struct gw_guest_function *gf) GW_HOLDS(gf->lock);

/** gw_guest_quiet_begin() - what follows waits for the device: it must not wait for the VMM */
void gw_guest_quiet_begin(struct gw_guest_function *gf);
void gw_guest_quiet_end(struct gw_guest_function *gf);

/** gw_guest_failed() - the host refused to @what; -ENODEV means the function is gone */
void gw_guest_failed(struct gw_guest_function *gf, int err, const char *what) GW_HOLDS(gf->lock);

/* function.c */

/**
 * gw_guest_function_reset() - reset the function at the host, quiet before and after
 *
 * Config space is as after power-on, and interrupts that waited are gone. Eventfds stay: they
 * are the VMM's, and a guest that resets its function does not tell the VMM.
 *
 * Return: 0; or -errno of the host, then the function is fenced.
 */
int gw_guest_function_reset(struct gw_guest_function *gf) GW_HOLDS(gf->lock);

/**
 * gw_guest_function_show() - let the guest see it: its DMA is translated from now on
 *
 * Under plan paravirt a function is hidden until then, so that no driver puts it to use with
 * addresses that are not the device's. Any thread, without the function's lock.
 */
void gw_guest_function_show(struct gw_guest_function *gf);

/**
 * gw_guest_function_pause() - no DMA until it is shown, or hidden and so reset
 *
 * For the time in which it is not known whether the guest goes on, or another is about to begin. A
 * function that a driver has at work stays as it is otherwise; one without a driver is hidden, and
 * so is one that is reset from now on. Any thread, without the function's lock.
 */
void gw_guest_function_pause(struct gw_guest_function *gf);

/** gw_guest_function_hide() - reset it, so that it is quiet, and hide it; no listener is told */
void gw_guest_function_hide(struct gw_guest_function *gf);

/**
 * gw_guest_function_adopt() - somebody translates for it, and says when the guest sees it
 * @listener: told of what happens to it, until gw_guest_function_leave()
 * @show:     the guest sees it at once
 *
 * Before the first VMM attaches. Return: 0; -EPROTO its plan is not paravirt, -EBUSY it has one.
 */
int gw_guest_function_adopt(struct gw_guest_function *gf, struct gw_guest_listener *listener,
			    bool show);

/** gw_guest_function_leave() - undo that; no VMM is attached */
void gw_guest_function_leave(struct gw_guest_function *gf);

/* owner.c */

/** gw_guest_owner_init() - Return: 0; -ENOMEM */
int gw_guest_owner_init(struct gw_guest_owner *o);
void gw_guest_owner_fini(struct gw_guest_owner *o);

/**
 * gw_guest_function_own() - @vmm connects to the function, or to its companion
 * @what: "the function" or "its companion", for messages
 *
 * Both go to one VMM: what the companion's maps is what the function's has it reach. This program
 * itself is none, and serves whom it likes. Waits a moment for one that is about to go, and is to
 * be called without locks.
 *
 * Return: 0; -EBUSY another VMM has the other, or had the memory of a window or pool (logged).
 */
int gw_guest_function_own(struct gw_guest_function *gf, const struct gw_vmm *vmm, const char *what);

/** gw_guest_function_disown() - undo that, once it has gone */
void gw_guest_function_disown(struct gw_guest_function *gf);

/* config.c */

/** gw_guest_config_initial() - our copy as after power-on; the host's COMMAND is not touched */
void gw_guest_config_initial(struct gw_guest_function *gf) GW_HOLDS(gf->lock);

/** gw_guest_config_command() - bring the host's COMMAND in line. Return: 0; -errno of the host */
int gw_guest_config_command(struct gw_guest_function *gf) GW_HOLDS(gf->lock);

/** gw_guest_config_idle() - has no driver put it to work? */
bool gw_guest_config_idle(const struct gw_guest_function *gf) GW_HOLDS(gf->lock);

/** gw_guest_config_read() - as the guest sees it; all ones where the host does not answer */
void gw_guest_config_read(struct gw_guest_function *gf, unsigned int off, uint8_t *buf,
			  size_t len) GW_HOLDS(gf->lock);

/**
 * gw_guest_config_write() - what the guest writes, up to what resets the function
 * @reset: the caller is to reset it, and to go on with the rest afterwards
 *
 * Return: how many of the @len bytes are done; at least one.
 */
size_t gw_guest_config_write(struct gw_guest_function *gf, unsigned int off, const uint8_t *buf,
			     size_t len, bool *reset) GW_HOLDS(gf->lock);

/* bars.c */

/** gw_guest_function_note_bars() - remember where they are, for gw_guest_function_had_bar() */
void gw_guest_function_note_bars(struct gw_guest_function *gf) GW_HOLDS(gf->lock);

/** gw_guest_bars_probe() - ask and check. Return: 0; -EINVAL (logged); or -errno of the host */
int gw_guest_bars_probe(struct gw_guest_function *gf);

/** gw_guest_bars_map() - map what the host lets us; needs the policy */
void gw_guest_bars_map(struct gw_guest_function *gf);
void gw_guest_bars_unmap(struct gw_guest_function *gf);

/** gw_guest_bar_read() - @off + @len lies inside the BAR */
void gw_guest_bar_read(struct gw_guest_function *gf, unsigned int bar, uint64_t off, uint8_t *buf,
		       size_t len) GW_HOLDS(gf->lock);
void gw_guest_bar_write(struct gw_guest_function *gf, unsigned int bar, uint64_t off,
			const uint8_t *buf, size_t len) GW_HOLDS(gf->lock);

/** gw_guest_piece() - the largest naturally aligned access at @off, of at most @len and @max */
static inline unsigned int gw_guest_piece(uint64_t off, size_t len, unsigned int max)
{
	unsigned int width = max;

	while (off % width || width > len)
		width /= 2;
	return width;
}

#endif
