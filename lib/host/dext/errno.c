/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <stddef.h>

#include <gangway/dext.h>

#include "base/util.h"

/* Every code has one errno, and every errno one meaning, whichever call it answers. */
static const struct {
	uint32_t result;
	int err;
} table[] = {
	{ GW_IORETURN_SUCCESS,		0 },
	/* the platform failed, and does not say more */
	{ GW_IORETURN_ERROR,		EIO },
	{ GW_IORETURN_IO_ERROR,		EIO },
	{ GW_IORETURN_NO_MEMORY,	ENOMEM },
	/* a limit of the platform is reached: table full, no device address space left */
	{ GW_IORETURN_NO_RESOURCES,	ENOSPC },
	{ GW_IORETURN_NO_SPACE,		ENOSPC },
	/* the function, or the dext itself, is gone for good */
	{ GW_IORETURN_NO_DEVICE,	ENODEV },
	{ GW_IORETURN_OFFLINE,		ENODEV },
	{ GW_IORETURN_NOT_ATTACHED,	ENODEV },
	/* this process may not: entitlement or user */
	{ GW_IORETURN_NOT_PRIVILEGED,	EACCES },
	{ GW_IORETURN_NOT_PERMITTED,	EACCES },
	{ GW_IORETURN_BAD_ARGUMENT,	EINVAL },
	/* another process holds the function */
	{ GW_IORETURN_EXCLUSIVE_ACCESS,	EBUSY },
	/* this dext does not know the call */
	{ GW_IORETURN_UNSUPPORTED,	EOPNOTSUPP },
	/* the function has to be claimed first */
	{ GW_IORETURN_NOT_OPEN,		ENOTCONN },
	/* interrupts have to be set up first */
	{ GW_IORETURN_NOT_READY,	EAGAIN },
	/* the machine sleeps */
	{ GW_IORETURN_NO_POWER,		EAGAIN },
	/* it is there already: key registered, address taken, interrupts set up */
	{ GW_IORETURN_STILL_OPEN,	EEXIST },
	/* the memory falls into more ranges than the reply has room for */
	{ GW_IORETURN_NOT_ALIGNED,	EMLINK },
	{ GW_IORETURN_TIMEOUT,		ETIMEDOUT },
	/* the connection was closed meanwhile */
	{ GW_IORETURN_ABORTED,		ECANCELED },
	/* the offset lies outside the region */
	{ GW_IORETURN_OVERRUN,		ERANGE },
	/* no such key */
	{ GW_IORETURN_NOT_FOUND,	ENOENT },
};

int gw_dext_errno(uint32_t result)
{
	for (size_t i = 0; i < ARRAY_SIZE(table); i++)
		if (table[i].result == result)
			return -table[i].err;
	return -EIO;
}
