#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""Plan paravirt: what takes long.

That is the pairs of guest size and budget that test_paravirt_ram.py leaves out, the module loaded
again and again, the kernel of arm64 likewise, one that crashes, and a large granule.
"""

import sys

import guest
import paravirt

PAIRS = [paravirt.size_and_budget(*words) for words in (
    (512, 256, "x86_64", "7.2"),
    (512, 16, "arm64", "7.2"),
    (2048, 1536, "arm64", "6.12"),
    (2048, 16, "x86_64", "7.2"),
    (4096, 1536, "x86_64", "6.12"),
    (4096, 256, "x86_64", "7.2"),
)]


def module_goes_and_comes(work):
    """The module is unloaded and loaded 50 times under I/O."""
    paravirt.reload_module(work, 50)


def starts_again(work):
    """Linux 7.2 on arm64 reboots, is reset, starts another kernel, and is not suspended."""
    paravirt.start_again(work, "arm64", "7.2")


def large_granule(work):
    """A host that maps multiples of 2 MiB, 64 MiB in all."""
    with paravirt.run(work, "paravirt-simple", "arm64", "7.2", "512M",
                      ["--host-option", "max-bytes=64M", "--host-option", "granule=2M"]) as run:
        run.finish()


def crashes(work):
    """A kernel takes over from one that crashed: one fault, by its driver before the module."""
    with paravirt.run(work, "paravirt-crash", "x86_64", "7.2", "1G", qemu=(),
                      append="crashkernel=256M iomem=relaxed",
                      add=paravirt.kexec_files(work, "x86_64", "7.2")) as run:
        run.finish(code=4, faults=1)
    guest.expect(run.values.get("boots") == "2", "the second kernel did not run")


if __name__ == "__main__":
    sys.exit(guest.main([*PAIRS, module_goes_and_comes, starts_again, crashes, large_granule]))
