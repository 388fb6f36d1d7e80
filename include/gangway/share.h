/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef GANGWAY_SHARE_H
#define GANGWAY_SHARE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <gangway/host.h>
#include <gangway/log.h>
#include <gangway/p2p.h>
#include <gangway/ranges.h>
#include <gangway/topology.h>

#ifdef __cplusplus
extern "C" {
#endif

/*
 * Sharing of device memory.
 *
 * Whoever holds a function is its exporter. An export is a piece of one BAR of that function: a
 * list of offsets and lengths, never addresses. An importer attaches to it; exporter and importer
 * agree, for that attachment alone, on the kind of address by which the importer reaches the
 * memory, before anything is mapped. Then the importer maps, uses the payload that the kind has,
 * and unmaps.
 *
 * The exporter can want its memory back at any time (revoke), or move it. The importer is told,
 * stops its accesses, and unmaps. One that does not is forced: its hardware is made to stop, and
 * its attachment is dead. A revoke is complete when it returns; a reset of the function comes
 * after it. Each mapping has a generation, so a stale one can be told from the present one.
 *
 * Threads: every call may come from any thread. Callbacks are made without any lock held, and the
 * one for an attachment never after its detach has returned.
 */

/**
 * struct gw_share_id - which function of which device
 * @fn:     its address
 * @pf:     its physical function's address; @fn if it is one itself
 * @vf:     index among the virtual functions of @pf, from 0; -1: the physical function
 * @cookie: of the device, unlike that of any other since this machine has started: addresses are
 *          given to other devices when one is unplugged
 */
struct gw_share_id {
	struct gw_pci_addr fn, pf;
	int32_t vf;
	uint64_t cookie;
};

/** gw_share_id_of_pf() - is @pf the physical function of the virtual function @vf? */
bool gw_share_id_of_pf(const struct gw_share_id *vf, const struct gw_share_id *pf);

/** gw_share_id_same() - the same function of the same device */
bool gw_share_id_same(const struct gw_share_id *a, const struct gw_share_id *b);

#define GW_SHARE_REASON		160	/* bytes of a reason, with the final NUL */
#define GW_SHARE_MAX_KINDS	8	/* in a list of an exporter or importer */
#define GW_SHARE_MAX_EXPORTS	1024	/* limit: exports of one */
#define GW_SHARE_MAX_ATTACHED	64	/* limit: attachments to one export */

struct gw_share_kind;
struct gw_exporter;
struct gw_export;
struct gw_attachment;

/**
 * struct gw_share_entry - one side's word in the negotiation
 * @id:    the function that has the memory, or the one that wants to reach it
 * @data:  what the kind makes of it
 * @proof: importer: that the fabric lets it reach the exporter's function; only lib/topology
 *         makes one, from what the machine says. NULL: nothing is known
 */
struct gw_share_entry {
	const struct gw_share_kind *kind;
	const struct gw_share_id *id;
	uint64_t data[2];
	const struct gw_p2p_proof *proof;
};

/**
 * struct gw_share_kind - a kind of address, and how a mapping of that kind is made
 *
 * A kind is the object itself; anyone may define one. Across processes @uuid stands for it.
 *
 * @match:   may the two use it? 0 yes, -EOPNOTSUPP no, try the next; anything else ends the
 *           negotiation. A pure function of its arguments, which do not change while an
 *           attachment lasts. *@why is set to a text that stays, unless it returns 0
 * @map:     fills in @payload, of @payload_size bytes, zeroed. -EOPNOTSUPP, with @reason: this
 *           kind does not serve the memory where it is now. The exporter's lock is held: no calls
 *           of this header
 * @unmap:   undoes it. The importer does not access the memory any longer
 */
struct gw_share_kind {
	const char *name;
	uint8_t uuid[16];
	size_t payload_size;
	int (*match)(const struct gw_share_entry *exporter, const struct gw_share_entry *importer,
		     const char **why);
	int (*map)(struct gw_export *e, const struct gw_share_entry *importer, void *payload,
		   char reason[GW_SHARE_REASON]);
	void (*unmap)(struct gw_export *e, void *payload);
};

/* The kinds that are known everywhere, in the order of preference. */

/**
 * A virtual function's memory for its physical function, which knows by its own provisioning table
 * where in the device that is (gangway/provisioning.h). Nothing goes over the bus.
 * Importer's @data: [0] the BAR of a virtual function that shows its memory.
 */
extern const struct gw_share_kind gw_share_iov_vram;

struct gw_iov_vram_payload {
	const struct gw_share_id *vf;		/* these three are the export's */
	unsigned int bar;
	const struct gw_bar_ranges *ranges;
};

/**
 * Offsets into the BAR, for an importer that maps it into a guest's address space or into an IOMMU.
 * It has to be the one that drives the very same function. Importer's @id is the exporter's.
 */
extern const struct gw_share_kind gw_share_bar_range;

struct gw_bar_range_payload {
	const struct gw_share_id *fn;
	unsigned int bar;
	const struct gw_bar_ranges *ranges;
};

/** DMA addresses of the importer's function, made for it alone. Wants @proof. */
extern const struct gw_share_kind gw_share_iova;

struct gw_iova_payload {
	struct gw_share_id fn;			/* the function whose addresses these are */
	struct gw_iova_ranges ranges;
	uint64_t token;				/* the backing's */
};

/**
 * A file that holds the export's bytes and nothing else: a dma-buf, or memory. Importer's @data:
 * [0] bit 0: memory that can be mapped, bit 1: a dma-buf, will do.
 */
extern const struct gw_share_kind gw_share_memfd;

#define GW_SHARE_FILE_MEMORY	1u
#define GW_SHARE_FILE_DMA_BUF	2u

struct gw_file_payload {
	int fd;					/* the attachment's */
	unsigned int what;			/* GW_SHARE_FILE_* */
	struct gw_file_ranges ranges;
};

/** The bytes, read by the exporter when asked: gw_attachment_read(). The last resort. */
extern const struct gw_share_kind gw_share_copy;

struct gw_copy_payload {
	uint64_t size;
};

/**
 * struct gw_backing_ops - what the holder of a function can do with its memory; any may be NULL
 *
 * Called under the exporter's lock, except @read: no calls of this header from them.
 *
 * @iova_map:   make @ranges of @bar reachable by @importer, whose way there is proven. The bytes of
 *              @out are those of @ranges, in order. -EOPNOTSUPP with @reason: not here, or not now
 * @iova_unmap: undo it; the importer does not use them any longer
 * @file:       a descriptor for @ranges of @bar: *@fd becomes the caller's, *@what one of
 *              GW_SHARE_FILE_*. The file must hold those bytes and no others
 * @read:       copy from the BAR. Also while another thread is in here
 */
struct gw_backing;

struct gw_backing_ops {
	int (*iova_map)(struct gw_backing *b, const struct gw_share_id *importer, unsigned int bar,
			const struct gw_bar_ranges *ranges, struct gw_iova_ranges *out,
			uint64_t *token, char reason[GW_SHARE_REASON]);
	void (*iova_unmap)(struct gw_backing *b, uint64_t token);
	int (*file)(struct gw_backing *b, unsigned int bar, const struct gw_bar_ranges *ranges,
		    int *fd, unsigned int *what, struct gw_file_ranges *out,
		    char reason[GW_SHARE_REASON]);
	int (*read)(struct gw_backing *b, unsigned int bar, gw_bar_off off, void *buf, size_t len);
};

struct gw_backing {
	const struct gw_backing_ops *ops;
};

/**
 * gw_share_udmabuf() - a dma-buf of just these pages of a memory file, for a backing's file()
 * @memfd: sealed so that it cannot shrink (F_SEAL_SHRINK); stays the caller's
 * @fd:    becomes the caller's; GW_SHARE_FILE_MEMORY | GW_SHARE_FILE_DMA_BUF
 *
 * Return: 0; -EOPNOTSUPP this kernel has no /dev/udmabuf; -EINVAL no ranges, or not whole pages of
 * the file, or it can shrink; -ENOMEM; -errno of open(2).
 */
int gw_share_udmabuf(int memfd, const struct gw_file_ranges *ranges, int *fd);

/**
 * struct gw_exporter_options - of the holder of a function
 * @id:       the function
 * @vm:       name of the virtual machine that has it; copied
 * @bar_size: bytes; 0: no memory there
 * @backing:  stays the caller's, and must stay as long as the exporter; NULL: none
 * @kinds:    what it offers, in its order; NULL: those above, in that order. The array must stay
 * @warn_ms:  a revoke says who keeps it waiting; 0: 1000
 * @force_ms: and then forces them; 0: 5000
 */
struct gw_exporter_options {
	struct gw_share_id id;
	const char *vm;
	uint64_t bar_size[GW_NR_BARS];
	struct gw_backing *backing;
	const struct gw_share_kind *const *kinds;
	unsigned int nr_kinds;
	unsigned int warn_ms, force_ms;
	struct gw_log *log;
};

/**
 * gw_exporter_new() - for the holder of a function
 *
 * Return: 0; -EINVAL @vm is empty or @nr_kinds too large; -ENOMEM.
 */
int gw_exporter_new(const struct gw_exporter_options *opt, struct gw_exporter **x);

/** gw_exporter_free() - revokes all for good. Its exports are dead, and still want freeing */
void gw_exporter_free(struct gw_exporter *x);

/** gw_exporter_vm() - its name; stays as long as the exporter */
const char *gw_exporter_vm(const struct gw_exporter *x);

/**
 * gw_exporter_revoke() - have all memory of the function back
 *
 * For what takes the memory's meaning away: reset, memory decoding off, D3. Everyone is told, and
 * has until @force_ms. When it returns no mapping is left, and none can be made until
 * gw_exporter_rearm(). Exports made meanwhile are born revoked.
 *
 * Return: how many had to be forced.
 */
int gw_exporter_revoke(struct gw_exporter *x);

/** gw_exporter_rearm() - mappings can be made again. Return: 0; -EBUSY a revoke is under way */
int gw_exporter_rearm(struct gw_exporter *x);

/**
 * gw_export_new() - offer a piece of a BAR
 * @range: page aligned, inside the BAR; in any order. They may overlap: the same bytes then come
 *         twice
 *
 * Return: 0; -EINVAL no such BAR, no ranges, an empty or unaligned one, or one beyond the BAR;
 * -EOVERFLOW one wraps, or all are more than the BAR has; -ENOSPC more than GW_RANGES_MAX
 * ranges, or more than GW_SHARE_MAX_EXPORTS exports; -ENODEV the exporter is dead; -ENOMEM.
 */
int gw_export_new(struct gw_exporter *x, unsigned int bar, const struct gw_bar_range *range,
		  unsigned int nr, struct gw_export **e);

/** gw_export_free() - revokes it for good; attachments are dead, and still want detaching */
void gw_export_free(struct gw_export *e);

/**
 * gw_exports_end() - likewise, several of one exporter at once; they still want freeing
 *
 * An importer that keeps several of them mapped has the time of one revoke, not of one for each.
 * When it returns no mapping of them is left, and none can be made.
 */
void gw_exports_end(struct gw_export *const *e, unsigned int nr);

enum gw_export_state { GW_EXPORT_OK, GW_EXPORT_REVOKED, GW_EXPORT_DEAD };

/** gw_export_state() - as it is now; any thread */
enum gw_export_state gw_export_state(struct gw_export *e);

/**
 * gw_export_move() - everyone is to map anew
 * @move: called once nobody has it mapped, and nobody can; NULL: nothing
 *
 * Importers are told as for a revoke, and then that it is ready.
 *
 * Return: 0; -EBUSY it is pinned, or being moved; -ENODEV it is dead.
 */
int gw_export_move(struct gw_export *e, void (*move)(void *opaque), void *opaque);

/** gw_export_frame() - the guest has finished a frame: wake whoever looks at GW_FENCE_FRAME */
void gw_export_frame(struct gw_export *e);

/* What an export is; does not change. */
const struct gw_share_id *gw_export_id(const struct gw_export *e);
const char *gw_export_vm(const struct gw_export *e);
unsigned int gw_export_bar(const struct gw_export *e);
uint64_t gw_export_size(const struct gw_export *e);
const struct gw_bar_ranges *gw_export_ranges(const struct gw_export *e);
struct gw_backing *gw_export_backing(const struct gw_export *e);

/** Why an importer is told to let go. */
enum gw_share_why {
	GW_SHARE_MOVED,		/* it will be elsewhere; until ready() a map is -EBUSY */
	GW_SHARE_REVOKED,	/* until ready() a map is -ENODEV */
	GW_SHARE_DEAD,		/* never again: detach */
};

struct gw_importer;

/**
 * struct gw_importer_ops - the first two are needed: an importer that cannot let go is not let in
 * @invalidate: stop accessing, in bounded time, then gw_attachment_unmap(); also from within.
 *              Must not block
 * @quiesce:    the attachment was not unmapped in time: stop the hardware now, without the
 *              importer. When this returns, the mapping and its payload go
 * @ready:      it can be mapped again. May be NULL
 */
struct gw_importer_ops {
	void (*invalidate)(struct gw_importer *imp, struct gw_attachment *a, enum gw_share_why why);
	void (*quiesce)(struct gw_importer *imp, struct gw_attachment *a);
	void (*ready)(struct gw_importer *imp, struct gw_attachment *a);
};

/** struct gw_share_accept - a kind that an importer takes; as in struct gw_share_entry */
struct gw_share_accept {
	const struct gw_share_kind *kind;
	uint64_t data[2];
	const struct gw_p2p_proof *proof;
};

/** struct gw_importer - first member of each importer's own; stays as long as its attachments */
struct gw_importer {
	const struct gw_importer_ops *ops;
	struct gw_share_id id;		/* its function; zero if it has none */
	const struct gw_share_accept *accept;
	unsigned int nr_accept;
};

/**
 * gw_attach() - agree on a kind of address
 *
 * Exporter's order is tried first. All kinds on which both agree are kept: what cannot be mapped
 * goes on to the next.
 *
 * Return: 0; -EOPNOTSUPP there is none, or @imp cannot let go, or its list is too long; -ENODEV the
 * export is dead; -ENOSPC too many attachments; -ENOMEM; or the error of a match() that ended the
 * negotiation. If @reason is not NULL it says why not.
 */
int gw_attach(struct gw_export *e, struct gw_importer *imp, struct gw_attachment **a,
	      char reason[GW_SHARE_REASON]);

/**
 * gw_attachment_map() - get the payload, by the first kind that serves
 *
 * Return: 0; -ENODEV revoked or dead; -EPROTO mapped already; -EBUSY the last mapping was not
 * let go of yet, or the export is being moved; -EOPNOTSUPP no kind serves, and the steps say why;
 * -ENOMEM.
 */
int gw_attachment_map(struct gw_attachment *a);

/**
 * gw_attachment_refuse() - mapped, but the importer cannot use this kind: unmap, try the next
 * @reason: copied, and kept among the steps
 *
 * For a reason that only the importer's own tables tell. Where a check has failed, detach instead.
 *
 * Return: 0 map again; -EOPNOTSUPP there is no other kind; -EPROTO not mapped; -ENODEV.
 */
int gw_attachment_refuse(struct gw_attachment *a, const char *reason);

/** gw_attachment_unmap() - all accesses have ended. Return: 0; -EPROTO not mapped; -ENODEV */
int gw_attachment_unmap(struct gw_attachment *a);

/** gw_attachment_detach() - end it, also if mapped; @a is gone. NULL is fine */
void gw_attachment_detach(struct gw_attachment *a);

/** gw_attachment_abandon() - the importer has died: as detach, and its hardware is stopped first */
void gw_attachment_abandon(struct gw_attachment *a);

/** gw_attachment_pin() - keep it where it is; a revoke comes all the same. Return: 0; -ENODEV */
int gw_attachment_pin(struct gw_attachment *a);

/** gw_attachment_unpin() - undo one gw_attachment_pin() */
void gw_attachment_unpin(struct gw_attachment *a);

/**
 * gw_attachment_payload() - of the present mapping
 *
 * Stays until the importer unmaps it, or was made to by quiesce().
 *
 * Return: NULL if it is not mapped, or by another kind.
 */
const void *gw_attachment_payload(struct gw_attachment *a, const struct gw_share_kind *kind);

/** gw_attachment_kind() - the one mapped, or the first agreed on; NULL: all were refused */
const struct gw_share_kind *gw_attachment_kind(struct gw_attachment *a);

/** gw_attachment_generation() - changes with each mapping and each loss of one; never 0 */
uint64_t gw_attachment_generation(struct gw_attachment *a);

/** gw_attachment_valid() - is it mapped, in that generation? Takes no lock: for each frame */
bool gw_attachment_valid(const struct gw_attachment *a, uint64_t generation);

/**
 * gw_attachment_read() - copy bytes of the export; mapped by gw_share_copy
 * @pos: byte of the export
 *
 * Return: 0; -ERANGE behind the end; -ENODEV it has been revoked; -EPROTO mapped by another kind;
 * or the backing's error.
 */
int gw_attachment_read(struct gw_attachment *a, uint64_t pos, void *buf, size_t len);

enum gw_attachment_state {
	GW_ATT_DETACHED,
	GW_ATT_ATTACHED,
	GW_ATT_MAPPED,
	GW_ATT_INVALIDATING,	/* the importer has been told, and has not unmapped yet */
	GW_ATT_DYING,		/* likewise, and it will be dead */
	GW_ATT_DEAD,
	GW_ATT_NR,
};

/** gw_attachment_state() - as it is now; any thread */
enum gw_attachment_state gw_attachment_state(struct gw_attachment *a);

/** A kind that was considered: @err 0 agreed on, else why it is not used. */
struct gw_share_step {
	const struct gw_share_kind *kind;
	int err;
	char reason[GW_SHARE_REASON];
};

/** gw_attachment_step() - the exporter's kinds in its order, @i from 0. Return: false: no more */
bool gw_attachment_step(struct gw_attachment *a, unsigned int i, struct gw_share_step *step);

/**
 * struct gw_fence - a count that only goes up, and an eventfd that says so
 *
 * When nobody will count any more, the error is set and the eventfd signalled: nobody waits for
 * ever.
 */
struct gw_fence;

enum gw_fence_which {
	GW_FENCE_FRAME,		/* the exporter: this many frames are there */
	GW_FENCE_DONE,		/* the importer: so many it has let go of */
	GW_FENCE_NR,
};

/** gw_attachment_fence() - stays the attachment's */
struct gw_fence *gw_attachment_fence(struct gw_attachment *a, enum gw_fence_which which);

/** gw_fence_fd() - an eventfd, to poll; its value is what was counted since it was read */
int gw_fence_fd(const struct gw_fence *f);

/** gw_fence_signal() - count one: one system call, no lock */
void gw_fence_signal(struct gw_fence *f);

/**
 * gw_fence_count() - so far; *@err, if not NULL, 0 or why it ended: -ECANCELED, -ENODEV
 *
 * Where another process counts, this reads the eventfd.
 */
uint64_t gw_fence_count(struct gw_fence *f, int *err);

#ifdef __cplusplus
}
#endif

#endif
