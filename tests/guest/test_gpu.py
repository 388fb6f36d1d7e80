#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""What a guest draws with Linux's own driver is in the card's memory, pixel for pixel."""

import os
import re
import signal
import socket
import subprocess
import sys
import time

import guest
import paravirt
import picture
from share import Share, Vnc

FULL = {"version": "7.2-full", "drm": True, "modules": ("bochs",)}

# The bars in the upper part of modetest's SMPTE picture, from the left.
BARS = [(192, 192, 192), (192, 192, 0), (0, 192, 192), (0, 192, 0), (192, 0, 192), (192, 0, 0),
        (0, 0, 192)]


def memory_of(pid, name):
    """The files called NAME that a process has made in memory."""
    found = {}
    for fd in os.listdir(f"/proc/{pid}/fd"):
        path = f"/proc/{pid}/fd/{fd}"
        if os.readlink(path).startswith(f"/memfd:{name}"):
            found.setdefault(os.stat(path).st_ino, path)
    return list(found.values())


def look(pid, size, want):
    """Wait until WANT, a function of a buffer, likes what the VF's memory begins with."""
    paths = memory_of(pid, "gangway-vf-window")
    guest.expect(len(paths) == 1, f"there are {len(paths)} windows, not 1")
    deadline = time.monotonic() + 60
    while True:
        with open(paths[0], "rb") as file:
            data = file.read(size)
        why = want(data)
        if not why:
            return
        guest.expect(time.monotonic() < deadline, why)
        time.sleep(0.1)


