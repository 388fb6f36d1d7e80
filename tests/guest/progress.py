# SPDX-License-Identifier: BSD-3-Clause
"""What a demonstration is doing."""

import sys
import threading
import time


class Progress:
    """What is being done, and a sign of life while it takes long."""

    def __init__(self):
        self.tty = sys.stderr.isatty()
        self.start = time.monotonic()
        self.text = None
        self.since = self.start
        self.ended = threading.Event()
        self.lock = threading.Lock()
        self.ticker = threading.Thread(target=self._tick, daemon=True)
        self.ticker.start()

    def step(self, text):
        """Something new begins."""
        with self.lock:
            self.text, self.since = text, time.monotonic()
            self._line(f"[{self.since - self.start:5.1f} s] {text}")

    def end(self):
        """Nothing more comes."""
        self.ended.set()
        self.ticker.join()
        if self.tty:
            print(file=sys.stderr)

    def _line(self, text):
        if self.tty:
            text = ("\n" if self.text else "") + text
            print(text, end="", file=sys.stderr, flush=True)
        else:
            print(text, file=sys.stderr, flush=True)

    def _tick(self):
        while not self.ended.wait(1 if self.tty else 10):
            with self.lock:
                took = time.monotonic() - self.since
                if self.text and self.tty and took >= 2:
                    print(f"\r[{time.monotonic() - self.start:5.1f} s] {self.text} "
                          f"({took:.0f} s)", end="", file=sys.stderr, flush=True)
                elif self.text and not self.tty and took >= 10:
                    print(f"          ... still at it after {took:.0f} s", file=sys.stderr,
                          flush=True)
