# SPDX-License-Identifier: BSD-3-Clause
"""What a client can send that QEMU does not, also on purpose, against the real daemon."""

import errno
import json
import mmap
import os
import random
import select
import socket
import struct
import subprocess
import time

import client as vu
import pci
import probe
from child import TIMEOUT, wait_until
from qemu import MIB, device as qemu_device
from runner import main, test

PAGE = 0x1000


class Memory:
    """Shared memory as a VMM has it."""

    def __init__(self, size=4 * MIB):
        self.fd = os.memfd_create("memory")
        os.ftruncate(self.fd, size)
        self.map = mmap.mmap(self.fd, size)


def meet(rig, **options):
    daemon = rig.daemon(**options)
    client = vu.Client(daemon.socket)
    enable(client)
    return daemon, client


def enable(client):
    client.write(vu.CONFIG, 4, b"\6\0")     # memory and bus mastering


def reg(client, register, width=4):
    return int.from_bytes(client.read(0, register, width), "little")


def set_reg(client, register, value, width=4):
    client.write(0, register, value.to_bytes(width, "little"))


def begin(client, command, src=0, dst=0, length=0, pattern=0):
    enable(client)
    for register, value in ((probe.SRC, src), (probe.DST, dst), (probe.LEN, length),
                            (probe.PATTERN, pattern)):
        set_reg(client, register, value, 8)
    set_reg(client, probe.COMMAND, command)


def run(client, command, **parameters):
    begin(client, command, **parameters)
    wait_until("the end of DMA", lambda: reg(client, probe.STATUS) != probe.BUSY)
    return reg(client, probe.STATUS)


@test
def a_client_negotiates_and_is_told_what_there_is(rig):
    _, client = meet(rig)
    assert client.capabilities == {"max_msg_fds": 16, "max_data_xfer_size": 1048576}
    client.in_sync()
    sizes = [client.region_info(i)[0][4] for i in range(9)]
    assert sizes == [0x1000, 0, 0x100000, 0, 0x1000, 0, 0, 4096, 0]
    counts = [client.irq_info(i)[3] for i in range(5)]
    assert counts[2] == probe.VECTORS and counts[0] == 0 and counts[3] == 1
    assert not client.irq_info(2)[1] & 8, "NORESIZE"
    (_, flags, _, _, size, off), _, fds = client.region_info(2)
    assert flags & 4 and len(fds) == 1
    view = mmap.mmap(fds[0], size, offset=off)
    view[:4] = b"here"
    assert client.read(2, 0, 4) == b"here"
    view.close()
    os.close(fds[0])


@test
def a_version_that_is_not_ours_is_refused(rig):
    daemon = rig.daemon()
    for text in (b"\0", b"{}\0", b'{"capabilities":{}}\0', b"", None):
        client = vu.Client(daemon.socket, negotiate=False)
        if text == b"\0":
            assert client.refused(vu.VERSION, struct.pack("=HH", 1, 0) + b"{}\0")
        else:
            client.version(text=text)
            client.in_sync()
        client.close()
    for text in (b"{}", b"[]\0", b"{\0", b'{"capabilities":7}\0', b"[" * 3000 + b"\0",
                 b'{"capabilities":{"max_msg_fds":-1}}\0', b"{}\0{}\0", b'"\xff"\0',
                 b'{"capabilities":{"max_data_xfer_size":"1"}}\0'):
        client = vu.Client(daemon.socket, negotiate=False)
        assert client.refused(vu.VERSION, struct.pack("=HH", 0, 0) + text) == errno.EINVAL, text
        client.close()
    client = vu.Client(daemon.socket, negotiate=False)
    assert client.refused(vu.GET_INFO, struct.pack("=IIII", 16, 0, 0, 0)) == errno.EPROTO
    client.version(minor=1)
    assert client.refused(vu.VERSION, struct.pack("=HH", 0, 0) + b"{}\0") == errno.EPROTO
    client.in_sync()


@test
def commands_that_are_not_offered_are_refused_and_the_stream_stays_in_step(rig):
    _, client = meet(rig)
    for command in (0, vu.GET_REGION_IO_FDS, vu.DMA_READ, vu.DMA_WRITE, 14,
                    vu.MIG_DATA_READ, vu.MIG_DATA_WRITE, 19, 255, 65535):
        for body in (b"", bytes(16), bytes(100000)):
            assert client.refused(command, body) == errno.EOPNOTSUPP
        client.in_sync()


