#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""Plan direct behind an IOMMU of the guest's own, as QEMU models it: strict, lazy, and switched.

How it works. QEMU traces each map and unmap that it sends. From that follows what the guest's
kernel has mapped at each of its steps; and at the end, that we have made as many.
"""

import os
import re
import sys

import guest

TAKES = ["--host-option", "caller-iova=on"]
VIRTIO_ALONE = "gangway.modules=virtio_iommu"
# where the driver is a module, devices wait for it; Linux' own patience is 10 s
WAIT = "deferred_probe_timeout=300"
RAM = 512           # MiB
WHOLE = 4 << 20     # drivers map less at a time, firmware and bypass map more
STORM = 2000        # requests of a storm, at least
LEAK = 32           # bytes for each map: anything that is kept takes more


class Trace:
    """What QEMU maps and unmaps for one device, and what is mapped at the guest's steps.

    The guest runs on while we read its console; so at each step it reads the last byte of the
    function's old configuration space, which nobody else does, and the trace has that, too.
    """

    EVENT = re.compile(r"vfio_user_(dma_map|dma_unmap)\s+iova 0x(\w+) size 0x(\w+) .*?"
                       r"flags 0x(\w+)|vfio_user_region_rw.*region 7 offset 0xff count 1$")
    ALL = 2

    def __init__(self, path):
        self.path = path
        self.words = ["-D", path]
        for event in ("vfio_user_dma_map", "vfio_user_dma_unmap", "vfio_user_region_rw"):
            self.words += ["-trace", event]
        self.texts = []     # of the steps
        self.steps = {}     # text: (maps until then, {first: last} of what is mapped)
        self.live = {}
        self.maps = 0

    def _unmap(self, first, last):
        if self.live.get(first) == last:
            del self.live[first]
            return
        for at, end in list(self.live.items()):
            if at > last or end < first:
                continue
            guest.expect(first <= at and end <= last,
                         f"an unmap of {first:#x}-{last:#x} cuts {at:#x}-{end:#x}")
            del self.live[at]

    def read(self):
        """Once QEMU has ended."""
        marks = 0
        with open(self.path, encoding="ascii") as file:
            for found in filter(None, map(self.EVENT.search, file)):
                if not found.group(1):
                    guest.expect(marks < len(self.texts), "more marks than steps")
                    self.steps[self.texts[marks]] = (self.maps, dict(self.live))
                    marks += 1
                    continue
                first, size, flags = (int(word, 16) for word in found.groups()[1:])
                if found.group(1) == "dma_unmap":
                    self._unmap(first, (1 << 64) - 1 if flags & self.ALL else first + size - 1)
                    continue
                guest.expect(first not in self.live, f"{first:#x} is mapped twice")
                self.live[first] = first + size - 1
                self.maps += 1
        guest.expect(marks == len(self.texts), f"{marks} marks, the steps were {self.texts}")

    def judge(self, what):
        """What must hold at the steps."""
        for text, (_, live) in self.steps.items():
            shown = [f"{first:#x}-{last:#x}" for first, last in sorted(live.items())[:4]]
            size = sum(last - first + 1 for first, last in live.items())
            whole = any(last - first >= WHOLE for first, last in live.items())
            if text in ("unbound from DMA", "now DMA", "now DMA-FQ"):
                guest.expect(not live, f"{text}: mapped are {shown}")
            elif text in ("now identity", "unbound from identity"):
                guest.expect(size >= RAM << 20, f"{text}: {size} bytes are mapped: {shown}")
            elif text != "unbound from DMA-FQ":
                guest.expect(live, f"{text}: nothing is mapped")
                guest.expect(not whole, f"{text}: {size} bytes are mapped: {shown}")
        maps = {text: maps for text, (maps, _) in self.steps.items()}
        storms = [maps["stormed"] - maps["storm"], maps["stormed again"] - maps["storm again"]]
        guest.expect(min(storms) >= STORM, f"{storms} maps in storms of {STORM} requests")
        print(f"     {what}: {self.maps} maps, {storms} in storms of fio")


def quiet(log):
    """QEMU has had nothing to say of its maps."""
    found = re.search(r"^.*(?:vfio_container|vfio-user|vtd_|iommu).*(?:fail|error|not).*$", log,
                      re.M | re.I)
    guest.expect(not found, f"QEMU said: {found and found.group(0)}")


def through_all_types(work, kind, arch, cpus):
    """Strict, lazy, identity and strict again, a reset while mapped, and a second boot."""
    trace = Trace(work.path("maps"))
    options = ["--viommu", kind, "--memory", f"{RAM}M", "--cpus", str(cpus), *TAKES]
    with work.run("viommu", [f"sim:nvme,file={work.path('disk.img')},size=64M"], options,
                  qemu=trace.words, on_step=trace.texts.append, arch=arch, fio=True,
                  add=(work.seed(),),
                  append=f"iommu.strict=1 {WAIT} gangway.type=DMA gangway.sum={work.seed_sum(1)}"
                  ) as run:
        report = run.finish()
        quiet(run.stderr())
    guest.expect(run.values.get("boots") == "2", "there was no second boot")
    guest.expect(report["plan"] == "direct", f"the plan was {report['plan']}")
    trace.read()
    guest.expect(report["maps"] == trace.maps,
                 f"QEMU sent {trace.maps} maps, {report['maps']} were made")
    trace.judge(f"{run.values['kernel']}, {kind}")


def arm64_virtio(work):
    """virtio-iommu under Linux 7.2 on arm64: strict, lazy, switched, reset while mapped."""
    # one processor: the driver spins for each answer, and QEMU and we need one, too
    through_all_types(work, "virtio", "arm64", 1)


def x86_64_intel(work):
    """intel-iommu under Linux 7.2 on x86-64: strict, lazy, switched, reset while mapped."""
    through_all_types(work, "intel", "x86_64", 2)


def x86_64_virtio_killed(work):
    """virtio-iommu of a QEMU of one's own, lazy from boot; killed while mapped, served again."""
    trace = Trace(work.path("maps"))
    with guest.Server(work, [f"sim:nvme,file={work.path('disk.img')},size=64M"], TAKES) as server:
        with guest.Vmm(work, server, "viommu", memory=f"{RAM}M", cpus=1, on_step=trace.texts.append,
                       qemu=["-device", "virtio-iommu-pci", *trace.words], fio=True,
                       add=(work.seed(),),
                       append=f"iommu.strict=0 {WAIT} {VIRTIO_ALONE} gangway.type=DMA-FQ "
                       f"gangway.sum={work.seed_sum(1)} gangway.until=kill") as vmm:
            vmm.console.wait_for("gw-step: busy$", 600)
            vmm.kill()
            quiet(vmm.stderr())
        server.wait_stderr("client gone", 30)
        report = server.finish()
    trace.read()
    guest.expect(trace.live, "nothing was mapped when QEMU was killed")
    # the last few may have been on their way
    guest.expect(0 <= trace.maps - report["maps"] <= 1,
                 f"QEMU sent {trace.maps} maps, {report['maps']} were made")
    trace.judge(f"{vmm.values['kernel']}, virtio")


