# SPDX-License-Identifier: BSD-3-Clause
"""The device gangway-pci without a guest: the test is the CPU."""

import json
import os
import re
import signal
import subprocess

from inside import MIB, TAKES, Inside, device, firmware, main

# pylint: disable=wrong-import-order
import companion
import pci
import probe
from child import Child, wait_until
from companion import Companion
from qtest import QmpError
from runner import test

PAGE = 0x4000
EJECT = 0xae00      # of the pc machine's PCI hotplug
MESSAGES = 0x200000


def direct(**more):
    return device(**{"plan": "direct", "host-options": TAKES, **more})


def assert_copies(function):
    ram = function.qemu.machine.ram
    function.qtest.fill(ram + 8 * MIB, PAGE, 0x77)
    function.copy(ram + 8 * MIB, ram + 9 * MIB, PAGE)
    assert function.qtest.read(ram + 9 * MIB, PAGE) == b"\x77" * PAGE


def drive(rig, machine):
    """A probe: registers, memory, DMA, every vector."""
    function = probe.Probe(Inside(rig, [direct()], machine))
    assert function.get(probe.ID) == probe.ID_VALUE
    for register, width in ((probe.SCRATCH8, 1), (probe.SCRATCH16, 2), (probe.SCRATCH32, 4),
                            (probe.SCRATCH64, 8)):
        value = 0x1122334455667788 & (1 << 8 * width) - 1
        function.set(register, value, width)
        assert function.get(register, width) == value
    function.bars[2].store(0x1000, 4, 0x12345678)
    assert function.bars[2].load(0x1000, 4) == 0x12345678
    assert_copies(function)
    msix = pci.Msix(function, function.qemu.machine.ram + MESSAGES)
    msix.control(on=pci.Msix.ENABLE)
    for vector in range(msix.vectors):
        msix.aim(vector)
        function.set(probe.IRQ, vector)
        wait_until("a message", lambda v=vector: msix.arrived(v))
        assert msix.arrived(vector) == msix.data(vector)
    return function


@test
def a_probe_works_in_a_pc(rig):
    drive(rig, "pc")


@test
def a_probe_works_in_a_q35(rig):
    drive(rig, "q35")


@test
def a_probe_works_in_an_arm_machine(rig):
    drive(rig, "virt")


@test
def a_masked_vector_waits_in_qemu(rig):
    function = probe.Probe(Inside(rig, [direct()]))
    msix = pci.Msix(function, function.qemu.machine.ram + MESSAGES)
    msix.control(on=pci.Msix.ENABLE)
    msix.aim(3, masked=True)
    msix.aim(4)
    for vector in (3, 4):
        function.set(probe.IRQ, vector)
    wait_until("a message", lambda: msix.arrived(4))
    assert not msix.arrived(3)
    msix.mask(3, False)
    wait_until("a message", lambda: msix.arrived(3))


@test
def msi_arrives(rig):
    function = probe.Probe(Inside(rig, [direct(spec="sim:probe,irq=msi")]))
    assert function.capability(pci.CAP_MSIX) is None
    target = function.qemu.machine.ram + MESSAGES
    msi = pci.Msi(function, target)
    msi.enable(msi.vectors, 0x4000)
    for vector in (0, msi.vectors - 1):
        function.set(probe.IRQ, vector)
        wait_until("a message", lambda v=vector: function.qtest.load(target, 4) == 0x4000 + v)


def mapped(qemu):
    """What an accelerator is told to map of registers: pairs of the first address and the last."""
    return [(int(first, 16), int(last, 16)) for first, last in re.findall(
        r"([0-9a-f]{16})-([0-9a-f]{16}) .*gangway-bar-map", qemu.monitor("info mtree -f"))]


@test
def what_is_mapped_begins_and_ends_on_16_kib(rig):
    disk = f"sim:nvme,file={rig.path('disk')},size=16M"
    qemu = Inside(rig, [direct(), direct(spec=disk, name="fn1", slot=5),
                        direct(spec="sim:gpu", name="fn2", slot=6)])
    functions = [pci.Function(qemu, slot).start() for slot in (4, 5, 6)]
    for function in functions:
        function.msix = pci.Msix(function, qemu.machine.ram + MESSAGES)
        function.msix.control(on=pci.Msix.ENABLE)
    found = mapped(qemu)
    assert found, qemu.monitor("info mtree -f")
    for first, last in found:
        assert first % PAGE == 0 and (last + 1) % PAGE == 0, (hex(first), hex(last))
    # the tables of MSI-X are QEMU's, and what is smaller than that is reached all the same
    assert functions[0].bars[0].load(probe.ID, 4) == probe.ID_VALUE


