# SPDX-License-Identifier: BSD-3-Clause
"""`gangway run`: the QEMU it starts, the guest's memory, kernel and IOMMU, what it refuses."""

import json
import os
import platform
import pty
import re
import shutil
import signal
import subprocess
import termios

from child import TIMEOUT, Child, wait_until
from command import FAILED, OK, TAKES, UNAVAILABLE, USAGE, FakeQemu, gangway, refused, serve
from qemu import MIB
from runner import main, test


def members(path):
    """The process whose number is in a file, and its child; once there are both."""
    if not os.path.exists(path):
        return None
    with open(path, encoding="ascii") as file:
        pid = file.read().strip()
    if not pid:
        return None
    with open(f"/proc/{pid}/task/{pid}/children", encoding="ascii") as file:
        child = file.read().strip()
    return [pid, child] if child else None


def hanging_qemu(rig, before="", asked="*"):
    """A kernel, and a QEMU that does not answer what it is asked; its process id is in a file."""
    kernel, hangs = rig.path("kernel"), rig.path("qemu")
    shutil.copy("/bin/true", kernel)
    with open(hangs, "w", encoding="utf-8") as file:
        file.write(f"#!/bin/sh\n{before}case $* in {asked}) echo $$ >" + rig.path("asked") +
                   "; sleep 1000; exit 1;; esac\n")
    os.chmod(hangs, 0o755)
    return kernel, hangs


def all_end(asked):
    wait_until("it has ended, with what it started",
               lambda: not any(os.path.exists(f"/proc/{pid}/exe") for pid in asked))


@test
def a_signal_ends_run_while_it_starts_and_nothing_is_left(rig):
    """While a host is slow, and while QEMU does not get on with its device tree."""
    kernel, hangs = hanging_qemu(rig, "case $* in *help) echo vfio-user-pci options; exit;; esac\n",
                                 "*dumpdtb=*")
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        for options in (("--host-option", "call-delay-us=10000000"), ()):
            folder = rig.new_path("tmp")
            os.mkdir(folder)
            child = Child("run", [rig.gangway, "run", "sim:probe", "--qemu", hangs, "--kernel", kernel,
                                  *options], env={**os.environ, "TMPDIR": folder})
            if options:
                wait_until("a folder", lambda: os.listdir(folder))
            else:
                asked = wait_until("QEMU is asked", lambda: members(rig.path("asked")))
                os.remove(rig.path("asked"))
            child.signal(number)
            assert child.wait_exit() == 128 + number, child.output
            assert not os.listdir(folder)
            if not options:
                all_end(asked)


@test
def a_qemu_that_does_not_answer_is_given_up_and_nothing_of_it_is_left(rig):
    kernel, hangs = hanging_qemu(rig)
    child = Child("run", [rig.gangway, "run", "sim:probe", "--qemu", hangs, "--kernel", kernel])
    asked = wait_until("QEMU is asked", lambda: members(rig.path("asked")))
    assert child.wait_exit(3 * TIMEOUT) == UNAVAILABLE, child.output
    assert "does not say within 30 seconds which devices it has" in child.output, child.output
    all_end(asked)


@test
def memory_above_a_window_is_a_node_of_its_own(rig):
    kernel = rig.new_path("kernel")
    open(kernel, "w", encoding="utf-8").close()

    def words(*options):
        status, out, err = gangway(rig, "run", "sim:probe", "--qemu", rig.qemu_dir, "--kernel", kernel,
                                   "--dry-run", "--memory", "768M", *options)
        assert status == OK, err
        done = subprocess.run(["sh", "-c", "printf '%s\\n' " + out], capture_output=True, text=True,
                              check=True)
        words = done.stdout.splitlines()
        return words, [json.loads(word) for word in words if '"qom-type"' in word]

    line, backends = words("--window", "512M", "--host-option", "segments=1")
    assert [(b["id"], b["size"], b["offset"]) for b in backends] == [
        ("mem", 512 * MIB, 0), ("far", 256 * MIB, 512 * MIB)]
    assert backends[0]["mem-path"] == backends[1]["mem-path"]
    assert "node,nodeid=0,memdev=mem" in line and "node,nodeid=1,memdev=far" in line
    assert "memory-backend" not in line[line.index("-machine") + 1]
    for options in (["--window", "512M", "--one-node"], ["--window", "128M"], ["--window", "768M"]):
        line, backends = words(*options)
        assert [(b["id"], b["size"]) for b in backends] == [("mem", 768 * MIB)]
        assert "virt,memory-backend=mem" in line and "-numa" not in line


