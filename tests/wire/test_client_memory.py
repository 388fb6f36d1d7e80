# SPDX-License-Identifier: BSD-3-Clause
"""What a client can do with the memory that it maps, or keeps, against the real daemon."""

import errno
import os
import struct

import client as vu
import probe
from child import wait_until
from probe_client import Memory, begin, enable, meet, reg, run
from qemu import MIB
from runner import main, test

PAGE = 0x1000


@test
def maps_that_make_no_sense_are_refused(rig):
    _, client = meet(rig)
    memory = Memory()
    top = 2 ** 64 - PAGE
    for iova, size, off in ((0, 0, 0), (1, PAGE, 0), (0, PAGE + 1, 0), (0, PAGE, 1),
                            (top, 2 * PAGE, 0), (0, PAGE, top), (0, 2 ** 63, 2 ** 63),
                            (0, PAGE, 4 * MIB), (0, 5 * MIB, 0)):
        for flags in (0, 1, 3, 8, 0xffffffff):
            body = struct.pack("=IIQQQ", 32, flags, off, iova, size)
            assert client.refused(vu.DMA_MAP, body, fds=(memory.fd,))
    pipe = os.pipe()
    for fd in (pipe[0], client.sock.fileno(), os.open("/dev/zero", os.O_RDWR),
               os.open("/proc/self/mem", os.O_RDWR), os.open("/", os.O_RDONLY)):
        assert client.refused(vu.DMA_MAP, struct.pack("=IIQQQ", 32, 3, 0, 0, PAGE), fds=(fd,))
    client.map(0, MIB, memory.fd)
    for iova, size in ((0, MIB), (PAGE, PAGE), (MIB - PAGE, 2 * PAGE)):
        body = struct.pack("=IIQQQ", 32, 3, 0, iova, size)
        assert client.refused(vu.DMA_MAP, body, fds=(memory.fd,)) == errno.EEXIST
    body = struct.pack("=IIQQQ", 32, 3, 0, 2 * MIB, PAGE)
    assert client.refused(vu.DMA_MAP, body, fds=(memory.fd, memory.fd)) == errno.EMSGSIZE
    assert client.refused(vu.DMA_UNMAP, struct.pack("=IIQQ", 24, 0, PAGE, PAGE)) == errno.EINVAL
    client.unmap(0, 2 ** 63)
    client.unmap(0, 2 ** 63)    # nothing there, as with a virtual IOMMU
    client.map(0, MIB, memory.fd)
    client.unmap(0, 0, flags=2)
    client.map(0, MIB, memory.fd)
    client.in_sync()