def bars(width):
    """What to want of modetest's picture: the seven bars of its first line."""
    def want(data):
        for i, colour in enumerate(BARS):
            at = 4 * (width * (2 * i + 1) // 14)
            blue, green, red = data[at:at + 3]
            if (red, green, blue) != colour:
                return f"bar {i} is {(red, green, blue)}, not {colour}"
        return None
    return want


def free_port():
    """A port of the loopback interface that nobody uses."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return sock.getsockname()[1]


def seen_by_others(work, share, drawn):
    """Other processes see the screen: whom the policy lets, as a PNG and by VNC, without a copy."""
    png = work.path("seen.png")
    said = share.wait_for_picture("pixels", png, drawn)
    guest.expect("by memfd, 0 bytes copied" in said, said)
    listed = share.run("list")[0].splitlines()
    guest.expect(any(line.endswith("BAR 2") for line in listed), "the probe's memory is shared, too")
    listed = [line for line in listed if not line.endswith("BAR 2")]
    guest.expect(len(listed) == 2 and listed[1].endswith("1024x768 stride 4096 offset 0 xrgb8888"),
                 str(listed))
    share.run("show", listed[1].split()[0], "--png", png)
    said = share.run("show", "pixels", "--png", png, "--as", "copier")[1]
    guest.expect(re.search(r"by copy, [1-9]\d* bytes copied", said), said)
    guest.expect(not picture.differs(picture.read_png(png), drawn), "the copy is another one")
    guest.expect("no screens" in share.run("list", "--as", "other")[1], "the other sees a screen")
    share.refused("show", "pixels", "--png", png, "--as", "other")
    share.refused("show", "pixels", "--png", png, "--as", "nobody")
    share.refused("show", "0123456789abcdef" * 2 + ":pixels", "--png", png)
    port = free_port()
    with guest.Process(share.words("watch", "pixels", "--vnc", str(port)), work.path("watch.log"),
                       stdout=subprocess.DEVNULL):
        viewer = Vnc(port)
        end = time.monotonic() + 60
        while viewer.width != 1024 or picture.differs(viewer.picture(), drawn):
            guest.expect(time.monotonic() < end, "VNC does not show the picture")
            if viewer.width != 1024:    # it had not looked yet
                viewer.close()
                time.sleep(0.1)
                viewer = Vnc(port)
        guest.expect(viewer.name == "pixels", viewer.name)
        viewer.close()


def hang(work, share):
    """Start one that looks, and stop it in the middle; what it holds is taken away by force."""
    process = guest.Process(share.words("watch", "pixels"), work.path("hung.log"),
                            stdout=subprocess.PIPE, text=True)
    guest.expect("by memfd" in process.popen.stdout.readline(), process.stderr())
    process.popen.send_signal(signal.SIGSTOP)
    return process


def follow(share):
    """The guest shows one buffer after the other, and who watches hears of each, without a copy."""
    lines = share.run("watch", "pixels", "--frames", "60")[0].splitlines()
    counted = [int(re.search(r"(\d+) frames ", line)[1]) for line in lines]
    guest.expect(counted == sorted(set(counted)) and counted[-1] > 1, "\n".join(lines))
    guest.expect(all(" 0 bytes copied" in line and "1024x768" in line for line in lines),
                 "\n".join(lines))


def bochs_draws(work):
    """fbdev and modetest draw through the bochs driver; every pixel is where it belongs, for all."""
    drawn = picture.draw(1024, 768)
    raw = work.path("picture")
    with open(raw, "wb") as file:
        file.write(drawn)
    share = Share(work)
    with share.broker("pixels"), \
         work.run("gpu", ["sim:gpu,share=16M,pieces=5", "sim:probe"],
                  ["--memory", "512M", "--host-option", "caller-iova=on", "--share", share.socket,
                   "--vm", "pixels", "--scan-out", "-vv"], add=(f"{raw}:/picture",), **FULL) as run:
        run.wait_for("gw-step: picture drawn")
        look(run.popen.pid, len(drawn), lambda data: picture.differs(data, drawn))
        seen_by_others(work, share, drawn)
        run.answer()
        run.wait_for("gw-step: picture copied")
        with open(memory_of(run.popen.pid, "gangway-vf-window")[0], "rb") as file:
            file.seek(12 * guest.MIB)
            guest.expect(file.read(1 << 16) == drawn[:1 << 16], "the probe has copied other bytes")
        guest.expect(re.search(r"reaches memory of 01:00.0 at 0x\w+ directly", run.stderr()),
                     run.stderr())
        run.answer()
        guest.expect("did not let go" not in run.stderr(), run.stderr())
        run.wait_for("gw-step: picture flips")
        follow(share)
        run.answer()
        for mode in "1920x1080", "640x480":
            run.wait_for(f"gw-step: picture {mode}")
            width, height = map(int, mode.split("x"))
            look(run.popen.pid, 4 * width * height, bars(width))
            if mode == "640x480":
                hung = hang(work, share)
            run.answer()
        with hung:
            run.finish()
            guest.expect("importer viewer did not let go in time" in run.stderr(), run.stderr())
            hung.popen.send_signal(signal.SIGCONT)
        guest.expect(run.values["driver"].startswith("bochs-drm"), run.values["driver"])
        guest.expect(run.values["mode"] == "1024x768", run.values["mode"])
        guest.expect("on the card's own screen by iov-vram, 1 runs" in run.stderr() and
                     "on the card's own screen by iov-vram, 3 runs" in run.stderr(), run.stderr())
        for mode in "1920x1080", "640x480":
            guest.expect(f" is {mode} stride" in run.stderr(), run.stderr())


def listed_buffer(share):
    """The line of the buffer that a guest shares, or None; there is at most one."""
    lines = [line for line in share.run("list", "--as", "copier")[0].splitlines()
             if " buffer " in line]
    guest.expect(len(lines) < 2, str(lines))
    return lines[0] if lines else None


def wait_for_buffer(share, there):
    """The broker hears of it in the background."""
    deadline = time.monotonic() + 60
    while (listed_buffer(share) is not None) != there:
        guest.expect(time.monotonic() < deadline, f"a buffer: {listed_buffer(share)}")
        time.sleep(0.1)
    return listed_buffer(share)


def a_guest_shares_buffers(work):
    """By the module's device a guest shares memory that is on no screen: that, and no byte more."""
    drawn = picture.draw(1024, 768)
    raw, png = work.path("picture"), work.path("seen.png")
    with open(raw, "wb") as file:
        file.write(drawn)
    lines = drawn[0x1a0000:0x1c0000] + drawn[0x180000:0x1a0000]
    share = Share(work)
    module = paravirt.module("arm64", FULL["version"])
    with share.broker("pixels"), \
         work.run("gpu-share", ["sim:gpu,share=16M,window=32M,pieces=5"],
                  ["--plan", "paravirt", "--memory", "512M", "--share", share.socket, "--vm",
                   "pixels", "-v"], add=(f"{raw}:/picture", f"{module}:/gangway-dma.ko"),
                  **FULL) as run:
        run.wait_for("gw-step: picture drawn", 300)
        share.wait_for_picture("pixels", png, drawn)
        run.answer()
        run.wait_for("gw-step: picture shared")
        line = wait_for_buffer(share, True)
        guest.expect(line.endswith("buffer 1024x64 stride 4096 offset 0 xrgb8888")
                     and " 256 KiB " in line, line)
        number = line.split()[0]
        for name in "copier", "viewer":
            said = share.run("show", number, "--png", png, "--as", name)[1]
            guest.expect("1024x64, by " in said, said)
            why = picture.differs(picture.read_png(png), lines)
            guest.expect(not why, f"{name}: {why}")
        share.run("show", "pixels", "--png", png)
        guest.expect(len(picture.read_png(png)) == 4 * 640 * 480, "the name is not the screen's")
        share.refused("show", number, "--png", png, "--as", "other")
        run.answer()
        run.wait_for("gw-step: picture unshared")
        wait_for_buffer(share, False)
        share.refused("show", number, "--png", png)
        run.answer()
        run.wait_for("gw-step: picture again")
        again = wait_for_buffer(share, True).split()[0]
        guest.expect(again != number, f"the number {number} is another's now")
        run.answer()
        run.wait_for("gw-step: picture reset")
        wait_for_buffer(share, False)
        share.refused("show", again, "--png", png)
        run.answer()
        run.finish()


if __name__ == "__main__":
    sys.exit(guest.main([bochs_draws, a_guest_shares_buffers]))
