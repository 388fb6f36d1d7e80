/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef GW_VFIO_USER_DISPATCH_H
#define GW_VFIO_USER_DISPATCH_H

#include "vfio_user/client.h"

/**
 * gw_client_dispatch() - check one message that is not a reply, act on it, answer it
 *
 * Return: 0, also when the answer is an error; -errno if the connection cannot go on.
 */
int gw_client_dispatch(struct gw_client *c, struct gw_msg *m);

/*
 * Handlers. The table has checked length, number of descriptors and moment. Each takes a message
 * whose sender waits unless told otherwise, fills in @r, and returns 0 or -errno.
 */
struct gw_reply {
	uint8_t *data;			/* room for all that fits into a message */
	size_t len;
	int fd;				/* sent along. -1: none */
	bool owned;			/* @fd is the reply's, else it stays its owner's */
};

typedef int gw_vu_handler(struct gw_client *c, struct gw_msg *m, struct gw_reply *r);

gw_vu_handler gw_do_version, gw_do_get_info, gw_do_reset;
gw_vu_handler gw_do_region_info, gw_do_region_read, gw_do_region_write, gw_do_write_multi;
gw_vu_handler gw_do_irq_info, gw_do_set_irqs;
gw_vu_handler gw_do_dma_map, gw_do_dma_unmap;
gw_vu_handler gw_do_feature;

#endif
