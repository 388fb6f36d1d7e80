# SPDX-License-Identifier: BSD-3-Clause
"""The command: what it refuses and how it says so, how it ends."""

import json
import os
import platform
import pty
import re
import resource
import shutil
import signal
import socket
import stat
import subprocess
import tempfile
import termios

import client as vu
import nvme
import probe
from child import TIMEOUT, Child, wait_until
from command import FAILED, FAULTS, OK, UNAVAILABLE, USAGE, FakeQemu, gangway, refused
from qemu import MIB
from runner import ROOT, main, test


def serve(rig, status, words, *args):
    path = rig.path("s")
    err = refused(rig, status, words, "serve", *args, "--socket", path)
    assert not os.path.lexists(path), "a socket was left"
    return err


TAKES = ("--host-option", "caller-iova=on")


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
def a_signal_ends_it_while_a_host_is_slow(rig):
    """Each call takes long; the first is under way when the signal comes."""
    path = rig.path("s")
    for number in (signal.SIGINT, signal.SIGTERM):
        child = Child("serve", [rig.gangway, "serve", "sim:probe", "--socket", path, *TAKES,
                                "--host-option", "call-delay-us=10000000"])
        wait_until("a thread waits for the host", lambda: len(os.listdir(f"/proc/{child.pid}/task")) > 1)
        child.signal(number)
        assert child.wait_exit() == OK
        assert "ended by a signal" in child.output
        assert not os.path.lexists(path)


@test
def a_signal_ends_run_while_it_starts_and_nothing_is_left(rig):
    """While a host is slow, and while QEMU does not get on with its device tree."""
    kernel = rig.path("kernel")
    shutil.copy("/bin/true", kernel)
    hangs = rig.path("qemu")
    with open(hangs, "w", encoding="utf-8") as file:
        file.write("#!/bin/sh\ncase $* in *help) echo vfio-user-pci options; exit;; esac\n"
                   "case $* in *dumpdtb=*) : >" + rig.path("asked") + "; exec sleep 1000;; esac\n")
    os.chmod(hangs, 0o755)
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        for options in (("--host-option", "call-delay-us=10000000"), ()):
            folder = rig.new_path("tmp")
            os.mkdir(folder)
            child = Child("run", [rig.gangway, "run", "sim:probe", "--qemu", hangs, "--kernel", kernel,
                                  *options], env={**os.environ, "TMPDIR": folder})
            if options:
                wait_until("a folder", lambda: os.listdir(folder))
            else:
                wait_until("QEMU is asked", lambda: os.path.exists(rig.path("asked")))
                os.remove(rig.path("asked"))
            child.signal(number)
            assert child.wait_exit() == 128 + number, child.output
            assert not os.listdir(folder)


@test
def the_manual_knows_every_command_and_every_option(rig):
    with open(os.path.join(ROOT, "docs", "gangway.1"), encoding="utf-8") as file:
        manual = file.read()
    commands = re.findall(r"^  (\w+) +\w", gangway(rig, "--help")[1], re.M)
    assert len(commands) == 10, commands
    for command in commands:
        assert re.search(rf"^\.It Cm {command}\b", manual, re.M), command
        options = set(re.findall(r"^ +--([a-z-]+)", gangway(rig, command, "--help")[1], re.M))
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
def a_device_that_is_not_there_is_named(rig):
    serve(rig, USAGE, ["sim:frob", "gangway list"], "sim:frob", *TAKES)
    serve(rig, UNAVAILABLE, ["0000:01:00.0", "gangway list"], "0000:01:00.0")
    serve(rig, USAGE, ["sim:", "gangway list"], "sim:", *TAKES)
    serve(rig, USAGE, ["probe", "size=1", "irq="], "sim:probe,size=1", *TAKES)
    serve(rig, USAGE, ["sim:frob"], "sim:probe", "sim:frob", *TAKES)


