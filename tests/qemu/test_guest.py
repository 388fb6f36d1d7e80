# SPDX-License-Identifier: BSD-3-Clause
"""Linux guests in a QEMU with gangway inside: a disk under load by each plan."""

import json
import os
import pathlib
import subprocess
import sys

import inside

sys.path.append(str(inside.ROOT / "tests" / "guest"))

import guest        # noqa: E402
import paravirt     # noqa: E402

TAKES = "caller-iova=on"


class Vmm(guest.Process):
    """A guest, and what it has on its ports; use it in a `with`."""

    def __init__(self, work, script, devices, arch="arm64", memory="768M", cpus=2, root=False,
                 qemu=("-no-reboot",), **image):
        work.runs += 1
        words = dict(zip(*[iter(work.words(script, arch=arch, **image))] * 2))
        arm = arch == "arm64"
        command = [os.path.join(work.qemu, "qemu-system-" + ("aarch64" if arm else arch)),
                   *inside.firmware(), "-machine", "virt" if arm else "q35", "-accel",
                   words["--accel"], "-cpu", "max,pauth-impdef=on" if arm else "max", "-smp",
                   str(cpus), "-m", memory, "-nodefaults", "-display", "none", *qemu,
                   "-serial", "stdio", "-kernel", words["--kernel"], "-initrd", words["--initrd"],
                   "-append", ("console=ttyAMA0 " if arm else "console=ttyS0 no_timer_check ") +
                   words["--append"]]
        for i, properties in enumerate(devices):
            if root:
                place = {"bus": "pcie.0", "addr": f"{16 + i:x}.0"}
            else:
                place = {"bus": f"port{i}"}
                command += ["-device", f"pcie-root-port,id=port{i},slot={i},chassis={i}"]
            command += ["-device", json.dumps({"driver": "gangway-pci", **place, **properties})]
        super().__init__(command, work.path("stderr.log"), stdin=subprocess.DEVNULL,
                         stdout=subprocess.PIPE)
        self.console = guest.Console(self.popen.stdout, work.path("console.log"))

    def __exit__(self, kind, *_):
        super().__exit__(kind)
        self.console.close()
        self.popen.stdout.close()

    def finish(self, plan, seconds=1500):
        """Wait for the guest's own end, and judge it."""
        self.console.drain(seconds)
        status = self.wait(60)
        said = self.stderr()
        guest.expect(not self.console.trouble, self.console.trouble)
        guest.expect(self.console.exits == [0], f"the guest's tests ended with {self.console.exits}")
        guest.expect(status == 0, f"QEMU ended with {status}:\n{said}")
        guest.expect(f"plan {plan}:" in said, f"another plan:\n{said}")
        guest.expect("not given" not in said, f"DART faults:\n{said}")


def disk(work, **more):
    return {"id": "fn0", "device": f"sim:nvme,file={work.path('disk.img')},size=256M", **more}


def arm64_window(work):
    """Linux 7.2 on arm64 with the plan window, in QEMU's own memory."""
    with Vmm(work, "matrix", [disk(work, plan="window", window=384 * guest.MIB)], fio=True,
             add=(work.seed(),)) as vmm:
        vmm.finish("window")
    guest.expect(int(vmm.console.values["bounced"]) > 0, "nothing was bounced")


def x86_64_direct(work):
    """Linux 7.2 on x86-64 with the plan direct."""
    with Vmm(work, "matrix", [disk(work, plan="direct", **{"host-options": TAKES})],
             arch="x86_64", fio=True, add=(work.seed(),)) as vmm:
        vmm.finish("direct")


def arm64_paravirt(work):
    """Linux 7.2 on arm64 with the plan paravirt: the module maps through the companion."""
    with Vmm(work, "paravirt-simple", [disk(work, plan="paravirt"),
                                       {"companion-of": "fn0"}], memory="512M", fio=True,
             add=(work.seed(), *paravirt.files("arm64", "7.2"))) as vmm:
        vmm.finish("paravirt")


def x86_64_paravirt(work):
    """Linux 7.2 on x86-64 with the plan paravirt, of which 256 MiB can be mapped."""
    with Vmm(work, "paravirt-simple", [disk(work, plan="paravirt",
                                            **{"host-options": "max-bytes=256M"}),
                                       {"companion-of": "fn0"}], arch="x86_64", memory="1G",
             fio=True, add=(work.seed(), *paravirt.files("x86_64", "7.2"))) as vmm:
        vmm.finish("paravirt")


def x86_64_viommu(work):
    """intel-iommu under Linux 7.2 on x86-64: strict, lazy, switched; reset while mapped, and again."""
    with Vmm(work, "viommu", [{"id": "fn0", "plan": "direct", "host-options": TAKES,
                               "device": f"sim:nvme,file={work.path('disk.img')},size=64M"}],
             arch="x86_64", memory="512M", qemu=("-device", "intel-iommu,caching-mode=on"),
             fio=True, add=(work.seed(),),
             append="intel_iommu=on iommu.strict=1 deferred_probe_timeout=300 gangway.type=DMA "
                    f"gangway.sum={work.seed_sum(1)}") as vmm:
        vmm.finish("direct")
    guest.expect(vmm.console.values.get("boots") == "2", "there was no second boot")


def arm64_pool(work):
    """Linux 6.12 on arm64 with the plan pool, and a kernel that has such pools."""
    with Vmm(work, "pool", [disk(work, plan="pool")], memory="512M", root=True, version="6.12",
             built="pool", add=(work.seed(),),
             append=f"gangway.sum={work.seed_sum(8)} gangway.expect=") as vmm:
        vmm.finish("pool")


TESTS = [arm64_window, x86_64_direct, x86_64_viommu, arm64_paravirt, x86_64_paravirt]
# the kernel is built for it, which takes long
CACHE = pathlib.Path(guest.provisioned("cache-dir"))
if any(CACHE.glob("kernels/arm64-pool-*/Image")):
    TESTS.append(arm64_pool)

if __name__ == "__main__":
    folder = os.path.realpath(sys.argv.pop(1))

    class Work(guest.Work):
        """... with the QEMUs that were built."""
        qemu = folder

    guest.Work = Work
    guest.main(TESTS)
