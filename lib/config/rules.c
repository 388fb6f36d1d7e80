/* SPDX-License-Identifier: BSD-3-Clause */
#include "config/policy.h"

#include "base/util.h"

#define ALL	0xffffffffu

#define HDR(off, mask, kind, reason) \
	{ GW_PCI_HEADER, 0, off, 1, mask, GW_PCI_##kind, reason }
#define CAP(id, off, mask, kind, reason) \
	{ GW_PCI_CAP, GW_PCI_CAP_##id, off, 1, mask, GW_PCI_##kind, reason }
#define CAPS(id, off, nr, mask, kind, reason) \
	{ GW_PCI_CAP, GW_PCI_CAP_##id, off, nr, mask, GW_PCI_##kind, reason }
#define EXT(id, off, nr, mask, kind, reason) \
	{ GW_PCI_EXT_CAP, GW_PCI_EXT_##id, off, nr, mask, GW_PCI_##kind, reason }

/* identifier and the pointer to the next one that is shown */
#define LINK(id) CAP(id, 0x00, 0x0000ffff, FIXED, "identifier; the list holds what is shown")

/*
 * The BARs have no rules here: their bits depend on their sizes. Capabilities that are absent
 * from this table are hidden: VPD (writes reach an EEPROM), slot and bridge ones, enhanced
 * allocation (moves BARs); and of the extended ones SR-IOV, ATS, PASID, PRI, ARI, resizable BAR,
 * L1 substates, LTR, AER, DPC, virtual channels and so on: each is worked by writes which the
 * host alone may make.
 */
static const struct gw_pci_rule rules[] = {
	HDR(0x00, ALL, READ_ONLY, "identity"),
	HDR(0x04, 0x00000407, FORWARDED, "I/O, memory, bus master, INTx disable"),
	HDR(0x04, 0x00000150, EMULATED, "invalidate, parity, SERR: error handling is the host's"),
	HDR(0x04, 0x0000faa8, DROPPED, "special cycles, snoop, fast back-to-back, reserved"),
	HDR(0x04, 0x00100000, FIXED, "there is a list if we show one"),
	HDR(0x04, 0xffef0000, READ_ONLY, "status: a write can take the function off the bus"),
	HDR(0x08, ALL, READ_ONLY, "revision and class"),
	HDR(0x0c, 0x0000ffff, EMULATED, "cache line and latency: no meaning on PCI Express"),
	HDR(0x0c, 0x007f0000, READ_ONLY, "header type"),
	HDR(0x0c, 0xff800000, DROPPED, "what stands beside us is the VMM's; self test"),
	HDR(0x28, ALL, DROPPED, "CardBus"),
	HDR(0x2c, ALL, READ_ONLY, "subsystem"),
	HDR(0x30, ALL, DROPPED, "no ROM; must stay zero or a VMM invents one"),
	HDR(0x34, 0x000000ff, FIXED, "first capability that is shown"),
	HDR(0x34, 0xffffff00, DROPPED, "reserved"),
	HDR(0x38, ALL, DROPPED, "reserved"),
	HDR(0x3c, 0x000000ff, EMULATED, "interrupt line: a note of the guest to itself"),
	HDR(0x3c, 0x0000ff00, DROPPED, "interrupt pin: shown if the host delivers INTx"),
	HDR(0x3c, 0xffff0000, READ_ONLY, "latency wishes"),

	LINK(PM),
	CAP(PM, 0x00, 0x00270000, FIXED, "version, initialisation wanted"),
	CAP(PM, 0x00, 0xffd80000, DROPPED, "D1, D2, PME: not emulated"),
	CAP(PM, 0x04, 0x00000003, EMULATED, "power state: the host keeps the function in D0"),
	CAP(PM, 0x04, 0x00000008, FIXED, "no soft reset"),
	CAP(PM, 0x04, 0xfffffff4, DROPPED, "PME, data"),

	LINK(MSI),
	CAP(MSI, 0x00, 0x00710000, EMULATED, "enable, messages used: the VMM's"),
	CAP(MSI, 0x00, 0x008e0000, FIXED, "64-bit, messages: what the host delivers"),
	CAP(MSI, 0x00, 0xff000000, DROPPED, "masking: the mask bits never reach us"),
	CAP(MSI, 0x04, 0xfffffffc, EMULATED, "address: the real one is the host's"),
	CAP(MSI, 0x08, 0x0000ffff, EMULATED, "data: the real one is the host's"),

	LINK(MSI64),
	CAP(MSI64, 0x00, 0x00710000, EMULATED, "enable, messages used: the VMM's"),
	CAP(MSI64, 0x00, 0x008e0000, FIXED, "64-bit, messages: what the host delivers"),
	CAP(MSI64, 0x00, 0xff000000, DROPPED, "masking: the mask bits never reach us"),
	CAP(MSI64, 0x04, 0xfffffffc, EMULATED, "address: the real one is the host's"),
	CAP(MSI64, 0x08, ALL, EMULATED, "upper address: the real one is the host's"),
	CAP(MSI64, 0x0c, 0x0000ffff, EMULATED, "data: the real one is the host's"),

	LINK(MSIX),
	CAP(MSIX, 0x00, 0xc0000000, EMULATED, "enable, mask all: the VMM's"),
	CAP(MSIX, 0x00, 0x07ff0000, FIXED, "vectors: what the host delivers"),
	CAP(MSIX, 0x00, 0x38000000, DROPPED, "reserved"),
	CAPS(MSIX, 0x04, 2, ALL, FIXED, "where table and pending bits are"),

	LINK(VENDOR),
	CAP(VENDOR, 0x00, 0x00ff0000, FIXED, "length"),
	CAP(VENDOR, 0x00, 0xff000000, READ_ONLY, "the vendor's; what a write does is not known"),
	CAPS(VENDOR, 0x04, 64, ALL, READ_ONLY, "the vendor's; what a write does is not known"),

	LINK(PCIE),
	CAP(PCIE, 0x00, 0xffff0000, READ_ONLY, "version and type"),
	CAP(PCIE, 0x04, ALL, READ_ONLY, "device capabilities"),
	CAP(PCIE, 0x08, 0x00007fff, READ_ONLY, "payload and request size: a change under live "
					       "mappings makes completions time out"),
	CAP(PCIE, 0x08, 0x00008000, EMULATED, "function level reset: becomes a host reset"),
	CAP(PCIE, 0x08, 0x00300000, READ_ONLY, "transactions pending, auxiliary power"),
	CAP(PCIE, 0x08, 0xffcf0000, DROPPED, "errors: handled by the host; reserved"),
	CAP(PCIE, 0x0c, 0xfffbf3ff, READ_ONLY, "link capabilities"),
	CAP(PCIE, 0x0c, 0x00040c00, DROPPED, "ASPM, clock power management: link is the host's"),
	CAP(PCIE, 0x10, ALL, READ_ONLY, "link control and status: the link is the host's"),
	CAPS(PCIE, 0x14, 4, ALL, DROPPED, "slot and root: not a port"),
	CAP(PCIE, 0x24, 0xfff1f7c0, READ_ONLY, "device capabilities 2"),
	CAP(PCIE, 0x24, 0x000e083f, DROPPED, "completion timeout, ARI, LTR, OBFF, 10-bit tag "
					     "requests: need device control 2"),
	CAP(PCIE, 0x28, 0x0000ffff, READ_ONLY, "device control 2: as device control"),
	CAP(PCIE, 0x28, 0xffff0000, DROPPED, "reserved"),
	CAPS(PCIE, 0x2c, 2, ALL, READ_ONLY, "link 2: the link is the host's"),
	CAPS(PCIE, 0x34, 2, ALL, DROPPED, "slot 2: not a port"),

	LINK(AF),
	CAP(AF, 0x00, 0xffff0000, FIXED, "length, what there is"),
	CAP(AF, 0x04, 0x00000001, EMULATED, "function level reset: becomes a host reset"),
	CAP(AF, 0x04, 0x00000100, READ_ONLY, "transactions pending"),
	CAP(AF, 0x04, 0x0000fefe, DROPPED, "reserved"),

	EXT(SERIAL, 0x00, 1, ALL, FIXED, "header; the list holds what is shown"),
	EXT(SERIAL, 0x04, 2, ALL, FIXED, "serial number"),
	EXT(VENDOR, 0x00, 1, ALL, FIXED, "header; the list holds what is shown"),
	EXT(VENDOR, 0x04, 1024, ALL, READ_ONLY, "the vendor's; what a write does is not known"),
};

const struct gw_pci_rule *gw_pci_rules(size_t *nr)
{
	*nr = ARRAY_SIZE(rules);
	return rules;
}
