/* SPDX-License-Identifier: BSD-3-Clause */
#include "host/sim/config.h"

#include <errno.h>
#include <string.h>

#include "base/util.h"
#include "host/sim/sriov.h"

/*
 * How it works: three arrays of bytes say what a register holds, which of its bits a write sets
 * and which it clears. They are built from the description; the few registers with more to them
 * (power state, MSI vector count, function level reset) are looked at after a write.
 */

/* Where the capabilities are, and their sizes. */
#define PM_AT		0x40u
#define MSI_AT		0x50u
#define MSIX_AT		0x70u
#define PCIE_AT		0x80u
#define SERIAL_AT	0x100u
#define SRIOV_AT	0x140u		/* at SERIAL_AT if that is free: there the list begins */

static int check_bar(const struct gw_endpoint_desc *desc, unsigned int i, const char **why)
{
	const struct gw_endpoint_bar *bar = &desc->bar[i];

	if (!bar->size)
		return 0;
	*why = "a BAR's size is not a power of two of at least 16";
	if (!gw_is_pow2(bar->size) || bar->size < 16)
		return -EINVAL;
	*why = "a 32-bit BAR is larger than 1 GiB, or a 64-bit one than 1 TiB";
	if (bar->size > (bar->is_64bit ? 1ull << 40 : 1ull << 30))
		return -EINVAL;
	*why = "a 64-bit BAR has no upper half";
	if (bar->is_64bit && (i == GW_NR_BARS - 1 || desc->bar[i + 1].size))
		return -EINVAL;
	*why = "a mapped BAR is smaller than a page";
	return bar->mapped && bar->size < 4096 ? -EINVAL : 0;
}

static int check_msix(const struct gw_endpoint_desc *desc, const char **why)
{
	uint64_t table_end = desc->msix_table + 16ull * desc->msix_vectors;
	uint64_t pba_end = desc->msix_pba + (desc->msix_vectors + 63ull) / 64 * 8;
	uint64_t size;

	if (!desc->msix_vectors)
		return 0;
	*why = "more MSI-X vectors than 256";
	if (desc->msix_vectors > GW_MAX_VECTORS)
		return -EINVAL;
	*why = "the MSI-X table or PBA is not inside its BAR, overlaps, or is not 8 byte aligned";
	if (desc->msix_bar >= GW_NR_BARS || (desc->msix_table | desc->msix_pba) % 8)
		return -EINVAL;
	size = desc->bar[desc->msix_bar].size;
	if (table_end > size || pba_end > size)
		return -EINVAL;
	return desc->msix_table < pba_end && desc->msix_pba < table_end ? -EINVAL : 0;
}

int gw_config_check(const struct gw_endpoint_desc *desc, const char **why)
{
	int ret;

	*why = "the class code has more than 24 bits";
	if (desc->class_code >> 24)
		return -EINVAL;
	*why = "MSI vectors are not a power of two up to 32";
	if (desc->msi_vectors && (!gw_is_pow2(desc->msi_vectors) || desc->msi_vectors > 32))
		return -EINVAL;
	for (unsigned int i = 0; i < GW_NR_BARS; i++) {
		ret = check_bar(desc, i, why);
		if (ret)
			return ret;
	}
	ret = gw_sriov_check(desc, why);
	return ret ? ret : check_msix(desc, why);
}

static void link_cap(struct gw_config *c, uint8_t *last, uint8_t at, uint8_t id)
{
	c->byte[*last] = at;
	c->byte[at] = id;
	*last = at + 1;
	c->byte[GW_PCI_STATUS] |= GW_PCI_STATUS_CAPS;
}

static void build_header(struct gw_config *c, const struct gw_endpoint_desc *d)
{
	gw_config_reg(c, 0x00, 2, d->vendor, 0);
	gw_config_reg(c, 0x02, 2, d->device, 0);
	gw_config_reg(c, GW_PCI_COMMAND, 2, 0, 0x0546);	/* memory, master, parity, SERR, INTx
							 * disable */
	c->w1c[GW_PCI_STATUS + 1] = 0xf9;
	gw_config_reg(c, 0x08, 4, d->class_code << 8 | d->revision, 0);
	gw_config_reg(c, 0x0c, 1, 0, 0xff);		/* cache line size */
	gw_config_reg(c, 0x2c, 2, d->subvendor, 0);
	gw_config_reg(c, 0x2e, 2, d->subdevice, 0);
	gw_config_reg(c, 0x3c, 1, 0, 0xff);		/* interrupt line; no pin: the host has no
							 * INTx */
	for (unsigned int i = 0; i < GW_NR_BARS; i++) {
		const struct gw_endpoint_bar *bar = &d->bar[i];
		uint64_t mask = ~(bar->size - 1);

		if (!bar->size)
			continue;
		gw_config_reg(c, GW_PCI_BAR0 + 4 * i, 4, gw_config_bar_type(bar), (uint32_t)mask);
		if (bar->is_64bit)
			gw_config_reg(c, GW_PCI_BAR0 + 4 * i + 4, 4, 0, (uint32_t)(mask >> 32));
	}
}