@test
def a_kernel_is_told_what_may_wait_to_be_written_where_the_window_is_a_node(rig):
    kernel = rig.new_path("kernel")
    open(kernel, "w", encoding="utf-8").close()

    def words(*options):
        status, out, err = gangway(rig, "run", "sim:probe", "--qemu", rig.qemu_dir, "--kernel", kernel,
                                   "--dry-run", "--window", "512M", "--append", "last", *options)
        assert status == OK, err
        return re.search(r"-append '(.*) last'", out)[1].split()

    assert "sysctl.vm.dirty_ratio=30" in words("--memory", "768M")
    # no more than twice the kernel's own share, however large memory is
    assert "sysctl.vm.dirty_ratio=40" in words("--memory", "4G")
    for options in (["--memory", "768M", "--one-node"], ["--memory", "512M"]):
        assert not [word for word in words(*options) if word.startswith("sysctl.")]


@test
def a_kernel_allocates_for_devices_where_the_budget_reaches(rig):
    kernel = rig.new_path("kernel")
    open(kernel, "w", encoding="utf-8").close()
    for budget, arch, told in (("1536M", "arm64", "first 1024 MiB"), ("512M", "arm64", "first 480 MiB"),
                               ("4G", "arm64", None), ("64M", "arm64", None), ("1536M", "x86_64", None)):
        status, out, err = gangway(rig, "run", "sim:probe", "--plan", "paravirt", "--arch", arch,
                                   "--qemu", rig.qemu_dir, "--kernel", kernel, "--dry-run", "--memory",
                                   "4G", "--host-option", f"max-bytes={budget}")
        assert status == OK, err
        assert ("-dtb" in out.split()) == bool(told), out
        assert (told or "the device tree has") in err if told else "the device tree has" not in err, err


@test
def several_devices_share_a_window_where_the_host_has_it_at_one_place(rig):
    kernel = rig.new_path("kernel")
    open(kernel, "w", encoding="utf-8").close()
    run = ["run", "sim:probe", "sim:probe", "--qemu", rig.qemu_dir, "--kernel", kernel, "--dry-run",
           "--memory", "768M"]
    base = ["--host-option", "base=0x10080000000"]
    status, _, err = gangway(rig, *run, *base, "--plan", "window", "--window", "512M")
    assert status == OK, err
    assert "at 0x10080004000 for the device" in err and "41 bits" in err and "smaller DMA mask" in err
    refused(rig, FAILED, ["need the same address"], *run, "--plan", "window")
    # by default the plan is one that works for all of them, wherever a window would be
    for options in [], base:
        status, _, err = gangway(rig, *run, *options)
        assert status == OK and "plan paravirt: " in err and "several devices" in err, err
    status, _, err = gangway(rig, *run, *TAKES)
    assert status == OK and "plan direct: " in err, err


@test
def the_window_is_told_by_acpi_too(rig):
    kernel, initrd, firmware = (rig.new_path(name) for name in ("kernel", "initrd", "firmware"))
    for path in kernel, initrd, firmware:
        with open(path, "w", encoding="utf-8") as file:
            file.write("x\0")
    run = ["run", "sim:probe", "--qemu", rig.qemu_dir, "--kernel", kernel, "--initrd", initrd,
           "--dry-run"]
    status, out, err = gangway(rig, *run, "--firmware", firmware, "--memory", "768M")
    assert status == OK, err
    words = out.split()
    assert words[words.index("-bios") + 1] == firmware
    assert words[words.index("-initrd") + 1] != initrd
    refused(rig, FAILED, ["bounce buffers", "512 MiB", "--window of 1G"], *run, "--firmware", firmware,
            "--memory", "768M", "--window", "512M")
    refused(rig, UNAVAILABLE, [rig.path("none"), "qemu-efi-aarch64"], *run, "--firmware",
            rig.path("none"))
    refused(rig, USAGE, ["--firmware", "plan pool"], *run, "--firmware", firmware, "--plan", "pool")


