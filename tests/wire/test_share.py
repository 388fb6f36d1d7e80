# SPDX-License-Identifier: BSD-3-Clause
"""`gangway share`: what it wants, and what the broker writes down."""

import json
import os
import signal
import stat
import time

import screen
from child import Child, wait_until
from command import FAILED, OK, TAKES, UNAVAILABLE, USAGE, gangway, refused, serve
from runner import main, test


MOST, WINDOW = 10, 5        # lines of what a guest causes in so many seconds


@test
def sharing_wants_a_broker_and_a_screen(rig):
    broker = rig.path("broker")
    refused(rig, USAGE, ["broker, list, show or watch", "--help"], "share")
    refused(rig, USAGE, ["broker, list, show or watch"], "share", "frob", "--broker", broker)
    refused(rig, USAGE, ["share list", "--broker PATH"], "share", "list")
    refused(rig, USAGE, ["share show", "a screen", "--png"], "share", "show", "1", "--broker", broker)
    refused(rig, USAGE, ["share watch", "a screen"], "share", "watch", "--broker", broker)
    refused(rig, USAGE, ["share: ", "'--frob'"], "share", "list", "--frob")
    for port in "0", "65536", "-1", "vnc":
        refused(rig, USAGE, [f"'{port}'", "1 to 65535"], "share", "watch", "1", "--broker", broker,
                "--vnc", port)
    for words in (["list"], ["show", "1", "--png", rig.path("p")], ["watch", "1"]):
        refused(rig, FAILED, [broker, "viewer", "No such file"], "share", *words, "--broker", broker)
    refused(rig, FAILED, [rig.path("policy")], "share", "broker", "--broker", broker, "--policy",
            rig.path("policy"))
    serve(rig, USAGE, ["--scan-out", "--share PATH"], "sim:gpu", "--scan-out", *TAKES)
    serve(rig, UNAVAILABLE, [broker, "VM guest"], "sim:gpu", "--share", broker, *TAKES)


@test
def a_broker_s_decisions_are_lines_of_json(rig):
    broker, policy, audit = rig.path("broker"), rig.path("policy"), rig.path("audit")
    with open(policy, "w", encoding="ascii") as file:
        file.write(f"importer viewer uid {os.getuid()}\n")
    os.chmod(policy, 0o600)
    with open(audit, "w", encoding="ascii") as file:
        file.write("{}\n")     # of an earlier broker
    refused(rig, FAILED, [rig.path("no/audit"), "No such file"], "share", "broker", "--broker",
            broker, "--policy", policy, "--audit", rig.path("no/audit"))
    child = Child("broker", [rig.gangway, "share", "broker", "--broker", broker, "--policy", policy,
                             "--audit", audit])
    try:
        child.wait_words("broker at", broker)
        assert stat.S_IMODE(os.stat(broker).st_mode) == 0o660
        assert gangway(rig, "share", "list", "--broker", broker)[0] == OK
        refused(rig, FAILED, ["stranger", "Permission denied"], "share", "list", "--broker", broker,
                "--as", "stranger")
        refused(rig, FAILED, [broker, "another program listens there"], "share", "broker",
                "--broker", broker, "--policy", policy)
        child.signal(signal.SIGTERM)
        assert child.wait_exit() == OK
    finally:
        child.kill()
    assert not os.path.lexists(broker)
    with open(audit, encoding="ascii") as file:
        first, *lines = [json.loads(line) for line in file]
    assert first == {} and len(lines) == 1, lines
    assert lines[0].pop("time") and lines[0].pop("pid")
    assert lines[0] == {"verdict": "deny", "uid": os.getuid(), "request": "hello",
                        "about": "as=importer name=stranger",
                        "reason": "the policy has none of this user"}


@test
def a_guest_that_shows_ever_new_pictures_fills_no_log(rig):
    child, broker = screen.broker(rig)
    try:
        daemon = rig.daemon("sim:gpu", options=("--share", broker))
        guest = screen.Guest(daemon.socket)
        before, began = 0, time.monotonic()
        for i in range(60):
            guest.show(320 + 8 * (i % 2), 200)
            # it is looked at by another thread, which may find two in one
            before = wait_until("the broker has it", lambda: newest(rig, broker, before))
        windows = 2 + int(time.monotonic() - began) // WINDOW
        for process in daemon, child:
            lines = [line for line in process.lines if "screen " in line or "publish" in line]
            assert len(lines) <= windows * MOST, lines
        guest.close()
        child.signal(signal.SIGTERM)
        assert child.wait_exit() == OK
    finally:
        child.kill()


def newest(rig, broker, before):
    """The number of the screen there is, if it is another than before."""
    out = gangway(rig, "share", "list", "--broker", broker)[1].splitlines()
    number = int(out[1].split()[0]) if len(out) > 1 else 0
    return number if number > before else None


@test
def a_disk_s_buffer_is_shared_and_its_registers_are_not(rig):
    broker, policy, disk = rig.path("broker"), rig.path("policy"), rig.path("disk")
    uid = os.getuid()
    with open(policy, "w", encoding="ascii") as file:
        file.write(f"vm disks uid {uid}\nimporter viewer uid {uid}\n"
                   "allow vm disks function any importer viewer kinds memfd copy\n")
    os.chmod(policy, 0o600)
    with open(disk, "wb") as file:
        file.truncate(1 << 20)
    children = [Child("broker", [rig.gangway, "share", "broker", "--broker", broker, "--policy",
                                 policy])]
    try:
        children[0].wait_words("broker at", broker)
        serve(rig, UNAVAILABLE, ["--share", "sim:gpu", "cmb=SIZE"], f"sim:nvme,file={disk}",
              "--share", broker, "--vm", "disks", *TAKES)
        children.append(Child("serve", [rig.gangway, "serve", f"sim:nvme,file={disk},cmb=1M",
                                        "--socket", rig.path("disk.sock"), "--share", broker, "--vm",
                                        "disks", *TAKES]))
        children[1].wait_words("serving")
        code, out, _ = gangway(rig, "share", "list", "--broker", broker)
        lines = out.splitlines()
        assert code == OK and len(lines) == 2, out
        assert lines[1].split()[1] == "disks" and lines[1].endswith("1 MiB  BAR 2"), lines
        for which in "disks", lines[1].split()[0]:      # it is no picture
            refused(rig, FAILED, [f"there is no screen {which}"], "share", "show", which, "--png",
                    rig.path("png"), "--broker", broker)
        children[1].signal(signal.SIGTERM)
        assert children[1].wait_exit() == OK
        code, out, _ = gangway(rig, "share", "list", "--broker", broker)
        assert code == OK and not out, out
    finally:
        for child in children:
            child.kill()


if __name__ == "__main__":
    main()
