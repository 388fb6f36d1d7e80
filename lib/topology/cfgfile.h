/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef GW_TOPOLOGY_CFGFILE_H
#define GW_TOPOLOGY_CFGFILE_H

#include <stdint.h>

#include <gangway/pci.h>

/*
 * Config space in a file, read by the dword as it is asked for and only once: a read of hardware
 * takes about a microsecond, all 4096 bytes a millisecond. The file may be shorter than it claims.
 */
struct gw_cfgfile {
	int fd;
	unsigned int size;	/* what the function has, as far as the system can reach it */
	uint64_t have[GW_PCI_CFG_SIZE / 4 / 64];
	uint8_t bytes[GW_PCI_CFG_SIZE];
};

/**
 * gw_cfgfile_open() - below a folder
 *
 * Return: 0; -EBADMSG it is no regular file, or -errno of openat(2).
 */
int gw_cfgfile_open(struct gw_cfgfile *c, int dir, const char *path);
void gw_cfgfile_close(struct gw_cfgfile *c);

/**
 * gw_cfgfile_get() - a register
 * @width: 1, 2 or 4; @off aligned to it and below GW_PCI_CFG_SIZE
 *
 * Return: 0; -ENODATA it cannot be read.
 */
int gw_cfgfile_get(struct gw_cfgfile *c, unsigned int off, unsigned int width, uint32_t *val);

/**
 * gw_cfgfile_cap() - where the first capability @id is
 *
 * Return: 0; -ENOENT the list has none; -ENODATA the list cannot be read, leads nowhere or loops.
 */
int gw_cfgfile_cap(struct gw_cfgfile *c, unsigned int id, unsigned int *off);

/** gw_cfgfile_ext_cap() - likewise of the extended ones */
int gw_cfgfile_ext_cap(struct gw_cfgfile *c, unsigned int id, unsigned int *off);

#endif
