/* SPDX-License-Identifier: BSD-3-Clause */
#include "config/policy.h"

#include <string.h>

#include "base/util.h"

/*
 * How it works: the header takes its rules, the BARs take bits by their sizes, and the bytes behind
 * the header start as read only. Then each capability of the function's list is looked at in turn:
 * all bytes up to the next one are dropped, and one that is shown is linked behind the last that
 * was shown and takes its rules. So what cannot be honoured is never in the list, and bytes that
 * nobody has thought of are never written.
 */

static uint8_t *policy_mask(struct gw_pci_policy *p, enum gw_pci_kind kind)
{
	switch (kind) {
	case GW_PCI_READ_ONLY:
		return p->read_only;
	case GW_PCI_FIXED:
		return p->fixed;
	case GW_PCI_EMULATED:
		return p->emulated;
	case GW_PCI_FORWARDED:
		return p->forwarded;
	default:
		return NULL;
	}
}

enum gw_pci_kind gw_pci_policy_kind(const struct gw_pci_policy *p, unsigned int off,
				    unsigned int bit)
{
	if (p->read_only[off] >> bit & 1)
		return GW_PCI_READ_ONLY;
	if (p->fixed[off] >> bit & 1)
		return GW_PCI_FIXED;
	if (p->emulated[off] >> bit & 1)
		return GW_PCI_EMULATED;
	if (p->forwarded[off] >> bit & 1)
		return GW_PCI_FORWARDED;
	return GW_PCI_DROPPED;
}

static void policy_drop(struct gw_pci_policy *p, unsigned int off, unsigned int len)
{
	memset(p->read_only + off, 0, len);
	memset(p->fixed + off, 0, len);
	memset(p->emulated + off, 0, len);
	memset(p->forwarded + off, 0, len);
	memset(p->initial + off, 0, len);
}

/* A register that reads as @val and takes no writes. */
static void policy_fix(struct gw_pci_policy *p, unsigned int off, unsigned int width, uint32_t val)
{
	policy_drop(p, off, width);
	memset(p->fixed + off, 0xff, width);
	gw_pci_put(p->initial, off, width, val);
}

/* Change what a register that has fixed bits reads as. */
static void policy_settle(struct gw_pci_policy *p, unsigned int off, uint32_t mask, uint32_t val)
{
	uint32_t was = gw_pci_get(p->initial, off, 2);

	gw_pci_put(p->initial, off, 2, (was & ~mask) | (val & mask));
}

static void policy_rule(struct gw_pci_policy *p, const struct gw_pci_rule *r, const uint8_t *cfg,
			unsigned int base, unsigned int len)
{
	uint8_t *mask = policy_mask(p, r->kind);
	unsigned int end = r->off + 4u * r->nr;
	uint8_t bits;

	if (!mask)
		return;
	for (unsigned int i = r->off; i < end && i < len; i++) {
		bits = (uint8_t)(r->mask >> i % 4 * 8);
		mask[base + i] |= bits;
		if (r->kind == GW_PCI_FIXED)
			p->initial[base + i] |= cfg[base + i] & bits;
	}
}

/* Return: whether there is any rule. */
static bool policy_rules(struct gw_pci_policy *p, enum gw_pci_where where, unsigned int id,
			 const uint8_t *cfg, unsigned int base, unsigned int len)
{
	const struct gw_pci_rule *rule;
	bool any = false;
	size_t nr;

	rule = gw_pci_rules(&nr);
	for (size_t i = 0; i < nr; i++) {
		if (rule[i].where != where || rule[i].id != id)
			continue;
		any = true;
		policy_rule(p, &rule[i], cfg, base, len);
	}
	return any;
}

static void policy_bar(struct gw_pci_policy *p, unsigned int bar, const struct gw_bar_info *info)
{
	unsigned int reg = GW_PCI_BAR0 + 4 * bar;
	uint32_t type = info->io ? 0x3 : 0xf;
	uint64_t addr = ~(info->size - 1) & ~(uint64_t)type;

	if (!info->size)
		return;		/* absent: reads as zero; or an upper half, done with its lower */
	gw_pci_put(p->fixed, reg, 4, type);
	gw_pci_put(p->emulated, reg, 4, (uint32_t)addr);
	gw_pci_put(p->initial, reg, 4,
		   info->io ? GW_PCI_BAR_IO :
			      (info->is_64bit ? GW_PCI_BAR_64BIT : 0) |
				      (info->prefetchable ? GW_PCI_BAR_PREFETCH : 0));
	if (info->is_64bit)
		gw_pci_put(p->emulated, reg + 4, 4, (uint32_t)(addr >> 32));
}

