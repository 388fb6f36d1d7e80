/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef GW_HOST_DEXT_FUNCTION_H
#define GW_HOST_DEXT_FUNCTION_H

#include <pthread.h>

#include "base/imap.h"
#include "base/lock.h"
#include "base/queue.h"
#include "host/dext/client.h"
#include "host/dext/interrupts.h"
#include "host/dext/reset.h"

/* A BAR as found at open. What is mapped stays so until close; unmapping only counts. */
struct gw_dext_function_bar {
	struct gw_dext_bar bar;
	struct gw_dext_map map;		/* if bar.info.mappable */
	_Atomic unsigned int users;
};

/**
 * struct gw_dext_function - an open function
 * @link, @refs: the host's, under its lock
 * @bar:         constant once open
 * @uses: of whoever has it open, and of a reset that goes on; the last one frees it
 * @gone_fd:     a pipe; the reading end becomes readable
 * @handed:      a VMM has, or may have, descriptors of its BARs; see claim.c
 * @lock:        innermost; not held over calls
 * @regions:     by key, which is also the handle; each is a struct region
 */
struct gw_dext_function {
	struct gw_function f;
	LIST_ENTRY(gw_dext_function) link;
	unsigned int refs;
	struct gw_dext_host *host;
	_Atomic unsigned int uses;

	struct gw_dext_options opts;	/* constant */
	struct gw_dext_client client;
	struct gw_dext_irq irq;
	struct gw_dext_reset reset;
	struct gw_dext_function_bar bar[GW_NR_BARS];
	int gone_fd[2];
	bool claimed, handed;
	uint64_t faults;		/* there were when it was opened */

	pthread_mutex_t lock;
	struct gw_imap regions GW_GUARDED_BY(lock);
};

/**
 * gw_dext_function_new() - claim a function and learn what it has
 * @client: connected; becomes the function's, also after an error
 * @opts:   filled in; copied
 *
 * Return: 0; -EBUSY, -EACCES, -ENODEV, -EPROTO, -EIO it is not usable, -ETIMEDOUT its dext does not
 * answer (all logged); -ENOMEM.
 */
int gw_dext_function_new(struct gw_dext_client *client, struct gw_dext_host *host,
			 const struct gw_dext_options *opts, struct gw_dext_function **fn);

/** gw_dext_function_alloc() - one that knows nothing yet; @client as gw_dext_function_new() */
int gw_dext_function_alloc(struct gw_dext_client *client, struct gw_dext_host *host,
			   const struct gw_dext_options *opts, struct gw_dext_function **fn);

/** gw_dext_function_free() - bus mastering off, interrupts and mappings gone, connection closed */
void gw_dext_function_free(struct gw_dext_function *fn);

/** gw_dext_function_put() - one use less; the last frees it */
void gw_dext_function_put(struct gw_dext_function *fn);

/**
 * gw_dext_function_end() - as put, for whoever has it open
 *
 * A reset that goes on is waited for, for a while; a dext that does not end it keeps the function,
 * and what is mapped, until it does.
 */
void gw_dext_function_end(struct gw_dext_function *fn);

/** gw_dext_function_close() - drop one reference; the host's, for struct gw_function_ops */
void gw_dext_function_close(struct gw_function *f);

/* the DMA operations */
int gw_dext_function_dma_map(struct gw_function *f, const struct gw_memory *mem, uint64_t size,
			     const gw_iova *want, struct gw_mapping *map);
int gw_dext_function_dma_unmap(struct gw_function *f, uint64_t handle);

/** gw_dext_function_dma_fini() - unregister every region that is left */
void gw_dext_function_dma_fini(struct gw_dext_function *fn);

#endif
