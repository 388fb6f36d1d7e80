/* SPDX-License-Identifier: BSD-3-Clause */
#include "function_irq_rig.h"

static void counts_are_what_can_be_honoured(void **state)
{
	static const uint32_t count[] = { 0, 8, 8, 1, 1 };
	struct guest *g = *state;
	struct gw_irq_info info;

	for (int i = 0; i < GW_NR_IRQS; i++) {
		g->dev->ops->irq_info(g->dev, (enum gw_irq)i, &info);
		assert_int_equal(info.count, count[i]);
		assert_int_equal(info.flags & GW_IRQ_F_NORESIZE, 0);
		assert_int_equal(info.flags & GW_IRQ_F_EVENTFD, count[i] ? GW_IRQ_F_EVENTFD : 0);
	}
}

/* As QEMU does it: enabled without an eventfd, then each vector as the guest unmasks it. */
static void a_vector_without_eventfd_is_remembered(void **state)
{
	struct guest *g = *state;
	struct gw_guest_stats stats;
	int fd = event();

	assert_int_equal(g->f->enabled[0], 0);
	assert_int_equal(set(g, GW_IRQ_MSIX, GW_IRQ_TRIGGER, GW_IRQ_EVENTFD, 0, 1, NULL, NULL), 0);
	assert_int_equal(g->f->enabled[0], 0xff);
	fire(g, 3);
	fire(g, 3);
	give(g, GW_IRQ_MSIX, 3, fd);
	assert_int_equal(counted(fd), 1);
	fire(g, 3);
	assert_int_equal(counted(fd), 1);
	assert_int_equal(set(g, GW_IRQ_MSIX, GW_IRQ_TRIGGER, GW_IRQ_EVENTFD, 3, 1, NULL, NULL), 0);
	fire(g, 3);
	assert_int_equal(counted(fd), 0);
	give(g, GW_IRQ_MSIX, 3, fd);
	assert_int_equal(counted(fd), 1);
	gw_guest_function_stats(g->gf, &stats);
	assert_int_equal(stats.irqs, 3);
	assert_string_equal(g->f->trace, "irqs-on ");	/* once for all */
	close(fd);
}

static void all_vectors_come_in_one_message(void **state)
{
	struct guest *g = *state;
	int keep[FAKE_MSIX], fds[FAKE_MSIX];

	for (unsigned int i = 0; i < FAKE_MSIX; i++) {
		keep[i] = event();
		fds[i] = i == 2 ? -1 : fcntl(keep[i], F_DUPFD_CLOEXEC, 0);
	}
	assert_int_equal(set(g, GW_IRQ_MSI, GW_IRQ_TRIGGER, GW_IRQ_EVENTFD, 0, FAKE_MSIX, NULL, fds),
			 0);
	g->f->sink->fire(g->f->sink, (const uint64_t[GW_IRQ_WORDS]){ UINT64_MAX, 1, 2, UINT64_MAX });
	for (unsigned int i = 0; i < FAKE_MSIX; i++) {
		assert_int_equal(counted(keep[i]), i != 2);
		assert_int_equal(fds[i], -1);
		close(keep[i]);
	}
}

static void disable_closes_forgets_and_masks_at_the_host(void **state)
{
	struct guest *g = *state;
	int pipefd[2];
	char c;

	/* the read end tells when the last copy of the write end is closed */
	assert_int_equal(pipe2(pipefd, O_CLOEXEC | O_NONBLOCK), 0);
	give(g, GW_IRQ_MSIX, 1, pipefd[1]);
	fire(g, 2);
	close(pipefd[1]);
	assert_int_equal(read(pipefd[0], &c, 1), -1);
	assert_int_equal(off(g, GW_IRQ_MSI), 0);	/* another index: nothing happens */
	assert_int_equal(g->f->enabled[0], 0xff);
	assert_int_equal(off(g, GW_IRQ_MSIX), 0);
	assert_int_equal(g->f->enabled[0], 0);
	assert_int_equal(read(pipefd[0], &c, 1), 0);
	close(pipefd[0]);

	pipefd[0] = event();
	fire(g, 2);
	give(g, GW_IRQ_MSIX, 2, pipefd[0]);
	assert_int_equal(counted(pipefd[0]), 0);
	close(pipefd[0]);
}

