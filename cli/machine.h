/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CLI_MACHINE_H
#define CLI_MACHINE_H

#include <stdbool.h>

#include <gangway/topology.h>

struct json_object;
struct pci_access;

#define MACHINE_MAX_WORDS	2
#define MACHINE_NAME_SIZE	160

/** What the commands about this machine's functions take. */
struct machine_args {
	const char *tree;	/* folder that holds sys/ and proc/; "": the machine itself */
	bool json;
	unsigned int force;	/* how often --force was said */
	const char *word[MACHINE_MAX_WORDS];
	int nr_words;
};

/** A command's words and options, for its help and its parser. */
struct machine_usage {
	const char *words;	/* as the help has them, e.g. "A B" */
	const char *text;	/* what it does, and its own options */
	int min_words, max_words;
	bool force;		/* it knows --force */
};

/**
 * machine_args_parse() - the command line of one of these commands
 *
 * Return: -1 to go on; else the exit code (--help was printed, or an error).
 */
int machine_args_parse(struct machine_args *a, const struct machine_usage *u, int argc,
		       char **argv, struct gw_log *log);

/**
 * machine_open() - its topology
 *
 * Return: CLI_OK, or the exit code (logged).
 */
int machine_open(const struct machine_args *a, struct gw_log *log, struct gw_topology **t);

/**
 * machine_begin() - both of the above
 *
 * Return: -1 to go on; else the exit code.
 */
int machine_begin(struct machine_args *a, const struct machine_usage *u, int argc, char **argv,
		  struct gw_log *log, struct gw_topology **t);

/**
 * machine_find() - a function that the user named
 *
 * Return: CLI_OK, or the exit code (logged).
 */
int machine_find(struct gw_topology *t, const char *name, struct gw_log *log,
		 struct gw_pci_node **n);

/** machine_names() - who names vendors and devices; NULL: out of memory */
struct pci_access *machine_names_new(void);
void machine_names_free(struct pci_access *names);

/** machine_name() - vendor and device of a function, in words. Return: @text */
const char *machine_name(struct pci_access *names, const struct gw_pci_node *n,
			 char text[MACHINE_NAME_SIZE]);

/** machine_json() - print and release. Return: CLI_OK */
int machine_json(struct json_object *o);

/** machine_json_name() - add a name from outside to an object, as it is printed; NULL is null */
void machine_json_name(struct json_object *o, const char *key, const char *name);

/** machine_json_addr() - add a function's address to an object, or null */
void machine_json_addr(struct json_object *o, const char *key, const struct gw_pci_node *n);

#endif
