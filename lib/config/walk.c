/* SPDX-License-Identifier: BSD-3-Clause */
#include "config/walk.h"

#include "base/bitmap.h"

/* A walk marks where it has been, so a list that loops ends at the first place seen twice. */

/* Where the list begins; 0: there is none. The status register cannot be all ones. */
static int walk_begin(struct gw_pci_walk *w)
{
	const struct gw_pci_source *s = w->from;
	uint32_t val;

	w->begun = true;
	if (w->ext) {
		if (s->get(s->opaque, GW_PCI_EXT_FIRST, 4, &val))
			return -1;
		w->next = val ? GW_PCI_EXT_FIRST : 0;	/* PCI Express 5.0, 7.6.2 */
		return 0;
	}
	if (s->get(s->opaque, GW_PCI_STATUS, 2, &val) || val == UINT16_MAX)
		return -1;
	if (!(val & GW_PCI_STATUS_CAPS))
		return 0;
	if (s->get(s->opaque, GW_PCI_CAP_PTR, 1, &val))
		return -1;
	w->next = val & 0xfcu;		/* the two low bits are reserved, to be masked */
	return 0;
}

int gw_pci_walk_on(struct gw_pci_walk *w, unsigned int *id, unsigned int *off)
{
	const struct gw_pci_source *s = w->from;
	unsigned int first = w->ext ? GW_PCI_EXT_FIRST : GW_PCI_CAPS_FIRST;
	uint32_t head;

	if (!w->begun && walk_begin(w))
		return -1;
	*off = w->next;
	if (!*off)
		return 0;
	if (*off < first || gw_bitmap_test(w->seen, *off / 4) ||
	    s->get(s->opaque, *off, w->ext ? 4 : 2, &head))
		return -1;
	if (w->ext ? head == UINT32_MAX : (head & 0xff) == 0xff)
		return -1;	/* nothing answers there */
	gw_bitmap_set(w->seen, *off / 4);
	*id = w->ext ? GW_PCI_EXT_ID(head) : head & 0xff;
	w->next = w->ext ? GW_PCI_EXT_NEXT(head) : head >> 8 & 0xfc;
	return 1;
}

int gw_pci_find(const struct gw_pci_source *from, bool ext, unsigned int id, unsigned int *off)
{
	struct gw_pci_walk w = { .from = from, .ext = ext };
	unsigned int is;
	int ret;

	do {
		ret = gw_pci_walk_on(&w, &is, off);
	} while (ret == 1 && is != id);
	return ret;
}
