/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef TESTS_GUEST_CLIENT_IGB_H
#define TESTS_GUEST_CLIENT_IGB_H

/* Intel 82576: what its physical and its virtual functions tell each other. */

#define IGB_NR_VFS		8u

/* In the mailbox, of which each virtual function has one. An answer has the type, and a flag. */
#define IGB_MSG_RESET		0x01u		/* answered with the function's address */
#define IGB_MSG_TYPE		0xffffu
#define IGB_MSG_ACK		0x80000000u
#define IGB_MSG_NACK		0x40000000u

#define IGB_QUEUE_ENABLE	(1u << 25)	/* RXDCTL, TXDCTL */

#endif
