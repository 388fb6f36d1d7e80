# SPDX-License-Identifier: BSD-3-Clause
"""The companion device (include/gangway/abi.h) as a module in the guest sees it."""

import struct

from pci import Function

VENDOR, DEVICE = 0x1b36, 0x0015
VERSION, MANAGED_BDF, MAX_ENTRIES, STATUS, CMD_GPA, DOORBELL = 0x00, 0x04, 0x08, 0x0c, 0x10, 0x18
MAGIC, FEATURES, USED_BYTES, USED_MAPS, GENERATION = 0x20, 0x28, 0x38, 0x44, 0x54
CONTROL, CONTROL_STATUS = 0x58, 0x5c
RING_GPA, RING_SHIFT, RING_ENABLE, RING_DOORBELL, COOKIE = 0x60, 0x68, 0x6c, 0x70, 0x78
NONCE, DROPPED = 0x80, 0x88
ANNOUNCE, WITHDRAW, UNMAP_ALL = 1, 2, 3
MAP, UNMAP, QUERY = 1, 2, 3
CAP_VENDOR = 0x09
SHIFT = 6


class Companion(Function):
    """Found, its BARs placed; its ring, once started, is at the given address."""

    def __init__(self, qemu, slot=None, bus=0):
        super().__init__(qemu, slot, bus)
        assert self.cfg(0, 4) == DEVICE << 16 | VENDOR, hex(self.cfg(0, 4))
        self.ring = self.tail = None
        self.start()

    def get(self, register):
        return self.bars[0].load(register, 4)

    def set(self, register, value):
        self.bars[0].store(register, 4, value)

    def get64(self, register):
        return self.get(register) | self.get(register + 4) << 32

    def set64(self, register, value):
        self.set(register, value & 0xffffffff)
        self.set(register + 4, value >> 32)

    def control(self, what):
        self.set(CONTROL, what)
        return self.get(CONTROL_STATUS)

    def command(self, page, kind, entries, answer):
        """Run a command page; return its status and the responses' bytes, each of size answer."""
        request, response = page + 0x1000, page + 0x4000
        self.qtest.write(request, b"".join(entries))
        self.qtest.write(page, struct.pack("<IIIIQQ", kind, len(entries), 0xffffffff, 0, request,
                                           response))
        self.set64(CMD_GPA, page)
        self.set(DOORBELL, 1)
        status = self.get(STATUS)
        assert self.qtest.load(page + 8, 4) == status
        return status, self.qtest.read(response, answer * len(entries))

    def start_ring(self, at):
        self.qtest.fill(at, 0x1000, 0)
        self.set64(RING_GPA, at)
        self.set(RING_SHIFT, SHIFT)
        self.set(RING_ENABLE, 1)
        assert self.get(RING_ENABLE) == 1
        self.ring, self.tail = at, 0

    def submit(self, op, addr, length, flags=0):
        """One entry and its doorbell; return status, handle, IOVA and length."""
        slot = self.tail % (1 << SHIFT)
        self.qtest.write(self.ring + 0x1000 + 32 * slot,
                         struct.pack("<HHIQQQ", op, flags, self.tail, addr, length, 0))
        self.tail += 1
        self.qtest.store(self.ring, 4, self.tail)
        self.set(RING_DOORBELL, 1)
        assert self.qtest.load(self.ring + 0x44, 4) == self.tail, "not done when it returned"
        answer = self.qtest.read(self.ring + 0x1000 + (32 << SHIFT) + 32 * slot, 32)
        tag, status, more, handle, iova, size = struct.unpack("<IHHQQQ", answer)
        assert (tag, more) == (self.tail - 1, 0)
        self.qtest.store(self.ring + 4, 4, self.tail)
        return status, handle, iova, size