static void build_msi(struct gw_config *c, const struct gw_endpoint_desc *d, uint8_t *last)
{
	unsigned int log2 = d->msi_vectors ? (unsigned int)__builtin_ctz(d->msi_vectors) : 0;

	if (d->msi_vectors) {
		c->msi = MSI_AT;
		link_cap(c, last, MSI_AT, GW_PCI_CAP_MSI);
		gw_config_reg(c, MSI_AT + GW_PCI_MSI_CTRL, 2, 0x80 | log2 << 1,
		    GW_PCI_MSI_ENABLE | GW_PCI_MSI_MME);
		gw_config_reg(c, MSI_AT + 4, 4, 0, 0xfffffffc);
		gw_config_reg(c, MSI_AT + 8, 4, 0, 0xffffffff);
		gw_config_reg(c, MSI_AT + 12, 2, 0, 0xffff);
	}
	if (d->msix_vectors) {
		c->msix = MSIX_AT;
		link_cap(c, last, MSIX_AT, GW_PCI_CAP_MSIX);
		gw_config_reg(c, MSIX_AT + GW_PCI_MSIX_CTRL, 2, d->msix_vectors - 1u, 0xc000);
		gw_config_reg(c, MSIX_AT + 4, 4, d->msix_table | d->msix_bar, 0);
		gw_config_reg(c, MSIX_AT + 8, 4, d->msix_pba | d->msix_bar, 0);
	}
}

static void build_pcie(struct gw_config *c, const struct gw_endpoint_desc *d, uint8_t *last)
{
	unsigned int p = PCIE_AT;

	c->pcie = PCIE_AT;
	c->flr = !d->no_flr;
	link_cap(c, last, PCIE_AT, 0x10);
	gw_config_reg(c, p + 2, 2, 0x0002, 0);		/* version 2, endpoint */
	gw_config_reg(c, p + GW_PCI_PCIE_DEVCAP, 4,
	    GW_PCI_PCIE_DEVCAP_RBER | 0x21 | (c->flr ? GW_PCI_PCIE_DEVCAP_FLR : 0), 0);
	/* relaxed ordering, no snoop, reads of 512 bytes */
	gw_config_reg(c, p + GW_PCI_PCIE_DEVCTL, 2, 0x2810, 0x7fff);
	c->w1c[p + GW_PCI_PCIE_DEVSTA] = 0x0f;
	gw_config_reg(c, p + GW_PCI_PCIE_LNKCAP, 4, 0x00000043, 0);	/* 8 GT/s, 4 lanes */
	gw_config_reg(c, p + GW_PCI_PCIE_LNKCTL, 2, 0, 0x01cb);
	gw_config_reg(c, p + GW_PCI_PCIE_LNKSTA, 2, 0x0043, 0);
	gw_config_reg(c, p + GW_PCI_PCIE_DEVCAP2, 4, 0x0000001f, 0);
	gw_config_reg(c, p + GW_PCI_PCIE_DEVCTL2, 2, 0, 0x001f);
	gw_config_reg(c, p + GW_PCI_PCIE_LNKCTL2, 2, 0x0003, 0);
}

void gw_config_build(struct gw_config *c, const struct gw_endpoint_desc *d)
{
	uint8_t last = GW_PCI_CAP_PTR;

	memset(c, 0, sizeof(*c));
	build_header(c, d);
	c->pm = PM_AT;
	link_cap(c, &last, PM_AT, 0x01);
	gw_config_reg(c, PM_AT + 2, 2, 0x0003, 0);	/* version 3, D0 and D3 */
	gw_config_reg(c, PM_AT + GW_PCI_PM_CTRL, 2, GW_PCI_PM_NO_SOFT_RESET, GW_PCI_PM_STATE);
	build_msi(c, d, &last);
	build_pcie(c, d, &last);
	if (d->serial) {
		gw_config_reg(c, SERIAL_AT, 4, 0x00010003, 0);
		gw_config_reg(c, SERIAL_AT + 4, 4, (uint32_t)d->serial, 0);
		gw_config_reg(c, SERIAL_AT + 8, 4, (uint32_t)(d->serial >> 32), 0);
	}
	if (d->sriov.total)
		gw_sriov_build(c, d, d->serial ? SRIOV_AT : SERIAL_AT, d->serial ? SERIAL_AT : 0);
}