@test
def a_host_option_that_makes_no_sense_is_named(rig):
    for option, words in (("frob=1", ["frob", "max-map-bytes"]), ("granule", ["granule", "KEY=VALUE"]),
                          ("granule=5000", ["granule=5000", "power of two"]),
                          ("granule=1", ["granule=1", "4096"]),
                          ("caller-iova=maybe", ["caller-iova=maybe", "on", "off"]),
                          ("segments=65", ["segments=65", "64"]), ("x" * 300 + "=", ["too long"]),
                          ("max-bytes=-1", ["max-bytes=-1"]), ("=", ["max-map-bytes"])):
        serve(rig, USAGE, words, "sim:probe", "--host-option", option)


@test
def a_plan_that_cannot_work_is_refused_with_the_reason(rig):
    serve(rig, UNAVAILABLE, ["plan direct", "chooses the DMA addresses", "gangway run",
                        "caller-iova=on"], "sim:probe", "--plan", "direct")
    for plan in ("window", "pool"):
        for options in ((), TAKES):
            serve(rig, USAGE, [f"plan {plan}", "--device-tree"],
                  "sim:probe", "--plan", plan, *options)


@test
def plan_paravirt_wants_a_companion_and_options_that_make_sense(rig):
    serve(rig, USAGE, ["--companion"], "sim:probe", "--plan", "paravirt")
    for value in "1:2", "01:20.0", "01:00.8", "01:00.0x", "x":
        serve(rig, USAGE, ["--guest-bdf", value, "01:00.0"], "sim:probe", "--guest-bdf", value)
    serve(rig, USAGE, ["--poll", "1001"], "sim:probe", "--poll", "1001")
    nine = ["--guest-bdf", "01:00.0"] * 9
    serve(rig, USAGE, ["--guest-bdf", "too many"], "sim:probe", *nine)


@test
def a_device_that_cannot_be_reset_is_not_served(rig):
    serve(rig, FAILED, ["reset failed", "00:10.0"], "sim:probe", "--host-option",
          "fail-reset=on", *TAKES)


@test
def a_socket_path_that_cannot_be_had_is_named(rig):
    daemon = rig.daemon()
    client = vu.Client(daemon.socket)
    for path, words in ((daemon.socket, ["listens", "give another path"]),
                        (rig.path("x" * 120), ["107", "shorter"]),
                        (rig.path("no/such/folder"), ["No such file"])):
        refused(rig, FAILED, [path, *words], "serve", "sim:probe", *TAKES, "--socket", path)
    refused(rig, FAILED, ["empty"], "serve", "sim:probe", *TAKES, "--socket", "")
    path = rig.path("file")
    with open(path, "w", encoding="utf-8") as file:
        file.write("precious")
    refused(rig, FAILED, [path, "not a socket", "another path"], "serve", "sim:probe", *TAKES,
            "--socket", path)
    with open(path, encoding="utf-8") as file:
        assert file.read() == "precious"
    client.in_sync()        # whoever was served there is not disturbed


@test
def one_bad_socket_of_two_leaves_none(rig):
    path = rig.path("pair")
    os.mkdir(path + ".1")
    refused(rig, FAILED, [path + ".1"], "serve", "sim:probe", "sim:probe", *TAKES, "--socket", path)
    assert not os.path.lexists(path + ".0")


@test
def a_socket_left_behind_is_replaced_and_ours_is_private(rig):
    path = rig.path("stale")
    stale = socket.socket(socket.AF_UNIX)
    stale.bind(path)
    stale.close()
    daemon = rig.daemon(socket=path)
    assert stat.S_IMODE(os.stat(path).st_mode) == 0o600
    vu.Client(path).in_sync()
    daemon.stop()
    assert not os.path.lexists(path)


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
def what_serve_prints_is_for_a_shell(rig):
    folder = rig.path("it's a, \"folder\" $HOME")
    os.mkdir(folder)
    path = os.path.join(folder, "s")
    daemon = Child("gangway", [rig.gangway, "serve", "sim:probe", *TAKES, "--socket", path])
    daemon.wait_line("serving")
    daemon.signal(signal.SIGTERM)
    assert daemon.wait_exit() == OK
    text = daemon.output.split("QEMU options:\n", 1)[1].split("gangway: serving", 1)[0]
    done = subprocess.run(["sh", "-c", "printf '%s\\0' " + text], capture_output=True, text=True,
                          check=True)
    words = done.stdout.split("\0")[:-1]
    device = json.loads(words[words.index("-device") + 1])
    assert device == {"driver": "vfio-user-pci", "socket": {"type": "unix", "path": path}}
    assert words[words.index("-machine") + 1] == "memory-backend=mem"


