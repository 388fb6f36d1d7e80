/* SPDX-License-Identifier: BSD-3-Clause */
#include "alloc_sweep.h"

#include "fds.h"

#include <pthread.h>
#include <sys/mman.h>

#define MOST	1000u		/* calls in one run: a sweep that goes on has no end */

static _Thread_local bool tests;	/* this is the thread that says what fails */
static _Atomic bool elsewhere;
static _Atomic int left;		/* calls up to the one that fails; 0 or less: it was that */
static _Atomic int failed;		/* what it answered */
static unsigned int open_before;

static void order(unsigned int nth, bool others)
{
	if (!nth || nth > MOST)
		fail_msg("call %u is to fail: does the sweep end?", nth);
	open_before = count_fds();
	tests = true;
	elsewhere = others;
	failed = 0;
	left = (int)nth;
}

void alloc_fail(unsigned int nth)
{
	order(nth, false);
}

void alloc_fail_elsewhere(unsigned int nth)
{
	order(nth, true);
}

int alloc_end(void)
{
	left = 0;
	if (failed && !elsewhere)
		assert_int_equal(count_fds(), open_before);
	return -failed;
}

static bool fails(int err)
{
	if (left <= 0 || tests == elsewhere || left-- != 1)
		return false;
	failed = err;
	return true;
}

static bool fails_by_errno(int err)
{
	if (!fails(err))
		return false;
	errno = err;
	return true;
}

void *__real_malloc(size_t size);
void *__real_calloc(size_t n, size_t size);
void *__real_realloc(void *p, size_t size);
void *__real_mmap64(void *addr, size_t len, int prot, int flags, int fd, off_t off);
int __real_memfd_create(const char *name, unsigned int flags);
int __real_ftruncate64(int fd, off_t len);
int __real_eventfd(unsigned int count, int flags);
int __real_socket(int domain, int type, int protocol);
int __real_pipe(int fd[2]);
int __real_pthread_create(pthread_t *t, const pthread_attr_t *a, void *(*run)(void *), void *arg);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t n, size_t size);
void *__wrap_realloc(void *p, size_t size);
void *__wrap_mmap64(void *addr, size_t len, int prot, int flags, int fd, off_t off);
int __wrap_memfd_create(const char *name, unsigned int flags);
int __wrap_ftruncate64(int fd, off_t len);
int __wrap_eventfd(unsigned int count, int flags);
int __wrap_socket(int domain, int type, int protocol);
int __wrap_pipe(int fd[2]);
int __wrap_pthread_create(pthread_t *t, const pthread_attr_t *a, void *(*run)(void *), void *arg);

void *__wrap_malloc(size_t size)
{
	return fails_by_errno(ENOMEM) ? NULL : __real_malloc(size);
}

void *__wrap_calloc(size_t n, size_t size)
{
	return fails_by_errno(ENOMEM) ? NULL : __real_calloc(n, size);
}

void *__wrap_realloc(void *p, size_t size)
{
	return fails_by_errno(ENOMEM) ? NULL : __real_realloc(p, size);
}

void *__wrap_mmap64(void *addr, size_t len, int prot, int flags, int fd, off_t off)
{
	if (fails_by_errno(ENOMEM))
		return MAP_FAILED;
	return __real_mmap64(addr, len, prot, flags, fd, off);
}

int __wrap_memfd_create(const char *name, unsigned int flags)
{
	return fails_by_errno(EMFILE) ? -1 : __real_memfd_create(name, flags);
}

int __wrap_ftruncate64(int fd, off_t len)
{
	return fails_by_errno(ENOSPC) ? -1 : __real_ftruncate64(fd, len);
}

int __wrap_eventfd(unsigned int count, int flags)
{
	return fails_by_errno(EMFILE) ? -1 : __real_eventfd(count, flags);
}

int __wrap_socket(int domain, int type, int protocol)
{
	return fails_by_errno(EMFILE) ? -1 : __real_socket(domain, type, protocol);
}

int __wrap_pipe(int fd[2])
{
	return fails_by_errno(EMFILE) ? -1 : __real_pipe(fd);
}

int __wrap_pthread_create(pthread_t *t, const pthread_attr_t *a, void *(*run)(void *), void *arg)
{
	return fails(EAGAIN) ? EAGAIN : __real_pthread_create(t, a, run, arg);
}
