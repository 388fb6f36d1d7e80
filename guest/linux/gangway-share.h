/* SPDX-License-Identifier: GPL-2.0-only WITH Linux-syscall-note */
#ifndef GANGWAY_SHARE_H
#define GANGWAY_SHARE_H

#include <linux/types.h>

/*
 * /dev/gangway-share, for root: shares memory of a function with the host, as its policy allows.
 * A write of struct gangway_share and, behind it, 1 to 65536 of struct gangway_range makes a
 * buffer. An open file is one buffer, which is shared until the file is closed, the function is
 * reset, its memory disabled, or its driver unbound.
 *
 * Errors of the write: EINVAL another length, or the host finds no such memory, or the picture does
 * not fit; ENODEV no function that gangway serves; EOPNOTSUPP the host shares nothing; EEXIST the
 * file has a buffer; ENOMEM too many buffers or ranges; EIO.
 */

/**
 * struct gangway_share - what is shared
 * @function: domain << 16 | bus << 8 | devfn; a driver is bound to it
 * @bar:      of it, 0 to 5
 * @width:    of the picture in the buffer, in pixels; 0: none, and the next three are 0, too
 * @height:   likewise
 * @stride:   bytes from one line to the next
 * @fourcc:   its format, of drm_fourcc.h
 */
struct gangway_share {
	__u32 function;
	__u32 bar;
	__u32 width;
	__u32 height;
	__u32 stride;
	__u32 fourcc;
};

/* Bytes of the BAR: whole pages of 4 KiB. */
struct gangway_range {
	__u64 offset;
	__u64 length;
};

#endif
