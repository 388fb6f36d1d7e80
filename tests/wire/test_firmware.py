# SPDX-License-Identifier: BSD-3-Clause
"""Real firmware runs: it moves RAM and BARs about, and nothing of it is left at the end."""

from child import wait_until
from qemu import MIB
from runner import main, test


def boots(rig, machine, **options):
    """SeaBIOS to the point where it finds nothing to start."""
    daemon = rig.daemon()
    qemu = rig.qemu(daemon.socket, machine=machine, accel="tcg", size=256 * MIB,
                    more=["-chardev", "stdio,id=log,signal=off", "-device",
                          "isa-debugcon,iobase=0x402,chardev=log"], **options)
    qemu.wait_line("No bootable device", timeout=60)
    return daemon, qemu


@test
def a_pc_boots_and_reboots(rig):
    daemon, qemu = boots(rig, "pc")
    for _ in range(2):
        seen = len(qemu.lines)
        qemu.qmp.command("system_reset")
        qemu.wait_line("No bootable device", after=seen, timeout=60)
    rig.finish()
    assert daemon.report["maps"] > 20, "the firmware did not remap"


@test
def a_q35_boots_and_reboots(rig):
    daemon, qemu = boots(rig, "q35")
    for _ in range(2):
        seen = len(qemu.lines)
        qemu.qmp.command("system_reset")
        qemu.wait_line("No bootable device", after=seen, timeout=60)
    rig.finish()
    assert daemon.report["maps"] > 20, "the firmware did not remap"


@test
def a_machine_whose_memory_only_qemu_has_boots(rig):
    boots(rig, "q35", ram="anonymous")


@test
def a_machine_whose_memory_is_refused_boots(rig):
    daemon, _ = boots(rig, "q35", ram="private-memfd")
    wait_until("the refusal", lambda: "private to the VMM" in daemon.output)


@test
def qemu_is_killed_while_its_firmware_remaps(rig):
    daemon = rig.daemon()
    for round_ in range(4):
        qemu = rig.qemu(daemon.socket, machine="q35", accel="tcg")
        daemon.wait_line(r"unmap 0-0x", after=len(daemon.lines) // 2)
        qemu.kill()
        daemon.wait_gone(round_ + 1)


if __name__ == "__main__":
    main()
