# SPDX-License-Identifier: BSD-3-Clause
"""Linux guests for tests: images, consoles, and the programs that run them.

How it works. A test in the guest is a script of the folder scripts/; it talks to the test on the
host through kernel log lines, because those are never cut in two by other output:

    gw-step: TEXT       what it does now
    gw-value: KEY VALUE something it measured
    gw-failed: TEXT     why it will fail
    gw-expect: REGEX    kernel messages that match are no trouble from here on; empty: all are

The console is read here with a deadline, and each line that a healthy kernel never prints fails
the test. A run ends with `GANGWAY-EXIT 0`, with exit code 0 of gangway, and with a report that
knows of no fault and of no mapping left behind; anything else has to be asked for.
"""

import contextlib
import hashlib
import json
import os
import re
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import time

ROOT = os.path.realpath(os.path.join(os.path.dirname(__file__), "..", ".."))
SCRIPTS = os.path.join(ROOT, "tests", "guest", "scripts")

MIB = 1 << 20

TROUBLE = re.compile(
    r"WARNING:|BUG:|Oops|Call [Tt]race|Kernel panic|rcu.*(?:stall|kthread starved)|soft lockup|"
    r"blocked for more than|hung_task|DMAR:|swiotlb buffer is full|I/O error|"
    r"nvme.*(?:timeout|controller is down|Device not ready|Abort status)|"
    r"EXT4-fs (?:error|warning)|JBD2: .*error|Unable to handle kernel|segfault|"
    # what checks of a kernel built for that say, beside WARNING and BUG
    r"list_(?:add|del) corruption|trying to register non-static key|lockdep is turned off|"
    r"DMA-API: (?!preallocated|debugging enabled|dma_debug_entry pool grown)")
SANITIZER = re.compile(r"ERROR: \w+Sanitizer|runtime error:|WARNING: ThreadSanitizer")

# A busy machine of two cores is slower than the kernel's patience with a real one.
PATIENCE = "rcupdate.rcu_cpu_stall_timeout=120 nvme_core.io_timeout=120"


class Failure(Exception):
    """A test has failed; the text says why."""


def expect(condition, text):
    """Fail with TEXT unless CONDITION holds."""
    if not condition:
        raise Failure(text)


def provisioned(*words):
    """The path that a script of provision/ prints."""
    done = subprocess.run([os.path.join(ROOT, "provision", words[0]), *words[1:]], check=False,
                          stdout=subprocess.PIPE, text=True)
    if done.returncode:
        raise Failure(f"provision/{' '.join(words)}: exit status {done.returncode}")
    return done.stdout.strip().splitlines()[-1]


def kernel_arch(arch):
    """Debian's name of an architecture, as provision/ has it."""
    return {"arm64": "arm64", "x86_64": "amd64"}[arch]


def kernel(arch, version):
    """The kernel's file."""
    return os.path.join(provisioned("kernel", kernel_arch(arch), version), "vmlinuz")


def built_kernel(arch, name):
    """The file of a kernel that provision/kernel-build makes."""
    folder = provisioned("kernel-build", kernel_arch(arch), name)
    return os.path.join(folder, {"arm64": "Image", "x86_64": "bzImage"}[arch])


def initramfs(arch, version, out, fio=False, add=(), drm=False, modules=()):
    """Make an image with the scripts in it and return its path, OUT."""
    words = ["initramfs", kernel_arch(arch), version, "--out", out, "--add", f"{SCRIPTS}:/tests"]
    if fio:
        words.append("--fio")
    if drm:
        words.append("--drm")
    for name in modules:
        words += ["--module", name]
    for item in add:
        words += ["--add", item]
    return provisioned(*words)


# Seeded data. A block is the seed rotated by an odd step for each block, so that no two pieces
# of 4 KiB are alike: a piece at the wrong place, or an old one, shows. Guests make the same with
# `pattern` of scripts/lib.sh.
SEED_SIZE = 4 * MIB
SEED_STEP = 65537


