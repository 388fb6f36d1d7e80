/* SPDX-License-Identifier: BSD-3-Clause */
#include <gangway/vfio.h>

#include "vm/vm.h"

/* The functions of a machine with Linux are VFIO's. */

#define MEMORY_EXTRA	(256ull << 20)
#define MEMORY_MAPS	65536u

static int vfio_option(void *host, const char *key, const char *value, struct gw_log *log)
{
	return gw_vfio_set_option(host, key, value, log);
}

int gw_vm_platform_host(struct gw_vm *vm)
{
	/*
	 * besides its RAM a guest has flash, ROMs and what graphics cards have, of which there is
	 * little
	 */
	struct gw_vfio_options vfio = {
		.tree = vm->opt.tree,
		.max_bytes = vm->opt.memory ? vm->opt.memory + MEMORY_EXTRA : 0,
		.max_maps = vm->opt.memory ? MEMORY_MAPS : 0,
	};
	int ret = gw_vm_host_options(vm, vfio_option, &vfio);

	return ret ? ret : gw_vfio_host_new(&vfio, vm->log, &vm->host);
}
