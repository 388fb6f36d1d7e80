/* SPDX-License-Identifier: BSD-3-Clause */
#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/util.h"
#include "dma/dma.h"

/*
 * How it works: every run of guest memory that the VMM tells us about is kept in an interval map
 * by the address the VMM gave it. Under plan direct each run is also mapped at the host, at the
 * same address, and holds the host's handle. Under plan paravirt the guest asks for mappings of
 * parts of the runs. Under the other plans the device reaches memory by mappings made elsewhere
 * and runs are only known.
 */

#define MAX_RUNS	65536u		/* what VMMs expect a server to take, and one */

int gw_dma_new(struct gw_function *fn, enum gw_plan plan, struct gw_log *log, struct gw_dma **dma)
{
	struct gw_dma *d = calloc(1, sizeof(*d));

	if (!d)
		return -ENOMEM;
	d->fn = fn;
	d->plan = plan;
	d->log = log;
	d->generation = 1;
	gw_gate_init(&d->gate);
	SLIST_INIT(&d->files);
	*dma = d;
	return 0;
}

void gw_dma_free(struct gw_dma *dma)
{
	if (!dma)
		return;
	gw_dma_unmap_all(dma);
	gw_file_abandon(&dma->files);
	gw_dma_slots_fini(&dma->slots);
	gw_dma_lost_forget(&dma->losses);
	gw_gate_fini(&dma->gate);
	free(dma);
}

enum gw_plan gw_dma_plan(const struct gw_dma *dma)
{
	return dma->plan;
}

void gw_dma_set_remote(struct gw_dma *dma, struct gw_remote *remote)
{
	gw_gate_lock(&dma->gate);
	dma->remote = remote;
	gw_gate_unlock(&dma->gate);
}

static int slice_last(const struct gw_slice *s, uint64_t *last)
{
	if (!s->size || (s->iova.v | s->size | s->off | (uintptr_t)s->addr) % GW_PAGE_SIZE)
		return -EINVAL;
	return __builtin_add_overflow(s->iova.v, s->size - 1, last) ? -EOVERFLOW : 0;
}

static void say_budget(const struct gw_dma *dma, uint64_t size)
{
	char text[GW_BUDGET_TEXT];

	gw_function_budget_text(dma->fn, text);
	gw_log_guest(dma->log, "%s: mapping %#" PRIx64 " bytes exceeds the budget: %s; give the guest "
		     "less memory", dma->fn->info.name, size, text);
}

/* Map a run at the host, at the caller's address. Caller holds the gate. */
static int run_map(struct gw_dma *dma, struct gw_dma_run *run)
{
	const struct gw_host_limits *l = &dma->fn->limits;
	struct gw_memory mem = { .read_only = !(run->slice.prot & GW_PROT_WRITE) };
	struct gw_mapping map;
	int ret;

	if (gw_dma_run_addr(run)) {
		mem.addr = gw_dma_run_addr(run);
		if (run->file)
			mem.file = (struct gw_file_at){ run->file->dev, run->file->ino,
							run->slice.off };
	} else if (dma->remote && l->remote) {
		mem.remote = dma->remote;
		mem.remote_addr = run->slice.iova;
	} else {
		return 0;	/* known, but out of the device's reach */
	}
	if ((run->slice.iova.v | run->slice.size) & (l->granule - 1)) {
		gw_log_guest(dma->log,
			     "%s: guest memory %#" PRIx64 "+%#" PRIx64 " is not in units of %#" PRIx64
			     ", the host's smallest", dma->fn->info.name, run->slice.iova.v,
			     run->slice.size, l->granule);
		return -EINVAL;
	}
	ret = gw_function_map(dma->fn, &mem, run->slice.size, &run->slice.iova, &map);
	if (ret == -ENOSPC || ret == -E2BIG)
		say_budget(dma, run->slice.size);
	if (ret)
		return ret;
	run->mapped = true;
	run->handle = map.handle;
	return 0;
}

/*
 * Caller holds the gate. The device cannot reach the memory afterwards, unless the host failed:
 * then the file stays mapped here for good, so that the addresses are not used for other things.
 */
