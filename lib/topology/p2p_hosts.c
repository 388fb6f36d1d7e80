/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <gangway/p2p.h>

#include "base/util.h"
#include "topology/treefile.h"

/*
 * How it works: rules are lines of text. The built-in ones are there first, those of a file come
 * after them, and none is ever taken away. A verdict of p2p.c is looked up among the host bridges
 * first, at both ends if they have different ones; the processor counts only where those rules do
 * not permit it.
 */

#define MAX_RULES	4096u
#define MAX_FILE	(256u << 10)
#define ANY_DEVICE	0x10000u

/* A host bridge by identity, or, if @cpu is set, all host bridges of a processor. */
struct rule {
	char cpu[16];
	unsigned int vendor, device, family;
	bool same;
};

struct gw_p2p_hosts {
	struct rule *rule;
	unsigned int nr, room;
};

extern const char gw_p2p_hosts_builtin[];

int gw_p2p_hosts_new(struct gw_p2p_hosts **out)
{
	struct gw_p2p_hosts *h = calloc(1, sizeof(*h));
	int ret;

	if (!h)
		return -ENOMEM;
	ret = gw_p2p_hosts_add(h, gw_p2p_hosts_builtin, NULL);
	if (ret) {
		gw_p2p_hosts_free(h);
		return ret;
	}
	*out = h;
	return 0;
}

void gw_p2p_hosts_free(struct gw_p2p_hosts *h)
{
	if (!h)
		return;
	free(h->rule);
	free(h);
}

static int take_number(const char *word, int base, unsigned long max, unsigned int *val)
{
	char *end;
	unsigned long v = strtoul(word, &end, base);

	if (*word == '-' || *word == '+' || end == word || *end || v > max)
		return -EINVAL;
	*val = (unsigned int)v;
	return 0;
}

/* A line without its comment. Return: 1 it is a rule, 0 it is empty, -EINVAL. */
static int rule_parse(char *line, struct rule *r)
{
	char *save, *word[4];
	unsigned int nr = 0;

	for (char *w = strtok_r(line, " \t\r", &save); w; w = strtok_r(NULL, " \t\r", &save)) {
		if (nr == ARRAY_SIZE(word))
			return -EINVAL;
		word[nr++] = w;
	}
	if (!nr)
		return 0;
	*r = (struct rule){ .device = ANY_DEVICE };
	if (!strcmp(word[0], "cpu")) {
		if (nr != 3 || strlen(word[1]) >= sizeof(r->cpu))
			return -EINVAL;
		strcpy(r->cpu, word[1]);
		return take_number(word[2], 10, INT_MAX, &r->family) ? -EINVAL : 1;
	}
	r->same = nr == 3 && !strcmp(word[2], "same");
	if (nr != 2u + r->same || take_number(word[0], 16, UINT16_MAX, &r->vendor))
		return -EINVAL;
	if (!strcmp(word[1], "*"))
		return 1;
	return take_number(word[1], 16, UINT16_MAX, &r->device) ? -EINVAL : 1;
}

static int rule_add(struct gw_p2p_hosts *h, const struct rule *r)
{
	unsigned int room = h->room ? 2 * h->room : 64;
	struct rule *more;

	if (h->nr == MAX_RULES)
		return -ENOSPC;
	if (h->nr == h->room) {
		more = realloc(h->rule, room * sizeof(*more));
		if (!more)
			return -ENOMEM;
		h->rule = more;
		h->room = room;
	}
	h->rule[h->nr++] = *r;
	return 0;
}

int gw_p2p_hosts_add(struct gw_p2p_hosts *h, const char *text, unsigned int *at)
{
	char line[256];
	struct rule r;
	int ret = 0;

	for (unsigned int nr = 1; *text && ret >= 0; nr++) {
		size_t all = strcspn(text, "\n"), len = strcspn(text, "#\n");

		if (at)
			*at = nr;
		if (len >= sizeof(line))
			return -EINVAL;
		memcpy(line, text, len);
		line[len] = '\0';
		ret = rule_parse(line, &r);
		if (ret > 0)
			ret = rule_add(h, &r);
		text += all + (text[all] == '\n');
	}
	return ret;
}

