# SPDX-License-Identifier: BSD-3-Clause
"""What a guest shows on a screen of sim:gpu, and who introduces those that look."""

import os
import struct

import client as vu
from child import Child

XRES, YRES, BPP, ENABLE, Y_OFFSET = 1, 2, 3, 4, 9


def broker(rig):
    """One that lets `viewer` see what `guest` shows. Return: the process, its socket."""
    path, policy = rig.path("broker"), rig.path("policy")
    uid = os.getuid()
    with open(policy, "w", encoding="ascii") as file:
        file.write(f"vm guest uid {uid}\nimporter viewer uid {uid}\n"
                   "allow vm guest function any importer viewer kinds memfd\n")
    os.chmod(policy, 0o600)
    child = Child("broker", [rig.gangway, "share", "broker", "--broker", path, "--policy", policy])
    child.wait_words("broker at", path)
    return child, path


class Guest(vu.Client):
    """Does what a driver of the card does."""

    def __init__(self, path):
        super().__init__(path)
        self.write(vu.CONFIG, 4, b"\2\0")
        self.write(2, 0x400, b"\x20")       # the screen is not blanked

    def show(self, width, height):
        """A picture of this size, at 32 bits a pixel."""
        for register, value in ((XRES, width), (YRES, height), (BPP, 32), (ENABLE, 0x41), (Y_OFFSET, 0)):
            self.write(2, 0x500 + 2 * register, struct.pack("=H", value))
