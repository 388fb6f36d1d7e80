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
FIRMWARE = ("seabios/bios-256k.bin", "qemu/linuxboot_dma.bin", "qemu/kvmvapic.bin")
TOOLS = ("tests/guest/client/vfio-client",)


def qemu_items(work):
    """QEMU with its loader, libraries and firmware, as items of --add."""
    bindir = guest.provisioned("qemu")
    tree = os.path.join(os.path.dirname(bindir), "tree")
    libs = os.path.join(tree, "usr", "lib", "x86_64-linux-gnu")
    loader = os.path.join(tree, "usr", "lib64", "ld-linux-x86-64.so.2")
    program = os.path.join(tree, "usr", "bin", "qemu-system-x86_64")
    done = subprocess.run([loader, "--library-path", libs, "--list", program], check=True,
                          stdout=subprocess.PIPE, text=True)
    items = [f"{os.path.realpath(loader)}:/qemu/ld.so", f"{program}:/qemu/program"]
    for name, path in re.findall(r"(\S+) => (/\S+)", done.stdout):
        items.append(f"{os.path.realpath(path)}:/qemu/lib/{name}")
    for name in FIRMWARE:
        path = os.path.join(tree, "usr", "share", name)
        items.append(f"{os.path.realpath(path)}:/qemu/share/{os.path.basename(name)}")
    wrapper = os.path.join(work.dir, "qemu")
    with open(wrapper, "w", encoding="ascii") as file:
        file.write("#!/bin/sh\nexec /qemu/ld.so --library-path /qemu/lib /qemu/program "
                   "-L /qemu/share \"$@\"\n")
    os.chmod(wrapper, 0o755)
    return [*items, f"{wrapper}:/qemu/qemu"]


def boot(work, only, kernel=None, add=()):
    """Boot the machine, whose script boots inner guests as ONLY says; what they measured.

    The first MiB of the disk are what the inner guests read from its second MiB, or more.
    """
    seed = guest.seed_bytes("nested")
    with open(work.path("disk.img"), "wb") as file:
        file.seek(guest.MIB)
        file.write(seed)
    inner = guest.initramfs("x86_64", "7.2", os.path.join(work.dir, "inner.cpio"), add=add)
    items = [f"{inner}:/nested/initrd", *qemu_items(work),
             f"{kernel or guest.kernel('x86_64', '7.2')}:/nested/vmlinuz"]
    values, _ = test_vfio.boot(work, only, script="vfio-nested", tools=TOOLS, modules=MODULES,
                               add=items, words="printk.devkmsg=on", seconds=1500)
    guest.expect(values["disk"] == guest.sha256([seed[:guest.MIB]]),
                 "the disk does not hold what the inner guest copied")
    return values