int gw_p2p_hosts_load(struct gw_p2p_hosts *h, const char *path, struct gw_log *log)
{
	unsigned int line;
	char *text;
	int ret = gw_treefile_text(AT_FDCWD, path, MAX_FILE, &text);

	if (ret) {
		if (ret != -ENOENT)
			gw_err(log, "cannot read %s: %s", path, strerror(-ret));
		return ret;
	}
	ret = gw_p2p_hosts_add(h, text, &line);
	free(text);
	if (ret == -EINVAL)
		gw_err(log,
		       "%s, line %u: wants 'VENDOR DEVICE [same]' in hex or 'cpu VENDOR FAMILY'",
		       path, line);
	else if (ret)
		gw_err(log, "%s, line %u: %s", path, line, strerror(-ret));
	return ret;
}

/* The first processor of /proc/cpuinfo; x86 only, elsewhere it has no such lines. */
static bool cpu_read(struct gw_topology *t, char vendor[16], unsigned int *family)
{
	char path[PATH_MAX], text[4096], *rest = text, *line;
	int have = 0;

	if (gw_topology_path(t, "proc/cpuinfo", path, sizeof(path)) ||
	    gw_treefile_head(AT_FDCWD, path, text, sizeof(text)) < 0)
		return false;
	while (have != 3 && (line = strsep(&rest, "\n")) && *line) {
		if (sscanf(line, "vendor_id : %15s", vendor) == 1)
			have |= 1;
		else if (sscanf(line, "cpu family : %9u", family) == 1)
			have |= 2;
	}
	return have == 3;
}

static bool cpu_permits(const struct gw_p2p_hosts *h, struct gw_topology *t)
{
	unsigned int family;
	char vendor[16];

	if (!cpu_read(t, vendor, &family))
		return false;
	for (unsigned int i = 0; i < h->nr; i++) {
		const struct rule *r = &h->rule[i];

		if (*r->cpu && !strcmp(r->cpu, vendor) && family >= r->family)
			return true;
	}
	return false;
}

/*
 * What counts is function 00.0 of the root bus, or, where there is none, a root port that is first.
 * A later rule that permits more than an earlier one wins, so that a site can lift "same".
 */
static enum gw_p2p_permit host_permit(const struct gw_p2p_hosts *h, const struct gw_pci_node *host)
{
	enum gw_p2p_permit best = GW_P2P_NOT_LISTED;

	if (!host || ((host->addr.dev || host->addr.fn) && host->type != GW_PCI_ROOT_PORT))
		return GW_P2P_NOT_LISTED;
	for (unsigned int i = 0; i < h->nr; i++) {
		const struct rule *r = &h->rule[i];

		if (*r->cpu || r->vendor != host->vendor ||
		    (r->device != ANY_DEVICE && r->device != host->device))
			continue;
		if (!r->same)
			return GW_P2P_LISTED;
		best = GW_P2P_LISTED_FOR_SAME;
	}
	return best;
}

enum gw_p2p_permit gw_p2p_hosts_permit(const struct gw_p2p_hosts *h, struct gw_topology *t,
				       const struct gw_p2p_verdict *v)
{
	enum gw_p2p_permit p = host_permit(h, v->provider_host), c;

	if (v->provider->root == v->client->root) {
		if (p != GW_P2P_NOT_LISTED)
			return GW_P2P_LISTED;
	} else {
		c = host_permit(h, v->client_host);
		if (c == GW_P2P_NOT_LISTED)
			p = c;
		if (p != GW_P2P_NOT_LISTED && c == GW_P2P_LISTED_FOR_SAME)
			p = c;
		if (p == GW_P2P_LISTED)
			return p;
	}
	return cpu_permits(h, t) ? GW_P2P_BY_CPU : p;
}
