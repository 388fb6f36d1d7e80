/* SPDX-License-Identifier: BSD-3-Clause */
#include "unit.h"

#include <fcntl.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <gangway/pci.h>

#include "base/bitmap.h"
#include "fake_function.h"

/* A host that has the platform signal eventfds itself, and knows INTx. */

struct direct {
	enum gw_irq index;
	unsigned int nr;
	int fd[FAKE_MSIX];		/* as handed over last; -1: to the sink */
	unsigned int masks, unmasks;
	int unmask_fd;			/* -1: none */
	int fail_enable, fail_eventfd;
};

static struct direct direct;

static int direct_enable(struct gw_function *fn, enum gw_irq index, unsigned int nr)
{
	if (nr && direct.fail_enable)
		return direct.fail_enable;
	assert_true(!nr || direct.index == GW_NR_IRQS);
	assert_true(nr || direct.index == index);
	direct.index = nr ? index : GW_NR_IRQS;
	direct.nr = nr;
	for (unsigned int v = 0; v < FAKE_MSIX; v++)
		direct.fd[v] = -1;
	return 0;
}

static int direct_eventfd(struct gw_function *fn, enum gw_irq index, unsigned int vector, int fd)
{
	assert_true(index == direct.index && vector < direct.nr);
	if (direct.fail_eventfd)
		return direct.fail_eventfd;
	direct.fd[vector] = fd;
	return 0;
}

static int direct_intx_mask(struct gw_function *fn, bool masked)
{
	direct.masks += masked;
	direct.unmasks += !masked;
	return 0;
}

static int direct_intx_unmask_fd(struct gw_function *fn, int fd)
{
	direct.unmask_fd = fd;
	return direct.fail_eventfd;
}

static const struct gw_irq_ops direct_irq_ops = {
	.enable = direct_enable,
	.eventfd = direct_eventfd,
	.intx_mask = direct_intx_mask,
	.intx_unmask_fd = direct_intx_unmask_fd,
};

static struct gw_function_ops direct_ops;

static int setup(void **state)
{
	struct fake *f = fake_new();

	direct = (struct direct){ .index = GW_NR_IRQS, .unmask_fd = -1 };
	direct_ops = *f->fn.ops;
	direct_ops.irq = &direct_irq_ops;
	f->fn.ops = &direct_ops;
	f->fn.intx = true;
	f->cfg[GW_PCI_INT_PIN] = 1;
	*state = guest_open(f);
	return *state ? 0 : -1;
}

static int teardown(void **state)
{
	guest_close(*state);
	return 0;
}

static int set(struct guest *g, enum gw_irq index, enum gw_irq_action action, enum gw_irq_data data,
	       uint32_t start, uint32_t count, int *fds)
{
	struct gw_irq_set s = { index, action, data, start, count, NULL, fds };

	return g->dev->ops->irq_set(g->dev, &s);
}

static int give(struct guest *g, enum gw_irq index, uint32_t v, int fd)
{
	int copy = fcntl(fd, F_DUPFD_CLOEXEC, 0), ret;

	ret = set(g, index, GW_IRQ_TRIGGER, GW_IRQ_EVENTFD, v, 1, &copy);
	assert_true(ret || copy == -1);
	if (copy >= 0)
		close(copy);
	return ret;
}

static void fire(struct guest *g, unsigned int v)
{
	uint64_t pending[GW_IRQ_WORDS] = { 0 };

	gw_bitmap_set(pending, v);
	g->f->sink->fire(g->f->sink, pending);
}

/* The platform signals what it was given. */
static void platform_fires(unsigned int v)
{
	assert_int_equal(eventfd_write(direct.fd[v], 1), 0);
}

static void a_vector_with_an_eventfd_goes_to_the_platform(void **state)
{
	struct guest *g = *state;
	int fd = event();

	assert_int_equal(give(g, GW_IRQ_MSIX, 3, fd), 0);
	assert_true(direct.index == GW_IRQ_MSIX && direct.nr == FAKE_MSIX);
	assert_true(direct.fd[3] >= 0 && direct.fd[2] == -1);
	platform_fires(3);
	assert_int_equal(counted(fd), 1);
	assert_int_equal(set(g, GW_IRQ_MSIX, GW_IRQ_TRIGGER, GW_IRQ_NONE, 0, 0, NULL), 0);
	assert_int_equal(direct.index, GW_NR_IRQS);
	close(fd);
}

static void a_masked_vector_is_taken_back_and_remembers(void **state)
{
	struct guest *g = *state;
	int fd = event();

	assert_int_equal(give(g, GW_IRQ_MSIX, 1, fd), 0);
	assert_int_equal(set(g, GW_IRQ_MSIX, GW_IRQ_MASK, GW_IRQ_NONE, 1, 1, NULL), 0);
	assert_int_equal(direct.fd[1], -1);
	fire(g, 1);
	assert_int_equal(counted(fd), 0);
	assert_int_equal(set(g, GW_IRQ_MSIX, GW_IRQ_UNMASK, GW_IRQ_NONE, 1, 1, NULL), 0);
	assert_int_equal(counted(fd), 1);
	platform_fires(1);
	assert_int_equal(counted(fd), 1);
	close(fd);
}

static void what_fired_before_the_eventfd_came_is_delivered(void **state)
{
	struct guest *g = *state;
	int fd = event(), other = event();

	assert_int_equal(give(g, GW_IRQ_MSI, 0, other), 0);
	fire(g, 2);
	assert_int_equal(give(g, GW_IRQ_MSI, 2, fd), 0);
	assert_int_equal(counted(fd), 1);
	/* and what the host still had when the platform took over */
	fire(g, 2);
	assert_int_equal(counted(fd), 1);
	close(fd);
	close(other);
}

