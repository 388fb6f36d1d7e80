/* SPDX-License-Identifier: BSD-3-Clause */
#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/lock.h"
#include "base/util.h"
#include "dma/dma.h"

/*
 * How it works: every run of guest memory that the VMM tells us about is known by the address the
 * VMM gave it (memory.h). Under plan direct each run is also mapped at the host, at the
 * same address, and holds the host's handle. Under plan paravirt the guest asks for mappings of
 * parts of the runs. Under the other plans the device reaches memory by mappings made elsewhere
 * and runs are only known.
 */

static void say_budget(const struct gw_dma *dma, uint64_t size)
{
	char text[GW_BUDGET_TEXT];

	gw_function_budget_text(dma->fn, text);
	gw_log_guest(dma->log, "%s: mapping %#" PRIx64 " bytes exceeds the budget: %s; give the guest "
		     "less memory", dma->fn->info.name, size, text);
}

/*
 * Memory that is not the guest's RAM: another function's, or to be asked for at the VMM.
 *
 * Return: false: it is out of the device's reach.
 */
static bool run_elsewhere(struct gw_dma *dma, struct gw_dma_run *dma_run, struct gw_memory *mem,
			  struct gw_dma_peer *peer) GW_HOLDS(dma->gate)
{
	const struct gw_run *run = &dma_run->run;
	const struct gw_dma_peers *p = &dma->peers;
	gw_gpa at = gw_gpa_of_vmm_addr(gw_run_at(run));

	if (p->find && p->find(p->opaque, at, gw_run_size(run), peer)) {
		mem->addr = peer->addr;
		return true;
	}
	*peer = (struct gw_dma_peer){ 0 };
	mem->remote = dma->fn->limits.remote ? dma->remote : NULL;
	mem->remote_addr = gw_run_at(run);
	return mem->remote;
}

/* Registers or memory of another function, which the host maps: known, whatever the host says. */
static int peer_map(struct gw_dma *dma, struct gw_dma_run *dma_run,
		    const struct gw_dma_peer *peer) GW_HOLDS(dma->gate)
{
	const gw_iova iova = gw_iova_of_vmm_addr(gw_run_at(&dma_run->run));
	const struct gw_bar_range range = { peer->off, gw_run_size(&dma_run->run) };
	struct gw_mapping map;
	int ret = gw_function_map_bar(dma->fn, peer->fn, peer->bar, &range, &iova, &map);

	dma_run->peer = peer->fn;
	if (ret) {
		gw_log_guest(dma->log, "%s cannot reach BAR %u of %s at %#" PRIx64 ": %s",
			     dma->fn->info.name, peer->bar, peer->fn->info.name, iova.v,
			     strerror(-ret));
		return 0;
	}
	dma_run->mapped = true;
	dma_run->handle = map.handle;
	return 0;
}

static int run_check(const struct gw_dma *dma, const struct gw_run *run)
{
	const struct gw_host_limits *l = &dma->fn->limits;

	if (!((run->node.first | gw_run_size(run)) & (l->granule - 1)))
		return 0;
	gw_log_guest(dma->log, "%s: guest memory %#" PRIx64 "+%#" PRIx64 " is not in units of %#" PRIx64
		     ", the host's smallest", dma->fn->info.name, run->node.first, gw_run_size(run),
		     l->granule);
	return -EINVAL;
}

/* Map a run at the host, at the caller's address. */
static int run_map(struct gw_dma *dma, struct gw_dma_run *dma_run) GW_HOLDS(dma->gate)
{
	const struct gw_run *run = &dma_run->run;
	struct gw_memory mem = { .read_only = !(run->prot & GW_PROT_WRITE) };
	const gw_iova iova = gw_iova_of_vmm_addr(gw_run_at(run));
	struct gw_dma_peer peer = { 0 };
	struct gw_mapping map;
	int ret;

	if (run->addr) {
		mem.addr = run->addr;
		if (run->file)
			mem.file = (struct gw_file_at){ run->file->dev, run->file->ino,
							(uint64_t)(run->addr - run->file->addr) };
	} else if (!run_elsewhere(dma, dma_run, &mem, &peer)) {
		return 0;	/* known, but out of the device's reach */
	}
	if (peer.fn && !peer.addr)
		return peer_map(dma, dma_run, &peer);
	dma_run->peer = peer.fn;
	ret = run_check(dma, run);
	if (ret)
		return ret;
	if (gw_dma_held_take(&dma->held, iova, gw_run_size(run), mem.addr, &map.handle))
		ret = 0;	/* the VMM maps again what it could not unmap */
	else
		ret = gw_function_map(dma->fn, &mem, gw_run_size(run), &iova, &map);
	if (ret == -ENOSPC || ret == -E2BIG)
		say_budget(dma, gw_run_size(run));
	if (ret)
		return ret;
	dma_run->mapped = true;
	dma_run->handle = map.handle;
	return 0;
}

