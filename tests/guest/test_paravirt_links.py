#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""Plan paravirt: the companion by QEMU's ivshmem-doorbell, and by a virtio-serial port."""

import os
import sys

import guest
import paravirt

CHARDEV = "socket,id=gw,path="


class Mapper(guest.Server):
    """`gangway companion`: the function by vfio-user, its companion by another way."""

    def __init__(self, work, kind, options=()):
        self.link = os.path.join(work.dir, f"{kind}-link")
        self.socket = os.path.join(work.dir, f"{kind}-function")
        self.report_path = os.path.join(work.dir, f"{kind}.json")
        guest.Process.__init__(
            self, [work.gangway, "companion", paravirt.disk(work), f"--{kind}", self.link,
                   "--socket", self.socket, "--report", self.report_path, *options],
            os.path.join(work.dir, f"{kind}.log"))
        self.wait_stderr("serving; SIGTERM ends it", 30)


def served(work, kind, devices, mode, options=()):
    """A disk in a guest of stock QEMU whose companion is DEVICES; all its data is right."""
    with Mapper(work, kind, options) as mapper:
        words = ["-chardev", CHARDEV + mapper.link]
        for device in devices:
            words += ["-device", device]
        with guest.Vmm(work, mapper, "paravirt-link", fio=True, qemu=words,
                       append=f"gangway.link={kind} gangway.mode={mode}",
                       add=(work.seed(), *paravirt.files("x86_64", "7.2"))) as vmm:
            vmm.finish()
        return mapper.finish()


def ivshmem(work):
    """With 32 of 512 MiB to map, drivers have memory mapped through ivshmem where they cannot sleep."""
    report = served(work, "ivshmem", ["ivshmem-doorbell,chardev=gw,vectors=1"], "windows",
                    ["--host-option", "max-bytes=32M"])
    guest.expect(report["maps"] > 20, f"{report['maps']} mappings, where blocks go and come")


def ivshmem_covered(work):
    """With enough to map, all of RAM is mapped once, through ivshmem."""
    served(work, "ivshmem", ["ivshmem-doorbell,chardev=gw,vectors=1"], "ranges")


def port(work):
    """All of RAM is mapped once, through a port; what a port cannot do is refused."""
    served(work, "port", ["virtio-serial-pci,max_ports=1", "virtconsole,chardev=gw"], "ranges")


if __name__ == "__main__":
    sys.exit(guest.main([ivshmem, ivshmem_covered, port]))
