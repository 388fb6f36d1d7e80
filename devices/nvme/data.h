/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef DEVICES_NVME_DATA_H
#define DEVICES_NVME_DATA_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/uio.h>

#include <gangway/endpoint.h>

struct nvme;
struct nvme_cmd;

/* A contiguous piece of a command's data. */
struct nvme_run {
	gw_iova iova;
	uint32_t len;
	bool discard;			/* bit bucket */
};

#define NVME_DATA_SMALL	4u

/* Where a command's data is. Small transfers need no allocation. */
struct nvme_data {
	uint32_t len;			/* bytes that the command moves */
	enum gw_dma_dir dir;
	unsigned int nr_runs, max_runs, nr_pins, nr_iov;
	struct nvme_run *run;
	struct gw_endpoint_pin *pin;
	struct iovec *iov;
	uint8_t *bounce;		/* instead of pins; @len bytes */
	bool discards;
	struct nvme_run small_run[NVME_DATA_SMALL];
	struct gw_endpoint_pin small_pin[NVME_DATA_SMALL];
	struct iovec small_iov[2 * NVME_DATA_SMALL];
};

/**
 * gw_nvme_data_map() - find the @len bytes of data that @cmd points to
 *
 * Return: NVME_OK; a status for what is wrong with its pointers; NVME_RETRY.
 */
int gw_nvme_data_map(struct nvme *nv, struct nvme_cmd *cmd, uint32_t len, enum gw_dma_dir dir);

/**
 * gw_nvme_data_attach() - make the mapped data ready for system calls
 *
 * Pins it, else makes a bounce buffer, filled if the device reads.
 *
 * Return: NVME_OK, NVME_DATA_TRANSFER, NVME_RETRY.
 */
int gw_nvme_data_attach(struct nvme *nv, struct nvme_cmd *cmd);

/** gw_nvme_data_bounce() - a buffer of our own. Return: as gw_nvme_data_attach() */
int gw_nvme_data_bounce(struct nvme *nv, struct nvme_cmd *cmd);

/** gw_nvme_data_copy() - move @cmd's data between the guest and @buf, by its direction */
int gw_nvme_data_copy(struct nvme *nv, struct nvme_cmd *cmd, void *buf);

/** gw_nvme_data_release() - give back pins and buffers; fine if there are none */
void gw_nvme_data_release(struct nvme *nv, struct nvme_cmd *cmd);

#endif
