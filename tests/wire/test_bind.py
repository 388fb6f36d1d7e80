# SPDX-License-Identifier: BSD-3-Clause
"""Functions are bound and given back, to the end, on a made-up machine whose kernel acts on writes."""

import os
import signal

from command import FAILED, OK, UNAVAILABLE, gangway
from machine import DISK, NET, SIBLING, Kernel, Machine
from runner import main, test

BRIDGE = "0000:03:00.0"
VFIO = "vfio-pci"
ESCAPE = "\033]0;x\007\033[31m"


def kernel_of(rig):
    return Kernel(Machine(rig))


def with_bridge(rig, class_code=0x068000, header=0, driver=None):
    """A function of a bridge's class, alone in group 7."""
    kernel = kernel_of(rig)
    kernel.machine.add("0000:00:03.0", "", 0x060400, 4, group=6, acs=0x1d)
    kernel.machine.add(BRIDGE, "/0000:00:03.0", class_code, group=7, header=header, driver=driver)
    return kernel


def listed(kernel, name):
    _, functions, _ = kernel.machine.run("list")
    return next((f for f in functions if f["device"] == name), None)


@test
def a_function_is_bound_and_given_back_with_its_group(rig):
    kernel = kernel_of(rig)
    moved, err = kernel.moved("bind", NET)
    assert moved == {NET: ("e1000e", VFIO), SIBLING: ("e1000e", VFIO)} and not err
    assert kernel.driver(NET) == kernel.driver(SIBLING) == VFIO and kernel.driver(DISK) == "nvme"
    assert kernel.override(NET) == VFIO and listed(kernel, NET)["passable"]
    assert kernel.moved("bind", SIBLING) == ({}, "")
    moved, err = kernel.moved("unbind", SIBLING)
    assert moved == {NET: (VFIO, "e1000e"), SIBLING: (VFIO, "e1000e")} and not err
    assert kernel.override(NET) == kernel.override(SIBLING) == "(null)"
    assert kernel.moved("unbind", NET) == ({}, "")
    # one that no other driver wants
    kernel.own(DISK, "")
    kernel.moved("bind", DISK)
    assert kernel.moved("unbind", DISK)[0] == {DISK: (VFIO, "")}
    status, text, _ = gangway(rig, "bind", DISK, "--tree", kernel.machine.dir, env=kernel.env())
    assert status == OK and text == f"{DISK}  no driver -> {VFIO}\n"


@test
def endpoints_of_a_bridge_class_are_passed_through(rig):
    for class_code in (0x068000, 0x060900, 0x060a00):
        kernel = with_bridge(rig, class_code)
        assert listed(kernel, BRIDGE)["why"] == f"not yet: gangway bind {BRIDGE}"
        assert kernel.moved("bind", "03:00.0")[0] == {BRIDGE: ("", VFIO)}
        assert listed(kernel, BRIDGE)["why"] == "yes" and listed(kernel, BRIDGE)["passable"]
        assert kernel.moved("unbind", "03:00.0")[0] == {BRIDGE: (VFIO, "")}
    _, found, _ = kernel.machine.run("doctor")
    assert "2 functions are alone" in next(f for f in found if f["check"] == "groups")["text"]


@test
def bridges_and_parts_of_the_machine_are_never_passed_through(rig):
    for class_code, header in ((0x068000, 1), (0x060400, 1), (0x060700, 2), (0x060000, 0),
                               (0x060100, 0)):
        kernel = with_bridge(rig, class_code, header)
        found = listed(kernel, BRIDGE)
        assert found is None or found["why"] == "no: it belongs to the machine itself", found
        status, _, err = kernel.run("bind", BRIDGE)
        assert status == FAILED and "not passed through" in err
        assert kernel.override(BRIDGE) == "(null)" and kernel.driver(BRIDGE) is None


@test
def a_part_of_the_machine_stays_when_its_group_is_bound(rig):
    kernel = with_bridge(rig, 0x060100)
    kernel.machine.add("0000:03:00.1", "/0000:00:03.0", 0x040300, group=7, driver="snd")
    kernel.own("0000:03:00.1", "snd")
    assert kernel.moved("bind", "03:00.1")[0] == {"0000:03:00.1": ("snd", VFIO)}
    assert kernel.driver(BRIDGE) is None and kernel.override(BRIDGE) == "(null)"
    assert listed(kernel, "0000:03:00.1")["passable"]
    # with a driver of its own it is in the way
    kernel.moved("unbind", "03:00.1")
    kernel.bind(BRIDGE, "lpc_ich")
    for words in (["bind", "03:00.1"],):
        status, _, err = kernel.run(*words)
        assert status == FAILED and BRIDGE in err and "lpc_ich" in err, err
    assert kernel.driver("0000:03:00.1") == "snd" and kernel.driver(BRIDGE) == "lpc_ich"
    assert BRIDGE in listed(kernel, "0000:03:00.1")["why"]
    # what drives nothing is not
    kernel.bind(BRIDGE, "pci-stub")
    assert kernel.moved("bind", "03:00.1")[0] == {"0000:03:00.1": ("snd", VFIO)}


