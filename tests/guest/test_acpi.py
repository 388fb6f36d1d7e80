#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""The plan window in guests that UEFI firmware boots, by ACPI, as distributions' images are."""

import sys

import guest


def boot(work, memory):
    """A guest with a window of 1 GiB; what it measured, and what gangway said."""
    with work.run("acpi", [f"sim:nvme,file={work.path('disk.img')},size=256M"],
                  ["--memory", memory, "--window", "1G", "--firmware", guest.provisioned("firmware")],
                  add=(work.seed(),), append=f"gangway.sum={work.seed_sum(8)}") as run:
        run.finish()
        return run.values


def memory_equal_to_window(work):
    """All memory is the window: data is right, and nothing is bounced."""
    values = boot(work, "1G")
    guest.expect(values["bounced"] == "0", f"{values['bounced']} bytes were bounced")


def memory_twice_the_window(work):
    """The window is used first; pages beyond it are bounced by buffers that are inside."""
    values = boot(work, "2G")
    # what the kernel took at boot, before it knew of nodes, may lie beyond
    guest.expect(int(values["bounced"]) <= 64 << 10, f"{values['bounced']} bytes were bounced")
    guest.expect(int(values["bounced_far"]) > 0, "pages beyond the window were not bounced")


if __name__ == "__main__":
    sys.exit(guest.main([memory_equal_to_window, memory_twice_the_window]))
