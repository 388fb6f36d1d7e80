# SPDX-License-Identifier: BSD-3-Clause
"""An interrupt line, from the device through QEMU to an input of the guest's interrupt controller.

What QEMU asks for on the way and what becomes of it at the host is told by the function's server.
"""

import errno
import os
import struct

import client as vu
import intx
import pci
from child import wait_until
from runner import main, test

OFFSET = 0x200000       # in RAM: where messages go
FLR = 0x8000
COMMAND_INTX_OFF = 0x400

ARM = ["vmm: intx trigger eventfd 0+1 given", "host: intx on"]
DISARM = ["vmm: intx trigger none 0+0", "host: intx off"]
DELIVERED = ["host: intx delivered to the VMM"]
ARM_DELIVERED = [*ARM, "host: intx delivered to the library"]    # which has the eventfd first
UNMASK = ["vmm: intx unmask none 0+1", "host: intx unmasked"]
RESET = ["vmm: reset", "host: reset"]
REALIZE = [*ARM, "vmm: err trigger eventfd 0+1 given", *DISARM, *RESET, *ARM]
MSIX_ON = ["vmm: msix trigger eventfd 0+1", "host: msix on", "vmm: msix trigger eventfd 0+1 given"]
MSIX_OFF = ["vmm: msix trigger none 0+0", "host: msix off"]
MSI_ON = ["vmm: msi trigger eventfd 0+1 given", "host: msi on"]
MSI_OFF = ["vmm: msi trigger none 0+0", "host: msi off"]


def a_device(rig, server=None, machine="q35"):
    """A device that QEMU has just set up, with nothing left to tell."""
    server = server or intx.Server(rig)
    device = intx.Device(rig.qemu(server.socket, machine=machine), server, machine)
    told = device.story()
    assert told[-len(REALIZE):] == REALIZE, told
    return device


def target(device):
    """Where messages go."""
    return device.qemu.machine.ram + OFFSET


def assert_works(device):
    """The line rises once, and falls when the driver has seen to the cause."""
    assert device.causes() == 0
    device.expect_no_more()
    device.story()
    device.raise_()
    device.expect("raise")
    assert device.story() == DELIVERED
    device.clear()
    device.expect("lower")
    assert device.story() == UNMASK
    assert device.causes() == 0
    device.expect_no_more()
    assert not device.story()


def line_of(rig, machine):
    device = a_device(rig, machine=machine)
    assert device.cfg(intx.INT_PIN, 1) == 1
    for _ in range(3):
        assert_works(device)


@test
def the_line_of_a_pc_rises_and_falls(rig):
    line_of(rig, "pc")


@test
def the_line_of_a_q35_rises_and_falls(rig):
    line_of(rig, "q35")


@test
def the_line_of_an_arm_machine_rises_and_falls(rig):
    line_of(rig, "virt")


@test
def a_line_that_stays_up_comes_again_after_each_look_at_the_device(rig):
    device = a_device(rig)
    device.raise_()
    device.expect("raise")
    assert device.story() == DELIVERED
    for _ in range(5):
        assert device.causes() == 1
        device.expect("lower", "raise")
        assert device.story() == UNMASK + DELIVERED
    device.clear()
    device.expect("lower")
    assert device.story() == UNMASK
    assert_works(device)


@test
def a_second_cause_while_the_first_is_seen_to_is_not_lost(rig):
    device = a_device(rig)
    device.raise_(1)
    device.expect("raise")
    device.raise_(2)
    device.expect("lower", "raise")
    assert device.story() == DELIVERED + UNMASK + DELIVERED
    device.clear(1)
    device.expect("lower", "raise")
    assert device.story() == UNMASK + DELIVERED
    device.clear(2)
    device.expect("lower")
    assert device.story() == UNMASK
    assert_works(device)


@test
def every_interrupt_of_a_long_run_arrives_once(rig):
    device = a_device(rig)
    for _ in range(200):
        device.raise_()
        device.expect("raise")
        device.clear()
        device.expect("lower")
    device.expect_no_more()
    assert device.story() == 200 * (DELIVERED + UNMASK)


@test
def an_access_to_config_space_does_not_unmask_the_line(rig):
    device = a_device(rig)
    for _ in range(3):
        device.raise_()
        device.expect("raise")
        device.set_cfg(pci.COMMAND, 2, device.cfg(pci.COMMAND, 2))
        assert device.story() == DELIVERED
        device.clear()
        device.expect("lower")
        assert device.story() == UNMASK
        device.expect_no_more()


