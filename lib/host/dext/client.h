/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef GW_HOST_DEXT_CLIENT_H
#define GW_HOST_DEXT_CLIENT_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <gangway/dext.h>

/*
 * The dext protocol, one function a selector. Nothing of a reply is believed before it was
 * checked. All functions return 0 or -errno as gw_dext_errno() says, and besides:
 *
 * -EPROTO  the reply is too short or makes no sense
 * -ENODEV  the function is gone; once that was answered no call is made any more, except those
 *          that give something back
 *
 * Any thread may call any of them, except connect and disconnect.
 */

/** struct gw_dext_link - a connection that calls under way keep open */
struct gw_dext_link {
	_Atomic unsigned int refs;
	struct gw_dext_conn *conn;	/* NULL: none came about */
};

/** gw_dext_link_put() - the last reference closes it; NULL is fine */
void gw_dext_link_put(struct gw_dext_link *link);

/**
 * struct gw_dext_client - one connection to a dext
 * @conn:    NULL: not connected
 * @link:    keeps @conn open
 * @info:    identity, as the system says or as the dext did when it was last asked, with the name
 *           and root that list() shows
 * @confirmed: the dext itself has said which device it is
 * @root:    the root it sits under, also where the host has only one
 * @limits:  Apple's, until gw_dext_get_limits() has asked
 * @extended: the dext knows selectors 18 to 21
 * @on_gone: if not NULL, called once, from any thread, when the function is found to be gone
 */
struct gw_dext_client {
	struct gw_dext_conn *conn;
	struct gw_dext_link *link;
	struct gw_log *log;
	struct gw_function_info info;
	char root[GW_ROOT_SIZE];
	struct gw_host_limits limits;
	bool confirmed, extended;
	void (*on_gone)(struct gw_dext_client *c);

	/* private */
	_Atomic uint64_t last_key;
	_Atomic bool gone, silent;
};

/** struct gw_dext_addr - which function; @root empty: under whichever root it is found */
struct gw_dext_addr {
	uint8_t bus, dev, fn;
	char root[GW_ROOT_SIZE];
};

/**
 * gw_dext_connect() - connect to the dext of one function
 * @opts: answer_ms and call_ms are looked at; filled in
 * @c:    zeroed; afterwards to be given to gw_dext_disconnect()
 *
 * Return: 0; -ENOENT no such function; -EINVAL several roots have that address and @at names
 * none (the roots are logged); -ENOMEM; or what kept us from looking at a dext that might have
 * been it, -ETIMEDOUT if it did not answer. After an error @c is not connected.
 */
int gw_dext_connect(struct gw_dext_services *services, const struct gw_dext_options *opts,
		    struct gw_log *log, const struct gw_dext_addr *at, struct gw_dext_client *c);

/**
 * gw_dext_list() - every function that has a dext which answers; the others are logged
 * @list: takes an array to be freed with free(3); NULL if there are none
 *
 * Return: 0; -ENOMEM; -EACCES if there are dexts and none could be connected to.
 */
int gw_dext_list(struct gw_dext_services *services, const struct gw_dext_options *opts,
		 struct gw_log *log, struct gw_function_info **list, size_t *nr);

/** gw_dext_disconnect() - the dext releases what this connection held; zeroed @c is fine */
void gw_dext_disconnect(struct gw_dext_client *c);

/** gw_dext_set_gone() - note that the function has gone; the first time calls @on_gone */
void gw_dext_set_gone(struct gw_dext_client *c);

/**
 * gw_dext_call() - one call whose reply has exactly @nr_out scalars, or more
 *
 * Return: 0; -EPROTO fewer came; -ENODEV; or what the dext answered.
 */
int gw_dext_call(struct gw_dext_client *c, uint32_t selector, const uint64_t *in,
		 unsigned int nr_in, uint64_t *out, unsigned int nr_out);

/**
 * gw_dext_call_room() - one call with a reply of any length, also to a function that has gone
 * @nr_out: room in @out; on return what came
 */
