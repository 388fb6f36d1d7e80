/* SPDX-License-Identifier: BSD-3-Clause */
#include "nvme_sim_rig.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <sys/file.h>

#include "devices/nvme/ring.h"

/*
 * A disk whose file does not answer: the worker's own write sleeps, or the ring holds what it has
 * finished. What waits for it gives up at once, so that no test depends on time.
 */

static struct {
	pthread_mutex_t lock;
	pthread_cond_t changed;
	bool frozen;
	unsigned int asleep;
	_Atomic bool ring_frozen;
	_Atomic bool held;		/* something of a command's by the ring */
} ice = { .lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER };

ssize_t __real_pwritev64(int fd, const struct iovec *iov, int nr, off_t off);
ssize_t __wrap_pwritev64(int fd, const struct iovec *iov, int nr, off_t off);
unsigned int __real_io_uring_peek_batch_cqe(struct io_uring *ring, struct io_uring_cqe **cqe,
					    unsigned int nr);
unsigned int __wrap_io_uring_peek_batch_cqe(struct io_uring *ring, struct io_uring_cqe **cqe,
					    unsigned int nr);

ssize_t __wrap_pwritev64(int fd, const struct iovec *iov, int nr, off_t off)
{
	pthread_mutex_lock(&ice.lock);
	ice.asleep++;
	pthread_cond_broadcast(&ice.changed);
	while (ice.frozen)
		pthread_cond_wait(&ice.changed, &ice.lock);
	ice.asleep--;
	pthread_mutex_unlock(&ice.lock);
	return __real_pwritev64(fd, iov, nr, off);
}

unsigned int __wrap_io_uring_peek_batch_cqe(struct io_uring *ring, struct io_uring_cqe **cqe,
					    unsigned int nr)
{
	unsigned int got = __real_io_uring_peek_batch_cqe(ring, cqe, nr);

	if (!atomic_load(&ice.ring_frozen))
		return got;
	/* peeking takes nothing; 0 and 1 are of no command's */
	for (unsigned int i = 0; i < got; i++)
		if (cqe[i]->user_data > NVME_RING_WAKE)
			atomic_store(&ice.held, true);
	return 0;
}

static void freeze(bool on)
{
	pthread_mutex_lock(&ice.lock);
	ice.frozen = on;
	pthread_cond_broadcast(&ice.changed);
	pthread_mutex_unlock(&ice.lock);
}

static void await_asleep(void)
{
	pthread_mutex_lock(&ice.lock);
	while (!ice.asleep)
		pthread_cond_wait(&ice.changed, &ice.lock);
	pthread_mutex_unlock(&ice.lock);
}

static uint64_t stalled(struct rig *r)
{
	struct gw_sim_stats stats;

	gw_sim_stats(r->sim, &stats);
	return stats.stalled;
}

static void await_not_stalled(struct rig *r)
{
	uint64_t end = gw_now_ns() + 60000000000ull;

	while (stalled(r)) {
		assert_true(gw_now_ns() < end);
		sched_yield();
	}
}

static uint32_t csts(struct rig *r)
{
	uint64_t val;

	assert_int_equal(r->fn->ops->reg_read(r->fn, 0, (gw_bar_off){ NVME_REG_CSTS }, 4, &val), 0);
	return (uint32_t)val;
}

static uint8_t first_byte(struct rig *r)
{
	int fd = open(r->path, O_RDONLY);
	uint8_t byte;

	assert_int_equal(pread(fd, &byte, 1, 0), 1);
	close(fd);
	return byte;
}

/* All that sleeps goes on, and from now on what takes long is waited for. */
static void thaw(struct rig *r)
{
	to_nvme(r->ep)->ctl.patience_ns = 60000000000ull;
	atomic_store(&ice.ring_frozen, false);
	freeze(false);
}

/* A write of @byte to the first block is under way, and does not end. */
static void hang(struct rig *r, uint8_t byte)
{
	to_nvme(r->ep)->ctl.patience_ns = 0;
	enable(r);
	memset(r->mem + DATA, byte, 4096);
	freeze(true);
	begin(r, 1, piece(r, NVME_IO_WRITE, 0, DATA));
	await_asleep();
}

