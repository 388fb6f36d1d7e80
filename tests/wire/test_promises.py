# SPDX-License-Identifier: BSD-3-Clause
"""What the manual, README and SECURITY.md say, held against the code, the tests and the command."""

import mmap
import os
import re
import shlex
import signal
import struct
import subprocess

import client as vu
import probe
from child import TIMEOUT
from command import OK
from qemu import MIB
from runner import ROOT, main, test

PAGE = 4096

# A constant that bounds what a peer may have says so in a comment on its line or on the one above.
LIMIT = re.compile(r"^(?:/\* limit: (.*) \*/\n)?#define[ \t]+(\w+)[ \t]+([^/\n]*[^/\s])[ \t]*"
                   r"(?:/\* limit: (.*) \*/)?", re.M)
PATH_BYTES = 107        # sockaddr_un has room for so many and a NUL


def text_of(*path):
    with open(os.path.join(ROOT, *path), encoding="utf-8") as file:
        return file.read()


def value_of(expression):
    value = re.sub(r"(?<=[0-9a-f])(?:ull|u)\b", "", expression)
    assert re.fullmatch(r"[0-9a-fx()<* ]+", value), value
    return eval(value)      # digits and operators, as was checked


def told(name, value):
    """As the manual gives it."""
    if name.endswith("_NS"):
        assert value % 10 ** 9 == 0, name
        return str(value // 10 ** 9)
    for shift, unit in (40, "TiB"), (30, "GiB"), (20, "MiB"):
        if value >= 1 << shift and value % (1 << shift) == 0:
            return f"{value >> shift} {unit}"
    return str(value)


def limits():
    """What each limit is of, and how much, as the code has it."""
    for top in "lib", "devices", "cli", "include":
        for folder, _, names in os.walk(os.path.join(ROOT, top)):
            for name in names:
                if name.endswith((".c", ".h")):
                    for above, constant, value, beside in LIMIT.findall(text_of(folder, name)):
                        if above or beside:
                            yield above or beside, told(constant, value_of(value))


@test
def the_limits_of_the_code_are_those_of_the_manual(rig):
    manual = re.search(r"^\.Sh LIMITS$(.*?)^\.Sh ", text_of("docs", "gangway.1"), re.M | re.S).group(1)
    manual = re.sub(r"\s+", " ", manual).lower()
    found = sorted(limits())
    assert len(found) >= 40, found
    missing = [f"{what}: {much}" for what, much in found if f"{what}: {much}".lower() not in manual]
    assert not missing, missing
    # and it gives no others
    numbers = re.findall(r": (\d+(?: [mgt]ib)?)[.;]", manual)
    assert sorted(numbers) == sorted([much.lower() for _, much in found] + [str(PATH_BYTES)]), numbers


@test
def each_promise_names_tests_that_there_are(rig):
    promises = re.search(r"## What gangway promises(.*?)\n## ", text_of("SECURITY.md"), re.S).group(1)
    items = re.split(r"\n\d+\. ", promises)[1:]
    assert len(items) >= 7
    sources = {}
    for folder in "unit", "wire":
        for entry in os.listdir(os.path.join(ROOT, "tests", folder)):
            if entry.startswith("test_"):
                name = entry[len("test_"):].rsplit(".", 1)[0]
                sources["wire_" * (folder == "wire") + name] = text_of("tests", folder, entry)
    for item in items:
        told = re.search(r"Tests?:\s+(.*)", item, re.S)
        assert told, f"no test is named: {item}"
        suites = 0
        for suite, names in re.findall(r"`(\w+)`(?:\s+\(((?:[^()])*)\))?", told.group(1)):
            if suite not in sources:
                assert suite.startswith("_"), f"there is no test {suite}"
            suites += 1
            for name in re.findall(r"`(\w+)`", names):
                assert re.search(rf"\b(?:def|void) {name}\(", sources[suite]), f"{suite} has no {name}"
        assert suites, item


@test
def a_vmm_dies_and_whatever_it_did_the_next_one_is_served(rig):
    """By a signal, with full eventfds that sleep, files that shrank, half a message, replies unread."""
    daemon = rig.daemon(faults=None)
    for turn in range(6):
        ready, its = os.pipe()
        vmm = os.fork()
        if not vmm:
            try:
                misbehave(daemon.socket, turn)
                os.write(its, b"x")
                signal.pause()
            finally:
                os._exit(1)
        os.close(its)
        assert os.read(ready, 1) == b"x", f"turn {turn}"
        os.close(ready)
        os.kill(vmm, (signal.SIGKILL, signal.SIGSEGV)[turn % 2])
        os.waitpid(vmm, 0)
        client = vu.Client(daemon.socket)
        assert struct.unpack("=H", client.read(vu.CONFIG, 4, 2))[0] & 4 == 0, "bus mastering is on"
        client.write(vu.CONFIG, 4, b"\2\0")
        assert struct.unpack("=I", client.read(0, probe.STATUS, 4))[0] == probe.IDLE
        client.in_sync()
        client.close()


def misbehave(path, turn):
    client = vu.Client(path)
    client.write(vu.CONFIG, 4, b"\6\0")
    fd = os.memfd_create("memory")
    os.ftruncate(fd, 4 * MIB)
    memory = mmap.mmap(fd, 4 * MIB)
    client.map(0, 4 * MIB, fd)
    event = os.eventfd(0)
    client.set_irqs(2, vu.DATA_EVENTFD | vu.ACTION_TRIGGER, 0, 1, [event])
    os.set_blocking(event, True)
    os.eventfd_write(event, 2 ** 64 - 2)
    for register, value in ((probe.SRC, 0), (probe.DST, 2 * MIB), (probe.LEN, 2 * MIB)):
        client.write(0, register, struct.pack("=Q", value))
    client.write(0, probe.COMMAND, struct.pack("=I", probe.CMD_COPY))
    if turn % 3 == 0:
        os.ftruncate(fd, 0)
    if turn % 3 == 1:
        client.send_raw(b"\1\0\2\0")        # a message that never ends
    if turn % 3 == 2:
        for _ in range(3):                   # replies that nobody reads
            client.send(vu.REGION_READ, struct.pack("=QII", 0, 7, 4096))
    assert memory is not None


def examples():
    """(where, command line) of each `gangway` in the README and the manual."""
    manual = re.search(r"^\.Sh EXAMPLES$(.*?)^\.Sh ", text_of("docs", "gangway.1"), re.M | re.S).group(1)
    blocks = [("gangway.1", b.replace("\\e\n", "\\\n"))
              for b in re.findall(r"^\.Bd -literal.*?$\n(.*?)^\.Ed$", manual, re.M | re.S)]
    blocks += [("README.md", b) for b in re.findall(r"^```sh\n(.*?)^```$", text_of("README.md"),
                                                     re.M | re.S)]
    for where, block in blocks:
        for line in block.replace("\\\n", " ").splitlines():
            found = re.match(r"(?:build/cli/)?gangway (.*?)(?: &)?$", line.strip())
            if found:
                yield where, shlex.split(found.group(1))


def needs(words):
    """Why an example cannot be run here, or None."""
    if any(re.fullmatch(r"0000:[0-9a-f:.]+", word) for word in words):
        return "a function of this machine"
    if "..." in words or words[0] == "share":
        return "what another command of its block makes"
    return None


@test
def the_examples_of_the_readme_and_the_manual_work(rig):
    """As they stand, in a folder of their own. `run` stops before the guest, `serve` once it serves."""
    kernel = rig.path("kernel")
    open(kernel, "w", encoding="utf-8").close()
    skipped, ran = [], 0
    for where, words in examples():
        why = needs(words)
        if why:
            skipped.append(f"{where}: gangway {' '.join(words)}: {why}")
            continue
        words = [w.replace("/tmp/", rig.dir + "/") for w in words]
        if words[0] == "run":
            words += ["--dry-run", "--qemu", rig.qemu_dir, "--kernel", kernel]
        with subprocess.Popen([rig.gangway, *words], cwd=rig.dir, stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as child:
            if words[0] == "serve":
                line = child.stderr.readline()
                while line and "serving" not in line:
                    line = child.stderr.readline()
                child.terminate()
            _, err = child.communicate(timeout=TIMEOUT)
        # doctor says what this machine lacks
        assert child.returncode == OK or words[0] == "doctor" and child.returncode == 3, \
            f"{where}: {words}: {child.returncode}: {err}"
        ran += 1
    for line in skipped:
        print("# not run:", line)
    assert ran >= 6 and len(skipped) <= 8, (ran, skipped)


if __name__ == "__main__":
    main()
