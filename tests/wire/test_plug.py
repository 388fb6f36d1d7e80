# SPDX-License-Identifier: BSD-3-Clause
"""Devices that come and go: plugged, unplugged; VMMs and servers that end or are killed."""

import pci
import probe
from child import wait_until
from qemu import MIB, device as properties
from qtest import QmpError
from runner import main, test

PAGE = 0x1000
EJECT = 0xae00      # of the pc machine's PCI hotplug: which slots are asked for, at +8 to eject


def assert_works(device):
    ram = device.qemu.machine.ram
    device.qtest.fill(ram + 8 * MIB, PAGE, 0x77)
    device.copy(ram + 8 * MIB, ram + 9 * MIB, PAGE)
    assert device.qtest.read(ram + 9 * MIB, PAGE) == b"\x77" * PAGE


def plug(qemu, path, slot=5):
    qemu.qmp.command("device_add", **properties(path, slot, qemu.machine.bus, "plugged"))
    return probe.Probe(qemu, slot=slot)


def unplug(qemu, slot=5):
    """As a guest's ACPI does it."""
    qemu.qmp.command("device_del", id="plugged")
    qemu.qtest.outb(EJECT + 8, 4, 1 << slot)
    qemu.qmp.wait_event("DEVICE_DELETED")


@test
def a_device_is_plugged_into_a_running_machine(rig):
    daemon = rig.daemon()
    assert_works(plug(rig.qemu(machine="pc"), daemon.socket))


@test
def a_device_without_msix_is_plugged_and_unplugged(rig):
    daemon = rig.daemon("sim:probe,irq=msi")
    qemu = rig.qemu(machine="pc")
    for round_ in range(5):
        device = plug(qemu, daemon.socket)
        assert_works(device)
        assert device.get(probe.SCRATCH32) == 0, "the last owner's"
        device.set(probe.SCRATCH32, 1)
        unplug(qemu)
        daemon.wait_gone(round_ + 1)


@test
def a_device_is_unplugged_in_the_middle_of_its_dma(rig):
    # QEMU takes memory away while the device is still bus master: what it writes then must fault
    daemon = rig.daemon("sim:probe,irq=none", faults=None)
    qemu = rig.qemu(machine="pc")
    for round_ in range(5):
        device = plug(qemu, daemon.socket)
        ram = qemu.machine.ram
        device.begin(probe.CMD_FILL, dst=ram + 8 * MIB, length=16 * MIB, pattern=2 ** 64 - 1)
        unplug(qemu)
        daemon.wait_gone(round_ + 1)
        qemu.qtest.fill(ram + 8 * MIB, 16 * MIB, 0)
        assert qemu.qtest.read(ram + 8 * MIB, 16 * MIB) == bytes(16 * MIB)


@test
def a_second_vmm_waits_for_the_first_to_go(rig):
    daemon = rig.daemon("sim:probe,irq=none")
    first = rig.qemu(daemon.socket)
    device = probe.Probe(first)
    device.set(probe.SCRATCH32, 1)
    first.quit()
    assert probe.Probe(rig.qemu(daemon.socket)).get(probe.SCRATCH32) == 0


@test
def qemu_is_killed_again_and_again_and_the_next_one_finds_all_well(rig):
    daemon = rig.daemon()
    for round_ in range(5):
        ram = "memfd" if round_ % 2 else "anonymous"
        device = probe.Probe(rig.qemu(daemon.socket, ram=ram))
        assert device.get(probe.SCRATCH32) == 0
        assert_works(device)
        device.set(probe.SCRATCH32, 1)
        base = device.qemu.machine.ram
        device.begin(probe.CMD_COPY, src=base, dst=base + 30 * MIB, length=30 * MIB)
        device.qemu.kill()
        daemon.wait_gone(round_ + 1)
    assert_works(probe.Probe(rig.qemu(daemon.socket)))


@test
def qemu_lives_on_when_the_server_is_killed(rig):
    daemon = rig.daemon()
    device = probe.Probe(rig.qemu(daemon.socket))
    assert_works(device)
    daemon.kill()
    wait_until("all ones", lambda: device.get(probe.ID) == 0xffffffff)
    assert device.cfg(0x80, 4) == 0xffffffff
    device.set(probe.SCRATCH32, 1)
    device.qtest.fill(device.qemu.machine.ram, PAGE, 1)
    # the socket that it left is replaced by the next
    again = rig.daemon(socket=daemon.socket)
    assert_works(probe.Probe(rig.qemu(again.socket)))