def seed_bytes(word):
    """SEED_SIZE bytes that depend on nothing but WORD."""
    return hashlib.shake_256(word.encode()).digest(SEED_SIZE)


def pattern(seed, first, count):
    """Blocks FIRST to FIRST + COUNT - 1, one by one."""
    for i in range(first, first + count):
        turn = i * SEED_STEP % SEED_SIZE
        yield seed[turn:] + seed[:turn]


def sha256(blocks):
    """The digest of an iterable of bytes, in hex."""
    digest = hashlib.sha256()
    for block in blocks:
        digest.update(block)
    return digest.hexdigest()


# At boot, before it knows of nodes, a kernel takes pages where it finds them, and caches some of those.
# So many bytes may be bounced where it uses a window first.
STRAY = 64 << 10


class Console:
    """Lines of a guest's console, from a pipe."""

    def __init__(self, pipe, log_path, on_step=None):
        self.fd = pipe.fileno()
        self.log = open(log_path, "w", encoding="utf-8")
        self.log_path = log_path
        self.on_step = on_step
        self.partial = b""
        self.ready = []
        self.eof = False
        self.values = {}
        self.exits = []
        self.allowed = None
        self.trouble = None

    def close(self):
        """Close the log."""
        self.log.close()

    def _take(self, line):
        self.log.write(line + "\n")
        self.log.flush()
        found = re.search(r"gw-(step|value|failed|expect):\s?(.*)", line)
        if found:
            self._take_word(found.group(1), found.group(2).strip())
            return
        found = re.search(r"GANGWAY-EXIT (\d+)$", line)
        if found:
            self.exits.append(int(found.group(1)))
        elif (not self.trouble and TROUBLE.search(line)
              and not (self.allowed and self.allowed.search(line))):
            self.trouble = f"the guest's kernel said: {line.strip()}"

    def _take_word(self, word, text):
        if word == "step" and self.on_step:
            self.on_step(text)
        elif word == "value":
            key, _, value = text.partition(" ")
            self.values[key] = value
        elif word == "failed" and not self.trouble:
            self.trouble = f"in the guest: {text}"
        elif word == "expect":
            self.allowed = re.compile(text) if text else None

    def line(self, deadline):
        """The next line, or None at the end. Fails at the deadline (of time.monotonic())."""
        while not self.ready and not self.eof:
            left = deadline - time.monotonic()
            if left <= 0 or not select.select([self.fd], [], [], left)[0]:
                raise Failure("the guest did not get on in time")
            data = os.read(self.fd, 65536)
            self.eof = not data
            *lines, self.partial = (self.partial + data).split(b"\n")
            if self.eof and self.partial:
                lines.append(self.partial)
            self.ready += [line.decode(errors="replace").rstrip("\r") for line in lines]
        if not self.ready:
            return None
        line = self.ready.pop(0)
        self._take(line)
        return line

    def wait_for(self, regex, seconds):
        """Read until a line matches; return the match."""
        deadline = time.monotonic() + seconds
        while True:
            line = self.line(deadline)
            if line is None:
                raise Failure(f"the console ended before '{regex}'")
            found = re.search(regex, line)
            if found:
                return found
            if self.trouble:
                raise Failure(self.trouble)

    def drain(self, seconds):
        """Read to the end."""
        deadline = time.monotonic() + seconds
        while self.line(deadline) is not None:
            pass


