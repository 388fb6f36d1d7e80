/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef GANGWAY_DEXT_INTERRUPTS_H
#define GANGWAY_DEXT_INTERRUPTS_H

#include "platform.h"

/* As in struct gw_core_platform. */
uint32_t interruptsConfigure(void *ctx, enum gw_core_irq_type type, unsigned int *nr);
uint32_t interruptsEnable(void *ctx, bool on);

/**
 * interruptsCancel() - for good; the driver's stopped() is called once every source has ended
 *
 * Cancelling is asynchronous, and a source may be released only once it has ended.
 */
void interruptsCancel(Platform *p);

#endif