static struct gw_dma *dma_of(struct gw_guest_memory *m)
{
	return container_of(m, struct gw_dma, memory);
}

/* Calls that hold the gate, which guards @m, call these two. */
static int run_come(struct gw_guest_memory *m, struct gw_run *run)
{
	struct gw_dma *dma = dma_of(m);

	GW_HELD(dma->gate);
	return dma->plan == GW_PLAN_DIRECT ? run_map(dma, gw_dma_run_of(run)) : 0;
}

/*
 * The device cannot reach the memory afterwards, unless the host failed:
 * then the file stays mapped here, so that the addresses are not used for other things.
 */
static int run_gone(struct gw_guest_memory *m, struct gw_run *run)
{
	struct gw_dma_run *dma_run = gw_dma_run_of(run);
	const struct gw_dma_held held = {
		.handle = dma_run->handle, .size = gw_run_size(run), .file = run->file,
		.addr = run->addr, .iova = gw_iova_of_vmm_addr(gw_run_at(run)), .peer = dma_run->peer,
	};
	struct gw_dma *dma = dma_of(m);
	int ret;

	GW_HELD(dma->gate);
	ret = gw_dma_drop_run(dma, dma_run);
	if (ret && run->file)
		gw_file_put(run->file);		/* mappings that are left have uses of their own */
	if (dma_run->mapped)
		ret = gw_function_unmap(dma->fn, dma_run->handle, gw_run_size(run));
	if (!dma_run->mapped || !ret)
		return ret;
	gw_err_guest(dma->log, "%s: cannot unmap %#" PRIx64 "+%#" PRIx64 ": %s; it stays mapped until a "
		     "later try succeeds", dma->fn->info.name, run->node.first, gw_run_size(run),
		     strerror(-ret));
	gw_dma_held_add(&dma->held, &held);
	return ret;
}

static const struct gw_guest_memory_ops memory_ops = { .come = run_come, .gone = run_gone };

int gw_dma_new(struct gw_function *fn, enum gw_plan plan, struct gw_log *log, struct gw_dma **dma)
{
	struct gw_dma *d = calloc(1, sizeof(*d));

	if (!d)
		return -ENOMEM;
	d->fn = fn;
	d->plan = plan;
	d->log = log;
	gw_gate_init(&d->gate);
	d->generation = 1;
	gw_guest_memory_init(&d->memory, &memory_ops, sizeof(struct gw_dma_run), fn->info.name, log);
	*dma = d;
	return 0;
}

void gw_dma_free(struct gw_dma *dma)
{
	if (!dma)
		return;
	gw_dma_unmap_all(dma);
	gw_dma_held_forget(&dma->held);
	gw_guest_memory_fini(&dma->memory);
	gw_dma_slots_fini(&dma->slots);
	gw_dma_lost_forget(&dma->losses);
	gw_gate_fini(&dma->gate);
	free(dma);
}

enum gw_plan gw_dma_plan(const struct gw_dma *dma)
{
	return dma->plan;
}

void gw_dma_any_memory(struct gw_dma *dma)
{
	gw_gate_lock(&dma->gate);
	dma->memory.any = true;
	gw_gate_unlock(&dma->gate);
}

void gw_dma_expect(struct gw_dma *dma, const struct gw_ram *ram)
{
	gw_gate_lock(&dma->gate);
	dma->memory.ram = ram;
	gw_gate_unlock(&dma->gate);
}

