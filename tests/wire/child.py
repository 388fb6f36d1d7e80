# SPDX-License-Identifier: BSD-3-Clause
"""A program under test: started, its output collected, waited for with a deadline, ended."""

import re
import signal
import subprocess
import threading
import time

TIMEOUT = 30    # seconds: for anything that is waited for


class Timeout(AssertionError):
    pass


def wait_until(what, condition, timeout=TIMEOUT):
    """Ask until condition() is true. It must do a round trip to another process each time."""
    until = time.monotonic() + timeout
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > until:
            raise Timeout("waited in vain for: " + what)


class Child:
    """A process whose output is kept, line by line. It dies with the test program."""

    def __init__(self, name, args, env=None, pass_fds=()):
        self.name = name
        self.lines = []
        self.ended = False
        self.changed = threading.Condition()
        self.process = subprocess.Popen(
            ["setpriv", "--pdeathsig", "KILL", "--"] + [str(a) for a in args],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            env=env, pass_fds=pass_fds, errors="replace", text=True)
        self.reader = threading.Thread(target=self._read, daemon=True)
        self.reader.start()

    def _read(self):
        for line in self.process.stdout:
            with self.changed:
                self.lines.append(line.rstrip("\n"))
                self.changed.notify_all()
        with self.changed:
            self.ended = True
            self.changed.notify_all()

    @property
    def pid(self):
        return self.process.pid

    @property
    def output(self):
        with self.changed:
            return "\n".join(self.lines)

    def wait_line(self, pattern, after=0, timeout=TIMEOUT):
        """Wait for a line that matches, from line number `after` on; return its number."""
        seen = after
        until = time.monotonic() + timeout
        with self.changed:
            while True:
                while seen < len(self.lines):
                    if re.search(pattern, self.lines[seen]):
                        return seen
                    seen += 1
                if self.ended or not self.changed.wait(until - time.monotonic()):
                    raise Timeout(f"{self.name} did not say '{pattern}'"
                                  + (" before it ended" if self.ended else ""))

    def wait_words(self, *words):
        """Wait for a line with all of these words."""
        self.wait_line("".join(f"(?=.*{re.escape(word)})" for word in words))

    def wait_exit(self, timeout=TIMEOUT):
        """Wait for the end, and for all of the output; return the exit status."""
        try:
            status = self.process.wait(timeout)
        except subprocess.TimeoutExpired:
            raise Timeout(f"{self.name} does not end") from None
        self.reader.join(timeout)
        return status

    def running(self):
        return self.process.poll() is None

    def signal(self, number):
        self.process.send_signal(number)

    def kill(self):
        if self.running():
            self.signal(signal.SIGKILL)
        self.wait_exit()
