#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""A guest in a guest: stock QEMU, as nobody, boots from what gangway serves through VFIO."""

import sys

import guest
import nested
import paravirt

WAYS = ("direct", "paravirt")


def guests_in_the_guest(work):
    """Stock QEMU in the guest boots Debian's small (cloud) kernel; its nvme driver uses the disk."""
    nested.tell(nested.boot(work, WAYS, add=paravirt.files("x86_64", "7.2")), WAYS)


if __name__ == "__main__":
    sys.exit(guest.main([guests_in_the_guest]))
