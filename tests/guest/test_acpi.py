#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""The plan window in guests that UEFI firmware boots, by ACPI, as distributions' images are."""

import json
import sys

import guest
import own_qemu


def boot(work, memory, firmware):
    """A guest with a window of 1 GiB; what it measured."""
    with work.run("acpi", [f"sim:nvme,file={work.path('disk.img')},size=256M"],
                  ["--memory", memory, "--window", "1G", "--firmware", firmware],
                  add=(work.seed(),), append=f"gangway.sum={work.seed_sum(8)}") as run:
        run.finish()
        return run.values


def used_first(values):
    """What a guest with more memory than window must have measured."""
    # what the kernel took at boot, before it knew of nodes, may lie beyond
    guest.expect(int(values["bounced"]) <= guest.STRAY, f"{values['bounced']} bytes were bounced")
    guest.expect("bounced_far" in values, "there is one node of memory")
    guest.expect(int(values["bounced_far"]) > 0, "pages beyond the window were not bounced")


def memory_equal_to_window(work):
    """All memory is the window: data is right, and nothing is bounced."""
    values = boot(work, "1G", guest.provisioned("firmware"))
    guest.expect(values["bounced"] == "0", f"{values['bounced']} bytes were bounced")


def memory_twice_the_window(work):
    """The window is used first; pages beyond it are bounced by buffers that are inside."""
    used_first(boot(work, "2G", guest.provisioned("firmware")))


def firmware_that_counts_flash_as_memory(work):
    """The same with Debian 12's, which says so of what no table of QEMU's has in a node."""
    used_first(boot(work, "2G", guest.provisioned("firmware", "12")))


def served_tables(work):
    """A QEMU of the user's own, with the tables that serve writes: the same, with less memory too."""
    append = f"gangway.sum={work.seed_sum(8)}"
    used_first(own_qemu.boot(work, "acpi", "2G", "1G", append, guest.provisioned("firmware")))
    values = own_qemu.boot(work, "acpi", "1G", "1G", append, guest.provisioned("firmware"))
    guest.expect(values["bounced"] == "0", f"{values['bounced']} bytes were bounced")


def guest_without_the_tables_is_told(work):
    """Booted by ACPI without our tables: its faults are recognised, and the report names the way out."""
    says = "addresses of the guest's RAM: it does not follow dma-ranges"
    with work.run("acpi", [f"sim:nvme,file={work.path('disk.img')},size=256M"],
                  ["--memory", "1G", "--plan", "window"], add=(work.seed(),),
                  qemu=("-no-reboot", "-bios", guest.provisioned("firmware"))) as run:
        run.wait_stderr(says, 900)
        run.end()
        log = run.stderr()
        with open(run.report_path, encoding="utf-8") as file:
            report = json.load(file)
    guest.expect(report["dart_faults"] > 0, "the report counts no faults")
    guest.expect(log.count(says) == 2, f"it is not said once at the fault and once at the end:\n{log}")
    for text in (*report["fault_causes"], log):
        guest.expect("--firmware" in text and "--acpi-table" in text,
                     f"the way out is not said in '{text}'")
    guest.expect(len(report["fault_causes"]) == 1, f"causes: {report['fault_causes']}")


if __name__ == "__main__":
    sys.exit(guest.main([memory_equal_to_window, memory_twice_the_window,
                         firmware_that_counts_flash_as_memory, served_tables,
                         guest_without_the_tables_is_told]))
