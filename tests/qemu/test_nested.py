# SPDX-License-Identifier: BSD-3-Clause
"""Functions of a machine through VFIO, in a QEMU with gangway inside that runs in that machine.

Usage: test_nested.py QEMUS BUILD [TEST...]: the folder of the QEMUs, and gangway's own.
"""

import os
import sys

import inside

sys.path.append(str(inside.ROOT / "tests" / "guest"))

import guest        # noqa: E402
import nested       # noqa: E402
import paravirt     # noqa: E402

QEMUS = os.path.realpath(sys.argv.pop(1)) if len(sys.argv) > 2 else sys.exit(__doc__)


def boot(work, ways, **more):
    """The machine, with QEMU in it; what the inner guests measured."""
    values = nested.boot(work, ways, qemu=QEMUS, **more)
    for way in ways:
        print(f"     {way}: the guest in the guest took {int(values[way]) / 100} s")
    return values


def interrupts_and_dma(work):
    """By MSI-X and by a line; and QEMU is killed while the disk does DMA: nothing stays mapped."""
    values = boot(work, ["inside", "inside_intx", "inside_killed"])
    for way in ("inside", "inside_intx"):
        guest.expect(int(values[f"{way}_interrupts"]) > 20,
                     f"{way}: {values[f'{way}_interrupts']} interrupts")


def plan_paravirt(work):
    """The inner guest's module maps at the IOMMU, by the companion."""
    boot(work, ["inside_paravirt"], add=paravirt.files("x86_64", "7.2"))


def plan_window(work):
    """An arm64 guest reaches the disk by addresses that the host chose, from its device tree."""
    values = boot(work, ["inside_window"], arch="aarch64")
    gpa, iova = (int(word, 16) for word in values["window_at"].split())
    guest.expect(gpa == 0x40000000 != iova, f"the window is at {iova:#x}")


if __name__ == "__main__":
    sys.exit(guest.main([interrupts_and_dma, plan_paravirt, plan_window]))
