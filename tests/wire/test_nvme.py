# SPDX-License-Identifier: BSD-3-Clause
"""The simulated NVMe disk under a driver that plays it through stock QEMU."""

import contextlib
import errno
import fcntl
import glob
import json
import os
import random
import signal
import subprocess

import nvme
import pci
import probe
from child import wait_until
from client import Client, Refused
from command import FAILED, TAKES, gangway
from qemu import MIB
from runner import main, test

SIZE = 64 * MIB
BUFFER = 8 * MIB        # in RAM


def disk(rig, **daemon):
    path = rig.path("disk")
    return rig.daemon(f"sim:nvme,file={path},size=64M", **daemon), path


def data(seed, size):
    return random.Random(seed).randbytes(size)


def writes_and_reads(rig, **options):
    daemon, path = disk(rig)
    drive = nvme.Nvme(rig.qemu(daemon.socket, **options))
    assert drive.identify()[4:24].strip(), "a serial number"
    ram = drive.qemu.machine.ram
    for block, size in ((0, 512), (7, 4096), (1000, 8192), (2048, 64 * 1024), (8192, MIB)):
        wanted = data(block, size)
        drive.qtest.write(ram + BUFFER, wanted)
        drive.transfer(nvme.WRITE, block, ram + BUFFER, size)
        drive.qtest.fill(ram + 2 * BUFFER, size, 0)
        drive.transfer(nvme.READ, block, ram + 2 * BUFFER, size)
        assert drive.qtest.read(ram + 2 * BUFFER, size) == wanted
        drive.io.run(nvme.FLUSH, nsid=1)
        with open(path, "rb") as file:
            assert os.pread(file.fileno(), size, block * 512) == wanted


@test
def a_q35_writes_and_reads(rig):
    writes_and_reads(rig)


@test
def an_arm_machine_writes_and_reads(rig):
    writes_and_reads(rig, machine="virt")


@test
def a_machine_whose_memory_only_qemu_has_writes_and_reads(rig):
    writes_and_reads(rig, ram="anonymous")


