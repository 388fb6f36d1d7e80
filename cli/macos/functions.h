/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CLI_MACOS_FUNCTIONS_H
#define CLI_MACOS_FUNCTIONS_H

#include <gangway/dext.h>
#include <gangway/log.h>

/** struct mac_function - one that the driver extension has */
struct mac_function {
	struct gw_function_info info;
	uint64_t granule;			/* of its DART; 0: not known, nor the next */
	uint64_t iova_first, iova_last;		/* addresses that the DART has for it */
};

/**
 * functions_list() - all there are
 * @list: takes an array to be freed with free(3); NULL if there are none
 *
 * Return: 0; -EACCES no extension lets us in; -ENOMEM.
 */
int functions_list(struct gw_log *log, struct mac_function **list, size_t *nr);

/** functions_window() - what its DART has, in words */
void functions_window(const struct mac_function *f, char *text, size_t size);

/** functions_bits() - how many address bits a driver in the guest must manage; 0: not known */
unsigned int functions_bits(const struct mac_function *f);

#endif
