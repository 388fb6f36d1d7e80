# SPDX-License-Identifier: BSD-3-Clause
"""Real firmware runs: it moves RAM and BARs about, and nothing of it is left at the end."""

from qemu import MIB
from runner import main, test

END = "No bootable device"


def boots(rig, machine, **options):
    """SeaBIOS to the point where it finds nothing to start."""
    daemon = rig.daemon()
    qemu = rig.qemu(daemon.socket, machine=machine, accel="tcg", size=256 * MIB,
                    more=["-chardev", "stdio,id=log,signal=off", "-device",
                          "isa-debugcon,iobase=0x402,chardev=log"], **options)
    return daemon, qemu, qemu.wait_line(END, timeout=60)


def boots_and_reboots(rig, machine):
    daemon, qemu, line = boots(rig, machine)
    for _ in range(2):
        qemu.qmp.command("system_reset")
        line = qemu.wait_line(END, after=line + 1, timeout=60)
    rig.finish()
    assert daemon.report["maps"] > 20, "the firmware did not remap"


@test
def a_pc_boots_and_reboots(rig):
    boots_and_reboots(rig, "pc")


@test
def a_q35_boots_and_reboots(rig):
    boots_and_reboots(rig, "q35")


@test
def a_machine_whose_memory_only_qemu_has_boots(rig):
    boots(rig, "q35", ram="anonymous")


@test
def a_machine_whose_memory_is_refused_boots(rig):
    daemon, _, _ = boots(rig, "q35", ram="private-memfd")
    daemon.wait_words("private to the VMM")


@test
def qemu_is_killed_while_its_firmware_remaps(rig):
    daemon = rig.daemon(options=["-v"])     # once more, so that it tells of each mapping
    for round_ in range(4):
        seen = len(daemon.lines)
        qemu = rig.qemu(daemon.socket, machine="q35", accel="tcg")
        daemon.wait_line(r"unmap 0-0x", after=seen)
        qemu.kill()
        daemon.wait_gone(round_ + 1)


if __name__ == "__main__":
    main()
