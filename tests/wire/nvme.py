# SPDX-License-Identifier: BSD-3-Clause
"""A small NVMe driver (NVMe 1.4) for the tests that play the CPU."""

import struct

from child import wait_until
from pci import Function

CAP, VS, CC, CSTS, AQA, ASQ, ACQ, CMBMSC, DOORBELLS = (
    0, 8, 0x14, 0x1c, 0x24, 0x28, 0x30, 0x50, 0x1000)
DELETE_SQ, CREATE_SQ, DELETE_CQ, CREATE_CQ, IDENTIFY, DOORBELL_BUFFERS = 0, 1, 4, 5, 6, 0x7c
FLUSH, WRITE, READ = 0, 1, 2
PAGE = 4096
ENTRIES = 32
BLOCK = 512


class Queue:
    """A submission queue and its completion queue, a page each."""

    def __init__(self, nvme, number, base):
        self.nvme, self.number, self.sq, self.cq = nvme, number, base, base + PAGE
        self.tail = self.head = self.ident = 0
        self.phase = 1
        nvme.qtest.fill(base, 2 * PAGE, 0)

    def submit(self, opcode, prp1=0, prp2=0, nsid=0, cdw10=0, cdw11=0, cdw12=0):
        self.ident = (self.ident + 1) & 0xffff
        self.nvme.qtest.write(self.sq + 64 * self.tail, struct.pack(
            "<BBHIQQQQIIIIII", opcode, 0, self.ident, nsid, 0, 0, prp1, prp2, cdw10, cdw11, cdw12,
            0, 0, 0))
        self.tail = (self.tail + 1) % ENTRIES
        self.nvme.doorbell(2 * self.number, self.tail)
        return self.ident

    def done(self):
        """Is there a completion?"""
        return self.nvme.qtest.load(self.cq + 16 * self.head + 14, 2) & 1 == self.phase

    def complete(self):
        """Wait for the next completion; return the command's id and its status."""
        wait_until("a completion", self.done)
        _, _, _, _, ident, status = struct.unpack(
            "<IIHHHH", self.nvme.qtest.read(self.cq + 16 * self.head, 16))
        self.head = (self.head + 1) % ENTRIES
        self.phase ^= self.head == 0
        self.nvme.doorbell(2 * self.number + 1, self.head)
        return ident, status >> 1

    def run(self, opcode, **parameters):
        ident = self.submit(opcode, **parameters)
        assert self.complete() == (ident, 0)


class Nvme(Function):
    """Found, its controller enabled, with one pair of queues for I/O."""

    def __init__(self, qemu, slot=None, vector=None):
        super().__init__(qemu, slot)
        assert self.cfg(8, 4) >> 8 == 0x010802, hex(self.cfg(8, 4))
        self.start()
        self.memory = qemu.machine.ram + 0x100000
        self.stride = None
        self.admin = self.io = None
        self.begin(vector)

    def get(self, register, width=4):
        return self.bars[0].load(register, width)

    def set(self, register, value, width=4):
        self.bars[0].store(register, width, value)

    def doorbell(self, number, value):
        self.set(DOORBELLS + number * self.stride, value)

    def begin(self, vector=None):
        self.stride = 4 << (self.get(CAP, 8) >> 32 & 15)
        self.set(CC, 0)
        wait_until("the controller to be off", lambda: not self.get(CSTS) & 1)
        self.admin = Queue(self, 0, self.memory)
        self.set(AQA, (ENTRIES - 1) << 16 | ENTRIES - 1)
        self.set(ASQ, self.admin.sq, 8)
        self.set(ACQ, self.admin.cq, 8)
        self.set(CC, 4 << 20 | 6 << 16 | 1)
        wait_until("the controller to be ready", lambda: self.get(CSTS) & 1)
        self.io = Queue(self, 1, self.memory + 2 * PAGE)
        interrupt = 0 if vector is None else vector << 16 | 2
        self.admin.run(CREATE_CQ, prp1=self.io.cq, cdw10=(ENTRIES - 1) << 16 | 1,
                       cdw11=interrupt | 1)
        self.admin.run(CREATE_SQ, prp1=self.io.sq, cdw10=(ENTRIES - 1) << 16 | 1,
                       cdw11=1 << 16 | 1)

    def identify(self):
        """The 4096 bytes that say what the controller is."""
        at = self.memory + 16 * PAGE
        self.admin.run(IDENTIFY, prp1=at, cdw10=1)
        return self.qtest.read(at, PAGE)

    def list_at(self, page, at, size):
        """Write the list of the pages behind the first of a run of memory; return where."""
        entries = [at + i * PAGE for i in range(1, (size + PAGE - 1) // PAGE)]
        assert len(entries) <= PAGE // 8
        self.qtest.write(self.memory + page * PAGE, struct.pack(f"<{len(entries)}Q", *entries))
        return self.memory + page * PAGE

    def prps(self, at, size):
        """The two entries for a run of memory that begins a page."""
        if size <= PAGE:
            return at, 0
        return at, at + PAGE if size <= 2 * PAGE else self.list_at(8, at, size)

    def submit(self, opcode, block, at, size):
        prp1, prp2 = self.prps(at, size)
        return self.io.submit(opcode, nsid=1, prp1=prp1, prp2=prp2, cdw10=block & 0xffffffff,
                              cdw11=block >> 32, cdw12=size // BLOCK - 1)

    def transfer(self, opcode, block, at, size):
        ident = self.submit(opcode, block, at, size)
        assert self.io.complete() == (ident, 0)