@test
def lengths_that_do_not_fit_their_command_are_refused(rig):
    _, client = meet(rig)
    for command in (vu.DMA_MAP, vu.DMA_UNMAP, vu.GET_INFO, vu.GET_REGION_INFO, vu.GET_IRQ_INFO,
                    vu.SET_IRQS, vu.REGION_READ, vu.REGION_WRITE):
        for size in (0, 1, 15, 5000):
            assert client.refused(command, b"\xff" * size), (command, size)
    assert client.refused(vu.RESET, b"x") == errno.EMSGSIZE
    client.in_sync()


@test
def a_header_that_makes_no_sense_ends_the_connection(rig):
    daemon = rig.daemon()
    for ident, size, flags in ((1, 0, 0), (2, 15, 0), (3, 2 ** 32 - 1, 0), (4, 16, 2), (5, 16, 15)):
        client = vu.Client(daemon.socket)
        client.send(vu.GET_INFO, size=size, flags=flags, ident=ident)
        client.closed()
        client.close()
    vu.Client(daemon.socket).in_sync()


@test
def a_reply_that_nobody_waits_for_is_dropped(rig):
    _, client = meet(rig)
    for command in (vu.DMA_READ, vu.DMA_WRITE, vu.GET_INFO, 99):
        client.send(command, bytes(4000), flags=vu.REPLY)
        client.send(command, flags=vu.REPLY | vu.ERROR, error=5)
    client.in_sync()


@test
def a_message_may_come_byte_by_byte(rig):
    _, client = meet(rig)
    message = vu.HEADER.pack(7, vu.GET_INFO, 32, 0, 0) + struct.pack("=IIII", 16, 0, 0, 0)
    for _ in range(20):
        for byte in message:
            client.send_raw(bytes([byte]))
        assert client.receive().ident == 7


@test
def one_id_for_all_messages_does_no_harm(rig):
    _, client = meet(rig)
    client.map(0, MIB)
    # also that of the server's own requests
    begin(client, probe.CMD_SUM, src=0, length=64)
    ident = client.request().ident
    reads = [(probe.ID, 4), (probe.SCRATCH64, 8), (probe.VERSION, 4)]
    for register, count in reads:
        client.send(vu.REGION_READ, struct.pack("=QII", register, 0, count), ident=ident)
    for register, count in reads:
        reply = client.reply_to(ident, vu.REGION_READ)
        assert struct.unpack("=QII", reply.body[:16]) == (register, 0, count)
    assert reg(client, probe.STATUS) == probe.BUSY
    client.in_sync()


@test
def a_client_that_goes_in_mid_message_leaves_the_socket_to_the_next(rig):
    daemon = rig.daemon()
    message = vu.HEADER.pack(7, vu.REGION_WRITE, 1000, 0, 0) + bytes(500)
    for cut in (1, 8, 15, 16, 17, 100, len(message)):
        client = vu.Client(daemon.socket)
        client.send_raw(message[:cut])
        client.close()
    vu.Client(daemon.socket).in_sync()


@test
def a_client_that_never_reads_is_given_up_and_the_next_is_served(rig):
    daemon = rig.daemon()
    client = vu.Client(daemon.socket, timeout=None)
    client.sock.setblocking(False)
    message = vu.HEADER.pack(7, vu.REGION_READ, 32, 0, 0) + struct.pack("=QII", 0, 2, 0x100000)
    poll = select.poll()
    poll.register(client.sock, select.POLLOUT)
    try:
        for _ in range(10000):
            try:
                client.sock.send(message)
            except BlockingIOError:
                if not poll.poll(5000):
                    break       # it has stopped to take more, which is as good
    except (BrokenPipeError, ConnectionResetError):
        pass
    client.close()
    vu.Client(daemon.socket).in_sync()


