/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "vm/vm.h"

/* Options of the host, kept until there is one. */

#define OPTION_MAX	255

int gw_vm_set_option(struct gw_vm *vm, const char *option)
{
	char **more;

	if (vm->host)
		return -EBUSY;
	if (strlen(option) > OPTION_MAX || !strchr(option, '=')) {
		gw_err(vm->log, "host option '%.*s': %s", OPTION_MAX, option,
		       strlen(option) > OPTION_MAX ? "too long" : "wants KEY=VALUE");
		return -EINVAL;
	}
	more = realloc(vm->option, (vm->nr_options + 1) * sizeof(*more));
	if (!more)
		return -ENOMEM;
	vm->option = more;
	more[vm->nr_options] = strdup(option);
	if (!more[vm->nr_options])
		return -ENOMEM;
	vm->nr_options++;
	return 0;
}

int gw_vm_host_options(struct gw_vm *vm, int (*set)(void *host, const char *key,
						     const char *value, struct gw_log *log),
		       void *host)
{
	int ret = 0;

	for (unsigned int i = 0; !ret && i < vm->nr_options; i++) {
		char *eq = strchr(vm->option[i], '=');

		*eq = '\0';
		ret = set(host, vm->option[i], eq + 1, vm->log);
		*eq = '=';
	}
	return ret == -ENOENT ? -EINVAL : ret;	/* there is no such option */
}
