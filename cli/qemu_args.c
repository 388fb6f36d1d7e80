/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "cli/qemu_args.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

void qemu_args_add(struct qemu_args *a, const char *fmt, ...)
{
	va_list ap;

	if (a->nr == QEMU_MAX_ARGS) {
		a->failed = true;
		return;
	}
	va_start(ap, fmt);
	if (vasprintf(&a->arg[a->nr], fmt, ap) < 0) {
		a->arg[a->nr] = NULL;
		a->failed = true;
	} else {
		a->nr++;
	}
	va_end(ap);
}

void qemu_args_fini(struct qemu_args *a)
{
	for (unsigned int i = 0; i < a->nr; i++)
		free(a->arg[i]);
	memset(a, 0, sizeof(*a));
}

void qemu_args_add_file(struct qemu_args *a, const char *before, const char *name)
{
	char *doubled = malloc(2 * strlen(name) + 1), *at = doubled;

	if (!doubled) {
		a->failed = true;
		return;
	}
	for (; *name; name++) {
		*at++ = *name;
		if (*name == ',')
			*at++ = ',';
	}
	*at = '\0';
	qemu_args_add(a, "%s%s", before, doubled);
	free(doubled);
}

void qemu_args_add_json(struct qemu_args *a, const char *option, struct json_object *o)
{
	qemu_args_add(a, "%s", option);
	qemu_args_add(a, "%s", json_object_to_json_string_ext(o, JSON_C_TO_STRING_PLAIN |
							      JSON_C_TO_STRING_NOSLASHESCAPE));
	json_object_put(o);
}

static void add_text(struct json_object *o, const char *key, const char *value)
{
	if (value)
		json_object_object_add(o, key, json_object_new_string(value));
}

/* Bytes of RAM from @at on. */
static void add_backend(struct qemu_args *a, const char *id, const struct gw_ram *ram,
			const char *path, uint64_t at, uint64_t size)
{
	struct json_object *o = json_object_new_object();

	add_text(o, "qom-type", ram ? "memory-backend-file" : "memory-backend-memfd");
	add_text(o, "id", id);
	json_object_object_add(o, "size", json_object_new_uint64(size));
	json_object_object_add(o, "share", json_object_new_boolean(true));
	if (ram) {
		add_text(o, "mem-path", path);
		json_object_object_add(o, "offset", json_object_new_uint64(ram->fd_off + at));
	}
	qemu_args_add_json(a, "-object", o);
}

/*
 * A kernel fills the node of its processors first. QEMU gives all processors of a socket to one
 * node, and to the first if it is not told to which; it also writes the nodes into the device tree.
 */
static void add_nodes(struct qemu_args *a, const char *machine, const struct gw_ram *ram,
		      const char *path)
{
	if (*machine) {
		qemu_args_add(a, "-machine");
		qemu_args_add(a, "%s", machine);
	}
	add_backend(a, "mem", ram, path, 0, ram->near);
	add_backend(a, "far", ram, path, ram->near, ram->size - ram->near);
	qemu_args_add(a, "-numa");
	qemu_args_add(a, "node,nodeid=0,memdev=mem");
	qemu_args_add(a, "-numa");
	qemu_args_add(a, "node,nodeid=1,memdev=far");
}

void qemu_args_add_memory(struct qemu_args *a, const char *machine, const struct gw_ram *ram,
			  const char *path, bool nodes, uint64_t size)
{
	if (nodes) {
		add_nodes(a, machine, ram, path);
		return;
	}
	qemu_args_add(a, "-machine");
	qemu_args_add(a, "%s%smemory-backend=mem", machine, *machine ? "," : "");
	if (ram || size) {
		add_backend(a, "mem", ram, path, 0, ram ? ram->size : size);
		return;
	}
	qemu_args_add(a, "-object");	/* no number stands for what the user is to fill in */
	qemu_args_add(a, "memory-backend-memfd,id=mem,size=SIZE,share=on");
}

void qemu_args_add_device(struct qemu_args *a, const char *socket, const char *id,
			  const char *bus, const char *addr)
{
	struct json_object *o = json_object_new_object(), *s = json_object_new_object();

	add_text(o, "driver", "vfio-user-pci");
	add_text(o, "id", id);
	add_text(o, "bus", bus);
	add_text(o, "addr", addr);
	add_text(s, "type", "unix");
	add_text(s, "path", socket);
	json_object_object_add(o, "socket", s);
	qemu_args_add_json(a, "-device", o);
}

/* Does every shell take the word as it is? */
static bool is_plain(const char *word)
{
	return *word && !word[strspn(word, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
				     "0123456789@%+=:,./_-")];
}

static void print_word(const char *word, FILE *to)
{
	if (is_plain(word)) {
		fputs(word, to);
		return;
	}
	putc('\'', to);
	for (; *word; word++) {
		if (*word == '\'')
			fputs("'\\''", to);
		else
			putc(*word, to);
	}
	putc('\'', to);
}

void qemu_args_print(const struct qemu_args *a, FILE *to)
{
	for (unsigned int i = 0; i < a->nr; i++) {
		if (i)
			fputs(*a->arg[i] == '-' ? " \\\n    " : " ", to);
		else if (*a->arg[i] == '-')
			fputs("    ", to);
		print_word(a->arg[i], to);
	}
	putc('\n', to);
}

struct json_object *qemu_args_json(const struct qemu_args *a)
{
	struct json_object *list = json_object_new_array();

	for (unsigned int i = 0; i < a->nr; i++)
		json_object_array_add(list, json_object_new_string(a->arg[i]));
	return list;
}
