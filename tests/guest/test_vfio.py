#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""The VFIO host inside a guest: a real kernel, an emulated IOMMU, QEMU's devices behind it."""

import hashlib
import os
import re
import socket
import subprocess
import sys

import guest

SERIAL = "gangway-disk"
WORD = 0x9e3779b97f4a7c15  # of both programs' patterns
TOOLS = ("tests/guest/client/vfio-client", "tests/guest/client/vfio-direct",
         "tests/guest/client/igb-pf")
ERROR = "an error that the machine has it report"
MODULES = ("vfio", "vfio_iommu_type1", "vfio-pci", "pci-pf-stub")


def libraries(*programs):
    """What the programs need to run, as items of --add."""
    found = {}
    for program in programs:
        done = subprocess.run(["ldd", program], check=True, stdout=subprocess.PIPE, text=True)
        for name, path in re.findall(r"(\S+)(?: => (\S+))? \(0x", done.stdout):
            path = path or name
            if path.startswith("/"):
                found[path] = f"{os.path.realpath(path)}:{path}"
    return list(found.values())


def image(work, tools, modules, more):
    """An initramfs with gangway and other programs of the build, and all they need."""
    build = os.path.dirname(os.path.dirname(work.gangway))
    programs = [work.gangway, *(os.path.join(build, tool) for tool in tools)]
    tree = os.path.join(work.dir, "virt.dtb")
    subprocess.run([os.path.join(guest.provisioned("qemu"), "qemu-system-aarch64"), "-machine",
                    f"virt,dumpdtb={tree}", "-m", "64M", "-display", "none"], check=True,
                   stderr=subprocess.DEVNULL)
    add = [f"{tree}:/virt.dtb"]
    add += [f"{program}:/usr/bin/{os.path.basename(program)}" for program in programs]
    add += [*libraries(*programs), *more]
    out = os.path.join(work.dir, "vfio.cpio")
    words = ["initramfs", "amd64", "7.2", "--out", out, "--add", f"{guest.SCRIPTS}:/tests"]
    for module in modules:
        words += ["--module", module]
    for item in add:
        words += ["--add", item]
    return guest.provisioned(*words)


def machine(work, disk, shared):
    """A machine with an IOMMU, and each device on a bus of its own."""
    words = [os.path.join(guest.provisioned("qemu"), "qemu-system-x86_64"),
             "-machine", "q35", "-accel", "tcg,thread=multi", "-cpu", "max", "-smp", "2",
             "-m", "1536M", "-nodefaults", "-nographic", "-no-reboot", "-serial", "stdio",
             "-device", "intel-iommu,intremap=on",
             "-drive", f"if=none,id=disk,format=raw,file={disk}",
             "-object", f"memory-backend-file,id=shm,share=on,size=1M,mem-path={shared}"]
    devices = [f"nvme,drive=disk,serial={SERIAL}", "edu,dma_mask=0xffffffffffff",
               "ivshmem-plain,memdev=shm", "igb", "virtio-rng-pci,id=rng,aer=on"]
    for i, device in enumerate(devices):
        words += ["-device", f"pcie-root-port,id=port{i},chassis={i + 1},slot={i + 1}",
                  "-device", f"{device},bus=port{i}"]
    return words


def pattern(size, seed):
    """The client's pattern_fill()."""
    data = bytearray()
    for i in range(0, size, 4):
        x = ((seed << 32 | i) * WORD) & (1 << 64) - 1
        data += ((x >> 32 ^ x >> 12) & 0xffffffff).to_bytes(4, "little")
    return bytes(data)


def inject_error(monitor):
    """A function reports that it gave up on a request (PCIe 5.0, 6.2.3.2.4)."""
    with socket.socket(socket.AF_UNIX) as sock:
        sock.connect(monitor)
        sock.sendall(b"pcie_aer_inject_error rng COMP_ABORT\n")
        said = b""
        while b"OK id: rng" not in said:
            data = sock.recv(4096)
            guest.expect(data and b"rror:" not in said, f"QEMU: {said}")
            said += data


def boot(work, only="", kernel=None, script="vfio", tools=TOOLS, modules=MODULES, add=(), words="",
         seconds=900):
    """Run a script of this test; return what it measured, and the shared memory's file."""
    disk, shared = work.path("disk.img"), work.path("shared.img")
    with open(disk, "ab") as file:
        file.truncate(64 * guest.MIB)
    monitor = work.path("monitor")
    command = machine(work, disk, shared)
    command += ["-monitor", f"unix:{monitor},server=on,wait=off",
                "-kernel", kernel or guest.kernel("x86_64", "7.2"),
                "-initrd", image(work, tools, modules, add), "-append",
                f"console=ttyS0 quiet loglevel=5 intel_iommu=on iomem=relaxed panic=-1 "
                f"no_timer_check tsc=unstable {guest.PATIENCE} "
                f"gangway.script={script} gangway.only={only} {words}"]
    with guest.Process(command, work.path("qemu.log"), stdin=subprocess.DEVNULL,
                       stdout=subprocess.PIPE) as qemu:
        console = guest.Console(qemu.popen.stdout, work.path("console.log"),
                                lambda text: inject_error(monitor) if text == ERROR else None)
        try:
            console.drain(seconds)
        finally:
            console.close()
            qemu.popen.stdout.close()
        qemu.wait(20)
    guest.expect(not console.trouble, console.trouble)
    guest.expect(console.exits == [0], f"the guest's tests ended with {console.exits}")
    return console.values, shared


def functions_of_this_machine(work):
    """QEMU's functions through VFIO: DMA, interrupts, resets, removal, the end of either side."""
    values, shared = boot(work)
    blocks = hashlib.sha256(b"".join(pattern(4096, 3100 + i) for i in range(16)))
    guest.expect(values["disk"] == blocks.hexdigest(), "the disk does not hold what was written")
    with open(shared, "rb") as file:
        for i in range(64):
            guest.expect(file.read(2048) == pattern(2048, i), f"shared memory, piece {i}")
        file.seek(0x40000)
        words = b"".join((i * WORD & (1 << 64) - 1).to_bytes(8, "little") for i in range(512))
        guest.expect(file.read(4096) == words, "what a peer wrote into the shared memory")
        guest.expect(file.read(4096) == bytes(4096), "a peer wrote after its mapping had ended")
    print(f"     {values['kernel']}, {values['groups']} IOMMU groups; removal took "
          f"{int(values['removal_polite']) / 100} s with a client that lets go, "
          f"{int(values['removal_stubborn']) / 100} s with one that does not")


if __name__ == "__main__":
    sys.exit(guest.main([functions_of_this_machine]))