@test
def a_function_without_an_iommu_stays_whatever_node_it_has(rig):
    kernel = Kernel(Machine(rig, grouped=False))
    kernel.bind(DISK, "nvgrace_gpu_vfio_pci")
    assert "no IOMMU group" in listed(kernel, DISK)["why"]
    assert kernel.run("bind", DISK)[0] == UNAVAILABLE
    kernel = kernel_of(rig)
    kernel.bind(DISK, VFIO)
    kernel.machine.write("sys/kernel/iommu_groups/3/name", "vfio-noiommu\n")
    assert "without an IOMMU" in listed(kernel, DISK)["why"]
    status, _, err = kernel.run("bind", DISK)
    assert status == UNAVAILABLE and "noiommu" in err


@test
def a_variant_of_vfio_pci_is_bound_as_it_is(rig):
    kernel = kernel_of(rig)
    variant = "nvgrace_gpu_vfio_pci"
    os.rmdir(kernel.machine.path("sys/bus/pci/drivers/vfio-pci"))
    kernel.bind(DISK, variant, override=variant)
    kernel.own(DISK, "nvme")
    assert listed(kernel, DISK)["why"] == "yes"
    assert kernel.moved("bind", DISK) == ({}, "")
    assert kernel.driver(DISK) == variant and kernel.override(DISK) == variant
    moved, err = kernel.moved("unbind", DISK)
    assert moved == {DISK: (variant, "nvme")} and kernel.override(DISK) == "(null)"
    assert f"echo {variant} >" in err
    # as a member of a group, too
    kernel.bind(NET, variant)
    kernel.bind(SIBLING, VFIO, override=VFIO)
    assert listed(kernel, NET)["passable"] and listed(kernel, SIBLING)["passable"]


@test
def somebody_elses_override_is_told_before_it_is_lost(rig):
    kernel = kernel_of(rig)
    kernel.bind(DISK, "uio_pci_generic", override="uio_pci_generic")
    moved, err = kernel.moved("bind", DISK)
    assert moved == {DISK: ("uio_pci_generic", VFIO)}
    assert "driver_override uio_pci_generic" in err
    assert f"echo uio_pci_generic > /sys/bus/pci/devices/{DISK}/driver_override" in err
    # one that is set while VFIO has it is what somebody wants next
    kernel.machine.write(f"sys/bus/pci/devices/{DISK}/driver_override", "uio_pci_generic\n")
    moved, err = kernel.moved("unbind", DISK)
    assert moved == {DISK: (VFIO, "uio_pci_generic")} and not err
    assert kernel.override(DISK) == "uio_pci_generic"
    # and where the move fails all is as it was
    kernel.machine.write("sys/bus/pci/drivers/vfio-pci/fails", "")
    status, _, err = kernel.run("bind", DISK)
    assert status == FAILED and kernel.override(DISK) == "uio_pci_generic"
    assert kernel.driver(DISK) == "uio_pci_generic" and "moved back" not in err


@test
def what_cannot_be_moved_takes_its_group_back(rig):
    kernel = kernel_of(rig)
    os.unlink(kernel.machine.path(f"sys/bus/pci/devices/{SIBLING}/driver_override"))
    status, _, err = kernel.run("bind", NET)
    assert status == FAILED and f"cannot move {SIBLING}" in err
    assert kernel.driver(NET) == kernel.driver(SIBLING) == "e1000e"
    assert kernel.override(NET) == "(null)"
    kernel = kernel_of(rig)
    kernel.moved("bind", NET)
    kernel.machine.write("sys/bus/pci/drivers/e1000e/fails", "")
    assert kernel.moved("unbind", NET)[0] == {NET: (VFIO, ""), SIBLING: (VFIO, "")}


@test
def a_move_that_was_cut_short_is_finished_or_taken_back(rig):
    for command, steps in (("bind", 6), ("unbind", 6)):
        for repeat in ("bind", "unbind"):
            for step in range(1, steps + 1):
                kernel = kernel_of(rig)
                if command == "unbind":
                    kernel.moved("bind", NET)
                assert kernel.run(command, NET, kill=step)[0] == -signal.SIGKILL
                status, _, err = kernel.run(repeat, NET)
                assert status == OK, err
                what = f"{command}, killed at {step}, {repeat}"
                want = VFIO if repeat == "bind" else "e1000e"
                for name in (NET, SIBLING):
                    assert kernel.driver(name) == want, f"{what}: {name}: {kernel.driver(name)}"
                kernel.moved("unbind", NET)
                for name in (NET, SIBLING):
                    got = (kernel.driver(name), kernel.override(name))
                    assert got == ("e1000e", "(null)"), f"{what}: {name} has {got}"
            assert kernel.run(command, NET, kill=steps + 1)[0] == OK


