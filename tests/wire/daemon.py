# SPDX-License-Identifier: BSD-3-Clause
"""`gangway serve` as a child."""

import json
import signal

from child import Child

READY = "serving; SIGTERM ends it"


class Serving(Child):
    """What serves functions to clients until SIGTERM."""

    def wait_gone(self, clients=1):
        """Wait until so many clients in all have gone, with all that was theirs."""
        line = -1
        for _ in range(clients):
            line = self.wait_line("client gone", after=line + 1)

    def terminate(self):
        """End it; return its exit status."""
        self.signal(signal.SIGTERM)
        status = self.wait_exit()
        assert "Sanitizer" not in self.output and "runtime error" not in self.output, \
            "a sanitizer has found something"
        return status


class Daemon(Serving):
    """Started and serving when the constructor returns.

    host: host options; the default is a host that takes the caller's addresses
    faults: DART faults that the test causes on purpose; None: any number
    """

    def __init__(self, rig, devices, host=("caller-iova=on",), options=(), socket=None,
                 faults=0):
        self.socket = socket or rig.new_path("socket")
        self.report_path = rig.new_path("report")
        self.faults = faults
        self.status = None      # that it ends with, if not what the faults say
        self.report = None
        self.killed = False
        args = [rig.gangway, "-v", "serve", *devices, "--socket", self.socket,
                "--report", self.report_path, *options]
        for option in host:
            args += ["--host-option", option]
        super().__init__("gangway", args)
        try:
            self.wait_line(READY)
        except Exception:
            print("#", "\n#   ".join([self.name] + self.lines))
            self.kill()
            raise

    def sockets(self, count):
        return [f"{self.socket}.{i}" for i in range(count)]

    def stop(self):
        """End it with SIGTERM and check that it left in good order; return its report."""
        if self.report is not None or self.killed:
            return self.report
        status = self.terminate()
        with open(self.report_path, encoding="utf-8") as file:
            self.report = json.load(file)
        assert self.report["maps_left"] == 0, self.report
        faults = self.report["dart_faults"]
        assert self.faults is None or faults == self.faults, self.report
        expected = (4 if faults else 0) if self.status is None else self.status
        assert status == expected, f"exit status {status}, not {expected}"
        return self.report

    def kill(self):
        self.killed = self.killed or self.running()
        super().kill()
