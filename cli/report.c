/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "cli/report.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <json-c/json.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/util.h"
#include "cli/cli.h"

/*
 * How it works: report_print() is called when nothing is served any more. It collects all counts
 * once, and prints the same ones as text and, if asked to, as JSON; the exit code follows from
 * them.
 */

#define FAULTS_SHOWN	8u

/*
 * What devices of the simulated host have done is in @sim; the accesses of real devices are not
 * seen here.
 */
struct report {
	struct gw_sim_stats sim;
	struct gw_account mapped;	/* sum over the functions; the peaks are of that with the
					 * highest */
	struct gw_guest_stats guest;	/* sum over the functions */
	struct gw_companion_stats companion;	/* likewise */
	uint64_t messages;
	struct gw_sim_fault fault[FAULTS_SHOWN];
	size_t nr_faults;
};

static void collect_companion(struct gw_companion *companion, struct gw_companion_stats *sum)
{
	struct gw_companion_stats c;

	gw_companion_stats(companion, &c);
	sum->maps += c.maps;
	sum->unmaps += c.unmaps;
	for (unsigned int i = 0; i < GW_NR_REFUSALS; i++)
		sum->refused[i] += c.refused[i];
	sum->dropped += c.dropped;
	sum->commands += c.commands;
	sum->doorbells += c.doorbells;
	sum->polled += c.polled;
	sum->interrupts += c.interrupts;
}

static void collect_mapped(const struct gw_function *fn, struct gw_account *sum)
{
	struct gw_account a;

	gw_function_mapped(fn, &a);
	sum->maps += a.maps;
	sum->total_maps += a.total_maps;
	if (sum->peak_maps < a.peak_maps)
		sum->peak_maps = a.peak_maps;
	if (sum->peak_bytes < a.peak_bytes)
		sum->peak_bytes = a.peak_bytes;
}

static void collect(struct vm *vm, struct report *r)
{
	struct gw_sim *sim = gw_vm_sim(vm->gw);

	memset(r, 0, sizeof(*r));
	if (sim) {
		gw_sim_stats(sim, &r->sim);
		r->nr_faults = gw_sim_faults(sim, r->fault, FAULTS_SHOWN);
	}
	for (unsigned int i = 0; i < vm->nr_functions; i++) {
		struct gw_guest_stats g;

		collect_mapped(vm->function[i].gw->fn, &r->mapped);
		gw_guest_function_stats(vm->function[i].gw->guest, &g);
		r->guest.reads += g.reads;
		r->guest.writes += g.writes;
		r->guest.config_reads += g.config_reads;
		r->guest.config_writes += g.config_writes;
		r->guest.irqs += g.irqs;
		r->guest.resets += g.resets;
		if (vm->function[i].gw->companion)
			collect_companion(vm->function[i].gw->companion, &r->companion);
		r->messages += vm->function[i].served.messages;
	}
}

static void print_faults(const struct vm *vm, const struct report *r)
{
	uint64_t shown = 0;

	fprintf(stderr, "  DART faults   %" PRIu64 "\n", r->sim.faults);
	for (size_t i = 0; i < r->nr_faults && i < FAULTS_SHOWN; i++) {
		const struct gw_sim_fault *f = &r->fault[i];

		fprintf(stderr, "    %02x:%02x.%x %s %#" PRIx64 "+%#" PRIx64 ", %" PRIu64 " times\n",
			f->bus, f->dev, f->fn, f->dir == GW_DMA_READ ? "read" : "write", f->iova.v,
			f->size, f->count);
		shown += f->count;
	}
	/* the host does not keep all addresses, but counts all faults */
	if (shown < r->sim.faults)
		fprintf(stderr, "    and %" PRIu64 " more\n", r->sim.faults - shown);
	for (enum gw_vm_cause i = 0; i < GW_VM_NR_CAUSES; i++)
		if (gw_vm_had_cause(vm->gw, i))
			fprintf(stderr, "    %s\n", gw_vm_cause_text(i));
}

static void print_troubles(const struct report *r)
{
	if (r->sim.io_errors)
		fprintf(stderr, "  failed        %" PRIu64 " reads and writes of the files behind devices\n",
			r->sim.io_errors);
	if (r->sim.stalls)
		fprintf(stderr, "  stalls        %" PRIu64 " times a device's DMA did not end when it had to; %"
			PRIu64 " of them still do so\n", r->sim.stalls, r->sim.stalled);
}

static uint64_t refused_total(const struct gw_companion_stats *c)
{
	uint64_t total = 0;

	for (unsigned int i = 0; i < GW_NR_REFUSALS; i++)
		total += c->refused[i];
	return total;
}