@test
def nothing_is_written_outside_the_copy_or_truncated(rig):
    def out(kernel, name):
        """A file of the machine's that leads to one outside."""
        path = rig.new_path("outside")
        with open(path, "w", encoding="ascii") as file:
            file.write("precious\n")
        place = kernel.machine.path(f"sys/bus/pci/devices/{DISK}/{name}")
        if os.path.lexists(place):
            os.unlink(place)
        return path, place

    def refused(kernel, path):
        status, _, err = gangway(rig, "bind", DISK, "--tree", kernel.machine.dir)
        assert status == FAILED and "lead out of" in err, err
        with open(path, encoding="ascii") as file:
            assert file.read() == "precious\n"

    kernel = kernel_of(rig)
    path, place = out(kernel, "driver_override")
    os.symlink(path, place)
    refused(kernel, path)
    kernel = kernel_of(rig)
    path, place = out(kernel, "driver_override")
    os.link(path, place)
    refused(kernel, path)
    # a folder on the way
    kernel = kernel_of(rig)
    path, place = out(kernel, "driver")
    os.makedirs(path + ".d")
    os.rename(path, path + ".d/unbind")
    os.symlink(path + ".d", place)
    refused(kernel, path + ".d/unbind")
    # a device is not even opened, a pipe is not waited for
    for make in (lambda p: os.mkfifo(p), lambda p: os.symlink("/dev/full", p)):
        kernel = kernel_of(rig)
        _, place = out(kernel, "driver_override")
        make(place)
        status, _, err = gangway(rig, "bind", DISK, "--tree", kernel.machine.dir)
        assert status == FAILED and "cannot move" in err, err
    # nor is anything cut off
    kernel = kernel_of(rig)
    kernel.machine.write(f"sys/bus/pci/devices/{DISK}/driver_override", "x" * 20 + "\n")
    gangway(rig, "bind", DISK, "--tree", kernel.machine.dir)
    assert os.stat(kernel.machine.path(f"sys/bus/pci/devices/{DISK}/driver_override")).st_size == 21


@test
def files_that_are_none_keep_nobody_waiting(rig):
    def fifo(path):
        os.mkfifo(path)

    def endless(path):
        os.symlink("/dev/zero", path)

    def huge(path):
        with open(path, "wb") as file:
            file.truncate(1 << 40)

    files = ["proc/self/mountinfo", "proc/swaps", "proc/cpuinfo", "proc/meminfo",
             "etc/gangway/host-bridges.conf"]
    below = ["vendor", "class", "config", "resource", "driver_override", "sriov_numvfs"]
    for make in (fifo, endless, huge):
        machine = Machine(rig)
        for name in files + [f"sys/bus/pci/devices/{DISK}/{b}" for b in below]:
            path = machine.path(name)
            os.makedirs(os.path.dirname(path), exist_ok=True)
            if os.path.lexists(path):
                os.unlink(path)
            make(path)
        for words in (["list"], ["groups"], ["doctor"], ["bind", DISK], ["bind", NET],
                      ["unbind", DISK], ["p2p", NET, DISK], ["p2p", NET, SIBLING]):
            status, _, err = gangway(rig, *words, "--tree", machine.dir)
            assert status in (OK, FAILED, UNAVAILABLE), f"{words}: {status}: {err}"
    # what is mounted cannot be told, so it counts as in use
    for make in (fifo, huge):
        machine = Machine(rig)
        os.unlink(machine.path("proc/self/mountinfo"))
        make(machine.path("proc/self/mountinfo"))
        machine.refused(FAILED, ["mountinfo cannot be read"], "bind", DISK)


@test
def names_have_no_effect_on_a_terminal(rig):
    def harmless(text, words):
        for character in text:
            assert character == "\n" or character.isprintable(), f"{words}: {text!r}"

    kernel = kernel_of(rig)
    machine = kernel.machine
    driver = f"a{ESCAPE}\n\x9bb"
    kernel.bind(NET, driver, override=driver.replace("\n", ""))
    machine.disk(f"nvme0{ESCAPE}", "259:0")
    machine.mount("259:0", f"/dev/{ESCAPE}", f"/home/{ESCAPE}")
    for words in (["list"], ["groups"], ["doctor"], ["bind", DISK], ["bind", NET], ["unbind", NET],
                  ["p2p", DISK, NET]):
        for options in ([], ["--json"]):
            _, out, err = gangway(rig, *words, "--tree", machine.dir, *options, env=kernel.env())
            harmless(out, words)
            harmless(err, words)
    _, _, err = gangway(rig, "list", "--tree", f"/none{ESCAPE}")
    harmless(err, "list")
    assert "\\x1b" in err


if __name__ == "__main__":
    main()
