# SPDX-License-Identifier: BSD-3-Clause
"""`gangway companion`: the companion by stock QEMU's ivshmem-doorbell, and by a serial port."""

import atexit
import json
import os
import socket
import struct
import tempfile

import companion
import pci
import probe
from child import wait_until
from daemon import READY, Serving
from qemu import MIB
from runner import main, test

READ, WRITE, ENTRY = 1, 2, 3
DROPPED = 4
OK, INVAL, NOENT, RANGE = 0, 3, 5, 9
NONCE = 0x80


class Mapper(Serving):
    """`gangway companion` for one probe."""

    def __init__(self, rig, kind, *options):
        self.path = rig.new_path(kind)
        self.report_path = rig.new_path("report")
        self.report = None
        super().__init__("gangway", [rig.gangway, "-v", "companion", "sim:probe", f"--{kind}",
                                     self.path, "--report", self.report_path, *options])
        rig.daemons.append(self)
        self.wait_line(READY)

    def stop(self):
        if self.report is None:
            assert self.terminate() == 0
            with open(self.report_path, encoding="utf-8") as file:
                self.report = json.load(file)
            assert self.report["maps_left"] == 0, self.report
        return self.report


class Port:
    """The guest's end of the port, as QEMU's chardev carries it."""

    def __init__(self, path):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(30)
        self.socket.connect(path)
        self.tag = 0

    def send(self, op, reg=0, value=0, entry=(0, 0, 0, 0, 0, 0)):
        self.tag += 1
        request = struct.pack("<IIII", op, self.tag, reg, value) + struct.pack("<HHIQQQ", *entry)
        # a stream keeps no messages apart
        self.socket.sendall(request[:5])
        self.socket.sendall(request[5:])

    def reply(self):
        data = b""
        while len(data) < 48:
            more = self.socket.recv(48 - len(data))
            assert more, "it hung up"
            data += more
        tag, status, value, _ = struct.unpack_from("<IIII", data)
        assert tag == self.tag
        return status, value, struct.unpack_from("<IHHQQQ", data, 16)

    def get(self, reg):
        self.send(READ, reg)
        status, value, _ = self.reply()
        assert status == OK
        return value

    def set(self, reg, value):
        self.send(WRITE, reg, value)
        return self.reply()[0]

    def submit(self, op, addr=0, length=0, flags=0, last=0):
        """Return status, handle, IOVA and length."""
        self.send(ENTRY, entry=(op, flags, 77, addr, length, last))
        _, _, (tag, status, more, handle, iova, size) = self.reply()
        assert (tag, more) == (77, 0)
        return status, handle, iova, size


def ram_file(rig, size):
    """On a tmpfs: memory that a file system could hold up is refused."""
    with tempfile.NamedTemporaryFile(dir="/dev/shm", prefix="gw-ram-", delete=False) as file:
        file.truncate(size)
    atexit.register(os.unlink, file.name)
    return file.name


@test
def memory_of_a_file_is_mapped_by_a_port(rig):
    low, high = ram_file(rig, 2 * MIB), ram_file(rig, 8 * MIB)
    mapper = Mapper(rig, "port", "--ram", f"{low},gpa=0", "--ram",
                    f"{high},gpa=4G,offset=4M,size=4M", "--guest-bdf", "01:00.0")
    port = Port(mapper.path)
    assert port.get(companion.MAGIC) == 0x4d445747
    assert port.get(companion.MANAGED_BDF) == 0x100
    assert port.get(0x74) == 2
    assert port.set(companion.CONTROL, companion.ANNOUNCE) == OK
    assert port.get(companion.CONTROL_STATUS) == OK
    status, one, iova, length = port.submit(companion.MAP, 0x10000, 0x8000)
    assert (status, length) == (OK, 0x8000) and iova
    status, two, other, _ = port.submit(companion.MAP, 1 << 32, 4 * MIB)
    assert status == OK and other != iova
    assert port.submit(companion.MAP, (1 << 32) + 4 * MIB, 0x4000)[0] == INVAL
    assert port.submit(companion.MAP, 0, 0x4000, last=0xffff)[0] == RANGE
    assert port.submit(companion.QUERY)[2:] == (0x8000 + 4 * MIB, 2)
    assert port.submit(DROPPED)[0] == NOENT
    assert port.submit(companion.UNMAP, one)[0] == OK
    assert port.submit(companion.UNMAP, one)[0] == NOENT
    assert two and port.get(companion.USED_MAPS) == 1
    # where the ring is concerns nobody here, nor is there such a request
    assert port.set(companion.RING_ENABLE, 0) == INVAL
    assert port.set(companion.CMD_GPA, 0x1000) == INVAL
    port.send(9)
    assert port.reply()[0] == INVAL
    for reg in 1, 0x1000, 0xffffffff:
        assert port.get(reg) == 0xffffffff
    assert port.submit(companion.MAP, 0x10000, 0x8000)[0] == OK
    assert mapper.running()


