/* SPDX-License-Identifier: BSD-3-Clause */
#include <gangway/iokit.h>

#include "vm/vm.h"

/* The functions of a Mac are those that the driver extension has. */

/*
 * For the life of the process: an extension that was given up may answer one of our calls at any
 * later time, and needs the connection then.
 */
static pthread_mutex_t services_lock = PTHREAD_MUTEX_INITIALIZER;
static struct gw_dext_services *services GW_GUARDED_BY(services_lock);

static int services_have(struct gw_dext_services **s)
{
	int ret = 0;

	pthread_mutex_lock(&services_lock);
	if (!services)
		ret = gw_iokit_new(NULL, NULL, NULL, &services);
	*s = services;
	pthread_mutex_unlock(&services_lock);
	return ret;
}

static int dext_option(void *host, const char *key, const char *value, struct gw_log *log)
{
	return gw_dext_set_option(host, key, value, log);
}

int gw_vm_platform_host(struct gw_vm *vm)
{
	struct gw_dext_services *s;
	int ret = gw_vm_host_options(vm, dext_option, &vm->dexts);

	if (!ret)
		ret = services_have(&s);
	if (!ret)
		ret = gw_dext_host_new(s, vm->log, &vm->host);
	if (!ret)
		gw_dext_host_set_options(vm->host, &vm->dexts);
	return ret;
}