static void where_the_platform_does_not_take_it_the_sink_delivers(void **state)
{
	struct guest *g = *state;
	int fd = event();

	direct.fail_eventfd = -EINVAL;
	assert_int_equal(give(g, GW_IRQ_MSIX, 0, fd), 0);
	fire(g, 0);
	assert_int_equal(counted(fd), 1);
	close(fd);
}

static void an_index_that_cannot_be_enabled_is_disabled(void **state)
{
	struct guest *g = *state;
	int fd = event();

	direct.fail_enable = -ENOSPC;
	direct.index = GW_IRQ_MSIX;	/* so that the disabling that follows is checked */
	assert_int_equal(give(g, GW_IRQ_MSIX, 0, fd), -ENOSPC);
	assert_int_equal(direct.index, GW_NR_IRQS);
	direct.fail_enable = 0;
	assert_int_equal(give(g, GW_IRQ_MSI, 0, fd), 0);
	close(fd);
}

static void intx_can_be_unmasked_by_an_eventfd(void **state)
{
	struct guest *g = *state;
	int fd = event();

	assert_int_equal(set(g, GW_IRQ_INTX, GW_IRQ_UNMASK, GW_IRQ_EVENTFD, 0, 1, &fd), -EPROTO);
	assert_int_equal(give(g, GW_IRQ_INTX, 0, fd), 0);
	assert_int_equal(set(g, GW_IRQ_INTX, GW_IRQ_UNMASK, GW_IRQ_EVENTFD, 0, 1, &fd), 0);
	assert_true(fd >= 0 && direct.unmask_fd == fd);
	assert_int_equal(set(g, GW_IRQ_INTX, GW_IRQ_UNMASK, GW_IRQ_EVENTFD, 0, 1, NULL), 0);
	assert_int_equal(direct.unmask_fd, -1);
	direct.fail_eventfd = -EBUSY;
	assert_int_equal(set(g, GW_IRQ_INTX, GW_IRQ_UNMASK, GW_IRQ_EVENTFD, 0, 1, &fd), -EBUSY);
	direct.fail_eventfd = 0;
	assert_int_equal(set(g, GW_IRQ_INTX, GW_IRQ_MASK, GW_IRQ_EVENTFD, 0, 1, &fd), -EINVAL);
	assert_int_equal(set(g, GW_IRQ_INTX, GW_IRQ_TRIGGER, GW_IRQ_NONE, 0, 0, NULL), 0);
	assert_int_equal(give(g, GW_IRQ_MSIX, 0, fd), 0);
	assert_int_equal(set(g, GW_IRQ_MSIX, GW_IRQ_UNMASK, GW_IRQ_EVENTFD, 0, 1, &fd), -EINVAL);
	close(fd);
}

static void intx_has_its_pin_and_is_masked_by_the_host(void **state)
{
	struct guest *g = *state;
	struct gw_irq_info info;
	uint8_t pin = 0;
	int fd = event();

	g->dev->ops->irq_info(g->dev, GW_IRQ_INTX, &info);
	assert_int_equal(info.count, 1);
	assert_int_equal(info.flags, GW_IRQ_F_EVENTFD | GW_IRQ_F_MASKABLE | GW_IRQ_F_AUTOMASKED);
	assert_int_equal(g->dev->ops->region_read(g->dev, GW_REGION_CONFIG, GW_PCI_INT_PIN, &pin, 1),
			 0);
	assert_int_equal(pin, 1);
	assert_int_equal(set(g, GW_IRQ_INTX, GW_IRQ_UNMASK, GW_IRQ_NONE, 0, 1, NULL), -EPROTO);
	assert_int_equal(give(g, GW_IRQ_INTX, 0, fd), 0);
	assert_int_equal(direct.index, GW_IRQ_INTX);
	assert_int_equal(give(g, GW_IRQ_MSIX, 0, fd), -EPROTO);
	platform_fires(0);
	assert_int_equal(counted(fd), 1);
	assert_int_equal(set(g, GW_IRQ_INTX, GW_IRQ_UNMASK, GW_IRQ_NONE, 0, 1, NULL), 0);
	assert_int_equal(set(g, GW_IRQ_INTX, GW_IRQ_MASK, GW_IRQ_NONE, 0, 1, NULL), 0);
	assert_true(direct.unmasks == 1 && direct.masks == 1);
	assert_int_equal(set(g, GW_IRQ_INTX, GW_IRQ_TRIGGER, GW_IRQ_NONE, 0, 0, NULL), 0);
	assert_int_equal(give(g, GW_IRQ_MSIX, 0, fd), 0);
	close(fd);
}

static void a_request_of_the_host_reaches_the_vmm(void **state)
{
	struct guest *g = *state;
	int fd = event();

	g->f->sink->request(g->f->sink);	/* nobody listens yet */
	assert_int_equal(give(g, GW_IRQ_REQ, 0, fd), 0);
	g->f->sink->request(g->f->sink);
	assert_int_equal(counted(fd), 1);
	close(fd);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(a_vector_with_an_eventfd_goes_to_the_platform),
		T(a_masked_vector_is_taken_back_and_remembers),
		T(what_fired_before_the_eventfd_came_is_delivered),
		T(where_the_platform_does_not_take_it_the_sink_delivers),
		T(an_index_that_cannot_be_enabled_is_disabled),
		T(intx_can_be_unmasked_by_an_eventfd),
		T(intx_has_its_pin_and_is_masked_by_the_host),
		T(a_request_of_the_host_reaches_the_vmm),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
