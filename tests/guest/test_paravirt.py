#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""Plan paravirt: the guest's module maps memory through the companion."""

import sys

import guest

PROBE_TEST = "tests/guest/probe-test"


def module(arch, version, folder=None):
    """Build a module for a guest's kernel; its path."""
    words = ["module", guest.kernel_arch(arch), version]
    return guest.provisioned(*words, *([f"{guest.ROOT}/{folder}"] if folder else []))


def disk(work, arch, version, memory, *options, append=""):
    """A guest whose disk hides until the module translates for it."""
    ko = f"{module(arch, version)}:/gangway-dma.ko"
    with work.run("paravirt", [f"sim:nvme,file={work.path('disk.img')},size=64M"],
                  ["--plan", "paravirt", "--memory", memory, "--cpus", "2", *options],
                  arch=arch, version=version, fio=True, add=(work.seed(), ko),
                  append=append) as run:
        run.finish()


def budget_covers_ram(work):
    """Linux 7.2 on arm64, all of RAM mapped once."""
    disk(work, "arm64", "7.2", "512M")


def budget_smaller_than_ram(work):
    """Linux 7.2 on x86-64 with 1 GiB, a budget of 256 MiB: windows are kept warm."""
    disk(work, "x86_64", "7.2", "1G", "--host-option", "max-bytes=256M", append="gangway.hot=1")


def every_dma_operation(work):
    """The probe's driver under Linux 6.12 on arm64 tries them all, with 16 MiB to map."""
    add = (f"{module('arm64', '6.12')}:/gangway-dma.ko",
           f"{module('arm64', '6.12', PROBE_TEST)}:/probe-test.ko")
    with work.run("dma-ops", ["sim:probe"],
                  ["--plan", "paravirt", "--memory", "1G", "--host-option", "max-bytes=16M"],
                  arch="arm64", version="6.12", add=add) as run:
        run.finish()


if __name__ == "__main__":
    sys.exit(guest.main([budget_covers_ram, budget_smaller_than_ram, every_dma_operation]))
