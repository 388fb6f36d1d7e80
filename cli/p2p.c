/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <inttypes.h>
#include <json-c/json.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include <gangway/p2p.h>

#include "cli/cli.h"
#include "cli/machine.h"

/*
 * How it works: the library judges both ways, in decide(). The two verdicts are then printed, as
 * text (print_*) or as JSON (*_json), and exit_code() says in a word what they are. Nothing is
 * judged here.
 */

#define SITE_LIST	"etc/gangway/host-bridges.conf"
#define CLEAR_SIZE	64
#define BOOT_SIZE	(32 + GW_P2P_MAX_HOPS * GW_PCI_ADDR_SIZE)
#define CAUTION								\
	"as it is, what is redirected gets lost, and a program may report success all the same "	\
	"and bring all ones"

static const struct machine_usage usage = {
	.words = "A B", .min_words = 2, .max_words = 2,
	.text = "Can the functions A and B reach each other's memory, with which address, and why\n"
		"not? Exits with 0 if both ways are open, with 1 if one is not, with 3 if it cannot\n"
		"be told because config space cannot be read. Run it as root.\n",
};

/* Both ways: [0] is B's DMA to A's memory, [1] the other. */
struct both {
	struct gw_topology *t;
	struct gw_p2p_verdict v[2];
};

static void print_bars(struct both *b, const struct gw_p2p_verdict *v)
{
	unsigned int nr = 0;
	struct gw_pci_bar bar;
	gw_bus use;
	int ret;

	for (unsigned int i = 0; i < 6; i++) {
		if (gw_pci_node_bar(b->t, v->provider, i, &bar) || bar.io)
			continue;
		printf("    BAR %u: physical %#" PRIx64 "-%#" PRIx64, i, bar.first, bar.last);
		if (bar.has_bus)
			printf(", on the bus at %#" PRIx64 "%s", bar.bus.v,
			       bar.bus.v == bar.first ? "" : " (not the same)");
		ret = gw_p2p_bar_address(b->t, v, &bar, &use);
		if (!ret)
			printf("; the client uses %#" PRIx64, use.v);
		else if (ret == -ENOENT)
			printf("; its host bridge gives the client no address for it");
		putchar('\n');
		nr++;
	}
	if (!nr)
		printf("    none: it has no BAR of memory\n");
}

/* The bits to be cleared and how, for setpci(8): it changes no others. */
static void clear_command(const struct gw_p2p_hop *hop, char text[CLEAR_SIZE])
{
	char addr[GW_PCI_ADDR_SIZE];

	snprintf(text, CLEAR_SIZE, "setpci -s %s ECAP_ACS+6.w=0000:%04x",
		 gw_pci_addr_format(&hop->node->addr, addr), hop->clear);
}

/* What the kernel's command line has to say for the same. Return: is there anything to clear? */
static bool clear_at_boot(const struct gw_p2p_verdict *v, char text[BOOT_SIZE])
{
	int len = snprintf(text, BOOT_SIZE, "pci=disable_acs_redir="), nr = 0;
	char addr[GW_PCI_ADDR_SIZE];

	for (unsigned int i = 0; i < v->nr_hops; i++) {
		if (v->hop[i].clear)
			len += snprintf(text + len, BOOT_SIZE - (size_t)len, "%s%s", nr++ ? ";" : "",
					gw_pci_addr_format(&v->hop[i].node->addr, addr));
	}
	return nr;
}

static void print_clear(const struct gw_p2p_verdict *v)
{
	char text[BOOT_SIZE], command[CLEAR_SIZE];

	if (!clear_at_boot(v, text))
		return;
	printf("  to clear    for a direct way, as root, until the next start:\n");
	for (unsigned int i = 0; i < v->nr_hops; i++) {
		if (!v->hop[i].clear)
			continue;
		clear_command(&v->hop[i], command);
		printf("    %s\n", command);
	}
	printf("    or, at each start, on the kernel's command line: %s\n", text);
	printf("    What is below these ports is then not kept apart, and IOMMU groups grow.\n");
	printf("  beware      %s\n", CAUTION);
}

