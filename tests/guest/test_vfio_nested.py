#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""A guest in a guest: stock QEMU, as nobody, boots from what gangway serves through VFIO."""

import os
import re
import shutil
import subprocess
import sys

import guest
import test_vfio


def nested_initrd(work):
    """busybox and one script."""
    tree = os.path.join(work.dir, "inner")
    for name in ("bin", "dev", "proc"):
        os.makedirs(os.path.join(tree, name))
    userland = guest.provisioned("userland", "amd64")
    shutil.copy(os.path.join(userland, "base", "usr", "bin", "busybox"), f"{tree}/bin/busybox")
    os.symlink("busybox", f"{tree}/bin/sh")
    shutil.copy(os.path.join(guest.SCRIPTS, "vfio-inner"), f"{tree}/init")
    names = subprocess.run(["find", ".", "-mindepth", "1"], cwd=tree, check=True,
                           stdout=subprocess.PIPE).stdout
    out = os.path.join(work.dir, "inner.cpio")
    with open(out, "wb") as file:
        subprocess.run(["cpio", "--quiet", "-o", "-H", "newc", "-R", "+0:+0"], cwd=tree,
                       input=names, stdout=file, check=True)
    return out


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
    for name in ("seabios/bios-256k.bin", "qemu/linuxboot_dma.bin", "qemu/kvmvapic.bin"):
        path = os.path.join(tree, "usr", "share", name)
        items.append(f"{os.path.realpath(path)}:/qemu/share/{os.path.basename(name)}")
    wrapper = os.path.join(work.dir, "qemu")
    with open(wrapper, "w", encoding="ascii") as file:
        file.write("#!/bin/sh\nexec /qemu/ld.so --library-path /qemu/lib /qemu/program "
                   "-L /qemu/share \"$@\"\n")
    os.chmod(wrapper, 0o755)
    return [*items, f"{wrapper}:/qemu/qemu"]


def a_guest_in_the_guest(work):
    """Stock QEMU in the guest boots Linux, whose nvme driver uses the disk."""
    seed = guest.seed_bytes("nested")
    with open(work.path("disk.img"), "wb") as file:
        file.truncate(guest.MIB)
        file.seek(guest.MIB)
        file.write(seed)
    inner = os.path.join(guest.provisioned("kernel-build", "amd64", "iommufd"), "bzImage")
    add = [f"{nested_initrd(work)}:/nested/initrd",
           f"{inner}:/nested/vmlinuz", *qemu_items(work)]
    values, _ = test_vfio.boot(work, script="vfio-nested", add=add, seconds=900)
    guest.expect(values["disk"] == guest.sha256([seed[:guest.MIB]]),
                 "the disk does not hold what the inner guest copied")
    print(f"     the guest in the guest took {int(values['nested']) / 100} s")


if __name__ == "__main__":
    sys.exit(guest.main([a_guest_in_the_guest]))
