# SPDX-License-Identifier: BSD-3-Clause
"""Interrupts from the device through QEMU to the message that a guest's CPU would take."""

import pci
import probe
from child import wait_until
from runner import main, test

OFFSET = 0x200000   # in RAM: where messages go


class Rigged:
    """A probe with MSI-X at hand."""

    def __init__(self, rig, daemon=None, **options):
        self.daemon = daemon or rig.daemon()
        self.device = probe.Probe(rig.qemu(self.daemon.socket, **options))
        self.msix = pci.Msix(self.device, self.device.qemu.machine.ram + OFFSET)

    def enable(self, vectors):
        """As Linux does: on with all masked, entries filled, then the mask taken off."""
        self.msix.control(on=pci.Msix.ENABLE | pci.Msix.FUNCTION_MASK)
        for vector in vectors:
            self.msix.aim(vector)
        self.msix.control(off=pci.Msix.FUNCTION_MASK)

    def wait(self, vector):
        wait_until(f"the message of vector {vector}", lambda: self.msix.arrived(vector))
        assert self.msix.arrived(vector) == pci.Msix.data(vector)
        self.msix.clear(vector)

    def fire_and_wait(self, vector):
        self.device.set(probe.IRQ, vector)
        self.wait(vector)


def every_vector(rig, machine):
    r = Rigged(rig, machine=machine)
    assert r.msix.vectors == probe.VECTORS
    r.enable(range(probe.VECTORS))
    for vector in range(probe.VECTORS):
        r.fire_and_wait(vector)
        assert not any(r.msix.arrived(v) for v in range(probe.VECTORS))
    return r


@test
def every_vector_of_a_pc_arrives_where_it_was_aimed(rig):
    every_vector(rig, "pc")


@test
def every_vector_of_a_q35_arrives_where_it_was_aimed(rig):
    r = every_vector(rig, "q35")
    rig.finish()
    assert r.daemon.report["interrupts"] == probe.VECTORS


@test
def every_vector_of_an_arm_machine_arrives_where_it_was_aimed(rig):
    every_vector(rig, "virt")


@test
def vectors_unmasked_before_the_switch_come_in_messages_of_many_descriptors(rig):
    r = Rigged(rig)
    for vector in range(probe.VECTORS):
        r.msix.aim(vector)
    r.msix.control(on=pci.Msix.ENABLE)
    r.device.set(probe.IRQS, 0xffffffff)
    for vector in range(probe.VECTORS):
        r.wait(vector)


@test
def a_vector_that_is_unmasked_alone_arrives(rig):
    r = Rigged(rig)
    r.msix.control(on=pci.Msix.ENABLE)
    for vector in (31, 0, 17):
        r.msix.aim(vector)
        r.fire_and_wait(vector)


@test
def a_masked_vector_is_pending_and_comes_when_unmasked(rig):
    r = Rigged(rig)
    r.enable(range(4))
    r.msix.mask(2)
    r.device.set(probe.IRQ, 2)
    r.fire_and_wait(3)      # the others go on; by now QEMU has seen that vector 2 waits
    assert not r.msix.arrived(2)
    r.msix.mask(2, False)
    r.wait(2)
    r.fire_and_wait(2)


@test
def a_masked_function_holds_all_of_its_vectors(rig):
    r = Rigged(rig)
    r.enable(range(8))
    r.msix.control(on=pci.Msix.FUNCTION_MASK)
    r.device.set(probe.IRQS, 0xff)
    for _ in range(100):
        assert not any(r.msix.arrived(v) for v in range(8))
    r.msix.control(off=pci.Msix.FUNCTION_MASK)
    for vector in range(8):
        r.wait(vector)


@test
def msix_can_be_switched_off_and_on_again(rig):
    r = Rigged(rig)
    for _ in range(5):
        r.enable(range(3))
        for vector in range(3):
            r.fire_and_wait(vector)
        r.msix.control(off=pci.Msix.ENABLE)


@test
def nothing_arrives_while_msix_is_off(rig):
    r = Rigged(rig)
    r.enable(range(2))
    r.fire_and_wait(0)
    r.msix.control(off=pci.Msix.ENABLE)
    r.device.set(probe.IRQ, 1)
    r.device.get(probe.ID)
    r.enable(range(1))      # vector 1 is not set up, so what was raised is gone
    r.fire_and_wait(0)
    assert not r.msix.arrived(1)


@test
def a_vector_can_be_aimed_elsewhere_while_it_is_live(rig):
    r = Rigged(rig)
    r.enable(range(2))
    r.fire_and_wait(1)
    for _ in range(10):
        r.msix.target += 0x1000
        r.msix.mask(1)
        r.msix.aim(1)
        r.fire_and_wait(1)


@test
def every_interrupt_of_a_long_run_arrives(rig):
    r = Rigged(rig)
    r.enable([5])
    for _ in range(300):
        r.fire_and_wait(5)
    rig.finish()
    assert r.daemon.report["interrupts"] == 300


@test
def an_interrupt_whose_notification_is_lost_comes_with_the_next(rig):
    r = Rigged(rig, rig.daemon(host=("caller-iova=on", "lose-irq=3")))
    r.enable(range(3))
    for round_ in range(20):
        r.fire_and_wait(0)
        if round_:
            r.wait(2)
        r.fire_and_wait(1)
        r.device.set(probe.IRQ, 2)      # every third


@test
def interrupts_survive_a_storm(rig):
    r = Rigged(rig, rig.daemon(host=("caller-iova=on", "irq-storm=1000")))
    r.enable(range(4))
    for vector in range(4):
        r.device.set(probe.IRQ, vector)
    for vector in range(4):
        r.wait(vector)
    assert r.device.get(probe.ID) == probe.ID_VALUE


@test
def the_message_of_msi_arrives(rig):
    daemon = rig.daemon("sim:probe,irq=msi")
    device = probe.Probe(rig.qemu(daemon.socket))
    assert device.capability(pci.CAP_MSIX) is None
    msi = pci.Msi(device, device.qemu.machine.ram + OFFSET)
    for round_ in range(5):
        device.qtest.store(msi.target, 4, 0)
        msi.enable(1, 0x4000 + round_)
        device.set(probe.IRQ, 0)
        wait_until("the message", lambda: device.qtest.load(msi.target, 4) == 0x4000 + round_)
        msi.disable()


@test
def a_device_without_interrupts_works(rig):
    daemon = rig.daemon("sim:probe,irq=none")
    device = probe.Probe(rig.qemu(daemon.socket))
    assert device.capability(pci.CAP_MSIX) is None
    assert device.capability(pci.CAP_MSI) is None
    device.set(probe.IRQ, 0)
    assert device.get(probe.ID) == probe.ID_VALUE


if __name__ == "__main__":
    main()