/* Where the function's own table or pending bits are, as far as they are inside a BAR. */
static bool msix_part(const uint8_t *cfg, unsigned int reg, uint64_t size,
		      const struct gw_bar_info *bar, struct gw_pci_msix_part *part)
{
	uint32_t v = gw_pci_get(cfg, reg, 4);
	unsigned int bir = v & GW_PCI_MSIX_BIR;
	uint64_t off = v & ~GW_PCI_MSIX_BIR;

	if (bir >= GW_NR_BARS || bar[bir].io || off >= bar[bir].size)
		return false;
	part->bar = bir;
	part->off = off;
	part->size = size < bar[bir].size - off ? size : bar[bir].size - off;
	return part->size == size;
}

static bool msix_overlap(const struct gw_pci_msix_part *a, const struct gw_pci_msix_part *b)
{
	return a->bar == b->bar && a->off < b->off + b->size && b->off < a->off + a->size;
}

static bool show_msix(struct gw_pci_policy *p, const uint8_t *cfg, unsigned int off,
		      const struct gw_bar_info *bar, unsigned int vectors)
{
	unsigned int nr = gw_pci_get(cfg, off + GW_PCI_MSIX_CTRL, 2) & GW_PCI_MSIX_TABLE_SIZE;
	bool ok;

	nr++;
	ok = msix_part(cfg, off + GW_PCI_MSIX_TABLE, (uint64_t)nr * GW_PCI_MSIX_ENTRY, bar,
		       &p->msix_table);
	/* one bit a vector, in words of 64 (PCI 3.0, 6.8.2.9) */
	ok = msix_part(cfg, off + GW_PCI_MSIX_PBA, (nr + 63u) / 64 * 8, bar, &p->msix_pba) && ok;
	if (!ok || msix_overlap(&p->msix_table, &p->msix_pba) || !vectors)
		return false;
	p->msix_vectors = nr < vectors ? nr : vectors;
	p->msix = (uint16_t)off;
	return true;
}

static bool show_msi(struct gw_pci_policy *p, const uint8_t *cfg, unsigned int off,
		     unsigned int vectors)
{
	unsigned int log = (gw_pci_get(cfg, off + GW_PCI_MSI_CTRL, 2) & GW_PCI_MSI_MMC) >> 1;

	if (!vectors)
		return false;
	if (log > 5)
		log = 5;	/* the two values above are reserved */
	while (1u << log > vectors)
		log--;
	p->msi_vectors = 1u << log;
	p->msi = (uint16_t)off;
	return true;
}

/* The length of what is shown of a capability, or 0 to hide it. */
static unsigned int show_size(struct gw_pci_policy *p, const uint8_t *cfg,
			      const struct gw_pci_cap *cap)
{
	uint32_t ctrl = gw_pci_get(cfg, cap->off + 2u, 2);

	switch (cap->id) {
	case GW_PCI_CAP_PM:
		return p->pm ? 0 : GW_PCI_PM_SIZE;
	case GW_PCI_CAP_MSI:
		if (p->msi)
			return 0;
		return ctrl & GW_PCI_MSI_64BIT ? GW_PCI_MSI_SIZE64 : GW_PCI_MSI_SIZE32;
	case GW_PCI_CAP_MSIX:
		return p->msix || p->msix_table.size ? 0 : GW_PCI_MSIX_SIZE;
	case GW_PCI_CAP_PCIE:
		if (p->pcie)
			return 0;
		return (ctrl & GW_PCI_PCIE_VERSION) > 1 ? GW_PCI_PCIE_SIZE2 : GW_PCI_PCIE_SIZE1;
	case GW_PCI_CAP_AF:
		return p->af ? 0 : GW_PCI_AF_SIZE;
	case GW_PCI_CAP_VENDOR:
		return cfg[cap->off + GW_PCI_VENDOR_LEN];
	default:
		return 0;
	}
}

