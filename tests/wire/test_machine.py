# SPDX-License-Identifier: BSD-3-Clause
"""The commands about the machine's own functions, on machines that are made up in a folder."""

import json
import os
import resource
import shutil
import struct
import subprocess

from child import TIMEOUT
from command import FAILED, OK, UNAVAILABLE, USAGE, FakeQemu, gangway, refused
from machine import (DISK, DOWNSTREAM_PORT, NET, ROOT_PORT, SIBLING, UPSTREAM_PORT, Machine)
from runner import main, test


@test
def functions_are_listed_with_what_speaks_against_passing_them_through(rig):
    machine = Machine(rig)
    status, listed, _ = machine.run("list")
    functions = {d["device"]: d for d in listed if d["host"] == "vfio"}
    assert status == OK and sorted(functions) == ["0000:00:00.0", DISK, NET, SIBLING]
    assert functions[DISK]["driver"] == "nvme" and functions[DISK]["group"] == 3
    assert functions[DISK]["vendor"] == 0x1b36 and functions[DISK]["class"] == 0x010802
    assert functions[DISK]["name"] == "Red Hat, Inc. QEMU NVM Express Controller"
    assert not functions[DISK]["passable"] and "gangway bind" in functions[DISK]["why"]
    assert "machine itself" in functions["0000:00:00.0"]["why"]
    for fn in (NET, DISK):
        place = machine.path(f"sys/bus/pci/devices/{fn}/driver")
        os.unlink(place)
        os.symlink(machine.path("sys/bus/pci/drivers/vfio-pci"), place)
    functions = {d["device"]: d for d in machine.run("list")[1]}
    assert functions[DISK]["passable"] and functions[DISK]["why"] == "yes"
    assert not functions[NET]["passable"] and SIBLING in functions[NET]["why"]
    assert "sim:probe" in functions


@test
def a_function_without_a_group_is_not_bound(rig):
    machine = Machine(rig, grouped=False)
    machine.refused(UNAVAILABLE, [DISK, "no IOMMU group", "doctor"], "bind", DISK)
    functions = {d["device"]: d for d in machine.run("list")[1]}
    assert "no IOMMU group" in functions[DISK]["why"]
    assert machine.untouched()


@test
def bridges_and_what_is_not_there_are_not_bound(rig):
    machine = Machine(rig)
    machine.refused(FAILED, ["bridge"], "bind", "00:01.0")
    machine.refused(FAILED, ["bridge"], "bind", "00:00.0")
    machine.refused(UNAVAILABLE, ["07:00.0", "list"], "bind", "07:00.0")
    machine.refused(USAGE, ["7:0", "01:00.0"], "bind", "7:0")
    machine.refused(USAGE, ["--force"], "unbind", DISK, "--force")
    os.rmdir(machine.path("sys/bus/pci/drivers/vfio-pci"))
    machine.refused(UNAVAILABLE, ["modprobe vfio-pci"], "bind", DISK)
    assert machine.untouched()


@test
def a_mounted_disk_stays_unless_told_twice(rig):
    machine = Machine(rig)
    machine.disk("nvme0n1", "259:0")
    machine.disk("nvme0n1p1", "259:1",
                 f"pci0000:00/0000:00:01.0/{DISK}/nvme/nvme0/nvme0n1")
    machine.mount("259:1", "/dev/nvme0n1p1", "/home")
    machine.refused(FAILED, [DISK, "/dev/nvme0n1p1", "/home", "--force"], "bind", DISK)
    machine.refused(FAILED, ["/home"], "bind", DISK, "--force")
    assert machine.untouched()
    machine.refused(FAILED, ["although", "/home"], "bind", DISK, "--force", "--force")
    assert not machine.untouched()      # it was tried; this tree has no kernel that would do it


