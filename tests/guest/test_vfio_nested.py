#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""A guest in a guest: stock QEMU, as nobody, boots from what gangway serves through VFIO."""

import sys

import guest
import nested


def a_guest_in_the_guest(work):
    """Stock QEMU in the guest boots Linux, whose nvme driver uses the disk."""
    values = nested.boot(work, "direct")
    print(f"     the guest in the guest took {int(values['direct']) / 100} s")


if __name__ == "__main__":
    sys.exit(guest.main([a_guest_in_the_guest]))
