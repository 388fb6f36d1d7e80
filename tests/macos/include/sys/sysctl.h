/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef TESTS_MACOS_SYSCTL_H
#define TESTS_MACOS_SYSCTL_H

#include <stddef.h>

/* As Apple's xnu declares it; played by cli_machine.c. */
int sysctlbyname(const char *name, void *old, size_t *size, void *to, size_t to_size);

#endif
