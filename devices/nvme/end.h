/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef DEVICES_NVME_END_H
#define DEVICES_NVME_END_H

#include "nvme.h"

/** gw_nvme_cmd_done() - @cmd has its status; it will be posted */
void gw_nvme_cmd_done(struct nvme *nv, struct nvme_cmd *cmd, uint16_t status);

/** gw_nvme_cmd_end() - what starting or continuing @cmd answered */
void gw_nvme_cmd_end(struct nvme *nv, struct nvme_cmd *cmd, int status);

/** gw_nvme_cancel() - end @cmd early with its cmd->cancel, if that is still possible */
void gw_nvme_cancel(struct nvme *nv, struct nvme_cmd *cmd);

/** gw_nvme_cancel_all() - likewise of all that the ring holds and somebody waits for */
void gw_nvme_cancel_all(struct nvme *nv);

/**
 * gw_nvme_drop_all() - forget every command, as their queues are gone
 *
 * What is still in the ring must be harmless; it is put back when the ring lets go of it.
 */
void gw_nvme_drop_all(struct nvme *nv);

#endif
