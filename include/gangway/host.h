/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef GANGWAY_HOST_H
#define GANGWAY_HOST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <gangway/addr.h>
#include <gangway/device.h>
#include <gangway/log.h>
#include <gangway/remote.h>

#ifdef __cplusplus
extern "C" {
#endif

/*
 * A host is where functions come from. It lists them, opens (claims) one, and the function then
 * offers what follows. Every host (dext, vfio, sim) fills in the same two tables.
 *
 * Threads: a function's operations may be called from any thread, config, register and DMA
 * operations concurrently. reset() and close() exclude everything else; the caller sees to it.
 */

#define GW_NR_BARS	6
#define GW_MAX_VECTORS	256	/* limit: vectors of a function */
#define GW_IRQ_WORDS	(GW_MAX_VECTORS / 64)
#define GW_ROOT_SIZE	32	/* bytes of the name of a root, NUL included */
#define GW_MAX_SEGMENTS	7	/* limit: segments in the answer to one */

/** What a host lets one function have; data, read once after open. */
struct gw_host_limits {
	uint64_t granule;		/* bytes, a power of two: unit of address and length */
	uint64_t max_bytes;		/* mapped at one time */
	uint64_t max_maps;		/* mappings at one time */
	uint64_t max_map_bytes;		/* one mapping; at most max_bytes */
	uint32_t max_segments;		/* IOVA ranges one mapping may be split into */
	gw_iova iova_first, iova_last;	/* addresses the device can be given */
	bool caller_iova;		/* the caller may choose the IOVA */
	bool remote;			/* memory without a host address can be mapped */
	bool places;			/* a host that chooses keeps to struct gw_memory's @last */
};

/** A function as a host lists it. */
struct gw_function_info {
	char name[64];			/* what open() takes, e.g. "sim:0" or "00:1e.0@pcic0" */
	char root[GW_ROOT_SIZE];			/* empty if the host has only one */
	uint8_t bus, dev, fn;
	uint16_t vendor, device;
	uint32_t class_code;		/* 24 bits: base, sub, interface */
	bool unidentified;		/* the three are 0: not known before it is open */
};

/** Type bits are those of a BAR register (PCI 3.0, 6.2.5.1). A size of 0 means no such BAR. */
struct gw_bar_info {
	uint64_t size;			/* bytes, a power of two */
	bool io, is_64bit, prefetchable;
	bool mappable;			/* map() works; else only register access */
};

/** A mapped BAR. */
struct gw_bar_map {
	void *addr;
	uint64_t size;
	int fd;				/* to hand to a VMM, or -1; stays the function's */
	uint64_t fd_off;
	uint64_t unit;			/* what a VMM is offered of it begins and ends on this;
					 * 0: GW_MAP_UNIT */
};

/** Bytes of a file from @off on. @ino 0: no file that is known. */
struct gw_file_at {
	uint64_t dev, ino, off;
};

/**
 * Memory to be mapped: at @addr, or where @remote keeps it (then @remote_addr is its address).
 * @file says which memory it is, as it may be at several addresses of this process.
 */
struct gw_memory {
	void *addr;
	struct gw_file_at file;
	struct gw_remote *remote;
	gw_vmm_addr remote_addr;
	bool read_only;			/* for the device */
	gw_iova last;			/* where the host chooses: nothing above; 0: anywhere */
};

struct gw_segment {
	gw_iova iova;
	uint64_t size;
};

/** A mapping the host made. The handle is the host's own; nothing can be read from it. */
struct gw_mapping {
	uint64_t handle;
	unsigned int nr_segments;
	struct gw_segment seg[GW_MAX_SEGMENTS];
};

/**
 * struct gw_irq_sink - told what the function has to say, from any thread; must not block
 * @fire:    which vectors fired
 * @request: the platform wants the function back; it is taken away once nothing of it is in use,
 *           or after a while. May be NULL
 * @error:   the function has an error that it does not recover from. May be NULL
 */
struct gw_irq_sink {
	void (*fire)(struct gw_irq_sink *sink, const uint64_t pending[GW_IRQ_WORDS]);
	void (*request)(struct gw_irq_sink *sink);
	void (*error)(struct gw_irq_sink *sink);
};

struct gw_function;

/**
 * struct gw_claim_ops - of a host whose functions may share an address space
 *
 * Functions that share one go to one VMM, and no VMM gets what another one was handed of a
 * function.
 *
 * @take: this function is @vmm's, NULL being this program itself, until drop(). Before that bus
 *        mastering stays off, and a config_write() that would turn it on is -EPERM. Waits a moment
 *        for a VMM that is about to go. -EBUSY another VMM has some of them (logged), -EIO what an
 *        earlier one had mapped cannot be unmapped (logged)
 * @drop: bus mastering is off and nothing is mapped any more. Where the VMM may still have what it
 *        was handed of the function, that goes, and no other VMM gets it
 */
struct gw_claim_ops {
	int (*take)(struct gw_function *f, const struct gw_vmm *vmm);
	void (*drop)(struct gw_function *f);
};

/**
 * struct gw_irq_ops - of a host that knows INTx, MSI and MSI-X apart
 *
 * irq_mask() then speaks of the vectors of the one that is enabled.
 *
 * @enable:       enable the first @nr vectors of @index, GW_IRQ_INTX to GW_IRQ_MSIX, delivered to
 *                the sink; 0 disables it. -EBUSY another index is enabled, -ENOSPC fewer are left
 * @eventfd:      have the platform signal @fd, which stays the caller's, without a thread of ours
 *                in between; -1: deliver to the sink again. What fired before and was not yet
 *                delivered goes to the sink. -EPROTO the index is not enabled, -EINVAL no such
 *                vector or eventfd
 * @intx_mask:    INTx is masked by each delivery, until the caller unmasks it
 * @intx_unmask_fd: INTx is unmasked by each write to @fd too, which stays the caller's, without a
 *                thread of ours in between; -1: no longer. Ends when INTx is disabled. -EPROTO INTx
 *                is not enabled, -EINVAL no eventfd, and then no earlier one counts either;
 *                -EOPNOTSUPP the platform does not
 */
struct gw_irq_ops {
	int (*enable)(struct gw_function *f, enum gw_irq index, unsigned int nr);
	int (*eventfd)(struct gw_function *f, enum gw_irq index, unsigned int vector, int fd);
	int (*intx_mask)(struct gw_function *f, bool masked);
	int (*intx_unmask_fd)(struct gw_function *f, int fd);
};

/**
 * struct gw_peer_ops - of a host whose functions can reach each other's registers and memory
 * @bar_export:   *@fd, which becomes the caller's, is a dma-buf of @nr ranges of @bar. -EINVAL not
 *                in a BAR or unaligned, -EOPNOTSUPP the platform does not
 * @dma_map_bar:  as dma_map(), of a range of @peer's BAR: another function of the same host. The
 *                mapping also ends when @peer closes or goes; the handle then still wants
 *                dma_unmap(). -EXDEV @peer is another host's, or cannot be reached (logged)
 */
struct gw_peer_ops {
	int (*bar_export)(struct gw_function *f, unsigned int bar,
			  const struct gw_bar_range *range, unsigned int nr, int *fd);
	int (*dma_map_bar)(struct gw_function *f, struct gw_function *peer, unsigned int bar,
			   const struct gw_bar_range *range, const gw_iova *want,
			   struct gw_mapping *map);
};

/**
 * struct gw_function_ops - what an open function offers
 *
 * All return 0 or -errno. -ENODEV: the function is gone and stays so.
 *
 * @config_read:  @width 1, 2 or 4, naturally aligned, @off + @width <= 4096; -EINVAL otherwise
 * @config_write: likewise; raw, nothing is filtered here
 * @bar_info:     @bar 0 to 5; an absent BAR or the upper half of a 64-bit one has size 0
 * @bar_map:      -EOPNOTSUPP if the BAR cannot be mapped; mapped once, further calls share it
 * @bar_unmap:    undoes one bar_map()
 * @reg_read:     @width 1, 2, 4 or 8, aligned, inside the BAR; -EINVAL otherwise
 * @reg_write:    likewise
 * @dma_map:      make @size bytes of @mem reachable; the memory must stay until dma_unmap().
 *                @want, if not NULL, is the IOVA to use. -EOPNOTSUPP if @want is given and the
 *                host chooses, or @mem is remote and the host cannot; -EINVAL unaligned or empty;
 *                -EEXIST @want overlaps; -ENOSPC budget of bytes or mappings; -E2BIG larger than
 *                one mapping may be; -EMLINK it would be split into more than max_segments;
 *                -ERANGE no place is free at or below @last, where the host keeps to that;
 *                -EADDRNOTAVAIL @want touches addresses that the platform keeps for itself;
 *                -ENOMEM; -EIO the platform failed
 * @dma_unmap:    -ENOENT unknown handle. When it returns 0, the device cannot reach the memory and
 *                no access is under way; after any other error it is as it was
 * @irq_setup:    starts delivery to @sink, which stays the caller's; *@nr is the number of vectors.
 *                -EBUSY there is a sink, -EOPNOTSUPP the function has no interrupts
 * @irq_teardown: undoes irq_setup(): when it returns no call of the sink is under way and none
 *                follows, so it may be freed; what was enabled is disabled. Nothing to undo is
 *                fine. Not to be called by the sink, nor under a lock that the sink takes
 * @irq_mask:     vectors whose bit is clear in @enabled are dropped by the host. When it returns
 *                no fire() with one of them is under way. Not to be called from fire(), nor under
 *                a lock that fire() takes
 * @reset:        function level, else bus reset. DMA has stopped when it returns; mappings stay
 * @gone:         *@fd becomes readable when the function disappears; stays the function's
 * @close:        bus mastering off, mappings gone, then everything freed
 *
 * @room:         bytes that this function and others together can still have mapped; NULL: no
 *                limit but its own is known
 *
 * @claim, @irq, @peer: tables of their own, whole; NULL where the host has no such thing
 */
struct gw_function_ops {
	int (*config_read)(struct gw_function *f, unsigned int off, unsigned int width,
			   uint32_t *val);
	int (*config_write)(struct gw_function *f, unsigned int off, unsigned int width,
			    uint32_t val);
	int (*bar_info)(struct gw_function *f, unsigned int bar, struct gw_bar_info *info);
	int (*bar_map)(struct gw_function *f, unsigned int bar, struct gw_bar_map *map);
	void (*bar_unmap)(struct gw_function *f, unsigned int bar);
	int (*reg_read)(struct gw_function *f, unsigned int bar, gw_bar_off off,
			unsigned int width, uint64_t *val);
	int (*reg_write)(struct gw_function *f, unsigned int bar, gw_bar_off off,
			 unsigned int width, uint64_t val);
	int (*dma_map)(struct gw_function *f, const struct gw_memory *mem, uint64_t size,
		       const gw_iova *want, struct gw_mapping *map);
	int (*dma_unmap)(struct gw_function *f, uint64_t handle);
	int (*irq_setup)(struct gw_function *f, struct gw_irq_sink *sink, unsigned int *nr);
	void (*irq_teardown)(struct gw_function *f);
	int (*irq_mask)(struct gw_function *f, const uint64_t enabled[GW_IRQ_WORDS]);
	int (*reset)(struct gw_function *f);
	int (*gone)(struct gw_function *f, int *fd);
	void (*close)(struct gw_function *f);

	uint64_t (*room)(struct gw_function *f);

	const struct gw_claim_ops *claim;
	const struct gw_irq_ops *irq;
	const struct gw_peer_ops *peer;
};

/** What a function has mapped, or is about to. */
struct gw_account {
	uint64_t maps, bytes;		/* now */
	uint64_t peak_maps, peak_bytes;
	uint64_t total_maps;		/* ever */
};

/**
 * struct gw_function - an open function; first member of each host's own
 * @log: is @own, so that its guest's messages are limited apart from others'
 * @limits, @intx: fixed once it is open
 * @intx:          the function has INTx, and the host delivers it
 * @mapped: written by gw_function_map() and gw_function_unmap() alone; see gw_function_mapped()
 */
struct gw_function {
	const struct gw_function_ops *ops;
	struct gw_log *log, own;
	struct gw_function_info info;
	struct gw_host_limits limits;
	bool intx;
	struct gw_account mapped;
};

/**
 * gw_function_map() - dma_map() within the function's budget
 *
 * Whoever maps for a function does it by this call and gw_function_unmap(): they keep the one
 * account of what is mapped. Any thread.
 *
 * Return: as dma_map(). -ENOSPC and -E2BIG come also by our own count; then the host was not asked.
 */
int gw_function_map(struct gw_function *f, const struct gw_memory *mem, uint64_t size,
		    const gw_iova *want, struct gw_mapping *map);

/**
 * gw_function_map_bar() - likewise, of a range of @peer's BAR
 *
 * Return: as dma_map_bar(), and as gw_function_map(); -EOPNOTSUPP the host does not.
 */
int gw_function_map_bar(struct gw_function *f, struct gw_function *peer, unsigned int bar,
			const struct gw_bar_range *range, const gw_iova *want,
			struct gw_mapping *map);

/**
 * gw_function_unmap() - undo gw_function_map()
 * @size: what was mapped
 *
 * A function that has gone reaches nothing, and a handle that the host does not know any more is
 * mapped nowhere: both are 0.
 *
 * Return: 0, the device cannot reach the memory; or -errno of the host, then it may, and it counts.
 */
int gw_function_unmap(struct gw_function *f, uint64_t handle, uint64_t size);

/** gw_function_mapped() - a copy of the account */
void gw_function_mapped(const struct gw_function *f, struct gw_account *account);

#define GW_BUDGET_TEXT	128

/** gw_function_budget_text() - for a message: what is in use of both limits */
void gw_function_budget_text(const struct gw_function *f, char text[GW_BUDGET_TEXT]);

struct gw_host;

/**
 * struct gw_host_ops - what a host offers
 * @list:  *@list is an array of *@nr functions, to be freed with free(3)
 * @open:  claims the function called @name. -EINVAL that is no name, -ENOENT no such function,
 *         -EBUSY claimed by another process, -EACCES not permitted, -EOPNOTSUPP it cannot be passed
 *         through as it is; hosts that know why log it, with the way out
 * @free:  every function must be closed
 */
struct gw_host_ops {
	int (*list)(struct gw_host *host, struct gw_function_info **list, size_t *nr);
	int (*open)(struct gw_host *host, const char *name, struct gw_function **f);
	void (*free)(struct gw_host *host);
};

/** struct gw_host - a host; first member of each kind's own */
struct gw_host {
	const struct gw_host_ops *ops;
	struct gw_log *log;
};

#ifdef __cplusplus
}
#endif

#endif
