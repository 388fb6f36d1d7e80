# SPDX-License-Identifier: BSD-3-Clause
"""Resets of every kind: the machine's, the function's, and a stay in a low power state."""

import errno
import os
import select

import client as vu
import pci
import probe
from child import TIMEOUT, wait_until
from command import FAILED
from qemu import MIB
from runner import main, test

PAGE = 0x1000
FLR = 0x8000
IRQ_REQ = 4


def a_probe(rig, *devices, **options):
    daemon = rig.daemon(*devices)
    return daemon, probe.Probe(rig.qemu(daemon.socket, **options))


def system_reset(device):
    device.qemu.qmp.command("system_reset")
    device.qemu.qmp.wait_event("RESET")


def flr(device):
    pcie = device.capability(pci.CAP_PCIE)
    device.set_cfg(pcie + 8, 2, device.cfg(pcie + 8, 2) | FLR)
    assert not device.cfg(pcie + 8, 2) & FLR, "the bit reads as zero"
    device.place_bars()
    device.enable()


def assert_works(device):
    ram = device.qemu.machine.ram
    device.qtest.fill(ram + 8 * MIB, PAGE, 0x77)
    device.copy(ram + 8 * MIB, ram + 9 * MIB, PAGE)
    assert device.qtest.read(ram + 9 * MIB, PAGE) == b"\x77" * PAGE
    msix = pci.Msix(device, ram + 2 * MIB)
    msix.control(on=pci.Msix.ENABLE)
    msix.aim(9)
    device.set(probe.IRQ, 9)
    wait_until("the message", lambda: msix.arrived(9))


def reset_machine(rig, machine):
    daemon, device = a_probe(rig, machine=machine)
    for _ in range(3):
        assert_works(device)
        device.set(probe.SCRATCH32, 5)
        resets = device.get(probe.RESETS)
        system_reset(device)
        assert device.cfg(pci.COMMAND, 2) & 7 == 0
        device.start()
        assert device.get(probe.RESETS) > resets
        assert device.get(probe.SCRATCH32) == 0
    assert_works(device)


@test
def a_pc_resets_the_device(rig):
    reset_machine(rig, "pc")


@test
def a_q35_resets_the_device(rig):
    reset_machine(rig, "q35")


@test
def an_arm_machine_resets_the_device(rig):
    reset_machine(rig, "virt")


@test
def a_guest_resets_the_function(rig):
    _, device = a_probe(rig)
    for _ in range(3):
        device.set(probe.SCRATCH64, 1, 8)
        resets = device.get(probe.RESETS)
        flr(device)
        assert device.get(probe.RESETS) == resets + 1
        assert device.get(probe.SCRATCH64, 8) == 0
        assert_works(device)


def resets_end_dma(rig, reset, **options):
    """DMA that goes on and on when the reset comes; nothing is written afterwards."""
    _, device = a_probe(rig, **options)
    ram = device.qemu.machine.ram
    for _ in range(3):
        device.begin(probe.CMD_FILL, dst=ram + 8 * MIB, length=16 * MIB, pattern=2 ** 64 - 1)
        reset(device)
        device.size_bars()
        device.place_bars()
        device.enable(pci.COMMAND_MEMORY)
        assert device.get(probe.STATUS) == probe.IDLE
        device.qtest.fill(ram + 8 * MIB, 16 * MIB, 0)
        device.enable()
        assert device.qtest.read(ram + 8 * MIB, 16 * MIB) == bytes(16 * MIB)
    assert_works(device)


@test
def a_machine_reset_ends_dma(rig):
    resets_end_dma(rig, system_reset)


@test
def a_machine_reset_ends_dma_by_message(rig):
    resets_end_dma(rig, system_reset, ram="anonymous")


@test
def a_function_reset_ends_dma(rig):
    resets_end_dma(rig, flr)


@test
def a_function_reset_ends_dma_by_message(rig):
    resets_end_dma(rig, flr, ram="anonymous")


@test
def a_device_that_sleeps_does_no_dma_and_wakes(rig):
    _, device = a_probe(rig)
    ram = device.qemu.machine.ram
    pm = device.capability(pci.CAP_PM)
    for _ in range(3):
        device.set_cfg(pm + 4, 2, 3)
        assert device.cfg(pm + 4, 2) & 3 == 3
        assert device.cfg(0, 4) == probe.DEVICE << 16 | probe.VENDOR
        device.set_cfg(pm + 4, 2, 0)
        assert device.cfg(pm + 4, 2) & 3 == 0
        device.place_bars()
        device.enable()
        assert device.get(probe.ID) == probe.ID_VALUE
        assert_works(device)
    device.begin(probe.CMD_FILL, dst=ram + 8 * MIB, length=16 * MIB, pattern=1)
    device.set_cfg(pm + 4, 2, 3)
    device.qtest.fill(ram + 8 * MIB, 16 * MIB, 0)
    assert device.cfg(pm + 4, 2) & 3 == 3
    assert device.qtest.read(ram + 8 * MIB, 16 * MIB) == bytes(16 * MIB)