class Process:
    """A program that we started and will end; its standard error goes to a file."""

    def __init__(self, words, stderr_path, **popen):
        self.stderr_path = stderr_path
        with open(stderr_path, "w", encoding="utf-8") as err:
            self.popen = subprocess.Popen(words, stderr=err, **popen)

    def __enter__(self):
        return self

    def __exit__(self, kind, *_):
        self.end()

    def end(self):
        """Have it end: by SIGTERM, or after a while by SIGKILL."""
        if self.popen.poll() is not None:
            return
        self.popen.send_signal(signal.SIGTERM)
        try:
            self.popen.wait(20)
        except subprocess.TimeoutExpired:
            self.popen.kill()
            self.popen.wait()

    def wait(self, seconds):
        """Its exit code."""
        try:
            return self.popen.wait(seconds)
        except subprocess.TimeoutExpired:
            raise Failure(f"{self.popen.args[0]} did not end within {seconds} s") from None

    def stderr(self):
        """What it said until now."""
        with open(self.stderr_path, encoding="utf-8", errors="replace") as err:
            return err.read()

    def wait_stderr(self, regex, seconds):
        """Wait for a line on its standard error; return the match."""
        deadline = time.monotonic() + seconds
        while True:
            ended = self.popen.poll() is not None
            found = re.search(regex, self.stderr(), re.M)
            if found:
                return found
            expect(not ended, f"it ended before '{regex}':\n{self.stderr()}")
            expect(time.monotonic() < deadline, f"no '{regex}' within {seconds} s")
            time.sleep(0.05)


def check_report(path, log, faults=0):
    """The report of gangway: it must know of no fault but those wanted, and of no mapping left."""
    expect(not SANITIZER.search(log), f"a sanitizer has found something:\n{log}")
    with open(path, encoding="utf-8") as file:
        report = json.load(file)
    expect(report["dart_faults"] == faults,
           f"{report['dart_faults']} DART faults, not {faults}")
    expect(report["maps_left"] == 0, f"{report['maps_left']} mappings left behind")
    return report


class Run(Process):
    """`gangway run`, with the guest in it."""

    def __init__(self, work, words, on_step=None, wrap=(), **popen):
        self.report_path = work.path("report.json")
        command = [*wrap, work.gangway, "run", "--report", self.report_path, *words]
        super().__init__(command, work.path("stderr.log"), stdin=subprocess.PIPE,
                         stdout=subprocess.PIPE, **popen)
        self.console = Console(self.popen.stdout, work.path("console.log"), on_step)

    def __exit__(self, kind, *_):
        super().__exit__(kind)
        self.console.close()
        self.popen.stdin.close()
        self.popen.stdout.close()

    @property
    def values(self):
        """What the guest measured."""
        return self.console.values

    def wait_for(self, regex, seconds=120):
        """See Console.wait_for()."""
        return self.console.wait_for(regex, seconds)

    def answer(self):
        """A line for the guest's script, which waits for one."""
        self.popen.stdin.write(b"\n")
        self.popen.stdin.flush()

    def qemu_pid(self):
        """The process id of its QEMU."""
        pid = self.popen.pid
        with open(f"/proc/{pid}/task/{pid}/children", encoding="ascii") as file:
            children = file.read().split()
        expect(len(children) == 1, f"gangway has {len(children)} children, not 1")
        return int(children[0])

    def finish(self, seconds=900, code=0, exits=(0,), faults=0):
        """Wait for the end, judge it and return the report."""
        self.console.drain(seconds)
        status = self.wait(60)
        expect(not self.console.trouble, self.console.trouble)
        expect(self.console.exits or not exits,
               f"the guest ended before its tests did; gangway's exit code is {status}")
        expect(tuple(self.console.exits) == tuple(exits),
               f"the guest's tests ended with {self.console.exits}, not {list(exits)}")
        report = check_report(self.report_path, self.stderr(), faults)
        expect(status == code, f"gangway ended with {status}, not {code}")
        return report


class Server(Process):
    """`gangway serve`; VMMs come and go."""

    def __init__(self, work, devices, options=(), name="serve", wrap=(), **popen):
        self.socket = os.path.join(work.dir, f"{name}-socket")
        self.report_path = os.path.join(work.dir, f"{name}.json")
        super().__init__([*wrap, work.gangway, "serve", *devices, "--socket", self.socket, "--report",
                          self.report_path, *options], os.path.join(work.dir, f"{name}.log"),
                         **popen)
        self.wait_stderr("serving; SIGTERM ends it", 30)

    def finish(self):
        """Ask it to end, judge it and return the report."""
        self.popen.send_signal(signal.SIGTERM)
        status = self.wait(60)
        report = check_report(self.report_path, self.stderr())
        expect(status == 0, f"gangway serve ended with {status}")
        return report