@test
def a_reset_leaves_nothing_of_the_last_run(rig):
    function = drive(rig, "q35")
    function.set(probe.SCRATCH32, 7)
    function.qemu.qmp.command("system_reset")
    function.qemu.qmp.wait_event("RESET")
    assert not function.cfg(pci.COMMAND, 2) & (pci.COMMAND_MASTER | pci.COMMAND_MEMORY)
    again = probe.Probe(function.qemu)
    assert again.get(probe.SCRATCH32) == 0
    assert_copies(again)


@test
def a_device_is_plugged_and_unplugged_many_times(rig):
    qemu = Inside(rig, [], "pc")
    for _ in range(5):
        qemu.qmp.command("device_add", **direct(bus="pci.0", name="plugged", slot=5))
        function = probe.Probe(qemu, slot=5)
        assert_copies(function)
        qemu.qmp.command("device_del", id="plugged")
        qemu.qtest.outb(EJECT + 8, 4, 1 << 5)
        qemu.qmp.wait_event("DEVICE_DELETED")
        assert "gangway" not in qemu.monitor("info mtree")
        assert "gangway" not in qemu.monitor("info qtree")


@test
def a_device_is_unplugged_in_the_middle_of_its_dma(rig):
    qemu = Inside(rig, [], "pc")
    for _ in range(5):
        qemu.qmp.command("device_add", **direct(bus="pci.0", name="plugged", slot=5))
        function = probe.Probe(qemu, slot=5)
        function.begin(probe.CMD_FILL, dst=qemu.machine.ram + 8 * MIB, length=32 * MIB, pattern=1)
        qemu.qmp.command("device_del", id="plugged")
        qemu.qtest.outb(EJECT + 8, 4, 1 << 5)
        qemu.qmp.wait_event("DEVICE_DELETED")


@test
def several_functions_work_side_by_side(rig):
    qemu = Inside(rig, [direct(slot="4.0", multifunction=True),
                        direct(name="fn1", slot="4.1"), direct(name="fn2", slot=5)])
    assert qemu.config.read(0, 4, pci.HEADER_TYPE, 1) & 0x80
    functions = [probe.Probe(qemu, slot=slot) for slot in (4, 5)]
    for value, function in enumerate(functions, 1):
        function.set(probe.SCRATCH32, value)
    for value, function in enumerate(functions, 1):
        assert function.get(probe.SCRATCH32) == value
        assert_copies(function)


# Bad values of each property of a device that is plugged, and words of what is then said.
REFUSED = (
    (direct(spec="sim:teapot"), ["sim:teapot", "no 'teapot'"]),
    (direct(spec="sim:probe,irq=teapot"), ["teapot", "irq"]),
    (direct(spec="0000:77:00.0"), ["0000:77:00.0"]),
    (direct(spec="teapot"), ["teapot"]),
    (direct(spec=""), ["device="]),
    (direct(spec=None), ["device=", "companion-of="]),
    (direct(plan="teatime"), ["teatime", "auto, direct, window, pool or paravirt"]),
    (device(plan="direct"), ["the host chooses", "plan direct"]),
    (direct(plan="window"), ["plan window", "device tree"]),
    (direct(plan="pool"), ["plan pool", "device tree"]),
    (direct(window="teapot"), ["window", "uint64"]),
    (direct(window=-1), ["window"]),
    (direct(window=64 * MIB), ["window", "plan direct"]),
    (direct(**{"pool-size": "teapot"}), ["pool-size", "uint64"]),
    (direct(**{"pool-size": 4 * MIB}), ["pool-size", "plan direct"]),
    (direct(**{"companion-of": "fn0"}), ["either device= or companion-of="]),
    (device(None, **{"companion-of": "nobody"}), ["nobody", "not found"]),
    (device(None, **{"companion-of": "fn0"}), ["no companion", "plan paravirt"]),
    (direct(**{"show-at-once": "teapot"}), ["show-at-once"]),
    (direct(**{"poll-us": "teapot"}), ["poll-us", "uint64"]),
    (direct(**{"poll-us": 1001}), ["poll-us", "1000"]),
    (direct(**{"host-options": "teapot"}), ["'teapot'", "KEY=VALUE"]),
    (direct(**{"host-options": "teapot=1"}), ["teapot"]),
    (direct(**{"host-options": "granule=5000"}), ["granule", "power of two"]),
    (direct(**{"host-options": "caller-iova=on,max-bytes=16M"}), ["exceeds the budget"]),
)