@test
def a_mapped_bar_is_trapped_from_an_interrupt_on(rig):
    device = a_device(rig)
    bar = device.bars[2]
    bar.store(0, 4, 0x1234)
    assert bar.load(0, 4) == 0x1234
    assert not device.story(), "it is not mapped"
    device.raise_()
    device.expect("raise")
    assert bar.load(0, 4) == 0x1234
    device.expect("lower", "raise")
    assert device.story() == DELIVERED + ["vmm: reads bar 2, which it can map"] + UNMASK + DELIVERED
    device.clear()
    device.expect("lower")
    assert device.story() == UNMASK
    msix = pci.Msix(device, target(device))
    msix.control(on=pci.Msix.ENABLE)
    assert device.story()[:len(DISARM)] == DISARM
    assert bar.load(0, 4) == 0x1234
    assert not device.story(), "it is not mapped again without the line"
    msix.control(off=pci.Msix.ENABLE)
    device.story()
    assert_works(device)


@test
def interrupts_wait_while_the_guest_has_disabled_them(rig):
    device = a_device(rig)
    for _ in range(3):
        device.enable(COMMAND_INTX_OFF)
        device.raise_()
        assert device.causes() == 1
        device.expect_no_more()
        assert device.story() == ["host: intx disabled in COMMAND"]
        device.disable(COMMAND_INTX_OFF)
        device.expect("raise")
        assert device.story() == ["host: intx enabled in COMMAND"] + DELIVERED
        device.clear()
        device.expect("lower")
        assert device.story() == UNMASK
    assert_works(device)


@test
def a_line_falls_when_the_guest_disables_it_and_comes_back(rig):
    device = a_device(rig)
    device.raise_()
    device.expect("raise")
    device.enable(COMMAND_INTX_OFF)
    device.expect("lower")
    assert device.story() == DELIVERED + ["host: intx disabled in COMMAND"]
    device.disable(COMMAND_INTX_OFF)
    device.expect("raise")
    assert device.story() == ["host: intx enabled in COMMAND"] + DELIVERED
    device.expect_no_more()
    device.clear()
    device.expect("lower")
    assert device.story() == UNMASK
    assert_works(device)


def switch(device, on, off, asserted):
    """To messages by on(), which returns what QEMU asks for, and back by off()."""
    if asserted:
        device.raise_()
        device.expect("raise")
        assert device.story() == DELIVERED
    asked = on()
    if asserted:
        device.expect("lower")
    assert device.story() == DISARM + asked
    for _ in range(3):
        device.fire(0)
        wait_until("the message", lambda: device.qtest.load(target(device), 4))
        device.qtest.store(target(device), 4, 0)
    assert device.causes() == asserted
    device.expect_no_more()
    assert not device.story()
    asked = off()
    if asserted:
        device.expect("raise")
    assert device.story() == asked + (ARM_DELIVERED if asserted else ARM)
    if asserted:
        device.clear()
        device.expect("lower")
    assert_works(device)


def switches(device, on, off):
    for asserted in (0, 1, 0, 1):
        switch(device, on, off, asserted)


@test
def the_line_gives_way_to_msix_and_comes_back(rig):
    device = a_device(rig)
    msix = pci.Msix(device, target(device))

    def on():
        msix.aim(0)
        msix.control(on=pci.Msix.ENABLE)
        return MSIX_ON

    def off():
        msix.control(off=pci.Msix.ENABLE)
        return MSIX_OFF

    switches(device, on, off)


@test
def the_line_gives_way_to_msi_and_comes_back(rig):
    device = a_device(rig)
    msi = pci.Msi(device, target(device))

    def on():
        device.qtest.store(target(device), 4, 0)
        msi.enable(1, 0x4001)
        return MSI_ON

    def off():
        msi.disable()
        return MSI_OFF

    switches(device, on, off)


@test
def a_machine_reset_ends_an_interrupt(rig):
    device = a_device(rig)
    for asserted in (1, 0, 1):
        if asserted:
            device.raise_()
            device.expect("raise")
        device.story()
        device.qemu.qmp.command("system_reset")
        device.qemu.qmp.wait_event("RESET")
        if asserted:
            device.expect("lower")
        assert device.story() == DISARM + RESET + ARM
        device.start()
        assert_works(device)


