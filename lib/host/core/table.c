/* SPDX-License-Identifier: BSD-3-Clause */
#include "host/core/table.h"

#include <stdlib.h>

/*
 * How it works: buckets of chains, and twice as many buckets whenever there are two entries for
 * each. A client chooses the keys and may make them collide; it then waits for itself only.
 */

#define FIRST_BUCKETS	16u

static size_t slot(const struct core_table *t, uint64_t key)
{
	key *= 0x9e3779b97f4a7c15ull;
	return (size_t)(key >> 32 ^ key) & (t->nr_buckets - 1);
}

static bool grow(struct core_table *t)
{
	size_t nr = t->nr_buckets ? 2 * t->nr_buckets : FIRST_BUCKETS;
	struct core_table bigger = { .nr_buckets = nr, .nr = t->nr };
	struct core_node *n;

	bigger.bucket = calloc(nr, sizeof(struct core_node *));
	if (!bigger.bucket)
		return false;
	for (size_t i = 0; i < t->nr_buckets; i++) {
		while ((n = t->bucket[i])) {
			t->bucket[i] = n->next;
			n->next = bigger.bucket[slot(&bigger, n->key)];
			bigger.bucket[slot(&bigger, n->key)] = n;
		}
	}
	free(t->bucket);
	*t = bigger;
	return true;
}

struct core_node *core_table_find(const struct core_table *t, uint64_t key)
{
	struct core_node *n = t->nr_buckets ? t->bucket[slot(t, key)] : NULL;

	while (n && n->key != key)
		n = n->next;
	return n;
}

bool core_table_insert(struct core_table *t, struct core_node *n)
{
	size_t i;

	if (t->nr == 2 * t->nr_buckets && !grow(t))
		return false;
	i = slot(t, n->key);
	n->next = t->bucket[i];
	t->bucket[i] = n;
	t->nr++;
	return true;
}

struct core_node *core_table_remove(struct core_table *t, uint64_t key)
{
	struct core_node **at = t->nr_buckets ? &t->bucket[slot(t, key)] : NULL, *n;

	while (at && *at && (*at)->key != key)
		at = &(*at)->next;
	if (!at || !*at)
		return NULL;
	n = *at;
	*at = n->next;
	t->nr--;
	return n;
}

struct core_node *core_table_take(struct core_table *t)
{
	for (size_t i = t->nr_buckets; i-- && t->nr;)
		if (t->bucket[i])
			return core_table_remove(t, t->bucket[i]->key);
	return NULL;
}

void core_table_fini(struct core_table *t)
{
	free(t->bucket);
	*t = (struct core_table){ 0 };
}