@test
def the_root_file_system_stays_whatever_is_said(rig):
    machine = Machine(rig)
    machine.disk("nvme0n1", "259:0")
    machine.disk("dm-0", "254:0", "virtual/block")
    machine.disk("dm-1", "254:1", "virtual/block")
    machine.link("sys/class/block/dm-0/slaves/nvme0n1", "x")
    machine.link("sys/class/block/dm-1/slaves/dm-0", "x")
    machine.link("sys/class/block/dm-1/slaves/dm-1", "x")       # a loop ends, too
    machine.mount("254:1", "/dev/mapper/root", "/")
    machine.refused(FAILED, ["mounted on /"], "bind", DISK, "--force", "--force")
    assert machine.untouched()


@test
def a_disk_is_found_behind_whatever_hides_it(rig):
    def case(words, **how):
        machine = Machine(rig)
        machine.disk("nvme0n1", "259:0", **how.get("disk", {}))
        how["use"](machine)
        machine.refused(FAILED, [DISK, *words], "bind", DISK)
        assert machine.untouched()

    subsystem = "virtual/nvme-subsystem/nvme-subsys0"
    case(["swap"], use=lambda m: m.write("proc/swaps", "Filename Type\n/dev/nvme0n1 partition\n"))
    case(["part of md0"], use=lambda m: m.link("sys/class/block/nvme0n1/holders/md0", "x"))
    # btrfs has a number of its own
    case(["/data"], use=lambda m: m.mount("0:44", "/dev/nvme0n1", "/data"))

    def multipath(machine):
        machine.link(f"sys/devices/{subsystem}/nvme0",
                     f"../../../pci0000:00/0000:00:01.0/{DISK}/nvme/nvme0")
        machine.mount("259:0", "/dev/nvme0n1", "/data")
    case(["/data"], disk={"where": subsystem}, use=multipath)

    def virtual_functions(machine):
        machine.write(f"sys/bus/pci/devices/{DISK}/sriov_numvfs", "3\n")
    case(["3 virtual functions"], use=virtual_functions)


@test
def one_function_in_use_keeps_its_whole_group(rig):
    machine = Machine(rig)
    place = f"pci0000:00/0000:00:02.0/{SIBLING}/net/eth1"
    machine.link("sys/class/net/eth1", f"../../devices/{place}")
    machine.write(f"sys/devices/{place}/flags", "0x1003\n")
    machine.refused(FAILED, [SIBLING, "eth1 is up"], "bind", NET)
    assert machine.untouched()
    machine.write(f"sys/devices/{place}/flags", "0x1002\n")
    machine.refused(FAILED, ["cannot move"], "bind", NET)
    assert not machine.untouched()


@test
def what_cannot_be_moved_is_moved_back(rig):
    machine = Machine(rig)
    err = machine.refused(FAILED, ["cannot move", NET], "bind", NET)
    assert "moved back" not in err
    assert machine.read(f"sys/bus/pci/devices/{NET}/driver_override").startswith("\n")
    assert machine.read(f"sys/bus/pci/devices/{SIBLING}/driver_override") == "(null)\n"


@test
def nothing_is_done_where_nothing_is_to_do(rig):
    status, moved, _ = Machine(rig).run("unbind", DISK)
    assert status == OK and moved == []