void gw_config_reset(struct gw_config *c, const struct gw_endpoint_desc *d)
{
	/* PCI Express 4.0, 6.6.2: payload size and link control are not the function's to reset */
	uint32_t payload = gw_config_get(c, PCIE_AT + GW_PCI_PCIE_DEVCTL, 2) & 0x00e0;
	uint32_t lnkctl = gw_config_get(c, PCIE_AT + GW_PCI_PCIE_LNKCTL, 2);
	uint8_t header = c->byte[GW_PCI_HEADER_TYPE];
	uint32_t devctl;

	gw_config_build(c, d);
	c->byte[GW_PCI_HEADER_TYPE] = header;
	devctl = gw_config_get(c, PCIE_AT + GW_PCI_PCIE_DEVCTL, 2);
	gw_config_set(c, PCIE_AT + GW_PCI_PCIE_DEVCTL, 2, devctl | payload);
	gw_config_set(c, PCIE_AT + GW_PCI_PCIE_LNKCTL, 2, lnkctl);
}

/* A power state that the function does not have is not entered (PCI PM 1.2, 3.2.4). */
static void after_power(struct gw_config *c, uint8_t was)
{
	uint8_t *at = &c->byte[PM_AT + GW_PCI_PM_CTRL], state = *at & GW_PCI_PM_STATE;

	if (state == 1 || state == 2)
		*at = was;
}

/* No more vectors than the function asked for. */
static void after_msi(struct gw_config *c)
{
	uint8_t *at = &c->byte[MSI_AT + GW_PCI_MSI_CTRL];
	unsigned int can = *at >> 1 & 7, on = *at >> 4 & 7;

	if (c->msi && on > can)
		*at = (uint8_t)((*at & ~GW_PCI_MSI_MME) | can << 4);
}

bool gw_config_write(struct gw_config *c, unsigned int off, unsigned int width, uint32_t val)
{
	uint8_t power = c->byte[PM_AT + GW_PCI_PM_CTRL];
	unsigned int vfs = gw_sriov_vfs(c);
	uint16_t num = gw_sriov_num(c);
	bool flr = false;

	for (unsigned int i = off; i < off + width; i++, val >>= 8) {
		uint8_t b = (uint8_t)val;

		c->byte[i] = (uint8_t)((c->byte[i] & ~c->wmask[i]) | (b & c->wmask[i]));
		c->byte[i] &= (uint8_t)~(b & c->w1c[i]);
		flr |= i == PCIE_AT + GW_PCI_PCIE_DEVCTL + 1 && b & GW_PCI_PCIE_DEVCTL_FLR >> 8;
	}
	after_power(c, power);
	after_msi(c);
	gw_sriov_after_write(c, vfs, num);
	return flr && c->flr;
}

uint64_t gw_config_bar(const struct gw_config *c, const struct gw_endpoint_desc *desc,
		       unsigned int bar)
{
	uint64_t addr = gw_config_get(c, GW_PCI_BAR0 + 4 * bar, 4) & ~0xfull;

	if (desc->bar[bar].is_64bit)
		addr |= (uint64_t)gw_config_get(c, GW_PCI_BAR0 + 4 * bar + 4, 4) << 32;
	return addr;
}

void gw_config_set_bar(struct gw_config *c, const struct gw_endpoint_desc *desc, unsigned int bar,
		       uint64_t addr)
{
	uint32_t type = gw_config_bar_type(&desc->bar[bar]);

	gw_config_set(c, GW_PCI_BAR0 + 4 * bar, 4, (uint32_t)addr | type);
	if (desc->bar[bar].is_64bit)
		gw_config_set(c, GW_PCI_BAR0 + 4 * bar + 4, 4, (uint32_t)(addr >> 32));
}

bool gw_config_in_d0(const struct gw_config *c)
{
	return !(c->byte[PM_AT + GW_PCI_PM_CTRL] & GW_PCI_PM_STATE);
}
