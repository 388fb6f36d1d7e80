/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef GW_BASE_VMM_H
#define GW_BASE_VMM_H

#include <sys/types.h>

#include <gangway/device.h>

/**
 * gw_vmm_pid() - its number. Return: 0: it is not known, or in a PID namespace that is not seen
 * here
 */
pid_t gw_vmm_pid(int fd);

/**
 * gw_vmm_of_socket() - which process is at the other end of @fd
 *
 * It is the one that called connect(2), wherever it may have sent the socket since. One that this
 * process cannot see, as in another PID namespace, is not known.
 */
void gw_vmm_of_socket(int fd, struct gw_vmm *vmm);

/** gw_vmm_is_gone() - has that process ended? One that is not known has not */
bool gw_vmm_is_gone(const struct gw_vmm *vmm);

#endif