@test
def serve_prints_one_object_and_says_when_it_is_ready(rig):
    ours, its = os.pipe()
    path = rig.path("quote'd\"")
    with subprocess.Popen([rig.gangway, "serve", "sim:probe", "sim:probe", *TAKES, "--socket", path,
                           "--json", "--ready-fd", str(its)], stdout=subprocess.PIPE,
                          stderr=subprocess.DEVNULL, text=True, pass_fds=(its,)) as serve_it:
        os.close(its)
        assert os.read(ours, 16) == b"\n" and os.read(ours, 16) == b""
        told = json.loads(serve_it.stdout.readline())
        assert [s["socket"] for s in told["sockets"]] == [path + ".0", path + ".1"]
        for sock in told["sockets"]:
            vu.Client(sock["socket"]).in_sync()
        assert told["plan"] == "direct" and "window" not in told
        devices = [json.loads(word) for word in told["argv"] if "vfio-user-pci" in word]
        assert [d["socket"]["path"] for d in devices] == [path + ".0", path + ".1"]
        serve_it.terminate()
        assert serve_it.stdout.read() == "" and serve_it.wait() == OK
    os.close(ours)


@test
def a_disk_may_have_any_name(rig):
    name = rig.path("a,b 'c' \"d\".img")
    daemon = rig.daemon("sim:nvme,size=1M,file=" + name.replace(",", ",,"))
    daemon.stop()
    assert os.path.getsize(name) == MIB


@test
def memory_above_a_window_is_a_node_of_its_own(rig):
    kernel = rig.new_path("kernel")
    open(kernel, "w", encoding="utf-8").close()

    def words(*options):
        status, out, err = gangway(rig, "run", "sim:probe", "--qemu", rig.qemu_dir, "--kernel", kernel,
                                   "--dry-run", "--memory", "768M", *options)
        assert status == OK, err
        done = subprocess.run(["sh", "-c", "printf '%s\\n' " + out], capture_output=True, text=True,
                              check=True)
        words = done.stdout.splitlines()
        return words, [json.loads(word) for word in words if '"qom-type"' in word]

    line, backends = words("--window", "512M", "--host-option", "segments=1")
    assert [(b["id"], b["size"], b["offset"]) for b in backends] == [
        ("mem", 512 * MIB, 0), ("far", 256 * MIB, 512 * MIB)]
    assert backends[0]["mem-path"] == backends[1]["mem-path"]
    assert "node,nodeid=0,memdev=mem" in line and "node,nodeid=1,memdev=far" in line
    assert "memory-backend" not in line[line.index("-machine") + 1]
    for options in (["--window", "512M", "--one-node"], ["--window", "128M"], ["--window", "768M"]):
        line, backends = words(*options)
        assert [(b["id"], b["size"]) for b in backends] == [("mem", 768 * MIB)]
        assert "virt,memory-backend=mem" in line and "-numa" not in line


@test
def several_devices_share_a_window_where_the_host_has_it_at_one_place(rig):
    kernel = rig.new_path("kernel")
    open(kernel, "w", encoding="utf-8").close()
    run = ["run", "sim:probe", "sim:probe", "--qemu", rig.qemu_dir, "--kernel", kernel, "--dry-run",
           "--memory", "768M"]
    base = ["--host-option", "base=0x10080000000"]
    status, _, err = gangway(rig, *run, *base, "--plan", "window", "--window", "512M")
    assert status == OK, err
    assert "at 0x10080004000 for the device" in err and "41 bits" in err and "smaller DMA mask" in err
    refused(rig, FAILED, ["need the same address"], *run, "--plan", "window")
    # by default the plan is one that works for all of them, wherever a window would be
    for options in [], base:
        status, _, err = gangway(rig, *run, *options)
        assert status == OK and "plan paravirt: " in err and "several devices" in err, err
    status, _, err = gangway(rig, *run, *TAKES)
    assert status == OK and "plan direct: " in err, err


