/* SPDX-License-Identifier: BSD-3-Clause */
#include "base/guard.h"

#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

/*
 * How it works: each thread points guard_at at a jump buffer on its stack while it touches such
 * memory. The handler unblocks SIGBUS itself and jumps there, so the mask need not be saved and
 * a guarded access costs no system call.
 */
static _Thread_local sigjmp_buf *volatile guard_at;
static struct sigaction guard_before;

static void guard_signal(int sig, siginfo_t *info, void *context)
{
	sigset_t bus;

	if (guard_at) {
		sigemptyset(&bus);
		sigaddset(&bus, SIGBUS);
		pthread_sigmask(SIG_UNBLOCK, &bus, NULL);
		siglongjmp(*guard_at, 1);
	}
	if (guard_before.sa_flags & SA_SIGINFO) {
		guard_before.sa_sigaction(sig, info, context);
	} else if (guard_before.sa_handler == SIG_DFL || guard_before.sa_handler == SIG_IGN) {
		/* the fault repeats on return and then ends the process, as without us */
		signal(sig, SIG_DFL);
	} else {
		guard_before.sa_handler(sig);
	}
}

void gw_guard_install(void)
{
	struct sigaction sa = { .sa_sigaction = guard_signal, .sa_flags = SA_SIGINFO };
	struct sigaction was;

	sigemptyset(&sa.sa_mask);
	if (sigaction(SIGBUS, &sa, &was))
		abort();	/* only for a bad signal number */
	if (was.sa_sigaction != guard_signal)
		guard_before = was;
}

static pthread_once_t guard_once = PTHREAD_ONCE_INIT;
static _Atomic int guard_ready;

static inline void guard_init(void)
{
	if (atomic_load_explicit(&guard_ready, memory_order_acquire))
		return;
	pthread_once(&guard_once, gw_guard_install);
	atomic_store_explicit(&guard_ready, 1, memory_order_release);
}

/* The compiler must not move the access across the stores to guard_at. */
#define barrier() atomic_signal_fence(memory_order_seq_cst)

/*
 * All that a guarded call does: make @access, and return 0 from the call, or -EFAULT if a SIGBUS
 * came. A macro, because the frame that called sigsetjmp() has to last until the handler jumps.
 */
#define RETURN_GUARDED(access)				\
	do {						\
		sigjmp_buf at;				\
							\
		guard_init();				\
		if (sigsetjmp(at, 0)) {			\
			guard_at = NULL;		\
			return -EFAULT;			\
		}					\
		guard_at = &at;				\
		barrier();				\
		access;					\
		barrier();				\
		guard_at = NULL;			\
		return 0;				\
	} while (0)

/* ThreadSanitizer's own atomics hold a lock that a jump out of them would never release. */
#define NO_TSAN __attribute__((no_sanitize("thread")))
/* So it is told, before the jump can happen, that a store passes on what was written earlier. */
#ifdef __SANITIZE_THREAD__
#include <sanitizer/tsan_interface.h>
#define PASSES_ON(addr) __tsan_release(addr)
#else
#define PASSES_ON(addr) ((void)0)
#endif

int gw_guard_copy(void *dst, const void *src, size_t len)
{
	RETURN_GUARDED(memcpy(dst, src, len));
}

NO_TSAN int gw_guard_load32(const uint32_t *src, uint32_t *val)
{
	RETURN_GUARDED(*val = __atomic_load_n(src, __ATOMIC_ACQUIRE));
}

NO_TSAN int gw_guard_store32(uint32_t *dst, uint32_t val)
{
	PASSES_ON(dst);
	RETURN_GUARDED(__atomic_store_n(dst, val, __ATOMIC_RELEASE));
}

static uint64_t reg_load(const volatile void *src, unsigned int width)
{
	switch (width) {
	case 1:
		return *(const volatile uint8_t *)src;
	case 2:
		return *(const volatile uint16_t *)src;
	case 4:
		return *(const volatile uint32_t *)src;
	default:
		return *(const volatile uint64_t *)src;
	}
}

static void reg_store(volatile void *dst, unsigned int width, uint64_t val)
{
	switch (width) {
	case 1:
		*(volatile uint8_t *)dst = (uint8_t)val;
		break;
	case 2:
		*(volatile uint16_t *)dst = (uint16_t)val;
		break;
	case 4:
		*(volatile uint32_t *)dst = (uint32_t)val;
		break;
	default:
		*(volatile uint64_t *)dst = val;
	}
}

int gw_guard_reg_read(const volatile void *src, unsigned int width, uint64_t *val)
{
	RETURN_GUARDED(*val = reg_load(src, width));
}

int gw_guard_reg_write(volatile void *dst, unsigned int width, uint64_t val)
{
	RETURN_GUARDED(reg_store(dst, width, val));
}
