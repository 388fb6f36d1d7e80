/* SPDX-License-Identifier: BSD-3-Clause */
#include "topology/cfgfile.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/bitmap.h"
#include "config/caps.h"
#include "topology/treefile.h"

int gw_cfgfile_open(struct gw_cfgfile *c, int dir, const char *path)
{
	struct stat st;

	c->fd = gw_treefile_open(dir, path);
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

int gw_cfgfile_cap(struct gw_cfgfile *c, unsigned int id, unsigned int *off)
{
	uint32_t status, at, header;

	if (gw_cfgfile_get(c, GW_PCI_STATUS, 2, &status) || status == UINT16_MAX)
		return -ENODATA;
	if (!(status & GW_PCI_STATUS_CAPS))
		return -ENOENT;
	if (gw_cfgfile_get(c, GW_PCI_CAP_PTR, 1, &at))
		return -ENODATA;
	for (unsigned int i = 0; i < GW_PCI_MAX_CAPS; i++) {
		at &= 0xfcu;
		if (!at)
			return -ENOENT;
		if (at < GW_PCI_CAPS_FIRST || gw_cfgfile_get(c, at, 2, &header) ||
		    (header & 0xff) == 0xff)
			return -ENODATA;
		if ((header & 0xff) == id) {
			*off = at;
			return 0;
		}
		at = header >> 8;
	}
	return at & 0xfcu ? -ENODATA : -ENOENT;
}

int gw_cfgfile_ext_cap(struct gw_cfgfile *c, unsigned int id, unsigned int *off)
{
	unsigned int at = GW_PCI_EXT_FIRST;
	uint32_t header;

	for (unsigned int i = 0; i < GW_PCI_MAX_EXT_CAPS; i++) {
		if (at < GW_PCI_EXT_FIRST || gw_cfgfile_get(c, at, 4, &header) ||
		    header == UINT32_MAX)
			return -ENODATA;
		if (header && GW_PCI_EXT_ID(header) == id) {
			*off = at;
			return 0;
		}
		at = GW_PCI_EXT_NEXT(header);
		if (!at)
			return -ENOENT;
	}
	return -ENODATA;
}
