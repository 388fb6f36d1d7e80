# SPDX-License-Identifier: BSD-3-Clause
"""A plain vfio-user client, to send what QEMU never does. Every byte can be the test's."""

import array
import json
import os
import socket
import struct

from child import TIMEOUT

(VERSION, DMA_MAP, DMA_UNMAP, GET_INFO, GET_REGION_INFO, GET_REGION_IO_FDS, GET_IRQ_INFO, SET_IRQS,
 REGION_READ, REGION_WRITE, DMA_READ, DMA_WRITE, RESET) = range(1, 14)
REGION_WRITE_MULTI, DEVICE_FEATURE, MIG_DATA_READ, MIG_DATA_WRITE = range(15, 19)
COMMAND, REPLY, NO_REPLY, ERROR = 0, 1, 0x10, 0x20
CONFIG = 7
IRQ_MSIX = 2
DATA_NONE, DATA_BOOL, DATA_EVENTFD = 1, 2, 4
ACTION_MASK, ACTION_UNMASK, ACTION_TRIGGER = 8, 16, 32
HEADER = struct.Struct("=HHIII")

QEMU_CAPABILITIES = {"capabilities": {
    "migration": {"pgsize": 4096, "max_bitmap_size": 268435456}, "max_msg_fds": 16,
    "max_data_xfer_size": 1048576, "pgsizes": 4096, "max_dma_maps": 65535,
    "write_multiple": True}}


class Closed(Exception):
    """The server has hung up."""


class Refused(Exception):
    """An error reply."""

    def __init__(self, error):
        super().__init__(os.strerror(error))
        self.errno = error


class Message:
    def __init__(self, ident, command, flags, error, body, fds):
        self.ident, self.command, self.flags, self.error = ident, command, flags, error
        self.body, self.fds = body, fds


def rights(fds):
    """A control message that carries descriptors."""
    return socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", fds)


class Client:
    def __init__(self, path, negotiate=True, timeout=TIMEOUT):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(timeout)
        self.sock.connect(path)
        self.ident = 0
        self.capabilities = None
        self.requests = []      # the server's own, that came while a reply was waited for
        if negotiate:
            self.version()

    def close(self):
        self.sock.close()

    def send_raw(self, data, fds=(), control=()):
        """Bytes, and with them descriptors, also as control messages of the caller's making."""
        control = [*control, *([rights(fds)] if fds else [])]
        try:
            sent = self.sock.sendmsg([data], control)
            if sent < len(data):
                self.sock.sendall(data[sent:])
        except (BrokenPipeError, ConnectionResetError):
            raise Closed from None

    def send(self, command, body=b"", flags=COMMAND, fds=(), size=None, ident=None, error=0):
        """Send one message; return its id."""
        if ident is None:
            self.ident = ident = (self.ident + 1) & 0xffff
        size = HEADER.size + len(body) if size is None else size
        self.send_raw(HEADER.pack(ident, command, size, flags, error) + body, fds)
        return ident

    def _receive(self, size):
        data = b""
        while len(data) < size:
            try:
                part = self.sock.recv(size - len(data))
            except ConnectionResetError:
                part = b""
            if not part:
                raise Closed
            data += part
        return data

    def receive(self):
        """The next message of the server's, whatever it is."""
        try:
            head, control, flags, _ = self.sock.recvmsg(HEADER.size, 4096)
        except ConnectionResetError:
            raise Closed from None
        if not head:
            raise Closed
        assert len(head) == HEADER.size, "a header in pieces, which QEMU does not take"
        assert not flags & socket.MSG_CTRUNC
        fds = array.array("i")
        for _, kind, data in control:
            assert kind == socket.SCM_RIGHTS
            fds.frombytes(data)
        ident, command, size, flags, error = HEADER.unpack(head)
        return Message(ident, command, flags, error, self._receive(size - HEADER.size), list(fds))

    def request(self):
        """The next of the server's own requests."""
        return self.requests.pop(0) if self.requests else self.receive()

    def reply_to(self, ident, command):
        """The reply to a request. Raises Refused for an error."""
        message = self.receive()
        while message.flags & 15 == COMMAND:
            self.requests.append(message)
            message = self.receive()
        assert (message.ident, message.command) == (ident, command), vars(message)
        if message.flags == REPLY | ERROR:
            assert not message.body and not message.fds and message.error
            raise Refused(message.error)
        assert message.flags == REPLY and not message.error, vars(message)
        return message

    def call(self, command, body=b"", **more):
        return self.reply_to(self.send(command, body, **more), command)

    def refused(self, command, body=b"", **more):
        """A call that must be refused; return the errno."""
        try:
            self.call(command, body, **more)
        except Refused as refusal:
            return refusal.errno
        raise AssertionError(f"command {command} was not refused")

    def version(self, major=0, minor=0, text=None):
        if text is None:
            text = json.dumps(QEMU_CAPABILITIES).encode() + b"\0"
        reply = self.call(VERSION, struct.pack("=HH", major, minor) + text)
        assert struct.unpack("=HH", reply.body[:4]) == (0, 0)
        assert reply.body[-1] == 0 and HEADER.size + len(reply.body) <= 214
        self.capabilities = json.loads(reply.body[4:-1])["capabilities"]
        return reply

    def info(self):
        return struct.unpack("=IIII", self.call(GET_INFO, struct.pack("=IIII", 16, 0, 0, 0)).body)

    def region_info(self, index, argsz=4096):
        reply = self.call(GET_REGION_INFO, struct.pack("=IIIIQQ", argsz, 0, index, 0, 0, 0))
        return struct.unpack("=IIIIQQ", reply.body[:32]), reply.body[32:], reply.fds

    def irq_info(self, index):
        body = struct.pack("=IIII", 16, 0, index, 0)
        return struct.unpack("=IIII", self.call(GET_IRQ_INFO, body).body)

    def read(self, region, off, count):
        body = struct.pack("=QII", off, region, count)
        reply = self.call(REGION_READ, body)
        assert reply.body[:16] == body and len(reply.body) == 16 + count
        return reply.body[16:]

    def write(self, region, off, data, **more):
        body = struct.pack("=QII", off, region, len(data))
        reply = self.call(REGION_WRITE, body + data, **more)
        assert reply.body == body

    def map(self, iova, size, fd=None, off=0, flags=3):
        self.call(DMA_MAP, struct.pack("=IIQQQ", 32, flags, off, iova, size),
                  fds=() if fd is None else (fd,))

    def unmap(self, iova, size, flags=0):
        body = struct.pack("=IIQQ", 24, flags, iova, size)
        assert self.call(DMA_UNMAP, body).body == body

    def set_irqs(self, index, flags, start, count, fds=(), data=b"", argsz=None):
        argsz = 20 + len(data) if argsz is None else argsz
        self.call(SET_IRQS, struct.pack("=IIIII", argsz, flags, index, start, count) + data,
                  fds=fds)

    def in_sync(self):
        """Is the connection as good as new?"""
        assert self.info() == (16, 3, 9, 5)

    def closed(self):
        """Wait for the server to hang up, whatever it says before."""
        try:
            while True:
                self.receive()
        except Closed:
            pass
