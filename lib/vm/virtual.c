/* SPDX-License-Identifier: BSD-3-Clause */
#include "vm/virtual.h"

#include <errno.h>
#include <stdio.h>

/* The capability (PCI Express 4.0, 9.3.3). */
#define EXT_FIRST	0x100u
#define EXT_END		0x1000u
#define SRIOV_ID	0x0010u
#define SRIOV_CONTROL	0x08u
#define  SRIOV_ON	0x0009u		/* enable, and memory decodes */
#define SRIOV_TOTAL	0x0eu
#define SRIOV_NUM	0x10u
#define SRIOV_OFFSET	0x14u
#define SRIOV_STRIDE	0x16u

static uint32_t config(struct gw_function *f, unsigned int off, unsigned int width)
{
	uint32_t val;

	return f->ops->config_read(f, off, width, &val) ? UINT32_MAX : val;
}

/* Return: where it is; 0: nowhere. */
static unsigned int find_sriov(struct gw_function *f)
{
	unsigned int at = EXT_FIRST;

	for (unsigned int steps = 0; steps < (EXT_END - EXT_FIRST) / 8; steps++) {
		uint32_t head = config(f, at, 4);

		if (!head || head == UINT32_MAX)
			return 0;
		if ((head & 0xffff) == SRIOV_ID)
			return at;
		at = head >> 20 & 0xffc;
		if (at < EXT_FIRST)
			return 0;
	}
	return 0;
}

int gw_virtual_enable(struct gw_function *pf)
{
	unsigned int at = find_sriov(pf), total;
	int ret;

	if (!at)
		return 0;
	total = config(pf, at + SRIOV_TOTAL, 2);
	ret = pf->ops->config_write(pf, at + SRIOV_NUM, 2, total);
	if (!ret)
		ret = pf->ops->config_write(pf, at + SRIOV_CONTROL, 2, SRIOV_ON);
	if (ret)
		return ret;
	if ((config(pf, at + SRIOV_CONTROL, 2) & SRIOV_ON) != SRIOV_ON) {
		gw_err(pf->log, "%s does not enable its virtual functions", pf->info.name);
		return -EIO;
	}
	return (int)total;
}

void gw_virtual_name(struct gw_function *pf, unsigned int vf, char name[GW_VIRTUAL_NAME])
{
	unsigned int at = find_sriov(pf);
	uint32_t id = (uint32_t)pf->info.bus << 8 | pf->info.dev << 3 | pf->info.fn;

	id += config(pf, at + SRIOV_OFFSET, 2) + vf * config(pf, at + SRIOV_STRIDE, 2);
	snprintf(name, GW_VIRTUAL_NAME, "%02x:%02x.%x%s%.31s", id >> 8 & 0xff, id >> 3 & 31, id & 7,
		 *pf->info.root ? "@" : "", pf->info.root);
}

void gw_virtual_disable(struct gw_function *pf)
{
	unsigned int at = find_sriov(pf);

	if (at)
		pf->ops->config_write(pf, at + SRIOV_CONTROL, 2, 0);
}