int gw_dext_call_room(struct gw_dext_client *c, uint32_t selector, const uint64_t *in,
		      unsigned int nr_in, uint64_t *out, unsigned int *nr_out);

/**
 * gw_dext_get_identity() - the address, IDs and class code into @c->info, and @c->confirmed
 *
 * Before the claim macOS answers all ones in place of IDs and class code. Those are not known then,
 * and what @c->info has of them stays.
 */
int gw_dext_get_identity(struct gw_dext_client *c);

/**
 * gw_dext_claim() - make the function ours; needed for DMA, interrupts and reset
 *
 * Return: also -EBUSY another process has it, -EACCES not permitted.
 */
int gw_dext_claim(struct gw_dext_client *c);

/** gw_dext_terminate() - end the dext of a function that is not wanted */
int gw_dext_terminate(struct gw_dext_client *c);

/**
 * gw_dext_get_limits() - what the function may have, into @c->limits and @c->extended
 *
 * A dext that does not know the call has Apple's limits; that is no error.
 */
int gw_dext_get_limits(struct gw_dext_client *c);

/**
 * gw_dext_get_faults() - accesses to memory it was not given, as the DART has reported them
 * @nr:    since the device is known
 * @words: the last one's
 *
 * Return: 0; -EOPNOTSUPP the dext does not know.
 */
int gw_dext_get_faults(struct gw_dext_client *c, uint64_t *nr, uint32_t words[GW_DEXT_FAULT_WORDS]);

/**
 * gw_dext_config_check() - -EINVAL unless @width is 1, 2 or 4, aligned, inside 4096 bytes; else 0
 */
int gw_dext_config_check(unsigned int off, unsigned int width);

/** gw_dext_config_read() - raw; -EINVAL unless @width is 1, 2 or 4, aligned, inside 4096 bytes */
int gw_dext_config_read(struct gw_dext_client *c, unsigned int off, unsigned int width,
			uint32_t *val);

/** gw_dext_config_write() - raw; -EINVAL as gw_dext_config_read() */
int gw_dext_config_write(struct gw_dext_client *c, unsigned int off, unsigned int width,
			 uint32_t val);

/**
 * gw_dext_config_block() - read @len bytes of config space, in the widest aligned pieces
 *
 * Return: also -EINVAL if it does not lie inside 4096 bytes. @buf may be filled in part.
 */
int gw_dext_config_block(struct gw_dext_client *c, unsigned int off, void *buf, size_t len);

/** struct gw_dext_bar - a BAR; @index is PCIDriverKit's memory index, not the BAR's number */
struct gw_dext_bar {
	struct gw_bar_info info;	/* mappable is left false */
	uint8_t index;
};

/** gw_dext_get_bar() - size 0 if there is no such BAR or it is an upper half */
int gw_dext_get_bar(struct gw_dext_client *c, unsigned int bar, struct gw_dext_bar *info);

/**
 * gw_dext_map_bar() - map a memory BAR; write-combined if it is prefetchable
 * @map: size is the BAR's
 *
 * Return: also -EOPNOTSUPP if it cannot be mapped; -EPROTO the mapping is too small.
 */
int gw_dext_map_bar(struct gw_dext_client *c, unsigned int bar, const struct gw_dext_bar *info,
		    struct gw_dext_map *map);
void gw_dext_unmap_bar(struct gw_dext_client *c, unsigned int bar, const struct gw_dext_map *map);

/**
 * gw_dext_mmio_read() - one register access
 * @index: PCIDriverKit's memory index
 * @width: 1, 2, 4 or 8; it and @off were checked by the caller against the BAR
 */
int gw_dext_mmio_read(struct gw_dext_client *c, unsigned int index, uint64_t off,
		      unsigned int width, uint64_t *val);
int gw_dext_mmio_write(struct gw_dext_client *c, unsigned int index, uint64_t off,
		       unsigned int width, uint64_t val);

/** gw_dext_reset() - function level, else bus reset */
int gw_dext_reset(struct gw_dext_client *c);

