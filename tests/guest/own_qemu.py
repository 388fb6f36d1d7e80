# SPDX-License-Identifier: BSD-3-Clause
"""A QEMU for arm64 of the user's own, started with what `gangway serve --json` prints."""

import json
import os
import subprocess

import guest


def machine():
    """How it is started, but for memory and what boots."""
    return [os.path.join(guest.provisioned("qemu"), "qemu-system-aarch64"), "-machine", "virt",
            "-cpu", "max,pauth-impdef=on", "-nodefaults", "-display", "none", "-no-reboot",
            "-serial", "stdio", "-smp", "2"]


def join(out, *paths):
    """Files one behind the other, in OUT."""
    with open(out, "wb") as to:
        for path in paths:
            with open(path, "rb") as file:
                to.write(file.read())
    return out


def boot(work, script, memory, window, append, firmware=None):
    """A guest that runs a script with a disk under plan window; what it measured.

    With FIRMWARE it boots by ACPI, with the tables that `serve` writes before its initramfs.
    """
    tree, tables = work.path("guest.dtb"), work.path("tables.cpio")
    subprocess.run([*machine(), "-m", memory, "-machine", f"dumpdtb={tree}"], check=True,
                   stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    with guest.Server(work, [f"sim:nvme,file={work.path('disk.img')},size=256M"],
                      ["--memory", memory, "--window", window, "--device-tree", tree,
                       "--memory-file", f"/dev/shm/{os.path.basename(work.dir)}", "--json",
                       *(["--acpi-table", tables] if firmware else [])],
                      stdout=subprocess.PIPE, text=True) as server:
        argv = json.loads(server.popen.stdout.readline())["argv"]
        run = dict(zip(*[iter(work.words(script, add=(work.seed(),), append=append))] * 2))
        initrd = run["--initrd"]
        if firmware:
            initrd = join(work.path("initrd"), tables, initrd)
            argv += ["-bios", firmware]
        with guest.Qemu(work, [*machine(), *argv, "-kernel", run["--kernel"], "-initrd", initrd,
                              "-append", "console=ttyAMA0 " + run["--append"]]) as vmm:
            vmm.finish()
        server.finish()
        return vmm.values
