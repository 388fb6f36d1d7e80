#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""A disk under load in each guest kernel that is supported, by each plan."""

import sys

import guest


def under_load(work, arch, version, plan):
    """Verify data through load, unbinds, resets and a rescan; judge the report."""
    options = ["--memory", "768M", "--cpus", "4"]
    if plan == "window":
        options += ["--window", "384M", "--one-node"]
    else:
        options += ["--host-option", "caller-iova=on"]
    with work.run("matrix", [f"sim:nvme,file={work.path('disk.img')},size=256M"], options,
                  arch=arch, version=version, fio=True, add=(work.seed(),)) as run:
        report = run.finish()
    guest.expect(report["plan"] == plan, f"the plan was {report['plan']}, not {plan}")
    bounced = int(run.values["bounced"])
    guest.expect((bounced > 0) == (plan == "window"), f"{bounced} bytes were bounced")
    print(f"     {run.values['kernel']}, {plan}: {report['dma_read_bytes'] >> 20} MiB read, "
          f"{report['dma_written_bytes'] >> 20} MiB written by the device, {bounced >> 20} MiB "
          f"bounced, {report['resets']} resets, {report['interrupts']} interrupts")


def arm64_7_2_window(work):
    """Linux 7.2 on arm64 with the plan window."""
    under_load(work, "arm64", "7.2", "window")


def arm64_6_12_window(work):
    """Linux 6.12 on arm64 with the plan window."""
    under_load(work, "arm64", "6.12", "window")


def x86_64_7_2_direct(work):
    """Linux 7.2 on x86-64 with the plan direct."""
    under_load(work, "x86_64", "7.2", "direct")


if __name__ == "__main__":
    sys.exit(guest.main([arm64_7_2_window, arm64_6_12_window, x86_64_7_2_direct]))
