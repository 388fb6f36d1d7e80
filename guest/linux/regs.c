// SPDX-License-Identifier: GPL-2.0-only
/*
 * The companion's registers, and requests by command page: each command leaves the guest, so it
 * is for companions without a ring.
 */

#include <linux/gfp.h>
#include <linux/io.h>

#include "companion.h"
#include "regs.h"

/* What fits in a page of requests, and in one of responses. */
#define MAX_COMMAND (PAGE_SIZE / sizeof(struct gw_cmd_mapped))

/* gw_regs_read() - read a register of 32 bits */
u32 gw_regs_read(struct gw_companion *c, unsigned int reg)
{
	return readl(c->regs + reg);
}

/* gw_regs_write() - write a register of 32 bits */
void gw_regs_write(struct gw_companion *c, unsigned int reg, u32 value)
{
	writel(value, c->regs + reg);
}

/* gw_regs_read64() - read two halves that belong together; the low one latches the other */
u64 gw_regs_read64(struct gw_companion *c, unsigned int reg)
{
	unsigned long flags;
	u32 lo, hi;

	spin_lock_irqsave(&c->regs_lock, flags);
	lo = gw_regs_read(c, reg);
	hi = gw_regs_read(c, reg + 4);
	spin_unlock_irqrestore(&c->regs_lock, flags);
	return (u64)hi << 32 | lo;
}

/* gw_regs_write64() - write both halves */
void gw_regs_write64(struct gw_companion *c, unsigned int reg, u64 value)
{
	unsigned long flags;

	spin_lock_irqsave(&c->regs_lock, flags);
	gw_regs_write(c, reg, lower_32_bits(value));
	gw_regs_write(c, reg + 4, upper_32_bits(value));
	spin_unlock_irqrestore(&c->regs_lock, flags);
}

/**
 * gw_command_start() - have a command page
 * @c: the companion
 *
 * Return: 0, -ENOMEM, -ENODEV if it is one that this module does not know.
 */
int gw_command_start(struct gw_companion *c)
{
	struct gw_command *cmd = &c->command;
	u32 version = gw_regs_read(c, GW_REG_VERSION);

	if (version != 2) {
		dev_err(&c->pdev->dev, "command page of version %u: 2 is wanted\n", version);
		return -ENODEV;
	}
	cmd->page = (void *)get_zeroed_page(GFP_KERNEL);
	cmd->request = (void *)get_zeroed_page(GFP_KERNEL);
	cmd->response = (void *)get_zeroed_page(GFP_KERNEL);
	if (!cmd->page || !cmd->request || !cmd->response) {
		gw_command_stop(c);
		return -ENOMEM;
	}
	cmd->max = min_t(u32, gw_regs_read(c, GW_REG_MAX_ENTRIES), MAX_COMMAND);
	if (!cmd->max)
		cmd->max = 1;
	gw_command_restart(c);
	return 0;
}

/* gw_command_restart() - tell the device where its command page is */
void gw_command_restart(struct gw_companion *c)
{
	gw_regs_write64(c, GW_REG_CMD_GPA_LO, virt_to_phys(c->command.page));
}

/* gw_command_stop() - the device knows of no command page any more */
void gw_command_stop(struct gw_companion *c)
{
	struct gw_command *cmd = &c->command;

	if (cmd->page)
		gw_regs_write64(c, GW_REG_CMD_GPA_LO, 0);
	free_page((unsigned long)cmd->page);
	free_page((unsigned long)cmd->request);
	free_page((unsigned long)cmd->response);
	memset(cmd, 0, sizeof(*cmd));
}

/* Write the requests of the same kind that follow @from; return the one after them. */
static struct gw_request *command_fill(struct gw_command *cmd, struct list_head *requests,
				       struct gw_request *from, unsigned int *count)
{
	struct gw_cmd_unmap *unmap = cmd->request;
	struct gw_cmd_map *map = cmd->request;
	struct gw_request *req = from;
	unsigned int n = 0;

	list_for_each_entry_from(req, requests, node) {
		if (n == cmd->max || req->op != from->op)
			break;
		if (req->op == GW_RING_MAP) {
			map[n].gpa = cpu_to_le64(req->addr);
			map[n].len = cpu_to_le64(req->len);
			map[n].flags = 0;
		} else {
			unmap[n].id = cpu_to_le64(req->handle);
			unmap[n].size = cpu_to_le64(req->len);
		}
		n++;
	}
	*count = n;
	return req;
}

static void command_answer(struct gw_command *cmd, struct gw_request *req, unsigned int i)
{
	const struct gw_cmd_unmapped *unmapped = cmd->response;
	const struct gw_cmd_mapped *mapped = cmd->response;

	if (req->op != GW_RING_MAP) {
		req->status = le32_to_cpu(unmapped[i].status);
		return;
	}
	req->status = le32_to_cpu(mapped[i].status);
	req->handle = le64_to_cpu(mapped[i].id);
	req->segs[0].iova = le64_to_cpu(mapped[i].dma_addr);
	req->segs[0].len = le64_to_cpu(mapped[i].dma_len);
	req->nr = 1;
	/* the rest of a mapping that was split is not told: it is of no use */
	if (req->status == GW_STATUS_OK && req->segs[0].len < req->len)
		req->nr = req->room + 1;
}

/**
 * gw_command_submit() - have the host do what is asked, by the command page
 * @c:        the companion
 * @requests: as in gw_companion_submit()
 *
 * Return: 0; -EIO if the companion did not take a command; -EBUSY if it is being reset.
 */
int gw_command_submit(struct gw_companion *c, struct list_head *requests)
{
	struct gw_request *req = list_first_entry(requests, struct gw_request, node), *next;
	struct gw_command *cmd = &c->command;
	unsigned int n, i;
	unsigned long flags;
	int ret = 0;

	spin_lock_irqsave(&c->regs_lock, flags);
	if (c->paused)
		ret = -EBUSY;
	while (!ret && !list_entry_is_head(req, requests, node)) {
		next = command_fill(cmd, requests, req, &n);
		/* what is not answered must not look like an answer */
		memset(cmd->response, 0xff, PAGE_SIZE);
		cmd->page->type = cpu_to_le32(req->op == GW_RING_MAP ? GW_CMD_MAP : GW_CMD_UNMAP);
		cmd->page->count = cpu_to_le32(n);
		cmd->page->request_gpa = cpu_to_le64(virt_to_phys(cmd->request));
		cmd->page->response_gpa = cpu_to_le64(virt_to_phys(cmd->response));
		gw_regs_write(c, GW_REG_DOORBELL, 1);
		gw_count(c, GW_STAT_DOORBELLS);
		if (gw_regs_read(c, GW_REG_STATUS) == GW_STATUS_INVAL)
			ret = -EIO;
		for (i = 0; i < n; i++, req = list_next_entry(req, node)) {
			command_answer(cmd, req, i);
			gw_count(c, GW_STAT_REQUESTS);
		}
		req = next;
	}
	spin_unlock_irqrestore(&c->regs_lock, flags);
	return ret;
}