@test
def the_verdict_comes_with_both_ways_and_an_exit_status(rig):
    machine = Machine(rig)
    status, ways, _ = machine.run("p2p", DISK, NET)
    assert status == FAILED and len(ways) == 2
    assert ways[0]["provider"] == DISK and ways[0]["client"] == NET
    assert ways[1]["provider"] == NET and ways[1]["client"] == DISK
    for way in ways:
        assert way["map"] == "not supported" and way["address"] == "none"
        assert way["distance"] == 4 and way["common"] is None
    machine.write("etc/gangway/host-bridges.conf", "1b36 0010 same\n")
    status, ways, _ = machine.run("p2p", DISK, NET)
    assert status == OK and all(w["map"] == "through host bridge" for w in ways)
    assert all(w["address"] == "IOVA" for w in ways)
    status, ways, _ = machine.run("p2p", NET, SIBLING)
    port = ways[0]["path"][1]
    assert port["acs"] == "present" and port["acs_control"] == 0x1d
    assert port["text"] == "root port 0000:00:02.0 redirects requests and completions (ACS RR CR)"
    status, text, _ = gangway(rig, "p2p", NET, SIBLING, "--tree", machine.dir)
    assert status == OK and port["text"] in text and "none: it has no BAR of memory" in text
    machine.write("etc/gangway/host-bridges.conf", "\nwhat?\n")
    machine.refused(FAILED, ["line 2"], "p2p", DISK, NET)
    machine.refused(USAGE, ["A B"], "p2p", DISK)


def a_switch(rig, root_control=0x1d, port_control=0x0c):
    """Two endpoints below a switch whose downstream ports redirect."""
    machine = Machine(rig, grouped=False)
    above = "/0000:00:1c.0"
    machine.add("0000:00:1c.0", "", 0x060400, ROOT_PORT, acs=root_control)
    machine.add("0000:10:00.0", above, 0x060400, UPSTREAM_PORT)
    above += "/0000:10:00.0"
    for bus, port in (("12", "0000:11:00.0"), ("13", "0000:11:01.0")):
        machine.add(port, above, 0x060400, DOWNSTREAM_PORT, acs=port_control)
        machine.add(f"0000:{bus}:00.0", f"{above}/{port}", 0x030000)
    return machine


@test
def what_to_clear_for_a_direct_way_is_told_with_the_commands(rig):
    machine = a_switch(rig)
    pair = ["p2p", "12:00.0", "13:00.0"]
    status, ways, err = machine.run(*pair)
    commands = [f"setpci -s 0000:11:0{i}.0 ECAP_ACS+6.w=0000:000c" for i in (0, 1)]
    boot = "pci=disable_acs_redir=0000:11:00.0;0000:11:01.0"
    assert status == FAILED and len(ways) == 2
    for way in ways:
        assert sorted(way["clear"]["commands"]) == commands
        assert sorted(way["clear"]["boot"].split("=", 2)[2].split(";")) == [
            "0000:11:00.0", "0000:11:01.0"]
        assert "all ones" in way["clear"]["caution"]
        assert {h["function"]: h["clear"] for h in way["path"] if h["clear"]} == {
            "0000:11:00.0": 0xc, "0000:11:01.0": 0xc}
    assert "0000:13:00.0 does not reach the memory of 0000:12:00.0" in err and "clear" in err
    assert "not known to pass" in err
    status, text, err = gangway(rig, *pair, "--tree", machine.dir)
    assert status == FAILED and all(c in text for c in commands) and boot in text
    assert "all ones" in text and "IOMMU groups grow" in text and "does not reach" in err
    # once cleared they reach each other, and there is nothing to advise
    machine = a_switch(rig, port_control=0)
    status, ways, err = machine.run(*pair)
    assert status == OK and all(w["map"] == "bus address" and w["clear"] is None for w in ways)
    assert not err
    # below two root ports no clearing helps
    status, ways, err = Machine(rig).run("p2p", DISK, NET)
    assert status == FAILED and all(w["clear"] is None for w in ways) and "root complex" in err


@test
def a_shared_port_that_does_not_forward_upstream_is_named(rig):
    for control, good in ((0x0d, False), (0, False), (0x1d, True)):
        machine = a_switch(rig, control)
        machine.write("etc/gangway/host-bridges.conf", "1b36 0010\n")
        status, ways, err = machine.run("p2p", "12:00.0", "13:00.0")
        assert status == (OK if good else FAILED), err
        for way in ways:
            assert way["classic"]["map"] == "through host bridge"
            assert way["strict"]["map"] == ("through host bridge" if good else "not supported")
            assert way["dead_end"] == (None if good else "0000:00:1c.0")
        assert good or "UF" in err and "does not forward upstream" in ways[0]["strict"]["why"]