@test
def what_run_would_start_is_printed_and_not_started(rig):
    qemu = FakeQemu(rig)
    kernel = rig.new_path("kernel")
    open(kernel, "w", encoding="utf-8").close()
    status, out, err = gangway(rig, "run", "sim:probe", "--qemu", qemu.path, "--kernel", kernel,
                               *TAKES, "--dry-run", "--append", "it's")
    assert status == OK, err
    words = subprocess.run(["sh", "-c", "printf '%s\\n' " + out], capture_output=True, text=True,
                           check=True).stdout.splitlines()
    assert words[0] == qemu.path and kernel in words
    assert words[words.index("-append") + 1].endswith("it's")
    assert words[words.index("-sandbox") + 1].startswith("on,")
    assert not os.path.exists(qemu.words_path)


@test
def several_devices_get_a_plan_that_works_for_all(rig):
    qemu = FakeQemu(rig)
    kernel = rig.new_path("kernel")
    open(kernel, "w", encoding="utf-8").close()
    status, out, err = gangway(rig, "run", "sim:probe", "sim:probe", "--qemu", qemu.path, "--kernel",
                               kernel, "--dry-run", "--arch", "arm64", "--memory", "1G")
    assert status == OK and "plan paravirt" in err and "same address" in err, err
    assert out.count("vfio-user-pci") == 4


@test
def the_terminal_is_as_it_was_when_qemu_has_died(rig):
    ours, its = pty.openpty()
    before = termios.tcgetattr(its)
    qemu, kernel = rig.new_path("qemu"), rig.new_path("kernel")
    open(kernel, "w", encoding="utf-8").close()
    with open(qemu, "w", encoding="utf-8") as file:
        file.write("#!/bin/sh\ncase $* in *help) echo vfio-user-pci options; exit;; esac\n"
                   "stty raw -echo\nkill -BUS $$\n")
    os.chmod(qemu, 0o755)
    done = subprocess.run([rig.gangway, "run", "sim:probe", *TAKES, "--arch", "x86_64", "--qemu",
                           qemu, "--kernel", kernel], stdin=its, stdout=its,
                          stderr=subprocess.PIPE, text=True, timeout=TIMEOUT, check=False)
    assert done.returncode == FAILED, done.stderr
    assert "signal 7" in done.stderr and "memory" in done.stderr, done.stderr
    assert termios.tcgetattr(its) == before
    os.close(ours)
    os.close(its)


@test
def a_qemu_that_cannot_be_used_is_named(rig):
    broken = rig.path("qemu-system-aarch64")
    with open(broken, "w", encoding="utf-8") as file:
        file.write("#!/bin/sh\nexit 1\n")
    os.chmod(broken, 0o755)
    old = rig.path("old")       # what QEMU before 10.1 does: it says so and ends well
    with open(old, "w", encoding="utf-8") as file:
        file.write("#!/bin/sh\necho \"Device 'vfio-user-pci' not found\" >&2\n")
    os.chmod(old, 0o755)
    for path in (broken, old, rig.dir, rig.path("nothing"), "/bin/true"):
        refused(rig, UNAVAILABLE, ["--qemu", path, "10.1"], "run", "sim:probe", "--qemu", path)
        refused(rig, UNAVAILABLE, ["$QEMU", path, "10.1"], "run", "sim:probe", env={"QEMU": path})


@test
def a_qemu_for_another_machine_is_named(rig):
    other = os.path.join(rig.qemu_dir, "qemu-system-x86_64")
    kernel = rig.path("kernel")
    open(kernel, "w", encoding="utf-8").close()
    refused(rig, FAILED, [other, "-machine virt"], "run", "sim:probe", "--qemu", other,
            "--kernel", kernel)


def native():
    return "x86_64" if platform.machine() == "x86_64" else "arm64"


def kvm_trouble():
    """Why this machine has no KVM, or None."""
    try:
        os.close(os.open("/dev/kvm", os.O_RDWR))
    except OSError as error:
        return error.strerror
    return None


def refused_kvm(rig, words, accel, arch, **user):
    """All is there but KVM."""
    qemu, kernel = FakeQemu(rig), rig.new_path("kernel")
    open(kernel, "w", encoding="utf-8").close()
    done = subprocess.run([rig.gangway, "run", "sim:probe", "--qemu", qemu.path, "--kernel", kernel,
                           "--accel", accel, "--arch", arch, *TAKES], capture_output=True,
                          text=True, timeout=TIMEOUT, check=False, **user)
    assert done.returncode == UNAVAILABLE, done.stderr
    for word in "--accel kvm", "emulated", *words:
        assert word in done.stderr, f"'{word}' is missing in: {done.stderr}"
    assert not os.path.exists(qemu.words_path), "QEMU was started"


