# SPDX-License-Identifier: BSD-3-Clause
"""gangway share, and a VNC viewer to look through."""

import os
import socket
import struct
import subprocess
import time

import guest
import picture


class Share:
    """gangway share, with the broker's socket."""

    def __init__(self, work):
        self.work = work
        self.socket = work.path("broker")

    def words(self, *words):
        """A command line."""
        return [self.work.gangway, "share", *words, "--broker", self.socket]

    def run(self, *words):
        """Run a command; return what it printed, and what it said."""
        done = subprocess.run(self.words(*words), capture_output=True, text=True, timeout=60,
                              check=False)
        guest.expect(done.returncode == 0, f"gangway share {words[0]}: exit status "
                     f"{done.returncode}: {done.stderr}")
        guest.expect(not guest.SANITIZER.search(done.stderr), done.stderr)
        return done.stdout, done.stderr

    def refused(self, *words):
        """Run a command that is to fail; return what it said."""
        done = subprocess.run(self.words(*words), capture_output=True, text=True, timeout=60,
                              check=False)
        guest.expect(done.returncode == 1, f"gangway share {words[0]}: exit status "
                     f"{done.returncode}: {done.stderr}")
        return done.stderr

    def broker(self, vm):
        """Start the broker, with a policy that lets a VM be seen by the importer called viewer."""
        policy = self.work.path("policy")
        uid = os.getuid()
        with open(policy, "w", encoding="ascii") as file:
            file.write(f"vm {vm} uid {uid}\nimporter viewer uid {uid}\nimporter other uid {uid}\n"
                       f"importer copier uid {uid}\n"
                       f"allow vm {vm} function any importer copier kinds copy\n"
                       f"allow vm {vm} function any importer viewer kinds memfd copy\n")
        os.chmod(policy, 0o600)
        process = guest.Process(self.words("broker", "--policy", policy),
                                self.work.path("broker.log"))
        process.wait_stderr("broker at", 30)
        return process

    def wait_for_picture(self, screen, png, drawn):
        """Until a PNG of the screen shows what was drawn: the guest's driver takes its time.

        Return what `show` said.
        """
        end = time.monotonic() + 60
        while True:
            try:
                said = self.run("show", screen, "--png", png)[1]
                why = picture.differs(picture.read_png(png), drawn)
            except guest.Failure as failure:
                why = str(failure)
            if not why:
                return said
            guest.expect(time.monotonic() < end, f"{png}: {why}")
            time.sleep(0.2)


class Vnc:
    """A viewer (RFC 6143) that asks for whole pictures, as they are."""

    def __init__(self, port):
        end = time.monotonic() + 30
        while True:
            try:
                self.sock = socket.create_connection(("127.0.0.1", port), 30)
                break
            except ConnectionRefusedError:
                guest.expect(time.monotonic() < end, f"nobody listens on port {port}")
                time.sleep(0.1)
        self.take(12)
        self.sock.sendall(b"RFB 003.008\n")
        self.take(self.take(1)[0])
        self.sock.sendall(b"\1")
        guest.expect(self.take(4) == bytes(4), "VNC does not let us in")
        self.sock.sendall(b"\1")
        self.width, self.height = struct.unpack(">HH", self.take(4))
        self.take(16)
        self.name = self.take(struct.unpack(">I", self.take(4))[0]).decode()
        # words of 32 bits, red above green above blue
        self.sock.sendall(struct.pack(">B3xBBBBHHHBBB3x", 0, 32, 24, 0, 1, 255, 255, 255, 16, 8, 0))
        self.sock.sendall(struct.pack(">BBHi", 2, 0, 1, 0))

    def take(self, size):
        """So many bytes."""
        data = b""
        while len(data) < size:
            more = self.sock.recv(size - len(data))
            guest.expect(more, "VNC has hung up")
            data += more
        return data

    def picture(self):
        """All of it, in words like those of picture.draw()."""
        self.sock.sendall(struct.pack(">BBHHHH", 3, 0, 0, 0, self.width, self.height))
        out = bytearray(4 * self.width * self.height)
        kind, rects = struct.unpack(">BxH", self.take(4))
        guest.expect(kind == 0, f"VNC sends message {kind}")
        for _ in range(rects):
            x, y, width, height, encoding = struct.unpack(">HHHHi", self.take(12))
            guest.expect(encoding == 0, f"VNC sends encoding {encoding}")
            for line in range(y, y + height):
                at = 4 * (line * self.width + x)
                out[at:at + 4 * width] = self.take(4 * width)
        return bytes(out)

    def close(self):
        """Hang up."""
        self.sock.close()
