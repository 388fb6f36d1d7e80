/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef GANGWAY_SHARE_DEVICE_H
#define GANGWAY_SHARE_DEVICE_H

int gw_share_init(void);
void gw_share_fini(void);

#endif