static void works(struct rig *r)
{
	command_register(r, 6);
	enable(r);
	memset(r->mem + DATA, 0x77, 4096);
	move(r, NVME_IO_WRITE, 0, DATA);
	assert_int_equal(first_byte(r), 0x77);
}

static void a_reset_fails_until_the_write_is_back_and_then_succeeds(void **state)
{
	struct rig *r = *state;

	hang(r, 0x11);
	assert_int_equal(r->fn->ops->reset(r->fn), -ETIMEDOUT);
	assert_int_equal(r->fn->ops->reset(r->fn), -ETIMEDOUT);
	assert_int_equal(csts(r), UINT32_MAX);
	assert_int_equal(stalled(r), 1);
	assert_int_equal(first_byte(r), 0);
	thaw(r);
	await_not_stalled(r);
	assert_int_equal(first_byte(r), 0x11);
	assert_int_equal(r->fn->ops->reset(r->fn), 0);
	works(r);
}

static void memory_stays_mapped_until_the_write_is_back(void **state)
{
	struct gw_memory mem = { .addr = ((struct rig *)*state)->mem };
	struct rig *r = *state;
	struct gw_sim_stats stats;

	hang(r, 0x22);
	assert_int_equal(r->fn->ops->reset(r->fn), -ETIMEDOUT);
	assert_int_equal(r->fn->ops->dma_unmap(r->fn, r->map.handle), -ETIMEDOUT);
	gw_sim_stats(r->sim, &stats);
	assert_int_equal(stats.live_maps, 1);
	memset(r->mem + DATA, 0x23, 4096);	/* it is still read from here */
	thaw(r);
	await_not_stalled(r);
	assert_int_equal(first_byte(r), 0x23);
	assert_int_equal(r->fn->ops->dma_unmap(r->fn, r->map.handle), 0);
	assert_int_equal(r->fn->ops->reset(r->fn), 0);
	assert_int_equal(r->fn->ops->dma_map(r->fn, &mem, MEM, NULL, &r->map), 0);
	works(r);
}

static void who_does_not_let_go_of_memory_is_off_the_bus_until_a_reset(void **state)
{
	struct rig *r = *state;
	struct gw_memory mem = { .addr = r->mem };

	hang(r, 0x33);
	assert_int_equal(r->fn->ops->dma_unmap(r->fn, r->map.handle), -ETIMEDOUT);
	assert_int_equal(csts(r), UINT32_MAX);
	thaw(r);
	command_register(r, 6);
	await_not_stalled(r);
	command_register(r, 6);
	assert_int_equal(csts(r), UINT32_MAX);
	assert_int_equal(r->fn->ops->reset(r->fn), 0);
	assert_int_equal(r->fn->ops->dma_unmap(r->fn, r->map.handle), 0);
	assert_int_equal(r->fn->ops->dma_map(r->fn, &mem, MEM, NULL, &r->map), 0);
	works(r);
}

static void bus_mastering_goes_off_and_comes_back_once_the_write_is(void **state)
{
	struct rig *r = *state;

	hang(r, 0x44);
	command_register(r, 2);
	assert_int_equal(csts(r), UINT32_MAX);
	command_register(r, 6);
	assert_int_equal(csts(r), UINT32_MAX);
	thaw(r);
	await_not_stalled(r);
	command_register(r, 6);
	end(r, 1);
	assert_int_equal(csts(r), NVME_CSTS_RDY);
	move(r, NVME_IO_READ, 0, 2 * DATA);
	assert_int_equal(r->mem[2 * DATA], 0x44);
}

static void a_controller_that_cannot_be_disabled_in_time_says_so_until_it_is(void **state)
{
	struct rig *r = *state;

	hang(r, 0x55);
	set(r, NVME_REG_CC, 4, 0);
	assert_int_equal(csts(r), NVME_CSTS_RDY);
	to_nvme(r->ep)->regs.disable_by = 1;	/* CAP.TO is over */
	assert_int_equal(csts(r), NVME_CSTS_RDY | NVME_CSTS_CFS);
	thaw(r);
	await_csts(r, 0);
	assert_int_equal(first_byte(r), 0x55);
	works(r);
}

static _Atomic unsigned int lines;

