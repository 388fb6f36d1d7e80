/* SPDX-License-Identifier: BSD-3-Clause */
#include "dma/memory.h"

#include <errno.h>
#include <stdlib.h>

#include "dma/accept.h"

/*
 * How it works: a run is a node of an interval map, and a user of the file that holds it, if one
 * does. A file is mapped whole and once, so runs that follow each other in it do so in this process
 * as well, and a range over several of them is one piece.
 */

/* limit: pieces that a VMM maps */
#define MAX_RUNS	65536u		/* VMMs expect a server to take one less */

void gw_guest_memory_init(struct gw_guest_memory *m, const struct gw_guest_memory_ops *ops,
			  size_t run_size, const char *name, struct gw_log *log)
{
	*m = (struct gw_guest_memory){ .ops = ops, .run_size = run_size, .name = name, .log = log };
	SLIST_INIT(&m->files);
}

void gw_guest_memory_fini(struct gw_guest_memory *m)
{
	gw_guest_memory_clear(m);
	gw_file_abandon(&m->files);
}

static int run_remove(struct gw_guest_memory *m, struct gw_run *run)
{
	int ret = m->ops ? m->ops->gone(m, run) : 0;

	gw_imap_remove(&m->runs, &run->node);
	if (run->file && !ret)
		gw_file_put(run->file);
	free(run);
	return ret;
}

static int run_add(struct gw_guest_memory *m, struct gw_run *run, const struct gw_slice *s, int fd)
{
	int ret;

	if (fd >= 0) {
		ret = gw_file_get(&m->files, fd, s->off, s->size, s->prot & GW_PROT_WRITE, m->log,
				  &run->file);
		if (ret)
			return ret;
		run->addr = run->file->addr + s->off;
	}
	ret = gw_imap_insert(&m->runs, &run->node);
	if (ret)
		goto put_file;
	ret = m->ops ? m->ops->come(m, run) : 0;
	if (ret)
		goto remove_run;
	return 0;
remove_run:
	gw_imap_remove(&m->runs, &run->node);
put_file:
	if (run->file)
		gw_file_put(run->file);
	return ret;
}

int gw_guest_memory_add(struct gw_guest_memory *m, const struct gw_slice *s, int fd)
{
	struct gw_slice slice = *s;
	struct gw_run *run;
	uint64_t last;
	int ret = gw_slice_last(s, &last);

	if (!ret && s->addr && fd >= 0)
		ret = -EINVAL;
	if (!ret)
		ret = gw_guest_memory_accept(m, &slice, last, fd);
	if (ret)
		return ret;
	if (m->runs.nr >= MAX_RUNS) {
		gw_log_guest(m->log, "%s: the VMM maps more than %u pieces of memory", m->name,
			     MAX_RUNS);
		return -ENOSPC;
	}
	run = calloc(1, m->run_size);
	if (!run)
		return -ENOMEM;
	run->node.first = s->at.v;
	run->node.last = last;
	run->addr = slice.addr;
	run->prot = slice.prot;
	ret = run_add(m, run, &slice, fd);
	if (ret)
		free(run);
	return ret;
}

/* Is the run that holds @addr cut by a range that begins, or ends before, @addr? */
static bool cut_at(const struct gw_guest_memory *m, uint64_t addr)
{
	struct gw_imap_node *n = gw_imap_find(&m->runs, addr);

	return n && n->first != addr;
}

int gw_guest_memory_remove(struct gw_guest_memory *m, gw_vmm_addr first, gw_vmm_addr last,
			   uint64_t *bytes)
{
	struct gw_imap_node *n, *next;
	int ret = 0, err;

	*bytes = 0;
	if (first.v > last.v || cut_at(m, first.v) ||
	    (last.v != UINT64_MAX && cut_at(m, last.v + 1)))
		return -EINVAL;
	for (n = gw_imap_from(&m->runs, first.v); n && n->first <= last.v; n = next) {
		next = gw_imap_next(n);
		*bytes += gw_run_size(gw_run_of(n));
		err = run_remove(m, gw_run_of(n));
		ret = ret ? ret : err;
	}
	return ret;
}

void gw_guest_memory_clear(struct gw_guest_memory *m)
{
	struct gw_imap_node *n;

	while ((n = gw_imap_from(&m->runs, 0)))
		run_remove(m, gw_run_of(n));
	gw_file_drop_idle(&m->files);
}

/* Is @next memory that follows @run, as the guest sees it? */
static bool run_meets(const struct gw_run *run, const struct gw_run *next)
{
	return next && next->addr && run->node.last + 1 == next->node.first;
}

/* Does @next continue @run, as the guest sees it and in this process? */
static bool run_continues(const struct gw_run *run, const struct gw_run *next)
{
	return run_meets(run, next) && run->addr + gw_run_size(run) == next->addr;
}

int gw_guest_memory_runs(struct gw_guest_memory *m, gw_vmm_addr at, uint64_t last, int prot,
			 struct gw_run **first, unsigned int *nr)
{
	struct gw_run *run = gw_run_of(gw_imap_find(&m->runs, at.v));

	*first = run;
	if (!run || !run->addr)
		return -EFAULT;
	for (*nr = 1; (run->prot & prot) == prot; ++*nr) {
		if (run->node.last >= last)
			return 0;
		if (!run_continues(run, gw_run_next(run)))
			return run_meets(run, gw_run_next(run)) ? -EXDEV : -EFAULT;
		run = gw_run_next(run);
	}
	return -EACCES;
}

int gw_guest_memory_find(struct gw_guest_memory *m, gw_gpa gpa, uint64_t size, int prot,
			 void **addr)
{
	struct gw_run *run;
	unsigned int nr;
	uint64_t last;
	int ret;

	if (!size)
		return -EINVAL;
	if (__builtin_add_overflow(gpa.v, size - 1, &last))
		return -EOVERFLOW;
	ret = gw_guest_memory_runs(m, gw_vmm_addr_of_gpa(gpa), last, prot, &run, &nr);
	if (!ret)
		*addr = run->addr + (gpa.v - run->node.first);
	return ret;
}
