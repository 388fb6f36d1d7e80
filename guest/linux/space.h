/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef GANGWAY_SPACE_H
#define GANGWAY_SPACE_H

#include <linux/dma-map-ops.h>

#include "block.h"

struct gw_ram;

/**
 * struct gw_space - what one function can reach, and at which addresses
 * @ops:         its DMA operations; this is found from there by container_of()
 * @companion:   who maps it
 * @dev:         the function, while a driver is bound to it
 * @generation:  of the companion, that everything here belongs to
 * @dropped:     how many mappings the VMM has ended, as far as is known here
 * @fill_lock:   taken to have the host map something
 * @ram:         where RAM is
 * @strict:      nothing stays mapped that is not in use
 * @lock:        protects what follows; so that is not held while the host is asked
 * @by_phys:     blocks by physical address; they can overlap
 * @by_iova:     the same by their addresses for the function; they cannot
 * @clock:       blocks, but for those that are parked, in the order in which they are
 *               considered for eviction
 * @leaving:     blocks that go, of which the host could not be told while it was being reset
 * @hot:         blocks that were looked up by physical address and by IOVA; see hot_index().
 *               Written with @lock, read by RCU
 * @used_bytes:  mapped, or about to be
 * @used_maps:   likewise
 * @room:        what the host would have us map in all: the budget, or less while others share it
 * @nr:          number in @by_phys
 * @shift:       log2 of the size of new blocks
 * @max_shift:   its limit
 * @gone_blocks: blocks that were evicted since @shift was last looked at
 * @gone_pages:  how many pages these had
 * @gone_uses:   how often one was mapped
 * @pinned:      bytes in blocks with users, at most
 * @unseen:      blocks made since @pinned was counted
 */
struct gw_space {
	struct dma_map_ops ops;
	struct gw_companion *companion;
	struct device *dev;
	u32 generation;
	u32 dropped;
	spinlock_t fill_lock;
	const struct gw_ram *ram;
	bool strict;
	spinlock_t lock;
	struct rb_root_cached by_phys, by_iova;
	struct list_head clock;
	struct list_head leaving;
	struct gw_block __rcu *hot[2][GW_HOT_SLOTS];
	u64 used_bytes;
	u32 used_maps;
	u64 room;
	u32 nr;
	unsigned int shift, max_shift;
	unsigned int gone_blocks;
	u64 gone_pages;
	u64 gone_uses;
	u64 pinned;
	u32 unseen;
};

#define GW_MAP_QUIET	0x1	/* no message if it fails */
#define GW_MAP_EXACT	0x2	/* no more than the granules that are touched */

void gw_space_init(struct gw_space *s, struct gw_companion *c);
void gw_space_open(struct gw_space *s, struct device *dev, const struct gw_ram *ram, bool strict);
void gw_space_close(struct gw_space *s);
int gw_space_map(struct gw_space *s, struct gw_want *want, unsigned int how);
void gw_space_unmap(struct gw_space *s, u64 iova, size_t len);
size_t gw_space_max_mapping(struct gw_space *s);
void gw_space_offline(struct gw_space *s, phys_addr_t start, phys_addr_t last);

#endif