/* Note what is special about a capability. False: it has to be hidden after all. */
static bool show_cap(struct gw_pci_policy *p, const uint8_t *cfg, const struct gw_pci_cap *cap,
		     const struct gw_bar_info *bar, unsigned int vectors)
{
	switch (cap->id) {
	case GW_PCI_CAP_PM:
		p->pm = cap->off;
		p->no_soft_reset = gw_pci_get(cfg, cap->off + GW_PCI_PM_CTRL, 2) &
				   GW_PCI_PM_NO_SOFT_RESET;
		return true;
	case GW_PCI_CAP_MSI:
		return show_msi(p, cfg, cap->off, vectors);
	case GW_PCI_CAP_MSIX:
		return show_msix(p, cfg, cap->off, bar, vectors);
	case GW_PCI_CAP_PCIE:
		p->pcie = cap->off;
		return true;
	case GW_PCI_CAP_AF:
		p->af = cap->off;
		return true;
	default:
		return true;
	}
}

/* What the rules cannot know: numbers that depend on the host, bits that depend on others. */
static void settle_cap(struct gw_pci_policy *p, const uint8_t *cfg, const struct gw_pci_cap *cap)
{
	unsigned int ctrl = cap->off + GW_PCI_MSI_CTRL;

	switch (cap->id) {
	case GW_PCI_CAP_MSI:
		policy_settle(p, ctrl, GW_PCI_MSI_MMC,
			      (uint32_t)__builtin_ctz(p->msi_vectors) << 1);
		break;
	case GW_PCI_CAP_MSIX:
		policy_settle(p, ctrl, GW_PCI_MSIX_TABLE_SIZE, p->msix_vectors - 1);
		break;
	case GW_PCI_CAP_PCIE:
		if (gw_pci_get(cfg, cap->off + GW_PCI_PCIE_DEVCAP, 4) & GW_PCI_PCIE_DEVCAP_FLR)
			p->flr = true;
		else
			p->emulated[cap->off + GW_PCI_PCIE_DEVCTL + 1] = 0;
		break;
	case GW_PCI_CAP_AF:
		if (cfg[cap->off + GW_PCI_AF_CAPS] & GW_PCI_AF_CAPS_FLR)
			p->flr = true;
		else
			p->emulated[cap->off + GW_PCI_AF_CTRL] = 0;
		break;
	default:
		break;
	}
}

static void policy_caps(struct gw_pci_policy *p, const uint8_t *cfg,
			const struct gw_bar_info *bar, unsigned int vectors)
{
	unsigned int link = GW_PCI_CAP_PTR, id, len;
	const struct gw_pci_cap *cap;
	struct gw_pci_caps caps;

	gw_pci_caps_walk(cfg, &caps);
	p->broken = caps.broken;
	for (unsigned int i = 0; i < caps.nr; i++)
		policy_drop(p, caps.cap[i].off, caps.cap[i].room);
	for (unsigned int i = 0; i < caps.nr; i++) {
		cap = &caps.cap[i];
		len = show_size(p, cfg, cap);
		if (len < 3 || len > cap->room || !show_cap(p, cfg, cap, bar, vectors))
			continue;
		id = cap->id == GW_PCI_CAP_MSI && len == GW_PCI_MSI_SIZE64 ? GW_PCI_CAP_MSI64 :
									     cap->id;
		policy_rules(p, GW_PCI_CAP, id, cfg, cap->off, len);
		settle_cap(p, cfg, cap);
		p->initial[link] = (uint8_t)cap->off;
		link = cap->off + 1u;
		p->initial[link] = 0;
	}
}

static unsigned int ext_size(const uint8_t *cfg, const struct gw_pci_cap *cap)
{
	switch (cap->id) {
	case GW_PCI_EXT_SERIAL:
		return GW_PCI_EXT_SERIAL_SIZE;
	case GW_PCI_EXT_VENDOR:
		return gw_pci_get(cfg, cap->off + 4u, 4) >> GW_PCI_EXT_VENDOR_LEN_SHIFT;
	default:
		return 0;
	}
}

