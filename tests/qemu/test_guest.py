# SPDX-License-Identifier: BSD-3-Clause
"""Linux guests in a QEMU with gangway inside: a disk under load by each plan."""

import json
import os
import pathlib
import re
import subprocess
import sys

import inside

sys.path.append(str(inside.ROOT / "tests" / "guest"))

import guest        # noqa: E402
import paravirt     # noqa: E402
import test_lifecycle as lifecycle  # noqa: E402

TAKES = "caller-iova=on"


class Vmm(guest.Process):
    """A guest, and what it has on its ports; use it in a `with`."""

    FREE = 2    # ports that nothing is on yet

    def __init__(self, work, script, devices, arch="arm64", memory="768M", cpus=2, root=False,
                 qemu=("-no-reboot",), **image):
        self.monitor_path = os.path.join(work.dir, f"monitor{work.runs}")
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
        for i in range(0 if root else len(devices) + self.FREE):
            command += ["-device", f"pcie-root-port,id=port{i},slot={i},chassis={i}"]
        for i, properties in enumerate(devices):
            place = {"bus": "pcie.0", "addr": f"{16 + i:x}.0"} if root else {"bus": f"port{i}"}
            command += ["-device", json.dumps({"driver": "gangway-pci", **place, **properties})]
        command += ["-qmp", f"unix:{self.monitor_path},server=on,wait=off"]
        super().__init__(command, work.path("stderr.log"), stdin=subprocess.DEVNULL,
                         stdout=subprocess.PIPE)
        self.console = guest.Console(self.popen.stdout, work.path("console.log"))

    def __exit__(self, kind, *_):
        super().__exit__(kind)
        self.console.close()
        self.popen.stdout.close()

    def kill(self):
        """As a crash of it."""
        self.popen.kill()
        self.console.drain(60)
        self.wait(60)

    def finish(self, plan, seconds=1500, faults=()):
        """Wait for the guest's own end, and judge it."""
        self.console.drain(seconds)
        status = self.wait(60)
        said = self.stderr()
        guest.expect(not self.console.trouble, self.console.trouble)
        guest.expect(self.console.exits == [0], f"the guest's tests ended with {self.console.exits}")
        guest.expect(status == 0, f"QEMU ended with {status}:\n{said}")
        guest.expect(f"plan {plan}:" in said, f"another plan:\n{said}")
        guest.expect(set(re.findall(r"not given, (\d+) times", said)) == set(faults),
                     f"DART faults, not {faults}:\n{said}")
        guest.expect("still reaches" not in said, f"mappings are left:\n{said}")


def disk(work, name="disk.img", **more):
    return {"id": "fn0", "device": f"sim:nvme,file={work.path(name)},size=256M", **more}


def direct_disk(work, name="disk.img", **more):
    return disk(work, name, **{"plan": "direct", "host-options": TAKES, **more})


def arm64_window(work):
    """Linux 7.2 on arm64 with the plan window, in QEMU's own memory."""
    with Vmm(work, "matrix", [disk(work, plan="window", window=384 * guest.MIB)], fio=True,
             add=(work.seed(),)) as vmm:
        vmm.finish("window")
    guest.expect(int(vmm.console.values["bounced"]) > 0, "nothing was bounced")


def x86_64_direct(work):
    """Linux 7.2 on x86-64 with the plan direct."""
    with Vmm(work, "matrix", [direct_disk(work)], arch="x86_64", fio=True,
             add=(work.seed(),)) as vmm:
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


def arm64_reboots(work):
    """An arm64 guest reboots, and is reset in the middle of writing, under plan window."""
    with Vmm(work, "reboot", [disk(work, plan="window", window=256 * guest.MIB)], memory="512M",
             qemu=(), add=(work.seed(),), append=f"gangway.sum={work.seed_sum(8)}") as vmm:
        vmm.finish("window")
    guest.expect(vmm.console.values.get("boots") == "3", f"{vmm.console.values.get('boots')} boots")


def x86_64_paravirt_reboots(work):
    """Under plan paravirt a guest reboots, is reset, starts another kernel; each starts anew."""
    with Vmm(work, "paravirt-reboot", [disk(work, plan="paravirt"), {"companion-of": "fn0"}],
             arch="x86_64", memory="1G", qemu=(), fio=True,
             add=(work.seed(), *paravirt.files("x86_64", "7.2"),
                  *paravirt.kexec_files(work, "x86_64", "7.2"))) as vmm:
        vmm.finish("paravirt")
    guest.expect(vmm.console.values.get("boots") == "4", f"{vmm.console.values.get('boots')} boots")


def x86_64_killed(work):
    """QEMU is killed in mid-write; the next one reads all that was synced."""
    with Vmm(work, "crash-write", [direct_disk(work)], arch="x86_64", memory="512M",
             add=(work.seed(),)) as vmm:
        vmm.console.wait_for("gw-step: synced 12$", 180)
        vmm.kill()
        last = lifecycle.last_synced(vmm.console.log_path)
    with Vmm(work, "crash-check", [direct_disk(work)], arch="x86_64", memory="512M",
             add=(work.seed(),), append=f"gangway.last={last}") as vmm:
        vmm.finish("direct")
    guest.expect(vmm.console.values.get("intact") == str(last + 1),
                 f"{vmm.console.values.get('intact')} files of {last + 1} are intact")


def x86_64_two(work):
    """A disk and a probe in one guest work side by side; a stray access of the probe is a fault."""
    probe = {"id": "fn1", "device": "sim:probe", "plan": "direct"}
    with Vmm(work, "two", [direct_disk(work), probe], arch="x86_64", memory="512M",
             add=(work.seed(),)) as vmm:
        vmm.finish("direct", faults=["1"])


def x86_64_come_and_go(work):
    """Under plan paravirt a function and its companion are plugged; that one goes under load."""
    with Vmm(work, "paravirt-hotplug", [disk(work, plan="paravirt"), {"companion-of": "fn0"}],
             arch="x86_64", memory="512M", fio=True,
             add=(work.seed(), *paravirt.files("x86_64", "7.2"))) as vmm, \
            paravirt.Monitor(vmm.monitor_path) as monitor:
        vmm.console.wait_for("gw-step: ready: plug another", 300)
        monitor.command("device_add", driver="gangway-pci", bus="port2",
                        **{**disk(work, "second.img"), "id": "fn1"})
        monitor.command("device_add", driver="gangway-pci", bus="port3", id="companion",
                        **{"companion-of": "fn1"})
        vmm.console.wait_for("gw-step: busy: unplug that companion", 300)
        monitor.unplug("companion")
        vmm.finish("paravirt")


def arm64_pool(work):
    """Linux 6.12 on arm64 with the plan pool, and a kernel that has such pools."""
    with Vmm(work, "pool", [disk(work, plan="pool")], memory="512M", root=True, version="6.12",
             built="pool", add=(work.seed(),),
             append=f"gangway.sum={work.seed_sum(8)} gangway.expect=") as vmm:
        vmm.finish("pool")


TESTS = [arm64_window, x86_64_direct, x86_64_viommu, arm64_paravirt, x86_64_paravirt,
         arm64_reboots, x86_64_paravirt_reboots, x86_64_killed, x86_64_two, x86_64_come_and_go]
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
