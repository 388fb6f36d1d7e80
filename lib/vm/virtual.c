/* SPDX-License-Identifier: BSD-3-Clause */
#include "vm/virtual.h"

#include <errno.h>
#include <stdio.h>

#include "config/walk.h"

#define SRIOV_ON	(GW_PCI_SRIOV_CTRL_ENABLE | GW_PCI_SRIOV_CTRL_MEMORY)

static uint32_t config(struct gw_function *f, unsigned int off, unsigned int width)
{
	uint32_t val;

	return f->ops->config_read(f, off, width, &val) ? UINT32_MAX : val;
}

static int source_get(void *opaque, unsigned int off, unsigned int width, uint32_t *val)
{
	struct gw_function *f = opaque;

	return f->ops->config_read(f, off, width, val);
}

/* Return: where it is; 0: nowhere. */
static unsigned int find_sriov(struct gw_function *f)
{
	const struct gw_pci_source config_space = { source_get, f };
	unsigned int at;

	return gw_pci_find(&config_space, true, GW_PCI_EXT_SRIOV, &at) == 1 ? at : 0;
}

int gw_virtual_enable(struct gw_function *pf)
{
	unsigned int at = find_sriov(pf), total;
	int ret;

	if (!at)
		return 0;
	total = config(pf, at + GW_PCI_SRIOV_TOTAL, 2);
	ret = pf->ops->config_write(pf, at + GW_PCI_SRIOV_NUM, 2, total);
	if (!ret)
		ret = pf->ops->config_write(pf, at + GW_PCI_SRIOV_CTRL, 2, SRIOV_ON);
	if (ret)
		return ret;
	if ((config(pf, at + GW_PCI_SRIOV_CTRL, 2) & SRIOV_ON) != SRIOV_ON) {
		gw_err(pf->log, "%s does not enable its virtual functions", pf->info.name);
		return -EIO;
	}
	return (int)total;
}

void gw_virtual_name(struct gw_function *pf, unsigned int vf, char name[GW_VIRTUAL_NAME])
{
	unsigned int at = find_sriov(pf);
	uint32_t id = (uint32_t)pf->info.bus << 8 | pf->info.dev << 3 | pf->info.fn;

	id += config(pf, at + GW_PCI_SRIOV_OFFSET, 2) +
	      vf * config(pf, at + GW_PCI_SRIOV_STRIDE, 2);
	snprintf(name, GW_VIRTUAL_NAME, "%02x:%02x.%x%s%.31s", id >> 8 & 0xff, id >> 3 & 31, id & 7,
		 *pf->info.root ? "@" : "", pf->info.root);
}

void gw_virtual_disable(struct gw_function *pf)
{
	unsigned int at = find_sriov(pf);

	if (at)
		pf->ops->config_write(pf, at + GW_PCI_SRIOV_CTRL, 2, 0);
}
