/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef GANGWAY_PCI_H
#define GANGWAY_PCI_H

#ifdef __cplusplus
extern "C" {
#endif

/*
 * Register numbers of config space, by the names of PCI 3.0 chapter 6, PCI-PM 1.2 and PCI
 * Express 5.0 chapter 7. Not taken from an operating system's headers, so the library builds
 * where there are none.
 */

#define GW_PCI_CFG_SIZE			4096u	/* of a PCI Express function */
#define GW_PCI_CFG_SIZE_CONV		256u	/* of a conventional one */
#define GW_PCI_CAPS_FIRST		0x40u	/* capabilities lie from here to 0xff */
#define GW_PCI_EXT_FIRST		0x100u	/* extended ones from here */

/* type 0 header */
#define GW_PCI_VENDOR_ID		0x00u
#define GW_PCI_COMMAND			0x04u
#define GW_PCI_COMMAND_IO		0x0001u
#define GW_PCI_COMMAND_MEMORY		0x0002u
#define GW_PCI_COMMAND_MASTER		0x0004u
#define GW_PCI_COMMAND_MWI		0x0010u
#define GW_PCI_COMMAND_PARITY		0x0040u
#define GW_PCI_COMMAND_SERR		0x0100u
#define GW_PCI_COMMAND_INTX_OFF		0x0400u
#define GW_PCI_STATUS			0x06u
#define GW_PCI_STATUS_CAPS		0x0010u
#define GW_PCI_REVISION			0x08u
#define GW_PCI_CACHE_LINE		0x0cu
#define GW_PCI_HEADER_TYPE		0x0eu
#define GW_PCI_HEADER_TYPE_MASK		0x7fu
#define GW_PCI_HEADER_TYPE_BRIDGE	0x01u
#define GW_PCI_HEADER_TYPE_CARDBUS	0x02u
#define GW_PCI_HEADER_TYPE_MULTI	0x80u
#define GW_PCI_BAR0			0x10u
#define GW_PCI_BAR_IO			0x1u
#define GW_PCI_BAR_64BIT		0x4u
#define GW_PCI_BAR_PREFETCH		0x8u
#define GW_PCI_CIS			0x28u
#define GW_PCI_SUBSYSTEM		0x2cu
#define GW_PCI_ROM			0x30u
#define GW_PCI_CAP_PTR			0x34u
#define GW_PCI_INT_LINE			0x3cu
#define GW_PCI_INT_PIN			0x3du

/* capability identifiers */
#define GW_PCI_CAP_NULL			0x00u
#define GW_PCI_CAP_PM			0x01u
#define GW_PCI_CAP_MSI			0x05u
#define GW_PCI_CAP_VENDOR		0x09u
#define GW_PCI_CAP_PCIE			0x10u
#define GW_PCI_CAP_MSIX			0x11u
#define GW_PCI_CAP_AF			0x13u

/* power management */
#define GW_PCI_PM_CTRL			0x04u
#define GW_PCI_PM_STATE			0x0003u
#define GW_PCI_PM_D3HOT			0x0003u
#define GW_PCI_PM_NO_SOFT_RESET		0x0008u
#define GW_PCI_PM_SIZE			8u

/* MSI */
#define GW_PCI_MSI_CTRL			0x02u
#define GW_PCI_MSI_ENABLE		0x0001u
#define GW_PCI_MSI_MMC			0x000eu
#define GW_PCI_MSI_MME			0x0070u	/* vectors in use */
#define GW_PCI_MSI_64BIT		0x0080u
#define GW_PCI_MSI_SIZE32		10u
#define GW_PCI_MSI_SIZE64		14u

/* MSI-X */
#define GW_PCI_MSIX_CTRL		0x02u
#define GW_PCI_MSIX_TABLE_SIZE		0x07ffu
#define GW_PCI_MSIX_TABLE		0x04u
#define GW_PCI_MSIX_PBA			0x08u
#define GW_PCI_MSIX_BIR			0x7u
#define GW_PCI_MSIX_SIZE		12u
#define GW_PCI_MSIX_ENTRY		16u	/* bytes of one table entry */

/* vendor specific */
#define GW_PCI_VENDOR_LEN		0x02u

/* PCI Express */
#define GW_PCI_PCIE_FLAGS		0x02u
#define GW_PCI_PCIE_VERSION		0x000fu
#define GW_PCI_PCIE_TYPE(flags)		((flags) >> 4 & 0xfu)
#define GW_PCI_PCIE_DEVCAP		0x04u
#define GW_PCI_PCIE_DEVCAP_RBER		0x00008000u
#define GW_PCI_PCIE_DEVCAP_FLR		0x10000000u
#define GW_PCI_PCIE_DEVCTL		0x08u
#define GW_PCI_PCIE_DEVCTL_FLR		0x8000u
#define GW_PCI_PCIE_DEVSTA		0x0au
#define GW_PCI_PCIE_LNKCAP		0x0cu
#define GW_PCI_PCIE_LNKCTL		0x10u
#define GW_PCI_PCIE_LNKSTA		0x12u
#define GW_PCI_PCIE_DEVCAP2		0x24u
#define GW_PCI_PCIE_DEVCTL2		0x28u
#define GW_PCI_PCIE_LNKCTL2		0x30u
#define GW_PCI_PCIE_SIZE1		0x14u	/* version 1, endpoint */
#define GW_PCI_PCIE_SIZE2		0x3cu

/* advanced features of a conventional function */
#define GW_PCI_AF_CAPS			0x03u
#define GW_PCI_AF_CAPS_FLR		0x02u
#define GW_PCI_AF_CTRL			0x04u
#define GW_PCI_AF_CTRL_FLR		0x01u
#define GW_PCI_AF_SIZE			6u

/* extended capability identifiers and header */
#define GW_PCI_EXT_SERIAL		0x0003u
#define GW_PCI_EXT_SERIAL_SIZE		12u
#define GW_PCI_EXT_ACS			0x000du
#define GW_PCI_ACS_CAP			0x04u
#define GW_PCI_ACS_CTRL			0x06u
#define GW_PCI_EXT_SRIOV		0x0010u
#define GW_PCI_SRIOV_CTRL		0x08u
#define GW_PCI_SRIOV_CTRL_ENABLE	0x0001u
#define GW_PCI_SRIOV_CTRL_MEMORY	0x0008u	/* the functions' memory decodes */
#define GW_PCI_SRIOV_INITIAL		0x0cu
#define GW_PCI_SRIOV_TOTAL		0x0eu
#define GW_PCI_SRIOV_NUM		0x10u
#define GW_PCI_SRIOV_OFFSET		0x14u
#define GW_PCI_SRIOV_STRIDE		0x16u
#define GW_PCI_SRIOV_DEVICE		0x1au
#define GW_PCI_SRIOV_PAGES		0x1cu	/* sizes that it supports */
#define GW_PCI_SRIOV_PAGE		0x20u	/* the one in use */
#define GW_PCI_SRIOV_BAR0		0x24u
#define GW_PCI_EXT_VENDOR		0x000bu
#define GW_PCI_EXT_VENDOR_LEN_SHIFT	20
#define GW_PCI_EXT_ID(header)		((header) & 0xffffu)
#define GW_PCI_EXT_NEXT(header)		((header) >> 20 & 0xffcu)

#ifdef __cplusplus
}
#endif

#endif