def vfio_user(path, **more):
    """A device of QEMU that is behind a socket."""
    return {"driver": "vfio-user-pci", "socket": {"type": "unix", "path": path}, **more}


def ram_words(memory):
    """QEMU's options for guest memory; see Vmm."""
    nodes = (memory,) if isinstance(memory, str) else memory
    words = [word for i, size in enumerate(nodes) for word in
             ("-object", f"memory-backend-memfd,id=mem{i},size={size},share=on")]
    if isinstance(memory, str):
        return [*words, "-machine", "q35,memory-backend=mem0", "-m", memory]
    for i in range(len(nodes)):
        words += ["-numa", f"node,nodeid={i},memdev=mem{i}" + (",cpus=0-1" if i == 0 else "")]
    total = sum(int(size.removesuffix("M")) for size in nodes)
    return [*words, "-machine", "q35", "-m", f"{total}M"]


class Qemu(Process):
    """QEMU by itself, started with WORDS, a guest in it."""

    def __init__(self, work, words, on_step=None):
        work.runs += 1
        super().__init__(words, work.path("stderr.log"), stdin=subprocess.PIPE,
                         stdout=subprocess.PIPE)
        self.console = Console(self.popen.stdout, work.path("console.log"), on_step)

    def __exit__(self, kind, *_):
        super().__exit__(kind)
        self.console.close()
        self.popen.stdin.close()
        self.popen.stdout.close()

    @property
    def values(self):
        """What the guest measured."""
        return self.console.values

    def kill(self):
        """As a crash of the VMM."""
        self.popen.kill()
        self.console.drain(60)
        self.wait(60)

    def finish(self, seconds=900):
        """Wait for the guest's own end."""
        self.console.drain(seconds)
        status = self.wait(60)
        expect(not self.console.trouble, self.console.trouble)
        expect(self.console.exits == [0], f"the guest's tests ended with {self.console.exits}")
        expect(status == 0, f"QEMU ended with {status}:\n{self.stderr()}")


class Vmm(Qemu):
    """QEMU by itself, a guest in it, connected to a Server, or to these SOCKETS; x86-64.

    MEMORY is in one piece, or if it is a tuple of sizes, in a node of the guest for each.
    """

    def __init__(self, work, server, script, memory="512M", cpus=2, sockets=None, qemu=(),
                 on_step=None, **image):
        words = dict(zip(*[iter(work.words(script, arch="x86_64", **image))] * 2))
        devices = [["-device", json.dumps(vfio_user(path))]
                   for path in ([server.socket] if sockets is None else sockets)]
        super().__init__(
            work, [os.path.join(words["--qemu"], "qemu-system-x86_64"),
             "-accel", words["--accel"], "-cpu", "max", "-smp", str(cpus), *ram_words(memory),
             "-nodefaults", "-display", "none", "-no-reboot", "-serial", "stdio",
             "-kernel", words["--kernel"], "-initrd", words["--initrd"],
             "-append", "console=ttyS0 no_timer_check " + words["--append"], *qemu,
             *sum(devices, [])], on_step)


