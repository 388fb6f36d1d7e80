/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CLI_DOCTOR_H
#define CLI_DOCTOR_H

#include <gangway/topology.h>

#include "cli/finding.h"

/** doctor_qemu() - is there a QEMU that can be a client? */
void doctor_qemu(struct gw_topology *t, struct doctor_finding *f);

/** doctor_qemu_other() - one for guests of the other architecture? */
void doctor_qemu_other(struct gw_topology *t, struct doctor_finding *f);

/** doctor_boot() - is there what 'gangway run' boots? */
void doctor_boot(struct gw_topology *t, struct doctor_finding *f);

/** doctor_memory() - is there room for a guest's memory in a file? */
void doctor_memory(struct gw_topology *t, struct doctor_finding *f);

/**
 * doctor_kvm() - does KVM run a guest?
 *
 * The file being there proves little: on some machines a VM can be made and no kernel boots in it.
 * So one is booted, if there is one, up to the moment when it misses its root file system.
 */
void doctor_kvm(struct gw_topology *t, struct doctor_finding *f);

#endif
