# SPDX-License-Identifier: BSD-3-Clause
"""A virtual IOMMU between guest and device: mappings come and go by the page."""

import struct

import probe
from child import wait_until
from qemu import MIB
from runner import main, test

PAGE = 0x1000
VTD = 0xfed90000        # registers of intel-iommu (VT-d 4.1, section 11)
ECAP, GCMD, GSTS, RTADDR, CCMD = 0x10, 0x18, 0x1c, 0x20, 0x28
TE, SRTP = 1 << 31, 1 << 30
ONGOING = 0x96ffffff    # what of GSTS is not the trace of a command that is done once
ROOT, CONTEXT, L4, L3, L2, L1 = (0x1000000 + i * PAGE for i in range(6))


class Vtd:
    """Page tables for one device, as a guest's driver makes them."""

    def __init__(self, qemu, slot):
        self.qtest = qemu.qtest
        store = self.qtest.store
        self.qtest.fill(ROOT, 6 * PAGE, 0)
        store(ROOT, 8, CONTEXT | 1)
        store(CONTEXT + 16 * (slot << 3), 8, L4 | 1)
        store(CONTEXT + 16 * (slot << 3) + 8, 8, 2 | 1 << 8)    # 4 levels, domain 1
        store(L4, 8, L3 | 3)
        store(L3, 8, L2 | 3)
        store(L2, 8, L1 | 3)
        # the registers for invalidation are where the capabilities say
        self.iva = VTD + (self.qtest.load(VTD + ECAP, 8) >> 8 & 0x3ff) * 16
        store(VTD + RTADDR, 8, ROOT)
        self._command(SRTP)

    def _command(self, bit, on=True):
        status = self.qtest.load(VTD + GSTS, 4) & ONGOING
        self.qtest.store(VTD + GCMD, 4, status | bit if on else status & ~bit)
        if bit != SRTP:
            assert bool(self.qtest.load(VTD + GSTS, 4) & bit) == on

    def translate(self, on):
        if on:
            self.qtest.store(VTD + CCMD, 8, 1 << 63 | 1 << 61)
            self.invalidate()
        self._command(TE, on)

    def set(self, first, pages, target, flags=3):
        """Let `pages` pages from page number `first` lead to `target`; 0 flags: nowhere."""
        entries = [target + i * PAGE | flags if flags else 0 for i in range(pages)]
        self.qtest.write(L1 + 8 * first, struct.pack(f"<{pages}Q", *entries))

    def invalidate(self):
        """The whole domain."""
        self._invalidate(1 << 63 | 2 << 60 | 1 << 32)

    def invalidate_page(self, page):
        self.qtest.store(self.iva, 8, page * PAGE)
        self._invalidate(1 << 63 | 3 << 60 | 1 << 32)

    def _invalidate(self, command):
        self.qtest.store(self.iva + 8, 8, command)
        done = self.qtest.load(self.iva + 8, 8)
        assert not done >> 63 and done >> 57 & 3 == command >> 60 & 3, hex(done)


def with_vtd(rig, faults=0, host=("caller-iova=on",), **options):
    daemon = rig.daemon(host=host, faults=faults)
    qemu = rig.qemu(daemon.socket, more=["-device", "intel-iommu,caching-mode=on"], **options)
    device = probe.Probe(qemu)
    return daemon, device, Vtd(qemu, device.slot)


def translates(rig, **options):
    _, device, vtd = with_vtd(rig, **options)
    fill, read = device.qtest.fill, device.qtest.read
    device.copy(8 * MIB, 9 * MIB, PAGE)     # untranslated at first
    vtd.set(0x10, 8, 32 * MIB)
    vtd.set(0x20, 8, 40 * MIB)
    vtd.translate(True)
    fill(32 * MIB, 8 * PAGE, 0x11)
    fill(40 * MIB, 8 * PAGE, 0)
    device.copy(0x10 * PAGE, 0x20 * PAGE, 8 * PAGE)
    assert read(40 * MIB, 8 * PAGE) == b"\x11" * (8 * PAGE)
    vtd.translate(False)
    device.copy(32 * MIB, 9 * MIB, PAGE)
    assert read(9 * MIB, PAGE) == b"\x11" * PAGE


@test
def translation_can_be_switched_on_and_off(rig):
    translates(rig)


@test
def translation_of_memory_that_only_qemu_has(rig):
    translates(rig, ram="anonymous")


