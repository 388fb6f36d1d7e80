/* SPDX-License-Identifier: BSD-3-Clause */
/* Interrupts, the errors that a function reports, and the kernel that wants it back. */
#include "vfio_rig.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "host/vfio/function.h"

static void wait_fired(struct rig *r, uint64_t mask)
{
	pthread_mutex_lock(&r->lock);
	while ((r->fired & mask) != mask)
		pthread_cond_wait(&r->changed, &r->lock);
	r->fired = 0;
	pthread_mutex_unlock(&r->lock);
}

/* Until the sink has been told so often of a request and of an error, and no oftener. */
static void wait_told(struct rig *r, unsigned int requests, unsigned int errors)
{
	bool more;

	pthread_mutex_lock(&r->lock);
	while (r->requests < requests || r->errors < errors)
		pthread_cond_wait(&r->changed, &r->lock);
	more = r->requests > requests || r->errors > errors;
	pthread_mutex_unlock(&r->lock);
	assert_false(more);
}

static int irqs_setup(struct rig *r)
{
	unsigned int nr;
	int ret = r->f->ops->irq_setup(r->f, &r->sink, &nr);

	if (!ret)
		assert_int_equal(nr, FAKE_VECTORS);
	return ret;
}

static void an_eventfd_of_the_vmm_is_signalled_by_the_kernel_itself(void **state)
{
	struct rig *r = *state;
	const uint64_t all[GW_IRQ_WORDS] = { 0xff };
	int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	uint64_t n;

	assert_int_equal(irqs_setup(r), 0);
	assert_int_equal(irqs_setup(r), -EBUSY);
	assert_int_equal(r->f->ops->irq->eventfd(r->f, GW_IRQ_MSIX, 0, fd), -EPROTO);
	assert_int_equal(r->f->ops->irq->enable(r->f, GW_IRQ_MSIX, FAKE_VECTORS + 1), -EINVAL);
	assert_int_equal(r->f->ops->irq_mask(r->f, all), 0);
	assert_int_equal(r->f->ops->irq->enable(r->f, GW_IRQ_MSIX, FAKE_VECTORS), 0);
	assert_int_equal(r->f->ops->irq->enable(r->f, GW_IRQ_MSI, 1), -EBUSY);

	fake_fire(GW_IRQ_MSIX, 3);	/* nobody's yet: by the sink */
	wait_fired(r, 1 << 3);
	assert_int_equal(r->f->ops->irq->eventfd(r->f, GW_IRQ_MSIX, FAKE_VECTORS, fd), -EINVAL);
	assert_int_equal(r->f->ops->irq->eventfd(r->f, GW_IRQ_MSIX, 3, fd), 0);
	fake_fire(GW_IRQ_MSIX, 3);
	assert_int_equal(read(fd, &n, sizeof(n)), sizeof(n));
	fake_fire(GW_IRQ_MSIX, 4);
	wait_fired(r, 1 << 4);
	assert_int_equal(read(fd, &n, sizeof(n)), -1);
	assert_int_equal(r->f->ops->irq->eventfd(r->f, GW_IRQ_MSIX, 3, -1), 0);
	fake_fire(GW_IRQ_MSIX, 3);
	wait_fired(r, 1 << 3);
	assert_int_equal(r->f->ops->irq->enable(r->f, GW_IRQ_MSIX, 0), 0);
	assert_int_equal(fake.irq[GW_IRQ_MSIX][3], -1);
	close(fd);
}

static void interrupts_can_be_taken_down_and_set_up_again(void **state)
{
	struct rig *r = *state;
	const uint64_t all[GW_IRQ_WORDS] = { 0xff };

	r->f->ops->irq_teardown(r->f);		/* of nothing */
	assert_int_equal(irqs_setup(r), 0);
	assert_int_equal(r->f->ops->irq_mask(r->f, all), 0);
	assert_int_equal(r->f->ops->irq->enable(r->f, GW_IRQ_MSIX, FAKE_VECTORS), 0);
	r->f->ops->irq_teardown(r->f);
	assert_int_equal(fake.irq[GW_IRQ_MSIX][3], -1);
	assert_int_equal(irqs_setup(r), 0);
	assert_int_equal(r->f->ops->irq->enable(r->f, GW_IRQ_MSI, 1), 0);
	fake_fire(GW_IRQ_MSI, 0);
	wait_fired(r, 1);
}

static void too_few_vectors_left_is_an_error(void **state)
{
	struct rig *r = *state;

	assert_int_equal(irqs_setup(r), 0);
	fake.fail_irqs = 3;
	assert_int_equal(r->f->ops->irq->enable(r->f, GW_IRQ_MSIX, FAKE_VECTORS), -ENOSPC);
	fake.fail_irqs = 0;
	assert_int_equal(r->f->ops->irq->enable(r->f, GW_IRQ_MSI, 1), 0);
}

static void intx_is_masked_and_unmasked_at_the_kernel(void **state)
{
	struct rig *r = *state;

	assert_true(r->f->intx);
	assert_int_equal(r->f->ops->irq->intx_mask(r->f, true), 0);
	assert_int_equal(r->f->ops->irq->intx_mask(r->f, false), 0);
	assert_true(fake.masks == 1 && fake.unmasks == 1);
}