@test
def kvm_that_cannot_be_had_is_refused_with_the_reason(rig):
    other = "arm64" if native() == "x86_64" else "x86_64"
    for accel in "kvm", "kvm,kernel-irqchip=on":
        refused_kvm(rig, ["architecture"], accel, other)
        if kvm_trouble():
            refused_kvm(rig, ["/dev/kvm", kvm_trouble(), "gangway doctor"], accel, native())
    if not kvm_trouble() and os.getuid() == 0 and not os.stat("/dev/kvm").st_mode & 0o6:
        nobody = {"user": 65534, "group": 65534, "extra_groups": []}
        os.chmod(rig.dir, 0o755)
        rig.gangway = shutil.copy(rig.gangway, rig.path("gangway"))
        refused_kvm(rig, ["/dev/kvm", "Permission denied", "gangway doctor"], "kvm", native(),
                    **nobody)


@test
def a_guest_is_emulated_unless_kvm_is_asked_for(rig):
    qemu = FakeQemu(rig)

    def machine(*args):
        words = qemu.run(rig, *args)
        assert words.count("-accel") == words.count("-cpu") == 1
        return words[words.index("-accel") + 1], words[words.index("-cpu") + 1]

    x86 = ("--arch", "x86_64", *TAKES)
    arm = ("--plan", "paravirt", "--memory", "1G")
    assert machine(*x86) == ("tcg", "max")
    assert machine(*x86, "--accel", "tcg,thread=single") == ("tcg,thread=single", "max")
    # without the choice of a cheaper algorithm emulated guests are slow
    assert machine(*arm) == ("tcg", "max,pauth-impdef=on")
    if not kvm_trouble():
        options = x86 if native() == "x86_64" else arm
        assert machine(*options, "--accel", "kvm") == ("kvm", "host")


@test
def the_guests_kernel_is_told_where_its_console_is(rig):
    qemu = FakeQemu(rig)

    def told(*args):
        words = qemu.run(rig, *args)
        return words[words.index("-append") + 1].split()

    assert told("--arch", "x86_64", *TAKES) == ["console=ttyS0", "no_timer_check"]
    assert told("--plan", "paravirt", "--memory", "1G", "--append", "a b") == ["console=ttyAMA0", "a", "b"]


@test
def a_virtual_iommu_that_cannot_work_is_refused_with_the_reason(rig):
    kernel = rig.path("kernel")
    open(kernel, "w", encoding="utf-8").close()
    start = ["run", "sim:probe", "--qemu", rig.qemu_dir, "--kernel", kernel]
    refused(rig, USAGE, ["--viommu", "amd", "virtio, intel or none"], *start, "--viommu", "amd")
    refused(rig, USAGE, ["--viommu", "intel", "--arch x86_64"], *start, "--viommu", "intel", *TAKES)
    refused(rig, FAILED, ["--viommu virtio", "plan window", "plan direct", "caller-iova=on"], *start,
            "--viommu", "virtio")
    start += ["--arch", "x86_64"]
    for words in (["-device", "virtio-iommu-pci"], ["-device", '{"driver": "virtio-iommu-pci"}'],
                  ["-device", "intel-iommu,caching-mode=on"]):
        refused(rig, FAILED, ["iommu", "plan paravirt", "plan direct"], *start, "--", *words)
    refused(rig, FAILED, ["iommu", "plan window"], *start, "--arch", "arm64", "--", "--machine",
            "iommu=smmuv3")
    for device in "intel-iommu", "intel-iommu,caching-mode=off":
        refused(rig, FAILED, ["caching-mode=on", "--viommu intel"], *start, *TAKES, "--", "-device",
                device)


@test
def a_name_that_is_like_that_of_an_iommu_is_nobodys_concern(rig):
    words = FakeQemu(rig).run(rig, "--arch", "x86_64", "--", "-name", "intel-iommu", "-M", "q35")
    assert "intel-iommu" in words