static void masked_vectors_wait(void **state)
{
	static const uint8_t second[] = { 0, 1 };
	struct guest *g = *state;
	int fd = event();

	give(g, GW_IRQ_MSIX, 5, fd);
	assert_int_equal(set(g, GW_IRQ_MSIX, GW_IRQ_MASK, GW_IRQ_BOOL, 4, 2, second, NULL), 0);
	fire(g, 5);
	assert_int_equal(counted(fd), 0);
	assert_int_equal(set(g, GW_IRQ_MSIX, GW_IRQ_UNMASK, GW_IRQ_NONE, 5, 1, NULL, NULL), 0);
	assert_int_equal(counted(fd), 1);
	assert_int_equal(set(g, GW_IRQ_MSIX, GW_IRQ_UNMASK, GW_IRQ_NONE, 5, 1, NULL, NULL), 0);
	assert_int_equal(counted(fd), 0);
	/* a mask does not outlive its index */
	assert_int_equal(set(g, GW_IRQ_MSIX, GW_IRQ_MASK, GW_IRQ_NONE, 5, 1, NULL, NULL), 0);
	assert_int_equal(off(g, GW_IRQ_MSIX), 0);
	give(g, GW_IRQ_MSIX, 5, fd);
	fire(g, 5);
	assert_int_equal(counted(fd), 1);
	close(fd);
}

static void a_client_can_trigger_by_hand(void **state)
{
	static const uint8_t second[] = { 0, 1 };
	struct guest *g = *state;
	int a = event(), b = event();

	give(g, GW_IRQ_MSIX, 0, a);
	give(g, GW_IRQ_MSIX, 1, b);
	assert_int_equal(set(g, GW_IRQ_MSIX, GW_IRQ_TRIGGER, GW_IRQ_NONE, 0, 2, NULL, NULL), 0);
	assert_int_equal(set(g, GW_IRQ_MSIX, GW_IRQ_TRIGGER, GW_IRQ_BOOL, 0, 2, second, NULL), 0);
	assert_int_equal(counted(a), 1);
	assert_int_equal(counted(b), 2);
	close(a);
	close(b);
}

static void what_makes_no_sense_is_refused(void **state)
{
	struct guest *g = *state;
	int fd = event(), one = fd;

	assert_int_equal(set(g, GW_IRQ_INTX, GW_IRQ_TRIGGER, GW_IRQ_EVENTFD, 0, 1, NULL, &one),
			 -EINVAL);
	assert_int_equal(off(g, GW_IRQ_INTX), 0);
	assert_int_equal(set(g, GW_IRQ_MSIX, GW_IRQ_TRIGGER, GW_IRQ_EVENTFD, 8, 1, NULL, &one),
			 -EINVAL);
	assert_int_equal(set(g, GW_IRQ_MSIX, GW_IRQ_TRIGGER, GW_IRQ_EVENTFD, 1, 8, NULL, &one),
			 -EINVAL);
	assert_int_equal(set(g, GW_IRQ_MSIX, GW_IRQ_TRIGGER, GW_IRQ_EVENTFD, 1, UINT32_MAX, NULL,
			     &one), -EINVAL);
	assert_int_equal(set(g, GW_IRQ_MSIX, GW_IRQ_MASK, GW_IRQ_EVENTFD, 0, 1, NULL, &one),
			 -EINVAL);
	assert_int_equal(set(g, GW_IRQ_MSIX, GW_IRQ_MASK, GW_IRQ_NONE, 0, 1, NULL, NULL), -EPROTO);
	assert_int_equal(set(g, GW_NR_IRQS, GW_IRQ_TRIGGER, GW_IRQ_NONE, 0, 0, NULL, NULL), -EINVAL);
	assert_int_equal(set(g, GW_IRQ_ERR, GW_IRQ_TRIGGER, GW_IRQ_EVENTFD, 0, 2, NULL,
			     (int[]){ one, one }), -EINVAL);
	assert_int_equal(set(g, GW_IRQ_ERR, GW_IRQ_TRIGGER, GW_IRQ_EVENTFD, 1, 1, NULL, &one),
			 -EINVAL);
	assert_int_equal(set(g, GW_IRQ_REQ, GW_IRQ_TRIGGER, GW_IRQ_BOOL, 0, 0, NULL, NULL),
			 -EINVAL);
	assert_int_equal(set(g, GW_IRQ_MSIX, GW_IRQ_MASK, GW_IRQ_NONE, 0, 0, NULL, NULL), -EINVAL);
	assert_int_equal(set(g, GW_IRQ_MSIX, GW_IRQ_TRIGGER, GW_IRQ_NONE, 1, 0, NULL, NULL),
			 -EINVAL);
	assert_int_equal(one, fd);		/* still the caller's */
	give(g, GW_IRQ_MSIX, 0, fd);
	assert_int_equal(set(g, GW_IRQ_MSI, GW_IRQ_TRIGGER, GW_IRQ_EVENTFD, 0, 1, NULL, &one),
			 -EPROTO);
	close(fd);
}

