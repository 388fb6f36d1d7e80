# SPDX-License-Identifier: BSD-3-Clause
"""Register and config accesses of the guest's CPU, of every width, trapped and mapped."""

import os

import pci
import probe
from runner import main, test


def a_probe(rig, **options):
    daemon = rig.daemon()
    return daemon, probe.Probe(rig.qemu(daemon.socket, **options))


@test
def registers_keep_what_each_width_writes(rig):
    _, device = a_probe(rig)
    values = {1: (probe.SCRATCH8, 0xa5), 2: (probe.SCRATCH16, 0xbeef),
              4: (probe.SCRATCH32, 0x12345678), 8: (probe.SCRATCH64, 0x0123456789abcdef)}
    for width, (register, value) in values.items():
        device.set(register, value, width)
        assert device.get(probe.WIDTH) == width
        assert device.get(register, width) == value
    assert device.get(probe.WRITES) == 4
    for width, (register, value) in values.items():
        assert device.get(register, width) == value


@test
def parts_of_a_register_can_be_read_and_written(rig):
    _, device = a_probe(rig)
    device.set(probe.SCRATCH64, 0x8877665544332211, 8)
    assert [device.get(probe.SCRATCH64 + i, 1) for i in range(8)] == \
        [0x11 * (i + 1) for i in range(8)]
    assert device.get(probe.SCRATCH64 + 2, 2) == 0x4433
    device.set(probe.SCRATCH64 + 4, 0xdeadbeef)
    assert device.get(probe.SCRATCH64, 8) == 0xdeadbeef44332211


@test
def an_unaligned_access_arrives_in_pieces(rig):
    _, device = a_probe(rig)
    device.set(probe.SCRATCH64 + 3, 0xbbaa, 2)
    assert device.get(probe.WRITES) == 2
    assert device.get(probe.SCRATCH64 + 3, 2) == 0xbbaa
    assert device.get(probe.SCRATCH64, 8) == 0xbbaa000000


@test
def what_is_no_register_reads_as_zero_and_takes_nothing(rig):
    _, device = a_probe(rig)
    device.set(probe.ID, 0)
    assert device.get(probe.ID) == probe.ID_VALUE
    for register in (probe.DONE + 8, 0x800, 0xffc):
        device.set(register, 0xffffffff)
        assert device.get(register) == 0


@test
def many_writes_are_all_done_before_a_read_is_answered(rig):
    _, device = a_probe(rig)
    before = device.get(probe.WRITES)
    for i in range(2000):
        device.set(probe.SCRATCH32, i)
    assert device.get(probe.WRITES) == before + 2000
    assert device.get(probe.SCRATCH32) == 1999


@test
def mapped_memory_does_not_trap(rig):
    daemon, device = a_probe(rig)
    data = os.urandom(0x10000)
    device.bars[2].write(0x4000, data)
    assert device.bars[2].read(0x4000, len(data)) == data
    for width in (1, 2, 4, 8):
        device.bars[2].store(0x8000, width, (1 << 8 * width) - 2)
        assert device.bars[2].load(0x8000, width) == (1 << 8 * width) - 2
    rig.finish()
    assert daemon.report["trapped_reads"] == 0 and daemon.report["trapped_writes"] == 0


@test
def mapped_memory_survives_a_reset_and_the_next_vmm_does_not_see_it(rig):
    daemon, device = a_probe(rig)
    device.bars[2].write(probe.MEM_SIZE - 16, b"to be read later")
    device.qemu.qmp.command("system_reset")
    device.qemu.qmp.wait_event("RESET")
    device.start()
    assert device.bars[2].read(probe.MEM_SIZE - 16, 16) == b"to be read later"
    device.qemu.quit()
    device = probe.Probe(rig.qemu(daemon.socket))
    assert device.bars[2].read(probe.MEM_SIZE - 16, 16) == bytes(16)


@test
def bars_can_be_moved_and_switched_off(rig):
    _, device = a_probe(rig)
    device.set(probe.SCRATCH32, 77)
    for _ in range(5):
        device.disable(pci.COMMAND_MEMORY)
        assert device.get(probe.SCRATCH32) != 77
        device.place_bars()
        device.enable()
        assert device.get(probe.SCRATCH32) == 77
        device.bars[2].store(0, 4, 78)
        assert device.bars[2].load(0, 4) == 78


