/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/guard.h"
#include "base/lock.h"
#include "base/util.h"
#include "companion/command.h"

/*
 * How it works: the command page of the earlier device. A doorbell runs one page, which names an
 * array of requests and one of responses. The guest knows a mapping by a number that we give it.
 * The number is a name in a table of ours that holds the handle, and nothing else. It is the
 * address that was mapped; or, where the same address is mapped more than once, a number close
 * behind it: addresses are multiples of the granule, so there is room.
 *
 * A failed entry has its status written and nothing more, the others are done all the same, and
 * the page then has status IOERR. Mappings that the host splits are of no use to that device's
 * driver, so they fail.
 */

#define LOOKS	8u		/* entries between two looks at the clock */

struct named {
	struct gw_imap_node node;	/* first and last are the name */
	uint64_t handle;
};

static struct named *named_of(struct gw_imap_node *node)
{
	return node ? container_of(node, struct named, node) : NULL;
}

static void named_remove(struct gw_companion *c, struct named *n)
{
	gw_imap_remove(&c->ids, &n->node);
	free(n);
}

void gw_companion_forget_ids(struct gw_companion *c)
{
	struct gw_imap_node *node;

	while ((node = gw_imap_from(&c->ids, 0)))
		named_remove(c, named_of(node));
}

/*
 * Find a name for a mapping of @gpa. Return: 0; -ENOSPC there are as many as a granule has bytes.
 */
static int name_choose(struct gw_companion *c, uint64_t gpa, uint64_t *name)
{
	const uint64_t last = gpa + (c->limits->granule - 1);
	struct gw_imap_node *node = gw_imap_find(&c->ids, gpa);

	for (*name = gpa; node && node->first == *name; node = gw_imap_next(node))
		if (++*name > last)
			return -ENOSPC;
	return 0;
}

/*
 * Forget names whose mapping has gone with its memory, once there are twice as many names as
 * mappings.
 */
static void forget_dead(struct gw_companion *c) GW_HOLDS(c->gate)
{
	struct gw_imap_node *node, *next;
	struct gw_dma_usage u;

	gw_dma_usage(c->dma, &u);
	if (c->ids.nr < 2 * u.mapped.maps + 64)
		return;
	for (node = gw_imap_from(&c->ids, 0); node; node = next) {
		next = gw_imap_next(node);
		if (!gw_dma_guest_live(c->dma, named_of(node)->handle))
			named_remove(c, named_of(node));
	}
}

static int command_map(struct gw_companion *c, const void *request, void *response)
	GW_HOLDS(c->gate)
{
	const struct gw_cmd_map *req = request;
	const struct gw_dma_want want = { .gpa = { req->gpa }, .size = req->len };
	struct gw_cmd_mapped *resp = response;
	struct gw_mapping map;
	struct named *n;
	uint64_t name;
	int ret;

	forget_dead(c);
	n = malloc(sizeof(*n));
	if (!n)
		return -ENOMEM;
	ret = gw_companion_map(c, &want, &map);
	if (ret)
		goto free_name;
	if (map.nr_segments != 1) {
		ret = -EMLINK;
		goto unmap;
	}
	ret = name_choose(c, req->gpa, &name);
	if (ret)
		goto unmap;
	n->node.first = n->node.last = name;
	n->handle = map.handle;
	gw_imap_insert(&c->ids, &n->node);
	*resp = (struct gw_cmd_mapped){ .id = name, .dma_addr = map.seg[0].iova.v,
					.dma_len = req->len };
	return 0;
unmap:
	gw_companion_unmap(c, map.handle);
free_name:
	free(n);
	return ret;
}

static int command_unmap(struct gw_companion *c, const void *request, void *response)
	GW_HOLDS(c->gate)
{
	const struct gw_cmd_unmap *req = request;
	struct named *n = named_of(gw_imap_find(&c->ids, req->id));
	int ret;

	if (!n)
		return -ENOENT;
	ret = gw_companion_unmap(c, n->handle);
	if (ret && ret != -ENOENT && ret != -ESTALE)
		return ret;		/* still mapped */
	named_remove(c, n);
	*(struct gw_cmd_unmapped *)response = (struct gw_cmd_unmapped){ .id = req->id };
	return ret;
}