class Work:
    """A test's folder, and what its guests have in common.

    It is in /var/tmp, because /tmp may be in memory.
    """

    def __init__(self, build, keep=None):
        self.gangway = os.path.join(os.path.realpath(build), "cli", "gangway")
        expect(os.access(self.gangway, os.X_OK), f"there is no {self.gangway}; build it first")
        self.keep = keep
        if keep:
            os.makedirs(keep, exist_ok=True)
        self.dir = os.path.realpath(keep) if keep else \
            tempfile.mkdtemp(prefix="guest-test-", dir="/var/tmp")
        self.runs = 0
        self.images = {}

    def __enter__(self):
        return self

    def __exit__(self, kind, *_):
        if not self.keep:
            shutil.rmtree(self.dir, ignore_errors=True)

    def path(self, name):
        """A file in the folder; logs are numbered by run."""
        if name.endswith((".log", ".json")):
            name = f"{self.runs}-{name}"
        return os.path.join(self.dir, name)

    def image(self, arch, version, **more):
        """The image for a guest, with MORE for initramfs(); made once."""
        key = (arch, version, repr(sorted(more.items())))
        if key not in self.images:
            out = os.path.join(self.dir, f"{len(self.images)}.cpio")
            self.images[key] = initramfs(arch, version, out, **more)
        return self.images[key]

    def words(self, script, arch="arm64", version="7.2", built=None, append="", **image):
        """The options of `gangway run` that make a guest run a script; BUILT names a built kernel."""
        boots = built_kernel(arch, built) if built else kernel(arch, version)
        # Linux on x86 changes its code while other processors run it; emulated by a thread for
        # each, one of them has been seen to run into a breakpoint that was gone
        accel = "tcg,thread=single" if arch == "x86_64" else "tcg"
        return ["--accel", accel, "--arch", arch, "--qemu", provisioned("qemu"),
                "--kernel", boots, "--initrd", self.image(arch, version, **image),
                "--append", f"loglevel=5 panic=-1 printk.devkmsg=on {PATIENCE} "
                            f"gangway.script={script} {append}"]

    def run(self, script, devices, options=(), qemu=("-no-reboot",), on_step=None, wrap=(),
            **image):
        """Start a guest under `gangway run`; use it in a `with`."""
        self.runs += 1
        words = [*devices, *options, *self.words(script, **image), "--", *qemu]
        return Run(self, words, on_step, wrap)

    def seed(self):
        """The seed as a file, in the form that the option `add` of image() takes."""
        path = self.path("seed")
        if not os.path.exists(path):
            with open(path, "wb") as file:
                file.write(seed_bytes("guest tests"))
        return f"{path}:/seed"

    @staticmethod
    def seed_sum(count):
        """SHA-256 of the first blocks of seeded data."""
        return sha256(pattern(seed_bytes("guest tests"), 0, count))

    def show_logs(self, out):
        """The ends of all logs, for someone who has to find out why."""
        for name in sorted(os.listdir(self.dir)):
            if not name.endswith(".log"):
                continue
            with open(os.path.join(self.dir, name), encoding="utf-8", errors="replace") as file:
                lines = file.read().splitlines()[-60:]
            print(f"--- {name}, the last {len(lines)} lines", *lines, sep="\n", file=out)


def main(tests):
    """Run tests: functions that take a Work. Their first doc line says what they do.

    Usage of a test: PROGRAM BUILD_DIR [NAME]...; without names, all.
    """
    build, *names = sys.argv[1:] or ["build"]
    chosen = [test for test in tests if not names or test.__name__ in names]
    failed = 0
    for test in chosen:
        start, cpu = time.monotonic(), os.times()
        what = test.__doc__.splitlines()[0].rstrip(".")
        try:
            with terminated_is_an_exit(), Work(build) as work:
                try:
                    test(work)
                except Failure:
                    work.show_logs(sys.stdout)
                    raise
            verdict, why = "ok", ""
        except Failure as failure:
            verdict, why = "FAIL", f": {failure}"
            failed += 1
        now = os.times()
        cpu = sum(now[:4]) - sum(cpu[:4])
        print(f"{verdict:4} {test.__name__}: {what} ({time.monotonic() - start:.1f} s, "
              f"{cpu:.1f} s of CPU){why}", flush=True)
    print(f"{len(chosen) - failed} passed, {failed} failed")
    sys.exit(1 if failed or not chosen else 0)


@contextlib.contextmanager
def terminated_is_an_exit():
    """Make SIGTERM unwind, so that what was started is ended and removed."""
    def stop(number, _):
        sys.exit(128 + number)
    before = signal.signal(signal.SIGTERM, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
