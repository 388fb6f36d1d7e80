# SPDX-License-Identifier: BSD-3-Clause
"""fio in guests: gangway's disk beside QEMU's, and the plans beside one another."""

import contextlib
import itertools
import json
import os
import pathlib
import re
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time

TOP = pathlib.Path(__file__).resolve().parent.parent
MIB = 1 << 20

# name, what fio does, unit, which field of its terse output (version 3) counts
JOBS = [
    ("fio-randread-qd1", "--rw=randread --bs=4k --iodepth=1", "IOPS", 7),
    ("fio-randread-qd32", "--rw=randread --bs=4k --iodepth=32", "IOPS", 7),
    ("fio-randwrite-qd1", "--rw=randwrite --bs=4k --iodepth=1", "IOPS", 48),
    ("fio-randwrite-qd32", "--rw=randwrite --bs=4k --iodepth=32", "IOPS", 48),
    ("fio-read-1m", "--rw=read --bs=1m --iodepth=4", "KiB/s", 6),
]
JOBS = [(name, f"{options} --iomem=mmapshared:/buffers/huge/one", unit, number)
        for name, options, unit, number in JOBS]
# The plans also with a buffer no two pages of which are neighbours: as many maps as can be.
SCATTERED = ("scattered-read-1m", "--rw=read --bs=1m --iodepth=4 "
             "--iomem=mmapshared:/buffers/small/one", "KiB/s", 6)

# Simulated functions by the plan that serves them; the guest has 2 GiB.
RANGES = ["--plan", "paravirt", "--host-option", "max-bytes=4G",
           "--host-option", "max-map-bytes=4G"]
SMALL = ["--plan", "paravirt", "--host-option", "max-bytes=256M"]
DIRECT = ["--plan", "direct", "--host-option", "caller-iova=on"]
TURN_MS = 500
ROUNDS = 24
# How a kernel's memory happens to lie makes one of two equal disks up to 5 % faster until the next
# boot. So there are boots with each order of those that are compared.
ROUNDS_A_BOOT = 4
SERIALS = {"direct": 1, "paravirt-ranges": 2, "paravirt-256m": 3}
# These want a guest each: options, and words for its kernel.
ALONE = {"window": (["--plan", "window", "--window", "1G", "--one-node"], ""),
         "window-first": (["--plan", "window", "--window", "1G"], "bench.bounces=1"),
         "bounce": (DIRECT, "swiotlb=131072,force")}
PLANS = [name for name in (*SERIALS, *ALONE) if name != "direct"]


def say(text):
    """To whoever waits."""
    print(text, file=sys.stderr, flush=True)


def output(*command):
    """What a command prints."""
    return subprocess.run([str(c) for c in command], check=True, stdout=subprocess.PIPE,
                          text=True).stdout


def provisioned(*words):
    """The path that a script of provision/ prints."""
    return output(TOP / "provision" / words[0], *words[1:]).split()[-1]


