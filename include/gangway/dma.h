/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef GANGWAY_DMA_H
#define GANGWAY_DMA_H

#include <stdbool.h>

#include <gangway/device.h>
#include <gangway/host.h>
#include <gangway/ram.h>

#ifdef __cplusplus
extern "C" {
#endif

/* One function's address space: guest memory, the plan, and what the host has mapped. */

enum gw_plan { GW_PLAN_AUTO, GW_PLAN_DIRECT, GW_PLAN_WINDOW, GW_PLAN_POOL, GW_PLAN_PARAVIRT };

/** gw_plan_name() - "direct", ...; static */
const char *gw_plan_name(enum gw_plan plan);

/** gw_plan_parse() - Return: 0; -EINVAL not a plan's name */
int gw_plan_parse(const char *name, enum gw_plan *plan);

#define GW_PLAN_REASON	160	/* bytes of a line on why, NUL included */

/**
 * gw_plan_choose() - what "auto" means for a function, or whether @want is possible
 * @device_tree: the guest boots from a device tree that we write
 * @reason:      takes one line on why, or why not
 *
 * Return: 0; -EOPNOTSUPP @want cannot work here.
 */
int gw_plan_choose(const struct gw_host_limits *limits, bool device_tree, enum gw_plan want,
		   enum gw_plan *plan, char reason[GW_PLAN_REASON]);

#define GW_MAX_WINDOW_USERS	8

/**
 * struct gw_window - the part of guest memory that devices reach without a copy
 * @gpa, @iova, @size: what the guest's device tree is told
 * @ram:               the guest's whole memory; the window's until gw_window_close()
 */
struct gw_window {
	gw_gpa gpa;
	gw_iova iova;
	uint64_t size;
	struct gw_ram ram;

	/* private */
	bool reachable;			/* a host could not unmap it */
	uint64_t mapped;
	unsigned int nr_users;
	struct gw_window_user {
		struct gw_function *fn;
		uint64_t handle;
	} user[GW_MAX_WINDOW_USERS];
};

/**
 * gw_window_open() - make the guest's memory and have the host map the window
 * @gpa:      where the guest's RAM begins
 * @ram_size: bytes of guest RAM
 * @size:     bytes wanted from the start of RAM; 0: as much as the budget allows
 * @path:     where to make the file that holds guest memory, for a VMM that somebody else starts;
 *            it must not exist, and gw_window_close() removes it. NULL: a file without a name
 *
 * Where the host answers with several ranges, the largest is used, if it is of use to a guest.
 *
 * Return: 0; -ENOSPC the budget refuses, -EINVAL unaligned or too small, -ENOTUNIQ ranges too
 * small to be of use, -EEXIST @path is there, -ENOMEM, or -errno of the host or of the file; logged
 * with the numbers.
 */
int gw_window_open(struct gw_window *w, struct gw_function *fn, gw_gpa gpa, uint64_t ram_size,
		   uint64_t size, const char *path, struct gw_log *log);

/**
 * gw_window_open_in() - likewise, in guest memory that the caller has made
 * @addr: where it is; stays so until gw_window_close()
 *
 * Where the host answers with several ranges, the first is used, because the guest's RAM begins
 * there.
 */
int gw_window_open_in(struct gw_window *w, struct gw_function *fn, gw_gpa gpa, uint64_t ram_size,
		      void *addr, uint64_t size, struct gw_log *log);

/**
 * gw_window_share() - have another function's host map the same window
 *
 * Functions behind one host bridge are described by one property, so all must reach the window
 * at the same address.
 *
 * Return: 0; -EADDRNOTAVAIL the host chose another address, -ENOSPC too many functions or over the
 * budget, or -errno of the host; logged. Nothing has changed after an error.
 */
int gw_window_share(struct gw_window *w, struct gw_function *fn, struct gw_log *log);

/**
 * gw_window_leave() - have a function's host unmap the window; the function must be quiet
 *
 * The window stays also when the last function leaves: a guest has been told of it, and another
 * function may come and share it. Does nothing for a function that does not share it.
 */
void gw_window_leave(struct gw_window *w, struct gw_function *fn);

/**
 * gw_window_unmap() - no device, which must be quiet, reaches it any more; its members can still be
 * read
 */
void gw_window_unmap(struct gw_window *w);

/** gw_window_bits() - how many address bits a device must have, to reach all of it */
unsigned int gw_window_bits(const struct gw_window *w);

/**
 * gw_window_misfit() - what kind of function this is, if it is known to have fewer address bits
 *
 * Return: as in "a UHCI USB controller"; NULL: it is not known.
 */
const char *gw_window_misfit(const struct gw_window *w, const struct gw_function_info *info);

/** gw_window_close() - unmap it and give its memory up; a zeroed window is fine */
void gw_window_close(struct gw_window *w);

/**
 * gw_fdt_add_window() - tell a guest's device tree where a window is
 * @in:  device tree made by the VMM, file name
 * @out: written; may be @in
 *
 * Sets dma-ranges of the generic PCIe host bridge (Devicetree Specification 2.3.9).
 *
 * Return: 0; -ENOENT no such bridge, -EINVAL not a device tree, -ENOSPC, or -errno of the files;
 * logged.
 */
int gw_fdt_add_window(const char *in, const char *out, const struct gw_window *w,
		      struct gw_log *log);

/** gw_fdt_put_window() - likewise a tree in memory, with 4 KiB of room in it; errors too */
int gw_fdt_put_window(void *fdt, const struct gw_window *w, struct gw_log *log);

#define GW_ACPI_TABLE	256		/* bytes that an ACPI table of ours has at most */

/**
 * gw_acpi_ssdt() - tell a guest that boots by ACPI where a window is
 *
 * A table with an object _DMA of \_SB.PCI0, which is where QEMU's machine virt has its host bridge.
 *
 * Return: its bytes.
 */
size_t gw_acpi_ssdt(const struct gw_window *w, uint8_t table[GW_ACPI_TABLE]);

/**
 * gw_acpi_iort() - tell a guest with more RAM that its bounce buffers are to be in the window
 *
 * The table replaces the VMM's of that name, which has no SMMU in it.
 *
 * Return: its bytes; 0: it cannot be told, because no number of address bits ends in the window.
 */
size_t gw_acpi_iort(const struct gw_window *w, uint8_t table[GW_ACPI_TABLE]);

/**
 * gw_acpi_srat() - tell it that what lies above the window is a node of its own, as in @w->ram.near
 *
 * The table replaces the VMM's of that name. A kernel believes no table that leaves out memory, and
 * firmware may count flash below RAM as memory; so the window's node has that, too, and all
 * processors.
 *
 * Return: its bytes.
 */
size_t gw_acpi_srat(const struct gw_window *w, uint8_t table[GW_ACPI_TABLE]);

/**
 * gw_acpi_write() - write what Linux needs of these
 * @nodes:  what lies above the window is to be a node of its own
 * @out:    made or replaced: an archive to be put before an initramfs if it ends in .cpio or
 *          @initrd is given, else the SSDT alone
 * @initrd: file that follows in @out; "": nothing does; NULL: @out is not for booting with
 *
 * Return: 0; -EOPNOTSUPP the bounce buffers cannot be kept in the window, -EINVAL RAM is larger
 * than the window and @out is no archive, or -errno of the files; logged.
 */
int gw_acpi_write(const struct gw_window *w, bool nodes, const char *out, const char *initrd,
		  struct gw_log *log);

struct gw_dma;

struct gw_dma_usage {
	struct gw_account mapped;	/* all of the function's */
	uint64_t runs;			/* of guest memory known */
	uint32_t generation;		/* see gw_dma_guest_release() */
	uint32_t dropped;		/* the guest's, ended as the VMM took memory away */
};

/**
 * gw_dma_new() - an address space for @fn; @fn stays the caller's and must outlive it
 *
 * Return: 0; -ENOMEM.
 */
int gw_dma_new(struct gw_function *fn, enum gw_plan plan, struct gw_log *log,
	       struct gw_dma **dma);

/** gw_dma_free() - unmaps what is left; NULL is fine */
void gw_dma_free(struct gw_dma *dma);

/** gw_dma_plan() - what gw_dma_new() was told */
enum gw_plan gw_dma_plan(const struct gw_dma *dma);

/**
 * struct gw_dma_peer - a piece of another function's BAR
 * @addr: where it is in this process, which stays so until gw_dma_forget_peer(); NULL: the host
 *        maps it by what it knows of @fn (struct gw_peer_ops)
 */
struct gw_dma_peer {
	struct gw_function *fn;
	unsigned int bar;
	gw_bar_off off;
	void *addr;
};

/**
 * struct gw_dma_peers - asked for what else a guest has as memory: BARs of other functions
 * @find: *@peer is what is at @at, all @size bytes of it. Called with a lock of the address space
 *        held. Return: false: nothing is known to be there, or the fabric does not let functions
 *        reach each other (logged)
 */
struct gw_dma_peers {
	bool (*find)(void *opaque, gw_gpa at, uint64_t size, struct gw_dma_peer *peer);
	void *opaque;
};

/**
 * gw_dma_set_peers() - under plan direct, reach other functions' BARs without the remote; @peers is
 * copied
 *
 * Memory that the VMM tells of without a file is looked for among them first.
 */
void gw_dma_set_peers(struct gw_dma *dma, const struct gw_dma_peers *peers);

/**
 * gw_dma_forget_peer() - nothing of @peer's is in the device's reach when this returns
 *
 * Return: 0; -EBUSY: the device is using some of it and does not let go, so BARs of @peer's that
 * are mapped in this process must stay mapped for good.
 */
int gw_dma_forget_peer(struct gw_dma *dma, const struct gw_function *peer);

/**
 * gw_dma_any_memory() - take guest memory in files of every kind; before the first gw_dma_map()
 *
 * Otherwise only files of shmem and hugetlbfs are taken: whoever touches another waits for its
 * disk, or for the program that serves it, which may never answer.
 */
void gw_dma_any_memory(struct gw_dma *dma);

/**
 * gw_dma_expect() - what the VMM maps of the guest's RAM must be @ram; before the first
 * gw_dma_map()
 * @ram: must outlive @dma
 *
 * For plans window and pool, where the device reaches that file whatever the VMM uses.
 */
void gw_dma_expect(struct gw_dma *dma, const struct gw_ram *ram);

/** gw_dma_set_remote() - what reaches memory that comes without a file; NULL: nothing does */
void gw_dma_set_remote(struct gw_dma *dma, struct gw_remote *remote);

/**
 * gw_dma_map() - learn of a run of guest memory and, under plan direct, let the device reach it
 * @s:  the run; copied
 * @fd: file that holds the memory, or -1: it is at s->addr, or, if that is NULL, the VMM keeps it
 *      and it is reached through the remote. Stays the caller's; @dma keeps the file mapped
 *
 * Return: 0; -EINVAL if @s is empty or unaligned, has an address and a file, or @fd is no regular
 * file or too short, -EOVERFLOW if it wraps, -EEXIST if it overlaps, -ENOSPC over the budget,
 * -EACCES if the memory is private to the VMM or not what gw_dma_any_memory() and gw_dma_expect()
 * allow, -ENOMEM, or -errno of mmap(2) or the host. After an error @dma is unchanged.
 */
int gw_dma_map(struct gw_dma *dma, const struct gw_slice *s, int fd);

/**
 * gw_dma_unmap() - forget every run inside first..last
 *
 * Return: 0, *@bytes unmapped; -EINVAL if a run is only partly inside (nothing changes); or what
 * the host answered for one that the device still uses. That is forgotten, too, but its file stays
 * mapped here until a later call can have it unmapped, and whoever gave it must not use it for
 * anything else.
 */
int gw_dma_unmap(struct gw_dma *dma, gw_vmm_addr first, gw_vmm_addr last, uint64_t *bytes);

/** gw_dma_unmap_all() - forget everything; never fails */
void gw_dma_unmap_all(struct gw_dma *dma);

/** gw_dma_usage() - what is mapped now, and how much there may be; any thread */
void gw_dma_usage(struct gw_dma *dma, struct gw_dma_usage *usage);

/**
 * gw_dma_find() - where guest memory is in this process
 * @prot: what it must allow, GW_PROT_*
 *
 * *@addr is good until the VMM has any of it unmapped, which the caller must know of; the file
 * may shrink at any time, so it is for gw_guard_copy() and its like.
 *
 * Return: 0; -EINVAL empty, -EOVERFLOW, -EFAULT some of it is no memory of a file or it is not in
 * one piece, -EACCES.
 */
int gw_dma_find(struct gw_dma *dma, gw_gpa gpa, uint64_t size, int prot, void **addr);

/* So many mappings a guest can have, whatever the budget. */
#define GW_DMA_GUEST_MAPS	(1u << 20)

/**
 * struct gw_dma_want - what a guest wants mapped
 * @size:      bytes; like @gpa in units of the host's granule
 * @read_only: for the device
 * @last:      the last address that the device can put out; 0: any
 */
struct gw_dma_want {
	gw_gpa gpa;
	uint64_t size;
	bool read_only;
	gw_iova last;
};

/**
 * gw_dma_guest_map() - plan paravirt: map guest memory where the host likes
 * @map: its handle is ours and is not given again soon; the upper half is the generation
 *
 * The mapping goes when the VMM unmaps any of the memory. May wait for the VMM's own maps.
 *
 * Return: 0; -EINVAL empty or unaligned, -EOVERFLOW, -EFAULT not memory, -EXDEV memory, but of
 * regions of the VMM's that do not follow each other in this process, -EACCES memory that may not
 * be written, -ENOSPC over the budget, -ENOBUFS the host has no room, -ERANGE no place at or below
 * @last, -E2BIG larger than one mapping may be, -EBUSY while a release is under way, -EPROTO
 * another plan, -ENOMEM, or -errno of the host.
 */
int gw_dma_guest_map(struct gw_dma *dma, const struct gw_dma_want *want, struct gw_mapping *map);

/**
 * gw_dma_guest_unmap() - undo gw_dma_guest_map(); on return the device cannot reach the memory
 *
 * Return: 0; -ENOENT no such mapping, -ESTALE it was of another generation; or -errno of the host,
 * then it is still mapped.
 */
int gw_dma_guest_unmap(struct gw_dma *dma, uint64_t handle);

/* A mapping that ended because the VMM took memory away. */
struct gw_dma_lost {
	uint64_t handle;
	gw_iova iova;			/* of its first segment */
	uint64_t size;
};

/**
 * gw_dma_guest_lost() - the oldest of them that was not asked for yet; it is then forgotten
 *
 * Some thousand are remembered, until a new generation begins; usage counts all. Return: 0; -ENOENT
 * there is none.
 */
int gw_dma_guest_lost(struct gw_dma *dma, struct gw_dma_lost *lost);

/**
 * gw_dma_guest_left() - bytes that can still be mapped, as far as is known
 *
 * By the function's budget, and by what its host shares between functions.
 */
uint64_t gw_dma_guest_left(struct gw_dma *dma);

/** gw_dma_guest_live() - is there such a mapping? */
bool gw_dma_guest_live(struct gw_dma *dma, uint64_t handle);

/**
 * gw_dma_guest_release() - unmap all the guest has mapped, and begin a new generation
 * @deadline: ns of CLOCK_MONOTONIC; a few are unmapped even if it has passed
 *
 * Return: 0; -EAGAIN time was up: nothing can be mapped until it has been called again and has
 * returned 0.
 */
int gw_dma_guest_release(struct gw_dma *dma, uint64_t deadline);

#ifdef __cplusplus
}
#endif

#endif
