#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""Plan paravirt: several functions in one guest, and functions that come and go."""

import os
import sys

import guest
import paravirt


def budgets_of_their_own(work):
    """Two disks and a probe with a companion each: 64 MiB for two of them, 4 MiB for one."""
    large = ["--host-option", "max-bytes=64M"], "large"
    small = ["--host-option", "max-bytes=4M"], "small"
    with paravirt.Server(work, [paravirt.disk(work, "64M"), "sim:probe"], *large) as one, \
            paravirt.Server(work, [paravirt.disk(work, "64M", "second.img")], *small) as two:
        with guest.Vmm(work, None, "paravirt-many", "1G", sockets=one.sockets + two.sockets,
                       fio=True, append=f"gangway.budgets={64 * guest.MIB},{4 * guest.MIB}",
                       add=(work.seed(), *paravirt.files("x86_64", "7.2", probe=True))) as vmm:
            vmm.finish()
        reports = one.finish(), two.finish()
    guest.expect(reports[0]["peak_bytes"] <= 128 * guest.MIB,
                 f"{reports[0]['peak_bytes']} bytes of 128 MiB were mapped")
    guest.expect(reports[1]["peak_bytes"] <= 4 * guest.MIB,
                 f"{reports[1]['peak_bytes']} bytes of 4 MiB were mapped")


def several_behind_one_process(work):
    """On arm64, which numbers buses itself, two disks and a probe are served by one process."""
    each = 32 * guest.MIB
    with paravirt.run(work, "paravirt-many", "arm64", "7.2", "1G",
                      ["--host-option", f"max-bytes={each}"],
                      devices=[paravirt.disk(work, "64M"),
                               paravirt.disk(work, "64M", "second.img"), "sim:probe"],
                      probe=True, append=f"gangway.budgets={each},{each}") as run:
        report = run.finish()
    guest.expect(report["peak_bytes"] <= 3 * each,
                 f"{report['peak_bytes']} bytes were mapped, with {3 * each} for all")


def come_and_go(work):
    """A function is plugged later, and removed under load; another comes before its companion."""
    path = os.path.join(work.dir, "monitor")
    ports = [word for i in range(1, 4) for word in
             ("-device", f"pcie-root-port,id=port{i},slot={i},chassis={i}")]
    disks = [paravirt.disk(work, "32M"), paravirt.disk(work, "32M", "second.img")]
    with paravirt.Server(work, disks) as server:
        with guest.Vmm(work, server, "paravirt-hotplug", sockets=server.companions[:1], fio=True,
                       qemu=(*ports, "-qmp", f"unix:{path},server=on,wait=off"),
                       add=(work.seed(), *paravirt.files("x86_64", "7.2"))) as vmm, \
                paravirt.Monitor(path) as monitor:
            vmm.console.wait_for("gw-step: ready: plug the function", 180)
            monitor.plug("one", "port1", server.functions[0])
            vmm.console.wait_for("gw-step: ready: plug another", 180)
            monitor.plug("two", "port2", server.functions[1])
            monitor.plug("companion", "port3", server.companions[1])
            vmm.console.wait_for("gw-step: busy: unplug that companion", 180)
            monitor.unplug("companion")
            vmm.finish()
        server.finish()


def memory_is_added(work):
    """Memory is plugged while all there was is mapped for a disk; it is reached as well."""
    path = os.path.join(work.dir, "monitor")
    with paravirt.Server(work, [paravirt.disk(work)]) as server:
        with guest.Vmm(work, server, "paravirt-more", sockets=server.sockets, fio=True,
                       qemu=("-m", "slots=1,maxmem=2G", "-qmp", f"unix:{path},server=on,wait=off"),
                       add=(work.seed(), *paravirt.files("x86_64", "7.2"))) as vmm, \
                paravirt.Monitor(path) as monitor:
            vmm.console.wait_for("gw-step: ready: plug memory", 180)
            monitor.command("object-add", **{"qom-type": "memory-backend-memfd", "id": "more",
                                             "size": 256 * guest.MIB, "share": True})
            monitor.command("device_add", driver="pc-dimm", id="dimm", memdev="more")
            vmm.finish()
        server.finish()


if __name__ == "__main__":
    sys.exit(guest.main([budgets_of_their_own, several_behind_one_process, come_and_go,
                         memory_is_added]))
