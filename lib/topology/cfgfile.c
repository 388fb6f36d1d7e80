/* SPDX-License-Identifier: BSD-3-Clause */
#include "topology/cfgfile.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/bitmap.h"
#include "base/regular.h"
#include "config/caps.h"
#include "config/walk.h"

int gw_cfgfile_open(struct gw_cfgfile *c, int dir, const char *path)
{
	struct stat st;

	c->fd = gw_regular_open(dir, path);
	if (c->fd < 0)
		return c->fd;
	if (fstat(c->fd, &st))
		st.st_size = 0;
	c->size = st.st_size > GW_PCI_CFG_SIZE_CONV ? GW_PCI_CFG_SIZE : GW_PCI_CFG_SIZE_CONV;
	memset(c->have, 0, sizeof(c->have));
	return 0;
}

void gw_cfgfile_close(struct gw_cfgfile *c)
{
	if (c->fd >= 0)
		close(c->fd);
	c->fd = -1;
}

int gw_cfgfile_get(struct gw_cfgfile *c, unsigned int off, unsigned int width, uint32_t *val)
{
	unsigned int dword = off / 4;

	if (off + width > c->size)
		return -ENODATA;
	if (!gw_bitmap_test(c->have, dword)) {
		if (pread(c->fd, c->bytes + 4 * dword, 4, 4 * dword) != 4)
			return -ENODATA;
		gw_bitmap_set(c->have, dword);
	}
	*val = gw_pci_get(c->bytes, off, width);
	return 0;
}

static int source_get(void *opaque, unsigned int off, unsigned int width, uint32_t *val)
{
	return gw_cfgfile_get(opaque, off, width, val);
}

static int find(struct gw_cfgfile *c, bool ext, unsigned int id, unsigned int *off)
{
	int ret = gw_pci_find(&(struct gw_pci_source){ source_get, c }, ext, id, off);

	return ret == 1 ? 0 : ret ? -ENODATA : -ENOENT;
}

int gw_cfgfile_cap(struct gw_cfgfile *c, unsigned int id, unsigned int *off)
{
	return find(c, false, id, off);
}

int gw_cfgfile_ext_cap(struct gw_cfgfile *c, unsigned int id, unsigned int *off)
{
	return find(c, true, id, off);
}
