# SPDX-License-Identifier: BSD-3-Clause
"""The device's DMA to and from guest RAM, shared or kept by QEMU, and RAM that is refused."""

import random

import pci
import probe
from child import wait_until
from qemu import MIB
from runner import main, test

PAGE = 0x1000


def a_probe(rig, *daemon_args, **options):
    daemon = rig.daemon(*daemon_args)
    return daemon, probe.Probe(rig.qemu(daemon.socket, **options))


def pattern(seed, size):
    return random.Random(seed).randbytes(size)


def copies(rig, size=3 * MIB + 5 * PAGE + 77, host=("caller-iova=on",), serve=(), **options):
    """A copy between two places of guest RAM, begun and ended at odd addresses."""
    daemon = rig.daemon(host=host, options=serve)
    device = probe.Probe(rig.qemu(daemon.socket, **options))
    ram = device.qemu.machine.ram
    src, dst = ram + 4 * MIB + 13, ram + 12 * MIB + 8191
    data = pattern(len(options), size)
    device.qtest.write(src, data)
    device.qtest.fill(dst - 64, size + 128, 0xee)
    device.copy(src, dst, size)
    assert device.qtest.read(dst, size) == data
    assert device.qtest.read(dst - 64, 64) == device.qtest.read(dst + size, 64) == b"\xee" * 64
    assert device.get(probe.DONE, 8) == size
    small = pattern(1, 3000)
    device.qtest.write(src, small)
    assert device.sum(src, len(small)) == probe.fnv1a(small)
    device.run(probe.CMD_FILL, dst=dst, length=4096, pattern=0x8877665544332211)
    assert device.qtest.read(dst, 4096) == bytes.fromhex("1122334455667788") * 512
    rig.finish()
    assert daemon.report["dma_written_bytes"] >= size
    assert daemon.report["dma_read_bytes"] >= size
    assert daemon.report["maps"] > 0


@test
def memory_of_a_memfd_is_reached_on_a_pc(rig):
    copies(rig, machine="pc")


@test
def memory_of_a_memfd_is_reached_on_a_q35(rig):
    copies(rig, machine="q35")


@test
def memory_of_a_memfd_is_reached_on_an_arm_machine(rig):
    copies(rig, machine="virt")


@test
def memory_of_a_file_is_reached(rig):
    copies(rig, ram="file", serve=["--any-memory"])


@test
def memory_in_a_file_of_a_disk_is_refused_with_the_way_out(rig):
    daemon, _ = a_probe(rig, ram="file")
    daemon.wait_words("file of a disk", "memory-backend-memfd", "/dev/shm", "--any-memory")


@test
def shared_anonymous_memory_is_reached(rig):
    copies(rig, ram="ram")


@test
def memory_that_only_qemu_has_is_reached_by_message(rig):
    copies(rig, ram="anonymous")


@test
def memory_that_only_an_arm_qemu_has_is_reached_by_message(rig):
    copies(rig, ram="anonymous", machine="virt")


@test
def the_cpu_is_answered_while_dma_goes_by_message(rig):
    _, device = a_probe(rig, ram="anonymous")
    ram = device.qemu.machine.ram
    size = 8 * MIB
    data = pattern(3, size)
    device.qtest.write(ram + 4 * MIB, data)
    device.begin(probe.CMD_COPY, src=ram + 4 * MIB, dst=ram + 16 * MIB, length=size)
    reads = 0
    while device.get(probe.STATUS) == probe.BUSY:
        device.set(probe.SCRATCH32, reads)
        assert device.get(probe.SCRATCH32) == reads
        assert device.cfg(0, 4) == probe.DEVICE << 16 | probe.VENDOR
        reads += 1
    assert reads > 1, "the copy was over before anything else happened"
    assert device.get(probe.STATUS) == probe.OK
    assert device.qtest.read(ram + 16 * MIB, size) == data


@test
def dma_by_message_can_be_stopped_by_bus_mastering_and_goes_on(rig):
    _, device = a_probe(rig, ram="anonymous")
    ram = device.qemu.machine.ram
    size = 8 * MIB
    data = pattern(4, size)
    device.qtest.write(ram + 4 * MIB, data)
    device.begin(probe.CMD_COPY, src=ram + 4 * MIB, dst=ram + 16 * MIB, length=size)
    for _ in range(10):
        device.disable(4)
        done = device.get(probe.DONE, 8)
        assert device.get(probe.SCRATCH32) == 0
        assert device.get(probe.DONE, 8) == done, "the device wrote without being bus master"
        device.enable(4)
    assert device.wait() == probe.OK
    assert device.qtest.read(ram + 16 * MIB, size) == data


@test
def the_end_of_dma_is_told_by_interrupt_after_its_data(rig):
    _, device = a_probe(rig)
    ram = device.qemu.machine.ram
    msix = pci.Msix(device, ram + 0x200000)
    msix.aim(7)
    msix.control(on=pci.Msix.ENABLE)
    device.qtest.fill(ram + 4 * MIB, MIB, 0x5a)
    device.begin(probe.CMD_COPY, src=ram + 4 * MIB, dst=ram + 8 * MIB, length=MIB, vector=7)
    wait_until("the interrupt", lambda: msix.arrived(7))
    assert device.qtest.read(ram + 8 * MIB, MIB) == b"\x5a" * MIB
    assert device.get(probe.STATUS) == probe.OK