class Bench:
    """A folder in memory, where the machine's disk, which others use too, does not decide."""

    def __init__(self, build, rounds):
        self.gangway = build / "cli" / "gangway"
        self.rounds = rounds
        self.maps = {}
        self.bounced = None
        self.dir = pathlib.Path(tempfile.mkdtemp(prefix="gangway-bench-", dir="/dev/shm"))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        shutil.rmtree(self.dir)

    def disk(self, name):
        """A file without holes, of bytes that do not compress; the same for each name."""
        path, first = self.dir / f"{name}.img", self.dir / "first.img"
        if not first.exists():
            block = os.urandom(MIB)
            with first.open("wb") as file:
                for i in range(512):
                    file.write(block[i:] + block[:i])
        shutil.copyfile(first, path)
        return path

    def image(self, arch, jobs, disks, module=False):
        """An initramfs that runs jobs on disks, given as (name, serial number)."""
        lists = {"jobs": "".join(f"{name} {options}\n" for name, options, _, _ in jobs),
                 "disks": "".join(f"{name} {serial}\n" for name, serial in disks)}
        words = ["--add", TOP / "bench" / "guest-fio:/test"]
        for name, text in lists.items():
            (self.dir / name).write_text(text)
            words += ["--add", f"{self.dir / name}:/{name}"]
        if module:
            words += ["--add", f"{provisioned('module', arch, '7.2')}:/gangway-dma.ko"]
        out = self.dir / "bench.cpio"
        provisioned("initramfs", arch, "7.2", "--out", out, "--fio", *words)
        return out

    def append(self, rounds=None, more=""):
        """The guest's kernel command line."""
        return (f"quiet panic=-1 printk.devkmsg=on bench.ms={TURN_MS} "
                f"bench.rounds={rounds or self.rounds} {more}")

    def rows(self, process, log):
        """Read a guest's console to its end: {(job, disk): [fields of a turn]}.

        And self.bounced, the bytes that were copied, if the guest was to count; and self.maps:
        {job: [maps, of them asked of the host; before, and after]}, if it has the module.
        """
        rows = {}
        with log.open("w", encoding="utf-8") as copy:
            for line in process.stdout:
                copy.write(line)
                found = re.search(r"bench: row (\S+) (\S+) (.*)", line.rstrip())
                if found:
                    rows.setdefault((found[2], found[1]), []).append(found[3].split(";"))
                found = re.search(r"bench: bounced (\d+)", line.rstrip())
                if found:
                    self.bounced = int(found[1])
                found = re.search(r"bench: maps (\S+) ?(.*)", line.rstrip())
                if found:
                    self.maps[found[1]] = [int(word) for word in found[2].split()]
                    say(f"  {found[1]}")
        process.wait()
        text = log.read_text(errors="replace")
        if process.returncode or "GANGWAY-EXIT 0" not in text:
            raise SystemExit(f"the guest failed, status {process.returncode}:\n{text[-4000:]}")
        return rows

    def run(self, arch, image, devices, options, qemu=(), **append):
        """`gangway run`; its rows and its report."""
        kernel = provisioned("kernel", arch, "7.2")
        report = self.dir / "report.json"
        command = [self.gangway, "run", *devices, "--arch", {"amd64": "x86_64"}.get(arch, arch),
                   "--kernel", f"{kernel}/vmlinuz", "--initrd", image, "--append",
                   self.append(**append), "--report", report, *options, "--", "-no-reboot", *qemu]
        with subprocess.Popen([str(c) for c in command], stdin=subprocess.DEVNULL, text=True,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                              errors="replace") as process:
            rows = self.rows(process, self.dir / "console.log")
        return rows, json.loads(report.read_text())

    @contextlib.contextmanager
    def serve(self, name, serial, options):
        """`gangway serve` of a disk; yields the sockets, that of the companion too."""
        paths = [self.dir / name, self.dir / f"{name}-companion"]
        with subprocess.Popen(
                [str(c) for c in (self.gangway, "serve",
                                  f"sim:nvme,file={self.disk(name)},serial={serial}",
                                  "--socket", paths[0], "--companion", paths[1], *options)],
                stderr=subprocess.PIPE, text=True) as process:
            try:
                for line in process.stderr:
                    if "SIGTERM ends it" in line:
                        break
                yield [path for path in paths if path.exists()]
            finally:
                process.send_signal(signal.SIGTERM)
                err = process.stderr.read()
        if process.returncode:
            raise SystemExit(f"the server of {name} failed, status {process.returncode}:\n{err}")

    def qemu(self, image, sockets, rounds, memory="2G"):
        """QEMU itself, with what several servers serve; its rows."""
        kernel = provisioned("kernel", "arm64", "7.2")
        command = [f"{provisioned('qemu')}/qemu-system-aarch64",
                   "-machine", "virt,accel=tcg,memory-backend=mem", "-cpu", "max,pauth-impdef=on",
                   "-m", memory, "-object", f"memory-backend-memfd,id=mem,size={memory},share=on",
                   "-nodefaults", "-nographic", "-no-reboot", "-serial", "stdio",
                   "-kernel", f"{kernel}/vmlinuz", "-initrd", str(image),
                   "-append", f"console=ttyAMA0 {self.append(rounds)}"]
        for i, path in enumerate(sockets):
            device = {"driver": "vfio-user-pci", "bus": f"port{i}",
                      "socket": {"type": "unix", "path": str(path)}}
            command += ["-device", f"pcie-root-port,id=port{i},slot={i},chassis={i}",
                        "-device", json.dumps(device)]
        with subprocess.Popen(command, stdin=subprocess.DEVNULL, text=True,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                              errors="replace") as process:
            return self.rows(process, self.dir / "console.log")


