#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""IOMMU groups as gangway computes them and as the kernel makes them, machine by machine; bind, unbind.

A machine of each kind boots under QEMU with an emulated IOMMU; its sysfs comes back over the
console and is read here with --tree. Usage: test_topologies.py BUILD_DIR [NAME]...
"""

import base64
import concurrent.futures
import contextlib
import itertools
import json
import os
import subprocess
import tarfile
import tempfile
import time

import guest
import test_vfio

BOOT_SECONDS = 240
CHIPSET = "0000:00:1f."     # several functions in one slot, without ACS


slots = itertools.count(1)


def port(name, below="pcie.0", driver="pcie-root-port", **options):
    """A port that PCIe devices can be plugged into."""
    slot = next(slots)
    more = "".join(f",{key}={value}" for key, value in options.items())
    return ["-device", f"{driver},id={name},bus={below},slot={slot},chassis={slot}{more}"]


def switch(name, below, ports):
    """A switch, its ports named NAME0, NAME1 and so on."""
    words = ["-device", f"x3130-upstream,id={name},bus={below}"]
    for i in range(ports):
        words += port(f"{name}{i}", name, "xio3130-downstream")
    return words


def disk(below, **options):
    """An NVMe controller."""
    more = "".join(f",{key}={value}" for key, value in options.items())
    return ["-device", f"nvme,serial={next(slots)},bus={below}{more}"]


def plain(below, **options):
    """A conventional function."""
    more = "".join(f",{key}={value}" for key, value in options.items())
    return ["-device", f"edu,bus={below}{more}"]


NO_REDIRECT = "pci=disable_acs_redir=pci:1b36:c"
TWO_PORTS = port("a") + port("b") + disk("a") + disk("b")
ONE_SLOT = (port("a", addr="5.0", multifunction="on") + port("b", addr="5.1")
            + port("c", addr="6.0") + disk("a") + disk("b") + disk("c"))
SWITCH = port("a") + switch("s", "a", 2) + disk("s0") + disk("s1") + port("b") + disk("b")
FUNCTIONS = disk("a", addr="0.0", multifunction="on") + disk("a", addr="0.1")

# name, what to plug in, kernel command line, reasons to merge that must be among those found
MACHINES = [
    ("root-ports", TWO_PORTS, "", set()),
    ("root-ports-no-acs", TWO_PORTS, NO_REDIRECT, {"path"}),
    ("ports-in-one-slot", ONE_SLOT, "", set()),
    ("ports-in-one-slot-no-acs", ONE_SLOT, NO_REDIRECT, {"path", "sibling"}),
    ("switch", SWITCH, "", {"path"}),
    ("switch-no-acs-above", SWITCH, NO_REDIRECT, {"path"}),
    ("switch-below-switch",
     port("a") + switch("s", "a", 2) + switch("t", "s1", 2) + disk("s0") + disk("t0") + disk("t1"),
     "", {"path"}),
    ("functions-below-port", port("a") + FUNCTIONS, "", {"sibling"}),
    ("functions-below-switch", port("a") + switch("s", "a", 1)
     + disk("s0", addr="0.0", multifunction="on") + disk("s0", addr="0.1"), "", {"path"}),
    ("functions-on-root-bus",
     disk("pcie.0", addr="7.0", multifunction="on") + disk("pcie.0", addr="7.3")
     + plain("pcie.0", addr="8.0", multifunction="on") + plain("pcie.0", addr="8.1"),
     "", {"sibling"}),
    ("pxb", ["-device", "pxb-pcie,id=x,bus=pcie.0,bus_nr=64"] + port("a", "x") + port("b")
     + disk("a") + disk("b"), "", set()),
    ("pxb-switch-no-acs", ["-device", "pxb-pcie,id=x,bus=pcie.0,bus_nr=64"] + port("a", "x")
     + switch("s", "a", 2) + disk("s0") + disk("s1"), NO_REDIRECT, {"path"}),
    ("pcie-to-pci", port("a") + ["-device", "pcie-pci-bridge,id=p,bus=a"] + plain("p", addr="1")
     + plain("p", addr="2") + port("b") + disk("b"), "", {"alias"}),
    ("pci-below-pci", ["-device", "pcie-pci-bridge,id=p,bus=pcie.0", "-device",
                       "pci-bridge,id=q,bus=p,chassis_nr=9,addr=3"] + plain("p", addr="1")
     + plain("q", addr="2") + plain("q", addr="4"), "", {"alias"}),
    ("dmi-to-pci", ["-device", "i82801b11-bridge,id=p,bus=pcie.0,addr=1e.0"] + plain("p", addr="1")
     + plain("p", addr="2"), "", {"alias"}),
    ("older-root-port", port("a", driver="ioh3420") + FUNCTIONS, "", {"path"}),
    ("sriov", port("a") + ["-device", "nvme-subsys,id=u"]
     + disk("a", subsys="u", sriov_max_vfs=3, sriov_vq_flexible=6, sriov_vi_flexible=3,
            max_ioqpairs=8, msix_qsize=8),
     "gangway.vfs=nvme:0000:01:00.0:3", set()),
    ("sriov-next-slot", port("a") + ["-device", "igb,bus=a"],
     "gangway.vfs=vfio-pci:0000:01:00.0:4", set()),
    ("sriov-no-acs", port("a") + ["-device", "igb,bus=a"],
     f"{NO_REDIRECT} gangway.vfs=vfio-pci:0000:01:00.0:2", {"path"}),
]


@contextlib.contextmanager
def machine(work, name, script, devices, append, image):
    """Boot a machine that runs a script; its console. At the end, the script must have passed."""
    qemu = os.path.join(guest.provisioned("qemu"), "qemu-system-x86_64")
    words = [qemu, "-M", "q35", "-cpu", "max", "-accel", "tcg", "-m", "256M", "-nodefaults",
             "-display", "none", "-no-reboot", "-serial", "stdio",
             "-kernel", guest.kernel("x86_64", "7.2"), "-initrd", image,
             "-append", "console=ttyS0 quiet panic=-1 no_timer_check intel_iommu=on "
                        f"printk.devkmsg=on gangway.script={script} {guest.PATIENCE} {append}",
             "-device", "intel-iommu,intremap=off", *devices]
    with guest.Process(words, os.path.join(work.dir, f"{name}-stderr.log"), stdout=subprocess.PIPE,
                       stdin=subprocess.DEVNULL) as process:
        console = guest.Console(process.popen.stdout, os.path.join(work.dir, f"{name}.log"))
        try:
            yield console
            console.drain(BOOT_SECONDS)
        except guest.Failure as failure:
            raise guest.Failure(f"{name}: {failure}; {process.stderr()}") from None
        finally:
            console.close()
            process.end()
            process.popen.stdout.close()
    guest.expect(not console.trouble, f"{name}: {console.trouble}")
    guest.expect(console.exits == [0], f"{name}: the guest's script ended with {console.exits}")


def boot(work, name, devices, append):
    """Boot a machine; the folder with a copy of its sysfs."""
    lines = []
    with machine(work, name, "topology", devices, append, work.image("x86_64", "7.2")) as console:
        console.wait_for("^TREE BEGIN$", BOOT_SECONDS)
        deadline = time.monotonic() + BOOT_SECONDS
        while (line := console.line(deadline)) != "TREE END":
            guest.expect(line is not None, "the console ended too early")
            lines.append(line)
    return unpack(os.path.join(work.dir, name), lines)


def unpack(folder, lines):
    """The archive in base64 LINES, as FOLDER."""
    with tempfile.TemporaryFile() as file:
        file.write(base64.b64decode("".join(lines)))
        file.seek(0)
        with tarfile.open(fileobj=file, mode="r:gz") as tar:
            tar.extractall(folder)
    return folder


def gangway(work, *words):
    """Its exit code and what it printed as JSON."""
    done = subprocess.run([work.gangway, *words, "--json"], check=False, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, text=True)
    guest.expect(not guest.SANITIZER.search(done.stderr), done.stderr)
    try:
        return done.returncode, json.loads(done.stdout)
    except json.JSONDecodeError:
        raise guest.Failure(f"gangway {' '.join(words)}: {done.stderr}") from None


def judge(work, kind):
    """Boot one machine and compare; a line about it."""
    name, devices, append, reasons = kind
    tree = boot(work, name, devices, append)
    code, members = gangway(work, "groups", "--tree", tree)
    guest.expect(code == 0, f"{name}: gangway groups ended with {code}")
    links = os.listdir(f"{tree}/sys/bus/pci/devices")
    guest.expect(sorted(links) == sorted(m["function"] for m in members),
                 f"{name}: {len(links)} functions, of which {len(members)} are told")
    for m in members:
        guest.expect(m["kernel"] is not None, f"{name}: {m['function']} has no group")
        guest.expect(m["agree"], f"{name}: {m['function']} is in group {m['kernel']}; we say: "
                                 f"{m['text']}; all: {json.dumps(members)}")
    found = {m["why"] for m in members if not m["function"].startswith(CHIPSET)}
    guest.expect(reasons == found - {"own"}, f"{name}: {found} instead of {reasons}")
    return f"{name}: {len(members)} functions, {len({m['kernel'] for m in members})} groups"


def groups_are_the_kernels(work):
    """Our groups are the kernel's on every machine."""
    work.image("x86_64", "7.2")
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        jobs = [pool.submit(judge, work, kind) for kind in MACHINES]
        try:
            for job in jobs:
                print(f"     {job.result()}", flush=True)
        finally:
            pool.shutdown(cancel_futures=True)


