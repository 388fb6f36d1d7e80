# SPDX-License-Identifier: BSD-3-Clause
"""What tests of plan paravirt have in common."""

import json
import os
import socket
import time

import guest

PROBE_TEST = "tests/guest/probe-test"


def module(arch, version, folder=None):
    """Build a module for a guest's kernel; its path."""
    words = ["module", guest.kernel_arch(arch), version]
    return guest.provisioned(*words, *([f"{guest.ROOT}/{folder}"] if folder else []))


def files(arch, version, probe=False):
    """The modules for a guest's image, in the form that the option `add` of Work.image() takes."""
    add = (f"{module(arch, version)}:/gangway-dma.ko",)
    if probe:
        add += (f"{module(arch, version, PROBE_TEST)}:/probe-test.ko",)
    return add


def disk(work, size="128M", name="disk.img"):
    """A disk, as a device of gangway."""
    return f"sim:nvme,file={work.path(name)},size={size}"


def kexec_files(work, arch, version):
    """What a guest needs to start another kernel, likewise."""
    inner = work.image(arch, version, add=(work.seed(), *files(arch, version)))
    return (f"{inner}:/initrd", f"{guest.kernel(arch, version)}:/kernel")


def run(work, script, arch, version, memory, options=(), devices=None, probe=False, cpus=2,
        fio=True, built=None, add=(), **more):
    """A guest under `gangway run --plan paravirt`; use it in a `with`."""
    return work.run(script, devices or [disk(work)],
                    ["--plan", "paravirt", "--memory", memory, "--cpus", str(cpus), *options],
                    arch=arch, version=version, fio=fio, built=built,
                    add=(work.seed(), *files(arch, built or version, probe), *add), **more)


def size_and_budget(memory, budget, arch, version):
    """A test of one guest; sizes in MiB. A budget that can be is used up."""
    pages = {16: 2, 256: 10, 1536: 3}[budget] if memory > 512 else 3
    evicts = int(memory > budget and budget <= 256 and memory > 512)

    def test(work):
        mode = "ranges" if memory <= budget else "windows"
        with run(work, "paravirt-ram", arch, version, f"{memory}M",
                 ["--host-option", f"max-bytes={budget}M"],
                 append=f"gangway.mode={mode} gangway.pages={pages} gangway.evicts={evicts} "
                        "init_on_alloc=0") as started:
            report = started.finish()
        guest.expect(report["peak_bytes"] <= budget * guest.MIB,
                     f"{report['peak_bytes']} bytes were mapped, with {budget} MiB to map")
        if mode == "ranges":
            guest.expect(report["maps"] < 20, f"{report['maps']} mappings where a few cover RAM")
    test.__name__ = f"ram_{memory}_budget_{budget}"
    test.__doc__ = (f"Linux {version} on {arch} with {memory} MiB, of which {budget} MiB can be "
                    "mapped.")
    return test


def reload_module(work, times):
    """Unload and load the module under I/O in a guest of which all RAM can be mapped."""
    with run(work, "paravirt", "arm64", "7.2", "512M",
             append=f"gangway.reloads={times}") as started:
        report = started.finish()
    guest.expect(started.values.get("reloads") == str(times),
                 f"{started.values.get('reloads')} reloads, not {times}")
    guest.expect(report["maps"] > times, f"{report['maps']} mappings in {times + 1} loads")


def start_again(work, arch, version):
    """A guest reboots, is reset, starts another kernel; each finds nothing of the one before."""
    with run(work, "paravirt-reboot", arch, version, "1G", qemu=(),
             add=kexec_files(work, arch, version)) as started:
        report = started.finish()
    guest.expect(started.values.get("boots") == "4", f"{started.values.get('boots')} boots, not 4")
    guest.expect(report["resets"] >= 4, f"the function saw {report['resets']} resets")


class Server(guest.Server):
    """`gangway serve --plan paravirt` with several devices or one."""

    def __init__(self, work, devices, options=(), name="serve"):
        companion = os.path.join(work.dir, f"{name}-companion")
        super().__init__(work, devices,
                         ["--plan", "paravirt", "--companion", companion, *options], name)
        ends = [f".{i}" for i in range(len(devices))] if len(devices) > 1 else [""]
        self.functions = [self.socket + end for end in ends]
        self.companions = [companion + end for end in ends]

    @property
    def sockets(self):
        """Of all functions and companions, in pairs."""
        return [path for pair in zip(self.functions, self.companions) for path in pair]


class Monitor:
    """A connection to QEMU's monitor (QMP)."""

    def __init__(self, path):
        deadline = time.monotonic() + 60
        while not os.path.exists(path):
            guest.expect(time.monotonic() < deadline, "QEMU has no monitor")
            time.sleep(0.05)
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(120)
        self.socket.connect(path)
        self.file = self.socket.makefile("rw", encoding="utf-8")
        self.events = []
        self.file.readline()
        self.command("qmp_capabilities")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.file.close()
        self.socket.close()

    def _read(self):
        line = self.file.readline()
        guest.expect(line, "the monitor is closed")
        return json.loads(line)

    def command(self, name, **arguments):
        """Do it; return what it answers."""
        words = {"execute": name, "arguments": arguments}
        self.file.write(json.dumps(words) + "\n")
        self.file.flush()
        while True:
            answer = self._read()
            if "event" in answer:
                self.events.append(answer)
                continue
            guest.expect("return" in answer, f"QEMU refuses {name}: {answer.get('error')}")
            return answer["return"]

    def plug(self, name, bus, path):
        """Plug the device behind a socket."""
        self.command("device_add", id=name, bus=bus, **guest.vfio_user(path))

    def unplug(self, name):
        """Unplug a device, and wait until the guest has let it go."""
        self.command("device_del", id=name)
        while not any(event["event"] == "DEVICE_DELETED" and event["data"].get("device") == name
                      for event in self.events):
            answer = self._read()
            if "event" in answer:
                self.events.append(answer)