def fields(samples, number):
    """A field of fio's output, of each turn."""
    return [float(sample[number]) for sample in samples]


def beside(name, unit, values, peer, others):
    """A row from one number for each round; larger is better."""
    value, other = statistics.median(values), statistics.median(others)
    return {"name": name, "value": value, "unit": unit, "peer": peer, "peer_value": other,
            "ratio": round(value / other, 4), "floor": None}


def beside_in_turns(name, unit, values, peer, others):
    """The same where both took turns: the machine's own ups and downs leave the ratio alone."""
    ratio = statistics.median(value / other for value, other in zip(values, others, strict=True))
    return beside(name, unit, values, peer, others) | {"ratio": round(ratio, 4)}


def beside_by_boot(name, unit, values, peer, others):
    """The same where each boot of one was near one of the other: numbers of each boot."""
    ratio = statistics.median(statistics.median(value) / statistics.median(other)
                              for value, other in zip(values, others, strict=True))
    return beside(name, unit, sum(values, []), peer, sum(others, [])) | {"ratio": round(ratio, 4)}


def peer_rows(bench, jobs):
    """gangway's disk beside QEMU's own, in one guest."""
    image = bench.image("amd64", jobs, [("ours", "GW0000000000000001"), ("peer", "peer")])
    say(f"fio in a guest, {len(jobs) * 2 * bench.rounds} turns of {TURN_MS} ms ...")
    rows, _ = bench.run(
        "amd64", image, [f"sim:nvme,file={bench.disk('ours')},serial=1"],
        ["--memory", "1G", *DIRECT],
        ["-drive", f"file={bench.disk('peer')},format=raw,if=none,id=peer",
         "-device", "nvme,serial=peer,drive=peer"])
    for name, _, unit, number in jobs:
        yield beside_in_turns(name, unit, fields(rows[name, "ours"], number), "QEMU's nvme",
                              fields(rows[name, "peer"], number))


def polling_rows(bench, jobs):
    """gangway's disk beside one whose worker all but never sleeps, in one guest."""
    image = bench.image("amd64", jobs, [("ours", f"GW{1:016X}"), ("polling", f"GW{2:016X}")])
    say(f"beside a disk that polls, {len(jobs) * 2 * bench.rounds} turns of {TURN_MS} ms ...")
    rows, _ = bench.run(
        "amd64", image, [f"sim:nvme,file={bench.disk('ours')},serial=1",
                         f"sim:nvme,file={bench.disk('polling')},serial=2,poll=10000,"
                         "poll-share=100"],
        ["--memory", "1G", *DIRECT])
    for name, _, unit, number in jobs:
        yield beside_in_turns(f"polling/{name}", unit, fields(rows[name, "ours"], number),
                              "a disk that polls", fields(rows[name, "polling"], number))


def add_samples(rows, new):
    """A boot's rows to those of the boots before."""
    for key, samples in new.items():
        rows.setdefault(key, []).append(samples)


def companion_samples(bench, jobs, sockets, order):
    """The rows of direct and of the plans by the companion, in one guest."""
    image = bench.image("arm64", jobs, [(name, f"GW{serial:016X}") for name, serial in order],
                        module=True)
    return bench.qemu(image, sockets, min(bench.rounds, ROUNDS_A_BOOT))


def alone_samples(bench, jobs, name, rounds):
    """The rows of a plan that needs a guest of its own; and what the device moved, in bytes."""
    options, more = ALONE[name]
    image = bench.image("arm64", jobs, [(name, f"GW{1:016X}")])
    rows, report = bench.run("arm64", image, [f"sim:nvme,file={bench.disk(name)},serial=1"],
                             ["--memory", "2G", *options], rounds=rounds, more=more)
    return rows, report["dma_read_bytes"] + report["dma_written_bytes"]