static void print_one(struct both *b, const struct gw_p2p_verdict *v)
{
	char client[GW_PCI_ADDR_SIZE], provider[GW_PCI_ADDR_SIZE], text[GW_P2P_TEXT_SIZE];

	printf("%s to the memory of %s: %s\n", gw_pci_addr_format(&v->client->addr, client),
	       gw_pci_addr_format(&v->provider->addr, provider), gw_p2p_map_name(v->map));
	printf("  address     %s\n", gw_p2p_address_name(v->address));
	printf("  the kernel  %s: %s\n", gw_p2p_map_name(v->classic.map),
	       gw_p2p_why_text(v->classic.why));
	printf("  strictly    %s: %s\n", gw_p2p_map_name(v->strict.map),
	       gw_p2p_why_text(v->strict.why));
	printf("  distance    %u\n", v->distance);
	printf("  path        from the client\n");
	for (unsigned int i = v->nr_hops; i--;)
		printf("    %s%s\n", gw_p2p_hop_text(&v->hop[i], text),
		       v->hop[i].side == GW_P2P_COMMON ? "; above both" : "");
	if (!v->common)
		printf("    %s\n", gw_p2p_permit_text(v, text));
	else
		printf("  above it    %s\n", gw_p2p_permit_text(v, text));
	if (v->strict.why == GW_P2P_DEAD_END && v->dead_end)
		printf("  dead end    %s %s\n", gw_pci_type_name(v->dead_end),
		       gw_pci_addr_format(&v->dead_end->addr, client));
	print_clear(v);
	if (v->map >= GW_P2P_THRU_HOST_BRIDGE) {
		printf("  memory\n");
		print_bars(b, v);
	}
}

static void add_string(struct json_object *o, const char *key, const char *s)
{
	json_object_object_add(o, key, json_object_new_string(s));
}

static struct json_object *answer_json(const struct gw_p2p_answer *a)
{
	struct json_object *o = json_object_new_object();

	add_string(o, "map", gw_p2p_map_name(a->map));
	add_string(o, "why", gw_p2p_why_text(a->why));
	return o;
}

static struct json_object *hop_json(const struct gw_p2p_hop *hop)
{
	static const char *const side[] = { "provider", "common", "client" };
	static const char *const state[] = { "absent", "present", "unreachable", "unreadable" };
	struct json_object *o = json_object_new_object();
	char text[GW_P2P_TEXT_SIZE];

	machine_json_addr(o, "function", hop->node);
	add_string(o, "type", gw_pci_type_name(hop->node));
	add_string(o, "side", side[hop->side]);
	json_object_object_add(o, "parts", json_object_new_boolean(hop->parts));
	add_string(o, "acs", state[hop->node->acs.state]);
	if (hop->node->acs.state == GW_ACS_PRESENT) {
		json_object_object_add(o, "acs_capability",
				       json_object_new_int(hop->node->acs.cap));
		json_object_object_add(o, "acs_control", json_object_new_int(hop->node->acs.ctrl));
	}
	add_string(o, "text", gw_p2p_hop_text(hop, text));
	json_object_object_add(o, "clear", json_object_new_int(hop->clear));
	return o;
}

/* What to do for a direct way, or null. */
static struct json_object *clear_json(const struct gw_p2p_verdict *v)
{
	struct json_object *o, *commands;
	char text[BOOT_SIZE];

	if (!clear_at_boot(v, text))
		return NULL;
	o = json_object_new_object();
	commands = json_object_new_array();
	add_string(o, "boot", text);
	for (unsigned int i = 0; i < v->nr_hops; i++) {
		if (!v->hop[i].clear)
			continue;
		clear_command(&v->hop[i], text);
		json_object_array_add(commands, json_object_new_string(text));
	}
	json_object_object_add(o, "commands", commands);
	add_string(o, "caution", CAUTION);
	return o;
}

static struct json_object *bars_json(struct both *b, const struct gw_p2p_verdict *v)
{
	struct json_object *list = json_object_new_array(), *o;
	struct gw_pci_bar bar;
	gw_bus use;

	for (unsigned int i = 0; i < 6; i++) {
		if (gw_pci_node_bar(b->t, v->provider, i, &bar) || bar.io)
			continue;
		o = json_object_new_object();
		json_object_object_add(o, "bar", json_object_new_int((int)i));
		json_object_object_add(o, "physical", json_object_new_uint64(bar.first));
		json_object_object_add(o, "size", json_object_new_uint64(bar.last - bar.first + 1));
		json_object_object_add(o, "bus",
				       bar.has_bus ? json_object_new_uint64(bar.bus.v) : NULL);
		json_object_object_add(o, "use", gw_p2p_bar_address(b->t, v, &bar, &use) ? NULL :
				       json_object_new_uint64(use.v));
		json_object_array_add(list, o);
	}
	return list;
}

static struct json_object *one_json(struct both *b, const struct gw_p2p_verdict *v)
{
	struct json_object *o = json_object_new_object(), *hops = json_object_new_array();
	char text[GW_P2P_TEXT_SIZE];

