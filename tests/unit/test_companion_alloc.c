/* SPDX-License-Identifier: BSD-3-Clause */
/* Each allocation and each system call that a companion makes fails in turn. */
#include "unit.h"

#include "companion_rig.h"

/* The linker sends these calls here (--wrap); the @fail_at-th of them fails. */
static unsigned int fail_at, calls;

static bool fails(void)
{
	return fail_at && ++calls == fail_at;
}

void *__real_calloc(size_t n, size_t size);
void *__real_malloc(size_t size);
void *__real_realloc(void *p, size_t size);
void *__real_mmap64(void *addr, size_t len, int prot, int flags, int fd, off_t off);
int __real_memfd_create(const char *name, unsigned int flags);
int __real_ftruncate64(int fd, off_t len);
int __real_pthread_create(pthread_t *t, const pthread_attr_t *a, void *(*run)(void *), void *arg);
void *__wrap_calloc(size_t n, size_t size);
void *__wrap_malloc(size_t size);
void *__wrap_realloc(void *p, size_t size);
void *__wrap_mmap64(void *addr, size_t len, int prot, int flags, int fd, off_t off);
int __wrap_memfd_create(const char *name, unsigned int flags);
int __wrap_ftruncate64(int fd, off_t len);
int __wrap_pthread_create(pthread_t *t, const pthread_attr_t *a, void *(*run)(void *), void *arg);

void *__wrap_calloc(size_t n, size_t size)
{
	return fails() ? NULL : __real_calloc(n, size);
}

void *__wrap_malloc(size_t size)
{
	return fails() ? NULL : __real_malloc(size);
}

void *__wrap_realloc(void *p, size_t size)
{
	return fails() ? NULL : __real_realloc(p, size);
}

void *__wrap_mmap64(void *addr, size_t len, int prot, int flags, int fd, off_t off)
{
	errno = ENOMEM;
	return fails() ? MAP_FAILED : __real_mmap64(addr, len, prot, flags, fd, off);
}

int __wrap_memfd_create(const char *name, unsigned int flags)
{
	errno = EMFILE;
	return fails() ? -1 : __real_memfd_create(name, flags);
}

int __wrap_ftruncate64(int fd, off_t len)
{
	errno = ENOSPC;
	return fails() ? -1 : __real_ftruncate64(fd, len);
}

int __wrap_pthread_create(pthread_t *t, const pthread_attr_t *a, void *(*run)(void *), void *arg)
{
	return fails() ? EAGAIN : __real_pthread_create(t, a, run, arg);
}

static void a_companion_that_cannot_be_made_leaves_nothing(void **state)
{
	static const int errors[] = { -ENOMEM, -EMFILE, -ENOSPC, -EAGAIN };
	struct rig *r = rig_new(NULL);
	struct gw_companion *c = NULL;
	unsigned int failed = 0;
	bool known;
	int ret;

	r->dev->ops->detach(r->dev);
	gw_companion_free(r->c);
	for (unsigned int at = 1;; at++) {
		fail_at = at;
		calls = 0;
		ret = gw_companion_new(r->gf, NULL, &r->f->log, &c);
		fail_at = 0;
		if (!ret)
			break;
		failed++;
		known = false;
		for (size_t i = 0; i < ARRAY_SIZE(errors); i++)
			known |= ret == errors[i];
		assert_true(known);
	}
	assert_int_equal(failed, 6);	/* itself, its page three times, its memory, its thread */
	r->c = c;
	r->dev = gw_companion_device(c);
	rig_free(r);
}

/* Maps memory over two runs; Return: whether it was mapped, and else nothing is. */
static bool ring_maps(struct rig *r)
{
	uint64_t at = RIG_RAM_GPA + RIG_RAM_SIZE / 2 - 4096;
	struct gw_ring_cqe cqe = rig_ring_do(r, GW_RING_MAP, 0, at, 8192);

	assert_true(cqe.status == GW_STATUS_OK || cqe.status == GW_STATUS_IOERR);
	assert_int_equal(r->nr, cqe.status == GW_STATUS_OK);
	if (cqe.status)
		return false;
	assert_int_equal(rig_ring_do(r, GW_RING_UNMAP, 0, cqe.handle, 0).status, GW_STATUS_OK);
	return true;
}

static bool command_maps(struct rig *r)
{
	const struct gw_cmd_map map = { .gpa = RIG_RAM_GPA, .len = 4096 };
	struct gw_cmd_page page = { .type = GW_CMD_MAP, .count = 1,
				    .request_gpa = RIG_RAM_GPA + 0x1000,
				    .response_gpa = RIG_RAM_GPA + 0x2000 };
	bool ok;

	memcpy(rig_at(r, RIG_RAM_GPA), &page, sizeof(page));
	memcpy(rig_at(r, RIG_RAM_GPA + 0x1000), &map, sizeof(map));
	rig_put64(r, GW_REG_CMD_GPA_LO, RIG_RAM_GPA);
	rig_put(r, GW_REG_DOORBELL, 1);
	ok = rig_get(r, GW_REG_STATUS) == GW_STATUS_OK;
	assert_int_equal(r->nr, ok);
	rig_control(r, GW_CONTROL_UNMAP_ALL);
	return ok;
}

static void split_memory(struct rig *r)
{
	const uint64_t half = RIG_RAM_SIZE / 2;
	uint64_t bytes;

	assert_int_equal(r->fn->ops->dma_unmap(r->fn, (gw_iova){ RIG_RAM_GPA },
					       (gw_iova){ UINT64_MAX }, &bytes), 0);
	assert_int_equal(rig_map_run(r->fn, RIG_RAM_GPA, half, 0, 3, r->ram_fd), 0);
	assert_int_equal(rig_map_run(r->fn, RIG_RAM_GPA + half, half, half, 3, r->ram_fd), 0);
}

/* Return: how often it failed before it did not. */
static unsigned int sweep(bool (*maps)(struct rig *r))
{
	unsigned int at = 0;
	bool ok;

	do {
		struct rig *r = rig_new(NULL);

		split_memory(r);
		assert_true(rig_ring_start(r, GW_RING_MIN_SHIFT));
		/* the host has room already: what fails is ours */
		r->room = 8;
		r->map = calloc(r->room, sizeof(*r->map));
		calls = 0;
		fail_at = ++at;
		ok = maps(r);
		fail_at = 0;
		assert_true(maps(r));
		rig_free(r);
	} while (!ok);
	return at - 1;
}

static void without_memory_a_request_fails_and_the_next_one_does_not(void **state)
{
	assert_int_equal(sweep(ring_maps), 3);		/* table, slots, spans */
	assert_int_equal(sweep(command_maps), 3);	/* name, table, slots */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_companion_that_cannot_be_made_leaves_nothing),
		cmocka_unit_test(without_memory_a_request_fails_and_the_next_one_does_not),
	};

	return cmocka_run_group_tests_name("companion_alloc", tests, NULL, NULL);
}
