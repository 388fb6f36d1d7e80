# SPDX-License-Identifier: BSD-3-Clause
"""The exit statuses of gangway(1), command by command: one table, and output that cannot be written."""

import os
import signal
import stat
import subprocess
import sys

import screen
from child import TIMEOUT, wait_until
from command import FAILED, OK, TAKES, UNAVAILABLE, USAGE, FakeQemu, gangway
from machine import DISK, NET, SIBLING, Kernel, Machine
from runner import main, test

NONE = "0000:09:00.0"
EVERY = ("list", "doctor", "groups", "p2p", "bind", "unbind", "run", "serve", "companion", "share")


def kernel_file(rig):
    path = rig.new_path("kernel")
    open(path, "w", encoding="utf-8").close()
    return path


def rows(rig, machine, qemu):
    """(status, a word of the message, command line). Names that are not there stay so."""
    tree = ("--tree", machine.dir)
    none, sock, file = rig.path("none"), rig.path("s"), rig.path("file")
    with open(file, "w", encoding="ascii") as out:
        out.write("nothing of use\n")
    boot = ("--qemu", qemu, "--kernel", kernel_file(rig))
    for command in EVERY:
        yield OK, "", (command, "--help")
        yield USAGE, "--frob", (command, "--frob")
    for command in "list", "doctor", "groups":
        yield USAGE, "too many words", (command, "extra")
        yield UNAVAILABLE, none, (command, "--tree", none)
    for command in "list", "groups":
        yield OK, "", (command, *tree)
    yield UNAVAILABLE, "", ("doctor", *tree)
    yield USAGE, "p2p", ("p2p", DISK, *tree)
    yield USAGE, "that", ("p2p", DISK, "that", *tree)
    yield UNAVAILABLE, NONE, ("p2p", DISK, NONE, *tree)
    yield FAILED, DISK, ("p2p", DISK, NET, *tree)
    for command in "bind", "unbind":
        yield USAGE, command, (command, *tree)
        yield USAGE, "that", (command, "that", *tree)
        yield UNAVAILABLE, NONE, (command, NONE, *tree)
        yield UNAVAILABLE, none, (command, DISK, "--tree", none)
    yield FAILED, "bridge", ("bind", "0000:00:01.0", *tree)
    yield OK, "", ("unbind", DISK, *tree)           # nothing to do
    yield USAGE, "device", ("run",)
    yield USAGE, "that", ("run", "that", *boot)
    yield USAGE, "sim:that", ("run", "sim:that", *boot)
    yield USAGE, "-1", ("run", "sim:probe", "--memory", "-1", *boot)
    yield USAGE, "that", ("run", "sim:probe", "--host-option", "that", *boot)
    yield USAGE, "that", ("run", "sim:probe", "--host-option", "that=on", *boot)
    yield USAGE, "size", ("run", "sim:nvme,file=" + file + ",size=-1", *boot)
    yield UNAVAILABLE, none, ("run", "sim:probe", "--qemu", none)
    yield UNAVAILABLE, none, ("run", "sim:probe", "--qemu", qemu, "--kernel", none)
    yield UNAVAILABLE, "direct", ("run", "sim:probe", "--plan", "direct", *boot)
    yield UNAVAILABLE, none, ("run", "sim:nvme,file=" + none, *boot)
    yield FAILED, none, ("run", "sim:probe", "--report", none + "/report", *boot)
    yield OK, "", ("run", "sim:probe", *TAKES, "--dry-run", *boot)
    yield USAGE, "device", ("serve", "--socket", sock)
    yield USAGE, "--socket", ("serve", "sim:probe")
    yield USAGE, "sim:that", ("serve", "sim:that", "--socket", sock)
    yield USAGE, "size", ("serve", "sim:nvme,file=" + file + ",size=-1", "--socket", sock)
    yield USAGE, "that", ("serve", "sim:probe", "--host-option", "that=on", "--socket", sock)
    yield USAGE, "--ready-fd", ("serve", "sim:probe", "--ready-fd", "that", "--socket", sock)
    yield UNAVAILABLE, none, ("serve", "sim:nvme,file=" + none, "--socket", sock, *TAKES)
    yield UNAVAILABLE, "direct", ("serve", "sim:probe", "--plan", "direct", "--socket", sock)
    yield UNAVAILABLE, NONE, ("serve", NONE, "--socket", sock)
    yield FAILED, none, ("serve", "sim:probe", "--socket", none + "/s", *TAKES)
    yield FAILED, none, ("serve", "sim:probe", "--socket", sock, "--report", none + "/r", *TAKES)
    yield USAGE, "--ivshmem", ("companion", "sim:probe")
    yield USAGE, "sim:that", ("companion", "sim:that", "--port", sock, "--ram", file + ",gpa=0")
    yield FAILED, none, ("companion", "sim:probe", "--port", sock, "--ram", none + ",gpa=0")
    yield USAGE, "broker", ("share",)
    yield USAGE, "watch", ("share", "that", "--broker", sock)
    yield USAGE, "--policy", ("share", "broker", "--broker", sock)
    yield FAILED, none, ("share", "broker", "--broker", sock, "--policy", none)
    yield FAILED, "policy", ("share", "broker", "--broker", sock, "--policy", "/dev/null")
    for words in ("list",), ("show", "1", "--png", none), ("watch", "1"):
        yield USAGE, "--broker", ("share", *words)
        yield FAILED, none, ("share", *words, "--broker", none)