@test
def a_bar_is_sized_while_it_decodes_and_moved_over_ram_and_back(rig):
    _, device = a_probe(rig)
    ram = device.qemu.machine.ram
    device.qtest.write(ram, b"under the BAR")
    device.bars[2].write(0, b"in the BAR")
    was = [device.cfg(off, 4) for off in (0x18, 0x1c)]
    for _ in range(3):
        for off in (0x18, 0x1c):
            device.set_cfg(off, 4, 0xffffffff)
        size = device.cfg(0x18, 4) & ~15
        assert -size & 0xffffffff == device.bars[2].size
        for off, value in ((0x18, 0), (0x1c, 0)):       # over RAM
            device.set_cfg(off, 4, value)
        for off, value in zip((0x18, 0x1c), was):
            device.set_cfg(off, 4, value)
        assert device.bars[2].read(0, 10) == b"in the BAR"
        assert device.qtest.read(ram, 13) == b"under the BAR"
    assert device.get(probe.ID) == probe.ID_VALUE
    device.copy(ram, ram + 0x100000, 4096)


@test
def sizing_a_bar_again_gives_the_same_size(rig):
    _, device = a_probe(rig)
    sizes = {number: bar.size for number, bar in device.bars.items()}
    device.disable()
    device.start()
    assert {number: bar.size for number, bar in device.bars.items()} == sizes
    assert device.get(probe.ID) == probe.ID_VALUE


@test
def config_space_can_be_read_in_every_width(rig):
    _, device = a_probe(rig, machine="pc")
    whole = b"".join(device.cfg(off, 4).to_bytes(4, "little") for off in range(0, 256, 4))
    for width in (1, 2):
        parts = b"".join(device.cfg(off, width).to_bytes(width, "little")
                         for off in range(0, 256, width))
        assert parts == whole
    assert whole[:4] == bytes.fromhex("34127767")


@test
def what_is_read_only_stays_and_there_is_no_rom(rig):
    _, device = a_probe(rig)
    for off in (0x00, 0x08, 0x2c):
        before = device.cfg(off, 4)
        device.set_cfg(off, 4, ~before & 0xffffffff)
        assert device.cfg(off, 4) == before
    device.set_cfg(0x30, 4, 0xfffff800)
    assert device.cfg(0x30, 4) == 0
    assert device.cfg(0x3d, 1) == 0


@test
def a_root_port_shows_all_of_config_space(rig):
    daemon = rig.daemon()
    qemu = rig.qemu(machine="q35", more=[
        "-device", "pcie-root-port,id=rp1,slot=1,chassis=1,addr=3",
        "-device", '{"driver":"vfio-user-pci","bus":"rp1","socket":'
                   f'{{"type":"unix","path":"{daemon.socket}"}}}}'])
    qemu.config.write(0, 0, 0x60, 4, 0xb0000001)    # the chipset's window to config space
    qemu.config = pci.Ecam(qemu.qtest, 0xb0000000)
    port = pci.Function(qemu, slot=3)
    port.set_cfg(0x18, 4, 0x00010100)               # what is behind it is bus 1
    port.set_cfg(0x20, 4, 0xcff0c000)               # and 0xc0000000 to 0xcfffffff
    port.set_cfg(0x24, 4, 0xfff10001)               # and, 64 bit, 0x800000000 and up
    port.set_cfg(0x28, 4, 0x8)
    port.set_cfg(0x2c, 4, 0x8)
    port.enable()
    device = probe.Probe(qemu, slot=0, bus=1)
    assert device.get(probe.ID) == probe.ID_VALUE
    device.bars[2].store(0, 8, 0x1122334455667788)
    assert device.bars[2].load(0, 8) == 0x1122334455667788
    pcie = device.capability(pci.CAP_PCIE)
    assert device.cfg(pcie + 2, 1) >> 4 == 0, "an endpoint"
    serial = device.cfg(0x100, 4)
    assert serial & 0xfffff == 0x10003, "device serial number"
    assert device.cfg(0x104, 8) == 0x65626f7270000001


if __name__ == "__main__":
    main()
