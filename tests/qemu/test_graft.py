# SPDX-License-Identifier: BSD-3-Clause
"""What qemu/graft makes of QEMU's source.

Usage: test_graft.py SOURCE [NAME OF TEST]...; the folder holds a source that has been grafted.
"""

import os
import pathlib
import re
import subprocess
import sys

import inside

# pylint: disable=wrong-import-order
import runner
from runner import test

GRAFT = inside.ROOT / "qemu" / "graft"
TOUCHED = ("hw/Kconfig", "hw/meson.build", "accel/hvf/hvf-all.c", "accel/hvf/hvf-accel-ops.c",
           "hw/gangway/gangway-pci.c", "hw/gangway/meson.build")
CUT = ("hvf_find_overlap_slot", "do_hvf_set_memory", "hvf_set_phys_mem")
MAPS = "memory rwx\nrom r-x\nregisters rw-\nsmall \ntrapped \n"


def graft(tree):
    """What it says, and its status."""
    done = subprocess.run([GRAFT, tree], check=False, text=True, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT)
    return done.returncode, done.stdout


def source(rig):
    """QEMU's source, by what the runner knows as the folder of QEMU."""
    return pathlib.Path(rig.qemu_dir)


def cut(text, name):
    """A function of a source text."""
    found = re.search(rf"^[^\n;]*\b{name}\([^;{{]*\)\n\{{\n.*?^\}}\n", text, re.S | re.M)
    assert found, f"there is no {name}()"
    return found[0]


@test
def under_hvf_registers_are_mapped_without_execute_permission(rig):
    text = "".join(path.read_text() for path in sorted(source(rig).glob("accel/hvf/*.c")))
    functions = pathlib.Path(rig.path("hvf-cut.c"))
    functions.write_text("\n".join(cut(text, name) for name in CUT))
    program = rig.path("hvf")
    here = pathlib.Path(__file__).resolve().parent
    subprocess.run([os.environ.get("CC", "cc").split()[-1], f'-DHVF_C="{functions}"', "-Werror",
                    here / "hvf.c", "-o", program], check=True)
    said = subprocess.run([program], check=True, text=True, stdout=subprocess.PIPE).stdout
    assert said == MAPS, said


@test
def a_second_graft_changes_nothing(rig):
    files = [path for path in (source(rig) / name for name in TOUCHED) if path.exists()]
    before = [path.read_bytes() for path in files]
    status, said = graft(source(rig))
    assert status == 0, said
    assert [path.read_bytes() for path in files] == before


def copy_tree(rig, **changed):
    """Of a source, what graft looks at, with some files changed."""
    tree = pathlib.Path(rig.path("tree"))
    for name in ("VERSION", *TOUCHED[:4]):
        if (source(rig) / name).exists():
            (tree / name).parent.mkdir(parents=True, exist_ok=True)
            (tree / name).write_bytes((source(rig) / name).read_bytes())
    for name, text in changed.items():
        (tree / name).write_text(text)
    return tree


@test
def a_source_that_is_not_known_is_refused(rig):
    for changed, words in (({"VERSION": "9.2.4\n"}, ["9.2.4", "10.0 or newer"]),
                           ({"hw/Kconfig": "\n"}, ["hw/Kconfig", "source fsi/Kconfig"])):
        status, said = graft(copy_tree(rig, **changed))
        assert status == 1 and all(word in said for word in words), said
    status, said = graft(rig.path("nowhere"))
    assert status == 1 and "not QEMU's source" in said, said


@test
def hvf_that_maps_otherwise_is_refused(rig):
    tree = copy_tree(rig)
    for path in tree.glob("accel/hvf/*.c"):
        path.write_text(re.sub(r"(?m)^.*(gangway|HV_MEMORY_EXEC).*\n", "", path.read_text()))
    status, said = graft(tree)
    assert status == 1 and "protection" in said and "HVF" in said, said


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    sys.exit(runner.run_all(None, os.path.abspath(sys.argv[1]), sys.argv[2:]))
