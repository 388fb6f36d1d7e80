# SPDX-License-Identifier: BSD-3-Clause
"""`gangway serve`: what it refuses, what it prints, its sockets, what it gives up, how it ends."""

import json
import os
import re
import signal
import socket
import stat
import struct
import subprocess
import tempfile

import client as vu
import probe
from child import Child, wait_until
from command import FAILED, OK, TAKES, UNAVAILABLE, USAGE, refused, serve
from daemon import Daemon
from qemu import MIB
from runner import main, test


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
    serve(rig, FAILED, ["reset failed", "sim:probe: "], "sim:probe", "--host-option",
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
def a_memory_file_without_room_is_refused(rig):
    tree = rig.path("tree")
    open(tree, "w", encoding="utf-8").close()
    serve(rig, FAILED, ["No space left", "--memory-file"], "sim:probe", "--plan", "window",
          "--device-tree", tree, "--memory-file", "/dev/shm/gw-no-room", "--memory", "512T",
          "--window", "64M")
    assert not os.path.exists("/dev/shm/gw-no-room")


@test
def a_tree_that_is_none_is_refused_under_plan_paravirt_too(rig):
    tree = rig.path("tree")
    with open(tree, "w", encoding="utf-8") as file:
        file.write("no device tree, for all its length of forty bytes and more")
    serve(rig, FAILED, [tree, "not a device tree"], "sim:probe", "--plan", "paravirt", "--companion",
          rig.path("c"), "--device-tree", tree, "--memory-file", rig.path("m"), "--memory", "4G")


@test
def serving_a_window_ends_with_its_only_vmm(rig):
    """Which may go and come back; its memory is nobody else's."""
    tree = rig.path("tree")
    subprocess.run([os.path.join(rig.qemu_dir, "qemu-system-aarch64"), "-nodefaults", "-display", "none",
                    "-m", "512M", "-cpu", "max", "-machine", f"virt,dumpdtb={tree}"], check=True,
                   stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    daemon = Daemon(rig, ["sim:probe"], host=(), options=(
        "--plan", "window", "--memory", "512M", "--window", "64M", "--device-tree", tree,
        "--memory-file", rig.path("memory")))
    try:
        vmm = os.fork()
        if not vmm:
            try:
                for _ in range(2):
                    vu.Client(daemon.socket).close()
            finally:
                os._exit(0)
        assert os.waitpid(vmm, 0)[1] == 0
        assert daemon.wait_exit() == OK, daemon.lines
        daemon.wait_line("the VMM has ended, and the guest's memory was its own")
    finally:
        daemon.kill()
    assert not os.path.lexists(rig.path("memory"))


@test
def messages_name_a_device_as_the_user_did(rig):
    with open(rig.path("disk"), "wb") as file:
        file.truncate(MIB)
    disk = f"sim:nvme,file={rig.path('disk')}"
    daemon = rig.daemon("sim:probe", "sim:probe", disk + ",serial=7,block=4096", faults=1)
    client = vu.Client(daemon.sockets(3)[1])
    client.write(vu.CONFIG, 4, b"\6\0")
    for register, value in ((probe.DST, 0x1000), (probe.LEN, 8)):
        client.write(0, register, struct.pack("=Q", value))
    client.write(0, probe.COMMAND, struct.pack("=I", probe.CMD_FILL))
    daemon.wait_words("DMA fault", "sim:probe#2")
    client.close()
    daemon.wait_gone()
    assert any("sim:probe: at " in line for line in daemon.lines)
    assert any("sim:nvme" in line and "block=4096" not in line and ": at " in line for line in daemon.lines), \
        daemon.lines


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


if __name__ == "__main__":
    main()