static void print_companion(const struct gw_companion_stats *c)
{
	const char *sep = " (";

	fprintf(stderr, "  companion     %" PRIu64 " maps, %" PRIu64 " unmaps, %" PRIu64 " refused",
		c->maps, c->unmaps, refused_total(c));
	for (enum gw_refusal i = 0; i < GW_NR_REFUSALS; i++) {
		if (!c->refused[i])
			continue;
		fprintf(stderr, "%s%s %" PRIu64, sep, gw_refusal_name(i), c->refused[i]);
		sep = ", ";
	}
	fprintf(stderr, "%s; %" PRIu64 " doorbells, %" PRIu64 " commands, %" PRIu64 " polled\n",
		refused_total(c) ? ")" : "", c->doorbells, c->commands, c->polled);
}

static void print_text(const struct vm *vm, const struct report *r)
{
	const struct gw_window *w = gw_vm_window(vm->gw);
	const struct gw_pools *pools = gw_vm_pools(vm->gw);
	const char *of_one = vm->nr_functions > 1 ? " by one function" : "";

	fprintf(stderr, "\n  plan          %s: %s\n", gw_plan_name(vm->plan), vm->reason);
	if (w->size)
		fprintf(stderr, "  window        guest %#" PRIx64 " at device %#" PRIx64 ", %" PRIu64
			" MiB, %u address bits\n", w->gpa.v, w->iova.v, w->size >> 20, gw_window_bits(w));
	for (unsigned int i = 0; i < pools->nr; i++) {
		const struct gw_pool *p = &pools->pool[i];

		fprintf(stderr, "  pool          %s: guest %#" PRIx64 " at device %#" PRIx64 ", %" PRIu64
			" MiB\n", vm->function[i].gw->fn->info.name, p->gpa.v, p->iova.v, p->size >> 20);
	}
	fprintf(stderr,
		"  mappings      %" PRIu64 " made, at most %" PRIu64 " at once%s; %" PRIu64 " left\n"
		"  bytes mapped  at most %" PRIu64 " MiB%s\n",
		r->mapped.total_maps, r->mapped.peak_maps, of_one, r->mapped.maps,
		r->mapped.peak_bytes >> 20, of_one);
	if (gw_vm_sim(vm->gw))
		fprintf(stderr, "  DMA           devices read %" PRIu64 " MiB of guest memory, and wrote %" PRIu64
			" MiB\n",
			r->sim.dma_read_bytes >> 20, r->sim.dma_written_bytes >> 20);
	fprintf(stderr,
		"  traps         %" PRIu64 " reads, %" PRIu64 " writes; config %" PRIu64 ", %" PRIu64
		"\n"
		"  interrupts    %" PRIu64 "\n"
		"  resets        %" PRIu64 "\n", r->guest.reads, r->guest.writes,
		r->guest.config_reads, r->guest.config_writes, r->guest.irqs, r->guest.resets);
	if (vm->plan == GW_PLAN_PARAVIRT)
		print_companion(&r->companion);
	if (gw_vm_sim(vm->gw)) {
		print_troubles(r);
		print_faults(vm, r);
	}
}

static void add_u64(struct json_object *o, const char *key, uint64_t v)
{
	json_object_object_add(o, key, json_object_new_uint64(v));
}

static struct json_object *companion_json(const struct gw_companion_stats *c)
{
	struct json_object *o = json_object_new_object(), *by = json_object_new_object();

	add_u64(o, "maps", c->maps);
	add_u64(o, "unmaps", c->unmaps);
	add_u64(o, "refused", refused_total(c));
	for (enum gw_refusal i = 0; i < GW_NR_REFUSALS; i++)
		add_u64(by, gw_refusal_name(i), c->refused[i]);
	json_object_object_add(o, "refused_by", by);
	add_u64(o, "dropped", c->dropped);
	add_u64(o, "commands", c->commands);
	add_u64(o, "doorbells", c->doorbells);
	add_u64(o, "polled", c->polled);
	add_u64(o, "interrupts", c->interrupts);
	return o;
}

static struct json_object *causes_json(const struct gw_vm *vm)
{
	struct json_object *list = json_object_new_array();

	for (enum gw_vm_cause i = 0; i < GW_VM_NR_CAUSES; i++)
		if (gw_vm_had_cause(vm, i))
			json_object_array_add(list, json_object_new_string(gw_vm_cause_text(i)));
	return list;
}

static struct json_object *pools_json(const struct gw_pools *pools)
{
	struct json_object *list = json_object_new_array(), *o;

