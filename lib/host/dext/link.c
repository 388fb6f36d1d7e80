/* SPDX-License-Identifier: BSD-3-Clause */
#include <stdlib.h>

#include "host/dext/client.h"

/* A connection ends when the last one that needs it lets go. */

void gw_dext_link_put(struct gw_dext_link *link)
{
	if (!link || atomic_fetch_sub(&link->refs, 1) != 1)
		return;
	if (link->conn)
		link->conn->ops->close(link->conn);
	free(link);
}

void gw_dext_disconnect(struct gw_dext_client *c)
{
	gw_dext_link_put(c->link);
	c->link = NULL;
	c->conn = NULL;
}