@test
def errors_say_what_is_wrong_and_what_to_do(rig):
    qemu = Inside(rig, [], "pc")
    for properties, words in REFUSED:
        try:
            qemu.qmp.command("device_add", **{**properties, "bus": "pci.0", "addr": "5"})
        except QmpError as error:
            for word in words:
                assert word in str(error) + qemu.output, (properties, str(error))
        else:
            raise AssertionError(f"{properties}: no error")
    # after all that a good one works
    qemu.qmp.command("device_add", **direct(bus="pci.0", slot=5))
    assert_copies(probe.Probe(qemu, slot=5))
    try:
        qemu.qmp.command("device_add", bus="pci.0",
                         **device(None, "none", 6, **{"companion-of": "fn0"}))
    except QmpError as error:
        assert "no companion" in str(error) and "paravirt" in str(error), error
    else:
        raise AssertionError("a companion under plan direct")


@test
def what_a_device_tree_cannot_say_is_an_error(rig):
    for properties, words in (
            (device(plan="window", window=128 * MIB + 1), ["window", "multiple"]),
            (device(plan="window", window=32 * MIB), ["window of 32 MiB", "too small"]),
            (device(plan="pool", bus="pcie.0", **{"host-options": "segments=3"}), ["3 ranges"]),
            (device(plan="pool", bus="pcie.0", **{"pool-size": 4 * MIB + 1}), ["pool", "multiple"]),
            (device(plan="pool", bus="pcie.0", **{"pool-size": 1024 * MIB}), ["pool of 1024 MiB"]),
            (device(plan="pool", bus="port0", slot=0), ["pcie.0"])):
        program = os.path.join(rig.qemu_dir, "qemu-system-aarch64")
        qemu = Child("qemu", [program, *firmware(), "-machine", "virt", "-cpu", "cortex-a57", "-S",
                              "-accel", "qtest", "-nodefaults", "-display", "none", "-m", "512M",
                              "-device", "pcie-root-port,id=port0,chassis=1", "-device",
                              json.dumps(properties)])
        rig.qemus.append(qemu)
        status = qemu.wait_exit()
        assert status == 1, (properties, status, qemu.output)
        for word in words:
            assert word in qemu.output, (properties, qemu.output)
        rig.qemus.remove(qemu)


@test
def all_functions_have_one_plan_and_one_host(rig):
    qemu = Inside(rig, [direct()], "pc")
    for properties, word in (
            (device(plan="paravirt"), "plan direct"),
            (device(plan="direct", **{"host-options": "caller-iova=off"}), "caller-iova=on")):
        try:
            qemu.qmp.command("device_add", **{**properties, "id": "other", "bus": "pci.0",
                                              "addr": "5"})
        except QmpError as error:
            assert word in str(error), error
        else:
            raise AssertionError(f"{properties}: two of them")


class Pair:
    """A function and its companion, by which a test maps what it copies."""

    def __init__(self, rig, machine="q35"):
        self.qemu = Inside(rig, [device(plan="paravirt"),
                                 device(None, "companion", 5, **{"companion-of": "fn0"})], machine)
        self.ram = self.qemu.machine.ram

    def hidden(self):
        return self.qemu.config.read(0, 4, 0, 4) == 0xffffffff

    def map(self):
        """As the guest's module does it: the companion, the function, and two addresses for it."""
        mapper = Companion(self.qemu, slot=5)
        assert mapper.control(companion.ANNOUNCE) == 0
        mapper.start_ring(self.ram + 2 * MIB)
        iovas = []
        for at in (4 * MIB, 6 * MIB):
            status, _, iova, length = mapper.submit(companion.MAP, self.ram + at, MIB)
            assert (status, length) == (0, MIB) and iova != self.ram + at
            iovas.append(iova)
        assert mapper.get(companion.USED_MAPS) == 2
        return mapper, probe.Probe(self.qemu), iovas

    def assert_unreachable(self, function, iova):
        """What was mapped there is not any more."""
        self.qemu.qtest.fill(self.ram + 6 * MIB, PAGE, 0)
        function.begin(probe.CMD_FILL, dst=iova, length=PAGE, pattern=2 ** 64 - 1)
        assert function.wait() == probe.FAILED
        assert self.qemu.qtest.read(self.ram + 6 * MIB, PAGE) == bytes(PAGE)


@test
def under_paravirt_the_function_hides_until_its_companion_is_told(rig):
    pair = Pair(rig)
    assert pair.hidden()
    mapper, function, (src, dst) = pair.map()
    assert mapper.bars[2].size % PAGE == 0
    pair.qemu.qtest.fill(pair.ram + 4 * MIB, PAGE, 0x77)
    function.copy(src, dst, PAGE)
    assert pair.qemu.qtest.read(pair.ram + 6 * MIB, PAGE) == b"\x77" * PAGE


