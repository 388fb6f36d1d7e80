/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef GANGWAY_SHARER_H
#define GANGWAY_SHARER_H

#include <stdint.h>

#include <gangway/device.h>

#ifdef __cplusplus
extern "C" {
#endif

/*
 * What a companion calls when its guest shares memory of the function, which it names by offsets in
 * a BAR and nothing else. gangway/buffers.h implements it.
 */

struct gw_sharer;

#define GW_SHARER_RANGES	65536u	/* of one buffer, at most */

/** struct gw_buffer_picture - what is in a buffer, as its guest says; all 0: no picture */
struct gw_buffer_picture {
	uint32_t width, height;		/* pixels */
	uint32_t stride;		/* bytes */
	uint32_t fourcc;		/* of DRM's formats */
};

/**
 * struct gw_sharer_ops - none of them waits for a broker; any thread
 * @share:       a part of a BAR; all of it is the guest's word, nothing is checked yet. Return: 0,
 *               and *@handle, which is never 0, nor given again; -EINVAL, -EOVERFLOW that cannot be
 *               shared; -ENOSPC there is too much already; -ENODEV the memory is not there; -ENOMEM
 * @unshare:     Return: -EBUSY it is being taken back: ask again; -ENOENT it is not there (any
 *               more), and nobody has it mapped
 * @unshare_all: when it returns nobody has anything mapped; it takes the time of one revoke
 */
struct gw_sharer_ops {
	int (*share)(struct gw_sharer *s, unsigned int bar, const struct gw_bar_range *range,
		     unsigned int nr, const struct gw_buffer_picture *picture, uint64_t *handle);
	int (*unshare)(struct gw_sharer *s, uint64_t handle);
	void (*unshare_all)(struct gw_sharer *s);
};

/** struct gw_sharer - first member of each one's own */
struct gw_sharer {
	const struct gw_sharer_ops *ops;
};

#ifdef __cplusplus
}
#endif

#endif
