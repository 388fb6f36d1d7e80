/* SPDX-License-Identifier: BSD-3-Clause */
#include "host/dext/claim.h"

#include <errno.h>
#include <string.h>

#include "base/os.h"
#include "base/util.h"
#include "host/dext/function.h"

/*
 * A VMM may keep what it was handed to map a BAR with, and then sees, and can change, what the next
 * VMM's guest does there. Where the BAR is memory in a file, as at the simulated host, the next VMM
 * therefore gets another file. Where no descriptor of a BAR exists nothing was handed to anybody.
 */

static int renew(struct gw_dext_function *fn)
{
	int ret = 0;

	for (unsigned int i = 0; !ret && i < GW_NR_BARS; i++)
		if (fn->bar[i].bar.info.mappable && fn->bar[i].map.fd >= 0)
			ret = gw_os_memory_renew(fn->bar[i].map.fd);
	if (ret)
		gw_err_guest(fn->f.log, "%s: its BARs cannot be made anew, so no other VMM gets them: %s",
			     fn->f.info.name, strerror(-ret));
	return ret;
}

static int claim_take(struct gw_function *f, const struct gw_vmm *vmm)
{
	struct gw_dext_function *fn = container_of(f, struct gw_dext_function, f);

	if (fn->handed && renew(fn))
		return -EIO;
	fn->handed = vmm != NULL;
	return 0;
}

static void claim_drop(struct gw_function *f)
{
	struct gw_dext_function *fn = container_of(f, struct gw_dext_function, f);

	if (fn->handed && !renew(fn))
		fn->handed = false;
}

const struct gw_claim_ops gw_dext_claim_ops = { .take = claim_take, .drop = claim_drop };
