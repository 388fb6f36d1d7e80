# SPDX-License-Identifier: BSD-3-Clause
"""The report, and the exit status of what went wrong."""

import json
import os
import re
import resource
import signal
import subprocess

import nvme
import probe
from child import Child
from command import FAILED, FAULTS, OK, TAKES, refused
from qemu import MIB
from runner import main, test


@test
def a_report_that_cannot_be_written_is_named(rig):
    daemon = Child("gangway", [rig.gangway, "serve", "sim:probe", *TAKES, "--socket",
                               rig.path("s"), "--report", rig.path("report")])
    daemon.wait_line("serving")
    os.remove(rig.path("report"))
    os.mkdir(rig.path("report"))
    daemon.signal(signal.SIGTERM)
    assert daemon.wait_exit() == FAILED
    assert rig.path("report") in daemon.output and "Is a directory" in daemon.output


@test
def the_report_is_written_though_nobody_reads_what_is_said(rig):
    path, report = rig.new_path("s"), rig.new_path("report")
    ours, its = os.pipe()
    with subprocess.Popen([rig.gangway, "serve", "sim:probe", *TAKES, "--socket", path, "--report",
                           report], stderr=its) as serve_it:
        os.close(its)
        while b"serving" not in os.read(ours, 4096):
            pass
        os.close(ours)
        serve_it.terminate()
        assert serve_it.wait() == OK
    assert not os.path.lexists(path)
    with open(report, encoding="utf-8") as file:
        assert json.load(file)["plan"] == "direct"


@test
def a_report_is_tried_at_the_start_and_follows_no_link(rig):
    link, target = rig.path("link"), rig.path("target")
    os.symlink(target, link)
    for path in (rig.path("no/folder"), rig.path("."), link):
        refused(rig, FAILED, ["--report", path, "folder"], "serve", "sim:probe", *TAKES, "--socket",
                rig.path("s"), "--report", path)
    assert not os.path.lexists(target)


@test
def a_report_can_go_to_standard_output(rig):
    with subprocess.Popen([rig.gangway, "serve", "sim:probe", *TAKES, "--socket", rig.new_path("s"),
                           "--report", "-"], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                          text=True) as serve_it:
        for line in serve_it.stderr:
            if "serving" in line:
                break
        serve_it.terminate()
        assert json.loads(serve_it.stdout.read())["plan"] == "direct"
        assert serve_it.wait() == OK
    assert not os.path.exists("-")


@test
def a_disk_that_is_full_is_told_once_and_is_in_the_report_and_the_exit_status(rig):
    daemon = rig.daemon(f"sim:nvme,file={rig.path('disk')},size=64M")
    drive = nvme.Nvme(rig.qemu(daemon.socket))
    base = drive.qemu.machine.ram + 4 * MIB
    resource.prlimit(daemon.pid, resource.RLIMIT_FSIZE, (MIB, resource.RLIM_INFINITY))
    for block in range(0, 40):
        drive.io.submit(nvme.WRITE, prp1=base, nsid=1, cdw10=8192 + block)
        assert drive.io.complete()[1] & 0x7ff == 0x280, "a write fault"
    drive.transfer(nvme.WRITE, 8, base, 4096)      # where there is room
    daemon.status = FAILED
    drive.qemu.quit()
    assert daemon.stop()["io_errors"] == 40
    assert daemon.output.count("backing file: write") == 1, daemon.output
    assert "40 reads and writes of devices failed" in daemon.output


@test
def what_the_report_counts_adds_up(rig):
    daemon = rig.daemon(faults=300)
    device = probe.Probe(rig.qemu(daemon.socket))
    for i in range(300):
        device.begin(probe.CMD_FILL, dst=0x4000000000 + i * 4096, length=16)
        device.wait()
    device.qemu.quit()
    daemon.stop()
    told = daemon.output[daemon.output.index("DART faults"):]
    assert re.match(r"DART faults   300\n(    \S.* write .*, 1 times\n){8}    and 292 more$", told), told


@test
def faults_have_an_exit_status_of_their_own(rig):
    daemon = rig.daemon(faults=1)
    device = probe.Probe(rig.qemu(daemon.socket))
    device.begin(probe.CMD_FILL, dst=0x4000000000, length=16)
    device.wait()
    device.qemu.quit()
    daemon.stop()
    assert daemon.process.returncode == FAULTS
    assert "DART faults   1" in daemon.output


if __name__ == "__main__":
    main()
