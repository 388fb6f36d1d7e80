/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "cli/harden.h"

#include <errno.h>
#include <string.h>
#ifdef __linux__
#include <cap-ng.h>
#include <sys/prctl.h>
#endif

#include "cli/cli.h"

#ifdef __linux__
/* Keep of these capabilities those that the process has. */
static int drop_capabilities(bool platform)
{
	const unsigned int wanted[] = { CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH, CAP_SYS_PTRACE,
					CAP_IPC_LOCK };
	bool have[4] = { false };

	if (capng_get_caps_process())
		return -EPERM;
	for (unsigned int i = 0; i < 4; i++)
		have[i] = capng_have_capability(CAPNG_PERMITTED, wanted[i]) &&
			  (platform || wanted[i] != CAP_IPC_LOCK);
	capng_clear(CAPNG_SELECT_ALL);
	for (unsigned int i = 0; i < 4; i++)
		if (have[i])
			capng_update(CAPNG_ADD, CAPNG_EFFECTIVE | CAPNG_PERMITTED |
				     CAPNG_BOUNDING_SET, wanted[i]);
	return capng_apply(CAPNG_SELECT_ALL) ? -EPERM : 0;
}

int harden(bool platform, struct gw_log *log)
{
	int ret = prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) || prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) ?
		  -errno : drop_capabilities(platform);

	if (!ret)
		return 0;
	gw_err(log, "cannot give up privileges that are of no use: %s", strerror(-ret));
	gw_hint(log, "start it with fewer restrictions (seccomp, a container's), or as another user");
	return CLI_FAILED;
}
#else
int harden(bool platform, struct gw_log *log)
{
	return 0;
}
#endif
