# SPDX-License-Identifier: BSD-3-Clause
"""A VMM that has turned against gangway: whatever it does, it holds nobody up but itself."""

import contextlib
import itertools
import os
import select
import signal
import socket
import struct

import client as vu
import probe
from runner import main, test

TOP = 2 ** 64 - 2
ON = vu.DATA_EVENTFD | vu.ACTION_TRIGGER
BY_HAND = vu.DATA_NONE | vu.ACTION_TRIGGER
ROUNDS = 5000


class Filled:
    """An eventfd that blocks, and a process that fills it whenever it is empty."""

    def __init__(self):
        self.event = os.eventfd(0)
        self.child = os.fork()
        if not self.child:
            self.fill()

    def fill(self):
        try:
            os.closerange(3, self.event)
            os.closerange(self.event + 1, 1024)
            while True:
                os.set_blocking(self.event, True)
                with contextlib.suppress(BlockingIOError):
                    os.eventfd_write(self.event, TOP)
        finally:
            os._exit(1)

    def empty(self):
        """Whoever sleeps over a write wakes up, unless the child is quicker."""
        if select.select([self.event], [], [], 0)[0]:
            os.eventfd_read(self.event)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        os.kill(self.child, signal.SIGKILL)
        os.waitpid(self.child, 0)
        os.close(self.event)


def meet(rig, index, filled):
    """A client that has interrupts delivered to an eventfd that fills up."""
    daemon = rig.daemon()
    client = vu.Client(daemon.socket)
    client.write(vu.CONFIG, 4, b"\6\0")     # memory and bus mastering
    client.set_irqs(index, ON, 0, 1, [filled.event])
    os.set_blocking(filled.event, True)
    return daemon, client


@test
def an_eventfd_that_fills_up_and_sleeps_holds_no_message_up(rig):
    for index in (vu.IRQ_MSIX, 3, 4):
        with Filled() as filled:
            _, client = meet(rig, index, filled)
            for _ in range(ROUNDS):
                client.set_irqs(index, BY_HAND, 0, 1)
                filled.empty()
            client.close()


@test
def an_eventfd_that_fills_up_and_sleeps_holds_no_device_up(rig):
    with Filled() as filled:
        daemon, client = meet(rig, vu.IRQ_MSIX, filled)
        for _ in range(ROUNDS):
            client.write(0, probe.IRQ, bytes(4))
            filled.empty()
        client.call(vu.RESET)
        client.close()
        daemon.wait_gone()
        vu.Client(daemon.socket).in_sync()


@test
def the_daemon_ends_while_a_vmm_fills_its_eventfd(rig):
    with Filled() as filled:
        daemon, client = meet(rig, vu.IRQ_MSIX, filled)
        with contextlib.suppress(vu.Closed):
            for i in itertools.count():
                if i == ROUNDS:
                    daemon.signal(signal.SIGTERM)
                client.set_irqs(vu.IRQ_MSIX, BY_HAND, 0, 1)
                filled.empty()
        daemon.stop()


def lingering():
    """A socket that waits for an hour to be closed: its peer does not read, and it is to linger."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        ours = socket.create_connection(server.getsockname())
        peer, _ = server.accept()
    ours.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 3600))
    ours.setblocking(False)
    with contextlib.suppress(BlockingIOError):
        while True:
            ours.send(bytes(1 << 20))
    ours.setblocking(True)
    fd = ours.detach()
    return fd, peer


def hand_over(client, count, command=vu.GET_INFO, body=struct.pack("=IIII", 16, 0, 0, 0)):
    """Send descriptors that do not close; return the sockets of their peers.

    None is closed here after the message is complete: the last one to close waits.
    """
    peers = []
    for _ in range(count):
        fd, peer = lingering()
        peers.append(peer)
        message = vu.HEADER.pack(1, command, vu.HEADER.size + len(body), 0, 0) + body
        client.send_raw(message[:8], fds=[fd])
        os.close(fd)
        client.send_raw(message[8:])
    return peers


@test
def descriptors_that_do_not_close_hold_nobody_up(rig):
    daemon = rig.daemon()
    client = vu.Client(daemon.socket)
    peers = hand_over(client, 8)
    peers += hand_over(client, 2, vu.DMA_MAP, struct.pack("=IIQQQ", 32, 3, 0, 0, 4096))
    for _ in range(10):
        with contextlib.suppress(vu.Refused):
            message = client.receive()
            assert message.command in (vu.GET_INFO, vu.DMA_MAP)
    client.in_sync()
    client.close()
    daemon.wait_gone()
    client = vu.Client(daemon.socket)
    client.in_sync()
    # and those that are in nobody's hands yet when the connection ends
    peers += hand_over(client, 3, vu.RESET, b"")
    client.close()
    vu.Client(daemon.socket).in_sync()
    daemon.stop()
    for peer in peers:
        peer.close()


@test
def who_sends_ever_more_descriptors_that_do_not_close_is_hung_up_on(rig):
    daemon = rig.daemon()
    client = vu.Client(daemon.socket)
    peers = []
    with contextlib.suppress(vu.Closed):
        for _ in range(200):
            peers += hand_over(client, 1)
            client.receive()
    assert len(peers) < 200, "they are kept without end"
    client.close()
    daemon.wait_line("descriptors that it sent do not close")
    for peer in peers:      # now they do
        peer.close()
    vu.Client(daemon.socket).in_sync()


if __name__ == "__main__":
    main()