@test
def the_window_is_told_by_acpi_too(rig):
    kernel, initrd, firmware = (rig.new_path(name) for name in ("kernel", "initrd", "firmware"))
    for path in kernel, initrd, firmware:
        with open(path, "w", encoding="utf-8") as file:
            file.write("x\0")
    run = ["run", "sim:probe", "--qemu", rig.qemu_dir, "--kernel", kernel, "--initrd", initrd,
           "--dry-run"]
    status, out, err = gangway(rig, *run, "--firmware", firmware, "--memory", "768M")
    assert status == OK, err
    words = out.split()
    assert words[words.index("-bios") + 1] == firmware
    assert words[words.index("-initrd") + 1] != initrd
    refused(rig, FAILED, ["bounce buffers", "512 MiB", "--window of 1G"], *run, "--firmware", firmware,
            "--memory", "768M", "--window", "512M")
    refused(rig, UNAVAILABLE, [rig.path("none"), "qemu-efi-aarch64"], *run, "--firmware",
            rig.path("none"))
    refused(rig, USAGE, ["--firmware", "plan pool"], *run, "--firmware", firmware, "--plan", "pool")


@test
def what_run_would_start_is_printed_and_not_started(rig):
    qemu = FakeQemu(rig)
    kernel = rig.new_path("kernel")
    open(kernel, "w", encoding="utf-8").close()
    status, out, err = gangway(rig, "run", "sim:probe", "--qemu", qemu.path, "--kernel", kernel,
                               *TAKES, "--dry-run", "--append", "it's")
    assert status == OK, err
    words = subprocess.run(["sh", "-c", "printf '%s\\n' " + out], capture_output=True, text=True,
                           check=True).stdout.splitlines()
    assert words[0] == qemu.path and kernel in words
    assert words[words.index("-append") + 1].endswith("it's")
    assert words[words.index("-sandbox") + 1].startswith("on,")
    assert not os.path.exists(qemu.words_path)


@test
def several_devices_get_a_plan_that_works_for_all(rig):
    qemu = FakeQemu(rig)
    kernel = rig.new_path("kernel")
    open(kernel, "w", encoding="utf-8").close()
    status, out, err = gangway(rig, "run", "sim:probe", "sim:probe", "--qemu", qemu.path, "--kernel",
                               kernel, "--dry-run", "--arch", "arm64")
    assert status == OK and "plan paravirt" in err and "same address" in err, err
    assert out.count("vfio-user-pci") == 4


@test
def the_terminal_is_as_it_was_when_qemu_has_died(rig):
    ours, its = pty.openpty()
    before = termios.tcgetattr(its)
    qemu, kernel = rig.new_path("qemu"), rig.new_path("kernel")
    open(kernel, "w", encoding="utf-8").close()
    with open(qemu, "w", encoding="utf-8") as file:
        file.write("#!/bin/sh\ncase $* in *help) echo vfio-user-pci options; exit;; esac\n"
                   "stty raw -echo\nkill -BUS $$\n")
    os.chmod(qemu, 0o755)
    done = subprocess.run([rig.gangway, "run", "sim:probe", *TAKES, "--arch", "x86_64", "--qemu",
                           qemu, "--kernel", kernel], stdin=its, stdout=its,
                          stderr=subprocess.PIPE, text=True, timeout=TIMEOUT, check=False)
    assert done.returncode == FAILED, done.stderr
    assert "signal 7" in done.stderr and "memory" in done.stderr, done.stderr
    assert termios.tcgetattr(its) == before
    os.close(ours)
    os.close(its)


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
def what_cannot_be_printed_is_a_failure(rig):
    for args in (["--help"], ["--version"], ["list", "--json"], ["serve", "--help"]):
        with open("/dev/full", "w", encoding="utf-8") as full:
            done = subprocess.run([rig.gangway, *args], stdout=full, stderr=subprocess.PIPE,
                                  text=True, check=False)
        assert done.returncode == FAILED and "No space left" in done.stderr, args


