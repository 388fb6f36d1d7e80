#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""Plan paravirt on kernels unlike Debian's: no DMA operations of devices, pages of 16 KiB.

They are those of provision/kernel-config/no-dma-ops and large-pages.
"""

import sys

import guest
import paravirt


def disk(work, arch, built, memory, options=(), append=""):
    """fio verifies, the function is reset, the module goes and comes under I/O."""
    with paravirt.run(work, "paravirt", arch, "7.2", memory, options, built=built,
                      append=f"gangway.reloads=2 {append}") as run:
        run.finish()


def operations(work, arch, built, memory):
    """Every DMA operation, where all of RAM is mapped once."""
    with paravirt.run(work, "dma-ops-covered", arch, "7.2", memory, devices=["sim:probe"],
                      built=built, probe=True, fio=False) as run:
        # registers of a device are not mapped, as is tried
        run.finish(code=4, faults=1)


def part(work, arch, built, memory, budget, append=""):
    """Less can be mapped than there is of RAM: what is not is bounced."""
    with paravirt.run(work, "paravirt-part", arch, "7.2", memory,
                      ["--host-option", f"max-bytes={budget}"], built=built,
                      append=append) as run:
        run.finish()
    guest.expect(int(run.values["bounce_peak"]) > 0, "nothing was bounced")


def no_dma_ops_covered(work):
    """A kernel of arm64 without DMA operations of devices, all of RAM mapped."""
    disk(work, "arm64", "no-dma-ops", "1G")
    operations(work, "arm64", "no-dma-ops", "512M")


def no_dma_ops_in_part(work):
    """1.5 GiB of 4 can be mapped: on x86-64, with ACPI, and on arm64, with a device tree that says so."""
    part(work, "x86_64", "no-dma-ops", "4G", "1536M")
    part(work, "arm64", "no-dma-ops", "4G", "1536M")


def refused(work):
    """The memory where the kernel allocates for devices does not fit: it says so."""
    # a kernel that boots by ACPI takes all below 4 GiB
    with paravirt.run(work, "paravirt-refused", "arm64", "7.2", "4G",
                      ["--host-option", "max-bytes=1536M", "--firmware",
                       guest.provisioned("firmware")],
                      append="gangway.refused=where_the_kernel_allocates_for_devices") as run:
        run.finish()


def in_part(work):
    """Debian's kernels with mode=ranges: 1.5 GiB of 4 can be mapped."""
    part(work, "x86_64", None, "4G", "1536M")
    part(work, "arm64", None, "4G", "1536M")


def large_pages(work):
    """Pages of 16 KiB where the host's granule is that, where it is more, and where it is less."""
    for granule in ("16K", "64K"):
        disk(work, "arm64", "large-pages", "1G", ["--host-option", f"granule={granule}"])
    operations(work, "arm64", "large-pages", "512M")
    # addresses of pages are then no multiples of pages
    with paravirt.run(work, "paravirt-refused", "arm64", "7.2", "1G",
                      ["--host-option", "granule=4K"], built="large-pages",
                      append="gangway.refused=not_aligned_as_pages") as run:
        run.finish()


if __name__ == "__main__":
    sys.exit(guest.main([no_dma_ops_covered, no_dma_ops_in_part, refused, in_part, large_pages]))