@test
def translation_switched_on_and_off_again_and_again(rig):
    daemon, device, vtd = with_vtd(rig)
    vtd.set(0, 512, 32 * MIB)
    for _ in range(10):
        vtd.translate(True)
        device.copy(0, 0x100 * PAGE, 0x100 * PAGE)
        vtd.translate(False)
        device.copy(32 * MIB, 40 * MIB, PAGE)
    rig.finish()
    assert daemon.report["peak_maps"] >= 512 and daemon.report["maps"] > 5120


@test
def pages_come_and_go_in_a_storm(rig):
    _, device, vtd = with_vtd(rig)
    vtd.translate(True)
    for round_ in range(10):
        for page in range(0, 64):
            vtd.set(page, 1, 32 * MIB + (page * 7 % 64) * PAGE)
            vtd.invalidate_page(page)
        device.qtest.fill(32 * MIB, 64 * PAGE, round_ + 1)
        assert device.sum(0, 64 * PAGE) == probe.fnv1a(bytes([round_ + 1]) * (64 * PAGE))
        for page in range(0, 64):
            vtd.set(page, 1, 0, flags=0)
            vtd.invalidate_page(page)


@test
def a_page_led_elsewhere_is_seen_at_once(rig):
    _, device, vtd = with_vtd(rig)
    vtd.translate(True)
    vtd.set(1, 1, 50 * MIB)
    vtd.invalidate_page(1)
    for i in range(40):
        device.qtest.fill(32 * MIB + i * PAGE, PAGE, i)
        vtd.set(0, 1, 32 * MIB + i * PAGE)
        vtd.invalidate_page(0)
        device.copy(0, PAGE, PAGE)
        assert device.qtest.read(50 * MIB, PAGE) == bytes([i]) * PAGE


@test
def what_is_not_translated_faults(rig):
    _, device, vtd = with_vtd(rig, faults=3)
    vtd.set(1, 1, 32 * MIB, flags=1)        # may be read only
    vtd.translate(True)
    for iova in (0, 32 * MIB, PAGE):
        device.begin(probe.CMD_FILL, dst=iova, length=8, pattern=1)
        assert device.wait() == probe.FAILED
    device.sum(PAGE, PAGE)


@test
def more_pages_than_the_host_maps_are_refused_and_come_when_there_is_room(rig):
    daemon, device, vtd = with_vtd(rig, faults=1, host=("caller-iova=on", "max-maps=100"))
    device.qtest.fill(32 * MIB, 128 * PAGE, 0x77)
    vtd.set(0, 128, 32 * MIB)
    vtd.translate(True)
    daemon.wait_words("100 of 100 mappings are in use")
    device.qemu.wait_words("No space left on device")
    assert device.sum(0, 100 * PAGE) == probe.fnv1a(b"\x77" * (100 * PAGE))
    device.begin(probe.CMD_SUM, src=100 * PAGE, length=8)
    assert device.wait() == probe.FAILED
    vtd.set(0, 128, 0, flags=0)
    vtd.invalidate()
    vtd.set(100, 28, 32 * MIB)
    vtd.invalidate()
    assert device.sum(100 * PAGE, 28 * PAGE) == probe.fnv1a(b"\x77" * (28 * PAGE))
    rig.finish()
    assert daemon.report["peak_maps"] == 100


@test
def a_reset_machine_is_untranslated(rig):
    _, device, vtd = with_vtd(rig)
    vtd.set(0, 16, 32 * MIB)
    vtd.translate(True)
    device.qemu.qmp.command("system_reset")
    device.qemu.qmp.wait_event("RESET")
    device.start()
    device.copy(32 * MIB, 40 * MIB, PAGE)


def virtio_iommu(rig, machine):
    daemon = rig.daemon()
    qemu = rig.qemu(daemon.socket, machine=machine,
                    more=["-device", "virtio-iommu-pci,addr=3"])
    device = probe.Probe(qemu)
    ram = qemu.machine.ram
    qemu.qtest.fill(ram + 8 * MIB, PAGE, 0x44)
    device.copy(ram + 8 * MIB, ram + 9 * MIB, PAGE)
    assert qemu.qtest.read(ram + 9 * MIB, PAGE) == b"\x44" * PAGE
    return device


@test
def a_virtio_iommu_lets_the_device_pass_on_a_q35(rig):
    virtio_iommu(rig, "q35")


@test
def a_virtio_iommu_lets_the_device_pass_on_an_arm_machine(rig):
    virtio_iommu(rig, "virt")


if __name__ == "__main__":
    main()
