/* SPDX-License-Identifier: BSD-3-Clause */
#include "config/caps.h"

#include "base/bitmap.h"
#include "config/walk.h"

static int bytes_get(void *opaque, unsigned int off, unsigned int width, uint32_t *val)
{
	*val = gw_pci_get(opaque, off, width);
	return 0;
}

/*
 * What each may span is bounded by the next one in address order, or by @end, so that two never
 * claim one byte, whatever their lengths say.
 */
static void give_room(const struct gw_pci_walk *w, struct gw_pci_caps *caps, unsigned int end)
{
	unsigned int next;

	for (unsigned int i = 0; i < caps->nr; i++) {
		for (next = caps->cap[i].off + 4u; next < end; next += 4)
			if (gw_bitmap_test(w->seen, next / 4))
				break;
		caps->cap[i].room = (uint16_t)(next - caps->cap[i].off);
	}
}

static void walk_all(const uint8_t *cfg, bool ext, struct gw_pci_caps *caps)
{
	/* which is only read */
	const struct gw_pci_source bytes = { bytes_get, (void *)(uintptr_t)cfg };
	struct gw_pci_walk w = { .from = &bytes, .ext = ext };
	unsigned int id, off;
	int ret;

	caps->nr = 0;
	while ((ret = gw_pci_walk_on(&w, &id, &off)) == 1)
		caps->cap[caps->nr++] = (struct gw_pci_cap){ (uint16_t)id, (uint16_t)off, 0 };
	caps->broken = ret < 0;
	give_room(&w, caps, ext ? GW_PCI_CFG_SIZE : GW_PCI_CFG_SIZE_CONV);
}

void gw_pci_caps_walk(const uint8_t *cfg, struct gw_pci_caps *caps)
{
	walk_all(cfg, false, caps);
}

void gw_pci_caps_walk_ext(const uint8_t *cfg, struct gw_pci_caps *caps)
{
	walk_all(cfg, true, caps);
}

const struct gw_pci_cap *gw_pci_caps_find(const struct gw_pci_caps *caps, unsigned int id)
{
	for (unsigned int i = 0; i < caps->nr; i++)
		if (caps->cap[i].id == id)
			return &caps->cap[i];
	return NULL;
}