@test
def config_space_of_256_bytes_decides_nothing(rig):
    machine = a_switch(rig)
    for name in ("0000:00:1c.0", "0000:10:00.0", "0000:11:00.0", "0000:11:01.0", "0000:12:00.0",
                 "0000:13:00.0"):
        os.truncate(machine.path(f"sys/bus/pci/devices/{name}/config"), 256)
    status, ways, err = machine.run("p2p", "12:00.0", "13:00.0")
    assert status == FAILED and all(w["classic"]["map"] == "bus address" for w in ways)
    assert all(w["strict"]["map"] == "not supported" and w["map"] == "not supported" for w in ways)
    assert all(h["acs"] in ("unreachable", "absent") for w in ways for h in w["path"])
    assert err.count("ACS that decides cannot be read") == 2, err


@test
def the_address_that_a_client_uses_is_what_its_host_bridge_makes_of_the_cpus(rig):
    machine = Machine(rig, grouped=False)
    machine.write("etc/gangway/host-bridges.conf", "1b36 0010\n")
    machine.write(f"sys/bus/pci/devices/{DISK}/resource",
                  "0x6000000010000000 0x6000000010003fff 0x200\n")
    config = machine.path(f"sys/bus/pci/devices/{DISK}/config")
    with open(config, "r+b") as file:
        file.seek(0x10)
        file.write(struct.pack("<I", 0x10000000))

    def used():
        status, ways, _ = machine.run("p2p", DISK, NET)
        assert status == OK and ways[0]["address"] == "physical address", ways[0]
        bar = ways[0]["bars"][0]
        assert bar["physical"] == 0x6000000010000000 and bar["bus"] == 0x10000000
        return bar["use"], gangway(rig, "p2p", DISK, NET, "--tree", machine.dir)[1]

    use, text = used()
    assert use == 0x6000000010000000 and "the client uses 0x6000000010000000" in text
    node = "sys/devices/pci0000:00/of_node"
    for name, value in (("#address-cells", 3), ("#size-cells", 2), ("../#address-cells", 2)):
        machine.write(f"{node}/{name}", struct.pack(">I", value))
    machine.write(f"{node}/dma-ranges", struct.pack(">IQQQ", 2 << 24, 0x10000000, 6 << 60, 1 << 20))
    use, text = used()
    assert use is None and "gives the client no address" in text
    machine.write(f"{node}/dma-ranges", struct.pack(">IQQQ", 2 << 24, 0, 6 << 60, 1 << 32))
    use, text = used()
    assert use == 0x10000000 and "the client uses 0x10000000" in text


@test
def a_verdict_that_needs_root_says_so(rig):
    machine = Machine(rig)
    place = machine.path("sys/bus/pci/devices/0000:00:02.0/config")
    os.truncate(place, 64)
    status, ways, err = machine.run("p2p", NET, SIBLING)
    assert status == UNAVAILABLE and ways[0]["classic"]["map"] == "unknown" and "root" in err
    assert all(way["map"] != "bus address" for way in ways)
    status, _, err = machine.run("groups")
    assert status == UNAVAILABLE and "root" in err


@test
def groups_are_told_with_the_hop_that_merged_them(rig):
    machine = Machine(rig)
    status, members, _ = machine.run("groups")
    told = {m["function"]: m for m in members}
    assert status == OK and all(m["agree"] for m in members)
    assert told[SIBLING]["why"] == "sibling" and told[SIBLING]["hop"] == NET
    assert told[SIBLING]["kernel"] == told[NET]["kernel"] == 5
    assert told[DISK]["why"] == "own"
    status, text, _ = gangway(rig, "groups", "--tree", machine.dir)
    assert status == OK and "group 5" in text and "one device with" in text
    assert "no IOMMU" not in text
    status, text, _ = gangway(rig, "groups", "--tree", Machine(rig, grouped=False).dir)
    lines = text.splitlines()
    assert status == OK and "no IOMMU" in lines[0] and text.count("no IOMMU") == 1
    assert lines.count("group that an IOMMU would make") == 5