@test
def a_memory_file_without_room_is_refused(rig):
    tree = rig.path("tree")
    open(tree, "w", encoding="utf-8").close()
    serve(rig, FAILED, ["No space left", "--memory-file"], "sim:probe", "--plan", "window",
          "--device-tree", tree, "--memory-file", "/dev/shm/gw-no-room", "--memory", "512T",
          "--window", "64M")
    assert not os.path.exists("/dev/shm/gw-no-room")


def status_of(pid, key):
    with open(f"/proc/{pid}/status", encoding="utf-8") as file:
        return re.search(rf"^{key}:\s*(\w+)", file.read(), re.M).group(1)


@test
def what_serving_has_no_use_for_is_given_up(rig):
    daemon = rig.daemon()
    # DAC_OVERRIDE and DAC_READ_SEARCH, by which root serves the files of others, and SYS_PTRACE
    kept = 0x80006
    for kind in ("CapEff", "CapPrm", "CapBnd"):
        assert int(status_of(daemon.pid, kind), 16) & ~kept == 0, kind
    for tid in os.listdir(f"/proc/{daemon.pid}/task"):
        assert int(status_of(f"{daemon.pid}/task/{tid}", "CapEff"), 16) & ~kept == 0
    assert status_of(daemon.pid, "NoNewPrivs") == "1"


@test
def a_user_s_other_processes_cannot_touch_it(rig):
    with tempfile.TemporaryDirectory(prefix="gw-nobody-") as folder:
        os.chown(folder, 65534, 65534)
        # the program may be where nobody else can look
        daemon = Child("gangway", ["setpriv", "--reuid", "65534", "--clear-groups", "--inh-caps",
                                   "+dac_read_search", "--ambient-caps", "+dac_read_search",
                                   rig.gangway, "serve", "sim:probe", *TAKES, "--socket",
                                   folder + "/s"])
        daemon.wait_line("serving")
        # what cannot be dumped is root's in /proc
        assert os.stat(f"/proc/{daemon.pid}/mem").st_uid == 0
        vu.Client(folder + "/s").in_sync()
        daemon.signal(signal.SIGTERM)
        assert daemon.wait_exit() == OK


@test
def all_that_is_missing_is_said_at_once(rig):
    err = refused(rig, USAGE, ["--socket", "--companion"], "serve", "sim:probe", "--plan", "paravirt")
    assert err.count("is missing") == 2
    refused(rig, USAGE, ["--memory-file", "missing"], "serve", "sim:probe", "--socket",
            rig.path("s"), "--device-tree", "x")


@test
def term_int_and_hup_end_it_well(rig):
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        path = rig.new_path("s")
        daemon = Child("gangway", [rig.gangway, "serve", "sim:probe", *TAKES, "--socket", path])
        daemon.wait_line("serving")
        daemon.signal(number)
        assert daemon.wait_exit() == OK, number
        assert not os.path.lexists(path)


@test
def term_at_start_up_leaves_nothing(rig):
    # calls that take long make start-up long; each round it is asked to end at another line
    lines = ("plan direct", "QEMU options", "-device", "serving")
    for line in lines:
        path = rig.new_path("s")
        daemon = Child("gangway", [rig.gangway, "serve", "sim:probe", *TAKES, "--socket", path,
                                   "--host-option", "call-delay-us=100"])
        daemon.wait_line(line)
        daemon.signal(signal.SIGTERM)
        assert daemon.wait_exit() == OK
        assert not os.path.lexists(path)


@test
def term_with_a_client_at_any_point(rig):
    for step in range(5):
        daemon = rig.daemon()
        client = vu.Client(daemon.socket, negotiate=step > 0)
        if step == 2:
            client.send_raw(b"half a header")
        if step == 3:
            client.send(vu.REGION_WRITE, bytes(10), size=1000)
        if step == 4:
            for _ in range(100):
                client.send(vu.REGION_READ, bytes(16))
        daemon.stop()
        assert not os.path.lexists(daemon.socket)
        client.closed()