@test
def a_port_s_client_goes_and_the_next_finds_nothing(rig):
    mapper = Mapper(rig, "port", "--ram", f"{ram_file(rig, MIB)},gpa=0x40000000")
    generations = set()
    for turn in range(3):
        port = Port(mapper.path)
        assert port.get(companion.USED_MAPS) == 0
        generations.add(port.get(companion.GENERATION))
        assert port.set(NONCE, 7) == OK
        assert port.set(companion.CONTROL, companion.ANNOUNCE) == OK
        for _ in range(70):
            assert port.submit(companion.MAP, 0x40000000, 0x4000)[0] == OK
        late = socket.socket(socket.AF_UNIX)
        late.settimeout(30)
        late.connect(mapper.path)
        assert late.recv(1) == b"", "a second client was let in"
        late.close()
        port.socket.sendall(b"half a request")
        port.socket.close()
        mapper.wait_gone(turn + 1)
    assert len(generations) == 3


@test
def a_client_that_does_not_read_is_no_obstacle_to_the_end(rig):
    mapper = Mapper(rig, "port", "--ram", f"{ram_file(rig, MIB)},gpa=0")
    port = Port(mapper.path)
    port.socket.setblocking(False)
    request = struct.pack("<IIII", READ, 1, companion.MAGIC, 0) + bytes(32)
    try:
        while True:
            port.socket.send(request)
    except BlockingIOError:
        pass
    mapper.stop()


@test
def what_is_no_memory_is_refused_with_the_words(rig):
    path = ram_file(rig, MIB)
    for options, words in (([], "wants guest memory"), (["--ram", path], "wants FILE,gpa="),
                           (["--ram", f"{path},gpa=5"], "cannot be guest memory"),
                           (["--ram", f"{path},gpa=0", "--ram", f"{path},gpa=0"], "File exists"),
                           (["--ram", f"{path}.no,gpa=0"], "No such file"),
                           (["--ram", f"{path},gpa=0,offset=2M"], "cannot be guest memory")):
        child = Serving("gangway", [rig.gangway, "companion", "sim:probe", "--port",
                                    rig.path("port"), *options])
        assert child.wait_exit() in (1, 2)
        assert words in child.output, child.output


class Ivshmem(pci.Function):
    """QEMU's ivshmem-doorbell as the guest's module sees it."""

    SEQ, OP, REG, VALUE, DONE, ANSWER = 0x40, 0x44, 0x48, 0x4c, 0x80, 0x84

    def __init__(self, qemu, slot):
        super().__init__(qemu, slot)
        assert self.cfg(0, 4) == 0x11101af4, hex(self.cfg(0, 4))
        self.start()
        self.memory = self.bars[2]
        assert self.memory.load(0, 4) == 0x48535747
        assert self.memory.load(8, 4) == self.memory.size
        self.peer = self.memory.load(12, 4)
        self.seq = self.tail = 0
        self.ring = 0x2000

    def kick(self):
        self.bars[0].store(12, 4, self.peer << 16)

    def mailbox(self, op, reg, value=0):
        self.seq += 1
        for off, word in ((self.OP, op), (self.REG, reg), (self.VALUE, value),
                          (self.SEQ, self.seq)):
            self.memory.store(off, 4, word)
        self.kick()
        wait_until("the mailbox", lambda: self.memory.load(self.DONE, 4) == self.seq)
        return self.memory.load(self.ANSWER, 4)

    def get(self, reg):
        return self.mailbox(READ, reg)

    def set(self, reg, value):
        self.mailbox(WRITE, reg, value)

    def start_ring(self):
        self.memory.write(self.ring, bytes(0x1000))
        self.set(companion.RING_GPA, self.ring)
        self.set(companion.RING_SHIFT, companion.SHIFT)
        self.set(companion.RING_ENABLE, 1)
        assert self.get(companion.RING_ENABLE) == 1
        self.tail = 0

    def submit(self, op, addr, length, flags=0, last=0):
        slot = self.tail % (1 << companion.SHIFT)
        self.memory.write(self.ring + 0x1000 + 32 * slot,
                          struct.pack("<HHIQQQ", op, flags, self.tail, addr, length, last))
        self.tail += 1
        self.memory.store(self.ring, 4, self.tail)
        self.kick()
        wait_until("the completion",
                   lambda: self.memory.load(self.ring + 0x44, 4) == self.tail)
        answer = self.memory.read(self.ring + 0x1000 + (32 << companion.SHIFT) + 32 * slot, 32)
        tag, status, more, handle, iova, size = struct.unpack("<IHHQQQ", answer)
        assert (tag, more) == (self.tail - 1, 0)
        self.memory.store(self.ring + 4, 4, self.tail)
        return status, handle, iova, size


