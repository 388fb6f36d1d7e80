# SPDX-License-Identifier: BSD-3-Clause
"""Stock QEMU as a child; with accel=qtest the tests are its CPU."""

import json
import os

from child import Child
from pci import Ecam, Ports
from qtest import Qmp, Qtest

MIB = 1 << 20


class Machine:
    """What differs between the machines; addresses are where tests place what they need."""

    def __init__(self, program, options, ram, mmio, mmio64, bus, ecam=None):
        self.program = program
        self.options = options
        self.ram = ram          # where RAM that the tests use begins
        self.mmio = mmio        # free 32-bit addresses for BARs
        self.mmio64 = mmio64
        self.bus = bus
        self.ecam = ecam


MACHINES = {
    "pc": Machine("qemu-system-x86_64", ["-machine", "pc"], 1 * MIB, 0xe0000000, 0x800000000,
                  "pci.0"),
    "q35": Machine("qemu-system-x86_64", ["-machine", "q35"], 1 * MIB, 0xc0000000, 0x800000000,
                   "pcie.0"),
    "virt": Machine("qemu-system-aarch64", ["-machine", "virt", "-cpu", "cortex-a57"],
                    0x40000000, 0x10000000, 0x8000000000, "pcie.0", ecam=0x4010000000),
}


def device(path, slot=None, bus=None, name=None, **more):
    """The properties of a vfio-user-pci device, as -device and device_add want them."""
    properties = {"driver": "vfio-user-pci", "socket": {"type": "unix", "path": path}, **more}
    if name:
        properties["id"] = name
    if bus:
        properties["bus"] = bus
    if slot is not None:
        properties["addr"] = f"{slot:x}"
    return properties


def ram_options(kind, size, path):
    """Guest RAM: of which kind, and so how a server can reach it."""
    backend = {
        "memfd": "memory-backend-memfd,share=on",
        "private-memfd": "memory-backend-memfd,share=off",
        "file": f"memory-backend-file,mem-path={path},share=on",
        "private-file": f"memory-backend-file,mem-path={path},share=off",
        "ram": "memory-backend-ram,share=on",
    }
    options = ["-m", f"{size // MIB}M"]
    if kind == "anonymous":
        return options
    return options + ["-object", f"{backend[kind]},id=mem,size={size}",
                      "-machine", "memory-backend=mem"]


class Qemu(Child):
    """Running and connected when the constructor returns.

    Device number i is in slot FIRST_SLOT + i with the id "fn<i>".
    """

    FIRST_SLOT = 4

    def __init__(self, rig, sockets, machine="q35", ram="memfd", size=64 * MIB, more=(),
                 accel="qtest", properties=None):
        self.machine = MACHINES[machine]
        self.size = size
        self.qtest = Qtest(rig.new_path("qtest")) if accel == "qtest" else None
        self.qmp = Qmp(rig.new_path("qmp"))
        self.quitting = False
        args = [os.path.join(rig.qemu_dir, self.machine.program), *self.machine.options,
                "-accel", accel, "-nodefaults", "-display", "none",
                "-qmp", "unix:" + self.qmp.listener.getsockname()]
        if self.qtest:
            args += ["-qtest", "unix:" + self.qtest.listener.getsockname(), "-qtest-log", "none"]
        args += ram_options(ram, size, rig.new_path("ram"))
        args += more
        for i, path in enumerate(sockets):
            props = device(path, slot=self.FIRST_SLOT + i, name=f"fn{i}", **(properties or {}))
            args += ["-device", json.dumps(props)]
        super().__init__("qemu", args)
        try:
            if self.qtest:
                self.qtest.accept()
            self.qmp.accept()
        except Exception:
            print("#", "\n#   ".join([self.name] + self.lines))
            self.kill()
            raise
        self.config = self._config_access() if self.qtest else None
        self.next_mmio = self.machine.mmio
        self.next_mmio64 = self.machine.mmio64

    def _config_access(self):
        if self.machine.ecam:
            return Ecam(self.qtest, self.machine.ecam)
        return Ports(self.qtest)

    def take_mmio(self, size, is_64bit):
        """An address for a BAR, never given twice."""
        if is_64bit:
            at = (self.next_mmio64 + size - 1) & -size
            self.next_mmio64 = at + size
        else:
            at = (self.next_mmio + size - 1) & -size
            self.next_mmio = at + size
        return at

    def quit(self):
        """End it as a user does."""
        if self.quitting or not self.running():
            return
        self.quitting = True
        self.qmp.command("quit")
        status = self.wait_exit()
        assert status == 0, f"QEMU ended with status {status}"

    def kill(self):
        super().kill()
        self.qmp.close()
        if self.qtest:
            self.qtest.close()
