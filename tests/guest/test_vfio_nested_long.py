#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""A guest in a guest, where it takes long: the inner guest has an IOMMU of its own."""

import sys

import guest
import nested

WAYS = ("intel", "virtio")


def iommus_of_the_inner_guest(work):
    """Plan direct through VFIO behind intel-iommu and virtio-iommu, strict and lazy."""
    values = nested.boot(work, WAYS, fio=True)
    nested.tell(values, WAYS)
    for way in WAYS:
        guest.expect(int(values[f"{way}_maps"]) > 1000, f"{way}: {values[way + '_maps']} mappings")


if __name__ == "__main__":
    sys.exit(guest.main([iommus_of_the_inner_guest]))