def ivshmem_machine(rig, mapper, functions):
    more = ["-chardev", f"socket,id=gw,path={mapper.path}",
            "-device", "ivshmem-doorbell,chardev=gw,vectors=1,addr=8"]
    return rig.qemu(*functions, machine="q35", more=more)


@test
def a_stock_qemu_copies_with_what_ivshmem_maps(rig):
    function = rig.new_path("function")
    mapper = Mapper(rig, "ivshmem", "--socket", function)
    qemu = ivshmem_machine(rig, mapper, [function])
    link = Ivshmem(qemu, 8)
    assert pci.Function(qemu).cfg(0, 4) == 0xffffffff
    assert link.get(companion.MAGIC) == 0x4d445747
    link.set(companion.CONTROL, companion.ANNOUNCE)
    assert link.get(companion.CONTROL_STATUS) == OK
    device = probe.Probe(qemu)
    link.start_ring()
    src, dst, size = qemu.machine.ram + 4 * MIB, qemu.machine.ram + 6 * MIB, MIB
    _, _, src_iova, _ = link.submit(companion.MAP, src, size, flags=1)
    status, write, dst_iova, _ = link.submit(companion.MAP, dst, size)
    assert status == OK
    data = bytes(range(256)) * (size // 256)
    qemu.qtest.write(src, data)
    device.copy(src_iova, dst_iova, size)
    assert qemu.qtest.read(dst, size) == data
    assert link.submit(companion.UNMAP, write, 0)[0] == OK
    assert link.get(companion.USED_MAPS) == 1


@test
def the_next_qemu_gets_memory_that_nobody_has_seen(rig):
    mapper = Mapper(rig, "ivshmem", "--ram", f"{ram_file(rig, MIB)},gpa=0")
    for turn in range(2):
        qemu = ivshmem_machine(rig, mapper, [])
        link = Ivshmem(qemu, 8)
        assert link.memory.read(0x1000, 0x3000) == bytes(0x3000)
        link.set(companion.CONTROL, companion.ANNOUNCE)
        link.start_ring()
        assert link.submit(companion.MAP, 0, 0x10000)[0] == OK
        qemu.kill()
        rig.qemus.clear()
        mapper.wait_gone(turn + 1)
    assert os.path.exists(mapper.path)


@test
def a_guest_that_writes_nonsense_everywhere_is_served_on(rig):
    mapper = Mapper(rig, "ivshmem", "--ram", f"{ram_file(rig, MIB)},gpa=0")
    qemu = ivshmem_machine(rig, mapper, [])
    link = Ivshmem(qemu, 8)
    link.start_ring()
    for seed in range(20):
        link.memory.write(0, struct.pack("<I", 0x9e3779b9 * seed & 0xffffffff) * 0x1000)
        link.kick()
    # what it has no answer for is not answered; the mailbox is
    link.seq = link.memory.load(link.SEQ, 4)
    assert link.get(companion.MAGIC) == 0x4d445747
    assert link.get(2) == 0xffffffff
    link.start_ring()
    assert link.submit(companion.MAP, 0, 0x10000)[0] == OK
    assert mapper.running()


if __name__ == "__main__":
    main()
