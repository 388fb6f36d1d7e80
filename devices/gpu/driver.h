/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef DEVICES_GPU_DRIVER_H
#define DEVICES_GPU_DRIVER_H

#include <gangway/share.h>

#include "card.h"
#include "display.h"

/*
 * A driver of the physical function, in user space: it shows what a virtual function has drawn, by
 * the scan-out. It has the table of who has which VRAM, so what it imports are places in the card;
 * nothing goes over the bus, and nothing is copied.
 */

struct gpu_driver;

/**
 * gw_gpu_driver_new() - for an open physical function
 * @pf:   stays the caller's, and open until gw_gpu_driver_free()
 * @id:   what the exporters of its virtual functions say of it, and the cookie they have
 * @card: its table of shares is read now
 *
 * Return: 0; -ENOMEM, or as gw_provisioning_set().
 */
int gw_gpu_driver_new(struct gw_function *pf, const struct gw_share_id *id, struct gpu_card *card,
		      struct gw_log *log, struct gpu_driver **d);

/** gw_gpu_driver_free() - nothing is shown any more. NULL is fine */
void gw_gpu_driver_free(struct gpu_driver *d);

/**
 * gw_gpu_driver_show() - scan a picture out
 * @e:      of a virtual function; may be freed after gw_gpu_driver_hide()
 * @f:      @off is from the export's start
 * @reason: says why not
 *
 * What is shown vanishes from the screen when the export is revoked, before that returns. One
 * thread at a time calls this and gw_gpu_driver_hide().
 *
 * Return: 0; -ENODEV it has been revoked; -E2BIG it lies in more pieces than the hardware takes;
 * -EIO the hardware refuses it; else as gw_attach() and gw_provisioning_map().
 */
int gw_gpu_driver_show(struct gpu_driver *d, struct gw_export *e, const struct gpu_frame *f,
		       char reason[GW_SHARE_REASON]);
void gw_gpu_driver_hide(struct gpu_driver *d);

/** gw_gpu_driver_runs() - pieces of VRAM that are scanned out now; 0: nothing is shown */
unsigned int gw_gpu_driver_runs(struct gpu_driver *d);

#endif
