/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef GANGWAY_DEXT_ABI_H
#define GANGWAY_DEXT_ABI_H

/*
 * The numbers of the dext protocol, for both of its sides: the client, and the driver extension,
 * which is C++.
 */

#define GW_DEXT_NR_BARS		6
#define GW_DEXT_MAX_VECTORS	256
#define GW_DEXT_MAX_SEGMENTS	7	/* that a registration may report */
#define GW_DEXT_IRQ_PAGE_SIZE	16384u
#define GW_DEXT_FAULT_WORDS	5	/* of a DART's report; Apple does not say what they mean */

enum gw_dext_selector {
	GW_DEXT_GET_IDENTITY,		/* -> bus, dev, fn, vendor, device, class */
	GW_DEXT_CLAIM,
	GW_DEXT_TERMINATE,
	GW_DEXT_ALLOC_BUFFER,		/* size, alignment -> size, flags, n, addr, len, class */
	GW_DEXT_FREE_BUFFER,
	GW_DEXT_REGISTER_REGION,	/* key, address, size -> n, addr, len */
	GW_DEXT_UNREGISTER_REGION,	/* key */
	GW_DEXT_PROBE_REGION,		/* key, offset -> the 8 bytes there */
	GW_DEXT_CONFIG_READ,		/* offset, width -> value */
	GW_DEXT_CONFIG_WRITE,		/* offset, width, value */
	GW_DEXT_GET_BAR_INFO,		/* bar -> memory index, size, type */
	GW_DEXT_MMIO_READ,		/* memory index, offset, width -> value */
	GW_DEXT_MMIO_WRITE,		/* memory index, offset, width, value */
	GW_DEXT_SETUP_INTERRUPTS,	/* -> vectors */
	GW_DEXT_CHECK_INTERRUPT,	/* -> pending[4]; taken */
	GW_DEXT_WAIT_INTERRUPT,		/* asynchronous */
	GW_DEXT_SET_IRQ_MASK,		/* enabled[4] */
	GW_DEXT_RESET_DEVICE,

	/* gangway's own; a dext without them answers GW_IORETURN_UNSUPPORTED */
	GW_DEXT_GET_LIMITS,		/* -> granule, bytes, maps, map bytes, segments, flags,
					 *    first IOVA, last IOVA */
	GW_DEXT_REGISTER_AT,		/* key, address, size, flags, IOVA -> as REGISTER_REGION */
	GW_DEXT_REGISTER_REMOTE,	/* key, struct gw_remote *, size, flags, IOVA, remote
					 * address -> as REGISTER_REGION; in one process only */
	GW_DEXT_GET_FAULTS,		/* -> how many there were, words of the last one */
	GW_DEXT_NR_SELECTORS,
};

/* flags of GW_DEXT_GET_LIMITS */
#define GW_DEXT_LIMIT_CALLER_IOVA	1u	/* REGISTER_AT and REGISTER_REMOTE honour IOVA */
#define GW_DEXT_LIMIT_REMOTE		2u	/* REGISTER_REMOTE works */

/* flags of GW_DEXT_REGISTER_AT and GW_DEXT_REGISTER_REMOTE */
#define GW_DEXT_REGION_READ_ONLY	1u	/* for the device */
#define GW_DEXT_REGION_FIXED		2u	/* at the IOVA given; else the platform chooses */

/*
 * A reply to a registration carries its segment count first, then address and length of each. A
 * call offers room for the n segments that it takes: 1 + 2n output scalars, 15 for GW_MAX_SEGMENTS,
 * because IOKit carries 16 at most. A dext that cannot fit its segments into the room offered
 * answers GW_IORETURN_NOT_ALIGNED and registers nothing. A registration whose IOVA or key is in use
 * answers GW_IORETURN_STILL_OPEN.
 */

enum gw_dext_memory {
	GW_DEXT_MEMORY_BUFFER,
	GW_DEXT_MEMORY_BAR0,		/* 1 + BAR index, not the memory index */
	GW_DEXT_MEMORY_IRQ_PAGE = 7,
};

#define GW_DEXT_MAP_WRITE_COMBINE	0x400u

/* IOReturn codes (IOKit/IOReturn.h) that the dext, or IOKit on its way there, answers with. */
#define GW_IORETURN_SUCCESS		0u
#define GW_IORETURN_ERROR		0xe00002bcu
#define GW_IORETURN_NO_MEMORY		0xe00002bdu
#define GW_IORETURN_NO_RESOURCES	0xe00002beu
#define GW_IORETURN_NO_DEVICE		0xe00002c0u
#define GW_IORETURN_NOT_PRIVILEGED	0xe00002c1u
#define GW_IORETURN_BAD_ARGUMENT	0xe00002c2u
#define GW_IORETURN_EXCLUSIVE_ACCESS	0xe00002c5u
#define GW_IORETURN_UNSUPPORTED		0xe00002c7u
#define GW_IORETURN_IO_ERROR		0xe00002cau
#define GW_IORETURN_NOT_OPEN		0xe00002cdu
#define GW_IORETURN_NOT_ALIGNED		0xe00002d0u
#define GW_IORETURN_STILL_OPEN		0xe00002d2u
#define GW_IORETURN_TIMEOUT		0xe00002d6u
#define GW_IORETURN_OFFLINE		0xe00002d7u
#define GW_IORETURN_NOT_READY		0xe00002d8u
#define GW_IORETURN_NOT_ATTACHED	0xe00002d9u
#define GW_IORETURN_NOT_WRITABLE	0xe00002cfu
#define GW_IORETURN_NO_SPACE		0xe00002dbu
#define GW_IORETURN_NOT_PERMITTED	0xe00002e2u
#define GW_IORETURN_NO_POWER		0xe00002e3u
#define GW_IORETURN_OVERRUN		0xe00002e8u
#define GW_IORETURN_ABORTED		0xe00002ebu
#define GW_IORETURN_NOT_FOUND		0xe00002f0u

#endif
