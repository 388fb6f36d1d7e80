#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""Plan paravirt: the guest's module maps memory through the companion."""

import sys

import guest
import paravirt


def module_goes_and_comes(work):
    """All of RAM is mapped once; the module is unloaded and loaded 10 times under I/O."""
    paravirt.reload_module(work, 10)


def windows_are_kept_warm(work):
    """Linux 7.2 on x86-64 with 1 GiB, a budget of 256 MiB: few maps ask the host."""
    with paravirt.run(work, "paravirt", "x86_64", "7.2", "1G",
                      ["--host-option", "max-bytes=256M"],
                      append="gangway.hot=1 gangway.reloads=2") as run:
        run.finish()


def dma_operations(work, arch, version, append=""):
    """The probe's driver, first or second, tries all DMA operations, with 16 MiB to map."""
    with paravirt.run(work, "dma-ops", arch, version, "1G",
                      ["--show-at-once", "--host-option", "max-bytes=16M"],
                      devices=["sim:probe"], probe=True, fio=False, cpus=1,
                      append=f"iomem=relaxed {append}") as run:
        run.finish()


def every_dma_operation(work):
    """Linux 6.12 on arm64 does every DMA operation, without copies."""
    dma_operations(work, "arm64", "6.12")


def every_dma_operation_covered(work):
    """Linux 7.2 on arm64 does them where all RAM is mapped once."""
    with paravirt.run(work, "dma-ops-covered", "arm64", "7.2", "512M", devices=["sim:probe"],
                      probe=True, fio=False) as run:
        # registers of a device are not mapped, as is tried
        run.finish(code=4, faults=1)


def every_dma_operation_bounced(work):
    """Linux 7.2 on x86-64 does them where the kernel copies all; what it copies to is mapped."""
    with paravirt.run(work, "dma-ops-covered", "x86_64", "7.2", "1G",
                      ["--host-option", "max-bytes=128M"], devices=["sim:probe"], probe=True,
                      fio=False, append="swiotlb=force") as run:
        run.finish()


def shows_what_it_does(work):
    """With 2 MiB to map, and strict: errors, log, statistics and tracepoints are as they must be."""
    with paravirt.run(work, "paravirt-look", "x86_64", "7.2", "512M",
                      ["--host-option", "max-bytes=2M"]) as run:
        run.finish()


def few_mappings(work):
    """A host that makes 12 mappings, however large: requests are small enough to get through."""
    with paravirt.run(work, "paravirt-simple", "x86_64", "7.2", "512M",
                      ["--host-option", "max-bytes=64M", "--host-option", "max-maps=12"]) as run:
        report = run.finish()
    guest.expect(report["peak_maps"] <= 12, f"{report['peak_maps']} mappings at once")


def less_than_ranges_need(work):
    """Mode ranges where the kernel cannot bounce: the driver is refused, and says why."""
    with paravirt.run(work, "paravirt-refused", "x86_64", "7.2", "512M",
                      ["--host-option", "max-bytes=64M"],
                      append="gangway.windows=1 gangway.refused=no_bounce_buffer") as run:
        run.finish()


if __name__ == "__main__":
    sys.exit(guest.main([module_goes_and_comes, windows_are_kept_warm, every_dma_operation,
                         every_dma_operation_covered, every_dma_operation_bounced,
                         shows_what_it_does, few_mappings, less_than_ranges_need]))