/** struct gw_dext_buffer - memory that the dext allocated; only its first segment is known */
struct gw_dext_buffer {
	uint64_t size;
	uint64_t flags;
	unsigned int nr_segments;
	struct gw_segment first;
};

/**
 * gw_dext_alloc_buffer() - have the dext allocate memory that the device reaches
 * @align: 0 for 4096
 *
 * A connection has one; another one replaces it. A buffer whose description makes no sense is
 * freed again and is -EPROTO.
 */
int gw_dext_alloc_buffer(struct gw_dext_client *c, uint64_t size, uint64_t align,
			 struct gw_dext_buffer *buf);
int gw_dext_free_buffer(struct gw_dext_client *c);

/** gw_dext_map_buffer() - the buffer's memory; -EPROTO if that is less than @size bytes */
int gw_dext_map_buffer(struct gw_dext_client *c, uint64_t size, struct gw_dext_map *map);
void gw_dext_unmap_buffer(struct gw_dext_client *c, const struct gw_dext_map *map);

/** struct gw_dext_region - registered memory; @key is a number of ours that means nothing */
struct gw_dext_region {
	uint64_t key;
	unsigned int nr_segments;
	struct gw_segment seg[GW_MAX_SEGMENTS];
};

/**
 * gw_dext_register() - let the device reach memory of this process, or a remote's
 * @mem:  what is remote or read only, or is wanted at an address, needs selectors 19 and 20
 * @want: NULL, or the address to use
 *
 * The segments are checked: as many as allowed, none empty, off the granule, wrapping or
 * overlapping another, inside the range of addresses there are, together exactly @size, and at
 * @want. A reply that
 * fails this is -EPROTO, and the region is unregistered again.
 *
 * Return: also -EOPNOTSUPP if the dext cannot do what @mem and @want ask for, -EEXIST @want is
 * taken, -ENOSPC, -EMLINK more segments than @c->limits allow, -EINVAL.
 */
int gw_dext_register(struct gw_dext_client *c, const struct gw_memory *mem, uint64_t size,
		     const gw_iova *want, struct gw_dext_region *region);

/**
 * gw_dext_unregister() - the device can no longer reach the region
 *
 * Also made when the function is gone. Return: also -ENOENT unknown key.
 */
int gw_dext_unregister(struct gw_dext_client *c, uint64_t key);

/** gw_dext_probe() - the 8 bytes at @off as the dext sees them; -ERANGE outside the region */
int gw_dext_probe(struct gw_dext_client *c, uint64_t key, uint64_t off, uint64_t *val);

/**
 * gw_dext_setup_irq() - *@nr vectors, 1 to GW_MAX_VECTORS
 *
 * Return: 0; -EEXIST it was done before, -EOPNOTSUPP the function has neither MSI nor MSI-X; or
 * -errno of the dext.
 */
int gw_dext_setup_irq(struct gw_dext_client *c, unsigned int *nr);

/** gw_dext_check_irq() - take what is pending, by call; -EAGAIN not set up */
int gw_dext_check_irq(struct gw_dext_client *c, uint64_t pending[GW_IRQ_WORDS]);

/**
 * gw_dext_wait_irq() - @done is called once, when something is pending, at once if it is already
 *
 * Return: an IOReturn code; unless it is success @done is not called.
 */
uint32_t gw_dext_wait_irq(struct gw_dext_client *c, void (*done)(void *opaque, uint32_t result),
			  void *opaque);

/** gw_dext_mask_irq() - by call; vectors whose bit is clear are dropped */
int gw_dext_mask_irq(struct gw_dext_client *c, const uint64_t enabled[GW_IRQ_WORDS]);

/** gw_dext_map_irq_page() - -EOPNOTSUPP the dext has none; -EPROTO it is too small */
int gw_dext_map_irq_page(struct gw_dext_client *c, struct gw_dext_map *map);
void gw_dext_unmap_irq_page(struct gw_dext_client *c, const struct gw_dext_map *map);

#endif