@test
def accesses_outside_of_regions_are_refused(rig):
    _, client = meet(rig)
    big = 2 ** 64 - 1
    for region, off, count in ((0, 0x1000, 1), (0, 0xfff, 2), (0, big, 1), (0, big - 3, 8),
                               (1, 0, 4), (6, 0, 4), (8, 0, 1), (9, 0, 4), (0xffffffff, 0, 4),
                               (7, 4096, 1), (7, 4093, 4), (2, 0x100000, 1), (0, 0, 0)):
        assert client.refused(vu.REGION_READ, struct.pack("=QII", off, region, count))
        assert client.refused(vu.REGION_WRITE,
                              struct.pack("=QII", off, region, count) + bytes(count))
    assert client.refused(vu.REGION_READ, struct.pack("=QII", 0, 2, 0x100001))
    assert client.refused(vu.REGION_READ, struct.pack("=QII", 0, 2, 0xffffffff))
    for count, sent in ((4, 3), (4, 5), (0xffffffff, 4)):
        assert client.refused(vu.REGION_WRITE, struct.pack("=QII", 0, 0, count) + bytes(sent))
    client.in_sync()
    assert reg(client, probe.WRITES) == 0


@test
def config_space_takes_every_write_and_stays_whole(rig):
    _, client = meet(rig)
    before = client.read(vu.CONFIG, 0, 4096)
    rng = random.Random(1)
    for _ in range(2000):
        off, size = rng.randrange(4096), rng.choice((1, 2, 3, 4, 8, 17))
        size = min(size, 4096 - off)
        client.write(vu.CONFIG, off, rng.randbytes(size))
    client.call(vu.RESET)
    enable(client)
    after = client.read(vu.CONFIG, 0, 4096)
    assert after[:4] == before[:4] and after[0x34] == before[0x34]
    assert reg(client, probe.ID) == probe.ID_VALUE


@test
def writes_without_reply_are_silent_also_when_refused(rig):
    _, client = meet(rig)
    for i in range(500):
        client.send(vu.REGION_WRITE, struct.pack("=QIII", probe.SCRATCH32, 0, 4, i),
                    flags=vu.NO_REPLY)
        client.send(vu.REGION_WRITE, struct.pack("=QIII", 0x10000, 0, 4, i), flags=vu.NO_REPLY)
    assert reg(client, probe.SCRATCH32) == 499
    client.in_sync()


@test
def many_writes_in_one_message_are_all_done_or_none(rig):
    _, client = meet(rig)

    def multi(*writes, count=None):
        body = b"".join(struct.pack("=QII8s", off, 0, n, v.to_bytes(8, "little"))
                        for off, n, v in writes)
        return struct.pack("=Q", len(writes) if count is None else count) + body

    client.send(vu.REGION_WRITE_MULTI,
                multi((probe.SCRATCH32, 4, 0x11), (probe.SCRATCH64, 8, 0x22)), flags=vu.NO_REPLY)
    assert reg(client, probe.SCRATCH32) == 0x11 and reg(client, probe.SCRATCH64, 8) == 0x22
    bad = ((multi((probe.SCRATCH32, 4, 0x33), (0x10000, 4, 0))),
           multi((probe.SCRATCH32, 4, 0x33), (probe.SCRATCH64, 9, 0)),
           multi((probe.SCRATCH32, 4, 0x33), count=2), multi((probe.SCRATCH32, 4, 0x33), count=0),
           multi((probe.SCRATCH32, 4, 0x33), count=2 ** 64 - 1),
           multi(*[(probe.SCRATCH32, 4, 0x33)] * 201))
    for body in bad:
        assert client.refused(vu.REGION_WRITE_MULTI, body)
        client.send(vu.REGION_WRITE_MULTI, body, flags=vu.NO_REPLY)
        assert reg(client, probe.SCRATCH32) == 0x11
    client.in_sync()


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


@test
def interrupts_that_make_no_sense_are_refused(rig):
    _, client = meet(rig)
    event = os.eventfd(0)
    read, _write = os.pipe()
    on = vu.DATA_EVENTFD | vu.ACTION_TRIGGER
    cases = [
        (2, on, 32, 1, [event]), (2, on, 31, 2, [event] * 2), (2, on, 0, 2, [event]),
        (2, on, 0, 1, [event] * 2), (2, on, 2 ** 32 - 1, 2, [event] * 2),
        (2, on, 1, 2 ** 32 - 1, []), (2, on, 0, 0, []), (5, on, 0, 1, [event]),
        (2 ** 32 - 1, on, 0, 1, []), (2, on, 0, 1, [read]), (2, 0, 0, 1, []), (2, 7, 0, 1, []),
        (2, on | vu.DATA_BOOL, 0, 1, [event]), (2, on | vu.ACTION_MASK, 0, 1, [event]),
        (2, 0xffffffff, 0, 1, []),
        (0, on, 0, 1, [event]), (1, on, 0, 1, [event]), (2, on, 0, 1, [client.sock.fileno()]),
    ]
    for index, flags, start, count, fds in cases:
        body = struct.pack("=IIIII", 20, flags, index, start, count)
        assert client.refused(vu.SET_IRQS, body, fds=fds), (index, flags, start, count)
    body = struct.pack("=IIIII", 20, vu.DATA_BOOL | vu.ACTION_TRIGGER, 2, 0, 3)
    for size in (0, 2, 4):
        assert client.refused(vu.SET_IRQS, body + bytes(size)) == errno.EMSGSIZE
    client.in_sync()


