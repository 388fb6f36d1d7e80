#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""The plan window at its edges: sizes of memory and window, and hosts that allow little."""

import os
import re
import sys

import guest
import own_qemu

BLOCKS = 8

# What Linux says when bounce buffers, of which a small window has few, run out for a moment; the
# driver waits and tries again.
FULL = "swiotlb.buffer.is.full"


def words(work, expected="", append=""):
    """What the kernel of a guest that writes and reads data is told."""
    return f"gangway.sum={work.seed_sum(BLOCKS)} gangway.expect={expected} {append}"


def data_through(work, options, expected="", append="", **image):
    """Write and read data in a guest with these options; its report and its measurements."""
    with work.run("window", [f"sim:nvme,file={work.path('disk.img')},size=256M"], options,
                  add=(work.seed(),), append=words(work, expected, append), **image) as run:
        report = run.finish()
        os.unlink(work.path("disk.img"))
        return report, int(run.values["bounced"]), run.stderr()


def window_mib(report):
    """The size of the report's window."""
    return report["window"]["size"] // guest.MIB


def memory_smaller_than_window(work):
    """Memory smaller than the window: all of it is the window, nothing is bounced."""
    report, bounced, _ = data_through(work, ["--memory", "384M", "--window", "1G"])
    guest.expect(window_mib(report) == 384, f"the window has {window_mib(report)} MiB")
    guest.expect(bounced == 0, f"{bounced} bytes were bounced")


def memory_equal_to_window(work):
    """Memory equal to the window: nothing is bounced."""
    report, bounced, _ = data_through(work, ["--memory", "384M", "--window", "384M"])
    guest.expect(window_mib(report) == 384, f"the window has {window_mib(report)} MiB")
    guest.expect(bounced == 0, f"{bounced} bytes were bounced")


def memory_four_times_the_window(work):
    """Memory four times the window, in one node: what lies outside is bounced."""
    report, bounced, _ = data_through(work, ["--memory", "1G", "--window", "256M", "--one-node"])
    guest.expect(window_mib(report) == 256, f"the window has {window_mib(report)} MiB")
    guest.expect(bounced > 0, "nothing was bounced")


def window_is_used_first(work):
    """Memory twice the window: the kernel uses the window first; of 64 MiB at most a few stray pages bounce."""
    for version in ("7.2", "6.12"):
        report, bounced, log = data_through(work, ["--memory", "2G", "--window", "1G"],
                                            version=version)
        guest.expect(window_mib(report) == 1024, f"the window has {window_mib(report)} MiB")
        guest.expect("is NUMA node 1" in log, f"no word of the nodes:\n{log}")
        guest.expect(bounced <= guest.STRAY, f"{bounced} bytes were bounced under {version}")


def kernel_without_numa_bounces(work):
    """A kernel that knows of no nodes boots with them; it bounces, as is said, and data is right."""
    _, bounced, log = data_through(work, ["--memory", "2G", "--window", "1G"], append="numa=off")
    guest.expect("one that does not uses it first" in log, f"it is not said:\n{log}")
    guest.expect(bounced > 0, "nothing was bounced")


def served_window_is_used_first(work):
    """A QEMU of the user's own, with what serve prints and a tree that knows no nodes: the same."""
    values = own_qemu.boot(work, "window", "2G", "1G", words(work))
    guest.expect(int(values["bounced"]) <= guest.STRAY, f"{values['bounced']} bytes were bounced")


def smallest_window(work):
    """The smallest window; bounce buffers may run out, data is right."""
    report, bounced, _ = data_through(work, ["--memory", "512M", "--window", "64M"], FULL)
    guest.expect(window_mib(report) == 64, f"the window has {window_mib(report)} MiB")
    guest.expect(bounced > 0, "nothing was bounced")


def default_window_keeps_to_the_budget(work):
    """Without --window, it is as large as the host's budget."""
    report, _, _ = data_through(work, ["--memory", "512M", "--host-option", "max-bytes=160M"])
    guest.expect(window_mib(report) == 160, f"the window has {window_mib(report)} MiB")


def split_mapping_uses_the_largest_range(work):
    """A host that splits the mapping into three ranges: the largest is the window."""
    report, _, log = data_through(work, ["--memory", "1G", "--window", "384M",
                                         "--host-option", "segments=3"])
    found = re.search(r"split the window of 384 MiB into 3 ranges; the largest has (\d+) MiB", log)
    guest.expect(found, f"no word of the ranges:\n{log}")
    guest.expect(window_mib(report) == int(found.group(1)) < 384,
                 f"the window has {window_mib(report)} MiB")


def refused(work, options, *texts):
    """gangway must end with exit code 1 before QEMU starts, and say all of the texts."""
    with work.run("window", [f"sim:nvme,file={work.path('disk.img')},size=256M"], options,
                  qemu=("-no-reboot", "-pidfile", work.path("qemu-was-here")),
                  add=(work.seed(),)) as run:
        run.console.drain(60)
        code = run.wait(30)
        log = run.stderr()
    guest.expect(code == 1, f"exit code {code}, not 1:\n{log}")
    for text in texts:
        guest.expect(text in log, f"'{text}' is not said:\n{log}")
    guest.expect(not os.path.exists(work.path("qemu-was-here")), "QEMU was started")
    guest.expect(not guest.SANITIZER.search(log), f"a sanitizer has found something:\n{log}")


def impossible_windows_are_refused(work):
    """Windows that budget, least size or granule refuse: an error before QEMU starts."""
    refused(work, ["--memory", "4G", "--window", "2G"], "exceeds what the host maps", "1536 MiB",
            "--window 1536M or less")
    refused(work, ["--memory", "512M", "--window", "128M", "--host-option", "max-bytes=64M"],
            "exceeds what the host maps", "--window 64M or less")
    refused(work, ["--memory", "512M", "--window", "32M"], "too small for a guest", "64 MiB")
    refused(work, ["--memory", "512M", "--window", "100001K"], "must be multiples of 0x4000")
    refused(work, ["--memory", "512M", "--window", "64M", "--host-option", "fail-map=1"],
            "cannot map a window of 64 MiB")
    refused(work, ["--memory", "512M", "--window", "128M", "--host-option", "segments=5"],
            "the largest range has", "a guest needs 64")
    refused(work, ["--memory", "512M", "--window", "64M", "--host-option", "segments=32"],
            "split into too many ranges", "ask for a smaller --window")


if __name__ == "__main__":
    sys.exit(guest.main([memory_smaller_than_window, memory_equal_to_window,
                         memory_four_times_the_window, window_is_used_first,
                         kernel_without_numa_bounces, served_window_is_used_first, smallest_window,
                         default_window_keeps_to_the_budget, split_mapping_uses_the_largest_range,
                         impossible_windows_are_refused]))