	for (unsigned int i = 0; i < pools->nr; i++) {
		o = json_object_new_object();
		add_u64(o, "gpa", pools->pool[i].gpa.v);
		add_u64(o, "iova", pools->pool[i].iova.v);
		add_u64(o, "size", pools->pool[i].size);
		json_object_array_add(list, o);
	}
	return list;
}

static struct json_object *report_json(const struct vm *vm, const struct report *r)
{
	const struct gw_window *window = gw_vm_window(vm->gw);
	struct json_object *o = json_object_new_object(), *w;

	json_object_object_add(o, "plan", json_object_new_string(gw_plan_name(vm->plan)));
	json_object_object_add(o, "reason", json_object_new_string(vm->reason));
	if (window->size) {
		w = json_object_new_object();
		add_u64(w, "gpa", window->gpa.v);
		add_u64(w, "iova", window->iova.v);
		add_u64(w, "size", window->size);
		add_u64(w, "address_bits", gw_window_bits(window));
		json_object_object_add(o, "window", w);
	}
	if (gw_vm_pools(vm->gw)->nr)
		json_object_object_add(o, "pools", pools_json(gw_vm_pools(vm->gw)));
	add_u64(o, "maps", r->mapped.total_maps);
	add_u64(o, "peak_maps", r->mapped.peak_maps);
	add_u64(o, "peak_bytes", r->mapped.peak_bytes);
	add_u64(o, "maps_left", r->mapped.maps);
	if (gw_vm_sim(vm->gw)) {
		add_u64(o, "dma_read_bytes", r->sim.dma_read_bytes);
		add_u64(o, "dma_written_bytes", r->sim.dma_written_bytes);
		add_u64(o, "dart_faults", r->sim.faults);
		json_object_object_add(o, "fault_causes", causes_json(vm->gw));
		add_u64(o, "io_errors", r->sim.io_errors);
		add_u64(o, "stalls", r->sim.stalls);
		add_u64(o, "stalled", r->sim.stalled);
	}
	add_u64(o, "trapped_reads", r->guest.reads);
	add_u64(o, "trapped_writes", r->guest.writes);
	add_u64(o, "config_reads", r->guest.config_reads);
	add_u64(o, "config_writes", r->guest.config_writes);
	add_u64(o, "interrupts", r->guest.irqs);
	add_u64(o, "resets", r->guest.resets);
	add_u64(o, "messages", r->messages);
	if (vm->plan == GW_PLAN_PARAVIRT)
		json_object_object_add(o, "companion", companion_json(&r->companion));
	return o;
}

/* The path must be no link: if root runs this, somebody else may have made one. */
static int report_open(const char *path)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0666);

	return fd < 0 ? -errno : fd;
}

int report_check(const char *path, struct gw_log *log)
{
	int fd;

	if (!path || !strcmp(path, "-"))
		return 0;
	fd = report_open(path);
	if (fd < 0) {
		gw_err(log, "--report %s: %s", path, strerror(-fd));
		gw_hint(log, "it wants a file in a folder that can be written, and no link");
		return CLI_FAILED;
	}
	close(fd);
	return 0;
}

static int write_json(const char *path, struct json_object *o)
{
	int fd, ret = 0;

	if (!strcmp(path, "-"))
		return puts(json_object_to_json_string_ext(o, JSON_C_TO_STRING_PRETTY)) < 0 ||
		       fflush(stdout) ? -EIO : 0;
	fd = report_open(path);
	if (fd < 0)
		return fd;
	if ((ftruncate(fd, 0) && errno != EINVAL) ||	/* a pipe has no length */
	    json_object_to_fd(fd, o, JSON_C_TO_STRING_PRETTY))
		ret = errno ? -errno : -EIO;
	close(fd);
	return ret;
}

int report_print(struct vm *vm, const char *path)
{
	struct json_object *o;
	struct report r;
	int ret;

	collect(vm, &r);
	print_text(vm, &r);
	if (path) {
		o = report_json(vm, &r);
		ret = write_json(path, o);
		json_object_put(o);
		if (ret) {
			gw_err(vm->log, "cannot write the report to %s: %s", path, strerror(-ret));
			gw_hint(vm->log, "it is above; --report wants a file in a folder that can be "
				"written, and no link");
			return CLI_FAILED;
		}
	}
	if (r.sim.io_errors)
		gw_err(vm->log, "%" PRIu64 " reads and writes of devices failed at the files behind them",
		       r.sim.io_errors);
	if (r.sim.stalled)
		gw_err(vm->log, "%" PRIu64 " devices wait for files that do not answer; what they were to write "
		       "may be written yet", r.sim.stalled);
	if (r.sim.io_errors || r.sim.stalled)
		return CLI_FAILED;
	return r.sim.faults ? CLI_FAULTS : CLI_OK;
}
