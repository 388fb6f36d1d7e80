/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef GANGWAY_DEXT_H
#define GANGWAY_DEXT_H

#include <stdint.h>

#include <gangway/dext_abi.h>
#include <gangway/host.h>

#ifdef __cplusplus
extern "C" {
#endif

/*
 * The dext protocol: what the driver extension's user client answers, and the client that speaks
 * it. Every scalar is 64 bits. On macOS the connection is IOKit; elsewhere the simulated dext.
 */

/* The interrupt page: 16 KiB, of which this much is used. */
struct gw_dext_irq_page {
	GW_ATOMIC(uint64_t) pending[GW_IRQ_WORDS];	/* dext sets, client takes */
	GW_ATOMIC(uint64_t) enabled[GW_IRQ_WORDS];	/* the other way; all ones at first */
};

struct gw_dext_map {
	void *addr;
	uint64_t size;
	int fd;				/* of the memory where the system has such, else -1;
					 * stays the connection's */
	uint64_t fd_off;
};

struct gw_dext_conn;

/**
 * struct gw_dext_conn_ops - the five calls; results are IOReturn codes
 * @call:       *@nr_out is the room in @out, and how much was filled on return
 * @call_async: @done is called once, from any thread, possibly before this returns, with the
 *              result; or this fails and it is not called. close() calls it with ABORTED
 * @map:        @type is enum gw_dext_memory
 * @unmap:      as mapped
 * @close:      the dext releases all that this connection held
 */
struct gw_dext_conn_ops {
	uint32_t (*call)(struct gw_dext_conn *c, uint32_t selector, const uint64_t *in,
			 unsigned int nr_in, uint64_t *out, unsigned int *nr_out);
	uint32_t (*call_async)(struct gw_dext_conn *c, uint32_t selector,
			       void (*done)(void *opaque, uint32_t result), void *opaque);
	uint32_t (*map)(struct gw_dext_conn *c, unsigned int type, uint32_t options,
			struct gw_dext_map *map);
	void (*unmap)(struct gw_dext_conn *c, unsigned int type, const struct gw_dext_map *map);
	void (*close)(struct gw_dext_conn *c);
};

struct gw_dext_conn {
	const struct gw_dext_conn_ops *ops;
};

struct gw_dext_services;

/** What the system says of a function without asking its dext. */
struct gw_dext_description {
	char root[GW_ROOT_SIZE];			/* name of its root, NUL terminated */
	bool addressed, identified;	/* what follows is known: the first three, the others */
	uint8_t bus, dev, fn;
	uint16_t vendor, device;
	uint32_t class_code;
	uint64_t granule;		/* of its DART; 0: not known, nor what follows */
	uint64_t iova_first, iova_last;	/* addresses that the DART has for it */
};

/**
 * struct gw_dext_services_ops - the dexts that can be connected to
 * @open:     connect to the @i-th. -ENOENT past the last; -ENODEV that one is gone, try the next;
 *            @root takes the name of its root, NUL terminated. Any thread may call it, and it may
 *            take as long as it likes
 * @describe: of the @i-th, at once; errors as open(). NULL where the system says nothing
 */
struct gw_dext_services_ops {
	int (*open)(struct gw_dext_services *s, unsigned int i, struct gw_dext_conn **c,
		    char root[GW_ROOT_SIZE]);
	int (*describe)(struct gw_dext_services *s, unsigned int i,
			struct gw_dext_description *d);
};

/**
 * @other_process: calls go to another process, which may not answer; so each has @call_ms of the
 * options
 */
struct gw_dext_services {
	const struct gw_dext_services_ops *ops;
	bool other_process;
};

/**
 * gw_dext_errno() - the one errno of an IOReturn code
 *
 * Return: 0 for success, else -errno; -EIO for a code not known.
 */
int gw_dext_errno(uint32_t result);

/**
 * struct gw_dext_options - how a host treats its dexts; 0: the number in brackets
 * @answer_ms:      for a dext to say who it is (5000)
 * @open_ms:        for a function to be opened (30000): it may have to be powered up, which the
 *                  platform gives 10 s
 * @reset_ms: for a reset, which goes on by itself after that (500): one by the port takes seconds,
 *            and a VMM does not wait so long
 * @call_ms:        for any other call to another process (3000), so that a VMM that waits 5 s still
 *                  gets the error
 * @leave_out_bars: a BAR without an address does not exist; otherwise its function is not opened
 */
struct gw_dext_options {
	unsigned int answer_ms, open_ms, reset_ms, call_ms;
	bool leave_out_bars;
};

/**
 * gw_dext_set_option() - set a member of @o by its name, for a command line
 * @key, @value: "leave-out-bars" (on/off), "answer-ms", "call-ms", "open-ms", "reset-ms" (1 to
 *               600000)
 *
 * Return: 0; -ENOENT no such key; -EINVAL bad value (logged).
 */
int gw_dext_set_option(struct gw_dext_options *o, const char *key, const char *value,
		       struct gw_log *log);

/** gw_dext_options_help() - the options and their meaning, a line each, for --help */
const char *gw_dext_options_help(void);

/**
 * gw_dext_host_new() - a host whose functions are reached through dexts
 * @services: stays the caller's; must outlive the host
 * @log:      likewise; after an open() or list() that failed with -ETIMEDOUT both are needed as
 *            long as the process lives, because a call that was not answered cannot be called back
 *
 * Functions are named "BB:DD.F", or "BB:DD.F@ROOT" where several roots have that address. Opening
 * a function that is open shares the connection; it closes with the last. A dext that does not
 * answer is given up, with -ETIMEDOUT from open(); list() says which it was and goes on.
 *
 * Return: 0; -ENOMEM.
 */
int gw_dext_host_new(struct gw_dext_services *services, struct gw_log *log,
		     struct gw_host **host);

/** gw_dext_host_set_options() - of a host that gw_dext_host_new() made; @o is copied */
void gw_dext_host_set_options(struct gw_host *host, const struct gw_dext_options *o);

#ifdef __cplusplus
}
#endif

#endif
