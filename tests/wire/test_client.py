# SPDX-License-Identifier: BSD-3-Clause
"""What a client can send that QEMU does not, also on purpose, against the real daemon."""

import errno
import mmap
import os
import random
import select
import socket
import struct

import client as vu
import probe
from probe_client import Memory, begin, enable, meet, reg, set_reg
from qemu import MIB
from runner import main, test

PAGE = 0x1000


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
