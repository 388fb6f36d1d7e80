# SPDX-License-Identifier: BSD-3-Clause
"""A client of our own, with the probe in front of it."""

import mmap
import os

import client as vu
import probe
from child import wait_until
from qemu import MIB


class Memory:
    """Shared memory as a VMM has it."""

    def __init__(self, size=4 * MIB):
        self.fd = os.memfd_create("memory")
        os.ftruncate(self.fd, size)
        self.map = mmap.mmap(self.fd, size)


def meet(rig, **options):
    daemon = rig.daemon(**options)
    client = vu.Client(daemon.socket)
    enable(client)
    return daemon, client


def enable(client):
    client.write(vu.CONFIG, 4, b"\6\0")     # memory and bus mastering


def reg(client, register, width=4):
    return int.from_bytes(client.read(0, register, width), "little")


def set_reg(client, register, value, width=4):
    client.write(0, register, value.to_bytes(width, "little"))


def begin(client, command, src=0, dst=0, length=0, pattern=0):
    enable(client)
    for register, value in ((probe.SRC, src), (probe.DST, dst), (probe.LEN, length),
                            (probe.PATTERN, pattern)):
        set_reg(client, register, value, 8)
    set_reg(client, probe.COMMAND, command)


def run(client, command, **parameters):
    begin(client, command, **parameters)
    wait_until("the end of DMA", lambda: reg(client, probe.STATUS) != probe.BUSY)
    return reg(client, probe.STATUS)