static void policy_ext_caps(struct gw_pci_policy *p, const uint8_t *cfg)
{
	const struct gw_pci_cap *cap;
	struct gw_pci_caps caps;
	unsigned int link = 0, len;
	uint32_t header;

	if (gw_pci_get(cfg, GW_PCI_EXT_FIRST, 4) == UINT32_MAX)
		return;		/* a bridge answers in place of a conventional function */
	gw_pci_caps_walk_ext(cfg, &caps);
	p->broken |= caps.broken;
	for (unsigned int i = 0; i < caps.nr; i++) {
		cap = &caps.cap[i];
		if (cap->room < 8)
			continue;	/* none that is shown is so short */
		len = ext_size(cfg, cap);
		if (len < 8 || len > cap->room)
			continue;
		/* a list whose first one is hidden starts with one of no kind */
		if (!link && cap->off != GW_PCI_EXT_FIRST) {
			policy_fix(p, GW_PCI_EXT_FIRST, 4, 0);
			link = GW_PCI_EXT_FIRST;
		}
		policy_rules(p, GW_PCI_EXT_CAP, cap->id, cfg, cap->off, len);
		if (link) {
			header = gw_pci_get(p->initial, link, 4) & 0xfffff;
			gw_pci_put(p->initial, link, 4, header | (uint32_t)cap->off << 20);
		}
		link = cap->off;
		header = gw_pci_get(p->initial, link, 4) & 0xfffff;
		gw_pci_put(p->initial, link, 4, header);
	}
}

void gw_pci_policy_compile(const uint8_t *cfg, const struct gw_bar_info bar[GW_NR_BARS],
			   unsigned int vectors, struct gw_pci_policy *p)
{
	unsigned int status = 0;

	memset(p, 0, sizeof(*p));
	policy_rules(p, GW_PCI_HEADER, 0, cfg, 0, GW_PCI_CAPS_FIRST);
	p->initial[GW_PCI_CAP_PTR] = 0;
	for (unsigned int i = 0; i < GW_NR_BARS; i++)
		policy_bar(p, i, &bar[i]);

	/* registers outside any capability: drivers may look at them, and at most that */
	memset(p->read_only + GW_PCI_CAPS_FIRST, 0xff, GW_PCI_CFG_SIZE_CONV - GW_PCI_CAPS_FIRST);
	policy_caps(p, cfg, bar, vectors);
	if (p->initial[GW_PCI_CAP_PTR])
		status = GW_PCI_STATUS_CAPS;
	policy_settle(p, GW_PCI_STATUS, GW_PCI_STATUS_CAPS, status);

	p->size = p->pcie ? GW_PCI_CFG_SIZE : GW_PCI_CFG_SIZE_CONV;
	if (p->pcie)
		policy_ext_caps(p, cfg);
}

static bool policy_free(const struct gw_pci_policy *p, const uint8_t *cfg, unsigned int off,
			unsigned int len)
{
	for (; len--; off++) {
		if (p->fixed[off] | p->emulated[off] | p->forwarded[off])
			return false;
		if (p->read_only[off] && cfg[off])
			return false;
	}
	return true;
}

bool gw_pci_policy_add_cap(struct gw_pci_policy *p, const uint8_t *cfg, const void *cap,
			   unsigned int len)
{
	unsigned int off = GW_PCI_CFG_SIZE_CONV - len;

	while (!policy_free(p, cfg, off, len)) {
		off -= 4;
		if (off < GW_PCI_CAPS_FIRST)
			return false;
	}
	policy_drop(p, off, len);
	memset(p->fixed + off, 0xff, len);
	memcpy(p->initial + off, cap, len);
	p->initial[off + 1] = p->initial[GW_PCI_CAP_PTR];
	p->initial[GW_PCI_CAP_PTR] = (uint8_t)off;
	policy_settle(p, GW_PCI_STATUS, GW_PCI_STATUS_CAPS, GW_PCI_STATUS_CAPS);
	return true;
}

void gw_pci_policy_show_pin(const uint8_t *cfg, struct gw_pci_policy *p)
{
	/* there are four (PCI 3.0, 6.2.4) */
	if (cfg[GW_PCI_INT_PIN] <= 4)
		policy_fix(p, GW_PCI_INT_PIN, 1, cfg[GW_PCI_INT_PIN]);
}
