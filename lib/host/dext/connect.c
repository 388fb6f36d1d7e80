/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/util.h"
#include "host/dext/client.h"
#include "host/dext/survey.h"

static bool same_addr(const struct gw_function_info *a, const struct gw_function_info *b)
{
	return a->bus == b->bus && a->dev == b->dev && a->fn == b->fn;
}

/* Name a function: @repeats says that other roots have its address too. */
static void name_function(struct gw_function_info *info, const char *root, bool repeats, bool roots)
{
	snprintf(info->name, sizeof(info->name), "%02x:%02x.%x%s%s", info->bus, info->dev,
		 info->fn, repeats ? "@" : "", repeats ? root : "");
	snprintf(info->root, sizeof(info->root), "%s", roots ? root : "");
}

/* What a search for one dext has learnt from those it has looked at. */
struct search {
	const struct gw_dext_addr *at;
	struct gw_dext_client found;	/* connected once there is one */
	char first_root[GW_ROOT_SIZE];		/* of all dexts */
	bool any, roots;		/* one was seen; they have different roots */
	char with_addr[256];		/* roots that have the address, for the message */
	unsigned int nr_with_addr, nr_match;
};

static bool addr_match(const struct gw_dext_addr *at, const struct gw_dext_client *c)
{
	return at->bus == c->info.bus && at->dev == c->info.dev && at->fn == c->info.fn;
}

/* Take @c over into @s or close it. */
static int search_look(void *opaque, struct gw_dext_client *c)
{
	struct search *s = opaque;
	size_t len = strlen(s->with_addr);

	if (!s->any)
		memcpy(s->first_root, c->root, sizeof(s->first_root));
	s->any = true;
	s->roots |= strcmp(s->first_root, c->root) != 0;
	if (!c->conn || !addr_match(s->at, c)) {
		gw_dext_disconnect(c);
		return 0;
	}
	s->nr_with_addr++;
	snprintf(s->with_addr + len, sizeof(s->with_addr) - len, "%s%s", len ? ", " : "", c->root);
	if ((*s->at->root && strcmp(s->at->root, c->root) != 0) || s->nr_match++)
		gw_dext_disconnect(c);
	else
		s->found = *c;
	return 0;
}

static int search_verdict(const struct search *s, struct gw_log *log, int refused)
{
	const struct gw_dext_addr *at = s->at;

	if (s->nr_match > 1 && !*at->root) {
		gw_err(log, "%02x:%02x.%x is ambiguous: roots %s have that address", at->bus,
		       at->dev, at->fn, s->with_addr);
		gw_hint(log, "name the root: %02x:%02x.%x@ROOT", at->bus, at->dev, at->fn);
		return -EINVAL;
	}
	if (s->nr_match)
		return 0;
	if (s->nr_with_addr)
		gw_err(log, "%02x:%02x.%x is not under root %s; it is under %s", at->bus, at->dev,
		       at->fn, at->root, s->with_addr);
	return refused && !s->nr_with_addr ? refused : -ENOENT;
}

int gw_dext_connect(struct gw_dext_services *services, const struct gw_dext_options *opts,
		    struct gw_log *log, const struct gw_dext_addr *at, struct gw_dext_client *c)
{
	struct search s = { .at = at };
	struct gw_dext_survey survey = {
		.services = services, .log = log, .answer_ms = opts->answer_ms,
		.call_ms = opts->call_ms, .at = at,
		.found = search_look, .opaque = &s,
	};
	int ret = gw_dext_survey_run(&survey);

	if (!ret)
		ret = search_verdict(&s, log, survey.refused);
	if (ret) {
		gw_dext_disconnect(&s.found);
		return ret;
	}
	*c = s.found;
	name_function(&c->info, c->root, s.nr_with_addr > 1, s.roots);
	return 0;
}

/* A growing array of what was found; each with the root it is under. */
struct found {
	struct gw_function_info *info;
	size_t nr, max;
};

static int found_add(struct found *f, const struct gw_dext_client *c)
{
	size_t max = f->max ? 2 * f->max : 8;
	struct gw_function_info *more;

	if (f->nr == f->max) {
		more = calloc(max, sizeof(*more));
		if (!more)
			return -ENOMEM;
		if (f->nr)
			memcpy(more, f->info, f->nr * sizeof(*more));
		free(f->info);
		f->info = more;
		f->max = max;
	}
	f->info[f->nr] = c->info;
	memcpy(f->info[f->nr].root, c->root, sizeof(c->root));
	f->nr++;
	return 0;
}

/* Names need to know all: which addresses repeat, and whether there is more than one root. */
static void found_name(struct found *f)
{
	bool roots = false, repeats;
	char root[GW_ROOT_SIZE];

	for (size_t i = 1; i < f->nr; i++)
		roots |= strcmp(f->info[0].root, f->info[i].root) != 0;
	for (size_t i = 0; i < f->nr; i++) {
		repeats = false;
		for (size_t j = 0; j < f->nr; j++)
			repeats |= j != i && same_addr(&f->info[i], &f->info[j]);
		memcpy(root, f->info[i].root, sizeof(root));
		name_function(&f->info[i], root, repeats, roots);
	}
}

static int list_look(void *opaque, struct gw_dext_client *c)
{
	int ret = found_add(opaque, c);

	gw_dext_disconnect(c);
	return ret;
}

int gw_dext_list(struct gw_dext_services *services, const struct gw_dext_options *opts,
		 struct gw_log *log, struct gw_function_info **list, size_t *nr)
{
	struct found f = { 0 };
	struct gw_dext_survey survey = {
		.services = services, .log = log, .answer_ms = opts->answer_ms,
		.call_ms = opts->call_ms, .found = list_look, .opaque = &f,
	};
	int ret = gw_dext_survey_run(&survey);

	if (!ret && !f.nr && survey.refused == -EACCES)
		ret = survey.refused;
	if (ret) {
		free(f.info);
		return ret;
	}
	found_name(&f);
	*list = f.info;
	*nr = f.nr;
	return 0;
}
