/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef DEVICES_NVME_RESIDENT_H
#define DEVICES_NVME_RESIDENT_H

#include <sys/uio.h>

#include "backing.h"

/**
 * gw_nvme_resident_read() - read what the page cache holds
 * @b:   the backing file
 * @off: where in it, with @len inside its size
 * @iov: where to; @len bytes in all
 * @len: at most NVME_MAX_TRANSFER
 *
 * Return: was all of it read? If not, some of @iov may have been written; read it in another way.
 */
bool gw_nvme_resident_read(struct nvme_backing *b, uint64_t off, const struct iovec *iov,
			   uint32_t len);

/** gw_nvme_resident_drop() - unmap the file */
void gw_nvme_resident_drop(struct nvme_backing *b);

#endif