void gw_dma_set_remote(struct gw_dma *dma, struct gw_remote *remote)
{
	gw_gate_lock(&dma->gate);
	dma->remote = remote;
	gw_gate_unlock(&dma->gate);
}

void gw_dma_set_peers(struct gw_dma *dma, const struct gw_dma_peers *peers)
{
	gw_gate_lock(&dma->gate);
	dma->peers = *peers;
	gw_gate_unlock(&dma->gate);
}

/* Under the gate: the run stays known, and out of the device's reach, unless the host failed. */
static void forget(struct gw_dma *dma, struct gw_dma_run *dma_run) GW_HOLDS(dma->gate)
{
	const struct gw_run *run = &dma_run->run;
	const struct gw_dma_held held = { .handle = dma_run->handle, .size = gw_run_size(run),
					  .peer = dma_run->peer };
	int ret = dma_run->mapped ? gw_function_unmap(dma->fn, held.handle, held.size) : 0;

	dma_run->mapped = false;
	dma_run->peer = NULL;
	if (!ret)
		return;
	gw_err_guest(dma->log, "%s: cannot unmap %#" PRIx64 "+%#" PRIx64 ", which is %s's: %s; it stays "
		     "mapped until a later try succeeds", dma->fn->info.name, run->node.first, held.size,
		     held.peer->info.name, strerror(-ret));
	gw_dma_held_add(&dma->held, &held);
}

int gw_dma_forget_peer(struct gw_dma *dma, const struct gw_function *peer)
{
	struct gw_imap_node *node;
	bool held;

	gw_gate_lock(&dma->gate);
	gw_dma_held_retry(&dma->held, dma->fn);
	for (node = gw_imap_from(&dma->memory.runs, 0); node;
	     node = node->last == UINT64_MAX ? NULL :
					       gw_imap_from(&dma->memory.runs, node->last + 1)) {
		struct gw_run *run = container_of(node, struct gw_run, node);

		if (gw_dma_run_of(run)->peer == peer)
			forget(dma, gw_dma_run_of(run));
	}
	held = gw_dma_held_part(&dma->held, peer);
	gw_gate_unlock(&dma->gate);
	return held ? -EBUSY : 0;
}

int gw_dma_map(struct gw_dma *dma, const struct gw_slice *s, int fd)
{
	int ret;

	gw_gate_lock(&dma->gate);
	if (!gw_dma_held_retry(&dma->held, dma->fn))
		gw_debug(dma->log, "%s: memory that was unmapped is still in use", dma->fn->info.name);
	ret = gw_guest_memory_add(&dma->memory, s, fd);
	gw_gate_unlock(&dma->gate);
	return ret;
}

int gw_dma_unmap(struct gw_dma *dma, gw_vmm_addr first, gw_vmm_addr last, uint64_t *bytes)
{
	int ret;

	gw_gate_lock(&dma->gate);
	ret = gw_guest_memory_remove(&dma->memory, first, last, bytes);
	gw_gate_unlock(&dma->gate);
	return ret;
}

void gw_dma_unmap_all(struct gw_dma *dma)
{
	gw_gate_lock(&dma->gate);
	gw_dma_drop_all(dma);
	gw_dma_held_retry(&dma->held, dma->fn);
	gw_guest_memory_clear(&dma->memory);
	gw_gate_unlock(&dma->gate);
}

int gw_dma_find(struct gw_dma *dma, gw_gpa gpa, uint64_t size, int prot, void **addr)
{
	int ret;

	gw_gate_lock(&dma->gate);
	ret = gw_guest_memory_find(&dma->memory, gpa, size, prot, addr);
	gw_gate_unlock(&dma->gate);
	return ret;
}

void gw_dma_usage(struct gw_dma *dma, struct gw_dma_usage *usage)
{
	gw_gate_lock(&dma->gate);
	gw_function_mapped(dma->fn, &usage->mapped);
	usage->runs = dma->memory.runs.nr;
	usage->generation = dma->generation;
	usage->dropped = dma->dropped;
	gw_gate_unlock(&dma->gate);
}
