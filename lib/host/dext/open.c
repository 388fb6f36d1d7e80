/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <gangway/pci.h>

#include "base/util.h"
#include "host/dext/function.h"
#include "host/dext/job.h"

/*
 * How it works: to open a function is to claim it, and to learn what it is and has. The platform
 * may have to power it up first, and a dext may not answer at all. So a job (job.h) does it, in a
 * thread of its own, and the caller waits for a while; after that the function is left to the job,
 * which frees it if it ever ends.
 */

struct open_job {
	struct gw_dext_job job;
	struct gw_dext_function *fn;	/* NULL once it is the caller's */
	int ret;
};

/*
 * Whether the platform gave a memory BAR an address. Reads of 16 bits show what is in the register;
 * to those of 32 bits a dext answers with the type only.
 */
static int bar_has_address(struct gw_dext_function *fn, unsigned int bar, bool *has)
{
	unsigned int halves = fn->bar[bar].bar.info.is_64bit ? 4 : 2;
	uint32_t val;
	int ret;

	*has = false;
	for (unsigned int i = 0; i < halves; i++) {
		ret = gw_dext_config_read(&fn->client, GW_PCI_BAR0 + 4 * bar + 2 * i, 2, &val);
		if (ret)
			return ret;
		*has |= (i ? val : val & ~0xfu) != 0;
	}
	return 0;
}

/* A BAR without an address would read as all ones for ever. */
static int bar_check(struct gw_dext_function *fn, unsigned int bar)
{
	const char *name = fn->f.info.name;
	bool has;
	int ret = bar_has_address(fn, bar, &has);

	if (ret || has)
		return ret;
	if (fn->opts.leave_out_bars) {
		gw_warn(fn->f.log, "%s: BAR %u has no address (the platform gave it none) and is left out",
			name, bar);
		fn->bar[bar].bar.info = (struct gw_bar_info){ 0 };
		return 0;
	}
	gw_err(fn->f.log, "%s: BAR %u has no address (the platform gave it none)", name, bar);
	gw_hint(fn->f.log, "another port or dock may have room for %llu MiB; --host-option "
		"leave-out-bars=on shows the device to the guest without that BAR",
		(unsigned long long)(fn->bar[bar].bar.info.size >> 20));
	return -ENXIO;
}

/* Learn one BAR, and map it to know whether that is possible. */
static int bar_open(struct gw_dext_function *fn, unsigned int bar, unsigned int *next)
{
	struct gw_dext_function_bar *b = &fn->bar[bar];
	int ret = gw_dext_get_bar(&fn->client, bar, &b->bar);

	*next = bar + 1 + b->bar.info.is_64bit;		/* the upper half has nothing to say */
	if (!ret && b->bar.info.size && !b->bar.info.io)
		ret = bar_check(fn, bar);
	if (ret || !b->bar.info.size || b->bar.info.io)
		return ret;
	ret = gw_dext_map_bar(&fn->client, bar, &b->bar, &b->map);
	if (ret == -ENODEV)
		return ret;
	b->bar.info.mappable = !ret;
	if (ret == -EOPNOTSUPP)
		gw_debug(fn->f.log, "%s: BAR %u is reached by calls: it is none that is mapped",
			 fn->f.info.name, bar);
	else if (ret)
		gw_debug(fn->f.log, "%s: BAR %u is reached by calls, as mapping it failed: %s",
			 fn->f.info.name, bar, strerror(-ret));
	return 0;
}

/* The claim turned memory decoding on, unless the device or the platform does not let it. */
static int decoding_check(struct gw_dext_function *fn)
{
	bool memory = false;
	uint32_t command;
	int ret;

	for (unsigned int i = 0; i < GW_NR_BARS; i++)
		memory |= fn->bar[i].bar.info.size && !fn->bar[i].bar.info.io;
	if (!memory)
		return 0;
	ret = gw_dext_config_read(&fn->client, GW_PCI_COMMAND, 2, &command);
	if (ret || command & GW_PCI_COMMAND_MEMORY)
		return ret;
	ret = gw_dext_config_write(&fn->client, GW_PCI_COMMAND, 2, command | GW_PCI_COMMAND_MEMORY);
	if (!ret)
		ret = gw_dext_config_read(&fn->client, GW_PCI_COMMAND, 2, &command);
	if (ret || command & GW_PCI_COMMAND_MEMORY)
		return ret;
	gw_err(fn->f.log, "%s: its BARs do not answer: memory decoding stays off (COMMAND is %#x)",
	       fn->f.info.name, command);
	return -ENXIO;
}