@test
def large_commands_in_parallel_reach_memory_that_only_qemu_has(rig):
    daemon, _ = disk(rig)
    drive = nvme.Nvme(rig.qemu(daemon.socket, ram="anonymous"))
    ram, qtest = drive.qemu.machine.ram, drive.qtest
    size, count = 256 * 1024, 16
    wanted = data(3, size * count)
    qtest.write(ram + BUFFER, wanted)
    for opcode, base in ((nvme.WRITE, BUFFER), (nvme.READ, 3 * BUFFER)):
        for i in range(count):
            at = ram + base + i * size
            pages = drive.list_at(20 + i, at, size)
            drive.io.submit(opcode, nsid=1, prp1=at, prp2=pages, cdw10=i * size // 512,
                            cdw12=size // 512 - 1)
            qtest.load(ram, 4)      # the CPU goes on meanwhile
        assert {drive.io.complete()[1] for _ in range(count)} == {0}
    assert qtest.read(ram + 3 * BUFFER, size * count) == wanted


@test
def completions_come_by_interrupt_and_doorbells_are_posted(rig):
    daemon, _ = disk(rig)
    qemu = rig.qemu(daemon.socket)
    drive = nvme.Nvme(qemu, vector=5)
    msix = pci.Msix(drive, qemu.machine.ram + 0x180000)
    msix.control(on=pci.Msix.ENABLE)
    msix.aim(5)
    for block in range(100):
        msix.clear(5)
        ident = drive.submit(nvme.READ, block, qemu.machine.ram + BUFFER, 512)
        wait_until("the interrupt", lambda: msix.arrived(5))
        assert drive.io.done()
        assert drive.io.complete() == (ident, 0)


def many_at_once(rig, disturb):
    """As much as the queue takes is under way when something happens; then it works on."""
    daemon, _ = disk(rig)
    drive = nvme.Nvme(rig.qemu(daemon.socket))
    ram = drive.qemu.machine.ram
    for _ in range(5):
        for i in range(nvme.ENTRIES - 1):
            drive.submit(nvme.WRITE if i % 2 else nvme.READ, i * 256, ram + BUFFER, 128 * 1024)
        disturb(drive)
        drive.start()
        drive.begin()
        drive.qtest.fill(ram + BUFFER, MIB, 0x5c)
        drive.transfer(nvme.WRITE, 0, ram + BUFFER, MIB)
        drive.transfer(nvme.READ, 0, ram + 2 * BUFFER, MIB)
        assert drive.qtest.read(ram + 2 * BUFFER, MIB) == b"\x5c" * MIB


@test
def a_machine_reset_in_the_middle_of_io(rig):
    def reset(drive):
        drive.qemu.qmp.command("system_reset")
        drive.qemu.qmp.wait_event("RESET")

    many_at_once(rig, reset)


@test
def a_function_reset_in_the_middle_of_io(rig):
    def reset(drive):
        pcie = drive.capability(pci.CAP_PCIE)
        drive.set_cfg(pcie + 8, 2, drive.cfg(pcie + 8, 2) | 0x8000)

    many_at_once(rig, reset)


@test
def a_controller_reset_in_the_middle_of_io(rig):
    many_at_once(rig, lambda drive: drive.set(nvme.CC, 0))


@test
def bus_mastering_off_in_the_middle_of_io(rig):
    many_at_once(rig, lambda drive: drive.disable(pci.COMMAND_MASTER))


def begin_to_overwrite(drive, old, new, size):
    """Eight pieces full of the block OLD are written, and being written again with NEW."""
    base = drive.qemu.machine.ram
    drive.qtest.write(base + BUFFER, old * (size // 512))
    drive.qtest.write(base + 2 * BUFFER, new * (size // 512))
    for i in range(8):
        drive.transfer(nvme.WRITE, i * 256, base + BUFFER, size)
    for i in range(8):
        drive.submit(nvme.WRITE, i * 256, base + 2 * BUFFER, size)


@test
def qemu_is_killed_in_the_middle_of_writes_and_the_next_one_reads_whole_blocks(rig):
    daemon, _ = disk(rig)
    size = 128 * 1024
    old, new = b"\x11" * 512, b"\x22" * 512
    for round_ in range(4):
        ram = "anonymous" if round_ % 2 else "memfd"
        drive = nvme.Nvme(rig.qemu(daemon.socket, ram=ram))
        base = drive.qemu.machine.ram
        begin_to_overwrite(drive, old, new, size)
        drive.qemu.kill()
        daemon.wait_gone(2 * round_ + 1)
        drive = nvme.Nvme(rig.qemu(daemon.socket))
        for i in range(8):
            drive.transfer(nvme.READ, i * 256, base + BUFFER, size)
            got = drive.qtest.read(base + BUFFER, size)
            blocks = {got[at:at + 512] for at in range(0, size, 512)}
            assert blocks <= {old, new}, "a block that nobody wrote"
        drive.qemu.quit()
        daemon.wait_gone(2 * round_ + 2)


@test
def shadow_doorbells_end_with_their_vmm(rig):
    """The next one rings, and has the same memory for something else."""
    daemon, _ = disk(rig)
    drive = nvme.Nvme(rig.qemu(daemon.socket))
    shadow = drive.memory + 32 * nvme.PAGE
    drive.qtest.fill(shadow, 2 * nvme.PAGE, 0)
    drive.admin.run(nvme.DOORBELL_BUFFERS, prp1=shadow, prp2=shadow + nvme.PAGE)
    drive.qemu.kill()
    daemon.wait_gone(1)
    drive = nvme.Nvme(rig.qemu(daemon.socket))
    ram, wanted = drive.qemu.machine.ram, data(1, MIB)
    drive.qtest.fill(shadow, 2 * nvme.PAGE, 0xff)
    drive.qtest.write(ram + BUFFER, wanted)
    drive.transfer(nvme.WRITE, 0, ram + BUFFER, MIB)
    drive.transfer(nvme.READ, 0, ram + 2 * BUFFER, MIB)
    assert drive.qtest.read(ram + 2 * BUFFER, MIB) == wanted
    assert drive.qtest.read(shadow, 2 * nvme.PAGE) == b"\xff" * 2 * nvme.PAGE


@test
def the_server_ends_in_the_middle_of_writes_and_leaves_whole_blocks(rig):
    old, new, size = b"\x11" * 512, b"\x22" * 512, 128 * 1024
    for ram in ("memfd", "anonymous"):
        path = rig.new_path("disk")
        daemon = rig.daemon(f"sim:nvme,file={path},size=64M")
        drive = nvme.Nvme(rig.qemu(daemon.socket, ram=ram))
        begin_to_overwrite(drive, old, new, size)
        daemon.stop()
        with open(path, "rb") as file:
            got = file.read(8 * size)
        assert {got[at:at + 512] for at in range(0, 8 * size, 512)} <= {old, new}


@test
def a_disk_and_a_probe_serve_one_machine(rig):
    path = rig.path("disk")
    daemon = rig.daemon(f"sim:nvme,file={path},size=64M", "sim:probe")
    qemu = rig.qemu(*daemon.sockets(2))
    drive, device = nvme.Nvme(qemu, slot=4), probe.Probe(qemu, slot=5)
    ram = qemu.machine.ram
    qemu.qtest.write(ram + BUFFER, data(9, MIB))
    drive.transfer(nvme.WRITE, 0, ram + BUFFER, MIB)
    # the disk reads into the other's mapped memory, as peers do
    window = device.bars[2].address
    drive.transfer(nvme.READ, 0, window, MIB)
    assert device.bars[2].read(0, MIB) == data(9, MIB)


@test
def the_controllers_own_memory_takes_and_gives_data(rig):
    path = rig.path("disk")
    daemon = rig.daemon(f"sim:nvme,file={path},size=64M,cmb=1M")
    drive = nvme.Nvme(rig.qemu(daemon.socket))
    ram, buffer = drive.qemu.machine.ram, drive.bars[2]
    drive.set(nvme.CMBMSC, buffer.address | 3, 8)
    buffer.write(4096, data(5, 8192))
    drive.transfer(nvme.WRITE, 16, buffer.address + 4096, 8192)
    drive.transfer(nvme.READ, 16, ram + BUFFER, 8192)
    assert drive.qtest.read(ram + BUFFER, 8192) == data(5, 8192)
    drive.transfer(nvme.READ, 16, buffer.address + 65536, 8192)
    assert buffer.read(65536, 8192) == data(5, 8192)


def freezing(function):
    """A test that mounts a file system, which only root may; unit tests show the rest."""
    if os.geteuid() == 0 and os.path.exists("/dev/loop-control"):
        return test(function)
    print(f"# left out: {function.__name__}")
    return function


class Frozen:
    """A file system that can be made not to answer."""

    FREEZE, THAW = 0xc0045877, 0xc0045878       # linux/fs.h

    def __init__(self, rig):
        self.folder = rig.path("disks")
        image = rig.path("image")
        os.mkdir(self.folder)
        subprocess.run(["truncate", "-s", "256M", image], check=True)
        subprocess.run(["/sbin/mkfs.ext4", "-q", image], check=True)
        subprocess.run(["mount", "-o", "loop", image, self.folder], check=True)

    def ioctl(self, number):
        folder = os.open(self.folder, os.O_RDONLY)
        try:
            fcntl.ioctl(folder, number, 0)
        finally:
            os.close(folder)

    def freeze(self):
        self.ioctl(self.FREEZE)

    def thaw(self):
        self.ioctl(self.THAW)

    def close(self):
        # what was left behind ends only now
        wait_until("the file system is not in use", lambda: not subprocess.run(
            ["umount", self.folder], stderr=subprocess.DEVNULL, check=False).returncode)


def asleep(daemon):
    """Does a thread of the daemon's sleep where nothing can wake it?"""
    for folder in glob.glob("/proc/[0-9]*/task/[0-9]*/"):
        with contextlib.suppress(OSError), open(folder + "stat", encoding="ascii") as file:
            name, rest = file.read().split("(", 1)[1].rsplit(") ", 1)
            group = int(rest.split()[2])
            if name == "gw-nvme" and rest[0] == "D" and group == os.getpgid(daemon.pid):
                return True
    return False


def hang(drive, disks, daemon, seed=1):
    """A write that the frozen file system does not let through is under way."""
    ram = drive.qemu.machine.ram
    drive.qtest.write(ram + BUFFER, data(seed, 4096))
    drive.transfer(nvme.WRITE, 0, ram + BUFFER, 4096)
    disks.freeze()
    drive.qtest.write(ram + BUFFER, data(seed + 1, 4096))
    drive.submit(nvme.WRITE, 0, ram + BUFFER, 4096)
    wait_until("the write sleeps", lambda: asleep(daemon))


@contextlib.contextmanager
def stalled(rig):
    """QEMU's disk, the frozen file system that its write waits for, and its daemon."""
    disks = Frozen(rig)
    try:
        daemon = rig.daemon(f"sim:nvme,file={disks.folder}/disk,size=64M")
        drive = nvme.Nvme(rig.qemu(daemon.socket))
        hang(drive, disks, daemon)
        yield drive, disks, daemon
        daemon.stop()
    finally:
        with contextlib.suppress(OSError):
            disks.thaw()        # nothing that waits for it can be killed
        for child in rig.qemus + rig.daemons:
            child.kill()
        disks.close()


def first_block(drive):
    ram = drive.qemu.machine.ram
    drive.transfer(nvme.READ, 0, ram + 2 * BUFFER, 4096)
    return drive.qtest.read(ram + 2 * BUFFER, 4096)


@freezing
def a_machine_is_reset_while_its_disk_stalls_and_again_when_it_is_back(rig):
    with stalled(rig) as (drive, disks, daemon):
        drive.qemu.qmp.command("system_reset")
        drive.qemu.qmp.wait_event("RESET")
        daemon.wait_line("backing file does not answer")
        assert drive.cfg(0, 4) == 0xffffffff, "a device that cannot be reset shows nothing"
        disks.thaw()
        daemon.wait_line("backing file answers again")
        drive.qemu.qmp.command("system_reset")
        drive.qemu.qmp.wait_event("RESET")
        drive.start()
        drive.begin()
        assert first_block(drive) == data(2, 4096)


@freezing
def a_controller_that_stalls_is_disabled_when_its_disk_is_back(rig):
    with stalled(rig) as (drive, disks, daemon):
        drive.set(nvme.CC, 0)
        assert drive.get(nvme.CSTS) == 1, "it is ready until its write has ended"
        disks.thaw()
        wait_until("it is disabled", lambda: drive.get(nvme.CSTS) == 0)
        drive.begin()
        assert first_block(drive) == data(2, 4096)


@freezing
def bus_mastering_goes_off_while_the_disk_stalls_and_on_when_it_is_back(rig):
    with stalled(rig) as (drive, disks, daemon):
        drive.disable(pci.COMMAND_MASTER)
        assert drive.get(nvme.CSTS) == 0xffffffff, "it must not seem to be quiet"
        disks.thaw()
        daemon.wait_line("backing file answers again")
        drive.enable(pci.COMMAND_MASTER)
        assert drive.io.complete()[1] == 0, "the write has ended, and is told of now"
        assert first_block(drive) == data(2, 4096)


@freezing
def a_device_that_is_mounted_is_no_disk_for_a_guest(rig):
    disks = Frozen(rig)
    try:
        device = subprocess.run(["findmnt", "-no", "SOURCE", disks.folder], capture_output=True,
                                text=True, check=True).stdout.strip()
        status, _, err = gangway(rig, "serve", f"sim:nvme,file={device}", *TAKES,
                                 "--socket", rig.path("s"))
        assert status == FAILED and "it is mounted" in err, err
    finally:
        disks.close()


@freezing
def a_vmm_goes_while_its_disk_stalls_and_the_next_is_served_when_it_is_back(rig):
    with stalled(rig) as (drive, disks, daemon):
        drive.qemu.kill()
        daemon.wait_gone(1)
        try:
            Client(daemon.socket)
        except Refused as refusal:
            assert refusal.errno == errno.EIO
        else:
            raise AssertionError("a client is given a disk that still writes for another")
        disks.thaw()
        daemon.wait_line("backing file answers again")
        drive = nvme.Nvme(rig.qemu(daemon.socket))
        assert first_block(drive) == data(2, 4096)


@freezing
def the_server_is_asked_to_end_while_its_disk_stalls(rig):
    def reported():
        with contextlib.suppress(OSError, ValueError), open(daemon.report_path,
                                                            encoding="utf-8") as file:
            daemon.report = json.load(file)
        return daemon.report

    with stalled(rig) as (drive, disks, daemon):
        daemon.signal(signal.SIGTERM)
        report = wait_until("its report", reported)
        assert (report["stalls"], report["stalled"]) == (1, 1), report
        assert not os.path.exists(daemon.socket)
        disks.thaw()        # the kernel does not let go of a process before
        assert daemon.wait_exit() == 1


if __name__ == "__main__":
    main()
