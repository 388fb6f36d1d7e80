#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""Plan paravirt on kernels that check locks, memory and DMA: 6.12 on arm64, 7.2 on x86-64.

They are those of provision/kernel-config/debug. What such a kernel finds, it prints, and guest.py
takes that for trouble.
"""

import re
import sys

import guest
import paravirt

VERSION = {"arm64": "6.12", "x86_64": "7.2"}

# What tests/guest/trouble-test does wrong, as the kernel says it.
MISTAKES = ("possible circular locking dependency", "BUG: sleeping function called",
            "list_del corruption", "DMA-API:.*frees DMA memory with different size",
            "BUG: KASAN: .*use-after-free")


def run(work, arch, script, memory, options=(), append="", **more):
    """A test of the plan, between checks that the kernel is watching."""
    with paravirt.run(work, "debug", arch, VERSION[arch], memory, options, built="debug",
                      append=f"gangway.inner={script} {append}", **more) as started:
        started.finish(1800)
    return started.values


def disk(work, *options, append=""):
    """fio verifies, the function is reset, the module goes and comes under I/O; on both kernels."""
    for arch, version in VERSION.items():
        # a reset of 6.12's own nvme driver holds a lock over its end, and locks are given up
        resets = 0 if version == "6.12" else 3
        values = run(work, arch, "paravirt", "1G", options,
                     f"gangway.reloads=3 gangway.resets={resets} {append}")
        print(f"     {arch}: {values['lock_classes']} classes of locks, "
              f"{values['dma_entries']} entries for mappings")


def operations(work, arch, append=""):
    """All DMA operations, of the probe's driver."""
    run(work, arch, "dma-ops", "1G", ["--show-at-once", "--host-option", "max-bytes=16M"],
        append, devices=["sim:probe"], probe=True, fio=False)


def budget_covers_ram(work):
    """A disk, all of RAM mapped once."""
    disk(work)


def budget_smaller_than_ram(work):
    """A disk, 256 MiB of 1 GiB to map, and nothing can be bounced."""
    disk(work, "--host-option", "max-bytes=256M", append="swiotlb=noforce")


def every_dma_operation(work):
    """The probe's driver tries them all, on both kernels."""
    for arch in VERSION:
        operations(work, arch)


def every_dma_operation_covered(work):
    """The same where all of RAM is mapped once."""
    for arch in VERSION:
        run(work, arch, "dma-ops-covered", "1G", devices=["sim:probe"], probe=True, fio=False)


def every_dma_operation_without_bounces(work):
    """The same where arm64 cannot bounce: it then also looks for memory that is mapped twice."""
    operations(work, "arm64", append="swiotlb=noforce")


def every_dma_operation_bounced(work):
    """The same where the kernel bounces all that is mapped."""
    for arch in VERSION:
        operations(work, arch, append="swiotlb=65536,force")


def too_little_to_map(work):
    """A disk, 2 MiB to map: failures, trace events, and strict=1, which unmaps at once."""
    for arch in VERSION:
        run(work, arch, "paravirt-look", "1G", ["--host-option", "max-bytes=2M"])


def mistakes_are_caught(work):
    """Each kind of check tells of a mistake made on purpose, and guest.py sees it."""
    for arch in VERSION:
        ko = paravirt.module(arch, "debug", "tests/guest/trouble-test")
        with work.run("trouble", ["sim:probe"], ["--plan", "paravirt", "--memory", "768M"],
                      arch=arch, version=VERSION[arch], built="debug",
                      add=(f"{ko}:/trouble-test.ko",)) as started:
            started.console.drain(600)
            trouble = started.console.trouble
        with open(started.console.log_path, encoding="utf-8") as log:
            lines = log.read().splitlines()
        guest.expect(trouble, f"{arch}: the kernel made no complaint")
        for mistake in MISTAKES:
            said = [line for line in lines if re.search(mistake, line)]
            guest.expect(said, f"{arch}: the kernel did not say '{mistake}'")
            guest.expect(any(map(guest.TROUBLE.search, said)), f"{arch}: no trouble: {said}")


if __name__ == "__main__":
    sys.exit(guest.main([mistakes_are_caught, every_dma_operation, every_dma_operation_covered,
                         every_dma_operation_without_bounces, every_dma_operation_bounced,
                         budget_covers_ram, budget_smaller_than_ram, too_little_to_map]))