/* Which device it is; only now macOS lets it be read. */
static int identify(struct gw_dext_function *fn)
{
	struct gw_dext_client *c = &fn->client;
	struct gw_function_info was = c->info;
	int ret = gw_dext_get_identity(c);

	if (!ret && (c->info.bus != was.bus || c->info.dev != was.dev || c->info.fn != was.fn))
		ret = -EPROTO;
	if (ret) {
		gw_err(fn->f.log, "%s: cannot be identified: %s", was.name, strerror(-ret));
		return ret;
	}
	if (!c->confirmed) {
		gw_err(fn->f.log, "%s: its vendor ID reads as all ones, although it is claimed",
		       was.name);
		gw_hint(fn->f.log, "it has no power or no link: look at the cable, or plug it in anew");
		return -ENXIO;
	}
	fn->f.info = c->info;
	return 0;
}

static int claim(struct gw_dext_function *fn)
{
	int ret = gw_dext_claim(&fn->client);

	if (ret) {
		gw_err(fn->f.log, "%s: cannot be claimed: %s", fn->f.info.name, strerror(-ret));
		if (ret == -EBUSY)
			gw_hint(fn->f.log, "another process has it open; end that one first");
		if (ret == -EAGAIN)
			gw_hint(fn->f.log, "this machine sleeps, or is waking up; try again in a moment");
		return ret;
	}
	fn->claimed = true;
	return 0;
}

static int learn(struct gw_dext_function *fn)
{
	const char *name = fn->f.info.name;
	int ret = gw_dext_get_limits(&fn->client);

	if (ret) {
		gw_err(fn->f.log, "%s: no usable limits from the dext: %s", name, strerror(-ret));
		return ret;
	}
	for (unsigned int i = 0; i < GW_NR_BARS;) {
		ret = bar_open(fn, i, &i);
		if (ret) {
			if (ret != -ENXIO)	/* said already */
				gw_err(fn->f.log, "%s: its BARs: %s", name, strerror(-ret));
			return ret;
		}
	}
	gw_dext_get_faults(&fn->client, &fn->faults, (uint32_t[GW_DEXT_FAULT_WORDS]){ 0 });
	fn->f.limits = fn->client.limits;
	return decoding_check(fn);
}

static void open_run(struct gw_dext_job *job)
{
	struct open_job *o = container_of(job, struct open_job, job);

	o->ret = claim(o->fn);
	if (!o->ret)
		o->ret = identify(o->fn);
	if (!o->ret)
		o->ret = learn(o->fn);
}

static void open_drop(struct gw_dext_job *job)
{
	struct open_job *o = container_of(job, struct open_job, job);

	gw_dext_function_free(o->fn);
	free(o);
}

static int open_await(struct open_job *o, struct gw_dext_function **fn)
{
	const char *name = o->fn->client.info.name;	/* it does not change */

	if (gw_dext_job_wait(&o->job, gw_now_ns() + o->fn->opts.open_ms * 1000000ull)) {
		gw_err(o->fn->f.log, "%s: its driver extension does not answer", name);
		gw_hint(o->fn->f.log, "unplug the device, or restart this machine");
		return -ETIMEDOUT;
	}
	if (o->ret)
		gw_dext_function_free(o->fn);
	else
		*fn = o->fn;
	o->fn = NULL;
	return o->ret == -ENXIO ? -EIO : o->ret;
}

int gw_dext_function_new(struct gw_dext_client *client, struct gw_dext_host *host,
			 const struct gw_dext_options *opts, struct gw_dext_function **fn)
{
	struct open_job *o = calloc(1, sizeof(*o));
	int ret;

	if (!o) {
		gw_dext_disconnect(client);
		return -ENOMEM;
	}
	ret = gw_dext_function_alloc(client, host, opts, &o->fn);
	if (ret)
		goto free_job;
	o->job.run = open_run;
	o->job.drop = open_drop;
	ret = gw_dext_job_start(&o->job, "gw-dext-open");
	if (ret)
		goto free_function;
	ret = open_await(o, fn);
	gw_dext_job_put(&o->job);
	return ret;
free_function:
	gw_dext_function_free(o->fn);
free_job:
	free(o);
	return ret;
}
