#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""Plan paravirt: several functions in one guest, and functions that come and go."""

import json
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


def memory_comes_and_goes(work, mode):
    """Plug a DIMM, unplug it, plug another at the same place."""
    path = os.path.join(work.dir, "monitor")
    with paravirt.Server(work, [paravirt.disk(work)]) as server:
        with guest.Vmm(work, server, "paravirt-more", sockets=server.sockets, fio=True,
                       append=f"memhp_default_state=online_movable gangway.mode={mode}",
                       qemu=("-m", "slots=1,maxmem=2G", "-qmp", f"unix:{path},server=on,wait=off"),
                       add=(work.seed(), *paravirt.files("x86_64", "7.2"))) as vmm, \
                paravirt.Monitor(path) as monitor:
            for number in range(2):
                vmm.console.wait_for("gw-step: ready: plug memory", 300)
                monitor.command("object-add", **{"qom-type": "memory-backend-memfd",
                                                 "id": f"more{number}", "size": 256 * guest.MIB,
                                                 "share": True})
                monitor.command("device_add", driver="pc-dimm", id="dimm", memdev=f"more{number}")
                if number == 0:
                    vmm.console.wait_for("gw-step: ready: unplug memory", 300)
                    monitor.unplug("dimm")
            vmm.finish()
        server.finish()


def memory_comes_and_goes_ranges(work):
    """A DIMM is plugged, unplugged and plugged again under I/O, where all RAM is mapped."""
    memory_comes_and_goes(work, "auto")


def memory_comes_and_goes_windows(work):
    """The same where blocks of RAM are mapped as needed."""
    memory_comes_and_goes(work, "windows")


def memory_in_small_pieces(work):
    """Virtio-mem gives the guest memory, takes it away and gives it again, under I/O."""
    path = os.path.join(work.dir, "monitor")
    words = ("-m", "slots=1,maxmem=2G", "-object",
             "memory-backend-memfd,id=more,size=512M,share=on,reserve=off", "-device",
             "virtio-mem-pci,id=pieces,memdev=more,requested-size=0", "-qmp",
             f"unix:{path},server=on,wait=off")
    with paravirt.Server(work, [paravirt.disk(work)]) as server:
        with guest.Vmm(work, server, "paravirt-more", sockets=server.sockets, fio=True, qemu=words,
                       modules=("virtio_mem",), append="memhp_default_state=online_movable "
                       "gangway.mode=auto gangway.modprobe=virtio_mem",
                       add=(work.seed(), *paravirt.files("x86_64", "7.2"))) as vmm, \
                paravirt.Monitor(path) as monitor:
            for step, size in (("plug", 256), ("unplug", 0), ("plug", 256)):
                vmm.console.wait_for(f"gw-step: ready: {step} memory", 300)
                monitor.command("qom-set", path="/machine/peripheral/pieces",
                                property="requested-size", value=size * guest.MIB)
            vmm.finish()
        server.finish()


def memory_of_two_backends(work):
    """RAM that the VMM has in two pieces, side by side, is mapped all the same."""
    with paravirt.Server(work, [paravirt.disk(work)]) as server:
        with guest.Vmm(work, server, "paravirt-pieces", memory=("300M", "212M"),
                       sockets=server.sockets, fio=True,
                       add=(work.seed(), *paravirt.files("x86_64", "7.2"))) as vmm:
            vmm.finish()
        server.finish()


def on_ports(server):
    """QEMU's options for functions and companions on root ports of their own, port0 and up."""
    return [word for i, path in enumerate(server.sockets) for word in
            ("-device", f"pcie-root-port,id=port{i},slot={i + 1},chassis={i + 1}",
             "-device", json.dumps(guest.vfio_user(path, bus=f"port{i}")))]


def companion_is_reset(work):
    """The companion's slot is reset under I/O: everything goes on."""
    with paravirt.Server(work, [paravirt.disk(work)]) as server:
        with guest.Vmm(work, server, "paravirt-reset", sockets=(), fio=True, qemu=on_ports(server),
                       add=(work.seed(), *paravirt.files("x86_64", "7.2"))) as vmm:
            vmm.finish()
        server.finish()


def companion_s_port_fails(work):
    """A fatal error at the companion's port, under I/O: the kernel resets it, everything goes on."""
    path = os.path.join(work.dir, "monitor")
    with paravirt.Server(work, [paravirt.disk(work)],
                         ["--host-option", "max-bytes=64M"]) as server:
        words = (*on_ports(server), "-qmp", f"unix:{path},server=on,wait=off")
        with guest.Vmm(work, server, "paravirt-aer", sockets=(), fio=True, qemu=words,
                       add=(work.seed(), *paravirt.files("x86_64", "7.2"))) as vmm, \
                paravirt.Monitor(path) as monitor:
            vmm.console.wait_for("gw-step: ready: an error at the companion's port", 300)
            monitor.command("human-monitor-command",
                            **{"command-line": "pcie_aer_inject_error port1 DLP"})
            vmm.finish()
        server.finish()


if __name__ == "__main__":
    sys.exit(guest.main([budgets_of_their_own, several_behind_one_process, come_and_go,
                         memory_comes_and_goes_ranges, memory_comes_and_goes_windows,
                         memory_in_small_pieces, memory_of_two_backends,
                         companion_is_reset, companion_s_port_fails]))