static void count_line(void *opaque, enum gw_log_level level, const char *line)
{
	lines += strstr(line, "does not answer") || strstr(line, "answers again");
}

/* Have the log of the disk say as many more lines as that, in the next seconds. */
static void limit(struct rig *r, unsigned int left)
{
	struct gw_log *log = to_nvme(r->ep)->log;

	log->level = GW_LOG_WARN;
	log->write = count_line;
	atomic_store(&log->window_start, gw_now_ns());
	atomic_store(&log->in_window, 10 - left);
	lines = 0;
}

static void a_stall_that_was_not_logged_has_no_end_in_the_log(void **state)
{
	struct rig *r = *state;

	for (unsigned int left = 0; left < 2; left++) {
		hang(r, 0x57);
		limit(r, left);
		assert_int_equal(r->fn->ops->reset(r->fn), -ETIMEDOUT);
		assert_int_equal(lines, left);
		thaw(r);
		await_not_stalled(r);
		assert_int_equal(r->fn->ops->reset(r->fn), 0);
		assert_int_equal(lines, 2 * left);
		command_register(r, 6);

		hang(r, 0x58);
		set(r, NVME_REG_CC, 4, 0);
		to_nvme(r->ep)->regs.disable_by = 1;
		limit(r, left);
		assert_int_equal(csts(r), NVME_CSTS_RDY | NVME_CSTS_CFS);
		assert_int_equal(lines, left);
		thaw(r);
		await_csts(r, 0);
		works(r);	/* so the worker has gone on */
		assert_int_equal(lines, 2 * left);
		set(r, NVME_REG_CC, 4, 0);
		await_csts(r, 0);
	}
}

/* A read from the disk that the ring does not give back: its memory is not taken away. */
static void commands_in_the_ring_are_waited_for_likewise(void **state)
{
	struct rig *r = *state;

	to_nvme(r->ep)->ctl.patience_ns = 0;
	enable(r);
	atomic_store(&ice.ring_frozen, true);
	begin(r, 1, (struct nvme_sqe){ .opcode = NVME_IO_WRITE, .nsid = 1, .prp1 = iova(r, DATA),
				       .cdw12 = 7 | 1u << 30 });	/* through the cache */
	while (!atomic_load(&ice.held))
		sched_yield();
	assert_int_equal(r->fn->ops->reset(r->fn), -ETIMEDOUT);
	assert_int_equal(r->fn->ops->dma_unmap(r->fn, r->map.handle), -ETIMEDOUT);
	thaw(r);
	await_not_stalled(r);
	assert_int_equal(r->fn->ops->reset(r->fn), 0);
	works(r);
}

/* Whoever has nothing left but a controller that does not end: it frees itself, and its file. */
static void the_host_is_freed_while_the_file_does_not_answer(void **state)
{
	static const void *volatile kept;	/* of the bus, which stays */
	struct rig *r = *state;
	uint64_t until = gw_now_ns() + 60000000000ull;
	int fd;

	hang(r, 0x66);
	kept = r->ep->bus;
	assert_non_null((const void *)kept);
	r->fn->ops->close(r->fn);
	r->host->ops->free(r->host);
	gw_sim_free(r->sim);
	fd = open(r->path, O_RDWR);
	assert_int_equal(flock(fd, LOCK_EX | LOCK_NB), -1);
	freeze(false);
	while (flock(fd, LOCK_EX | LOCK_NB)) {
		assert_true(gw_now_ns() < until);
		sched_yield();
	}
	close(fd);
	assert_int_equal(first_byte(r), 0x66);
	close(r->sink.fd);
	unlink(r->path);
	free(r->mem);
	free(r);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(a_reset_fails_until_the_write_is_back_and_then_succeeds),
		T(memory_stays_mapped_until_the_write_is_back),
		T(who_does_not_let_go_of_memory_is_off_the_bus_until_a_reset),
		T(bus_mastering_goes_off_and_comes_back_once_the_write_is),
		T(a_controller_that_cannot_be_disabled_in_time_says_so_until_it_is),
		T(a_stall_that_was_not_logged_has_no_end_in_the_log),
		T(commands_in_the_ring_are_waited_for_likewise),
		cmocka_unit_test_setup(the_host_is_freed_while_the_file_does_not_answer, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
