/* SPDX-License-Identifier: BSD-3-Clause */
#include "config/caps.h"

#include <string.h>

#include "base/bitmap.h"

/*
 * How it works: both walks mark where they have been, so a list that loops ends at the first
 * place seen twice. What a capability may span is bounded by the next one in address order, so
 * that two never claim one byte, whatever their lengths say.
 */

struct walk {
	struct gw_pci_caps *caps;
	uint64_t seen[GW_PCI_CFG_SIZE / 4 / 64];
};

static void walk_start(struct walk *w, struct gw_pci_caps *caps)
{
	memset(w, 0, sizeof(*w));
	caps->nr = 0;
	caps->broken = false;
	w->caps = caps;
}

/* Come to @off. False: been there, the list loops. */
static bool walk_enter(struct walk *w, unsigned int off)
{
	if (gw_bitmap_test(w->seen, off / 4)) {
		w->caps->broken = true;
		return false;
	}
	gw_bitmap_set(w->seen, off / 4);
	return true;
}

static void walk_add(struct walk *w, unsigned int id, unsigned int off)
{
	w->caps->cap[w->caps->nr++] = (struct gw_pci_cap){ .id = (uint16_t)id,
							   .off = (uint16_t)off };
}

static void walk_end(struct walk *w, unsigned int end)
{
	unsigned int next;

	for (unsigned int i = 0; i < w->caps->nr; i++) {
		for (next = w->caps->cap[i].off + 4u; next < end; next += 4)
			if (gw_bitmap_test(w->seen, next / 4))
				break;
		w->caps->cap[i].room = (uint16_t)(next - w->caps->cap[i].off);
	}
}

void gw_pci_caps_walk(const uint8_t *cfg, struct gw_pci_caps *caps)
{
	struct walk w;
	unsigned int off;

	walk_start(&w, caps);
	if (!(gw_pci_get(cfg, GW_PCI_STATUS, 2) & GW_PCI_STATUS_CAPS))
		return;
	/* the two low bits of a pointer are reserved, to be masked (PCI 3.0, 6.7) */
	for (off = cfg[GW_PCI_CAP_PTR] & 0xfcu; off; off = cfg[off + 1] & 0xfcu) {
		if (off < GW_PCI_CAPS_FIRST || cfg[off] == 0xff) {
			caps->broken = true;
			break;
		}
		if (!walk_enter(&w, off))
			break;
		walk_add(&w, cfg[off], off);
	}
	walk_end(&w, GW_PCI_CFG_SIZE_CONV);
}

void gw_pci_caps_walk_ext(const uint8_t *cfg, struct gw_pci_caps *caps)
{
	struct walk w;
	unsigned int off;
	uint32_t header;

	walk_start(&w, caps);
	header = gw_pci_get(cfg, GW_PCI_EXT_FIRST, 4);
	if (!header || header == UINT32_MAX)
		return;		/* there are none (PCIe 5.0, 7.6.2) */
	for (off = GW_PCI_EXT_FIRST; off; off = GW_PCI_EXT_NEXT(header)) {
		if (off < GW_PCI_EXT_FIRST) {
			caps->broken = true;
			break;
		}
		header = gw_pci_get(cfg, off, 4);
		if (header == UINT32_MAX) {
			caps->broken = true;
			break;
		}
		if (!walk_enter(&w, off))
			break;
		walk_add(&w, GW_PCI_EXT_ID(header), off);
	}
	walk_end(&w, GW_PCI_CFG_SIZE);
}

const struct gw_pci_cap *gw_pci_caps_find(const struct gw_pci_caps *caps, unsigned int id)
{
	for (unsigned int i = 0; i < caps->nr; i++)
		if (caps->cap[i].id == id)
			return &caps->cap[i];
	return NULL;
}
