/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef HW_GANGWAY_COMPAT_H
#define HW_GANGWAY_COMPAT_H

/* QEMU 10.0 to 11: headers move, and what is const grows. */

#include "hw/pci/msi.h"
#include "hw/pci/msix.h"
#include "hw/pci/pci_bus.h"
#include "hw/pci/pci_device.h"
#include "hw/pci/pcie.h"
#include "migration/vmstate.h"
#include "qapi/error.h"
#include "qemu/bitmap.h"
#include "qemu/error-report.h"
#include "qemu/main-loop.h"
#include "qemu/module.h"
#include "system/runstate.h"
#include "system/system.h"

#if __has_include("system/memory.h")
#include "system/address-spaces.h"
#include "system/memory.h"
#else
#include "exec/address-spaces.h"
#include "exec/memory.h"
#endif
#if __has_include("system/ramblock.h")
#include "system/ramblock.h"
#endif
#if __has_include("hw/core/boards.h")
#include "hw/core/boards.h"
#else
#include "hw/boards.h"
#endif
#if __has_include("hw/core/qdev-properties.h")
#include "hw/core/qdev-properties.h"
#else
#include "hw/qdev-properties.h"
#endif

#if QEMU_VERSION_MAJOR > 10 || QEMU_VERSION_MINOR >= 1
#define GANGWAY_CONST const
#else
#define GANGWAY_CONST
#endif

#endif
