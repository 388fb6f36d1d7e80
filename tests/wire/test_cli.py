# SPDX-License-Identifier: BSD-3-Clause
"""The command line: what can be asked, what is refused and how it says so."""

import json
import os
import re
import subprocess

from child import TIMEOUT
from command import FAILED, OK, USAGE, FakeQemu, gangway, refused, serve
from runner import ROOT, main, test


@test
def the_list_can_be_read_by_people_and_programs(rig):
    status, out, _ = gangway(rig, "list")
    assert status == OK and "sim:probe" in out
    status, out, _ = gangway(rig, "list", "--json")
    devices = json.loads(out)
    assert status == OK and "sim:probe" in [d["device"] for d in devices]
    assert all(isinstance(d["options"], dict) for d in devices if d["host"] == "sim")
    assert "irq=KIND" in devices[-1]["options"]
    refused(rig, USAGE, ["list", "--jsn", "--json"], "list", "--jsn")


@test
def a_daemon_carries_no_library_that_only_a_viewer_needs(rig):
    libraries = subprocess.run(["ldd", rig.gangway], capture_output=True, text=True, check=True,
                               timeout=TIMEOUT).stdout
    assert "libc.so" in libraries
    assert "vnc" not in libraries and "tls" not in libraries, libraries


@test
def help_and_version_are_no_errors(rig):
    for args in (["--help"], ["-h"], ["--version"], ["list", "--help"], ["serve", "--help"],
                 ["run", "--help"], ["serve", "-h"]):
        status, out, err = gangway(rig, *args)
        assert status == OK and out and not err, args
    for word in ("sim:probe", "caller-iova", "--socket", "--report"):
        assert word in gangway(rig, "serve", "--help")[1]


@test
def the_manual_knows_every_command_and_every_option(rig):
    with open(os.path.join(ROOT, "docs", "gangway.1"), encoding="utf-8") as file:
        manual = file.read()
    commands = re.findall(r"^  (\w+) +\w", gangway(rig, "--help")[1], re.M)
    assert len(commands) == 10, commands
    for command in commands:
        assert re.search(rf"^\.It Cm {command}\b", manual, re.M), command
        options = re.findall(r"^ +--([a-z-]+)", gangway(rig, command, "--help")[1], re.M)
        assert len(options) == len(set(options)), f"{command} --help tells of an option twice"
        options = set(options)
        assert options
        for option in options:
            assert re.search(rf"Fl -{option}\b", manual), f"{command} --{option}"


@test
def a_command_line_that_is_wrong_tries_nothing(rig):
    refused(rig, USAGE, ["Usage"])
    refused(rig, USAGE, ["frobnicate", "--help"], "frobnicate")
    refused(rig, USAGE, ["--frob"], "--frob", "list")
    refused(rig, USAGE, ["which device", "sim:"], "serve", "--socket", rig.path("s"))
    refused(rig, USAGE, ["--socket PATH", "missing"], "serve", "sim:probe")
    refused(rig, USAGE, ["--ivshmem", "--port"], "companion", "sim:probe", "--ram", "f,gpa=0")
    refused(rig, USAGE, ["--ivshmem", "--port"], "companion", "sim:probe", "--ram", "f,gpa=0",
            "--ivshmem", rig.path("i"), "--port", rig.path("p"))
    refused(rig, USAGE, ["one device"], "companion", "sim:probe", "sim:probe", "--ram", "f,gpa=0",
            "--port", rig.path("p"))
    serve(rig, USAGE, ["frob", "--help"], "sim:probe", "--frob")
    serve(rig, USAGE, ["--plan", "sideways", "direct"], "sim:probe", "--plan", "sideways")
    serve(rig, USAGE, ["--spin", "-1", "whole number"], "sim:probe", "--spin", "-1")
    serve(rig, USAGE, ["at most 8"], *["sim:probe"] * 9)
    refused(rig, USAGE, ["QEMU options", "gangway run"], "serve", "sim:probe", "--socket",
            rig.path("s"), "--", "-m", "1G")
    refused(rig, USAGE, ["--arch", "vax", "arm64"], "run", "sim:probe", "--arch", "vax")
    refused(rig, USAGE, ["--memory", "lots", "2G"], "run", "sim:probe", "--memory", "lots")
    refused(rig, USAGE, ["--memory", "'0'", "size"], "run", "sim:probe", "--memory", "0")
    for value in "1000", "0", "", "two", "0x2", " 2", "+2", " -18446744073709551615":
        refused(rig, USAGE, [f"--cpus '{value}'", "from 1 to 64"], "run", "sim:probe", "--cpus",
                value)
    for command in "serve", "run", "list", "bind":
        refused(rig, USAGE, [f"error: {command}: ", "'--frob'", "--help"], command, "--frob")
    refused(rig, USAGE, ["error: run: --plan wants a value"], "run", "sim:probe", "--plan")
    refused(rig, USAGE, ["--show-at-once=1", "takes no value"], "run", "--show-at-once=1")
    refused(rig, USAGE, ["ambiguous", "'--p'"], "run", "sim:probe", "--p", "1")
    refused(rig, USAGE, ["unknown option '-x'"], "serve", "-x", "sim:probe")
    refused(rig, USAGE, ["list: --tree wants a value"], "list", "--tree")
    for accel in "hvf", "", "kv", "kvmx", "tcg-", ",kvm", "TCG":
        refused(rig, USAGE, ["--accel", f"'{accel}'", "kvm or tcg"], "run", "sim:probe", "--accel",
                accel)
    serve(rig, USAGE, ["accel", "--help"], "sim:probe", "--accel", "tcg")


@test
def what_cannot_be_printed_is_a_failure(rig):
    for args in (["--help"], ["--version"], ["list", "--json"], ["serve", "--help"]):
        with open("/dev/full", "w", encoding="utf-8") as full:
            done = subprocess.run([rig.gangway, *args], stdout=full, stderr=subprocess.PIPE,
                                  text=True, check=False)
        assert done.returncode == FAILED and "No space left" in done.stderr, args


@test
def all_that_is_missing_is_said_at_once(rig):
    err = refused(rig, USAGE, ["--socket", "--companion"], "serve", "sim:probe", "--plan", "paravirt")
    assert err.count("is missing") == 2
    refused(rig, USAGE, ["--memory-file", "missing"], "serve", "sim:probe", "--socket",
            rig.path("s"), "--device-tree", "x")


@test
def more_can_be_asked_to_be_said_before_and_behind_the_command(rig):
    for words in (["-v", "list"], ["list", "-v"], ["list", "-v", "--json"]):
        assert gangway(rig, *words)[0] == OK, words
    qemu = FakeQemu(rig).path
    kernel = rig.path("kernel")
    open(kernel, "w", encoding="utf-8").close()
    start = ["run", "sim:probe", "--arch", "x86_64", "--qemu", qemu, "--kernel", kernel]
    assert "debug: " not in gangway(rig, *start)[2]
    for words in (["-v", *start], [*start, "-v"]):
        assert "debug:   -nographic" in gangway(rig, *words)[2], words


if __name__ == "__main__":
    main()