static const struct op {
	size_t request, response, status_at;
	int (*run)(struct gw_companion *c, const void *request, void *response);
	const char *name;
} ops[] = {
	[GW_CMD_MAP] = { sizeof(struct gw_cmd_map), sizeof(struct gw_cmd_mapped),
			 offsetof(struct gw_cmd_mapped, status), command_map, "map" },
	[GW_CMD_UNMAP] = { sizeof(struct gw_cmd_unmap), sizeof(struct gw_cmd_unmapped),
			   offsetof(struct gw_cmd_unmapped, status), command_unmap, "unmap" },
};

union entry {
	struct gw_cmd_map map;
	struct gw_cmd_mapped mapped;
	struct gw_cmd_unmap unmap;
	struct gw_cmd_unmapped unmapped;
};

/* Return: whether the entry was done and the guest was told. */
static bool run_entry(struct gw_companion *c, const struct op *op, const uint8_t *request,
		      uint8_t *response, bool late) GW_HOLDS(c->gate)
{
	union entry req, resp;
	const uint32_t failed = GW_STATUS_IOERR;
	int ret;

	if (gw_guard_copy(&req, request, op->request))
		return false;
	ret = late ? -ETIME : op->run(c, &req, &resp);
	if (!ret)
		return !gw_guard_copy(response, &resp, op->response);
	/* all requests begin with an address and a length */
	gw_companion_refuse(c, op->name, req.map.gpa, req.map.len, ret);
	gw_guard_copy(response + op->status_at, &failed, sizeof(failed));
	return false;
}

static uint32_t run_page(struct gw_companion *c, const struct gw_cmd_page *page) GW_HOLDS(c->gate)
{
	const struct op *op = page->type < ARRAY_SIZE(ops) ? &ops[page->type] : NULL;
	uint64_t deadline = gw_now_ns() + GW_COMMAND_LIMIT_NS;
	uint32_t status = GW_STATUS_OK;
	void *request, *response;
	bool late = false;

	if (!op || !op->run || !page->count || page->count > GW_CMD_MAX_ENTRIES ||
	    !page->request_gpa || !page->response_gpa)
		return GW_STATUS_INVAL;
	if (gw_guest_memory_find(&c->memory, (gw_gpa){ page->request_gpa }, page->count * op->request,
			GW_PROT_READ, &request) ||
	    gw_guest_memory_find(&c->memory, (gw_gpa){ page->response_gpa }, page->count * op->response,
			GW_PROT_READ | GW_PROT_WRITE, &response))
		return GW_STATUS_INVAL;
	for (uint32_t i = 0; i < page->count; i++) {
		if (!late && i % LOOKS == LOOKS - 1)
			late = gw_now_ns() >= deadline;
		if (!run_entry(c, op, (uint8_t *)request + i * op->request,
			       (uint8_t *)response + i * op->response, late))
			status = GW_STATUS_IOERR;
	}
	return status;
}

uint32_t gw_companion_command(struct gw_companion *c)
{
	struct gw_cmd_page page;
	uint32_t status;
	void *at;

	c->stats.commands++;
	if (!c->command_gpa.v ||
	    gw_guest_memory_find(&c->memory, c->command_gpa, sizeof(page), GW_PROT_READ | GW_PROT_WRITE,
			&at) ||
	    gw_guard_copy(&page, at, sizeof(page))) {
		gw_companion_refuse(c, "command page", c->command_gpa.v, sizeof(page), -EFAULT);
		return GW_STATUS_INVAL;
	}
	status = run_page(c, &page);
	if (status == GW_STATUS_INVAL)
		gw_companion_refuse(c, "command page", c->command_gpa.v, sizeof(page), -EINVAL);
	gw_guard_copy((uint8_t *)at + offsetof(struct gw_cmd_page, status), &status,
		      sizeof(status));
	return status;
}
