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
    contents = os.path.join(directory, "Gangway.app/Contents")
    extensions = os.path.join(contents, "Library/SystemExtensions")
    bundle = os.listdir(extensions)[0]
    with open(os.path.join(extensions, bundle, "Info.plist"), "rb") as f:
        info = plistlib.load(f)
    with open(os.path.join(contents, "Info.plist"), "rb") as f:
        app = plistlib.load(f)
    # by these names the application finds its extension, and macOS both
    assert info["CFBundleIdentifier"] == app["CFBundleIdentifier"] + ".dext" == bundle[:-len(".dext")]
    with open(os.path.join(directory, "entitlements.plist"), "rb") as f:
        return info, plistlib.load(f), done.stdout


def devices_are_those_of_the_vendors_named(directory):
    info, entitlements, _ = plists(os.path.join(directory, "vendors"), "--vendor", "10de", "--vendor", "1b36",
                                   "--bundle", "com.example.gangway")
    match = "0x000010de&0x0000ffff 0x00001b36&0x0000ffff"
    assert info["IOKitPersonalities"]["Gangway"]["IOPCIPrimaryMatch"] == match
    assert entitlements["com.apple.developer.driverkit.transport.pci"][0]["IOPCIPrimaryMatch"] == match
    assert info["CFBundleIdentifier"] == "com.example.gangway.dext"
    assert info["IOKitPersonalities"]["Gangway"]["IOProbeScore"] == 0


def it_may_be_preferred_to_a_driver_of_apples(directory):
    info, _, _ = plists(os.path.join(directory, "score"), "--vendor", "144d", "--score", "90000")
    assert info["IOKitPersonalities"]["Gangway"]["IOProbeScore"] == 90000


def any_device_has_to_be_asked_for(directory):
    info, _, _ = plists(os.path.join(directory, "any"), "--any")
    assert info["IOKitPersonalities"]["Gangway"]["IOPCIPrimaryMatch"] == "0xffffffff&0x00000000"
    assert build("--dry-run", os.path.join(directory, "none")).returncode == 2
    for bad in (["--vendor", "10dex"], ["--vendor"], ["--any", "--score", "much"],
                ["--bundle", "a b", "--any"], ["--nonsense"]):
        assert build("--dry-run", *bad, os.path.join(directory, "none")).returncode == 2, bad


def every_source_is_built(directory):
    _, _, commands = plists(os.path.join(directory, "sources"), "--any")
    sources = [os.path.join(d, name) for d in ("dext", "dext/app", "lib/host/core")
               for name in os.listdir(os.path.join(TOP, d)) if name.endswith((".c", ".cpp", ".m"))]
    assert len(sources) > 10
    for source in sources:
        assert f" {source}\n" in commands, source


def what_is_inside_is_signed_first(directory):
    _, _, commands = plists(os.path.join(directory, "signed"), "--any", "--identity", "Me: 1", "--profile", "P1",
                            "--app-profile", "P2")
    signed = [line for line in commands.splitlines() if "codesign" in line]
    assert len(signed) == 2 and signed[0].endswith(".dext") and signed[1].endswith("/Gangway.app"), signed
    assert all("Me:\\ 1" in line for line in signed), signed
    assert "dext/app/entitlements.plist" in signed[1], signed
    copies = [line.split()[1:] for line in commands.splitlines() if line.startswith(" cp ")]
    assert [c[0] for c in copies] == ["P1", "P2"] and all(c[1].endswith("/embedded.provisionprofile")
                                                          for c in copies), copies
    with open(os.path.join(TOP, "dext/app/entitlements.plist"), "rb") as f:
        assert plistlib.load(f) == {"com.apple.developer.system-extension.install": True}


def main():
    for test in (devices_are_those_of_the_vendors_named, it_may_be_preferred_to_a_driver_of_apples,
                 any_device_has_to_be_asked_for, every_source_is_built, what_is_inside_is_signed_first):
        test(sys.argv[1])
        print("ok", test.__name__)


main()
