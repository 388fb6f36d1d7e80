# SPDX-License-Identifier: BSD-3-Clause
"""PCI as the guest's CPU sees it: config space, BARs, MSI and MSI-X."""

VENDOR_ID, COMMAND, STATUS, HEADER_TYPE, BAR0, CAPABILITIES = 0x00, 0x04, 0x06, 0x0e, 0x10, 0x34
COMMAND_MEMORY, COMMAND_MASTER = 2, 4
CAP_PM, CAP_MSI, CAP_PCIE, CAP_MSIX = 0x01, 0x05, 0x10, 0x11


class Ports:
    """Config space by the ports 0xcf8 and 0xcfc."""

    def __init__(self, qtest):
        self.qtest = qtest

    def _select(self, bus, slot, off):
        self.qtest.outb(0xcf8, 4, 1 << 31 | bus << 16 | slot << 11 | off & ~3)
        return 0xcfc + (off & 3)

    def read(self, bus, slot, off, width):
        return self.qtest.inb(self._select(bus, slot, off), width)

    def write(self, bus, slot, off, width, value):
        self.qtest.outb(self._select(bus, slot, off), width, value)


class Ecam:
    """Config space by memory; reaches all 4096 bytes."""

    def __init__(self, qtest, base):
        self.qtest = qtest
        self.base = base

    def read(self, bus, slot, off, width):
        return self.qtest.load(self.base + (bus << 20) + (slot << 15) + off, width)

    def write(self, bus, slot, off, width, value):
        self.qtest.store(self.base + (bus << 20) + (slot << 15) + off, width, value)


class Bar:
    def __init__(self, qtest, number, size, flags):
        self.qtest = qtest
        self.number = number
        self.size = size
        self.io = bool(flags & 1)
        self.is_64bit = flags & 7 == 4
        self.prefetchable = flags & 9 == 8
        self.address = None

    def load(self, off, width):
        return self.qtest.load(self.address + off, width)

    def store(self, off, width, value):
        self.qtest.store(self.address + off, width, value)

    def read(self, off, size):
        return self.qtest.read(self.address + off, size)

    def write(self, off, data):
        self.qtest.write(self.address + off, data)


class Function:
    """A PCI function in a slot of a machine."""

    def __init__(self, qemu, slot=None, bus=0):
        self.qemu = qemu
        self.qtest = qemu.qtest
        self.slot = qemu.FIRST_SLOT if slot is None else slot
        self.bus = bus
        self.bars = {}

    def cfg(self, off, width):
        return self.qemu.config.read(self.bus, self.slot, off, width)

    def set_cfg(self, off, width, value):
        self.qemu.config.write(self.bus, self.slot, off, width, value)

    def capability(self, wanted):
        """Where a capability is; None without one."""
        at = self.cfg(CAPABILITIES, 1)
        seen = set()
        while at:
            assert at not in seen, "the capability list goes in circles"
            seen.add(at)
            if self.cfg(at, 1) == wanted:
                return at
            at = self.cfg(at + 1, 1)
        return None

    def size_bars(self):
        """Find the BARs as firmware does: write ones, see what sticks."""
        number = 0
        while number < 6:
            bar = self._size_bar(number)
            if bar:
                self.bars[number] = bar
            number += 2 if bar and bar.is_64bit else 1
        return self.bars

    def _size_bar(self, number):
        at = BAR0 + 4 * number
        flags = self.cfg(at, 4) & 15
        self.set_cfg(at, 4, 0xffffffff)
        mask = self.cfg(at, 4)
        self.set_cfg(at, 4, 0)
        if not mask:
            return None
        if flags & 7 == 4:
            self.set_cfg(at + 4, 4, 0xffffffff)
            mask |= self.cfg(at + 4, 4) << 32
            self.set_cfg(at + 4, 4, 0)
        else:
            mask |= 0xffffffff << 32
        mask &= ~(3 if flags & 1 else 15)
        return Bar(self.qtest, number, (1 << 64) - mask, flags)

    def place_bar(self, number, address):
        bar = self.bars[number]
        self.set_cfg(BAR0 + 4 * number, 4, address & 0xffffffff)
        if bar.is_64bit:
            self.set_cfg(BAR0 + 4 * number + 4, 4, address >> 32)
        bar.address = address

    def place_bars(self):
        for number, bar in self.bars.items():
            self.place_bar(number, self.qemu.take_mmio(bar.size, bar.is_64bit))

    def enable(self, bits=COMMAND_MEMORY | COMMAND_MASTER):
        self.set_cfg(COMMAND, 2, self.cfg(COMMAND, 2) | bits)

    def disable(self, bits=COMMAND_MEMORY | COMMAND_MASTER):
        self.set_cfg(COMMAND, 2, self.cfg(COMMAND, 2) & ~bits)

    def start(self):
        """What firmware and a driver's probe do."""
        self.size_bars()
        self.place_bars()
        self.enable()
        return self


class Msix:
    """MSI-X of a function. Messages go to guest RAM, where the test finds them."""

    ENABLE, FUNCTION_MASK = 0x8000, 0x4000

    def __init__(self, function, target):
        self.function = function
        self.at = function.capability(CAP_MSIX)
        table = function.cfg(self.at + 4, 4)
        self.vectors = (function.cfg(self.at + 2, 2) & 0x7ff) + 1
        self.table = function.bars[table & 7], table & ~7
        self.target = target

    def control(self, on=0, off=0):
        value = self.function.cfg(self.at + 2, 2)
        self.function.set_cfg(self.at + 2, 2, value & ~off | on)

    def _entry(self, vector, off, value):
        bar, base = self.table
        bar.store(base + 16 * vector + off, 4, value)

    def aim(self, vector, masked=False):
        """Let the vector write data(vector) to its own place in RAM."""
        address = self.target + 4 * vector
        self.function.qtest.store(address, 4, 0)
        self._entry(vector, 0, address & 0xffffffff)
        self._entry(vector, 4, address >> 32)
        self._entry(vector, 8, self.data(vector))
        self.mask(vector, masked)

    def mask(self, vector, masked=True):
        self._entry(vector, 12, int(masked))

    @staticmethod
    def data(vector):
        return 0xc0de0000 + vector

    def arrived(self, vector):
        return self.function.qtest.load(self.target + 4 * vector, 4)

    def clear(self, vector):
        self.function.qtest.store(self.target + 4 * vector, 4, 0)


class Msi:
    """MSI of a function: one address, vectors in the low bits of the data."""

    def __init__(self, function, target):
        self.function = function
        self.at = function.capability(CAP_MSI)
        control = function.cfg(self.at + 2, 2)
        self.vectors = 1 << (control >> 1 & 7)
        self.is_64bit = bool(control & 0x80)
        self.target = target

    def enable(self, vectors, data):
        log2 = vectors.bit_length() - 1
        self.function.set_cfg(self.at + 4, 4, self.target & 0xffffffff)
        if self.is_64bit:
            self.function.set_cfg(self.at + 8, 4, self.target >> 32)
        self.function.set_cfg(self.at + (12 if self.is_64bit else 8), 2, data)
        self.function.set_cfg(self.at + 2, 2, log2 << 4 | 1)

    def disable(self):
        self.function.set_cfg(self.at + 2, 2, 0)
