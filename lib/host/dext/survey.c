/* SPDX-License-Identifier: BSD-3-Clause */
#include "host/dext/survey.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/util.h"
#include "host/dext/bound.h"
#include "host/dext/job.h"

/*
 * How it works: every dext is asked who it is, by a job (job.h) each, as it may not answer;
 * AT_A_TIME are asked at once. What the system itself says comes first: a dext that is at another
 * address than the one wanted is not asked. The caller's thread collects the answers and hands each
 * connection to found(). A dext that is late is left to its job, and the others are not affected.
 */

/* A table with more dexts than this is one that does not end. */
#define MAX_DEXTS	4096u	/* limit: those looked at */
#define AT_A_TIME	4u

/* What a dext has that does not know GET_LIMITS. */
static const struct gw_host_limits apple_limits = {
	.granule = 16384,
	.max_bytes = 1536ull << 20,
	.max_maps = 65536,
	.max_map_bytes = 1536ull << 20,
	.max_segments = 1,
	.iova_last.v = UINT64_MAX,
};

/* One dext; the job's until it has ended, then the prober's. */
struct candidate {
	struct gw_dext_job job;
	struct gw_dext_services *services;
	unsigned int i, call_ms;
	struct gw_dext_client c;
	int ret;
};

static void ask(struct gw_dext_job *job)
{
	struct candidate *k = container_of(job, struct candidate, job);
	struct gw_dext_client *c = &k->c;

	k->ret = k->services->ops->open(k->services, k->i, &c->conn, c->root);
	if (k->ret) {
		c->conn = NULL;
		return;
	}
	if (k->services->other_process) {
		struct gw_dext_conn *bound = gw_dext_bound_new(c->conn, k->call_ms);

		k->ret = bound ? 0 : -ENOMEM;
		c->conn = bound ? bound : c->conn;
	}
	c->link->conn = c->conn;
	if (k->ret)
		return;
	c->root[sizeof(c->root) - 1] = '\0';
	k->ret = gw_dext_get_identity(c);
}

static void candidate_drop(struct gw_dext_job *job)
{
	struct candidate *k = container_of(job, struct candidate, job);

	gw_dext_link_put(k->c.link);
	free(k);
}

/* What the system says of it. */
static int describe(struct gw_dext_services *s, unsigned int i, struct gw_dext_client *c,
		    bool *addressed)
{
	struct gw_dext_description d = { .root = "" };
	int ret = s->ops->describe ? s->ops->describe(s, i, &d) : 0;

	*addressed = d.addressed;
	if (ret)
		return ret;
	snprintf(c->root, sizeof(c->root), "%.*s", (int)sizeof(d.root) - 1, d.root);
	c->info.unidentified = true;
	if (d.addressed) {
		c->info.bus = d.bus;
		c->info.dev = d.dev;
		c->info.fn = d.fn;
		snprintf(c->info.name, sizeof(c->info.name), "%02x:%02x.%x@%s", d.bus, d.dev, d.fn,
			 c->root);
	} else {
		snprintf(c->info.name, sizeof(c->info.name), "dext %u", i);
	}
	if (d.granule) {	/* until the dext itself says more */
		c->limits.granule = d.granule;
		c->limits.iova_first.v = d.iova_first;
		c->limits.iova_last.v = d.iova_last;
	}
	if (d.identified) {
		c->info.vendor = d.vendor;
		c->info.device = d.device;
		c->info.class_code = d.class_code;
		c->info.unidentified = false;
	}
	return 0;
}

static bool elsewhere(const struct gw_dext_addr *at, const struct gw_function_info *info)
{
	return at && (at->bus != info->bus || at->dev != info->dev || at->fn != info->fn);
}

/* Have the @i-th dext asked; *@out stays NULL if the system says enough. */
static int candidate_start(struct gw_dext_survey *p, unsigned int i, struct candidate **out)
{
	struct gw_dext_client c = { .log = p->log, .limits = apple_limits };
	struct candidate *k;
	bool addressed;
	int ret = describe(p->services, i, &c, &addressed);

	if (ret)
		return ret;
	if (addressed && elsewhere(p->at, &c.info))
		return p->found(p->opaque, &c);
	k = calloc(1, sizeof(*k));
	if (!k)
		return -ENOMEM;
	k->job.run = ask;
	k->job.drop = candidate_drop;
	k->services = p->services;
	k->i = i;
	k->call_ms = p->call_ms;
	k->c = c;
	k->c.link = calloc(1, sizeof(*k->c.link));
	ret = -ENOMEM;
	if (!k->c.link)
		goto free_candidate;
	atomic_init(&k->c.link->refs, 1);
	ret = gw_dext_job_start(&k->job, "gw-dext-ask");
	if (ret)
		goto free_link;
	*out = k;
	return 0;
free_link:
	free(k->c.link);
free_candidate:
	free(k);
	return ret;
}

/* Use the answer. Return: 0; -ENOENT there is no such dext; what found() returned. */
static int candidate_end(struct gw_dext_survey *p, struct candidate *k, uint64_t until)
{
	struct gw_dext_client c;

	if (gw_dext_job_wait(&k->job, until)) {
		/* its name is not touched by the thread that is still at it */
		gw_warn(p->log, "%s: its driver extension does not answer", k->c.info.name);
		gw_hint(p->log, "unplug the device, or restart this machine; the others are not affected");
		p->refused = -ETIMEDOUT;
		return 0;
	}
	c = k->c;
	k->c.link = NULL;
	if (!k->ret)
		return p->found(p->opaque, &c);
	gw_dext_disconnect(&c);
	if (k->ret == -ENOENT)
		return k->ret;
	if (k->ret != -ENODEV) {
		gw_debug(p->log, "%s: %s", k->c.info.name, strerror(-k->ret));
		p->refused = k->ret;
	}
	return 0;
}

/* The next few. Return: 0 to go on; -ENOENT that was all. */
static int survey_some(struct gw_dext_survey *p, unsigned int first)
{
	struct candidate *k[AT_A_TIME] = { NULL };
	uint64_t until = gw_now_ns() + p->answer_ms * 1000000ull;
	int ret = 0, was = 0, this;

	for (unsigned int n = 0; !was && n < AT_A_TIME; n++) {
		was = candidate_start(p, first + n, &k[n]);
		if (was == -ENODEV)
			was = 0;
	}
	for (unsigned int n = 0; n < AT_A_TIME; n++) {
		if (!k[n])
			continue;
		this = candidate_end(p, k[n], until);
		gw_dext_job_put(&k[n]->job);
		if (!ret)
			ret = this;
	}
	return ret ? ret : was;
}

int gw_dext_survey_run(struct gw_dext_survey *s)
{
	int ret = 0;

	for (unsigned int i = 0; !ret && i < MAX_DEXTS; i += AT_A_TIME)
		ret = survey_some(s, i);
	return ret == -ENOENT ? 0 : ret;
}
