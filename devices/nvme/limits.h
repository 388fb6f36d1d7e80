/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef DEVICES_NVME_LIMITS_H
#define DEVICES_NVME_LIMITS_H

#define NVME_NR_IO_QUEUES	64u	/* limit: queues of a disk */
#define NVME_NR_QUEUES		(NVME_NR_IO_QUEUES + 1)
#define NVME_NR_VECTORS		NVME_NR_QUEUES
#define NVME_MAX_ENTRIES	1024u	/* limit: entries of one */
#define NVME_MDTS		8u	/* 2^8 * 4 KiB */
#define NVME_MAX_TRANSFER	(4096u << NVME_MDTS)
#define NVME_TIMEOUT		60u	/* CAP.TO: 500 ms each */
#define NVME_MPSMAX		4u	/* 2^(12 + 4): 64 KiB */
#define NVME_NR_COMMANDS	256u	/* limit: commands under way */
#define NVME_NR_ABORTS		4u
#define NVME_NR_EVENT_REQUESTS	4u	/* limit: requests for events */
#define NVME_NR_ERRORS		64u	/* limit: errors that are kept */
#define NVME_FIRMWARE		"1.0     "

/* BAR0: registers, doorbells at 4 KiB, MSI-X table at 8 KiB, pending bits at 12 KiB. */
#define NVME_BAR_SIZE		0x4000u
#define NVME_BAR_MSIX		0x2000u
#define NVME_BAR_PBA		0x3000u
#define NVME_BAR_CMB		2u	/* the controller memory buffer, if there is one */

#endif
