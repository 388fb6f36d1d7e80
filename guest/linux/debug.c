// SPDX-License-Identifier: GPL-2.0-only
/* debugfs: gangway-dma/BDF/{stats,blocks}, one folder a companion. */

#include <linux/debugfs.h>
#include <linux/seq_file.h>

#include "debug.h"
#include "pair.h"

#define MAX_SHOWN	512	/* blocks */

static struct dentry *debug_root;

static const char * const stat_names[GW_NR_STATS] = {
	[GW_STAT_HITS] = "hits",
	[GW_STAT_MISSES] = "misses",
	[GW_STAT_EVICTIONS] = "evictions",
	[GW_STAT_FAILURES] = "failures",
	[GW_STAT_REQUESTS] = "requests",
	[GW_STAT_DOORBELLS] = "doorbells",
};

static u64 stat_sum(const struct gw_companion *c, unsigned int which)
{
	u64 sum = 0;
	int cpu;

	for_each_possible_cpu(cpu)
		sum += READ_ONCE(per_cpu_ptr(c->stats, cpu)->n[which]);
	return sum;
}

static const char *mode_name(const struct gw_pair *p)
{
	if (p->mode == GW_MODE_RANGES)
		return "ranges";
	if (p->mode == GW_MODE_WINDOWS)
		return p->space.strict ? "strict" : "windows";
	return "none";
}

static int stats_show(struct seq_file *f, void *unused)
{
	struct gw_pair *p = f->private;
	struct gw_companion *c = &p->companion;
	struct gw_space *s = &p->space;
	unsigned int i;

	for (i = 0; i < GW_NR_STATS; i++)
		seq_printf(f, "%s %llu\n", stat_names[i], stat_sum(c, i));
	seq_printf(f, "mode %s\nwhy %s\n", mode_name(p), p->why ? p->why : "no driver is bound");
	spin_lock_irq(&s->lock);
	seq_printf(f, "blocks %u\nblock_bytes %llu\n", s->nr, 1ull << s->shift);
	seq_printf(f, "used_bytes %llu\nused_maps %u\n", s->used_bytes + p->ranges.bytes,
		   s->used_maps + p->ranges.nr);
	spin_unlock_irq(&s->lock);
	seq_printf(f, "budget_bytes %llu\nbudget_maps %u\n", c->budget_bytes, c->budget_maps);
	seq_printf(f, "granule %llu\nlargest_map %llu\niova_bits %u\ngeneration %u\n",
		   gw_granule(c), c->max_map, c->iova_bits,
		   gw_companion_read(c, GW_REG_GENERATION));
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(stats);

/* So few that the lock, which maps may wait for, is not held for long. */
static int blocks_show(struct seq_file *f, void *unused)
{
	struct gw_pair *p = f->private;
	struct gw_space *s = &p->space;
	struct gw_block *b = NULL;
	unsigned int n = 0;

	spin_lock_irq(&s->lock);
	while ((b = gw_block_next(s, 0, -1, b)) && n++ < MAX_SHOWN)
		seq_printf(f, "%pa-%pa iova %#llx refs %d uses %u\n", &b->start, &b->last,
			   b->req.iova, atomic_read(&b->refs), b->uses);
	spin_unlock_irq(&s->lock);
	if (b)
		seq_puts(f, "...\n");
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(blocks);

/* gw_debug_init() - make the folder of all */
void gw_debug_init(void)
{
	debug_root = debugfs_create_dir("gangway-dma", NULL);
}

/* gw_debug_fini() - remove it */
void gw_debug_fini(void)
{
	debugfs_remove(debug_root);
}

/* gw_debug_add() - show a companion and what it maps */
void gw_debug_add(struct gw_pair *p)
{
	p->debugfs = debugfs_create_dir(dev_name(p->companion.dev), debug_root);
	debugfs_create_file("stats", 0400, p->debugfs, p, &stats_fops);
	debugfs_create_file("blocks", 0400, p->debugfs, p, &blocks_fops);
}

/* gw_debug_remove() - show it no more; waits for whoever reads */
void gw_debug_remove(struct gw_pair *p)
{
	debugfs_remove(p->debugfs);
}
