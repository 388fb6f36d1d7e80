# SPDX-License-Identifier: BSD-3-Clause
"""A device appears in a machine, as the machine's firmware would find it."""

import pci
import probe
from runner import main, test


def realized(rig, machine):
    daemon = rig.daemon()
    device = probe.Probe(rig.qemu(daemon.socket, machine=machine))
    bars = device.bars
    assert sorted(bars) == [0, 2, 4]
    assert (bars[0].size, bars[0].is_64bit, bars[0].prefetchable) == (0x1000, False, False)
    assert (bars[2].size, bars[2].is_64bit, bars[2].prefetchable) == (0x100000, True, True)
    assert (bars[4].size, bars[4].is_64bit, bars[4].prefetchable) == (0x1000, False, False)
    assert device.get(probe.ID) == probe.ID_VALUE
    assert device.cfg(0x2c, 4) == probe.DEVICE << 16 | probe.VENDOR
    assert device.cfg(0x08, 4) == 0xff000001
    return device


@test
def a_pc_finds_the_device(rig):
    realized(rig, "pc")


@test
def a_q35_finds_the_device(rig):
    realized(rig, "q35")


@test
def an_arm_virt_machine_finds_the_device(rig):
    realized(rig, "virt")


if __name__ == "__main__":
    main()