def no_quarantine():
    """For `env`: AddressSanitizer keeps what is freed for a while, which looks like a leak."""
    old = os.environ.get("ASAN_OPTIONS", "")
    return f"ASAN_OPTIONS={old}:quarantine_size_mb=1:thread_local_quarantine_size_kb=64"


def taken(pid):
    """What a process takes: KiB that it has for itself; seconds of CPU, until now."""
    with open(f"/proc/{pid}/status", encoding="ascii") as file:
        memory = int(re.search(r"RssAnon:\s+(\d+) kB", file.read()).group(1))
    with open(f"/proc/{pid}/stat", encoding="ascii") as file:
        ticks = file.read().rpartition(")")[2].split()[11:13]
    return memory, sum(map(int, ticks)) / os.sysconf("SC_CLK_TCK")


def every_operation(work, kind, arch, faults, pairs):
    """The probe's driver tries all, and so many accesses must fail; then a storm of pairs."""
    module = guest.provisioned("module", guest.kernel_arch(arch), "7.2",
                               f"{guest.ROOT}/tests/guest/probe-test")
    steps = {}
    with work.run("viommu-probe", ["sim:probe"],
                  ["--viommu", kind, "--memory", f"{RAM}M", *TAKES], arch=arch,
                  wrap=["env", no_quarantine()], add=(f"{module}:/probe-test.ko",),
                  on_step=lambda text: steps.update({text: taken(run.popen.pid)}),
                  append=f"iommu.strict=1 {WAIT} gangway.pairs={pairs}") as run:
        report = run.finish(code=4, faults=faults)
        quiet(run.stderr())
    values = run.values
    guest.expect(values["type"] == "DMA", f"the group is {values['type']}")
    guest.expect(int(values["refused"]) == faults, f"{values['refused']} accesses failed")
    guest.expect(report["maps"] > pairs, f"{report['maps']} maps")
    grown, cpu = (after - before for before, after in zip(steps["pairs"], steps["pairs made"]))
    guest.expect(grown * 1024 < pairs * LEAK, f"{pairs} maps and unmaps: {grown} KiB more")
    print(f"     {kind}: a page mapped and unmapped takes {int(values['pair_ns']) / 1000:.0f} us "
          f"in the guest, of which gangway has the processor for {cpu / pairs * 1e6:.1f} us; after "
          f"{pairs} times it has {grown:+} KiB")


def every_operation_behind_virtio(work):
    """Every DMA operation behind virtio-iommu; what is unmapped is out of reach at once."""
    # QEMU does not tell of registers of devices that the guest maps: one more that fails
    every_operation(work, "virtio", "arm64", 301, 20000)


def every_operation_behind_intel(work):
    """Every DMA operation behind intel-iommu; what is unmapped is out of reach at once."""
    every_operation(work, "intel", "x86_64", 300, 20000)


if __name__ == "__main__":
    sys.exit(guest.main([arm64_virtio, x86_64_intel, x86_64_virtio_killed,
                         every_operation_behind_virtio, every_operation_behind_intel]))
