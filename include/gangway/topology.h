/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef GANGWAY_TOPOLOGY_H
#define GANGWAY_TOPOLOGY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <gangway/addr.h>
#include <gangway/log.h>

#ifdef __cplusplus
extern "C" {
#endif

/*
 * The PCI functions of a Linux machine and how they are connected, read from sysfs: of the machine
 * we run on, or of any other whose files were copied to a folder. What the files say is not
 * trusted to be well-formed or consistent.
 *
 * Nothing is read before it is asked for. What was read is kept: open the topology anew to see
 * changes. One thread at a time.
 */

/** A function's address. Domains need more than 16 bits on some machines. */
struct gw_pci_addr {
	uint32_t domain;
	uint8_t bus, dev, fn;
};

#define GW_PCI_ADDR_SIZE	20	/* bytes of text, with the final NUL */

/**
 * gw_pci_addr_parse() - "[DOMAIN:]BUS:DEV.FN" in hex, as lspci and sysfs write it
 *
 * Return: 0; -EINVAL.
 */
int gw_pci_addr_parse(const char *text, struct gw_pci_addr *addr);

/** gw_pci_addr_format() - as sysfs names it, with the domain. Return: @text */
const char *gw_pci_addr_format(const struct gw_pci_addr *addr, char text[GW_PCI_ADDR_SIZE]);

/** What a function is. Up to 15 the numbers are those of PCIe 5.0, 7.5.3.2. */
enum gw_pci_type {
	GW_PCI_ENDPOINT = 0,
	GW_PCI_LEGACY_ENDPOINT = 1,
	GW_PCI_ROOT_PORT = 4,
	GW_PCI_UPSTREAM_PORT = 5,
	GW_PCI_DOWNSTREAM_PORT = 6,
	GW_PCI_TO_PCI_BRIDGE = 7,	/* PCI Express above, PCI below */
	GW_PCI_TO_PCIE_BRIDGE = 8,	/* PCI above, PCI Express below */
	GW_PCI_RC_ENDPOINT = 9,
	GW_PCI_RC_EVENT_COLLECTOR = 10,
	GW_PCI_CONVENTIONAL = 16,	/* has no PCI Express capability */
	GW_PCI_TYPE_UNKNOWN,		/* config space cannot be read that far */
};

/** Can the ACS capability of a function be read, and is it there? */
enum gw_acs_state {
	GW_ACS_ABSENT,
	GW_ACS_PRESENT,
	GW_ACS_UNREACHABLE, /* the system reaches 256 bytes only; the kernel takes it as absent */
	GW_ACS_UNREADABLE,  /* by us; the kernel may know better */
};

/* Bits of the ACS capability and control registers (PCIe 5.0, 7.7.8). */
#define GW_ACS_SV	0x01u	/* source validation */
#define GW_ACS_TB	0x02u	/* translation blocking */
#define GW_ACS_RR	0x04u	/* requests to peers are redirected upstream */
#define GW_ACS_CR	0x08u	/* completions to peers are redirected upstream */
#define GW_ACS_UF	0x10u	/* upstream forwarding */
#define GW_ACS_EC	0x20u	/* egress control */
#define GW_ACS_DT	0x40u	/* direct translated requests */
#define GW_ACS_ISOLATION (GW_ACS_SV | GW_ACS_RR | GW_ACS_CR | GW_ACS_UF)

struct gw_acs {
	enum gw_acs_state state;
	uint16_t cap, ctrl;	/* if present */
};

/** A host bridge: what sysfs calls pciDDDD:BB. */
struct gw_pci_root {
	uint32_t domain;
	uint8_t bus;
	char name[24];
};

/**
 * struct gw_pci_node - a function in its place; the topology's
 * @up:      the bridge above it, of a virtual function the one above its physical function; NULL
 *           on a root bus
 * @physfn:  of a virtual function its physical function, else NULL; after gw_pci_node_ident()
 * @vendor:  these five after gw_pci_node_ident()
 * @group:   the kernel's IOMMU group, -1 none
 * @driver:  empty: none
 * @vfio:    VFIO has it: by vfio-pci, or by one of its variants, which show a node (vfio-dev)
 * @type:    this and what follows after gw_pci_node_config()
 * @bridge:  its header is one of a bridge
 * @multifunction: one of several functions of a device; never true for a virtual function
 */
struct gw_pci_node {
	struct gw_pci_addr addr;
	struct gw_pci_root *root;
	struct gw_pci_node *up;

	struct gw_pci_node *physfn;
	uint16_t vendor, device;
	uint32_t class_code;
	int group;
	char driver[64];
	bool vfio;

	enum gw_pci_type type;
	bool bridge, multifunction;
	struct gw_acs acs;
};

struct gw_topology;

/**
 * gw_topology_open() - of the machine, or of a copy of its files
 * @tree: folder that holds sys/ and proc/ ("" is the machine itself); the string is copied
 *
 * Return: 0; -ENOENT @tree has no sys/bus/pci/devices, -ENAMETOOLONG, -ENOMEM, or -errno of
 * open(2).
 */
int gw_topology_open(const char *tree, struct gw_log *log, struct gw_topology **t);

/** gw_topology_close() - its nodes go with it; NULL is fine */
void gw_topology_close(struct gw_topology *t);

/**
 * gw_topology_find() - a function and every bridge above it, their places only
 *
 * Return: 0; -ENOENT there is none, -EBADMSG sysfs contradicts itself (logged), -ENOSPC it is
 * more than GW_PCI_MAX_DEPTH bridges down, -ENOMEM, or -errno of readlink(2).
 */
int gw_topology_find(struct gw_topology *t, const struct gw_pci_addr *addr,
		     struct gw_pci_node **node);

#define GW_PCI_MAX_DEPTH	32u
#define GW_PCI_MAX_NODES	65536u	/* in one topology */

/**
 * gw_topology_scan() - find every function
 *
 * Functions that go away while we look are left out; what is inconsistent is left out and logged.
 *
 * Return: 0; -ENOSPC more than GW_PCI_MAX_NODES, -ENOMEM, or -errno of readdir(3).
 */
int gw_topology_scan(struct gw_topology *t);

/**
 * gw_topology_next() - those found so far, in the order of their addresses
 * @node: NULL to begin
 */
struct gw_pci_node *gw_topology_next(const struct gw_topology *t, const struct gw_pci_node *node);

/**
 * gw_pci_node_ident() - read identity, physical function, group and driver
 *
 * Return: 0; -ENODEV it went away, -EBADMSG a file makes no sense (logged), -ENOMEM.
 */
int gw_pci_node_ident(struct gw_topology *t, struct gw_pci_node *node);

/**
 * gw_pci_node_config() - read what it is and its ACS, from config space
 *
 * What cannot be read is said in @type and @acs, and is no error. Only root may read beyond the
 * first 64 bytes.
 *
 * Return: as gw_pci_node_ident(), which it calls.
 */
int gw_pci_node_config(struct gw_topology *t, struct gw_pci_node *node);

/** A resource as the CPU sees it and as peers on the bus do. */
struct gw_pci_bar {
	uint64_t first, last;	/* CPU physical, inclusive */
	gw_bus bus;		/* of @first; valid if @has_bus */
	bool has_bus, io;
};

/**
 * gw_pci_node_bar() - a BAR, of a virtual function too
 * @bar: 0 to 5
 *
 * @has_bus is false where the register cannot be read, or the file's numbers do not fit it.
 *
 * Return: 0; -ENOENT it has no such BAR, -EINVAL @bar, -ENODEV, -EBADMSG, -ENOMEM.
 */
int gw_pci_node_bar(struct gw_topology *t, struct gw_pci_node *node, unsigned int bar,
		    struct gw_pci_bar *out);

/**
 * gw_pci_dma_addr() - the address a function sends, with no IOMMU in its way, to reach the CPU's
 * @phys
 * @phys: as the CPU addresses it: memory, or a BAR of another function
 * @size: bytes
 * @bits: of address that the function can send, at most 64
 *
 * A device tree says at which addresses devices below a host bridge reach memory (dma-ranges);
 * without one they use the CPU's.
 *
 * Return: 0; -ENOENT it is out of reach for every function there, -ERANGE for one that sends only
 * @bits; -EINVAL nothing, or it wraps; -EBADMSG the table makes no sense (logged), -ENODEV.
 */
int gw_pci_dma_addr(struct gw_topology *t, const struct gw_pci_node *node, uint64_t phys,
		    uint64_t size, unsigned int bits, gw_bus *bus);

/**
 * gw_pci_root_first() - the function that identifies a host bridge: the lowest of its root bus
 *
 * Return: 0; -ENOENT the bus is empty, else as gw_topology_find().
 */
int gw_pci_root_first(struct gw_topology *t, const struct gw_pci_root *root,
		      struct gw_pci_node **node);

/** gw_topology_tree() - what it was opened with */
const char *gw_topology_tree(const struct gw_topology *t);

/** gw_topology_path() - @path below the tree. Return: 0; -ENAMETOOLONG */
int gw_topology_path(const struct gw_topology *t, const char *path, char *out, size_t size);

/**
 * gw_acs_enabled() - the kernel's notion of a function that keeps peers apart
 * @missing: flags that are not in effect, if not NULL
 *
 * What cannot be read counts as not enabled.
 */
bool gw_acs_enabled(const struct gw_pci_node *node, uint16_t flags, uint16_t *missing);

#define GW_ACS_TEXT_SIZE	32

/** gw_acs_names() - "RR CR" for the bits of @flags, "none" for 0. Return: @text */
const char *gw_acs_names(uint16_t flags, char text[GW_ACS_TEXT_SIZE]);

/** gw_pci_type_name() - "root port" and so on */
const char *gw_pci_type_name(const struct gw_pci_node *node);

#ifdef __cplusplus
}
#endif

#endif
