// SPDX-License-Identifier: GPL-2.0-only
/*
 * Sharing of a function's memory: /dev/gangway-share. Only offsets in a BAR leave the guest, range
 * by range, and the host checks them.
 */

#include <linux/capability.h>
#include <linux/delay.h>
#include <linux/fs.h>
#include <linux/miscdevice.h>
#include <linux/slab.h>
#include <linux/uaccess.h>

#include "gangway-share.h"
#include "pair.h"
#include "share.h"

#define MAX_RANGES	65536

/* An open file. A list is made entry by entry, so only one file makes one at a time. */
struct gw_share_file {
	struct mutex lock;
	struct gw_pair *pair;	/* NULL: nothing is shared yet */
	u64 handle;
};

static DEFINE_MUTEX(share_lock);

static int share_ask(struct gw_companion *c, struct gw_request *req)
{
	int ret = gw_companion_ask(c, req);

	if (ret != -EIO)
		return ret;
	return req->status == GW_STATUS_INVAL ? -EINVAL :
	       req->status == GW_STATUS_BUSY ? -EBUSY : ret;
}

static int share_list(struct gw_companion *c, const struct gangway_range __user *from, size_t nr)
{
	struct gangway_range range;
	int ret = 0;
	size_t i;

	for (i = 0; !ret && i < nr; i++) {
		struct gw_request req = { .op = GW_RING_RANGE, .last = i };

		if (copy_from_user(&range, &from[i], sizeof(range)))
			return -EFAULT;
		req.handle = range.offset;
		req.len = range.length;
		ret = share_ask(c, &req);
		cond_resched();
		if (fatal_signal_pending(current))
			return -EINTR;
	}
	return ret;
}

static int share_new(struct gw_share_file *f, struct gw_companion *c, const struct gangway_share *s,
		     const struct gangway_range __user *from, size_t nr)
{
	struct gw_request req = {
		.op = GW_RING_SHARE, .handle = (u64)s->height << 32 | s->width,
		.len = (u64)s->fourcc << 32 | s->stride, .last = s->bar,
	};
	int ret;

	if (!(c->features & GW_FEATURE_SHARE))
		return -EOPNOTSUPP;
	mutex_lock(&share_lock);
	ret = share_list(c, from, nr);
	if (!ret)
		ret = share_ask(c, &req);
	mutex_unlock(&share_lock);
	f->handle = req.handle;
	return ret;
}

static ssize_t share_write(struct file *file, const char __user *from, size_t len, loff_t *pos)
{
	struct gw_share_file *f = file->private_data;
	struct gangway_share s;
	const struct gangway_range __user *ranges = (const void __user *)(from + sizeof(s));
	size_t nr = (len - sizeof(s)) / sizeof(*ranges);
	struct gw_pair *p;
	int ret = -EEXIST;

	if (len <= sizeof(s) || (len - sizeof(s)) % sizeof(*ranges) || nr > MAX_RANGES)
		return -EINVAL;
	if (copy_from_user(&s, from, sizeof(s)))
		return -EFAULT;
	mutex_lock(&f->lock);
	if (!f->pair) {
		p = gw_pair_of(s.function);
		ret = p ? share_new(f, &p->companion, &s, ranges, nr) : -ENODEV;
		if (!ret)
			f->pair = p;
		else if (p)
			gw_pair_put(p);
	}
	mutex_unlock(&f->lock);
	return ret ? ret : len;
}

static int share_open(struct inode *inode, struct file *file)
{
	struct gw_share_file *f;

	if (!capable(CAP_SYS_ADMIN))
		return -EPERM;
	f = kzalloc(sizeof(*f), GFP_KERNEL);
	if (!f)
		return -ENOMEM;
	mutex_init(&f->lock);
	file->private_data = f;
	return 0;
}

/* When it returns nobody on the host has it mapped, unless the host does not answer. */
static int share_release(struct inode *inode, struct file *file)
{
	struct gw_share_file *f = file->private_data;
	unsigned int tries = 5000;

	if (f->pair) {
		struct gw_request req = { .op = GW_RING_UNSHARE, .handle = f->handle };

		while (share_ask(&f->pair->companion, &req) == -EBUSY && tries--)
			usleep_range(500, 1500);
		gw_pair_put(f->pair);
	}
	kfree(f);
	return 0;
}

static const struct file_operations share_fops = {
	.owner = THIS_MODULE,
	.open = share_open,
	.release = share_release,
	.write = share_write,
};

static struct miscdevice share_device = {
	.minor = MISC_DYNAMIC_MINOR,
	.name = "gangway-share",
	.fops = &share_fops,
	.mode = 0600,
};

/* gw_share_init() - make /dev/gangway-share. Return: 0 or -errno */
int gw_share_init(void)
{
	return misc_register(&share_device);
}

/* gw_share_fini() - remove it; nobody has it open */
void gw_share_fini(void)
{
	misc_deregister(&share_device);
}