@test
def term_in_the_middle_of_dma(rig):
    for ram in ("memfd", "anonymous"):
        daemon = rig.daemon()
        device = probe.Probe(rig.qemu(daemon.socket, ram=ram))
        base = device.qemu.machine.ram
        device.begin(probe.CMD_COPY, src=base, dst=base + 30 * MIB, length=30 * MIB)
        daemon.stop()
        assert not os.path.lexists(daemon.socket)


@test
def term_while_dma_by_message_is_not_answered(rig):
    daemon = rig.daemon()
    client = vu.Client(daemon.socket)
    client.map(0, MIB)
    client.write(vu.CONFIG, 4, b"\6\0")
    for register, value in ((probe.DST, 0x1000), (probe.LEN, 0x1000)):
        client.write(0, register, value.to_bytes(8, "little"))
    client.write(0, probe.COMMAND, probe.CMD_COPY.to_bytes(4, "little"))
    assert client.request().command == vu.DMA_READ
    daemon.stop()


@test
def a_qemu_that_cannot_be_used_is_named(rig):
    broken = rig.path("qemu-system-aarch64")
    with open(broken, "w", encoding="utf-8") as file:
        file.write("#!/bin/sh\nexit 1\n")
    os.chmod(broken, 0o755)
    old = rig.path("old")       # what QEMU before 10.1 does: it says so and ends well
    with open(old, "w", encoding="utf-8") as file:
        file.write("#!/bin/sh\necho \"Device 'vfio-user-pci' not found\" >&2\n")
    os.chmod(old, 0o755)
    for path in (broken, old, rig.dir, rig.path("nothing"), "/bin/true"):
        refused(rig, UNAVAILABLE, ["--qemu", path, "10.1"], "run", "sim:probe", "--qemu", path)
        refused(rig, UNAVAILABLE, ["$QEMU", path, "10.1"], "run", "sim:probe", env={"QEMU": path})


@test
def a_qemu_for_another_machine_is_named(rig):
    other = os.path.join(rig.qemu_dir, "qemu-system-x86_64")
    kernel = rig.path("kernel")
    open(kernel, "w", encoding="utf-8").close()
    refused(rig, FAILED, [other, "-machine virt"], "run", "sim:probe", "--qemu", other,
            "--kernel", kernel)


def native():
    return "x86_64" if platform.machine() == "x86_64" else "arm64"


def kvm_trouble():
    """Why this machine has no KVM, or None."""
    try:
        os.close(os.open("/dev/kvm", os.O_RDWR))
    except OSError as error:
        return error.strerror
    return None


def refused_kvm(rig, words, accel, arch, **user):
    """All is there but KVM."""
    qemu, kernel = FakeQemu(rig), rig.new_path("kernel")
    open(kernel, "w", encoding="utf-8").close()
    done = subprocess.run([rig.gangway, "run", "sim:probe", "--qemu", qemu.path, "--kernel", kernel,
                           "--accel", accel, "--arch", arch, *TAKES], capture_output=True,
                          text=True, timeout=TIMEOUT, check=False, **user)
    assert done.returncode == UNAVAILABLE, done.stderr
    for word in "--accel kvm", "emulated", *words:
        assert word in done.stderr, f"'{word}' is missing in: {done.stderr}"
    assert not os.path.exists(qemu.words_path), "QEMU was started"


@test
def kvm_that_cannot_be_had_is_refused_with_the_reason(rig):
    other = "arm64" if native() == "x86_64" else "x86_64"
    for accel in "kvm", "kvm,kernel-irqchip=on":
        refused_kvm(rig, ["architecture"], accel, other)
        if kvm_trouble():
            refused_kvm(rig, ["/dev/kvm", kvm_trouble(), "gangway doctor"], accel, native())
    if not kvm_trouble() and os.getuid() == 0 and not os.stat("/dev/kvm").st_mode & 0o6:
        nobody = {"user": 65534, "group": 65534, "extra_groups": []}
        os.chmod(rig.dir, 0o755)
        rig.gangway = shutil.copy(rig.gangway, rig.path("gangway"))
        refused_kvm(rig, ["/dev/kvm", "Permission denied", "gangway doctor"], "kvm", native(),
                    **nobody)


