#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""Plan paravirt: guests that start again, VMMs that are killed."""

import sys

import guest
import paravirt


def starts_again(work):
    """Linux 6.12 on x86-64 reboots, is reset, starts another kernel, and is not suspended."""
    paravirt.start_again(work, "x86_64", "6.12")


def killed_vmm(work):
    """QEMU is killed while it maps; the server unmaps all, and serves the next guest."""
    image = {"fio": True, "add": (work.seed(), *paravirt.files("x86_64", "7.2"))}
    with paravirt.Server(work, [paravirt.disk(work)]) as server:
        with guest.Vmm(work, server, "paravirt-busy", sockets=server.sockets, **image) as vmm:
            for _ in range(3):
                vmm.console.wait_for("gw-step: busy", 120)
            vmm.kill()
        server.wait_stderr("companion: client gone", 30)
        server.wait_stderr("socket: client gone", 30)
        with guest.Vmm(work, server, "paravirt-simple", sockets=server.sockets, **image) as vmm:
            vmm.finish()
        server.finish()


if __name__ == "__main__":
    sys.exit(guest.main([starts_again, killed_vmm]))
