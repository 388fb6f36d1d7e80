#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""Usage: test_cli.py GANGWAY

The command as it is on a Mac, over an IOKit that is played (cli_machine.c), with programs in PATH that say
what those of a Mac say.
"""

import json
import os
import subprocess
import sys
import tempfile

WINDOW = "DART window "
ENABLED = "*\t*\tAB12CD34EF\torg.gangway.dext (0.1.0/0.1.0)\tgangway\t[activated enabled]\n"
WAITING = "\t\tAB12CD34EF\torg.gangway.dext (0.1.0/0.1.0)\tgangway\t[activated waiting for user]\n"
LEAVING = "\t\tAB12CD34EF\torg.gangway.dext (0.1.0/0.1.0)\tgangway\t[terminated waiting to uninstall on reboot]\n"
OTHERS = ("1 extension(s)\n--- com.apple.system_extension.network_extension\n"
          "*\t*\tXY\tcom.example.filter (1/1)\tFilter\t[activated enabled]\n")
QEMU = """#!/bin/sh
case "$*" in
--version)	echo "QEMU emulator version 10.0.3" ;;
*-device*help)	echo 'name "virtio-net-pci", bus PCI'; {device} ;;
*-accel*help)	echo "Accelerators supported in QEMU binary:"; echo {accel} ;;
*)	for word; do printf '%s\\n' "$word"; done; exit 7 ;;
esac
"""
GANGWAY_DEVICE = "echo 'name \"gangway-pci\", bus PCI, desc \"PCI function by gangway\"'"


class Mac:
    def __init__(self, extensions=ENABLED, device=GANGWAY_DEVICE, accel="hvf", played="p", **env):
        self.dir = tempfile.TemporaryDirectory()
        if extensions is not None:
            self.program("systemextensionsctl", "#!/bin/sh\ncat <<'END'\n" + OTHERS + extensions + "END\n")
        if device is not None:
            self.program("qemu-system-aarch64", QEMU.format(device=device, accel=accel))
        self.env = {"PATH": self.dir.name + ":/usr/bin:/bin", "PLAYED": played,
                    **env}

    def program(self, name, text):
        path = os.path.join(self.dir.name, name)
        with open(path, "w", encoding="utf-8") as f:
            f.write(text)
        os.chmod(path, 0o755)

    def run(self, *args):
        return subprocess.run([sys.argv[1], *args], capture_output=True, text=True, env=self.env, check=False,
                              stdin=subprocess.DEVNULL)

    def doctor(self):
        done = self.run("doctor", "--json")
        found = {}
        for one in json.loads(done.stdout):
            found.setdefault(one["check"], []).append((one["state"], one["text"]))
        return done.returncode, found


def functions_are_listed_with_the_windows_of_their_darts():
    done = Mac(played="pq").run("list")
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert lines[0].split() == ["01:00.0@sim0", "1234:6777", "class", "ff0000"], lines
    assert WINDOW in lines[1] and "MiB in pages of 16 KiB: drivers need 40 address bits" in lines[1], lines
    assert lines[2].startswith("01:00.0@sim1 "), lines
    assert "sim:nvme" in done.stdout and "which only Linux has" in done.stdout and "sim:probe" in done.stdout
    functions = [f for f in json.loads(Mac(played="pq").run("list", "--json").stdout) if f["host"] == "dext"]
    assert [f["device"] for f in functions] == ["01:00.0@sim0", "01:00.0@sim1"]
    assert all(f["granule"] == 16384 and f["iova_first"] < f["iova_last"] for f in functions)


def one_that_is_silent_is_named_and_the_others_are_shown():
    done = Mac(played="ps").run("list")
    assert done.returncode == 0 and done.stdout.startswith("01:00.0 "), done.stdout
    assert "01:05.0@sim2: its driver extension does not answer" in done.stderr, done.stderr


def a_mac_without_devices_is_told_what_is_missing():
    done = Mac(played="").run("list")
    assert done.returncode == 0 and "gangway doctor" in done.stderr, done.stderr


def doctor_finds_nothing_where_all_is_there():
    code, found = Mac().doctor()
    assert code == 0, found
    assert found["extension"] == [("ok", "active")], found
    assert found["functions"][0][0] == "ok" and WINDOW in found["DART"][0][1], found
    assert found["hypervisor"][0][0] == "ok" and found["QEMU"][0][0] == "ok", found
    assert "10.0.3" in found["QEMU"][0][1], found


def doctor_names_what_is_missing():
    for mac, check, state, words in (
            (Mac(extensions=""), "extension", "bad", "not installed"),
            (Mac(extensions=WAITING), "extension", "bad", "waits for approval"),
            (Mac(extensions=LEAVING), "extension", "bad", "uninstalled"),
            (Mac(extensions=None), "extension", "note", "no such program"),
            (Mac(played=""), "functions", "note", "no device"),
            (Mac(PLAYED_NO_HYPERVISOR="1"), "hypervisor", "bad", "no hypervisor"),
            (Mac(device=None), "QEMU", "bad", "no qemu-system-aarch64 that runs"),
            (Mac(device="true"), "QEMU", "bad", "no device gangway-pci"),
            (Mac(accel="tcg"), "QEMU", "bad", "without HVF")):
        code, found = mac.doctor()
        assert found[check][0][0] == state and words in found[check][0][1], found
        assert code == (3 if state == "bad" else 0), (code, found)


def devices(out):
    words = out.split("\n")
    return [json.loads(words[i + 1]) for i, word in enumerate(words) if word == "-device"], words


def run_starts_qemu_with_gangway_inside():
    done = Mac().run("run", "01:00.0", "--kernel", "K", "--initrd", "I", "--append", "a=b", "--memory", "4G",
                     "--window", "512M", "--host-option", "call-ms=100", "--", "-drive", "x, y")
    assert done.returncode == 7, done.stderr		# it is QEMU by now
    inside, words = devices(done.stdout)
    assert words[words.index("-machine") + 1] == "virt,acpi=off", words
    assert words[words.index("-accel") + 1] == "hvf" and words[words.index("-cpu") + 1] == "host", words
    assert words[words.index("-append") + 1] == "console=ttyAMA0 a=b", words
    assert words[words.index("-m") + 1] == f"{4 << 30}B" and words[-3:-1] == ["-drive", "x, y"], words
    assert inside == [{"driver": "gangway-pci", "id": "gw0", "bus": "pcie.0", "device": "01:00.0", "plan": "auto",
                       "window": 512 << 20, "host-options": "call-ms=100"}], inside


def several_functions_have_companions():
    done = Mac(played="pq").run("run", "01:00.0@sim0", "01:00.0@sim1", "--kernel", "K")
    inside, words = devices(done.stdout)
    assert words[words.index("-machine") + 1] == "virt", words
    assert [d.get("device") for d in inside] == ["01:00.0@sim0", None, "01:00.0@sim1", None], inside
    assert [d.get("companion-of") for d in inside] == [None, "gw0", None, "gw1"], inside


def run_says_what_it_cannot_start():
    for mac, args, code, words in (
            (Mac(), ["01:00.1", "--kernel", "K"], 3, "'01:00.1': no function of that name"),
            (Mac(device="true"), ["01:00.0", "--kernel", "K"], 3, "no device gangway-pci"),
            (Mac(accel="tcg"), ["01:00.0", "--kernel", "K"], 3, "without HVF"),
            (Mac(), ["01:00.0"], 2, "nothing to boot"),
            (Mac(), ["--kernel", "K"], 2, "wants a device"),
            (Mac(), ["01:00.0", "--kernel", "K", "--plan", "direct"], 2, "--plan 'direct'"),
            (Mac(), ["01:00.0", "--kernel", "K", "--memory", "0"], 2, "--memory '0'"),
            (Mac(), ["01:00.0", "--cpus"], 2, "wants a value"),
            (Mac(), ["01:00.0", "--nonsense"], 2, "--nonsense")):
        done = mac.run("run", *args)
        assert done.returncode == code and words in done.stderr, (args, done.returncode, done.stderr)


def a_dry_run_starts_nothing():
    done = Mac(device=None).run("run", "sim:probe", "--accel", "tcg", "--kernel", "K", "--dry-run")
    assert done.returncode == 0 and "-cpu max,pauth-impdef=on" in done.stdout, done.stderr
    assert '"device":"sim:probe"' in done.stdout, done.stdout


def other_commands_are_not_there():
    done = Mac().run("serve", "sim:probe", "--socket", "S")
    assert done.returncode == 2 and "unknown command 'serve'" in done.stderr, done.stderr


def main():
    for test in (functions_are_listed_with_the_windows_of_their_darts,
                 one_that_is_silent_is_named_and_the_others_are_shown,
                 a_mac_without_devices_is_told_what_is_missing, doctor_finds_nothing_where_all_is_there,
                 doctor_names_what_is_missing, run_starts_qemu_with_gangway_inside,
                 several_functions_have_companions, run_says_what_it_cannot_start, a_dry_run_starts_nothing,
                 other_commands_are_not_there):
        test()
        print("ok", test.__name__)


main()