@test
def a_machine_reset_in_msix_comes_back_with_the_line(rig):
    device = a_device(rig)
    msix = pci.Msix(device, target(device))
    device.raise_()
    device.expect("raise")
    msix.aim(0)
    msix.control(on=pci.Msix.ENABLE)
    device.expect("lower")
    device.story()
    device.qemu.qmp.command("system_reset")
    device.qemu.qmp.wait_event("RESET")
    told = device.story()
    assert told[-len(RESET + ARM):] == RESET + ARM and "host: msix off" in told, told
    device.start()
    assert_works(device)


@test
def a_function_reset_ends_an_interrupt_and_the_line_works_on(rig):
    device = a_device(rig)
    at = device.capability(pci.CAP_PCIE) + 8
    for asserted in (1, 0, 1):
        if asserted:
            device.raise_()
            device.expect("raise")
        device.story()
        device.set_cfg(at, 2, device.cfg(at, 2) | FLR)
        device.place_bars()
        device.enable()
        assert device.story() == ["host: reset"]
        assert device.causes() == 0
        if asserted:        # QEMU does not know of the reset: this access was the end
            device.expect("lower")
        assert device.story() == asserted * UNMASK
        assert_works(device)


@test
def qemu_killed_while_the_line_is_up_leaves_nothing_to_the_next(rig):
    device = a_device(rig)
    for clients in range(1, 4):
        device.raise_()
        device.expect("raise")
        assert device.story() == DELIVERED
        device.qemu.kill()
        device.server.wait_gone(clients)
        device = intx.Device(rig.qemu(device.server.socket), device.server)
        told = device.story()
        assert told == ["host: reset", "host: intx off"] + REALIZE, told
        assert_works(device)


class Met:
    """A client of our own, with an eventfd for the line."""

    def __init__(self, rig):
        self.server = intx.Server(rig)
        self.client = vu.Client(self.server.socket)
        self.event = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)

    def set(self, flags, count=1, **more):
        self.client.set_irqs(intx.INDEX, flags, 0, count, **more)

    def arm(self):
        self.client.write(vu.CONFIG, pci.COMMAND, bytes((pci.COMMAND_MEMORY, 0)))
        self.set(vu.DATA_EVENTFD | vu.ACTION_TRIGGER, fds=(self.event,))

    def reg(self, register, value):
        self.client.write(0, register, value.to_bytes(4, "little"))

    def came(self):
        """How often the line has come since this was asked; the server does all in its thread."""
        try:
            return os.eventfd_read(self.event)
        except BlockingIOError:
            return 0


@test
def a_client_is_told_of_the_line(rig):
    met = Met(rig)
    assert met.client.irq_info(intx.INDEX) == (16, 7, 0, 1), "eventfd, maskable, masks itself"
    assert met.client.read(vu.CONFIG, intx.INT_PIN, 1) == b"\1"


@test
def a_client_masks_and_unmasks_the_line(rig):
    met = Met(rig)
    met.arm()
    for data in ({}, {"data": b"\1"}):
        kind = vu.DATA_BOOL if data else vu.DATA_NONE
        met.set(kind | vu.ACTION_MASK, **data)
        met.reg(intx.CAUSES, 1)
        assert met.came() == 0
        met.set(vu.DATA_BOOL | vu.ACTION_UNMASK, data=b"\0")     # not this one
        assert met.came() == 0
        met.set(kind | vu.ACTION_UNMASK, **data)
        assert met.came() == 1
        met.reg(intx.CAUSES, 2)
        assert met.came() == 0, "it has masked itself"
        met.set(kind | vu.ACTION_UNMASK, **data)
        assert met.came() == 1
        met.reg(intx.CLEAR, 3)
        met.set(kind | vu.ACTION_UNMASK, **data)
        assert met.came() == 0
    met.set(vu.DATA_NONE | vu.ACTION_TRIGGER)
    assert met.came() == 1, "the client's own"


@test
def a_client_that_disables_the_line_gets_it_when_it_is_back(rig):
    met = Met(rig)
    met.arm()
    met.reg(intx.CAUSES, 1)
    assert met.came() == 1
    met.set(vu.DATA_NONE | vu.ACTION_TRIGGER, count=0)
    body = struct.pack("=IIIII", 20, vu.DATA_NONE | vu.ACTION_UNMASK, intx.INDEX, 0, 1)
    assert met.client.refused(vu.SET_IRQS, body) == errno.EPROTO
    met.arm()
    assert met.came() == 1
    met.client.call(vu.RESET)
    met.arm()
    assert met.came() == 0, "a reset clears the cause"
    met.reg(intx.CAUSES, 1)
    assert met.came() == 1


if __name__ == "__main__":
    main()