static void run_remove(struct gw_dma *dma, struct gw_dma_run *run)
{
	int ret = 0;

	gw_dma_drop_run(dma, run);
	if (run->mapped)
		ret = gw_function_unmap(dma->fn, run->handle, run->slice.size);
	gw_imap_remove(&dma->runs, &run->node);
	if (ret) {
		gw_err(dma->log, "%s: cannot unmap %#" PRIx64 "+%#" PRIx64 ": %s",
		       dma->fn->info.name, run->slice.iova.v, run->slice.size, strerror(-ret));
		run->file = NULL;
	}
	if (run->file)
		gw_file_put(run->file);
	free(run);
}

static int run_add(struct gw_dma *dma, const struct gw_slice *s, uint64_t last, int fd)
{
	struct gw_dma_run *run;
	int ret;

	if (dma->runs.nr >= MAX_RUNS) {
		gw_log_guest(dma->log, "%s: the VMM maps more than %u pieces of memory",
			     dma->fn->info.name, MAX_RUNS);
		return -ENOSPC;
	}
	run = calloc(1, sizeof(*run));
	if (!run)
		return -ENOMEM;
	run->slice = *s;
	run->node.first = s->iova.v;
	run->node.last = last;
	if (fd >= 0) {
		ret = gw_file_get(&dma->files, fd, s->off, s->size, s->prot & GW_PROT_WRITE,
				  dma->log, &run->file);
		if (ret)
			goto free_run;
	}
	ret = gw_imap_insert(&dma->runs, &run->node);
	if (ret)
		goto put_file;
	if (dma->plan == GW_PLAN_DIRECT) {
		ret = run_map(dma, run);
		if (ret)
			goto remove_run;
	}
	return 0;
remove_run:
	gw_imap_remove(&dma->runs, &run->node);
put_file:
	if (run->file)
		gw_file_put(run->file);
free_run:
	free(run);
	return ret;
}

int gw_dma_map(struct gw_dma *dma, const struct gw_slice *s, int fd)
{
	uint64_t last;
	int ret = slice_last(s, &last);

	if (!ret && s->addr && fd >= 0)
		ret = -EINVAL;
	if (ret)
		return ret;
	gw_gate_lock(&dma->gate);
	ret = run_add(dma, s, last, fd);
	gw_gate_unlock(&dma->gate);
	return ret;
}

/* Is the run that holds @addr cut by a range that begins, or ends before, @addr? */
static bool cut_at(const struct gw_dma *dma, uint64_t addr)
{
	struct gw_imap_node *n = gw_imap_find(&dma->runs, addr);

	return n && n->first != addr;
}

int gw_dma_unmap(struct gw_dma *dma, gw_iova first, gw_iova last, uint64_t *bytes)
{
	struct gw_imap_node *n, *next;
	int ret = 0;

	*bytes = 0;
	if (first.v > last.v)
		return -EINVAL;
	gw_gate_lock(&dma->gate);
	if (cut_at(dma, first.v) || (last.v != UINT64_MAX && cut_at(dma, last.v + 1))) {
		ret = -EINVAL;
		goto unlock;
	}
	for (n = gw_imap_from(&dma->runs, first.v); n && n->first <= last.v; n = next) {
		next = gw_imap_next(n);
		*bytes += gw_dma_run_of(n)->slice.size;
		run_remove(dma, gw_dma_run_of(n));
	}
unlock:
	gw_gate_unlock(&dma->gate);
	return ret;
}

void gw_dma_unmap_all(struct gw_dma *dma)
{
	struct gw_imap_node *n;

	gw_gate_lock(&dma->gate);
	gw_dma_drop_all(dma);
	while ((n = gw_imap_from(&dma->runs, 0)))
		run_remove(dma, gw_dma_run_of(n));
	gw_file_drop_idle(&dma->files);
	gw_gate_unlock(&dma->gate);
}

void gw_dma_usage(struct gw_dma *dma, struct gw_dma_usage *usage)
{
	gw_gate_lock(&dma->gate);
	gw_function_mapped(dma->fn, &usage->mapped);
	usage->runs = dma->runs.nr;
	usage->generation = dma->generation;
	usage->dropped = dma->dropped;
	gw_gate_unlock(&dma->gate);
}
