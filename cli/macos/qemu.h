/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CLI_MACOS_QEMU_H
#define CLI_MACOS_QEMU_H

#include <stdbool.h>

#define QEMU_BINARY	"qemu-system-aarch64"

/** struct qemu_has - what a QEMU is able to do */
struct qemu_has {
	bool there, gangway, hvf;
	char version[32];	/* "" if it does not say */
};

/** qemu_name() - which one is used: @given, else $QEMU, else the one of the system */
const char *qemu_name(const char *given);

/** qemu_look() - ask it; @qemu as qemu_name() says */
void qemu_look(const char *qemu, struct qemu_has *has);

#endif
