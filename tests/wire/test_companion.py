# SPDX-License-Identifier: BSD-3-Clause
"""Plan paravirt without a kernel: the companion's registers, and a function that it translates."""

import json
import struct

import companion
import pci
import probe
from child import wait_until
from companion import Companion
from qemu import MIB
from runner import main, test


class Pair:
    """A daemon with one function and its companion, in a machine."""

    def __init__(self, rig, *options, machine="q35", host=(), **more):
        path = rig.new_path("companion")
        self.daemon = rig.daemon(host=host, options=("--plan", "paravirt", "--companion", path,
                                                     *options))
        self.qemu = rig.qemu(self.daemon.socket, path, machine=machine, **more)
        self.function = pci.Function(self.qemu)
        self.companion = Companion(self.qemu, slot=self.qemu.FIRST_SLOT + 1)
        self.ram = self.qemu.machine.ram
        self.qtest = self.qemu.qtest

    def hidden(self):
        return self.function.cfg(0, 4) == 0xffffffff

    def announce(self):
        assert self.companion.control(companion.ANNOUNCE) == 0
        return probe.Probe(self.qemu)


def a_copy_goes_to_where_the_host_put_it(rig, machine):
    pair = Pair(rig, machine=machine)
    assert pair.hidden()
    device = pair.announce()
    src, dst, size = pair.ram + 4 * MIB, pair.ram + 6 * MIB, 1 * MIB
    pair.companion.start_ring(pair.ram + 2 * MIB)
    status, read, src_iova, length = pair.companion.submit(companion.MAP, src, size, flags=1)
    assert (status, length) == (0, size) and src_iova != src
    status, write, dst_iova, length = pair.companion.submit(companion.MAP, dst, size)
    assert (status, length) == (0, size) and dst_iova != dst
    assert pair.companion.get64(companion.USED_BYTES) == 2 * size
    data = bytes(range(256)) * (size // 256)
    pair.qtest.write(src, data)
    device.copy(src_iova, dst_iova, size)
    assert pair.qtest.read(dst, size) == data
    for handle in read, write:
        assert pair.companion.submit(companion.UNMAP, handle, 0)[0] == 0
    assert pair.companion.get(companion.USED_MAPS) == 0


@test
def a_pc_copies_by_the_ring(rig):
    a_copy_goes_to_where_the_host_put_it(rig, "pc")


@test
def a_q35_copies_by_the_ring(rig):
    a_copy_goes_to_where_the_host_put_it(rig, "q35")


@test
def an_arm_machine_copies_by_the_ring(rig):
    a_copy_goes_to_where_the_host_put_it(rig, "virt")


@test
def the_earlier_driver_maps_by_the_command_page(rig):
    pair = Pair(rig, "--show-at-once", "--guest-bdf", "00:04.0")
    assert not pair.hidden()
    device = probe.Probe(pair.qemu)
    here, page = pair.ram + 8 * MIB, pair.ram + 2 * MIB
    assert pair.companion.get(companion.VERSION) == 2
    assert pair.companion.get(companion.MANAGED_BDF) == 4 << 3
    assert pair.companion.get(companion.MAX_ENTRIES) == 4096
    gpas = [here, here + 0x10000]
    status, answer = pair.companion.command(
        page, companion.MAP, [struct.pack("<QQI", gpa, 0x8000, 0) for gpa in gpas], 28)
    assert status == 0
    answers = list(struct.iter_unpack("<QQQI", answer))
    assert [(gpa, size, status) for gpa, _, size, status in answers] == \
        [(gpa, 0x8000, 0) for gpa in gpas]
    pair.qtest.write(gpas[0], b"earlier" * 100)
    device.copy(answers[0][1], answers[1][1], 700)
    assert pair.qtest.read(gpas[1], 700) == b"earlier" * 100
    status, answer = pair.companion.command(
        page, companion.UNMAP, [struct.pack("<QQ", gpa, 0x8000) for gpa in gpas], 16)
    assert status == 0
    assert list(struct.iter_unpack("<QII", answer)) == [(gpa, 0, 0) for gpa in gpas]


@test
def the_pair_is_found_by_its_cookie(rig):
    pair = Pair(rig)
    pair.announce()
    cookies = []
    for function in pair.function, pair.companion:
        at = function.capability(companion.CAP_VENDOR)
        assert function.cfg(at + 2, 1) == 16 and function.cfg(at + 4, 2) == 0x4757
        cookies.append(function.cfg(at + 8, 4) | function.cfg(at + 12, 4) << 32)
    assert cookies[0] == cookies[1] == pair.companion.get64(companion.COOKIE) != 0


@test
def a_guest_reset_hides_the_function_and_takes_its_mappings(rig):
    pair = Pair(rig)
    for _ in range(3):
        pair.announce()
        pair.companion.start_ring(pair.ram + 2 * MIB)
        assert pair.companion.submit(companion.MAP, pair.ram + 8 * MIB, 0x4000)[0] == 0
        was = pair.companion.get(companion.GENERATION)
        pair.qemu.qmp.command("system_reset")
        # the machine is reset some time after the answer
        wait_until("the reset", pair.hidden)
        pair.companion = Companion(pair.qemu, slot=pair.qemu.FIRST_SLOT + 1)
        assert pair.companion.get(companion.GENERATION) != was
        assert pair.companion.get(companion.USED_MAPS) == 0
        assert pair.companion.get(companion.RING_ENABLE) == 0
        assert pair.hidden()


def behind_a_port(rig):
    """A function on bus 0, and its companion behind a port, whose bus can be reset alone."""
    path = rig.new_path("companion")
    daemon = rig.daemon(host=(), options=("--plan", "paravirt", "--companion", path))
    behind = {"driver": "vfio-user-pci", "socket": {"type": "unix", "path": path}, "bus": "rp1",
              "id": "behind"}
    qemu = rig.qemu(daemon.socket, machine="q35", more=[
        "-device", "pcie-root-port,id=rp1,slot=1,chassis=1,addr=3", "-device", json.dumps(behind)])
    port = pci.Function(qemu, slot=3)
    port.set_cfg(0x18, 4, 1 << 16 | 1 << 8)     # the bus behind it is number 1
    port.set_cfg(0x20, 4, 0xfff00000 | (qemu.machine.mmio >> 16))
    port.enable()
    return qemu, port, Companion(qemu, slot=0, bus=1)


def reset_behind(port):
    port.set_cfg(0x3e, 2, port.cfg(0x3e, 2) | 0x40)
    port.set_cfg(0x3e, 2, port.cfg(0x3e, 2) & ~0x40)


def announce_with(link, nonce):
    link.set64(companion.NONCE, nonce)
    assert link.control(companion.ANNOUNCE) == 0


@test
def a_module_goes_on_when_the_bus_of_its_companion_was_reset(rig):
    qemu, port, link = behind_a_port(rig)
    announce_with(link, 0x1234567890abcdef)
    device = probe.Probe(qemu)
    src, dst = qemu.machine.ram + 4 * MIB, qemu.machine.ram + 6 * MIB
    link.start_ring(qemu.machine.ram + 2 * MIB)
    _, _, src_iova, _ = link.submit(companion.MAP, src, MIB)
    _, _, dst_iova, _ = link.submit(companion.MAP, dst, MIB)
    generation = link.get(companion.GENERATION)
    qemu.qtest.write(src, b"before" * 100)
    device.copy(src_iova, dst_iova, 600)
    reset_behind(port)
    assert device.cfg(0, 4) != 0xffffffff, "a driver's function was hidden from it"
    # it does no DMA meanwhile, which this device waits for, and nothing is given out
    device.begin(probe.CMD_COPY, src=src_iova, dst=dst_iova + 0x1000, length=600)
    again = Companion(qemu, slot=0, bus=1)
    again.start_ring(qemu.machine.ram + 2 * MIB)
    assert again.submit(companion.MAP, src, 0x4000)[0] == 7
    assert device.get(probe.STATUS) == probe.BUSY
    assert qemu.qtest.read(dst + 0x1000, 600) == bytes(600)
    announce_with(again, 0x1234567890abcdef)
    assert again.get(companion.GENERATION) == generation
    assert again.get(companion.USED_MAPS) == 2
    assert device.wait() == probe.OK
    assert qemu.qtest.read(dst + 0x1000, 600) == b"before" * 100
    qemu.qtest.write(src, b"behind" * 100)
    device.copy(src_iova, dst_iova, 600)
    assert qemu.qtest.read(dst, 600) == b"behind" * 100


@test
def another_kernel_after_that_reset_finds_nothing_mapped(rig):
    qemu, port, link = behind_a_port(rig)
    announce_with(link, 1)
    probe.Probe(qemu)
    link.start_ring(qemu.machine.ram + 2 * MIB)
    assert link.submit(companion.MAP, qemu.machine.ram + 4 * MIB, MIB)[0] == 0
    generation = link.get(companion.GENERATION)
    reset_behind(port)
    again = Companion(qemu, slot=0, bus=1)
    assert again.get(companion.USED_MAPS) == 1
    announce_with(again, 2)
    assert again.get(companion.USED_MAPS) == 0
    assert again.get(companion.GENERATION) != generation


@test
def what_is_mapped_stays_over_a_machine_s_reset_until_somebody_announces(rig):
    pair = Pair(rig)
    announce_with(pair.companion, 99)
    probe.Probe(pair.qemu)
    pair.companion.start_ring(pair.ram + 2 * MIB)
    assert pair.companion.submit(companion.MAP, pair.ram + 8 * MIB, 0x4000)[0] == 0
    was = pair.companion.get(companion.GENERATION)
    pair.qemu.qmp.command("system_reset")
    wait_until("the reset", pair.hidden)
    pair.companion = Companion(pair.qemu, slot=pair.qemu.FIRST_SLOT + 1)
    assert pair.companion.get(companion.USED_MAPS) == 1
    assert pair.hidden()
    announce_with(pair.companion, 0)
    assert pair.companion.get(companion.GENERATION) != was
    assert pair.companion.get(companion.USED_MAPS) == 0
    assert not pair.hidden()


@test
def what_withdraws_is_hidden(rig):
    pair = Pair(rig)
    device = pair.announce()
    assert pair.companion.control(companion.WITHDRAW) == 0
    assert pair.hidden()
    assert device.get(probe.ID) == 0xffffffff
    pair.announce()
    assert not pair.hidden()


@test
def the_status_page_is_read_without_a_message(rig):
    pair = Pair(rig)
    page = pair.companion.bars[2]
    assert page.load(0, 4) == pair.companion.get(companion.GENERATION)
    pair.companion.start_ring(pair.ram + 2 * MIB)
    assert pair.companion.submit(companion.MAP, pair.ram + 8 * MIB, 0x4000)[0] == 0
    assert (page.load(4, 4), page.load(8, 8)) == (1, 0x4000)


@test
def qemu_killed_in_the_middle_leaves_nothing(rig):
    pair = Pair(rig)
    pair.announce()
    pair.companion.start_ring(pair.ram + 2 * MIB)
    for _ in range(10):
        assert pair.companion.submit(companion.MAP, pair.ram + 8 * MIB, 0x4000)[0] == 0
    pair.qemu.kill()
    pair.daemon.wait_gone(clients=2)
    rig.qemus.clear()
    assert pair.daemon.stop()["maps_left"] == 0


@test
def rom_and_other_devices_memory_are_not_mapped(rig):
    pair = Pair(rig)
    device = pair.announce()
    pair.companion.start_ring(pair.ram + 2 * MIB)
    bar = device.bars[2].address
    for gpa in 0xfffc0000, bar, 0xe0000000, pair.qemu.size, (1 << 64) - 0x4000:
        assert pair.companion.submit(companion.MAP, gpa, 0x4000)[0] == 3, hex(gpa)
    assert pair.companion.get(companion.USED_MAPS) == 0


@test
def a_companion_without_msix_can_be_unplugged(rig):
    path = rig.new_path("companion")
    rig.daemon(host=(), options=("--plan", "paravirt", "--companion", path))
    qemu = rig.qemu(path, machine="pc")
    Companion(qemu)
    qemu.qmp.command("device_del", id="fn0")
    # an ACPI machine waits for the guest: it says so by this port (QEMU, docs/specs/acpi_pci_hotplug)
    qemu.qtest.outb(0xae08, 4, 1 << qemu.FIRST_SLOT)
    wait_until("the unplug", lambda: qemu.config.read(0, qemu.FIRST_SLOT, 0, 4) == 0xffffffff)
    assert qemu.running()


@test
def two_functions_have_budgets_of_their_own(rig):
    path = rig.new_path("companion")
    daemon = rig.daemon("sim:probe", "sim:probe", host=("max-bytes=64K",),
                        options=("--plan", "paravirt", "--companion", path))
    qemu = rig.qemu(*daemon.sockets(2), f"{path}.0", f"{path}.1")
    pair = [Companion(qemu, slot=qemu.FIRST_SLOT + 2 + i) for i in range(2)]
    assert pair[0].get64(companion.COOKIE) != pair[1].get64(companion.COOKIE)
    for i, one in enumerate(pair):
        assert one.control(companion.ANNOUNCE) == 0
        probe.Probe(qemu, slot=qemu.FIRST_SLOT + i)
        one.start_ring(qemu.machine.ram + (2 + i) * MIB)
        assert one.submit(companion.MAP, qemu.machine.ram + 8 * MIB, 0x10000)[0] == 0
        assert one.submit(companion.MAP, qemu.machine.ram + 8 * MIB, 0x4000)[0] == 4
    assert pair[0].control(companion.UNMAP_ALL) == 0
    assert pair[0].get(companion.USED_MAPS) == 0
    assert pair[1].get(companion.USED_MAPS) == 1


if __name__ == "__main__":
    main()
