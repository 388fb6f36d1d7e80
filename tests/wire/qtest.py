# SPDX-License-Identifier: BSD-3-Clause
"""QEMU's two control connections: qtest, which acts for the guest's CPU, and QMP."""

import base64
import collections
import json
import socket

from child import TIMEOUT


class LineClient:
    """Lines both ways. QEMU connects to us, so that nothing has to be retried.

    Each way has a stream of its own: one for both throws away what it has read ahead when it is
    written to.
    """

    def __init__(self, path):
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(path)
        self.listener.listen(1)
        self.listener.settimeout(TIMEOUT)
        self.reader = self.writer = None

    def accept(self):
        connection, _ = self.listener.accept()
        connection.settimeout(TIMEOUT)
        self.listener.close()
        self.reader = connection.makefile("r", encoding="utf-8", newline="\n")
        self.writer = connection.makefile("w", encoding="utf-8", newline="\n")

    def send(self, line):
        self.writer.write(line + "\n")
        self.writer.flush()

    def receive(self):
        line = self.reader.readline()
        if not line:
            raise ConnectionError("QEMU has closed the connection")
        return line.rstrip("\r\n")

    def close(self):
        self.listener.close()
        if self.reader:
            self.reader.close()
            self.writer.close()


class Qtest(LineClient):
    """Reads and writes as the CPU does: ports, memory, registers."""

    def __init__(self, path):
        super().__init__(path)
        self.irqs = collections.deque()     # changes of inputs that irq_intercept_in watches

    def _keep_irq(self, words):
        self.irqs.append((words[1], int(words[2])))

    def wait_irq(self):
        """The next change of an input that is watched: "raise" or "lower", and which."""
        while not self.irqs:
            words = self.receive().split()
            assert words[0] == "IRQ", "a reply that nobody asked for"
            self._keep_irq(words)
        return self.irqs.popleft()

    def command(self, line):
        self.send(line)
        while True:
            words = self.receive().split()
            if words[0] == "IRQ":
                self._keep_irq(words)
                continue
            if words[0] != "OK":
                raise AssertionError(f"qtest: '{line}': {' '.join(words)}")
            return words[1] if len(words) > 1 else None

    def inb(self, port, width):
        return int(self.command(f"in{'?bw?l'[width]} {port:#x}"), 0)

    def outb(self, port, width, value):
        self.command(f"out{'?bw?l'[width]} {port:#x} {value:#x}")

    def load(self, address, width):
        return int(self.command(f"read{'?bw?l???q'[width]} {address:#x}"), 0)

    def store(self, address, width, value):
        self.command(f"write{'?bw?l???q'[width]} {address:#x} {value:#x}")

    def read(self, address, size):
        return base64.b64decode(self.command(f"b64read {address:#x} {size:#x}"))

    def write(self, address, data):
        text = base64.b64encode(data).decode()
        self.command(f"b64write {address:#x} {len(data):#x} {text}")

    def fill(self, address, size, byte):
        self.command(f"memset {address:#x} {size:#x} {byte:#x}")


class QmpError(Exception):
    pass


class Qmp(LineClient):
    """Commands to QEMU itself."""

    def __init__(self, path):
        super().__init__(path)
        self.events = []

    def accept(self):
        super().accept()
        assert "QMP" in json.loads(self.receive())
        self.command("qmp_capabilities")

    def _next(self):
        message = json.loads(self.receive())
        if "event" in message:
            self.events.append(message)
            return None
        return message

    def command(self, name, **arguments):
        self.send(json.dumps({"execute": name, "arguments": arguments}))
        while True:
            message = self._next()
            if message is None:
                continue
            if "error" in message:
                raise QmpError(message["error"]["desc"])
            return message["return"]

    def wait_event(self, name):
        while True:
            for event in self.events:
                if event["event"] == name:
                    self.events.remove(event)
                    return event
            assert self._next() is None, "a reply that nobody asked for"
