#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""Guests that reboot, and VMMs that are killed: the disk stays what it was."""

import os
import re
import signal
import sys

import guest

SYNCED = 12


def disk_of(work):
    """The device of these tests."""
    return f"sim:nvme,file={work.path('disk.img')},size=256M"


def reboot_and_reset_keep_data(work):
    """Reboot in order, then reset in the middle of writing; data is as it was each time."""
    with work.run("reboot", [disk_of(work)], ["--memory", "512M", "--window", "256M", "--cpus", "2"],
                  qemu=(), add=(work.seed(),), append=f"gangway.sum={work.seed_sum(8)}") as run:
        report = run.finish()
    guest.expect(run.values.get("boots") == "3", f"{run.values.get('boots')} boots, not 3")
    guest.expect(report["resets"] >= 3, f"the function saw {report['resets']} resets")


def wait_synced(run):
    """Wait until so many files are announced; the number of the last."""
    run.console.wait_for(f"gw-step: synced {SYNCED}$", 180)
    return SYNCED


def expect_intact(run, last):
    """What crash-check measured is what must be."""
    guest.expect(run.values.get("intact") == str(last + 1),
                 f"{run.values.get('intact')} files of {last + 1} are intact")
    guest.expect(run.values.get("replayed") == "1", "no journal was replayed")


def last_synced(log_path):
    """The last file that the console's log knows to be on the disk."""
    with open(log_path, encoding="utf-8") as log:
        return max(int(n) for n in re.findall(r"synced (\d+)$", log.read(), re.M))


def killed_vmm_leaves_data_window(work):
    """Kill QEMU in mid-write under plan window; the next run reads all that was synced."""
    options = ["--memory", "512M", "--window", "256M"]
    with work.run("crash-write", [disk_of(work)], options, add=(work.seed(),)) as run:
        wait_synced(run)
        os.kill(run.qemu_pid(), signal.SIGKILL)
        run.finish(60, code=1, exits=())
        guest.expect("QEMU was ended by signal 9" in run.stderr(), "gangway does not say why")
        last = last_synced(run.console.log_path)
    with work.run("crash-check", [disk_of(work)], options, add=(work.seed(),),
                  append=f"gangway.last={last}") as run:
        run.finish()
        expect_intact(run, last)


def killed_vmm_leaves_server_and_data(work):
    """Kill QEMU in mid-write; the next QEMU on the same server reads all that was synced."""
    with guest.Server(work, [disk_of(work)], ["--host-option", "caller-iova=on"]) as server:
        with guest.Vmm(work, server, "crash-write", add=(work.seed(),)) as vmm:
            wait_synced(vmm)
            vmm.kill()
            last = last_synced(vmm.console.log_path)
        server.wait_stderr("client gone", 30)
        with guest.Vmm(work, server, "crash-check", add=(work.seed(),),
                       append=f"gangway.last={last}") as vmm:
            vmm.finish()
            expect_intact(vmm, last)
        report = server.finish()
    guest.expect(report["plan"] == "direct", f"the plan was {report['plan']}, not direct")


if __name__ == "__main__":
    sys.exit(guest.main([reboot_and_reset_keep_data, killed_vmm_leaves_data_window,
                         killed_vmm_leaves_server_and_data]))
