# SPDX-License-Identifier: BSD-3-Clause
"""A machine that is made up in a folder, and a kernel that acts on what is written there."""

import json
import os
import struct

from command import gangway, refused

DISK = "0000:01:00.0"
NET = "0000:02:00.0"
SIBLING = "0000:02:00.1"
ENDPOINT, ROOT_PORT, UPSTREAM_PORT, DOWNSTREAM_PORT = 0, 4, 5, 6


class Machine:
    """A folder with sys/ and proc/: two root ports, a disk below one, two functions below the other."""

    def __init__(self, rig, grouped=True):
        self.rig = rig
        self.dir = rig.new_path("machine")
        for path in ("sys/bus/pci/devices", "sys/bus/pci/drivers/vfio-pci", "sys/class/block",
                     "sys/class/net", "sys/dev/block", "sys/kernel/iommu_groups", "proc/self"):
            os.makedirs(self.path(path))
        self.write("sys/bus/pci/drivers_probe", "")
        self.write("proc/self/mountinfo", "")
        self.add("0000:00:00.0", "", 0x060000, group=grouped and 1)
        self.add("0000:00:01.0", "", 0x060400, ROOT_PORT, group=grouped and 2, acs=0x1d)
        self.add(DISK, "/0000:00:01.0", 0x010802, group=grouped and 3, driver="nvme")
        self.add("0000:00:02.0", "", 0x060400, ROOT_PORT, group=grouped and 4, acs=0x1d)
        self.add(NET, "/0000:00:02.0", 0x020000, group=grouped and 5, driver="e1000e", multi=True)
        self.add(SIBLING, "/0000:00:02.0", 0x020000, group=grouped and 5, driver="e1000e")

    def path(self, below):
        return os.path.join(self.dir, below)

    def write(self, below, content):
        os.makedirs(os.path.dirname(self.path(below)), exist_ok=True)
        with open(self.path(below), "wb") as file:
            file.write(content if isinstance(content, bytes) else content.encode())

    def read(self, below):
        with open(self.path(below), encoding="ascii") as file:
            return file.read()

    def link(self, below, to):
        os.makedirs(os.path.dirname(self.path(below)), exist_ok=True)
        os.symlink(to, self.path(below))

    def add(self, name, above, class_code, kind=ENDPOINT, group=None, driver=None, acs=None,
            multi=False, header=None):
        place = f"sys/devices/pci0000:00{above}/{name}"
        config = bytearray(4096)
        struct.pack_into("<HHHH", config, 0, 0x1b36, 0x0010, 0, 0x10)
        config[0x0e] = ((class_code == 0x060400) if header is None else header) | multi << 7
        config[0x34] = 0x40
        struct.pack_into("<BBH", config, 0x40, 0x10, 0, 2 | kind << 4)
        if acs is not None:
            struct.pack_into("<IHH", config, 0x100, 0x1000d, 0x1f, acs)
        self.write(f"{place}/config", bytes(config))
        self.write(f"{place}/vendor", "0x1b36\n")
        self.write(f"{place}/device", "0x0010\n")
        self.write(f"{place}/class", f"{class_code:#08x}\n")
        self.write(f"{place}/resource", "")
        self.write(f"{place}/driver_override", "(null)\n")
        self.link(f"sys/bus/pci/devices/{name}", f"../../../devices/{place[12:]}")
        if driver:
            self.write(f"sys/bus/pci/drivers/{driver}/unbind", "")
            self.link(f"{place}/driver", self.path(f"sys/bus/pci/drivers/{driver}"))
        if group:
            self.link(f"{place}/iommu_group", self.path(f"sys/kernel/iommu_groups/{group}"))
            self.write(f"sys/kernel/iommu_groups/{group}/type", "DMA\n")

    def disk(self, name, number, where=f"pci0000:00/0000:00:01.0/{DISK}/nvme/nvme0"):
        place = f"../../devices/{where}/{name}"
        self.link(f"sys/class/block/{name}", place)
        self.link(f"sys/dev/block/{number}", place)
        os.makedirs(self.path(f"sys/class/block/{place}/slaves"), exist_ok=True)
        os.makedirs(self.path(f"sys/class/block/{place}/holders"), exist_ok=True)

    def mount(self, number, source, point):
        self.write("proc/self/mountinfo", self.read("proc/self/mountinfo")
                   + f"25 1 {number} / {point} rw,relatime shared:1 - ext4 {source} rw\n")

    def run(self, *args):
        """Exit status, what was printed as JSON, and the messages."""
        status, out, err = gangway(self.rig, *args, "--tree", self.dir, "--json")
        return status, json.loads(out) if out else None, err

    def refused(self, status, words, *args):
        return refused(self.rig, status, words, *args, "--tree", self.dir)

    def untouched(self):
        return all(self.read(f"sys/bus/pci/devices/{fn}/driver_override") == "(null)\n"
                   for fn in (DISK, NET, SIBLING))


class Kernel:
    """What acts on a machine's files: `gangway` is run with it preloaded."""

    def __init__(self, machine):
        self.machine = machine
        self.preload = os.path.join(os.path.dirname(machine.rig.gangway), "..", "tests", "wire",
                                    "libsysfs-kernel.so")
        for name in (DISK, NET, SIBLING):
            self.own(name, self.driver(name))

    def own(self, name, driver):
        """The driver that fits a function by itself."""
        self.machine.write(f"sys/bus/pci/devices/{name}/own_driver", driver + "\n")

    def bind(self, name, driver, override=None):
        """It has had this driver before anyone looked."""
        place = f"sys/bus/pci/devices/{name}"
        os.makedirs(self.machine.path(f"sys/bus/pci/drivers/{driver}"), exist_ok=True)
        self.machine.write(f"sys/bus/pci/drivers/{driver}/unbind", "")
        if os.path.lexists(self.machine.path(f"{place}/driver")):
            os.unlink(self.machine.path(f"{place}/driver"))
        self.machine.link(f"{place}/driver", self.machine.path(f"sys/bus/pci/drivers/{driver}"))
        if "vfio" in driver:
            os.makedirs(self.machine.path(f"{place}/vfio-dev/vfio0"))
        if override:
            self.machine.write(f"{place}/driver_override", override + "\n")

    def driver(self, name):
        path = self.machine.path(f"sys/bus/pci/devices/{name}/driver")
        return os.path.basename(os.readlink(path)) if os.path.lexists(path) else None

    def override(self, name):
        return self.machine.read(f"sys/bus/pci/devices/{name}/driver_override").rstrip("\n")

    def env(self, kill=None):
        return {"LD_PRELOAD": self.preload, "KERNEL_TREE": os.path.realpath(self.machine.dir),
                "ASAN_OPTIONS": "verify_asan_link_order=0",
                **({"KERNEL_KILL": str(kill)} if kill else {})}

    def run(self, *args, kill=None):
        """Exit status, what was printed as JSON, and the messages."""
        status, out, err = gangway(self.machine.rig, *args, "--tree", self.machine.dir, "--json",
                                   env=self.env(kill))
        return status, json.loads(out) if out else None, err

    def moved(self, *args):
        """It goes well: what moved, from where to where."""
        status, moves, err = self.run(*args)
        assert status == 0, err
        return {m["function"]: (m["from"], m["to"]) for m in moves}, err
