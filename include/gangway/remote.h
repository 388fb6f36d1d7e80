/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef GANGWAY_REMOTE_H
#define GANGWAY_REMOTE_H

#include <stddef.h>
#include <stdint.h>

#include <gangway/addr.h>

#ifdef __cplusplus
extern "C" {
#endif

/*
 * Guest memory that this process cannot map: the VMM keeps it and is asked by message. Calls
 * block for a round trip and so must never be made by the thread that answers the VMM.
 */

struct gw_remote;

/**
 * struct gw_remote_ops - reach memory that the VMM keeps
 * @read:  copy @len bytes from @addr; -ECANCELED while stopped, -EFAULT the VMM refused,
 *         -ETIMEDOUT, -EPIPE the VMM has gone
 * @write: likewise, to @addr
 * @stop:  calls under way and later ones return -ECANCELED until start(); stops nest. Used around
 *         whatever waits for a device to be quiet while the VMM waits for us
 */
struct gw_remote_ops {
	int (*read)(struct gw_remote *r, gw_vmm_addr addr, void *buf, size_t len);
	int (*write)(struct gw_remote *r, gw_vmm_addr addr, const void *buf, size_t len);
	void (*stop)(struct gw_remote *r);
	void (*start)(struct gw_remote *r);
};

struct gw_remote {
	const struct gw_remote_ops *ops;
};

#ifdef __cplusplus
}
#endif

#endif