@test
def low_memory_is_cut_up_anew_as_firmware_does_it(rig):
    """A ROM's place is RAM later; what overlaps is refused until all below is unmapped."""
    _, client = meet(rig)
    memory = Memory()

    def at(first, end, fd):
        return struct.pack("=IIQQQ", 32, 3, first if fd else 0, first, end - first), (memory.fd,) * fd

    def map_it(first, end, fd=True):
        body, fds = at(first, end, fd)
        client.call(vu.DMA_MAP, body, fds=fds)

    map_it(0xc4000, 0xe0000, fd=False)
    map_it(0xc0000, 0xc1000)
    body, fds = at(0xc4000, 0xe8000, True)
    assert client.refused(vu.DMA_MAP, body, fds=fds) == errno.EEXIST
    client.unmap(0, 0x80000000)
    client.unmap(0, 0x80000000)
    map_it(0xc4000, 0xe8000)
    memory.map[0xc4000:0xe8000] = bytes(range(256)) * (0x24000 // 256)
    assert run(client, probe.CMD_SUM, src=0xc4000, length=0x24000) == probe.OK
    assert reg(client, probe.RESULT, 8) == probe.fnv1a(bytes(range(256)) * (0x24000 // 256))


@test
def a_read_only_map_is_not_written(rig):
    _, client = meet(rig, faults=1)
    memory = Memory()
    memory.map[:PAGE] = b"r" * PAGE
    client.map(0, MIB, memory.fd, flags=1)
    client.map(MIB, MIB, memory.fd, off=MIB)
    assert run(client, probe.CMD_COPY, src=0, dst=MIB, length=PAGE) == probe.OK
    assert memory.map[MIB:MIB + PAGE] == b"r" * PAGE
    assert run(client, probe.CMD_FILL, dst=0, length=8) == probe.FAILED
    assert memory.map[:PAGE] == b"r" * PAGE


@test
def memory_of_huge_pages_is_mapped_or_refused_and_named(rig):
    daemon, client = meet(rig, faults=None)
    for size, flag in ((2 * MIB, 21 << 26), (1024 * MIB, 30 << 26)):
        try:
            fd = os.memfd_create("huge", os.MFD_HUGETLB | flag)
            os.ftruncate(fd, size)
        except OSError:
            continue        # this machine has no pages of that size
        # a part that is not made of whole pages, which a virtual IOMMU may ask for
        body = struct.pack("=IIQQQ", 32, 3, PAGE, 0, 3 * PAGE)
        ident = client.send(vu.DMA_MAP, body, fds=(fd,))
        try:
            client.reply_to(ident, vu.DMA_MAP)
            assert run(client, probe.CMD_FILL, dst=PAGE, length=PAGE) == probe.OK
            client.unmap(0, 3 * PAGE)
        except vu.Refused as refusal:
            assert refusal.errno == errno.ENOMEM
            daemon.wait_words("cannot map a file", f"{size:#x}", "Cannot allocate memory")
        os.close(fd)
    client.in_sync()


@test
def memory_that_shrinks_under_dma_does_no_harm(rig):
    daemon, client = meet(rig, faults=None)
    memory = Memory()
    client.map(0, 4 * MIB, memory.fd)
    begin(client, probe.CMD_COPY, src=0, dst=2 * MIB, length=2 * MIB)
    os.ftruncate(memory.fd, 0)
    wait_until("the end of DMA", lambda: reg(client, probe.STATUS) != probe.BUSY)
    assert run(client, probe.CMD_FILL, dst=0, length=PAGE) == probe.FAILED
    client.in_sync()
    client.close()
    vu.Client(daemon.socket).in_sync()


@test
def dma_by_message_may_be_answered_by_nonsense(rig):
    daemon, client = meet(rig, faults=None)
    client.map(0, MIB)
    begin(client, probe.CMD_SUM, src=0, length=64)
    answer_layout(client)
    for answer in range(6):
        request = client.request()
        assert (request.command, request.flags) == (vu.DMA_READ, vu.COMMAND)
        assert request.body == struct.pack("=QQ", 0, 64)
        body = {0: b"", 1: bytes(15), 2: request.body, 3: request.body + bytes(1000),
                4: struct.pack("=QQ", 0, 2 ** 63) + bytes(64)}.get(answer)
        if body is None:
            client.send(vu.DMA_READ, flags=vu.REPLY | vu.ERROR, ident=request.ident, error=19)
        else:
            client.send(vu.DMA_READ, body, flags=vu.REPLY, ident=request.ident)
        wait_until("the end of DMA", lambda: reg(client, probe.STATUS) == probe.FAILED)
        begin(client, probe.CMD_SUM, src=0, length=64)
    request = client.request()
    client.send(vu.DMA_READ, request.body + bytes(64), flags=vu.REPLY, ident=request.ident)
    wait_until("the end of DMA", lambda: reg(client, probe.STATUS) == probe.OK)
    assert reg(client, probe.RESULT, 8) == probe.fnv1a(bytes(64))


def answer_layout(client):
    """The first request asks which of two layouts we know, by being too long for one of them."""
    request = client.request()
    assert request.body == struct.pack("=QQ", 0, 2 ** 32 + 1)
    client.send(vu.DMA_READ, flags=vu.REPLY | vu.ERROR, ident=request.ident, error=errno.E2BIG)


@test
def dma_by_message_that_is_never_answered_holds_nobody_up(rig):
    daemon, client = meet(rig, faults=None)
    client.map(0, MIB)
    begin(client, probe.CMD_COPY, src=0, dst=PAGE, length=PAGE)
    assert client.request().command == vu.DMA_READ
    client.in_sync()
    assert reg(client, probe.STATUS) == probe.BUSY
    client.unmap(0, MIB)
    client.call(vu.RESET)
    enable(client)
    assert reg(client, probe.STATUS) == probe.IDLE
    client.map(0, MIB)
    begin(client, probe.CMD_COPY, src=0, dst=PAGE, length=PAGE)
    client.close()
    vu.Client(daemon.socket).in_sync()


if __name__ == "__main__":
    main()
