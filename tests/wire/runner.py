# SPDX-License-Identifier: BSD-3-Clause
"""Runs the tests of a module and reports in TAP.

A test is a function with the decorator @test; it gets a Rig, which starts what the test needs
and, at the end, ends it and checks that gangway came through unharmed.
"""

import faulthandler
import os
import shutil
import subprocess
import sys
import tempfile
import time
import traceback

from daemon import Daemon
from qemu import Qemu

TEST_SECONDS = 120      # the last resort; each wait inside a test has its own, shorter deadline
ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

tests = []


def test(function):
    tests.append(function)
    return function


class Rig:
    """What one test uses: a folder, programs started in it."""

    def __init__(self, gangway, qemu_dir):
        self.gangway = gangway
        self.qemu_dir = qemu_dir
        self.dir = tempfile.mkdtemp(prefix="gw-wire-")
        self.daemons = []
        self.qemus = []
        self.files = 0

    def path(self, name):
        return os.path.join(self.dir, name)

    def new_path(self, name):
        self.files += 1
        return self.path(f"{name}{self.files}")

    def daemon(self, *devices, **options):
        """Start `gangway serve`, by default for a probe on a host that takes addresses."""
        daemon = Daemon(self, devices or ("sim:probe",), **options)
        self.daemons.append(daemon)
        return daemon

    def qemu(self, *sockets, **options):
        """Start QEMU with a vfio-user-pci device for each socket."""
        qemu = Qemu(self, sockets, **options)
        self.qemus.append(qemu)
        return qemu

    def finish(self):
        """The good end: QEMU quits, then gangway is asked to end and its report is checked."""
        for qemu in self.qemus:
            qemu.quit()
        for daemon in self.daemons:
            daemon.stop()

    def destroy(self):
        for child in self.qemus + self.daemons:
            child.kill()
        shutil.rmtree(self.dir)

    def story(self):
        """What the programs said, for a test that failed."""
        for child in self.daemons + self.qemus:
            yield f"-- {child.name}"
            yield from child.lines[-25:]


def run_one(function, rig):
    faulthandler.dump_traceback_later(TEST_SECONDS, exit=True)
    try:
        function(rig)
        rig.finish()
        return True
    except Exception:
        for line in traceback.format_exc().splitlines():
            print("#", line)
        for line in rig.story():
            print("#  ", line)
        return False
    finally:
        rig.destroy()
        faulthandler.cancel_dump_traceback_later()


def qemu_folder():
    found = subprocess.run([os.path.join(ROOT, "provision", "qemu")], stdout=subprocess.PIPE,
                           text=True, check=False)
    if found.returncode:
        sys.exit("Bail out! there is no QEMU to test with; see above")
    return found.stdout.strip()


def run_all(gangway, qemu_dir, names):
    """Run the tests of these names, or all; return the exit status."""
    chosen = [t for t in tests if not names or t.__name__ in names]
    failed = 0
    print(f"1..{len(chosen)}", flush=True)
    for number, function in enumerate(chosen, 1):
        began = time.monotonic()
        good = run_one(function, Rig(gangway, qemu_dir))
        failed += not good
        print("ok" if good else "not ok", number, "-", function.__name__,
              f"# {time.monotonic() - began:.1f} s", flush=True)
    return 1 if failed else 0


def main():
    """Usage: test_NOUN.py GANGWAY [NAME OF TEST]..."""
    if len(sys.argv) < 2:
        sys.exit(main.__doc__)
    sys.exit(run_all(os.path.abspath(sys.argv[1]), qemu_folder(), sys.argv[2:]))