static void unmask_by(struct rig *r, int fd)
{
	assert_int_equal(r->f->ops->irq->intx_unmask_fd(r->f, fd), 0);
	assert_int_equal(fake.unmask_fd, fd);
}

static void intx_is_unmasked_by_one_eventfd_at_a_time(void **state)
{
	struct rig *r = *state;

	assert_int_equal(irqs_setup(r), 0);
	assert_int_equal(r->f->ops->irq->intx_unmask_fd(r->f, 7), -EPROTO);
	assert_int_equal(r->f->ops->irq->enable(r->f, GW_IRQ_INTX, 1), 0);
	unmask_by(r, 7);
	unmask_by(r, 8);
	unmask_by(r, -1);
	fake.fail_irqs = -EINVAL;
	assert_int_equal(r->f->ops->irq->intx_unmask_fd(r->f, 7), -EINVAL);
	fake.fail_irqs = 0;
	assert_int_equal(r->f->ops->irq->enable(r->f, GW_IRQ_INTX, 0), 0);
	assert_int_equal(r->f->ops->irq->intx_unmask_fd(r->f, 7), -EPROTO);
	assert_int_equal(r->f->ops->irq->enable(r->f, GW_IRQ_MSIX, 1), 0);
	assert_int_equal(r->f->ops->irq->intx_unmask_fd(r->f, 7), -EPROTO);
}

static void an_error_of_the_function_is_handed_on(void **state)
{
	struct rig *r = *state;

	assert_int_equal(irqs_setup(r), 0);
	fake_fire(GW_IRQ_ERR, 0);
	wait_told(r, 0, 1);
	assert_true(fake_logged("0000:01:00.0: the function reported an error"));
}

static void wait_gone(struct gw_function *f)
{
	struct pollfd p = { .events = POLLIN };

	assert_int_equal(f->ops->gone(f, &p.fd), 0);
	assert_int_equal(poll(&p, 1, -1), 1);
}

/* With @m mapped, the kernel has asked for the function. */
static void wanted_back(struct rig *r, struct gw_mapping *m)
{
	assert_int_equal(irqs_setup(r), 0);
	assert_int_equal(map(r, 0, 0x10000, 1, m), 0);
	fake_fire(GW_IRQ_REQ, 0);
	wait_told(r, 1, 0);
}

static void a_function_that_the_kernel_wants_back_goes_when_nothing_is_mapped(void **state)
{
	struct rig *r = *state;
	struct gw_mapping m;
	uint32_t val;

	wanted_back(r, &m);
	assert_int_equal(r->f->ops->config_read(r->f, 0, 4, &val), 0);
	assert_int_equal(unmap(r, &m), 0);
	wait_gone(r->f);
	assert_int_equal(r->f->ops->config_read(r->f, 0, 4, &val), -ENODEV);
	assert_int_equal(map(r, 0, 0x10000, 1, &m), -ENODEV);
	assert_int_equal(r->f->ops->reset(r->f), -ENODEV);
	assert_int_equal(r->f->ops->irq->enable(r->f, GW_IRQ_INTX, 1), -ENODEV);
	assert_int_equal(r->f->ops->irq->eventfd(r->f, GW_IRQ_MSIX, 0, -1), -ENODEV);
	assert_int_equal(r->f->ops->irq->intx_mask(r->f, true), -ENODEV);
	assert_int_equal(r->f->ops->irq->intx_unmask_fd(r->f, 7), -ENODEV);
}

static void a_function_that_is_not_let_go_is_taken_when_the_kernel_asks_again(void **state)
{
	struct rig *r = *state;
	struct gw_mapping m;

	gw_vfio_fn(r->f)->irqs.patience = 0;
	wanted_back(r, &m);
	fake_fire(GW_IRQ_REQ, 0);
	wait_gone(r->f);
	assert_true(fake_logged("did not let go in time"));
	assert_int_equal(unmap(r, &m), -ENODEV);
	assert_int_equal(fake.nr_maps, 0);
}

/* Whoever waits for the kernel got a signal: then it asks once more, and no time has passed. */
static void a_kernel_that_asks_twice_at_once_leaves_the_vmm_its_time(void **state)
{
	struct rig *r = *state;
	struct gw_mapping m;
	uint32_t val;

	wanted_back(r, &m);
	for (unsigned int i = 0; i < 100; i++) {
		fake_fire(GW_IRQ_REQ, 0);
		assert_int_equal(r->f->ops->config_read(r->f, 0, 4, &val), 0);
	}
	assert_int_equal(unmap(r, &m), 0);
	wait_gone(r->f);
	assert_false(fake_logged("did not let go in time"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		OPEN(an_eventfd_of_the_vmm_is_signalled_by_the_kernel_itself),
		OPEN(interrupts_can_be_taken_down_and_set_up_again),
		OPEN(too_few_vectors_left_is_an_error),
		OPEN(intx_is_unmasked_by_one_eventfd_at_a_time),
		OPEN(intx_is_masked_and_unmasked_at_the_kernel),
		OPEN(an_error_of_the_function_is_handed_on),
		OPEN(a_function_that_the_kernel_wants_back_goes_when_nothing_is_mapped),
		OPEN(a_function_that_is_not_let_go_is_taken_when_the_kernel_asks_again),
		OPEN(a_kernel_that_asks_twice_at_once_leaves_the_vmm_its_time),
	};

	return cmocka_run_group_tests_name("vfio_irqs", tests, NULL, NULL);
}