@test
def a_guest_is_emulated_unless_kvm_is_asked_for(rig):
    qemu = FakeQemu(rig)

    def machine(*args):
        words = qemu.run(rig, *args)
        assert words.count("-accel") == words.count("-cpu") == 1
        return words[words.index("-accel") + 1], words[words.index("-cpu") + 1]

    x86 = ("--arch", "x86_64", *TAKES)
    arm = ("--plan", "paravirt")
    assert machine(*x86) == ("tcg", "max")
    assert machine(*x86, "--accel", "tcg,thread=single") == ("tcg,thread=single", "max")
    # without the choice of a cheaper algorithm emulated guests are slow
    assert machine(*arm) == ("tcg", "max,pauth-impdef=on")
    if not kvm_trouble():
        options = x86 if native() == "x86_64" else arm
        assert machine(*options, "--accel", "kvm") == ("kvm", "host")


@test
def the_guests_kernel_is_told_where_its_console_is(rig):
    qemu = FakeQemu(rig)

    def told(*args):
        words = qemu.run(rig, *args)
        return words[words.index("-append") + 1].split()

    assert told("--arch", "x86_64", *TAKES) == ["console=ttyS0", "no_timer_check"]
    assert told("--plan", "paravirt", "--append", "a b") == ["console=ttyAMA0", "a", "b"]


@test
def a_virtual_iommu_that_cannot_work_is_refused_with_the_reason(rig):
    kernel = rig.path("kernel")
    open(kernel, "w", encoding="utf-8").close()
    start = ["run", "sim:probe", "--qemu", rig.qemu_dir, "--kernel", kernel]
    refused(rig, USAGE, ["--viommu", "amd", "virtio, intel or none"], *start, "--viommu", "amd")
    refused(rig, USAGE, ["--viommu", "intel", "--arch x86_64"], *start, "--viommu", "intel", *TAKES)
    refused(rig, FAILED, ["--viommu virtio", "plan window", "plan direct", "caller-iova=on"], *start,
            "--viommu", "virtio")
    start += ["--arch", "x86_64"]
    for words in (["-device", "virtio-iommu-pci"], ["-device", '{"driver": "virtio-iommu-pci"}'],
                  ["-device", "intel-iommu,caching-mode=on"]):
        refused(rig, FAILED, ["iommu", "plan paravirt", "plan direct"], *start, "--", *words)
    refused(rig, FAILED, ["iommu", "plan window"], *start, "--arch", "arm64", "--", "--machine",
            "iommu=smmuv3")
    for device in "intel-iommu", "intel-iommu,caching-mode=off":
        refused(rig, FAILED, ["caching-mode=on", "--viommu intel"], *start, *TAKES, "--", "-device",
                device)


@test
def a_name_that_is_like_that_of_an_iommu_is_nobodys_concern(rig):
    words = FakeQemu(rig).run(rig, "--arch", "x86_64", "--", "-name", "intel-iommu", "-M", "q35")
    assert "intel-iommu" in words


@test
def a_virtual_iommu_comes_before_the_devices_and_its_kernel_knows(rig):
    qemu = FakeQemu(rig)
    for kind, device, word in (("virtio", "virtio-iommu-pci", "gangway.modules=virtio_iommu"),
                               ("intel", "intel-iommu,caching-mode=on", "intel_iommu=on")):
        words = qemu.run(rig, "--arch", "x86_64", *TAKES, "--viommu", kind)
        devices = [words[i + 1] for i, w in enumerate(words) if w == "-device"]
        assert devices[0] == device and "vfio-user-pci" in devices[-1]
        assert word in words[words.index("-append") + 1].split()
    words = qemu.run(rig, "--arch", "x86_64", *TAKES, "--viommu", "none")
    assert not any("iommu" in word for word in words) and "" not in words


