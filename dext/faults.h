/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef GANGWAY_DEXT_FAULTS_H
#define GANGWAY_DEXT_FAULTS_H

#include "platform.h"

/** faultsWatch() - the core is told of faults that the DART reports, while the session lasts */
void faultsWatch(Platform *p);

#endif