@test
def qemu_lives_on_when_the_server_ends(rig):
    daemon = rig.daemon()
    device = probe.Probe(rig.qemu(daemon.socket))
    ram = device.qemu.machine.ram
    device.begin(probe.CMD_FILL, dst=ram + 8 * MIB, length=16 * MIB, pattern=1)
    daemon.stop()
    assert device.get(probe.ID) == 0xffffffff
    device.qtest.fill(ram + 8 * MIB, 16 * MIB, 0)
    assert device.qtest.read(ram + 8 * MIB, 16 * MIB) == bytes(16 * MIB)


@test
def nobody_there_is_told_at_once(rig):
    qemu = rig.qemu(machine="pc")
    try:
        plug(qemu, rig.path("nobody"))
    except QmpError as error:
        assert "Failed to connect" in str(error)
    else:
        raise AssertionError("a device without a server")


@test
def two_functions_serve_one_machine(rig):
    daemon = rig.daemon("sim:probe", "sim:probe,irq=msi")
    qemu = rig.qemu(*daemon.sockets(2))
    one, two = probe.Probe(qemu, slot=4), probe.Probe(qemu, slot=5)
    one.set(probe.SCRATCH32, 1)
    two.set(probe.SCRATCH32, 2)
    assert (one.get(probe.SCRATCH32), two.get(probe.SCRATCH32)) == (1, 2)
    ram = qemu.machine.ram
    qemu.qtest.fill(ram + 8 * MIB, 8 * MIB, 0x42)
    one.begin(probe.CMD_COPY, src=ram + 8 * MIB, dst=ram + 16 * MIB, length=8 * MIB)
    two.begin(probe.CMD_COPY, src=ram + 8 * MIB, dst=ram + 32 * MIB, length=8 * MIB)
    assert one.wait() == probe.OK and two.wait() == probe.OK
    for at in (16, 32):
        assert qemu.qtest.read(ram + at * MIB, 8 * MIB) == b"\x42" * (8 * MIB)
    msix, msi = pci.Msix(one, ram + 2 * MIB), pci.Msi(two, ram + 3 * MIB)
    msix.aim(3)
    msix.control(on=pci.Msix.ENABLE)
    msi.enable(1, 0x1111)
    one.set(probe.IRQ, 3)
    two.set(probe.IRQ, 0)
    wait_until("both messages",
               lambda: msix.arrived(3) and qemu.qtest.load(msi.target, 4) == 0x1111)


@test
def two_functions_reach_kept_memory_at_one_time(rig):
    daemon = rig.daemon("sim:probe", "sim:probe")
    qemu = rig.qemu(*daemon.sockets(2), ram="anonymous")
    functions = probe.Probe(qemu, slot=4), probe.Probe(qemu, slot=5)
    ram = qemu.machine.ram
    qemu.qtest.fill(ram + 8 * MIB, 2 * MIB, 0x42)
    for i, function in enumerate(functions):
        function.begin(probe.CMD_COPY, src=ram + 8 * MIB, dst=ram + (16 + 8 * i) * MIB,
                       length=2 * MIB)
    for i, function in enumerate(functions):
        assert function.wait() == probe.OK
        assert qemu.qtest.read(ram + (16 + 8 * i) * MIB, 2 * MIB) == b"\x42" * (2 * MIB)


@test
def mapped_memory_of_a_function_is_reached_by_another_and_registers_are_not(rig):
    daemon = rig.daemon("sim:probe", "sim:probe", faults=1)
    qemu = rig.qemu(*daemon.sockets(2))
    one, two = probe.Probe(qemu, slot=4), probe.Probe(qemu, slot=5)
    one.run(probe.CMD_FILL, dst=two.bars[2].address + 0x3000, length=0x20000, pattern=0x11 << 56)
    assert two.bars[2].read(0x3000, 0x20000) == bytes.fromhex("0000000000000011") * 0x4000
    assert one.sum(two.bars[2].address + 0x3000, 8) == probe.fnv1a(bytes(7) + b"\x11")
    two.set(probe.SCRATCH32, 5)
    one.begin(probe.CMD_FILL, dst=two.bars[0].address, length=0x80, pattern=2 ** 64 - 1)
    assert one.wait() == probe.FAILED
    assert two.get(probe.SCRATCH32) == 5


if __name__ == "__main__":
    main()
