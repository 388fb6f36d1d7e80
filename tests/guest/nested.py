# SPDX-License-Identifier: BSD-3-Clause
"""A guest in a guest: stock QEMU in the machine of test_vfio.py, with a Linux of its own.

The machine's processors have SVM, so that its kernel has KVM. Without it everything would be
emulated twice, which takes three times as long.
"""

import os
import re
import subprocess

import guest
import test_vfio

MODULES = ("vfio", "vfio_iommu_type1", "vfio-pci", "kvm-amd")
FIRMWARE = ("bios-256k.bin", "linuxboot_dma.bin", "kvmvapic.bin")
TOOLS = ("tests/guest/client/vfio-client",)


def qemu_program(arch, bindir):
    """QEMU as it is installed there: program, loader, and libraries by name."""
    program = os.path.join(bindir, f"qemu-system-{arch}")
    lister = ["ldd"]
    tree = os.path.join(os.path.dirname(bindir), "tree")
    if os.path.isdir(tree):
        # what provision/qemu has fetched: there, the program is a script
        program = os.path.join(tree, "usr", "bin", f"qemu-system-{arch}")
        lister = [os.path.join(tree, "usr", "lib64", "ld-linux-x86-64.so.2"), "--library-path",
                  os.path.join(tree, "usr", "lib", "x86_64-linux-gnu"), "--list"]
    done = subprocess.run([*lister, program], check=True, stdout=subprocess.PIPE, text=True)
    loader = lister[0] if len(lister) > 1 else \
        re.search(r"(/\S*/ld-linux-x86-64\.so\.2)", done.stdout).group(1)
    return program, loader, re.findall(r"(\S+) => (/\S+)", done.stdout)


def firmware(name):
    """A file that QEMU finds by itself."""
    program = os.path.join(guest.provisioned("qemu"), "qemu-system-x86_64")
    done = subprocess.run([program, "-L", "help"], check=True, stdout=subprocess.PIPE, text=True)
    for folder in done.stdout.split():
        path = os.path.join(folder, name)
        if os.path.exists(path):
            return os.path.realpath(path)
    raise guest.Failure(f"QEMU has no {name} in {done.stdout.split()}")


def qemu_items(work, arch, bindir):
    """QEMU with its loader, libraries and firmware, as items of --add."""
    program, loader, libraries = qemu_program(arch, bindir)
    items = [f"{os.path.realpath(loader)}:/qemu/ld.so", f"{os.path.realpath(program)}:/qemu/{arch}"]
    items += [f"{os.path.realpath(path)}:/qemu/lib/{name}" for name, path in libraries
              if "ld-linux" not in name]
    items += [f"{firmware(name)}:/qemu/share/{name}" for name in FIRMWARE]
    wrapper = os.path.join(work.dir, "qemu")
    with open(wrapper, "w", encoding="ascii") as file:
        file.write(f"#!/bin/sh\nexec /qemu/ld.so --library-path /qemu/lib /qemu/{arch} "
                   "-L /qemu/share \"$@\"\n")
    os.chmod(wrapper, 0o755)
    return [*items, f"{wrapper}:/nested/{arch}/qemu"]


def inner_items(work, arch, kernel, bindir, **image):
    """All that an inner guest needs, as items of --add."""
    name = {"x86_64": "x86_64", "aarch64": "arm64"}[arch]
    initrd = guest.initramfs(name, "7.2", os.path.join(work.dir, "inner.cpio"), **image)
    return [f"{initrd}:/nested/{arch}/initrd",
            *qemu_items(work, arch, bindir or guest.provisioned("qemu")),
            f"{kernel or guest.kernel(name, '7.2')}:/nested/{arch}/kernel"]


def boot(work, ways, arch="x86_64", kernel=None, qemu=None, **image):
    """Boot the machine, whose script boots an inner guest in each of these WAYS; what it measured.

    In that, QEMU is the one of the folder QEMU, or the stock one. Each inner guest that is not killed
    copies a MiB of what the disk begins with to a place of its own.
    """
    seed = guest.seed_bytes("nested")
    disk = work.path("disk.img")
    with open(disk, "wb") as file:
        file.write(seed)
    values, _ = test_vfio.boot(work, ",".join(ways), script="vfio-nested", tools=TOOLS,
                               modules=MODULES, add=inner_items(work, arch, kernel, qemu, **image),
                               words="printk.devkmsg=on", seconds=1500)
    with open(disk, "rb") as file:
        for i, way in enumerate(ways):
            if way.endswith("killed"):
                continue
            file.seek((16 + i) * guest.MIB)
            guest.expect(file.read(guest.MIB) == seed[i * guest.MIB:][:guest.MIB],
                         f"{way}: the disk does not hold what the inner guest copied")
    return values


def tell(values, ways):
    """Print what was measured in each way."""
    for way in ways:
        print(f"     {way}: the guest in the guest took {int(values[way]) / 100} s, "
              f"{values[way + '_interrupts']} interrupts, {values[way + '_maps']} mappings")
