/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef DEVICES_NVME_OPTIONS_H
#define DEVICES_NVME_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>

#include <gangway/log.h>

struct nvme_options {
	char *file;
	uint64_t size;			/* 0: as the file is */
	uint32_t block;
	uint64_t cmb;			/* 0: none */
	uint64_t poll_us;
	bool poll_fixed;
	uint64_t poll_share;		/* percent */
	uint64_t serial;		/* 0: made from the file */
};

/**
 * gw_nvme_options_parse() - read "key=value,key=value"
 * @o: defaults are set here; o->file is the caller's to free, also after an error
 *
 * Return: 0; -EINVAL (logged), -ENOMEM.
 */
int gw_nvme_options_parse(const char *opts, struct gw_log *log, struct nvme_options *o);

#endif