@test
def all_vectors_may_come_in_one_message_and_be_triggered_from_outside(rig):
    _, client = meet(rig)
    events = [os.eventfd(0, os.EFD_NONBLOCK) for _ in range(probe.VECTORS)]
    client.set_irqs(2, vu.DATA_EVENTFD | vu.ACTION_TRIGGER, 0, probe.VECTORS, events)
    set_reg(client, probe.IRQS, 0xffffffff)
    for event in events:
        assert select.select([event], [], [], 30)[0]
        assert os.eventfd_read(event) == 1
    client.set_irqs(2, vu.DATA_NONE | vu.ACTION_TRIGGER, 3, 2)
    assert os.eventfd_read(events[3]) == os.eventfd_read(events[4]) == 1
    client.set_irqs(2, vu.DATA_BOOL | vu.ACTION_TRIGGER, 0, 3, data=b"\0\1\0")
    assert os.eventfd_read(events[1]) == 1
    client.set_irqs(2, vu.DATA_NONE | vu.ACTION_TRIGGER, 0, 0)
    set_reg(client, probe.IRQS, 0xffffffff)
    client.in_sync()
    assert not select.select(events, [], [], 0)[0]


@test
def an_eventfd_that_is_full_holds_nobody_up(rig):
    _, client = meet(rig)
    event = os.eventfd(0)       # blocks
    client.set_irqs(2, vu.DATA_EVENTFD | vu.ACTION_TRIGGER, 0, 1, [event])
    os.set_blocking(event, True)
    os.eventfd_write(event, 2 ** 64 - 2)
    for _ in range(10):
        set_reg(client, probe.IRQ, 0)
    client.in_sync()
    assert os.eventfd_read(event) == 2 ** 64 - 1, "as the kernel's own signals leave it"


@test
def an_eventfd_that_counts_down_by_one_gets_what_was_raised(rig):
    _, client = meet(rig)
    event = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_SEMAPHORE)
    client.set_irqs(2, vu.DATA_EVENTFD | vu.ACTION_TRIGGER, 0, 1, [event])
    for _ in range(3):
        client.set_irqs(2, vu.DATA_NONE | vu.ACTION_TRIGGER, 0, 1)
    assert [os.eventfd_read(event) for _ in range(3)] == [1, 1, 1]
    assert not select.select([event], [], [], 0)[0]


@test
def descriptors_are_not_kept(rig):
    daemon, client = meet(rig)
    event, memory = os.eventfd(0), Memory()

    def held():
        client.in_sync()
        return len(os.listdir(f"/proc/{daemon.pid}/fd"))

    before = held()
    body = struct.pack("=IIII", 16, 0, 0, 0)
    for count in (1, 16, 253):
        client.call(vu.GET_INFO, body, fds=[event] * count)
        client.send(vu.GET_INFO, body, fds=[event] * count, flags=vu.NO_REPLY)
        client.send(vu.DMA_MAP, struct.pack("=IIQQQ", 32, 3, 0, 1, PAGE), fds=[memory.fd])
        client.receive()
        assert client.refused(vu.SET_IRQS, struct.pack("=IIIII", 20, 0x24, 2, 0, 1),
                              fds=[event] * (count + 1) if count < 253 else [memory.fd])
    assert held() == before
    for _ in range(100):
        client.map(0, MIB, memory.fd)
        client.unmap(0, MIB)
        client.set_irqs(2, 0x24, 0, 1, [event])
        client.set_irqs(2, 0x21, 0, 0)
    assert held() <= before + 1


