/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef GW_HOST_DEXT_RESET_H
#define GW_HOST_DEXT_RESET_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include <gangway/host.h>

#include "base/lock.h"

struct gw_dext_function;

enum gw_dext_reset_state { GW_DEXT_RESET_NONE, GW_DEXT_RESET_RUNS, GW_DEXT_RESET_FAILED };

/**
 * struct gw_dext_reset - the reset of one function, which may take seconds
 * @state:   written under @lock
 * @result:  of the last one
 * @command: while one runs, what COMMAND is to be afterwards
 * @wanted:  somebody has written COMMAND meanwhile
 * @late:    nobody waits for its result any more
 * @free:    constant
 */
struct gw_dext_reset {
	pthread_mutex_t lock;
	pthread_cond_t changed;
	_Atomic enum gw_dext_reset_state state;
	int result GW_GUARDED_BY(lock);
	uint16_t command GW_GUARDED_BY(lock);
	bool wanted GW_GUARDED_BY(lock), late GW_GUARDED_BY(lock);
	void (*free)(struct gw_dext_function *fn);
};

/**
 * gw_dext_reset_init() - @free takes the function if its last user is a reset that ends late.
 * Return: 0; -ENOMEM
 */
int gw_dext_reset_init(struct gw_dext_reset *r, void (*free)(struct gw_dext_function *fn));
void gw_dext_reset_fini(struct gw_dext_reset *r);

/**
 * gw_dext_function_reset() - for struct gw_function_ops
 *
 * Bus mastering is off at once. A reset that takes longer than the options allow goes on in a
 * thread of its own, and this returns 0; until it is over an access waits for it, for a while, and
 * then finds nothing on the bus. If such a reset fails, the sink's error() is called, and there is
 * nothing on the bus until a later one succeeds.
 */
int gw_dext_function_reset(struct gw_function *f);

/** gw_dext_reset_await() - until no reset runs. Return: 0; -ETIMEDOUT */
int gw_dext_reset_await(struct gw_dext_function *fn);

/** gw_dext_reset_off_bus() - whether an access finds nothing, after having waited */
bool gw_dext_reset_off_bus(struct gw_dext_function *fn);

/**
 * gw_dext_reset_config_read() - true if it answered in the device's stead; @off, @width are checked
 */
bool gw_dext_reset_config_read(struct gw_dext_function *fn, unsigned int off, unsigned int width,
			       uint32_t *val);

/** gw_dext_reset_config_write() - true if it took the write, to be made later or dropped */
bool gw_dext_reset_config_write(struct gw_dext_function *fn, unsigned int off, unsigned int width,
				uint32_t val);

#endif
