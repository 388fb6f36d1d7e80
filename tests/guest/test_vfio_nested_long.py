#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""A guest in a guest, where it takes long."""

import sys

import guest
import nested

IOMMUS = ("intel", "virtio")


def iommus_of_the_inner_guest(work):
    """Plan direct through VFIO behind intel-iommu and virtio-iommu, strict and lazy."""
    values = nested.boot(work, IOMMUS, fio=True)
    nested.tell(values, IOMMUS)
    for way in IOMMUS:
        guest.expect(int(values[f"{way}_maps"]) > 1000, f"{way}: {values[way + '_maps']} mappings")


def plan_window(work):
    """An arm64 guest reaches the disk by addresses that the host chose, from its device tree."""
    values = nested.boot(work, ["window"], "aarch64")
    nested.tell(values, ["window"])
    gpa, iova = (int(word, 16) for word in values["window_at"].split())
    guest.expect(gpa == 0x40000000 != iova, f"the window is at {iova:#x}")
    guest.expect(values["window_maps"] == "1", f"{values['window_maps']} mappings")


def interrupts_by_a_line(work):
    """Without MSI, the disk interrupts by a line that KVM unmasks."""
    values = nested.boot(work, ["intx"])
    nested.tell(values, ["intx"])
    guest.expect(int(values["intx_interrupts"]) > 20, f"{values['intx_interrupts']} interrupts")


def small_kernel(work):
    """A small kernel that is built for the inner guest."""
    values = nested.boot(work, ["direct"], kernel=guest.built_kernel("x86_64", "iommufd"))
    nested.tell(values, ["direct"])


if __name__ == "__main__":
    sys.exit(guest.main([iommus_of_the_inner_guest, plan_window, interrupts_by_a_line,
                     small_kernel]))
