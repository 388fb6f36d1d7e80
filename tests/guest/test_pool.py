#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""The plan pool, in a guest whose kernel has restricted DMA pools."""

import sys

import guest

BLOCKS = 8

# What Linux says when a small pool runs out for a moment; the driver waits and tries again.
FULL = "swiotlb.buffer.is.full"


def start(work, options, devices=(), expected="", append="", **more):
    """A guest that writes and reads data, and tries what the devices reach."""
    return work.run("pool", [f"sim:nvme,file={work.path('disk.img')},size=256M", *devices],
                    ["--plan", "pool", *options], version="6.12", built="pool",
                    add=(work.seed(),), **more,
                    append=f"gangway.sum={work.seed_sum(BLOCKS)} gangway.expect={expected} "
                           f"{append}")


def check_pool(run, pool, size):
    """A pool of the report must have this size, and the guest must have used it."""
    guest.expect(pool["size"] == size, f"the pool has {pool['size']} bytes, not {size}")
    guest.expect(int(run.values["bounce_size"]) == size,
                 f"the guest's pool has {run.values['bounce_size']} bytes")
    guest.expect(0 < int(run.values["bounce_peak"]) <= size,
                 f"the guest has used {run.values['bounce_peak']} bytes at once")


def disk(work):
    """A disk works through a pool of the default size, with one mapping and no fault."""
    with start(work, ["--memory", "512M"]) as run:
        report = run.finish()
        check_pool(run, report["pools"][0], 64 * guest.MIB)
        guest.expect(report["plan"] == "pool" and report["maps"] == 1,
                     f"{report['maps']} mappings under plan {report['plan']}")
        guest.expect(report["peak_bytes"] == 64 * guest.MIB,
                     f"{report['peak_bytes']} bytes were mapped")


def small_pool(work):
    """Deep queues fill a pool that is small, again and again; data is right."""
    with start(work, ["--memory", "512M", "--cpus", "2", "--pool-size", "4M"], expected=FULL,
               fio=True) as run:
        check_pool(run, run.finish()["pools"][0], 4 * guest.MIB)
        guest.expect(int(run.values["bounce_peak"]) > 2 * guest.MIB, "the pool was never filled")


def deep_queues(work):
    """Two CPUs with 32 requests each, of up to 1 MiB, verify what they write; no fault."""
    with start(work, ["--memory", "512M", "--cpus", "2"], fio=True) as run:
        check_pool(run, run.finish()["pools"][0], 64 * guest.MIB)


def reboot(work):
    """A guest that reboots finds its pool, and its data, as they were."""
    with start(work, ["--memory", "512M"], append="gangway.reboot=1", qemu=()) as run:
        report = run.finish()
        check_pool(run, report["pools"][0], 64 * guest.MIB)
        guest.expect(report["maps"] == 1, f"{report['maps']} mappings")


def memory_above_four_gib(work):
    """With memory on both sides of 4 GiB, the pool is below."""
    with start(work, ["--memory", "4G"]) as run:
        pool = run.finish()["pools"][0]
        guest.expect(pool["gpa"] + pool["size"] == 1 << 32, f"the pool is at {pool['gpa']:#x}")


def two_functions(work):
    """A disk and a probe have a pool each; what the probe tries outside its own is a fault."""
    with start(work, ["--memory", "512M"], ["sim:probe"]) as run:
        report = run.finish(code=4, faults=10)
        guest.expect(len(report["pools"]) == 2, f"{len(report['pools'])} pools")
        check_pool(run, report["pools"][0], 64 * guest.MIB)


def host_that_takes_addresses(work):
    """On a host that takes the caller's addresses, pools are where the guest sees them."""
    with start(work, ["--memory", "512M", "--host-option", "caller-iova=on"]) as run:
        pool = run.finish()["pools"][0]
        guest.expect(pool["gpa"] == pool["iova"], f"the pool is at {pool['iova']:#x}")


def refused(work, options, *texts):
    """gangway must end with exit code 1 before QEMU starts, and say all of the texts."""
    with start(work, options) as run:
        run.console.drain(60)
        code = run.wait(30)
        log = run.stderr()
    guest.expect(code == 1, f"exit code {code}, not 1:\n{log}")
    for text in texts:
        guest.expect(text in log, f"'{text}' is not said:\n{log}")
    guest.expect(not guest.SANITIZER.search(log), f"a sanitizer has found something:\n{log}")


def impossible_pools_are_refused(work):
    """Pools that room, budget, granule or a split mapping refuse: an error, with the way out."""
    refused(work, ["--memory", "256M"], "no room for a pool of 64 MiB", "more memory")
    refused(work, ["--memory", "4G", "--pool-size", "2G"], "exceeds what the host maps",
            "--pool-size 1536M or less")
    refused(work, ["--memory", "512M", "--pool-size", "1025K"], "must be a multiple of 0x4000")
    refused(work, ["--memory", "512M", "--host-option", "segments=3"],
            "splits a pool of 64 MiB into 3 ranges", "smaller --pool-size")


if __name__ == "__main__":
    sys.exit(guest.main([disk, small_pool, deep_queues, reboot, memory_above_four_gib,
                         two_functions, host_that_takes_addresses, impossible_pools_are_refused]))
