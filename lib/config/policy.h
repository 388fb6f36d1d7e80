/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef GW_CONFIG_POLICY_H
#define GW_CONFIG_POLICY_H

#include <gangway/host.h>

#include "config/caps.h"

/*
 * What a guest may see of config space and do to it, bit by bit. Rules say it with a reason; they
 * are compiled for one function into masks, so that an access is a few and-operations.
 */

enum gw_pci_kind {
	GW_PCI_DROPPED,		/* reads as zero, writes go nowhere */
	GW_PCI_READ_ONLY,	/* reads the function, writes go nowhere */
	GW_PCI_FIXED,		/* reads a value settled at open, writes go nowhere */
	GW_PCI_EMULATED,	/* reads and writes our copy */
	GW_PCI_FORWARDED,	/* reads and writes the function */
	GW_PCI_NR_KINDS,
};

enum gw_pci_where { GW_PCI_HEADER, GW_PCI_CAP, GW_PCI_EXT_CAP };

/* The MSI capability has two layouts; the rules of the 64-bit one go by this number. */
#define GW_PCI_CAP_MSI64	(0x100u | GW_PCI_CAP_MSI)

/**
 * struct gw_pci_rule - the kind of some bits
 * @id:   of the capability
 * @off:  of the first dword, in the header or from the start of the capability
 * @nr:   of dwords that are alike; cut short where the capability ends
 * @mask: which bits of each
 *
 * No two rules speak of one bit. A capability without rules is not shown; a bit of one that is
 * shown and has no rule is dropped.
 */
struct gw_pci_rule {
	enum gw_pci_where where;
	uint16_t id, off, nr;
	uint32_t mask;
	enum gw_pci_kind kind;
	const char *reason;
};

/** gw_pci_rules() - all of them; static */
const struct gw_pci_rule *gw_pci_rules(size_t *nr);

/** The masks of one function; a bit is in at most one of the four. */
struct gw_pci_policy {
	uint8_t read_only[GW_PCI_CFG_SIZE];
	uint8_t fixed[GW_PCI_CFG_SIZE];
	uint8_t emulated[GW_PCI_CFG_SIZE];
	uint8_t forwarded[GW_PCI_CFG_SIZE];
	uint8_t initial[GW_PCI_CFG_SIZE];	/* of fixed and emulated bits, else zero */

	unsigned int size;			/* 256 or 4096 */
	uint16_t pm, pcie, msi, msix, af;	/* where shown, else 0 */
	bool flr;				/* by @pcie or @af */
	bool no_soft_reset;
	bool broken;				/* a list of the function loops or points outside */
	unsigned int msi_vectors, msix_vectors;

	/* what of the BARs is the MSI-X table and pending bits, also where the capability is
	 * hidden: bytes, size 0 if there is none */
	struct gw_pci_msix_part {
		unsigned int bar;
		uint64_t off, size;
	} msix_table, msix_pba;
};

/**
 * gw_pci_policy_compile() - apply the rules to a function
 * @cfg:     its config space, 4096 bytes, just after reset; hostile
 * @bar:     checked by the caller: sizes are powers of two, and a 64-bit one has its upper half
 * @vectors: that the host delivers; 0 hides MSI and MSI-X
 */
void gw_pci_policy_compile(const uint8_t *cfg, const struct gw_bar_info bar[GW_NR_BARS],
			   unsigned int vectors, struct gw_pci_policy *p);

/**
 * gw_pci_policy_add_cap() - show a capability that the function does not have, first in the list
 * @cfg: as it was given to gw_pci_policy_compile()
 * @cap: @len bytes, a multiple of 4; the link to the next one is set here
 *
 * Goes where nothing of the function is seen: behind its capabilities, or where it reads as zero.
 *
 * Return: whether there was room.
 */
bool gw_pci_policy_add_cap(struct gw_pci_policy *p, const uint8_t *cfg, const void *cap,
			   unsigned int len);

/** gw_pci_policy_show_pin() - the host delivers INTx: show which pin the function has */
void gw_pci_policy_show_pin(const uint8_t *cfg, struct gw_pci_policy *p);

/** gw_pci_policy_kind() - of one bit of one byte */
enum gw_pci_kind gw_pci_policy_kind(const struct gw_pci_policy *p, unsigned int off,
				    unsigned int bit);

#endif
