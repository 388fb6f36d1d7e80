/* SPDX-License-Identifier: BSD-3-Clause */
#include <assert.h>
#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/util.h"
#include "host/dext/function.h"
#include "host/dext/options.h"

/**
 * struct gw_dext_host - functions reached through dexts
 * @lock: also of each function's @refs; held while functions are opened and closed, so that none
 *        is opened and closed at the same time. Outermost
 */
struct gw_dext_host {
	struct gw_host host;
	struct gw_dext_services *services;
	struct gw_dext_options opts;	/* filled in */
	pthread_mutex_t lock;
	LIST_HEAD(, gw_dext_function) open GW_GUARDED_BY(lock);
};

static struct gw_dext_host *to_host(struct gw_host *host)
{
	return container_of(host, struct gw_dext_host, host);
}

/* Exactly @n hexadecimal digits. */
static bool take_hex(const char **s, unsigned int n, unsigned int max, uint8_t *out)
{
	unsigned int v = 0;

	for (; n; n--, (*s)++) {
		if (!isxdigit((unsigned char)**s))
			return false;
		v = v * 16 + (unsigned int)(isdigit((unsigned char)**s) ? **s - '0' :
					    tolower((unsigned char)**s) - 'a' + 10);
	}
	*out = (uint8_t)v;
	return v <= max;
}

static bool take_char(const char **s, char c)
{
	return *(*s)++ == c;
}

/* BB:DD.F, or BB:DD.F@ROOT */
static int addr_parse(const char *s, struct gw_dext_addr *at)
{
	*at = (struct gw_dext_addr){ 0 };
	if (!take_hex(&s, 2, 0xff, &at->bus) || !take_char(&s, ':') ||
	    !take_hex(&s, 2, 0x1f, &at->dev) || !take_char(&s, '.') ||
	    !take_hex(&s, 1, 7, &at->fn))
		return -EINVAL;
	if (!*s)
		return 0;
	if (!take_char(&s, '@') || !*s || strlen(s) >= sizeof(at->root))
		return -EINVAL;
	memcpy(at->root, s, strlen(s));
	return 0;
}

static int host_list(struct gw_host *host, struct gw_function_info **list, size_t *nr)
{
	struct gw_dext_host *h = to_host(host);

	return gw_dext_list(h->services, &h->opts, host->log, list, nr);
}

static struct gw_dext_function *host_find(struct gw_dext_host *h, const struct gw_dext_client *c)
	GW_HOLDS(h->lock)
{
	struct gw_dext_function *fn;

	LIST_FOREACH(fn, &h->open, link)
		if (fn->client.info.bus == c->info.bus && fn->client.info.dev == c->info.dev &&
		    fn->client.info.fn == c->info.fn && !strcmp(fn->client.root, c->root) &&
		    !atomic_load(&fn->client.gone))
			return fn;
	return NULL;
}

/* The function at @at, shared if it is open already. */
static int host_get(struct gw_dext_host *h, const struct gw_dext_addr *at,
		    struct gw_dext_function **fn) GW_HOLDS(h->lock)
{
	struct gw_dext_client client;
	int ret = gw_dext_connect(h->services, &h->opts, h->host.log, at, &client);

	if (ret)
		return ret;
	*fn = host_find(h, &client);
	if (*fn) {
		gw_dext_disconnect(&client);
		(*fn)->refs++;
		return 0;
	}
	ret = gw_dext_function_new(&client, h, &h->opts, fn);
	if (ret)
		return ret;
	(*fn)->refs = 1;
	LIST_INSERT_HEAD(&h->open, *fn, link);
	return 0;
}

static int host_open(struct gw_host *host, const char *name, struct gw_function **f)
{
	struct gw_dext_host *h = to_host(host);
	struct gw_dext_function *fn;
	struct gw_dext_addr at;
	int ret = addr_parse(name, &at);

	if (ret) {
		gw_err(host->log, "%s is not the name of a function", name);
		gw_hint(host->log, "names are BB:DD.F or BB:DD.F@ROOT, as listed");
		return ret;
	}
	pthread_mutex_lock(&h->lock);
	ret = host_get(h, &at, &fn);
	pthread_mutex_unlock(&h->lock);
	if (!ret)
		*f = &fn->f;
	return ret;
}

void gw_dext_function_close(struct gw_function *f)
{
	struct gw_dext_function *fn = container_of(f, struct gw_dext_function, f);
	struct gw_dext_host *h = fn->host;

	pthread_mutex_lock(&h->lock);
	if (!--fn->refs) {
		LIST_REMOVE(fn, link);
		gw_dext_function_end(fn);
	}
	pthread_mutex_unlock(&h->lock);
}

static void host_free(struct gw_host *host)
{
	struct gw_dext_host *h = to_host(host);

	GW_ALONE(h->lock);	/* no function of it is left */
	assert(LIST_EMPTY(&h->open));
	pthread_mutex_destroy(&h->lock);
	free(h);
}

static const struct gw_host_ops host_ops = {
	.list = host_list,
	.open = host_open,
	.free = host_free,
};

int gw_dext_host_new(struct gw_dext_services *services, struct gw_log *log, struct gw_host **host)
{
	struct gw_dext_host *h = calloc(1, sizeof(*h));

	if (!h)
		return -ENOMEM;
	if (pthread_mutex_init(&h->lock, NULL)) {
		free(h);
		return -ENOMEM;
	}
	h->host = (struct gw_host){ .ops = &host_ops, .log = log };
	h->services = services;
	h->opts = gw_dext_options_fill(&(struct gw_dext_options){ 0 });
	LIST_INIT(&h->open);
	*host = &h->host;
	return 0;
}

void gw_dext_host_set_options(struct gw_host *host, const struct gw_dext_options *o)
{
	to_host(host)->opts = gw_dext_options_fill(o);
}