static void a_host_that_does_not_unmask_leaves_it_disabled(void **state)
{
	struct guest *g = *state;
	int fd = event(), copy = fcntl(fd, F_DUPFD_CLOEXEC, 0);

	g->f->fail_irq_mask = -EIO;
	assert_int_equal(set(g, GW_IRQ_MSIX, GW_IRQ_TRIGGER, GW_IRQ_EVENTFD, 0, 1, NULL, &copy),
			 -EIO);
	assert_int_equal(copy, -1);
	g->f->fail_irq_mask = 0;
	fire(g, 0);
	assert_int_equal(counted(fd), 0);
	give(g, GW_IRQ_MSI, 0, fd);
	close(fd);
}

/* QEMU stops the guest when it hears of one, so nothing else may be taken for it. */
static void the_vmm_hears_of_errors_and_of_nothing_else_by_their_eventfd(void **state)
{
	struct guest *g = *state;
	int fd = event(), other = event();

	g->f->sink->error(g->f->sink);		/* nobody listens yet */
	give(g, GW_IRQ_ERR, 0, fd);
	give(g, GW_IRQ_REQ, 0, other);
	assert_int_equal(set(g, GW_IRQ_ERR, GW_IRQ_MASK, GW_IRQ_NONE, 0, 1, NULL, NULL), -EINVAL);
	g->f->sink->request(g->f->sink);
	fire(g, 0);
	assert_int_equal(counted(fd), 0);
	assert_int_equal(counted(other), 1);
	g->f->sink->error(g->f->sink);
	assert_int_equal(counted(fd), 1);
	assert_int_equal(counted(other), 0);
	/* taken away, as QEMU does it before an unplug */
	assert_int_equal(set(g, GW_IRQ_ERR, GW_IRQ_TRIGGER, GW_IRQ_EVENTFD, 0, 1, NULL, NULL), 0);
	g->f->sink->error(g->f->sink);
	assert_int_equal(counted(fd), 0);
	close(fd);
	close(other);
}

static void the_vmm_hears_that_the_function_has_gone(void **state)
{
	static const uint8_t yes = 1, no = 0;
	struct guest *g = *state;
	int fd = event();

	give(g, GW_IRQ_REQ, 0, fd);
	assert_int_equal(set(g, GW_IRQ_REQ, GW_IRQ_TRIGGER, GW_IRQ_BOOL, 0, 1, &yes, NULL), 0);
	assert_int_equal(set(g, GW_IRQ_REQ, GW_IRQ_TRIGGER, GW_IRQ_BOOL, 0, 1, &no, NULL), 0);
	assert_int_equal(set(g, GW_IRQ_REQ, GW_IRQ_MASK, GW_IRQ_NONE, 0, 1, NULL, NULL), -EINVAL);
	assert_int_equal(counted(fd), 1);
	g->f->fail_config = -ENODEV;
	guest_get(g, 0, 4);
	guest_get(g, 0, 4);
	assert_int_equal(counted(fd), 1);
	assert_int_equal(off(g, GW_IRQ_REQ), 0);
	close(fd);
}

static void a_vmm_is_told_at_once_that_the_function_has_gone(void **state)
{
	struct guest *g = *state;
	int fd = event(), late = event();

	give(g, GW_IRQ_REQ, 0, fd);
	gw_guest_function_gone(g->gf);
	gw_guest_function_gone(g->gf);
	assert_int_equal(counted(fd), 1);
	assert_int_equal(g->f->errors, 1);
	assert_int_equal(guest_get(g, 0, 4), UINT32_MAX);
	/* it may come too late to hear of it so */
	give(g, GW_IRQ_REQ, 0, late);
	assert_int_equal(counted(late), 1);
	assert_int_equal(counted(fd), 0);
	/* once is enough */
	assert_int_equal(off(g, GW_IRQ_MSIX), 0);
	assert_int_equal(counted(late), 0);
	assert_int_equal(off(g, GW_IRQ_REQ), 0);
	close(fd);
	close(late);
}

static void flr_keeps_eventfds_and_reset_does_not(void **state)
{
	struct guest *g = *state;
	int fd = event();

	give(g, GW_IRQ_MSIX, 0, fd);
	fire(g, 1);
	guest_put(g, 0x88, 2, 0x8000);
	fire(g, 0);
	assert_int_equal(counted(fd), 1);
	give(g, GW_IRQ_MSIX, 1, fd);		/* it fired before the reset: forgotten */
	assert_int_equal(counted(fd), 0);
	assert_int_equal(g->dev->ops->reset(g->dev), 0);
	fire(g, 0);
	assert_int_equal(counted(fd), 0);
	assert_int_equal(g->f->enabled[0], 0);
	close(fd);
}

