/* SPDX-License-Identifier: BSD-3-Clause */
#include <gangway/dext.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "base/util.h"
#include "shell.h"

/* The extension as the dext client sees one. */

struct conn {
	struct gw_dext_conn base;
	struct shell_conn *shell;
};

static struct shell_conn *shell_of(struct gw_dext_conn *c)
{
	return container_of(c, struct conn, base)->shell;
}

static uint32_t conn_call(struct gw_dext_conn *c, uint32_t selector, const uint64_t *in,
			  unsigned int nr_in, uint64_t *out, unsigned int *nr_out)
{
	return shell_call(shell_of(c), selector, in, nr_in, out, nr_out, NULL, NULL);
}

static uint32_t conn_call_async(struct gw_dext_conn *c, uint32_t selector,
				void (*done)(void *opaque, uint32_t result), void *opaque)
{
	return shell_call(shell_of(c), selector, NULL, 0, NULL, NULL, done, opaque);
}

static uint32_t conn_map(struct gw_dext_conn *c, unsigned int type, uint32_t options,
			 struct gw_dext_map *map)
{
	map->fd_off = 0;
	return shell_map(shell_of(c), type, &map->addr, &map->size, &map->fd);
}

static void conn_unmap(struct gw_dext_conn *c, unsigned int type, const struct gw_dext_map *map)
{
	munmap(map->addr, map->size);
}

static void conn_close(struct gw_dext_conn *c)
{
	shell_close(shell_of(c));
	free(container_of(c, struct conn, base));
}

static const struct gw_dext_conn_ops conn_ops = {
	.call = conn_call,
	.call_async = conn_call_async,
	.map = conn_map,
	.unmap = conn_unmap,
	.close = conn_close,
};

static int services_open(struct gw_dext_services *s, unsigned int i, struct gw_dext_conn **c,
			 char root[32])
{
	struct conn *conn = calloc(1, sizeof(*conn));
	int ret = shell_open(i, &conn->shell, root);

	if (ret) {
		free(conn);
		return ret;
	}
	conn->base.ops = &conn_ops;
	*c = &conn->base;
	return 0;
}

static const struct gw_dext_services_ops services_ops = { .open = services_open };
static struct gw_dext_services services = { .ops = &services_ops };

struct gw_dext_services *shell_start(struct gw_sim *sim)
{
	shell_use(sim);
	return &services;
}