@test
def a_kernel_that_is_not_there_is_named(rig):
    refused(rig, UNAVAILABLE, ["--kernel", rig.path("no"), "No such file", "hint"], "run",
            "sim:probe", "--qemu", rig.qemu_dir, "--kernel", rig.path("no"))
    with open(rig.path("text"), "w", encoding="utf-8") as file:
        file.write("a config, say")
    refused(rig, UNAVAILABLE, ["--kernel", rig.path("text"), "it is a text", "hint"], "run",
            "sim:probe", "--qemu", rig.qemu_dir, "--kernel", rig.path("text"))


@test
def memory_that_the_machine_does_not_have_is_warned_of(rig):
    qemu = FakeQemu(rig).path
    kernel = rig.path("kernel")
    open(kernel, "w", encoding="utf-8").close()
    start = ["run", "sim:probe", "--arch", "x86_64", "--qemu", qemu, "--kernel", kernel]
    status, _, err = gangway(rig, *start, "--memory", "64T")
    assert status == OK and "warning: the guest has 67108864 MiB of memory" in err, err
    assert "warning" not in gangway(rig, *start, "--memory", "64M")[2]


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


@test
def what_qemu_does_not_take_is_told_in_its_own_words(rig):
    kernel = rig.path("kernel")
    open(kernel, "w", encoding="utf-8").close()
    refused(rig, FAILED, ["device tree", "QEMU: ", "-frob: invalid option", "behind --"], "run",
            "sim:probe", "--qemu", rig.qemu_dir, "--kernel", kernel, "--", "-frob")


@test
def a_device_that_cannot_be_had_ends_run_as_it_ends_serve(rig):
    kernel = rig.path("kernel")
    open(kernel, "w", encoding="utf-8").close()
    for status, device, word in ((USAGE, "sim:frob", "gangway list"),
                                 (USAGE, "sim:nvme,file=x,size=-1", "size"),
                                 (UNAVAILABLE, "0000:7f:1f.7", "gangway list"),
                                 (UNAVAILABLE, f"sim:nvme,file={rig.path('none')}", "size=N")):
        refused(rig, status, [word], "run", device, "--qemu", rig.qemu_dir, "--kernel", kernel)
        serve(rig, status, [word], device)


@test
def what_a_host_cannot_do_comes_with_a_way_out(rig):
    kernel = rig.path("kernel")
    open(kernel, "w", encoding="utf-8").close()
    for options, words in ((["--plan", "direct"], ["chooses the DMA addresses", "caller-iova=on"]),
                           (["--memory", "1M"], ["too small", "hint: ask for more"]),
                           (["--host-option", "fail-map=1"], ["Input/output", "smaller --window"]),
                           (["--host-option", "fail-reset=on"], ["reset failed", "off and on"])):
        refused(rig, UNAVAILABLE if "direct" in options else FAILED, words, "run", "sim:probe",
                "--qemu", rig.qemu_dir, "--kernel", kernel, *options)
    text = rig.path("text")
    with open(text, "w", encoding="utf-8") as file:
        file.write("x" * 100)
    for tree, word in ((rig.path("no"), "No such file"), (text, "not a device tree")):
        serve(rig, FAILED, [tree, word, "dumpdtb"], "sim:probe", "--device-tree", tree,
              "--memory-file", rig.path("ram"))
    serve(rig, FAILED, [text, "File exists", "not there yet"], "sim:probe", "--device-tree", text,
          "--memory-file", text)


@test
def a_window_over_the_budget_is_refused_before_qemu_starts(rig):
    kernel = rig.path("kernel")
    open(kernel, "w", encoding="utf-8").close()
    err = refused(rig, FAILED, ["2048 MiB", "1536 MiB", "--window 1536M"], "-v", "run",
                  "sim:probe", "--qemu", rig.qemu_dir, "--kernel", kernel, "--memory", "4G", "--window", "2G")
    assert "-nographic" not in err, "QEMU was started"


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
