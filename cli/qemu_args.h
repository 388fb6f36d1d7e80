/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CLI_QEMU_ARGS_H
#define CLI_QEMU_ARGS_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include <json-c/json.h>

#include <gangway/ram.h>

#define QEMU_MAX_ARGS	256

/** A command line under construction; strings are owned. Adding past the end sets @failed. */
struct qemu_args {
	char *arg[QEMU_MAX_ARGS + 1];
	unsigned int nr;
	bool failed;
};

/** qemu_args_add() - one word, as it is */
void qemu_args_add(struct qemu_args *a, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void qemu_args_fini(struct qemu_args *a);

/**
 * qemu_args_add_file() - a word KEY=VALUE,... of QEMU's own syntax that ends in a file's name
 *
 * QEMU takes a comma in a value only doubled.
 */
void qemu_args_add_file(struct qemu_args *a, const char *before, const char *name);

/** qemu_args_add_json() - an option whose value is JSON; takes @o over */
void qemu_args_add_json(struct qemu_args *a, const char *option, struct json_object *o);

/**
 * qemu_args_add_memory() - guest RAM that a vfio-user server can reach
 * @machine: what -machine is to say beside where RAM is; "": nothing
 * @ram:     what we made, in the file @path; NULL: QEMU makes it
 * @nodes:   of @ram what is near and the rest are two NUMA nodes, the first with all processors
 * @size:    bytes; 0: for the user to fill in
 */
void qemu_args_add_memory(struct qemu_args *a, const char *machine, const struct gw_ram *ram,
			  const char *path, bool nodes, uint64_t size);

/**
 * qemu_args_add_device() - the client's side of a socket
 * @id, @bus, @addr: NULL: for QEMU to choose
 */
void qemu_args_add_device(struct qemu_args *a, const char *socket, const char *id,
			  const char *bus, const char *addr);

/** qemu_args_print() - for a shell: quoted where it must be, a line for each option */
void qemu_args_print(const struct qemu_args *a, FILE *to);

/** qemu_args_json() - the words as an array, the caller's */
struct json_object *qemu_args_json(const struct qemu_args *a);

#endif