@test
def no_dma_before_the_device_may_be_bus_master(rig):
    _, device = a_probe(rig)
    ram = device.qemu.machine.ram
    device.disable(4)
    device.qtest.fill(ram + 4 * MIB, PAGE, 0)
    device.begin(probe.CMD_FILL, dst=ram + 4 * MIB, length=PAGE, pattern=1)
    assert device.get(probe.STATUS) == probe.BUSY
    assert device.qtest.read(ram + 4 * MIB, PAGE) == bytes(PAGE)
    device.enable(4)
    assert device.wait() == probe.OK


@test
def dma_outside_of_ram_fails_and_is_reported(rig):
    daemon = rig.daemon(faults=2)
    device = probe.Probe(rig.qemu(daemon.socket))
    device.begin(probe.CMD_FILL, dst=0x4000000000, length=16, pattern=1)
    assert device.wait() == probe.FAILED and device.get(probe.ERROR) == 14
    device.begin(probe.CMD_SUM, src=0xfffffffffffff000, length=16)
    assert device.wait() == probe.FAILED
    device.copy(device.qemu.machine.ram, device.qemu.machine.ram + MIB, PAGE)
    rig.finish()
    assert "0x4000000000" in daemon.output


@test
def rom_cannot_be_written_by_dma(rig):
    daemon = rig.daemon(faults=1)
    device = probe.Probe(rig.qemu(daemon.socket, machine="pc"))
    before = device.qtest.read(0xffff0000, 16)
    device.begin(probe.CMD_FILL, dst=0xffff0000, length=16, pattern=0)
    assert device.wait() == probe.FAILED
    assert device.qtest.read(0xffff0000, 16) == before


@test
def a_device_that_is_aimed_at_its_own_registers_harms_nobody(rig):
    # QEMU tells of mapped BARs as memory without a file; those that trap must be out of reach
    daemon = rig.daemon(faults=4)
    device = probe.Probe(rig.qemu(daemon.socket))
    ram, own = device.qemu.machine.ram, device.bars
    for bar in (0, 4):
        device.begin(probe.CMD_FILL, dst=own[bar].address, length=0x80, pattern=2 ** 64 - 1)
        assert device.wait() == probe.FAILED
        device.begin(probe.CMD_COPY, src=own[bar].address, dst=ram + MIB, length=0x80)
        assert device.wait() == probe.FAILED
    assert device.get(probe.SCRATCH64, 8) == 0
    device.run(probe.CMD_FILL, dst=own[2].address + PAGE, length=PAGE, pattern=0x5555555555555555)
    assert own[2].read(PAGE, PAGE) == b"\x55" * PAGE
    device.copy(ram, ram + MIB, PAGE)


def refused(rig, kind):
    daemon, device = a_probe(rig, ram=kind, machine="pc")
    daemon.wait_words("0xbffff", "private to the VMM", "share=on", "-object memory-backend-")
    device.qemu.wait_words("Permission denied")
    assert device.get(probe.ID) == probe.ID_VALUE, "the VM runs on"
    ram = device.qemu.machine.ram
    device.qtest.fill(ram + MIB, PAGE, 0x33)
    device.begin(probe.CMD_COPY, src=ram + MIB, dst=ram + 2 * MIB, length=PAGE)
    assert device.wait() == probe.FAILED, "the device saw memory that is not the guest's"
    daemon.faults = 1


@test
def private_memory_of_a_memfd_is_refused_with_what_to_do(rig):
    refused(rig, "private-memfd")


@test
def private_memory_of_a_file_is_refused_with_what_to_do(rig):
    refused(rig, "private-file")


@test
def more_memory_than_the_host_maps_is_refused_with_the_numbers(rig):
    daemon = rig.daemon(host=("caller-iova=on", "max-bytes=32M"), faults=1)
    device = probe.Probe(rig.qemu(daemon.socket, size=64 * MIB))
    daemon.wait_words("exceeds the budget", "0x2000000")
    device.begin(probe.CMD_FILL, dst=48 * MIB, length=8)
    assert device.wait() == probe.FAILED


@test
def maps_that_the_host_fails_are_told_and_the_vm_runs_on(rig):
    daemon = rig.daemon(host=("caller-iova=on", "fail-map-one-in=1"), faults=1)
    device = probe.Probe(rig.qemu(daemon.socket))
    daemon.wait_words("DMA_MAP", "Input/output error")
    device.qemu.wait_words("Input/output error")
    assert device.get(probe.ID) == probe.ID_VALUE
    device.begin(probe.CMD_FILL, dst=device.qemu.machine.ram + MIB, length=8)
    assert device.wait() == probe.FAILED
    rig.finish()
    assert daemon.report["maps"] == 0


@test
def a_map_that_the_host_fails_once_comes_with_the_next(rig):
    daemon = rig.daemon(host=("caller-iova=on", "fail-map=1"))
    device = probe.Probe(rig.qemu(daemon.socket))
    daemon.wait_words("DMA_MAP", "Input/output error")
    ram = device.qemu.machine.ram       # QEMU maps it anew as the chipset is set up
    device.qtest.fill(ram + MIB, PAGE, 0x5a)
    device.copy(ram + MIB, ram + 2 * MIB, PAGE)
    assert device.qtest.read(ram + 2 * MIB, PAGE) == b"\x5a" * PAGE


@test
def a_host_that_takes_its_time_delays_and_breaks_nothing(rig):
    # of its calls a reset takes the most, which QEMU waits for
    copies(rig, host=("caller-iova=on", "call-delay-us=2000"))


if __name__ == "__main__":
    main()
