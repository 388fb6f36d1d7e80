# SPDX-License-Identifier: BSD-3-Clause
"""A function with an interrupt pin: its server (intx_server.c), and its driver's view of it."""

import os

import pci
from daemon import Serving

INDEX = 0                               # VFIO's, of INTx
INT_LINE, INT_PIN = 0x3c, 0x3d          # in config space
CAUSES, CLEAR, FIRE = 0x0, 0x4, 0x8     # registers of BAR 0


class Server(Serving):
    """Started and serving when the constructor returns. What it says is its story."""

    def __init__(self, rig):
        self.socket = rig.new_path("socket")
        self.stopped = False
        self.told = 0           # lines of the story that a test has seen
        self.marks = 0
        program = os.path.join(os.path.dirname(rig.gangway), "..", "tests", "wire", "intx-server")
        super().__init__("intx-server", [program, self.socket])
        rig.daemons.append(self)
        self.wait_line("^serving")

    def story(self, mark):
        """What happened since this was asked last; mark() writes a number that the server says."""
        self.marks += 1
        mark(self.marks)
        end = self.wait_line(f"^mark: {self.marks}$", after=self.told)
        lines = self.lines[self.told:end]
        self.told = end + 1
        return [line for line in lines if line.startswith(("vmm:", "host:"))]

    def stop(self):
        """End it, and check that it left in good order."""
        if self.stopped:
            return
        self.stopped = True
        status = self.terminate()
        assert status == 0, f"exit status {status}"


class Device(pci.Function):
    """Found, placed and started. The guest's interrupt controller has its inputs watched."""

    # device whose inputs are watched, and the one that pin A of slot 4 comes out at
    INPUTS = {"pc": ("ioapic", 10), "q35": ("ioapic", 20), "virt": (None, 3)}

    def __init__(self, qemu, server, machine="q35"):
        super().__init__(qemu)
        self.server = server
        controller, self.input = self.INPUTS[machine]
        if machine == "pc":     # what firmware does: all four links go to interrupt 10
            qemu.config.write(0, 1, 0x60, 4, 0x0a0a0a0a)
        self.qtest.command(f"irq_intercept_in {controller or self._gic()}")
        self.start()

    def _gic(self):
        for child in self.qemu.qmp.command("qom-list", path="/machine/unattached"):
            if child["type"] == "child<arm_gic>":
                return "/machine/unattached/" + child["name"]
        raise AssertionError("no interrupt controller")

    def story(self):
        return self.server.story(lambda number: self.set_cfg(INT_LINE, 1, number))

    def causes(self):
        return self.bars[0].load(CAUSES, 4)

    def raise_(self, causes=1):
        self.bars[0].store(CAUSES, 4, causes)

    def clear(self, causes=0xffffffff):
        self.bars[0].store(CLEAR, 4, causes)

    def fire(self, vector):
        self.bars[0].store(FIRE, 4, vector)

    def _wait_change(self):
        while True:
            change, number = self.qtest.wait_irq()
            if number == self.input:
                return change

    def expect(self, *changes):
        """Wait for these changes of the line, and no others before them."""
        for change in changes:
            seen = self._wait_change()
            assert seen == change, f"the line: {seen}, not {change}"

    def expect_no_more(self):
        """Has the line stayed as it is?"""
        for _ in range(3):
            self.cfg(pci.VENDOR_ID, 2)
        seen = [change for change, number in self.qtest.irqs if number == self.input]
        assert not seen, seen
