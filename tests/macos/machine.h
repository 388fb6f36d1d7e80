/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef TESTS_MACOS_MACHINE_H
#define TESTS_MACOS_MACHINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "host/core/core.h"

/* The simulated bus as the machine under DriverKit: its functions without the dext that they have. */

#ifdef __cplusplus
extern "C" {
#endif

struct gw_sim;

struct machine_function {
	const struct gw_core_platform *platform;
	void *ctx;			/* for it */
	char root[32];
	uint16_t vendor, device;
	uint32_t class_code;
};

/** machine_function() - the @i-th. Return: false past the last */
bool machine_function(struct gw_sim *sim, unsigned int i, struct machine_function *f);

/** machine_settle() - options that set limits come before this */
void machine_settle(struct gw_sim *sim);

/** machine_on_irq() - interrupts of a function go to @irq from now on; none is under way on return */
void machine_on_irq(const struct machine_function *f,
		    void (*irq)(void *opaque, unsigned int vector), void *opaque);

/** machine_is_gone() - whether the function has disappeared */
bool machine_is_gone(const struct machine_function *f);

/** machine_power() - the function loses its power, or has it again; config space is kept */
void machine_power(const struct machine_function *f, bool on);

/** machine_view() - memory of a platform once more; by munmap(2) it goes. Return: NULL */
void *machine_view(int fd, uint64_t size);

#ifdef __cplusplus
}
#endif
#endif