@test
def a_reset_machine_finds_a_sleeping_device_awake(rig):
    _, device = a_probe(rig)
    pm = device.capability(pci.CAP_PM)
    device.set_cfg(pm + 4, 2, 3)
    system_reset(device)
    assert device.cfg(pm + 4, 2) & 3 == 0
    device.start()
    assert_works(device)


@test
def a_device_that_vanishes_reads_as_ones_and_the_machine_lives_on(rig):
    # most calls are those which read config space when the device is opened
    daemon = rig.daemon(host=("caller-iova=on", "vanish-after=5000"))
    device = probe.Probe(rig.qemu(daemon.socket))
    assert_works(device)
    wait_until("the function to be gone", lambda: device.get(probe.ID) == 0xffffffff)
    assert device.cfg(0xfc, 4) == 0xffffffff
    device.set(probe.SCRATCH32, 1)
    system_reset(device)
    device.qtest.fill(device.qemu.machine.ram, PAGE, 1)
    daemon.wait_words("the function has gone")
    device.qemu.quit()
    has_nothing_left(daemon)


@test
def a_device_whose_reset_fails_is_out_of_reach_and_the_machine_lives_on(rig):
    # one when the device is opened, those of QEMU as it starts, and some of the guest's
    daemon = rig.daemon(host=("caller-iova=on", "fail-reset-after=6"))
    device = probe.Probe(rig.qemu(daemon.socket))
    assert_works(device)
    ram = device.qemu.machine.ram
    resets = 0
    while device.get(probe.ID) == probe.ID_VALUE:
        device.begin(probe.CMD_FILL, dst=ram + 8 * MIB, length=16 * MIB, pattern=2 ** 64 - 1)
        pcie = device.capability(pci.CAP_PCIE)
        device.set_cfg(pcie + 8, 2, device.cfg(pcie + 8, 2) | FLR)
        if device.cfg(0, 4) != 0xffffffff:
            device.place_bars()
            device.enable()
        resets += 1
        assert resets <= 6
    assert resets > 1
    daemon.wait_words("reset failed", "bus mastering is off")
    daemon.wait_words("comes back with the first reset that succeeds")
    device.qtest.fill(ram + 8 * MIB, 16 * MIB, 0)
    device.set(probe.SCRATCH32, 1)
    assert device.get(probe.SCRATCH32) == 0xffffffff
    system_reset(device)
    assert device.cfg(0, 4) == 0xffffffff
    assert device.qtest.read(ram + 8 * MIB, 16 * MIB) == bytes(16 * MIB), "it wrote afterwards"
    device.qemu.quit()
    for _ in range(2):      # and nobody else is given it
        try:
            vu.Client(daemon.socket)
        except vu.Refused as refusal:
            assert refusal.errno == errno.EIO
        else:
            raise AssertionError("a device that was not reset is served")


def has_nothing_left(daemon):
    """It ends by itself, once every function has gone and its VMM has let go."""
    daemon.wait_words("nothing is left to serve")
    daemon.wait_exit()
    daemon.status = FAILED


@test
def a_vmm_is_told_of_a_function_that_vanishes_though_it_asks_nothing_of_it(rig):
    daemon = rig.daemon("sim:probe", "sim:probe", host=("caller-iova=on", "vanish-after=2000"))
    clients = [vu.Client(path) for path in daemon.sockets(2)]
    request = os.eventfd(0, os.EFD_CLOEXEC)
    memory = os.memfd_create("ram")
    os.truncate(memory, MIB)
    clients[0].set_irqs(IRQ_REQ, vu.DATA_EVENTFD | vu.ACTION_TRIGGER, 0, 1, fds=(request,))

    def maps(client):
        try:
            client.map(0, MIB, memory)
            client.unmap(0, MIB)
        except vu.Refused:
            return False
        return True

    # a map that fails is of memory; that the function has gone is the host's to say
    while maps(clients[0]):
        pass
    assert select.select([request], [], [], TIMEOUT)[0], "nobody was told"
    assert os.eventfd_read(request) == 1
    assert clients[0].read(vu.CONFIG, 0, 4) == b"\xff\xff\xff\xff"
    assert clients[1].read(vu.CONFIG, 0, 4) != b"\xff\xff\xff\xff"
    clients[0].close()
    clients[1].in_sync()    # it is served on
    while maps(clients[1]):
        pass
    daemon.wait_line("has gone; the guest", after=1 + daemon.wait_line("has gone; the guest"))
    for _ in range(100):
        clients[1].in_sync()    # as long as it wants
    clients[1].close()
    has_nothing_left(daemon)
    for fd in request, memory:
        os.close(fd)


if __name__ == "__main__":
    main()