@test
def an_unmap_that_comes_with_a_descriptor_is_done(rig):
    _, client = meet(rig)
    memory = Memory()
    client.map(0x10000, 0x10000, memory.fd)
    body = struct.pack("=IIQQ", 24, 0, 0x10000, 0x10000)
    assert client.call(vu.DMA_UNMAP, body, fds=[memory.fd]).body == body
    client.map(0x10000, 0x10000, memory.fd)


@test
def control_messages_of_every_kind_and_number_are_taken(rig):
    daemon, client = meet(rig)
    events = [os.eventfd(0, os.EFD_NONBLOCK) for _ in range(2)]
    credentials = (socket.SOL_SOCKET, socket.SCM_CREDENTIALS,
                   struct.pack("=iII", os.getpid(), os.getuid(), os.getgid()))
    held = len(os.listdir(f"/proc/{daemon.pid}/fd"))
    body = struct.pack("=IIIII", 20, 0x24, 2, 0, 2)
    header = vu.HEADER.pack(7, vu.SET_IRQS, 36, 0, 0)
    for control in ([credentials, vu.rights(events)],
                    [vu.rights(events[:1]), credentials, vu.rights(events[1:])]):
        client.send_raw(header + body, control=control)
        client.reply_to(7, vu.SET_IRQS)
        set_reg(client, probe.IRQS, 3)
        for event in events:
            assert select.select([event], [], [], 30)[0]
            assert os.eventfd_read(event) == 1
    # two descriptors where one belongs, in two pieces
    client.send_raw(vu.HEADER.pack(7, vu.DMA_MAP, 48, 0, 0) +
                    struct.pack("=IIQQQ", 32, 3, 0, 0, PAGE),
                    control=[vu.rights(events[:1]), vu.rights(events[1:])])
    assert client.receive().error == errno.EMSGSIZE
    client.send_raw(vu.HEADER.pack(8, vu.GET_INFO, 32, 0, 0) +
                    struct.pack("=IIII", 16, 0, 0, 0), control=[credentials])
    client.reply_to(8, vu.GET_INFO)
    client.set_irqs(2, 0x21, 0, 0)
    client.in_sync()
    assert len(os.listdir(f"/proc/{daemon.pid}/fd")) == held


@test
def a_descriptor_in_the_middle_of_a_message_ends_the_connection_or_is_closed(rig):
    daemon, client = meet(rig)
    event = os.eventfd(0)
    message = vu.HEADER.pack(7, vu.GET_INFO, 32, 0, 0) + struct.pack("=IIII", 16, 0, 0, 0)
    client.send_raw(message[:20])
    try:
        client.send_raw(message[20:], fds=[event])
        assert client.receive().ident == 7
        client.in_sync()
    except vu.Closed:
        pass
    client.close()
    vu.Client(daemon.socket).in_sync()


@test
def of_clients_in_a_crowd_one_is_served_and_the_others_are_told(rig):
    daemon = rig.daemon()
    served = vu.Client(daemon.socket)
    for _ in range(4):
        client = vu.Client(daemon.socket, negotiate=False)
        assert client.refused(vu.VERSION, struct.pack("=HH", 0, 0)) == errno.EBUSY
        client.close()
    served.in_sync()
    served.close()
    for _ in range(50):
        vu.Client(daemon.socket).close()
    vu.Client(daemon.socket).in_sync()


@test
def what_a_client_repeats_fills_no_log_and_mutes_no_other(rig):
    daemon = rig.daemon("sim:probe", "sim:probe", faults=None)
    one, other = daemon.sockets(2)
    begun = time.monotonic()
    client = vu.Client(one)
    enable(client)
    bodies = {vu.DMA_MAP: struct.pack("=IIQQQ", 32, 3, 0, 1, PAGE),
              vu.DMA_UNMAP: struct.pack("=IIQQ", 24, 0, 1, 1), vu.GET_INFO: b"",
              vu.SET_IRQS: struct.pack("=IIIII", 20, 7, 2, 0, 1), vu.REGION_WRITE_MULTI: bytes(8),
              vu.VERSION: bytes(4), 99: b""}
    for _ in range(60):
        for command, body in bodies.items():
            assert client.refused(command, body)
        run(client, probe.CMD_FILL, dst=1 << 40, length=8)
        client.call(vu.RESET)
        enable(client)
        late = vu.Client(one, negotiate=False)
        assert late.refused(vu.VERSION, bytes(4)) == errno.EBUSY
        late.close()
    client.close()
    for _ in range(100):
        vu.Client(one).close()
    most = 11 * (int((time.monotonic() - begun) / 5) + 2)
    lines = [line for line in daemon.output.splitlines() if " warning: " in line or " error: " in line]
    # the socket's own, its client's, the function's and the endpoint's
    assert len(lines) <= 4 * most, len(lines)
    assert vu.Client(other).refused(vu.VERSION, bytes(4))
    daemon.wait_words(other, "VERSION", "refused")


