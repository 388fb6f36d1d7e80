# SPDX-License-Identifier: BSD-3-Clause
"""The command, run to its end."""

import os
import subprocess

from child import TIMEOUT

OK, FAILED, USAGE, UNAVAILABLE, FAULTS = range(5)


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
