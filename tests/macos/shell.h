/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef TESTS_MACOS_SHELL_H
#define TESTS_MACOS_SHELL_H

#include <stdbool.h>

/* The driver extension's own code, run by a DriverKit that is played. */

#ifdef __cplusplus
extern "C" {
#endif

struct gw_dext_services;
struct gw_sim;

/** shell_start() - connections to be had, to an extension that is started for each function of @sim */
struct gw_dext_services *shell_start(struct gw_sim *sim);

/** shell_look_for_gone() - drivers that were terminated, or whose functions disappeared, are stopped, as the kernel does */
void shell_look_for_gone(void);

/** shell_power() - the machine goes to sleep (@on is false), or wakes */
void shell_power(bool on);

/** shell_vectors() - the machine has so many interrupts left for a function; 0: enough */
void shell_vectors(unsigned int nr);

/** shell_fault() - the DART of the @i-th function, which is open, reports a fault */
void shell_fault(unsigned int i, const unsigned int words[5]);

/** shell_stop() - every connection is closed. Return: how many objects are left, which is to be 0 */
long shell_stop(void);

/* What shell_glue.c needs; results are IOReturn codes. */
struct shell_conn;
void shell_use(struct gw_sim *sim);
int shell_open(unsigned int i, struct shell_conn **c, char root[32]);
unsigned int shell_call(struct shell_conn *c, unsigned int selector, const unsigned long *in,
			unsigned int nr_in, unsigned long *out, unsigned int *nr_out,
			void (*done)(void *opaque, unsigned int result), void *opaque);
unsigned int shell_map(struct shell_conn *c, unsigned int type, void **addr, unsigned long *size,
		       int *fd);
void shell_close(struct shell_conn *c);

/* What no client of ours asks: a call as the kernel delivers it, with a structure if @structure; a stop without
 * the end of the object; and memory of a stopped client. */
unsigned int shell_method(struct shell_conn *c, unsigned long selector, bool structure, const unsigned long *in,
			  unsigned int nr_in, unsigned long *out);
void shell_stop_client(struct shell_conn *c);
unsigned int shell_memory(struct shell_conn *c, unsigned long type);
void shell_drop(struct shell_conn *c);

#ifdef __cplusplus
}
#endif
#endif