@test
def a_reset_of_the_machine_leaves_nothing_mapped(rig):
    pair = Pair(rig)
    mapper, function, _ = pair.map()
    function.begin(probe.CMD_FILL, dst=pair.ram, length=32 * MIB, pattern=1)
    pair.qemu.qmp.command("system_reset")
    pair.qemu.qmp.wait_event("RESET")
    assert pair.hidden()
    mapper = Companion(pair.qemu, slot=5)
    assert mapper.get(companion.USED_MAPS) == 0 and mapper.get64(companion.USED_BYTES) == 0
    mapper, function, (_, dst) = pair.map()
    mapper.control(companion.UNMAP_ALL)
    assert mapper.get(companion.USED_MAPS) == 0
    pair.assert_unreachable(function, dst)


@test
def a_function_that_is_unplugged_reaches_nothing_any_more(rig):
    pair = Pair(rig, "pc")
    _, function, (_, dst) = pair.map()
    function.begin(probe.CMD_FILL, dst=dst, length=MIB, pattern=2 ** 64 - 1)
    for name, slot in (("companion", 5), ("fn0", 4)):
        pair.qemu.qmp.command("device_del", id=name)
        pair.qemu.qtest.outb(EJECT + 8, 4, 1 << slot)
        pair.qemu.qmp.wait_event("DEVICE_DELETED")
    pair.qemu.qtest.fill(pair.ram + 6 * MIB, MIB, 0)
    assert pair.qemu.qtest.read(pair.ram + 6 * MIB, MIB) == bytes(MIB)
    assert "still reaches" not in pair.qemu.output, pair.qemu.output


@test
def qemu_is_killed_in_the_middle_of_dma_and_the_next_one_finds_the_disk(rig):
    disk = f"sim:nvme,file={rig.path('disk')},size=16M"
    for _ in range(3):
        function = probe.Probe(Inside(rig, [direct(), direct(spec=disk, name="fn1", slot=5)]))
        assert_copies(function)
        function.begin(probe.CMD_FILL, dst=function.qemu.machine.ram, length=32 * MIB, pattern=1)
        function.qemu.kill()
    assert_copies(probe.Probe(Inside(rig, [direct(), direct(spec=disk, name="fn1", slot=5)])))


def dump_tree(rig, properties):
    """The device tree that a guest of the machine virt would get: a function to look it up."""
    path = rig.path("tree.dtb")
    program = os.path.join(rig.qemu_dir, "qemu-system-aarch64")
    subprocess.run([program, *firmware(), "-machine", f"virt,dumpdtb={path}", "-cpu", "cortex-a57",
                    "-accel", "qtest", "-nodefaults", "-display", "none", "-m", "512M", "-device",
                    json.dumps(properties)], check=True, timeout=60, stderr=subprocess.DEVNULL)

    def get(node, name, kind="x"):
        return subprocess.run(["fdtget", "-t", kind, path, node, name], check=True,
                              stdout=subprocess.PIPE, text=True).stdout.split()
    return get


@test
def a_window_is_in_the_device_tree(rig):
    ranges = dump_tree(rig, device(plan="window", slot=None, window=128 * MIB))(
        "/pcie@10000000", "dma-ranges")
    assert ranges[0] == "43000000" and ranges[3:5] == ["0", "40000000"], ranges
    assert ranges[5:] == ["0", f"{128 * MIB:x}"], ranges


@test
def a_pool_is_in_the_device_tree(rig):
    get = dump_tree(rig, device(plan="pool", slot=16, bus="pcie.0", **{"pool-size": 32 * MIB}))
    ranges = get("/pcie@10000000", "dma-ranges")
    assert ranges[5:] == ["0", f"{32 * MIB:x}"], ranges
    memory = f"/reserved-memory/pool@{int(ranges[4], 16):x}"
    assert get(memory, "compatible", "s") == ["restricted-dma-pool"]
    assert get("/pcie@10000000/function@10,0", "memory-region") == get(memory, "phandle")


@test
def threads_of_the_library_have_names_and_take_no_signals(rig):
    qemu = Inside(rig, [direct(), direct(spec=f"sim:nvme,file={rig.path('disk')},size=16M",
                                         name="fn1", slot=5)])
    named = 0
    for task in os.listdir(f"/proc/{qemu.pid}/task"):
        with open(f"/proc/{qemu.pid}/task/{task}/status", encoding="ascii") as file:
            status = dict(line.split(":\t", 1) for line in file.read().splitlines())
        if status["Name"].startswith("gw-"):
            named += 1
            for number in (signal.SIGTERM, signal.SIGINT, signal.SIGCHLD, signal.SIGALRM):
                assert int(status["SigBlk"], 16) >> (number - 1) & 1, (status["Name"], number)
    assert named >= 2, named


if __name__ == "__main__":
    main()