	machine_json_addr(o, "client", v->client);
	machine_json_addr(o, "provider", v->provider);
	add_string(o, "map", gw_p2p_map_name(v->map));
	add_string(o, "address", gw_p2p_address_name(v->address));
	json_object_object_add(o, "classic", answer_json(&v->classic));
	json_object_object_add(o, "strict", answer_json(&v->strict));
	json_object_object_add(o, "distance", json_object_new_int((int)v->distance));
	machine_json_addr(o, "common", v->common);
	json_object_object_add(o, "host_bridge_permits",
			       json_object_new_boolean(v->permit == GW_P2P_LISTED ||
						       v->permit == GW_P2P_BY_CPU));
	add_string(o, "host_bridge", gw_p2p_permit_text(v, text));
	for (unsigned int i = 0; i < v->nr_hops; i++)
		json_object_array_add(hops, hop_json(&v->hop[i]));
	json_object_object_add(o, "path", hops);
	machine_json_addr(o, "dead_end", v->dead_end);
	json_object_object_add(o, "clear", clear_json(v));
	json_object_object_add(o, "bars", bars_json(b, v));
	return o;
}

static void say_no(const struct gw_p2p_verdict *v, struct gw_log *log)
{
	const struct gw_p2p_answer *no = v->classic.map == GW_P2P_NOT_SUPPORTED ? &v->classic : &v->strict;
	char client[GW_PCI_ADDR_SIZE], provider[GW_PCI_ADDR_SIZE], text[GW_P2P_TEXT_SIZE];
	bool host = !v->dead_end && no->why != GW_P2P_ACS_UNREADABLE;

	gw_err(log, "%s does not reach the memory of %s: %s%s%s",
	       gw_pci_addr_format(&v->client->addr, client),
	       gw_pci_addr_format(&v->provider->addr, provider), gw_p2p_why_text(no->why),
	       host ? "; " : "", host ? gw_p2p_permit_text(v, text) : "");
	for (unsigned int i = 0; i < v->nr_hops; i++) {
		if (!v->hop[i].clear)
			continue;
		gw_hint(log, "clearing what redirects gives them a direct way, and takes isolation: see "
			"'to clear'");
		return;
	}
}

static int exit_code(const struct both *b, struct gw_log *log)
{
	int code = CLI_OK;

	for (unsigned int i = 0; i < 2; i++) {
		if (b->v[i].classic.map == GW_P2P_UNKNOWN) {
			gw_hint(log, "run it as root: only root reads all of config space");
			return CLI_UNAVAILABLE;
		}
		if (b->v[i].map != GW_P2P_NOT_SUPPORTED)
			continue;
		say_no(&b->v[i], log);
		code = CLI_FAILED;
	}
	return code;
}

static int load_hosts(const struct gw_topology *t, struct gw_p2p_hosts **h, struct gw_log *log)
{
	char path[PATH_MAX];
	int ret = gw_p2p_hosts_new(h);

	if (ret) {
		gw_err(log, "out of memory");
		return CLI_FAILED;
	}
	if (gw_topology_path(t, SITE_LIST, path, sizeof(path)))
		return CLI_OK;
	ret = gw_p2p_hosts_load(*h, path, log);
	if (!ret || ret == -ENOENT)
		return CLI_OK;
	gw_p2p_hosts_free(*h);
	return CLI_FAILED;
}

static int decide(struct both *b, const struct machine_args *a, struct gw_log *log)
{
	struct gw_pci_node *n[2];
	struct gw_p2p_hosts *hosts;
	int code = CLI_OK, ret = 0;

	for (unsigned int i = 0; i < 2 && code == CLI_OK; i++)
		code = machine_find(b->t, a->word[i], log, &n[i]);
	if (code == CLI_OK)
		code = load_hosts(b->t, &hosts, log);
	if (code != CLI_OK)
		return code;
	for (unsigned int i = 0; i < 2 && !ret; i++)
		ret = gw_p2p_verdict(b->t, hosts, n[i], n[!i], &b->v[i]);
	gw_p2p_hosts_free(hosts);
	if (!ret)
		return CLI_OK;
	gw_err(log, "cannot read the path between %s and %s: %s", a->word[0], a->word[1],
	       strerror(-ret));
	return CLI_FAILED;
}

static int p2p_run(int argc, char **argv, struct gw_log *log)
{
	struct json_object *list;
	struct machine_args a;
	struct both b;
	int code = machine_begin(&a, &usage, argc, argv, log, &b.t);

	if (code >= 0)
		return code;
	code = decide(&b, &a, log);
	if (code == CLI_OK) {
		if (a.json) {
			list = json_object_new_array();
			for (unsigned int i = 0; i < 2; i++)
				json_object_array_add(list, one_json(&b, &b.v[i]));
			machine_json(list);
		} else {
			print_one(&b, &b.v[0]);
			putchar('\n');
			print_one(&b, &b.v[1]);
		}
		code = exit_code(&b, log);
	}
	gw_topology_close(b.t);
	return code;
}

const struct cli_command cli_p2p = { "p2p", "can two functions reach each other's memory?",
				     p2p_run };
