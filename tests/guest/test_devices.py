#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""What a guest's user does with the devices: tools, several functions, a disk without room."""

import os
import sys

import guest

SMALL = ["--memory", "512M", "--window", "256M"]


def tools(work):
    """nvme-cli, blkdiscard and lspci find a complete NVMe 1.4 disk, and no capability too many."""
    with work.run("tools", [f"sim:nvme,file={work.path('disk.img')},size=64M"], SMALL,
                  add=(work.seed(),)) as run:
        run.finish()


def two_functions(work):
    """A disk and a probe in one guest work side by side; a stray access is a counted fault."""
    devices = [f"sim:nvme,file={work.path('disk.img')},size=64M", "sim:probe"]
    with work.run("two", devices, ["--memory", "512M", "--host-option", "caller-iova=on"],
                  add=(work.seed(),)) as run:
        run.finish(code=4, faults=1)
    # they share a window where the host has it at one place for both, and are refused where not
    with work.run("two", devices, [*SMALL, "--plan", "window", "--host-option", "base=0x10080000000"],
                  add=(work.seed(),)) as run:
        report = run.finish(code=4, faults=1)
    guest.expect(report["maps"] == 2 and report["window"]["address_bits"] == 41,
                 f"{report['maps']} mappings, the window is {report['window']}")
    with work.run("two", devices, [*SMALL, "--plan", "window"], add=(work.seed(),)) as run:
        run.console.drain(60)
        code = run.wait(30)
        guest.expect(code == 1 and "functions behind one host bridge need the same address" in
                     run.stderr(), f"exit code {code}:\n{run.stderr()}")


def small_file_system():
    """What to put before a command that shall have a file system of 48 MiB at $GANGWAY_SMALL."""
    script = 'mount -t tmpfs -o size=48m none "$GANGWAY_SMALL" && exec "$@"'
    names = [] if os.getuid() == 0 else ["--map-root-user"]
    return ["unshare", "--mount", *names, "sh", "-c", script, "sh"]


def no_room_for_the_backing_file(work):
    """The host's file system fills up: the guest sees a media error, all else goes on."""
    small = work.path("small")
    os.mkdir(small)
    os.environ["GANGWAY_SMALL"] = small
    with work.run("full", [f"sim:nvme,file={small}/disk.img,size=256M"], SMALL,
                  add=(work.seed(),), append=f"gangway.sum={work.seed_sum(1)}",
                  wrap=small_file_system()) as run:
        run.finish(code=1)  # and the last line says why
        guest.expect("No space left on device" in run.stderr(), "gangway does not say why")


def memory_of_a_disk(work):
    """Linux publishes the controller memory buffer as peer memory, and does I/O from and to it."""
    # the kernel takes what is aligned to 2 MiB only
    with work.run("p2pmem", [f"sim:nvme,file={work.path('disk.img')},size=64M,cmb=2M"],
                  ["--memory", "512M", "--host-option", "caller-iova=on"], fio=True) as run:
        run.finish()
        size, least = int(run.values["size"]), int(run.values["least"])
        guest.expect(size == 2 * guest.MIB and run.values["published"] == "1", str(run.values))
        guest.expect(least <= int(run.values["available"]) - 65536,
                     f"no buffer of fio's was in the memory: {run.values}")


if __name__ == "__main__":
    sys.exit(guest.main([tools, two_functions, no_room_for_the_backing_file, memory_of_a_disk]))
