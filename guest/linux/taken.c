// SPDX-License-Identifier: GPL-2.0-only
/* Pages that are taken from the kernel, so that no buffer lies across them. */

#include <linux/gfp.h>
#include <linux/memory_hotplug.h>
#include <linux/mm.h>
#include <linux/slab.h>

#include "compat.h"
#include "taken.h"

#define MAX_TAKEN	1024
#define MAX_TAKES	5	/* of one page */

/* gw_taken_alloc() - make room for them; return 0, -ENOMEM */
int gw_taken_alloc(struct gw_taken *t)
{
	t->pfn = kvcalloc(MAX_TAKEN, sizeof(*t->pfn), GFP_KERNEL);
	return t->pfn ? 0 : -ENOMEM;
}

/* gw_taken_free() - all were given back, or have gone */
void gw_taken_free(struct gw_taken *t)
{
	kvfree(t->pfn);
	*t = (struct gw_taken) { 0 };
}

/* gw_taken_add() - have nobody get a page, if it is one that somebody could; return whether so */
bool gw_taken_add(struct gw_taken *t, phys_addr_t phys)
{
	unsigned long pfn = PHYS_PFN(phys);
	struct page *page = pfn_to_online_page(pfn);
	unsigned int i;

	/* those that the kernel reserved, nobody gets anyway */
	if (!page || PageReserved(page))
		return true;
	for (i = 0; i < t->nr; i++)
		if (t->pfn[i] == pfn)
			return true;
#ifdef CONFIG_CONTIG_ALLOC
	if (t->nr == MAX_TAKEN)
		return false;
	/* what is in the way may be so for a moment only */
	i = 0;
	while (alloc_contig_range(pfn, pfn + 1, GW_CONTIG_KIND, GFP_KERNEL | __GFP_NOWARN))
		if (i++ == MAX_TAKES)
			return false;
	/* as balloons do, so that memory can go offline with such pages in it */
	__SetPageOffline(page);
	adjust_managed_page_count(page, -1);
	t->pfn[t->nr++] = pfn;
	return true;
#else
	return false;
#endif
}

/* gw_taken_give() - give back the pages from the one with number @from on */
void gw_taken_give(struct gw_taken *t, unsigned int from)
{
#ifdef CONFIG_CONTIG_ALLOC
	while (t->nr > from) {
		unsigned long pfn = t->pfn[--t->nr];

		__ClearPageOffline(pfn_to_page(pfn));
		free_contig_range(pfn, 1);
		adjust_managed_page_count(pfn_to_page(pfn), 1);
	}
#endif
}

static bool taken_within(const struct gw_taken *t, unsigned int i, phys_addr_t start,
			 phys_addr_t last)
{
	return t->pfn[i] >= PHYS_PFN(start) && t->pfn[i] <= PHYS_PFN(last);
}

/**
 * gw_taken_leave() - memory is about to go offline, or is not in the end
 * @t:     the pages
 * @start: physical address
 * @last:  of its last byte
 * @leave: does it go?
 */
void gw_taken_leave(struct gw_taken *t, phys_addr_t start, phys_addr_t last, bool leave)
{
	unsigned int i;

	for (i = 0; i < t->nr; i++)
		if (taken_within(t, i, start, last))
			page_ref_add(pfn_to_page(t->pfn[i]), leave ? -1 : 1);
}

/* gw_taken_forget() - memory is not used by the kernel any more, nor are pages of it */
void gw_taken_forget(struct gw_taken *t, phys_addr_t start, phys_addr_t last)
{
	unsigned int i;

	for (i = t->nr; i--;)
		if (taken_within(t, i, start, last))
			t->pfn[i] = t->pfn[--t->nr];
}
