#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""guest.py itself, without a guest: it must see trouble, and nothing else."""

import os
import sys
import time

import guest


def read(work, text, seconds=10):
    """A console that has read TEXT to its end."""
    reader, writer = os.pipe()
    os.write(writer, text.encode())
    os.close(writer)
    work.runs += 1
    with os.fdopen(reader, "rb") as pipe:
        console = guest.Console(pipe, work.path("console.log"))
        console.drain(seconds)
        console.close()
    return console


def kernel_trouble_is_seen(work):
    """Each kind of kernel message that no healthy guest prints."""
    for line in ("[  1.0] WARNING: CPU: 0 PID: 1 at drivers/nvme/host/pci.c:1 nvme_poll+0x1/0x2",
                 "[  1.0] BUG: kernel NULL pointer dereference", "[  1.0] Call trace:",
                 "[  1.0] Internal error: Oops: 96000004 [#1] SMP",
                 "[  1.0] rcu: INFO: rcu_preempt detected stalls on CPUs/tasks:",
                 "[  1.0] rcu: INFO: rcu_sched self-detected stall on CPU",
                 "[  1.0] watchdog: BUG: soft lockup - CPU#1 stuck for 26s!",
                 "[  1.0] INFO: task dd:77 blocked for more than 120 seconds.",
                 "[  1.0] DMAR: [DMA Read NO_PASID] Request device [01:00.0] fault addr 0x0",
                 "[  1.0] nvme 0000:01:00.0: swiotlb buffer is full (sz: 258048 bytes)",
                 "[  1.0] I/O error, dev nvme0n1, sector 0 op 0x0:(READ) flags 0x0",
                 "[  1.0] nvme nvme0: I/O tag 1 (1001) QID 1 timeout, aborting",
                 "[  1.0] nvme nvme0: controller is down; will reset: CSTS=0x3",
                 "[  1.0] EXT4-fs error (device nvme0n1): ext4_lookup:1: inode #2: comm ls",
                 "[  1.0] WARNING: possible circular locking dependency detected",
                 "[  1.0] WARNING: inconsistent lock state",
                 "[  1.0] WARNING: suspicious RCU usage",
                 "[  1.0] BUG: sleeping function called from invalid context at mm.h:1",
                 "[  1.0] BUG: KASAN: slab-use-after-free in gw_space_map+0x1/0x2",
                 "[  1.0] [ BUG: Invalid wait context ]",
                 "[  1.0] INFO: trying to register non-static key.",
                 "[  1.0] DMA-API: nvme 0000:01:00.0: cacheline tracking EEXIST, overlapping",
                 "[  1.0] DMA-API: debugging out of memory - disabling",
                 "[  1.0] list_del corruption, 1->next is LIST_POISON1 (2)"):
        console = read(work, f"one\n{line}\r\ntwo\n")
        guest.expect(console.trouble and line in console.trouble, f"not seen: {line}")


def news_is_no_trouble(work):
    """What a kernel that checks says of itself when it starts."""
    for line in ("[  1.0] DMA-API: preallocated 65536 debug entries",
                 "[  1.0] DMA-API: debugging enabled by kernel config",
                 "[  1.0] DMA-API: dma_debug_entry pool grown to 131072 (200%)",
                 "[  1.0] KASAN: KernelAddressSanitizer initialized (generic)"):
        guest.expect(not read(work, line + "\n").trouble, f"trouble: {line}")


def expected_messages_are_no_trouble(work):
    """gw-expect allows what matches, until it is taken back; nothing else."""
    on, error = "[ 1.0] gw-expect: I/O error\n", "[ 1.0] I/O error, dev nvme0n1\n"
    guest.expect(not read(work, on + error).trouble, "an expected message is trouble")
    guest.expect(read(work, on + "[ 1.0] WARNING: x\n").trouble, "another one is not")
    guest.expect(read(work, on + error + "[ 1.0] gw-expect: \n" + error).trouble,
                 "it is not, after it was taken back")


def words_of_the_guest_are_read(work):
    """Values, failures and the exit status, also where other output runs into them."""
    console = read(work, "half a li[  1.0] gw-value: sum abc def\r\n[  1.0] gw-value: n 2\r\n"
                         "half[  2.0] GANGWAY-EXIT 0\r\n[  2.0] reboot: Power down")
    guest.expect(console.values == {"sum": "abc def", "n": "2"}, f"values: {console.values}")
    guest.expect(console.exits == [0] and not console.trouble, f"exits: {console.exits}")
    guest.expect("no disk" in read(work, "[ 1.0] gw-failed: no disk\n").trouble, "no failure")


def a_silent_guest_is_given_up(work):
    """A console that says nothing until the deadline."""
    reader, writer = os.pipe()
    with os.fdopen(reader, "rb") as pipe, os.fdopen(writer, "wb"):
        console = guest.Console(pipe, work.path("console.log"))
        start = time.monotonic()
        try:
            console.drain(0.1)
        except guest.Failure:
            return
        finally:
            console.close()
        raise guest.Failure(f"drain() came back after {time.monotonic() - start:.1f} s")


def seeded_data_has_no_two_pieces_alike(_):
    """No two pieces of 4 KiB, of all that the demonstration writes, are the same."""
    seed = guest.seed_bytes("x")
    pieces = set()
    for block in guest.pattern(seed, 0, 64):
        pieces.update(hash(block[at:at + 4096]) for at in range(0, len(block), 4096))
    guest.expect(len(pieces) == 64 * guest.SEED_SIZE // 4096, f"{len(pieces)} kinds")


if __name__ == "__main__":
    sys.exit(guest.main([kernel_trouble_is_seen, news_is_no_trouble,
                         expected_messages_are_no_trouble,
                         words_of_the_guest_are_read, a_silent_guest_is_given_up,
                         seeded_data_has_no_two_pieces_alike]))
