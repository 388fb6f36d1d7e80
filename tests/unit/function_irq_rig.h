/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef TESTS_UNIT_FUNCTION_IRQ_RIG_H
#define TESTS_UNIT_FUNCTION_IRQ_RIG_H

#include "unit.h"

#include <fcntl.h>

#include "base/bitmap.h"
#include "fake_function.h"

/* A guest's function, and what its VMM asks of the interrupts. */

static inline int setup(void **state)
{
	*state = guest_open(fake_new());
	return *state ? 0 : -1;
}

static inline int teardown(void **state)
{
	guest_close(*state);
	return 0;
}

static inline int set(struct guest *g, enum gw_irq index, enum gw_irq_action action,
		      enum gw_irq_data data, uint32_t start, uint32_t count, const uint8_t *bools,
		      int *fds)
{
	struct gw_irq_set s = { index, action, data, start, count, bools, fds };

	return g->dev->ops->irq_set(g->dev, &s);
}

/* Hand a copy of @fd over as the eventfd of vector @v. */
static inline void give(struct guest *g, enum gw_irq index, uint32_t v, int fd)
{
	int copy = fcntl(fd, F_DUPFD_CLOEXEC, 0);

	assert_int_equal(set(g, index, GW_IRQ_TRIGGER, GW_IRQ_EVENTFD, v, 1, NULL, &copy), 0);
	assert_int_equal(copy, -1);
}

static inline int off(struct guest *g, enum gw_irq index)
{
	return set(g, index, GW_IRQ_TRIGGER, GW_IRQ_NONE, 0, 0, NULL, NULL);
}

static inline void fire(struct guest *g, unsigned int v)
{
	uint64_t pending[GW_IRQ_WORDS] = { 0 };

	gw_bitmap_set(pending, v);
	g->f->sink->fire(g->f->sink, pending);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

#endif
