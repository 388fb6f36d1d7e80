# SPDX-License-Identifier: BSD-3-Clause
"""Several clients, at once and one after the other, against the real daemon."""

import errno
import json
import mmap
import os
import struct
import subprocess
import time

import client as vu
import pci
import probe
from child import TIMEOUT
from probe_client import enable, run
from qemu import device as qemu_device
from runner import main, test

PAGE = 0x1000


@test
def of_clients_in_a_crowd_one_is_served_and_the_others_are_told(rig):
    daemon = rig.daemon()
    served = vu.Client(daemon.socket)
    for _ in range(4):
        client = vu.Client(daemon.socket, negotiate=False)
        assert client.refused(vu.VERSION, struct.pack("=HH", 0, 0)) == errno.EBUSY
        client.close()
    served.in_sync()
    served.close()
    for _ in range(50):
        vu.Client(daemon.socket).close()
    vu.Client(daemon.socket).in_sync()


@test
def what_a_client_repeats_fills_no_log_and_mutes_no_other(rig):
    daemon = rig.daemon("sim:probe", "sim:probe", faults=None)
    one, other = daemon.sockets(2)
    begun = time.monotonic()
    client = vu.Client(one)
    enable(client)
    bodies = {vu.DMA_MAP: struct.pack("=IIQQQ", 32, 3, 0, 1, PAGE),
              vu.DMA_UNMAP: struct.pack("=IIQQ", 24, 0, 1, 1), vu.GET_INFO: b"",
              vu.SET_IRQS: struct.pack("=IIIII", 20, 7, 2, 0, 1), vu.REGION_WRITE_MULTI: bytes(8),
              vu.VERSION: bytes(4), 99: b""}
    for _ in range(60):
        for command, body in bodies.items():
            assert client.refused(command, body)
        run(client, probe.CMD_FILL, dst=1 << 40, length=8)
        client.call(vu.RESET)
        enable(client)
        late = vu.Client(one, negotiate=False)
        assert late.refused(vu.VERSION, bytes(4)) == errno.EBUSY
        late.close()
    client.close()
    for _ in range(100):
        vu.Client(one).close()
    most = 11 * (int((time.monotonic() - begun) / 5) + 2)
    lines = [line for line in daemon.output.splitlines() if " warning: " in line or " error: " in line]
    # the socket's own, its client's, the function's and the endpoint's
    assert len(lines) <= 4 * most, len(lines)
    assert vu.Client(other).refused(vu.VERSION, bytes(4))
    daemon.wait_words(other, "VERSION", "refused")


@test
def a_second_qemu_is_told_that_the_device_is_in_use_and_the_log_says_by_whom(rig):
    daemon = rig.daemon()
    first = rig.qemu(daemon.socket)
    binary = os.path.join(rig.qemu_dir, first.machine.program)
    done = subprocess.run([binary, "-machine", "q35", "-accel", "qtest", "-display", "none", "-device",
                           json.dumps(qemu_device(daemon.socket))], capture_output=True, text=True,
                          timeout=TIMEOUT, check=False)
    assert done.returncode and "Device or resource busy" in done.stderr, done.stderr
    daemon.wait_words("is refused", f"process {first.pid} (", "has the device")
    assert pci.Function(first).cfg(0, 4) != 0xffffffff


def bar_memory(client, index):
    """A BAR as a VMM maps it."""
    (_, _, _, _, size, off), _, fds = client.region_info(index)
    return mmap.mmap(fds[0], size, offset=off)


@test
def what_a_client_was_handed_of_a_bar_is_not_what_the_next_one_has(rig):
    daemon = rig.daemon("sim:probe", "sim:gpu,vram=64M,vfs=1")
    for path, index in zip(daemon.sockets(2), (2, 0)):
        kept = []
        for turn in range(3):
            client = vu.Client(path)
            enable(client)
            mine = bar_memory(client, index)
            assert mine[:PAGE] == bytes(PAGE), "somebody else's bytes"
            mine[:4] = struct.pack("=I", turn + 1)
            assert client.read(index, 0, 4) == struct.pack("=I", turn + 1)
            client.write(index, 8, b"register")
            assert mine[8:16] == b"register"
            kept.append(mine)
            for i, old in enumerate(kept):      # a reset may have zeroed it
                assert old[:4] in (bytes(4), struct.pack("=I", i + 1))
            client.close()
        for old in kept:
            old[:4] = b"late"
        assert bar_memory(vu.Client(path), index)[:4] == bytes(4)


@test
def a_function_and_its_companion_belong_to_one_vmm(rig):
    path = rig.new_path("companion")
    daemon = rig.daemon(host=(), options=("--plan", "paravirt", "--companion", path))
    for ours, its in ((daemon.socket, path), (path, daemon.socket)):
        held = vu.Client(ours)
        other = os.fork()
        if not other:
            try:
                told = vu.Client(its, negotiate=False).refused(vu.VERSION, struct.pack("=HH", 0, 0))
                os._exit(told == errno.EBUSY)
            finally:
                os._exit(2)
        assert os.waitstatus_to_exitcode(os.waitpid(other, 0)[1]) == 1
        daemon.wait_words(f"process {other} (", "cannot have", f"process {os.getpid()} (",
                          "both belong to one VMM")
        both = vu.Client(its)
        both.in_sync()
        held.close()
        both.close()
    vu.Client(daemon.socket).in_sync()      # nobody has it now


if __name__ == "__main__":
    main()
