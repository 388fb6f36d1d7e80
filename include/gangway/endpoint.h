/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef GANGWAY_ENDPOINT_H
#define GANGWAY_ENDPOINT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#include <gangway/addr.h>
#include <gangway/host.h>
#include <gangway/log.h>

#ifdef __cplusplus
extern "C" {
#endif

/*
 * An endpoint is a modelled PCI function on the simulated host. It states its identity, BARs and
 * capabilities as data; the simulated bus builds config space from them, acts on COMMAND, power
 * state and FLR, and calls the endpoint for the rest. All of an endpoint's DMA goes through the
 * modelled DART by the calls below.
 */

/** One BAR. @size 0: absent. A mapped BAR is shared memory, made by the bus unless the endpoint has
 * a bar_file(); a trapped one calls. */
struct gw_endpoint_bar {
	uint64_t size;
	bool is_64bit, prefetchable;
	bool mapped;
};

/**
 * What a physical function says of its virtual functions. @total 0: it has none. The routing
 * identifier (bus, device, function as 16 bits) of the @i-th is the physical function's plus
 * @offset + @i * @stride.
 */
struct gw_endpoint_sriov {
	uint16_t total, offset, stride;
	uint16_t device;
	struct gw_endpoint_bar bar[GW_NR_BARS];
};

/** What an endpoint is. The MSI-X table and PBA are placed by the endpoint in one of its BARs. */
struct gw_endpoint_desc {
	uint16_t vendor, device, subvendor, subdevice;
	uint32_t class_code;		/* 24 bits */
	uint8_t revision;
	struct gw_endpoint_bar bar[GW_NR_BARS];
	uint16_t msix_vectors;		/* 0: no MSI-X capability */
	uint8_t msix_bar;
	uint32_t msix_table, msix_pba;	/* offsets in that BAR */
	uint8_t msi_vectors;		/* 0: none; else 1, 2, 4 .. 32 */
	bool no_flr;
	uint64_t serial;		/* 0: no device serial number capability */
	struct gw_endpoint_sriov sriov;
};

struct gw_endpoint;
struct gw_endpoint_bus;

/**
 * struct gw_endpoint_ops - what the bus asks of an endpoint
 * @bar_read:  trapped BAR; @width 1, 2, 4 or 8, aligned and inside the BAR. Must not block
 * @bar_write: likewise
 * @bar_file:  the file whose first bytes a mapped BAR shows, at least as large as the BAR and
 *             sealed against shrinking; stays the endpoint's. -1: the bus makes one. May be NULL
 * @decode:    the function's memory decodes, or does not any longer: because COMMAND says so, the
 *             function leaves D0, is about to be reset, or is gone. Called on changes; false at
 *             first. May be NULL
 * @vf_new:    make the @vf-th virtual function; they appear on the bus when SR-IOV is enabled, and
 *             vanish when it is disabled or the physical function goes. Only where @desc.sriov says
 *             so
 * @quiesce:   bus mastering went off, or the function leaves D0, or it is about to be reset: no
 *             DMA is under way when it returns, and none starts until resume(). Must not wait for
 *             a remote memory round trip (the remote is stopped meanwhile)
 * @stalled:   has quiesce() given up, as the endpoint waits for something that does not answer, and
 *             is DMA from before it still under way? Nothing but quiesce(), this and free() is
 *             called until it says no, and after free() whatever such DMA uses stays for good.
 *             NULL: never
 * @resume:    bus mastering is on (again)
 * @reset:     back to power-on state; the endpoint is quiet already
 * @free:      the endpoint is quiet already, or stalled; NULL @ep is fine
 *
 * Calls come from any thread, never two of decode, quiesce, resume, reset and free at one time.
 */
struct gw_endpoint_ops {
	int (*bar_read)(struct gw_endpoint *ep, unsigned int bar, gw_bar_off off,
			unsigned int width, uint64_t *val);
	int (*bar_write)(struct gw_endpoint *ep, unsigned int bar, gw_bar_off off,
			 unsigned int width, uint64_t val);
	int (*bar_file)(struct gw_endpoint *ep, unsigned int bar);
	void (*decode)(struct gw_endpoint *ep, bool on);
	int (*vf_new)(struct gw_endpoint *ep, unsigned int vf, struct gw_endpoint **out);
	void (*quiesce)(struct gw_endpoint *ep);
	bool (*stalled)(struct gw_endpoint *ep);
	void (*resume)(struct gw_endpoint *ep);
	void (*reset)(struct gw_endpoint *ep);
	void (*free)(struct gw_endpoint *ep);
};

/** struct gw_endpoint - an endpoint; first member of each model's own */
struct gw_endpoint {
	const struct gw_endpoint_ops *ops;
	struct gw_endpoint_desc desc;
	struct gw_endpoint_bus *bus;	/* set by the bus before the first call */
};

/**
 * struct gw_endpoint_type - a kind of endpoint, by the name that users give
 * @make: from its options. @opts is "key=value,key=value" or empty; an option not known
 *       is an error that names it. Errors have been logged with object, value and next step.
 *       -EINVAL bad option, -errno of opening what an option names.
 */
struct gw_endpoint_type {
	const char *name;
	const char *help;		/* options, one a line, for --help */
	int (*make)(const char *opts, struct gw_log *log, struct gw_endpoint **ep);
};

/** A direction is the device's: GW_DMA_READ reads memory. */
enum gw_dma_dir { GW_DMA_READ, GW_DMA_WRITE };

/**
 * gw_endpoint_dma_read() - copy from memory as the device
 *
 * May block for a round trip to the VMM if the memory is remote; so not for the calls of
 * struct gw_endpoint_ops.
 *
 * Return: 0; -EFAULT if any byte is not mapped (a fault is recorded, nothing may be assumed of
 * @buf); -EPERM if bus mastering is off; -ECANCELED; -EIO the memory went away under us.
 */
int gw_endpoint_dma_read(struct gw_endpoint *ep, gw_iova iova, void *buf, size_t len);

/** gw_endpoint_dma_write() - copy to memory as the device; errors as gw_endpoint_dma_read() */
int gw_endpoint_dma_write(struct gw_endpoint *ep, gw_iova iova, const void *buf, size_t len);

/** A pinned run of IOVA space: @iov are the places in this process, in order. */
struct gw_endpoint_pin {
	struct iovec *iov;
	unsigned int nr_iov, max_iov;	/* caller's array */
	uint64_t token[4];		/* the bus's own */
};

/**
 * gw_endpoint_pin() - hold a run of IOVA space for I/O straight to and from it
 * @pin: @iov and @max_iov set by the caller
 *
 * The mapping cannot be removed until gw_endpoint_unpin(); so hold pins only as long as an I/O
 * takes, and be ready for quiesce() to want them back. The pages may still vanish if their file
 * shrinks: use the addresses only in system calls, which answer EFAULT, or by gw_guard_copy().
 *
 * Return: 0; -EFAULT not mapped or direction not allowed (recorded as a fault); -EPERM bus
 * mastering is off; -EOPNOTSUPP the memory is remote, copy instead; -E2BIG @max_iov too few.
 */
int gw_endpoint_pin(struct gw_endpoint *ep, gw_iova iova, size_t len, enum gw_dma_dir dir,
		    struct gw_endpoint_pin *pin);

/** gw_endpoint_unpin() - the mapping may go again; nothing uses the addresses any more */
void gw_endpoint_unpin(struct gw_endpoint *ep, struct gw_endpoint_pin *pin);

/**
 * gw_endpoint_io_failed() - what stands behind the endpoint refused a read or write; it is counted
 */
void gw_endpoint_io_failed(struct gw_endpoint *ep);

/** gw_endpoint_irq() - raise vector @v (an edge); dropped if delivery is not set up. Any thread */
void gw_endpoint_irq(struct gw_endpoint *ep, unsigned int v);

/** gw_endpoint_bar_mem() - the memory of a mapped BAR */
void *gw_endpoint_bar_mem(struct gw_endpoint *ep, unsigned int bar);

#ifdef __cplusplus
}
#endif

#endif