def check_all(rig, table):
    wrong = []
    for status, word, words in table:
        got, _, err = gangway(rig, *words)
        if got != status or word not in err:
            wrong.append(f"{' '.join(words)}: {got}, not {status} with '{word}': {err}")
    assert not wrong, "\n".join(wrong)


@test
def every_command_ends_with_the_status_of_the_manual(rig):
    machine = Machine(rig)
    check_all(rig, rows(rig, machine, FakeQemu(rig).path))
    assert machine.untouched()


@test
def files_that_are_none_keep_no_command_waiting(rig):
    """A pipe nobody has the other end of, and devices without an end."""
    pipe, kernel, memory = rig.path("pipe"), rig.new_path("kernel"), rig.path("memory")
    os.mkfifo(pipe)
    with open(kernel, "wb") as file:
        file.write(b"x\0")
    serve = ("serve", "sim:probe", "--socket", rig.path("s"))
    window = (*serve, "--plan", "window", "--memory", "512M", "--window", "256M")
    run = ("run", "sim:probe", "--qemu", rig.qemu_dir, "--memory", "768M", "--dry-run")
    share = ("share", "broker", "--broker", rig.path("b"), "--policy")
    for odd in pipe, "/dev/zero":
        check_all(rig, (
            (FAILED, odd, (*window, "--memory-file", memory, "--device-tree", odd)),
            (FAILED, odd, (*window, "--memory-file", odd, "--device-tree", kernel)),
            (FAILED, odd, (*share, odd)),
            (FAILED, odd, (*run, "--kernel", kernel, "--firmware", kernel, "--initrd", odd)),
        ))
    check_all(rig, (
        (FAILED, pipe, (*share, kernel, "--audit", pipe)),
        (FAILED, pipe, (*serve, *TAKES, "--report", pipe)),
        (USAGE, pipe, ("serve", "sim:nvme,file=" + pipe, "--socket", rig.path("s"), *TAKES)),
        (FAILED, pipe, ("companion", "sim:probe", "--port", rig.path("s"), "--ram", pipe + ",gpa=0")),
    ))
    assert stat.S_ISFIFO(os.stat(pipe).st_mode) and not os.path.lexists(memory)


def unwritable(rig, words, env=None):
    """Run it where standard output is full, and where there is none. Return: what it ended with."""
    for kind in "full", "closed":
        full = os.open("/dev/full", os.O_WRONLY)
        start = [sys.executable, "-c", "import os, sys; os.close(1) if sys.argv[1] == 'closed' else 0; "
                 "os.execv(sys.argv[2], sys.argv[2:])", kind, rig.gangway, *words]
        done = subprocess.run(start, stdin=subprocess.DEVNULL, stdout=full, stderr=subprocess.PIPE,
                              text=True, timeout=TIMEOUT, check=False, env={**os.environ, **(env or {})})
        os.close(full)
        yield kind, done.returncode, done.stderr


