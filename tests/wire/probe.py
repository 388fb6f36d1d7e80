# SPDX-License-Identifier: BSD-3-Clause
"""The probe device (devices/probe.h) as its driver sees it."""

from child import wait_until
from pci import Function

VENDOR, DEVICE = 0x1234, 0x6777
VECTORS = 32
MEM_SIZE = 0x100000

ID, VERSION, RESETS, WRITES = 0x00, 0x04, 0x08, 0x0c
SCRATCH8, SCRATCH16, SCRATCH32, SCRATCH64 = 0x10, 0x12, 0x14, 0x18
IRQ, IRQS, WIDTH = 0x20, 0x24, 0x28
SRC, DST, LEN, COMMAND, STATUS, ERROR = 0x40, 0x48, 0x50, 0x58, 0x5c, 0x60
VECTOR, PATTERN, RESULT, DONE = 0x64, 0x68, 0x70, 0x78
ID_VALUE, NO_VECTOR = 0x42525047, 0xffffffff
CMD_STOP, CMD_COPY, CMD_FILL, CMD_SUM = range(4)
IDLE, BUSY, OK, FAILED = range(4)


def fnv1a(data):
    """What CMD_SUM makes of some bytes."""
    total = 0xcbf29ce484222325
    for byte in data:
        total = (total ^ byte) * 0x100000001b3 & 0xffffffffffffffff
    return total


class Probe(Function):
    """Found, its BARs placed, memory and bus mastering on."""

    def __init__(self, qemu, slot=None, bus=0):
        super().__init__(qemu, slot, bus)
        assert self.cfg(0, 4) == DEVICE << 16 | VENDOR, hex(self.cfg(0, 4))
        self.start()

    def get(self, register, width=4):
        return self.bars[0].load(register, width)

    def set(self, register, value, width=4):
        self.bars[0].store(register, width, value)

    def begin(self, command, src=0, dst=0, length=0, pattern=0, vector=NO_VECTOR):
        self.set(SRC, src, 8)
        self.set(DST, dst, 8)
        self.set(LEN, length, 8)
        self.set(PATTERN, pattern, 8)
        self.set(VECTOR, vector)
        self.set(COMMAND, command)

    def wait(self):
        """Wait for the end of a command; return its status."""
        wait_until("the end of a DMA command", lambda: self.get(STATUS) != BUSY)
        return self.get(STATUS)

    def run(self, command, **parameters):
        self.begin(command, **parameters)
        status = self.wait()
        assert status == OK, f"DMA ended with status {status}, errno {self.get(ERROR)}"

    def copy(self, src, dst, length):
        self.run(CMD_COPY, src=src, dst=dst, length=length)

    def sum(self, src, length):
        self.run(CMD_SUM, src=src, length=length)
        return self.get(RESULT, 8)