@test
def a_second_qemu_is_told_that_the_device_is_in_use_and_the_log_says_by_whom(rig):
    daemon = rig.daemon()
    first = rig.qemu(daemon.socket)
    binary = os.path.join(rig.qemu_dir, first.machine.program)
    done = subprocess.run([binary, "-machine", "q35", "-accel", "qtest", "-display", "none", "-device",
                           json.dumps(qemu_device(daemon.socket))], capture_output=True, text=True,
                          timeout=TIMEOUT, check=False)
    assert done.returncode and "Device or resource busy" in done.stderr, done.stderr
    daemon.wait_words("is refused", f"process {first.pid} (", "has the device")
    assert pci.Function(first).cfg(0, 4) != 0xffffffff


def bar_memory(client, index):
    """A BAR as a VMM maps it."""
    (_, _, _, _, size, off), _, fds = client.region_info(index)
    return mmap.mmap(fds[0], size, offset=off)


@test
def what_a_client_was_handed_of_a_bar_is_not_what_the_next_one_has(rig):
    daemon = rig.daemon("sim:probe", "sim:gpu,vram=64M,vfs=1")
    for path, index in zip(daemon.sockets(2), (2, 0)):
        kept = []
        for turn in range(3):
            client = vu.Client(path)
            enable(client)
            mine = bar_memory(client, index)
            assert mine[:PAGE] == bytes(PAGE), "somebody else's bytes"
            mine[:4] = struct.pack("=I", turn + 1)
            assert client.read(index, 0, 4) == struct.pack("=I", turn + 1)
            client.write(index, 8, b"register")
            assert mine[8:16] == b"register"
            kept.append(mine)
            for i, old in enumerate(kept):      # a reset may have zeroed it
                assert old[:4] in (bytes(4), struct.pack("=I", i + 1))
            client.close()
        for old in kept:
            old[:4] = b"late"
        assert bar_memory(vu.Client(path), index)[:4] == bytes(4)


@test
def a_function_and_its_companion_belong_to_one_vmm(rig):
    path = rig.new_path("companion")
    daemon = rig.daemon(host=(), options=("--plan", "paravirt", "--companion", path))
    for ours, its in ((daemon.socket, path), (path, daemon.socket)):
        held = vu.Client(ours)
        other = os.fork()
        if not other:
            try:
                told = vu.Client(its, negotiate=False).refused(vu.VERSION, struct.pack("=HH", 0, 0))
                os._exit(told == errno.EBUSY)
            finally:
                os._exit(2)
        assert os.waitstatus_to_exitcode(os.waitpid(other, 0)[1]) == 1
        daemon.wait_words(f"process {other} (", "cannot have", f"process {os.getpid()} (",
                          "both belong to one VMM")
        both = vu.Client(its)
        both.in_sync()
        held.close()
        both.close()
    vu.Client(daemon.socket).in_sync()      # nobody has it now


@test
def random_messages_do_no_harm(rig):
    daemon = rig.daemon(faults=None)
    rng = random.Random(20)
    memory = Memory()
    for _ in range(20):
        client = vu.Client(daemon.socket)
        try:
            for _ in range(150):
                body = bytearray(rng.randbytes(rng.choice((0, 4, 16, 20, 24, 32, 40, 200))))
                for at in range(0, len(body) - 3, 4):       # small numbers go deeper
                    if rng.random() < 0.8:
                        body[at:at + 4] = struct.pack("=I", rng.choice((0, 1, 2, 3, 7, 16, 20, 24,
                                                                        32, 36, 4096, 65536)))
                fds = [memory.fd] * rng.choice((0, 0, 0, 1, 2))
                client.send(rng.randrange(1, 20), bytes(body), fds=fds, flags=vu.NO_REPLY)
            client.in_sync()
        except (vu.Closed, AssertionError):
            pass        # DMA that it asked us for may come between
        client.close()
    vu.Client(daemon.socket).in_sync()


if __name__ == "__main__":
    main()
