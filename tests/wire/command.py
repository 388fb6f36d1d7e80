# SPDX-License-Identifier: BSD-3-Clause
"""The command, run to its end."""

import os
import subprocess

from child import TIMEOUT

OK, FAILED, USAGE, UNAVAILABLE, FAULTS = range(5)
TAKES = ("--host-option", "caller-iova=on")


def gangway(rig, *args, env=None):
    """Run to the end; return exit status, stdout, stderr."""
    done = subprocess.run([rig.gangway, *args], stdin=subprocess.DEVNULL, capture_output=True,
                          text=True, timeout=TIMEOUT, check=False,
                          env=None if env is None else {**os.environ, **env})
    assert "Sanitizer" not in done.stderr and "runtime error" not in done.stderr, done.stderr
    return done.returncode, done.stdout, done.stderr


def refused(rig, status, words, *args, env=None):
    """A command line that must fail with this status and name all of these words."""
    got, _, err = gangway(rig, *args, env=env)
    assert got == status, f"{args}: exit status {got}, not {status}: {err}"
    for word in words:
        assert word in err, f"{args}: '{word}' is missing in: {err}"
    return err


def serve(rig, status, words, *args):
    path = rig.path("s")
    err = refused(rig, status, words, "serve", *args, "--socket", path)
    assert not os.path.lexists(path), "a socket was left"
    return err


class FakeQemu:
    """A program that passes for QEMU, and only notes what it is asked for."""

    def __init__(self, rig):
        self.path = rig.new_path("qemu")
        self.words_path = rig.new_path("words")
        with open(self.path, "w", encoding="utf-8") as file:
            file.write("#!/bin/sh\n"
                       "case $* in *vfio-user-pci,help) echo vfio-user-pci options; exit;; esac\n"
                       "case $* in --version) echo QEMU emulator version 10.2.7 '(here)'; exit;; esac\n"
                       f"printf '%s\\n' \"$@\" >{self.words_path}\n")
        os.chmod(self.path, 0o755)

    def run(self, rig, *args):
        """`gangway run` with it, to a good end; return what it was asked for, word by word."""
        kernel = rig.new_path("kernel")
        open(kernel, "w", encoding="utf-8").close()
        status, _, err = gangway(rig, "run", "sim:probe", "--qemu", self.path, "--kernel", kernel,
                                 *args)
        assert status == OK, err
        with open(self.words_path, encoding="utf-8") as file:
            return file.read().splitlines()
