#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""Usage: test_package.py DIRECTORY

What dext/build makes of its templates: property lists that say what was asked for, and every source in
the commands that it would run.
"""

import os
import plistlib
import subprocess
import sys

TOP = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../..")
BUILD = os.path.join(TOP, "dext/build")


def build(*args):
    return subprocess.run([BUILD, *args], capture_output=True, text=True, check=False)


def plists(directory, *args):
    done = build("--dry-run", *args, directory)
    assert done.returncode == 0, done.stderr
    bundle = next(name for name in os.listdir(directory) if name.endswith(".dext"))
    with open(os.path.join(directory, bundle, "Info.plist"), "rb") as f:
        info = plistlib.load(f)
    with open(os.path.join(directory, "entitlements.plist"), "rb") as f:
        return info, plistlib.load(f), done.stdout


def devices_are_those_of_the_vendors_named(directory):
    info, entitlements, _ = plists(os.path.join(directory, "vendors"), "--vendor", "10de", "--vendor", "1b36",
                                   "--bundle", "com.example.gangway")
    match = "0x000010de&0x0000ffff 0x00001b36&0x0000ffff"
    assert info["IOKitPersonalities"]["Gangway"]["IOPCIPrimaryMatch"] == match
    assert entitlements["com.apple.developer.driverkit.transport.pci"][0]["IOPCIPrimaryMatch"] == match
    assert info["CFBundleIdentifier"] == "com.example.gangway"


def any_device_has_to_be_asked_for(directory):
    info, _, _ = plists(os.path.join(directory, "any"), "--any")
    assert info["IOKitPersonalities"]["Gangway"]["IOPCIPrimaryMatch"] == "0xffffffff&0x00000000"
    assert build("--dry-run", os.path.join(directory, "none")).returncode == 2
    for bad in (["--vendor", "10dex"], ["--vendor"], ["--bundle", "a b", "--any"], ["--nonsense"]):
        assert build("--dry-run", *bad, os.path.join(directory, "none")).returncode == 2, bad


def every_source_is_built(directory):
    _, _, commands = plists(os.path.join(directory, "sources"), "--any")
    sources = [os.path.join(d, name) for d in ("dext", "lib/host/core")
               for name in os.listdir(os.path.join(TOP, d)) if name.endswith((".c", ".cpp"))]
    assert len(sources) > 10
    for source in sources:
        assert f" {source}\n" in commands, source


def main():
    for test in (devices_are_those_of_the_vendors_named, any_device_has_to_be_asked_for,
                 every_source_is_built):
        test(sys.argv[1])
        print("ok", test.__name__)


main()
