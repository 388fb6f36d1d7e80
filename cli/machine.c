/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "cli/machine.h"

#include <errno.h>
#include <getopt.h>
#include <json-c/json.h>
#include <pci/pci.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/quote.h"
#include "cli/cli.h"
#include "cli/text.h"

enum { OPT_TREE = 256, OPT_JSON, OPT_FORCE, OPT_HELP };

static const struct option options[] = {
	{ "tree", required_argument, NULL, OPT_TREE },
	{ "json", no_argument, NULL, OPT_JSON },
	{ "help", no_argument, NULL, OPT_HELP },
	{ "force", no_argument, NULL, OPT_FORCE },
	{ 0 },
};

static int print_help(const struct machine_usage *u, const char *name)
{
	printf("Usage: gangway %s %s%s[OPTIONS]\n\n%s\n"
	       "  --json        print JSON\n"
	       "  --tree DIR    look at the copies of sys/ and proc/ in DIR instead of the "
	       "machine\n",
	       name, u->words, *u->words ? " " : "", u->text);
	return CLI_OK;
}

static int bad_usage(struct gw_log *log, const char *name)
{
	gw_hint(log, "%s takes --json and --tree DIR; gangway %s --help tells more", name, name);
	return CLI_USAGE;
}

int machine_args_parse(struct machine_args *a, const struct machine_usage *u, int argc,
		       char **argv, struct gw_log *log)
{
	int opt;

	*a = (struct machine_args){ .tree = "" };
	optind = 1;
	opterr = 0;
	while ((opt = getopt_long(argc, argv, ":hv", options, NULL)) != -1) {
		switch (opt) {
		case 'v': cli_say_more(log); break;
		case OPT_TREE: a->tree = optarg; break;
		case OPT_JSON: a->json = true; break;
		case OPT_FORCE: a->force++; break;
		case OPT_HELP:
		case 'h': return print_help(u, argv[0]);
		default:
			text_bad_option(log, argv, opt);
			return bad_usage(log, argv[0]);
		}
	}
	if (a->force && !u->force) {
		gw_err(log, "%s takes no --force", argv[0]);
		return bad_usage(log, argv[0]);
	}
	a->nr_words = argc - optind;
	if (a->nr_words < u->min_words || a->nr_words > u->max_words) {
		gw_err(log, a->nr_words < u->min_words ? "%s: wants %s" :
		       "%s: too many words; it wants %s", argv[0], *u->words ? u->words : "none");
		return bad_usage(log, argv[0]);
	}
	for (int i = 0; i < a->nr_words; i++)
		a->word[i] = argv[optind + i];
	return -1;
}

int machine_open(const struct machine_args *a, struct gw_log *log, struct gw_topology **t)
{
	int ret = gw_topology_open(a->tree, log, t);

	if (!ret)
		return CLI_OK;
	if (ret == -ENOENT)
		gw_err(log, "there is no %s/sys/bus/pci/devices: no PCI here, or no Linux",
		       a->tree);
	else
		gw_err(log, "cannot read %s/sys/bus/pci/devices: %s", a->tree, strerror(-ret));
	return CLI_UNAVAILABLE;
}

int machine_begin(struct machine_args *a, const struct machine_usage *u, int argc, char **argv,
		  struct gw_log *log, struct gw_topology **t)
{
	int code = machine_args_parse(a, u, argc, argv, log);

	if (code >= 0)
		return code;
	code = machine_open(a, log, t);
	return code == CLI_OK ? -1 : code;
}

int machine_find(struct gw_topology *t, const char *name, struct gw_log *log,
		 struct gw_pci_node **n)
{
	struct gw_pci_addr addr;
	int ret;

	if (gw_pci_addr_parse(name, &addr)) {
		gw_err(log, "'%s' is no PCI address; they look like 01:00.0 or 0000:01:00.0", name);
		return CLI_USAGE;
	}
	ret = gw_topology_find(t, &addr, n);
	if (!ret)
		ret = gw_pci_node_config(t, *n);
	if (!ret)
		return CLI_OK;
	if (ret == -ENOENT) {
		gw_err(log, "there is no function %s", name);
		gw_hint(log, "gangway list shows those there are");
		return CLI_UNAVAILABLE;
	}
	gw_err(log, "cannot read what %s is: %s", name, strerror(-ret));
	return CLI_FAILED;
}

static void names_silent(char *fmt, ...)
{
}

static __attribute__((noreturn)) void names_fail(char *fmt, ...)
{
	/* it must not return; libpci calls it when memory is out, which leaves nothing to be said
	 */
	_exit(CLI_FAILED);
}

/* pci_init() is not called: it is for reading devices, and ends the program if it cannot. */
struct pci_access *machine_names_new(void)
{
	struct pci_access *names = pci_alloc();

	if (!names)
		return NULL;
	names->error = names_fail;
	names->warning = names_silent;
	names->debug = names_silent;
	return names;
}

void machine_names_free(struct pci_access *names)
{
	if (names)
		pci_cleanup(names);
}

const char *machine_name(struct pci_access *names, const struct gw_pci_node *n,
			 char text[MACHINE_NAME_SIZE])
{
	char *found = names ? pci_lookup_name(names, text, MACHINE_NAME_SIZE,
					      PCI_LOOKUP_VENDOR | PCI_LOOKUP_DEVICE |
					      PCI_LOOKUP_NO_HWDB, n->vendor,
					      n->device) : NULL;

	if (found != text)
		snprintf(text, MACHINE_NAME_SIZE, "%04x:%04x", n->vendor, n->device);
	return text;
}

int machine_json(struct json_object *o)
{
	puts(json_object_to_json_string_ext(o, JSON_C_TO_STRING_PRETTY |
					    JSON_C_TO_STRING_NOSLASHESCAPE));
	json_object_put(o);
	return CLI_OK;
}

void machine_json_name(struct json_object *o, const char *key, const char *name)
{
	char text[512];

	json_object_object_add(o, key, name ? json_object_new_string(
		gw_quote(name, text, sizeof(text))) : NULL);
}

void machine_json_addr(struct json_object *o, const char *key, const struct gw_pci_node *n)
{
	char text[GW_PCI_ADDR_SIZE];

	json_object_object_add(
		o, key, n ? json_object_new_string(gw_pci_addr_format(&n->addr, text)) : NULL);
}