def not_written(rig, *words, env=None, status=FAILED):
    for kind, got, err in unwritable(rig, words, env):
        assert got == status and "standard output" in err, f"{kind}: {words}: {got}: {err}"


@test
def output_that_cannot_be_written_is_an_error_of_every_command(rig):
    machine, qemu = Machine(rig), FakeQemu(rig).path
    tree = ("--tree", machine.dir)
    for command in EVERY:
        not_written(rig, command, "--help")
    for json in (), ("--json",):
        for command in "list", "groups":
            not_written(rig, command, *json, *tree)
        # what was found out stays the reason
        not_written(rig, "doctor", *json, *tree, status=UNAVAILABLE)
        not_written(rig, "p2p", NET, SIBLING, *json, *tree)
    not_written(rig, "run", "sim:probe", *TAKES, "--qemu", qemu, "--kernel", kernel_file(rig), "--dry-run")
    not_written(rig, "serve", "sim:probe", *TAKES, "--socket", rig.path("s"), "--json")
    not_written(rig, "run", "sim:probe", *TAKES, "--qemu", qemu, "--kernel", kernel_file(rig), "--report",
                "-")


@test
def a_group_is_moved_though_nobody_can_be_told(rig):
    """And what was to be printed does not get into a file that is opened meanwhile."""
    for json in (), ("--json",):
        machine = Machine(rig)
        kernel = Kernel(machine)
        tree = (*json, "--tree", machine.dir)
        for kind, got, err in unwritable(rig, ("bind", NET, *tree), kernel.env()):
            assert got == FAILED and "standard output" in err, f"{kind}: {got}: {err}"
            assert kernel.driver(NET) == kernel.driver(SIBLING) == "vfio-pci"
            assert kernel.override(NET) == "vfio-pci", kernel.override(NET)
        for kind, got, err in unwritable(rig, ("unbind", NET, *tree), kernel.env()):
            assert got == FAILED and "standard output" in err, f"{kind}: {got}: {err}"
            assert kernel.driver(NET) == kernel.driver(SIBLING) == "e1000e"
            assert kernel.override(NET) == "(null)", kernel.override(NET)


@test
def whoever_looks_at_screens_is_told_what_could_not_be_written(rig):
    child, broker = screen.broker(rig)
    try:
        daemon = rig.daemon("sim:gpu", options=("--share", broker))
        guest = screen.Guest(daemon.socket)
        guest.show(640, 480)
        at = ("--broker", broker)
        status, out, err = wait_until("a screen", lambda: listed(rig, at))
        assert status == OK and "guest" in out and "640x480" in out, (out, err)
        not_written(rig, "share", "list", *at)
        not_written(rig, "share", "watch", "guest", *at)
        png = rig.path("png")
        assert gangway(rig, "share", "show", "guest", "--png", png, *at)[0] == OK
        assert os.path.getsize(png)
        left = sorted([*os.listdir(rig.dir), "pipe"])
        pipe = rig.path("pipe")
        os.mkfifo(pipe)
        for path in pipe, rig.dir, rig.path("none/png"):
            status, _, err = gangway(rig, "share", "show", "guest", "--png", path, *at)
            assert status == FAILED and path in err, err
        assert stat.S_ISFIFO(os.stat(pipe).st_mode), "a picture took the place of a pipe"
        full = ["sh", "-c", 'ulimit -f 0; exec "$@"', "sh", rig.gangway, "share", "show", "guest", "--png",
                png, *at]
        done = subprocess.run(full, stderr=subprocess.PIPE, text=True, timeout=TIMEOUT, check=False)
        assert done.returncode == FAILED and png in done.stderr, done.stderr
        assert os.path.getsize(png) and sorted(os.listdir(rig.dir)) == left, "the old picture, and no more"
        status, _, err = gangway(rig, "share", "watch", "that", *at)
        assert status == FAILED and "that" in err, err
        guest.close()
        child.signal(signal.SIGTERM)
        assert child.wait_exit() == OK
    finally:
        child.kill()


def listed(rig, at):
    done = gangway(rig, "share", "list", *at)
    return done if done[1] else None


if __name__ == "__main__":
    main()