def groups_move_to_vfio_pci_and_back(work):
    """bind and unbind on a real kernel: what is in use stays, a group moves as one, or not."""
    image = os.path.join(work.dir, "bind.cpio")
    words = ["initramfs", "amd64", "7.2", "--out", image, "--module", "vfio-pci",
             "--add", f"{guest.SCRIPTS}:/tests", "--add", f"{work.gangway}:/usr/bin/gangway"]
    for item in test_vfio.libraries(work.gangway):
        words += ["--add", item]
    guest.provisioned(*words)
    disk_file = os.path.join(work.dir, "disk.img")
    with open(disk_file, "wb") as file:
        file.truncate(32 * guest.MIB)
    # here, as the guest's own mkfs may not get along with the libraries that gangway brings
    subprocess.run(["/sbin/mkfs.ext4", "-q", "-F", disk_file], check=True)
    devices = ["-drive", f"file={disk_file},format=raw,if=none,id=d", *port("a"),
               *disk("a", drive="d"), *port("b"), *disk("b", addr="0.0", multifunction="on"),
               *disk("b", addr="0.1")]
    with machine(work, "bind", "bind", devices, "gangway.modules=ext4", image):
        pass


if __name__ == "__main__":
    with guest.terminated_is_an_exit():
        guest.main([groups_are_the_kernels, groups_move_to_vfio_pci_and_back])
