/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef GW_CORE_TABLE_H
#define GW_CORE_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/** struct core_node - something that is found by its key; a member of it */
struct core_node {
	struct core_node *next;
	uint64_t key;
};

/** struct core_table - a hash table that grows; zeroed, it is empty. The owner locks it */
struct core_table {
	struct core_node **bucket;
	size_t nr_buckets;		/* 0, or a power of two */
	size_t nr;
};

/** core_table_find() - NULL if there is none */
struct core_node *core_table_find(const struct core_table *t, uint64_t key);

/** core_table_insert() - @n's key must not be in it. Return: false if memory is out */
bool core_table_insert(struct core_table *t, struct core_node *n);

/** core_table_remove() - take out the one with that key. Return: NULL if there is none */
struct core_node *core_table_remove(struct core_table *t, uint64_t key);

/** core_table_take() - take out any. Return: NULL if it is empty */
struct core_node *core_table_take(struct core_table *t);

/** core_table_fini() - it must be empty */
void core_table_fini(struct core_table *t);

#endif
