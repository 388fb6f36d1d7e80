/* SPDX-License-Identifier: BSD-3-Clause */
#include "host/vfio/locked.h"

#include <linux/capability.h>
#include <stdatomic.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

static uint64_t limit_of_process(void)
{
	struct __user_cap_header_struct head = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[2] = { 0 };
	struct rlimit limit;

	if (!syscall(SYS_capget, &head, data) && data[0].effective & 1u << CAP_IPC_LOCK)
		return UINT64_MAX;
	if (getrlimit(RLIMIT_MEMLOCK, &limit) || limit.rlim_cur == RLIM_INFINITY)
		return UINT64_MAX;
	return limit.rlim_cur;
}

void gw_vfio_locked_init(struct gw_vfio_locked *l)
{
	l->limit = UINT64_MAX;
	atomic_init(&l->bytes, 0);
}

uint64_t gw_vfio_locked_limit(const struct gw_vfio_locked *l)
{
	uint64_t limit = limit_of_process();

	return limit < l->limit ? limit : l->limit;
}

bool gw_vfio_locked_take(struct gw_vfio_locked *l, uint64_t bytes)
{
	uint64_t had = atomic_load(&l->bytes), limit = gw_vfio_locked_limit(l);

	do {
		if (had > limit || bytes > limit - had)
			return false;
	} while (!atomic_compare_exchange_weak(&l->bytes, &had, had + bytes));
	return true;
}

void gw_vfio_locked_put(struct gw_vfio_locked *l, uint64_t bytes)
{
	atomic_fetch_sub(&l->bytes, bytes);
}

uint64_t gw_vfio_locked_room(const struct gw_vfio_locked *l)
{
	uint64_t had = atomic_load(&l->bytes), limit = gw_vfio_locked_limit(l);

	if (limit == UINT64_MAX)
		return limit;
	return limit > had ? limit - had : 0;
}

uint64_t gw_vfio_locked_most(const struct gw_vfio_locked *l)
{
	long pages = sysconf(_SC_PHYS_PAGES), page = sysconf(_SC_PAGESIZE);
	uint64_t limit = gw_vfio_locked_limit(l);

	if (limit != UINT64_MAX || pages <= 0)
		return limit;
	return (uint64_t)pages / 8 * 7 * (uint64_t)page;
}
