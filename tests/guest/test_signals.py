#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""SIGTERM to `gangway run`, at any moment: QEMU ends with it, and nothing is left behind."""

import os
import re
import select
import signal
import sys

import guest


def alive(pid):
    """Is there such a process, and is it not just waiting to be noticed as dead?"""
    try:
        with open(f"/proc/{pid}/stat", encoding="ascii") as file:
            return file.read().rpartition(")")[2].split()[0] not in "ZX"
    except FileNotFoundError:
        return False


def ended_at(work, moment, number=signal.SIGTERM):
    """Start a guest that is busy for ever, end gangway at a moment; return its exit code."""
    tmp = work.path(f"tmp-{work.runs}")  # nobody else's, so that what is left shows
    os.mkdir(tmp)
    with work.run("busy", [f"sim:nvme,file={work.path('disk.img')},size=64M"],
                  ["--memory", "512M", "--window", "256M"], add=(work.seed(),),
                  wrap=["env", f"TMPDIR={tmp}"]) as run:
        qemu = moment(run)
        run.popen.send_signal(number)
        run.console.drain(20)
        code = run.wait(20)
        guest.expect(not (qemu and alive(qemu)), "QEMU outlives gangway")
        guest.expect(not os.listdir(tmp), f"left behind in $TMPDIR: {os.listdir(tmp)}")
        guest.expect(not guest.SANITIZER.search(run.stderr()), run.stderr())
        if qemu:
            guest.expect(f"{tmp}/gangway-" in run.stderr(), "$TMPDIR is not used")
            guest.expect(code == 128 + number, f"exit code {code}:\n{run.stderr()}")
            guest.check_report(run.report_path, run.stderr())
    return code


def at_once(run):
    """Before it has done anything."""


def when_plan_is_chosen(run):
    """While it asks QEMU for a device tree."""
    run.wait_stderr("plan window", 30)


def when_listening(run):
    """As QEMU starts."""
    run.wait_stderr("window: guest", 30)


def when_connected(run):
    """While QEMU sets the function up."""
    run.wait_stderr("client connected", 30)
    return run.qemu_pid()


def when_busy(run):
    """While the disk reads and writes."""
    run.wait_for("gw-step: busy", 120)
    return run.qemu_pid()


def before_the_guest_runs(work):
    """SIGTERM before QEMU runs: an end, and nothing left."""
    for moment in (at_once, when_plan_is_chosen, when_listening):
        code = ended_at(work, moment)
        guest.expect(code in (128 + signal.SIGTERM, -signal.SIGTERM), f"{moment.__name__}: exit code {code}")


def while_qemu_starts(work):
    """SIGTERM while QEMU sets the function up."""
    ended_at(work, when_connected)


def in_the_middle_of_io(work):
    """SIGTERM in the middle of I/O."""
    ended_at(work, when_busy)


def interrupted_in_the_middle_of_io(work):
    """SIGINT in the middle of I/O."""
    ended_at(work, when_busy, signal.SIGINT)


def ends(pidfd, seconds):
    """Does a process end in time? The kernel kills it when its parent has gone, not at once."""
    poll = select.poll()
    poll.register(pidfd, select.POLLIN)
    return bool(poll.poll(seconds * 1000))


def gangway_killed_takes_qemu_along(work):
    """SIGKILL to gangway: QEMU does not outlive it, the next run finds the disk in order."""
    options = ["--memory", "512M", "--window", "256M"]
    disk = f"sim:nvme,file={work.path('disk.img')},size=256M"
    # a folder is left in $TMPDIR: nobody can help that
    with work.run("crash-write", [disk], options, add=(work.seed(),),
                  wrap=["env", f"TMPDIR={work.dir}"]) as run:
        run.wait_for("gw-step: synced 5$", 120)
        qemu = os.pidfd_open(run.qemu_pid())
        run.popen.kill()
        guest.expect(ends(qemu, 20), "QEMU outlives gangway")
        os.close(qemu)
        run.console.drain(20)
        run.wait(20)
        with open(run.console.log_path, encoding="utf-8") as log:
            synced = re.findall(r"synced (\d+)$", log.read(), re.M)
    with work.run("crash-check", [disk], options, add=(work.seed(),),
                  append=f"gangway.last={synced[-1]}") as run:
        run.finish()


if __name__ == "__main__":
    sys.exit(guest.main([before_the_guest_runs, while_qemu_starts, in_the_middle_of_io,
                         interrupted_in_the_middle_of_io, gangway_killed_takes_qemu_along]))
