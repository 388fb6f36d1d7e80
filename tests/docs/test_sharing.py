#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""docs/sharing.md says which test shows each requirement: it must exist. And what no test of behaviour
can show, because it is about what there is not: R11, R12, R13, R25, R35 to R37."""

import pathlib
import re
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]
NUMBERS = {*range(1, 9), *range(10, 19), *range(20, 26), *range(30, 38), *range(40, 49), *range(50, 54)}


def text(path):
    return (ROOT / path).read_text(encoding="utf-8")


def words(path):
    return set(re.findall(r"\w+", text(path)))


def rows():
    """Of the table: numbers, how it is met, tests."""
    for line in text("docs/sharing.md").splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if line.startswith("| R") and len(cells) == 4:
            yield [int(n) for n in re.findall(r"R(\d+)", cells[0])], cells[2], cells[3]


def code(path):
    """Without comments."""
    return re.sub(r"/\*.*?\*/|//[^\n]*", " ", text(path), flags=re.S)


def prototypes(path):
    return re.findall(r"\b(gw_\w+)\(([^;{}]*)\);", code(path))


class Table(unittest.TestCase):
    def test_each_requirement_has_a_row(self):
        seen = [n for numbers, _, _ in rows() for n in numbers]
        self.assertEqual(sorted(seen), sorted(NUMBERS))

    def test_each_requirement_that_binds_has_a_test(self):
        for numbers, how, tests in rows():
            self.assertEqual(bool(how), bool(tests), f"R{numbers[0]:02}")

    def test_each_test_that_is_named_exists(self):
        for numbers, _, tests in rows():
            for name, functions in re.findall(r"(\w+): ([\w, ]+)", tests):
                where = "tests/docs/test_sharing.py" if name == "test_sharing" else \
                    f"tests/unit/test_{name}.c"
                for function in re.findall(r"\w\w\w+", functions):
                    self.assertTrue(function in words(where), f"{where}: {function}")
            for name in re.findall(r"(?:^|, )(\w+)(?=,|$| \(all\))", re.sub(r"\w+: [\w, ]+", "", tests)):
                self.assertTrue((ROOT / f"tests/unit/test_{name}.c").exists(), name)


class Absent(unittest.TestCase):
    def assertLacks(self, path, pattern):
        found = re.search(pattern, code(path.relative_to(ROOT)))
        self.assertIsNone(found, path.name)

    def test_no_call_leads_back_from_a_dma_address(self):
        """R11: who has an address of a device learns nothing of where it leads."""
        for path in sorted((ROOT / "include/gangway").glob("*.h")):
            for name, arguments in prototypes(path.relative_to(ROOT)):
                if re.search(r"\bgw_(iova|bus)\b(?! \*)", arguments):
                    self.assertNotRegex(arguments, r"gw_(vram|bar_off|gpa) \*", name)

    def test_no_payload_has_an_address_of_the_processor_or_of_the_bus(self):
        """R12, R13: what importers get are offsets, DMA addresses of their own, or files."""
        payloads = re.findall(r"struct gw_\w+_payload \{(.*?)\};", code("include/gangway/share.h"),
                              re.S)
        self.assertEqual(len(payloads), 5)
        for payload in payloads:
            self.assertNotRegex(payload, r"void \*|uint8_t \*|uintptr_t|gw_bus|gw_gpa")

    def test_nobody_else_is_told_of_the_provisioning(self):
        """R25: where shares lie is the physical function's, and no message carries it."""
        for path in (ROOT / "lib/share").glob("*.[ch]"):
            if path.name in ("provisioning.c", "translate.c", "ranges.c"):
                continue
            self.assertLacks(path, r"provisioning|gw_vram")

    def test_sharing_knows_no_vendor(self):
        """R35, R36, R37: neither identities nor devices of a maker."""
        for path in (ROOT / "lib/share").glob("*.[ch]"):
            self.assertLacks(path, r"(?i)vendor|\b(intel|amd|nvidia|xe|i915)\b|\"devices/")


if __name__ == "__main__":
    unittest.main()
