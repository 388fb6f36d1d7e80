# SPDX-License-Identifier: BSD-3-Clause
"""A QEMU with gangway inside, driven as the stock one is in tests/wire."""

import json
import os
import pathlib
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.append(str(ROOT / "tests" / "wire"))

import qemu         # noqa: E402
import runner       # noqa: E402
from qemu import MIB  # noqa: E402,F401  pylint: disable=unused-import

TAKES = "caller-iova=on"


def firmware():
    """Options that name firmware: a QEMU built from Debian's source package has none."""
    tree = pathlib.Path(runner.qemu_folder()).parent / "tree" / "usr" / "share"
    if not tree.is_dir():
        tree = pathlib.Path("/usr/share")
    return ["-L", str(tree / "qemu"), "-L", str(tree / "seabios")]


def device(spec="sim:probe", name="fn0", slot=4, **more):
    """The properties of a device of ours."""
    properties = {"driver": "gangway-pci", "id": name, **more}
    if spec:
        properties["device"] = spec
    if slot is not None:
        properties["addr"] = slot if isinstance(slot, str) else f"{slot:x}"
    return properties


class Inside(qemu.Qemu):
    """Running and connected when the constructor returns."""

    def __init__(self, rig, devices, machine="q35", ram="ram", more=(), **options):
        args = [*firmware(), *more]
        for properties in devices:
            args += ["-device", json.dumps(properties)]
        super().__init__(rig, [], machine=machine, ram=ram, more=args, **options)
        rig.qemus.append(self)

    def quit(self):
        """End it as a user does; what is mapped goes before it."""
        super().quit()
        left = [line for line in self.lines if "still reaches" in line]
        assert not left, left

    def monitor(self, line):
        """What a command of the human monitor says."""
        return self.qmp.command("human-monitor-command", **{"command-line": line})


def main():
    """Usage: test_NOUN.py FOLDER [NAME OF TEST]...; the folder holds the QEMUs that were built."""
    if len(sys.argv) < 2:
        sys.exit(main.__doc__)
    folder = os.path.abspath(sys.argv[1])
    sys.exit(runner.run_all(None, folder, sys.argv[2:]))