def plan_samples(bench, jobs):
    """Each plan's rows: {(job, plan): [[fields of a turn, for each] of a boot, for each]}.

    And {plan: [bytes that were bounced, all that were moved]} of those that count them.
    """
    boots = -(-bench.rounds // ROUNDS_A_BOOT)
    # half as many turns, as they take a guest each
    alone = (min(bench.rounds, ROUNDS_A_BOOT) + 1) // 2
    say(f"the plans beside one another, {boots * len(jobs) * (3 * ROUNDS_A_BOOT + 3 * alone)} turns of "
        f"{TURN_MS} ms at most ...")
    rows, bounced = {}, {}
    with contextlib.ExitStack() as stack:
        sockets = []
        for (name, serial), options in zip(SERIALS.items(), (DIRECT, RANGES, SMALL)):
            sockets += stack.enter_context(bench.serve(name, serial, options))
        orders = itertools.cycle(itertools.permutations(SERIALS.items()))
        turns = itertools.cycle(itertools.permutations(ALONE))
        for boot, order, names in zip(range(boots), orders, turns):
            say(f"guests {boot + 1} of {boots}")
            add_samples(rows, companion_samples(bench, jobs, sockets, order))
            for name in names:
                bench.bounced = None
                new, moved = alone_samples(bench, jobs, name, alone)
                add_samples(rows, new)
                if bench.bounced is not None:
                    before = bounced.get(name, (0, 0))
                    bounced[name] = before[0] + bench.bounced, before[1] + moved
    return rows, bounced


def plan_rows(bench, jobs):
    """Each plan beside direct."""
    rows, bounced = plan_samples(bench, jobs)
    for plan in PLANS:
        for name, _, unit, number in jobs:
            row = beside_in_turns if plan in SERIALS else beside_by_boot
            mine, direct = ([fields(boot, number) for boot in rows[name, which]]
                            for which in (plan, "direct"))
            if plan in SERIALS:
                mine, direct = sum(mine, []), sum(direct, [])
            yield row(f"{plan}/{name}", unit, mine, "direct", direct)
    for plan, (copied, moved) in bounced.items():
        yield {"name": f"{plan}/bounced", "value": copied, "unit": "bytes", "peer": "all DMA",
               "peer_value": moved, "ratio": round(1 - copied / moved, 4), "floor": None}


def warm_rows(bench):
    """How often a warm guest asks the host, at depth 32, with a budget below its RAM."""
    jobs = [("warm-up", JOBS[1][1], "", 5), ("read", JOBS[1][1], "", 5), ("write", JOBS[3][1], "", 46)]
    image = bench.image("arm64", jobs, [("warm", f"GW{1:016X}")], module=True)
    say(f"maps of a warm guest, {len(jobs) * bench.rounds} turns of {TURN_MS} ms ...")
    rows, report = bench.run("arm64", image, [f"sim:nvme,file={bench.disk('warm')},serial=1"],
                             ["--memory", "2G", *SMALL])
    before, after = ([sum(bench.maps[job][i + at] for job in ("read", "write")) for i in (0, 1)]
                     for at in (0, 2))
    maps = after[0] - before[0]
    hits = maps - (after[1] - before[1])
    requests = sum(sum(fields(rows[name, "warm"], number)) / 4 for name, _, _, number in jobs)
    traps = report["trapped_reads"] + report["trapped_writes"]
    yield beside("warm-hit", "%", [100 * hits / maps], "all maps", [100])
    yield {"name": "traps-per-io", "value": traps / requests, "unit": "traps", "peer": "limit",
           "peer_value": 0.01, "ratio": round(0.01 * requests / traps, 4), "floor": None}


def fio_rows(build, quick, only):
    """All rows with fio; of those only what has a word in its name."""
    rounds = 2 if quick else ROUNDS
    peer = [job for job in JOBS if only in job[0]]
    polling = [job for job in JOBS if "qd1" in job[0] and only in f"polling/{job[0]}"]
    plan = [job for job in [*JOBS, SCATTERED] if only in "window-first/bounced"
            or any(only in f"{name}/{job[0]}" for name in PLANS)]
    # each with files of its own, which take memory until it ends
    with Bench(build, rounds) as bench:
        if peer:
            yield from peer_rows(bench, peer)
    with Bench(build, rounds) as bench:
        if polling:
            yield from polling_rows(bench, polling)
    with Bench(build, rounds) as bench:
        if plan:
            yield from plan_rows(bench, plan)
    with Bench(build, rounds) as bench:
        if only in "warm-hit" or only in "traps-per-io":
            yield from warm_rows(bench)