@test
def a_virtual_iommu_comes_before_the_devices_and_its_kernel_knows(rig):
    qemu = FakeQemu(rig)
    for kind, device, word in (("virtio", "virtio-iommu-pci", "gangway.modules=virtio_iommu"),
                               ("intel", "intel-iommu,caching-mode=on", "intel_iommu=on")):
        words = qemu.run(rig, "--arch", "x86_64", *TAKES, "--viommu", kind)
        devices = [words[i + 1] for i, w in enumerate(words) if w == "-device"]
        assert devices[0] == device and "vfio-user-pci" in devices[-1]
        assert word in words[words.index("-append") + 1].split()
    words = qemu.run(rig, "--arch", "x86_64", *TAKES, "--viommu", "none")
    assert not any("iommu" in word for word in words) and "" not in words


@test
def a_kernel_that_is_not_there_is_named(rig):
    refused(rig, UNAVAILABLE, ["--kernel", rig.path("no"), "No such file", "hint"], "run",
            "sim:probe", "--qemu", rig.qemu_dir, "--kernel", rig.path("no"))
    with open(rig.path("text"), "w", encoding="utf-8") as file:
        file.write("a config, say")
    refused(rig, UNAVAILABLE, ["--kernel", rig.path("text"), "it is a text", "hint"], "run",
            "sim:probe", "--qemu", rig.qemu_dir, "--kernel", rig.path("text"))


@test
def memory_that_the_machine_does_not_have_is_warned_of(rig):
    qemu = FakeQemu(rig).path
    kernel = rig.path("kernel")
    open(kernel, "w", encoding="utf-8").close()
    start = ["run", "sim:probe", "--arch", "x86_64", "--qemu", qemu, "--kernel", kernel]
    status, _, err = gangway(rig, *start, "--memory", "64T")
    assert status == OK and "warning: the guest has 67108864 MiB of memory" in err, err
    assert "warning" not in gangway(rig, *start, "--memory", "64M")[2]


@test
def what_qemu_does_not_take_is_told_in_its_own_words(rig):
    kernel = rig.path("kernel")
    open(kernel, "w", encoding="utf-8").close()
    refused(rig, FAILED, ["device tree", "QEMU: ", "-frob: invalid option", "behind --"], "run",
            "sim:probe", "--qemu", rig.qemu_dir, "--kernel", kernel, "--", "-frob")


@test
def a_device_that_cannot_be_had_ends_run_as_it_ends_serve(rig):
    kernel = rig.path("kernel")
    open(kernel, "w", encoding="utf-8").close()
    for status, device, word in ((USAGE, "sim:frob", "gangway list"),
                                 (USAGE, "sim:nvme,file=x,size=-1", "size"),
                                 (UNAVAILABLE, "0000:7f:1f.7", "gangway list"),
                                 (UNAVAILABLE, f"sim:nvme,file={rig.path('none')}", "size=N")):
        refused(rig, status, [word], "run", device, "--qemu", rig.qemu_dir, "--kernel", kernel)
        serve(rig, status, [word], device)


@test
def what_a_host_cannot_do_comes_with_a_way_out(rig):
    kernel = rig.path("kernel")
    open(kernel, "w", encoding="utf-8").close()
    for options, words in ((["--plan", "direct"], ["chooses the DMA addresses", "caller-iova=on"]),
                           (["--memory", "1M"], ["too small", "hint: ask for more"]),
                           (["--host-option", "fail-map=1"], ["Input/output", "smaller --window"]),
                           (["--host-option", "fail-reset=on"], ["reset failed", "off and on"])):
        refused(rig, UNAVAILABLE if "direct" in options else FAILED, words, "run", "sim:probe",
                "--qemu", rig.qemu_dir, "--kernel", kernel, *options)
    text = rig.path("text")
    with open(text, "w", encoding="utf-8") as file:
        file.write("x" * 100)
    for tree, word in ((rig.path("no"), "No such file"), (text, "not a device tree")):
        serve(rig, FAILED, [tree, word, "dumpdtb"], "sim:probe", "--device-tree", tree,
              "--memory-file", rig.path("ram"))
    serve(rig, FAILED, [text, "File exists", "not there yet"], "sim:probe", "--device-tree", text,
          "--memory-file", text)


@test
def a_window_over_the_budget_is_refused_before_qemu_starts(rig):
    kernel = rig.path("kernel")
    open(kernel, "w", encoding="utf-8").close()
    err = refused(rig, FAILED, ["2048 MiB", "1536 MiB", "--window 1536M"], "-v", "run",
                  "sim:probe", "--qemu", rig.qemu_dir, "--kernel", kernel, "--memory", "4G", "--window", "2G")
    assert "-nographic" not in err, "QEMU was started"


if __name__ == "__main__":
    main()