@test
def the_doctor_tells_what_to_do(rig):
    machine = Machine(rig, grouped=False)
    machine.write("proc/cpuinfo", "processor\t: 0\nvendor_id\t: GenuineIntel\n\n")
    machine.write("proc/meminfo", "HugePages_Total:       8\nHugePages_Free:        3\n"
                                  "Hugepagesize:       2048 kB\n")
    status, found, _ = machine.run("doctor")
    found = {f["check"]: f for f in found}
    assert status == UNAVAILABLE
    assert found["IOMMU"]["state"] == "bad" and "intel_iommu=on" in found["IOMMU"]["advice"]
    assert found["modules"]["state"] == "bad" and "modprobe" in found["modules"]["advice"]
    assert found["huge pages"]["state"] == "ok" and "3 of 8" in found["huge pages"]["text"]
    assert "KVM" not in found
    machine = Machine(rig)
    machine.write("sys/module/vfio_iommu_type1/parameters/allow_unsafe_interrupts", "Y\n")
    status, found, _ = machine.run("doctor")
    found = {f["check"]: f for f in found}
    assert status == OK and found["IOMMU"]["state"] == "ok" and found["modules"]["state"] == "ok"
    assert found["safety"]["state"] == "note" and found["groups"]["state"] == "note"


@test
def the_doctor_tells_which_qemu_there_is(rig):
    def qemu(path):
        _, out, _ = gangway(rig, "doctor", "--json", env={"QEMU": path})
        return next(f for f in json.loads(out) if f["check"] == "QEMU")

    path = FakeQemu(rig).path
    found = qemu(path)
    assert found["state"] == "ok" and found["text"] == f"10.2.7, with -sandbox, {path}", found
    old = rig.new_path("qemu")
    with open(old, "w", encoding="utf-8") as file:
        file.write("#!/bin/sh\ncase $* in --version) echo QEMU emulator version 7.2.9;; esac\n")
    os.chmod(old, 0o755)
    _, _, err = gangway(rig, "run", "sim:probe", "--qemu", old)
    assert "7.2.9" in err and "too old" in err, err
    found = qemu("/bin/false")
    assert found["state"] == "bad" and "10.1 or newer" in found["advice"], found


@test
def the_doctor_tells_who_is_not_root_what_is_in_the_way(rig):
    def limit():
        resource.setrlimit(resource.RLIMIT_MEMLOCK, (1 << 16, 1 << 16))

    os.chmod(rig.dir, 0o755)
    program = rig.path("gangway")
    shutil.copy(rig.gangway, program)
    nobody = {"user": 65534, "group": 65534, "extra_groups": []} if os.getuid() == 0 else {}
    done = subprocess.run([program, "doctor", "--json"], capture_output=True, text=True,
                          timeout=TIMEOUT, check=False, preexec_fn=limit, **nobody,
                          env={**os.environ, "QEMU": FakeQemu(rig).path})
    found = {f["check"]: f for f in json.loads(done.stdout)}
    assert done.returncode == UNAVAILABLE, done.stderr
    assert found["locked memory"]["state"] == "bad" and found["locked memory"]["text"] == "0 MiB"
    assert "LimitMEMLOCK=" in found["locked memory"]["advice"]
    assert found["permissions"]["state"] == "ok" or found["permissions"]["advice"]


@test
def a_folder_that_is_no_machine_is_refused(rig):
    for command in (["list"], ["groups"], ["doctor"], ["bind", DISK], ["p2p", DISK, NET]):
        refused(rig, UNAVAILABLE, ["PCI"], *command, "--tree", rig.dir)


if __name__ == "__main__":
    main()