static void a_function_without_interrupts_shows_none(void **state)
{
	struct fake *f = fake_new();
	struct gw_irq_info info;
	struct guest *g;

	f->fail_irq_setup = -EOPNOTSUPP;
	g = guest_open(f);
	g->dev->ops->irq_info(g->dev, GW_IRQ_MSIX, &info);
	assert_int_equal(info.count, 0);
	g->dev->ops->irq_info(g->dev, GW_IRQ_MSI, &info);
	assert_int_equal(info.count, 0);
	guest_close(g);
}

struct heard {
	struct gw_irq_call call;
	_Atomic unsigned int nr;
	enum gw_irq index;
	uint32_t vector;
};

static void hear(struct gw_irq_call *call, enum gw_irq index, uint32_t vector)
{
	struct heard *h = container_of(call, struct heard, call);

	h->index = index;
	h->vector = vector;
	h->nr++;
}

static int set_call(struct guest *g, enum gw_irq index, uint32_t start, uint32_t count,
		    struct gw_irq_call *call)
{
	struct gw_irq_set s = { .index = index, .action = GW_IRQ_TRIGGER, .data = GW_IRQ_CALL,
				.start = start, .count = count, .call = call };

	return g->dev->ops->irq_set(g->dev, &s);
}

static void a_program_is_called_instead(void **state)
{
	struct heard h = { .call.fire = hear };
	struct guest *g = *state;

	assert_int_equal(set_call(g, GW_IRQ_MSIX, 0, FAKE_MSIX, NULL), 0);
	fire(g, 5);
	assert_int_equal(set_call(g, GW_IRQ_MSIX, 0, FAKE_MSIX, &h.call), 0);
	assert_int_equal(h.nr, 1);	/* what fired before is not lost */
	assert_int_equal(h.index, GW_IRQ_MSIX);
	assert_int_equal(h.vector, 5);
	fire(g, 2);
	assert_int_equal(h.nr, 2);
	assert_int_equal(h.vector, 2);
	assert_int_equal(off(g, GW_IRQ_MSIX), 0);
	fire(g, 2);
	assert_int_equal(h.nr, 2);
	assert_int_equal(set_call(g, GW_IRQ_REQ, 0, 1, &h.call), 0);
	gw_guest_function_gone(g->gf);
	assert_int_equal(h.nr, 3);
	assert_int_equal(h.index, GW_IRQ_REQ);
}

static void eventfd_and_call_replace_each_other(void **state)
{
	struct heard h = { .call.fire = hear };
	struct guest *g = *state;
	int fd = event();

	give(g, GW_IRQ_MSI, 1, fd);
	assert_int_equal(set_call(g, GW_IRQ_MSI, 1, 1, &h.call), 0);
	fire(g, 1);
	assert_int_equal(h.nr, 1);
	assert_int_equal(counted(fd), 0);
	give(g, GW_IRQ_MSI, 1, fd);
	fire(g, 1);
	assert_int_equal(h.nr, 1);
	assert_int_equal(counted(fd), 1);
	close(fd);
}

static void a_call_can_only_be_triggered(void **state)
{
	struct heard h = { .call.fire = hear };
	struct gw_irq_set s = { .index = GW_IRQ_MSIX, .action = GW_IRQ_UNMASK, .data = GW_IRQ_CALL,
				.count = 1, .call = &h.call };
	struct guest *g = *state;

	assert_int_equal(g->dev->ops->irq_set(g->dev, &s), -EINVAL);
	s.action = GW_IRQ_MASK;
	assert_int_equal(g->dev->ops->irq_set(g->dev, &s), -EINVAL);
	assert_int_equal(set_call(g, GW_IRQ_MSIX, FAKE_MSIX, 1, &h.call), -EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(counts_are_what_can_be_honoured),
		T(a_vector_without_eventfd_is_remembered),
		T(all_vectors_come_in_one_message),
		T(disable_closes_forgets_and_masks_at_the_host),
		T(masked_vectors_wait),
		T(a_client_can_trigger_by_hand),
		T(what_makes_no_sense_is_refused),
		T(a_host_that_does_not_unmask_leaves_it_disabled),
		T(the_vmm_hears_of_errors_and_of_nothing_else_by_their_eventfd),
		T(the_vmm_hears_that_the_function_has_gone),
		T(a_vmm_is_told_at_once_that_the_function_has_gone),
		T(flr_keeps_eventfds_and_reset_does_not),
		T(a_program_is_called_instead),
		T(eventfd_and_call_replace_each_other),
		T(a_call_can_only_be_triggered),
		cmocka_unit_test(a_function_without_interrupts_shows_none),
	};

	return cmocka_run_group_tests_name("guest irqs", tests, NULL, NULL);
}
