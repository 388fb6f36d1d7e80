# SPDX-License-Identifier: BSD-3-Clause
"""The libraries as a program finds them that embeds gangway: installed, and by pkg-config only."""

import os
import pathlib
import re
import shlex
import shutil
import subprocess
import sys
import tempfile

import exports

ROOT = pathlib.Path(__file__).resolve().parents[2]
SECONDS = 120


class Installed:
    """What `meson install` puts into a folder."""

    def __init__(self, build, flags, folder):
        self.flags, self.dir = flags, folder
        subprocess.run(["meson", "install", "-C", build, "--no-rebuild", "--quiet", "--destdir",
                        folder], check=True, stdout=sys.stderr, timeout=SECONDS)
        self.lib = next(self.dir.rglob("libgangway.so.0")).parent
        self.include = next(self.dir.rglob("gangway/embed.h")).parent
        self.env = os.environ | {"PKG_CONFIG_PATH": str(self.lib / "pkgconfig"),
                                 "PKG_CONFIG_SYSROOT_DIR": str(self.dir),
                                 "LD_LIBRARY_PATH": str(self.lib)}

    def run(self, *args):
        done = subprocess.run([str(arg) for arg in args], env=self.env, text=True, timeout=SECONDS,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        assert done.returncode == 0, f"{shlex.join(map(str, args))}: {done.stdout}"
        return done.stdout

    def build(self, compiler, source, package, *more):
        """Compile and link a program with what pkg-config says."""
        said = self.run("pkg-config", "--cflags", "--libs", package).split()
        program = self.dir / "program"
        self.run(*compiler, *self.flags, "-Wall", "-Wextra", "-Werror", *more, source, *said,
                 "-o", program)
        return program

    def needed(self, file, what="NEEDED"):
        return set(re.findall(what + r".*\[(.*)\]", self.run("readelf", "-d", file)))


def the_example_drives_a_probe(installed):
    program = installed.build(shlex.split(os.environ["CC"]), ROOT / "examples/embed.c",
                              "gangway-devices", "-pthread")
    said = installed.run(program)
    assert 'vector 7; the device wrote "gangway"' in said, said
    assert "plan direct" in said, said
    needed = installed.needed(program)
    assert {"libgangway.so.0", "libgangway-devices.so.0"} <= needed, needed
    for name in ("libgangway.so.0", "libgangway-devices.so.0"):
        assert installed.needed(installed.lib / name, "SONAME") == {name}


def the_library_needs_nothing_that_only_simulated_devices_need(installed):
    needed = installed.needed(installed.lib / "libgangway.so.0")
    assert not [name for name in needed if name.startswith(("liburing", "libgangway"))], needed
    needed = installed.needed(installed.lib / "libgangway-devices.so.0")
    assert "libgangway.so.0" in needed and any("liburing" in name for name in needed), needed


def what_the_headers_declare_is_exported_and_nothing_else(installed):
    """Else: bring lib/gangway.map in line with include/gangway."""
    declared = exports.declared(installed.include)
    library = exports.exported(installed.lib / "libgangway.so.0")
    devices = exports.exported(installed.lib / "libgangway-devices.so.0")
    assert set(library) == {"GANGWAY_0", "GANGWAY_PRIVATE"}, sorted(library)
    assert set(devices) == {"GANGWAY_DEVICES_0"}, sorted(devices)
    exported = library["GANGWAY_0"] | devices["GANGWAY_DEVICES_0"]
    assert declared == exported, f"not exported: {sorted(declared - exported)}, " \
                                 f"not declared: {sorted(exported - declared)}"


def a_cxx_program_can_use_every_header(installed):
    compiler = shutil.which("g++") or shutil.which("clang++")
    if not compiler:
        return "SKIP no C++ compiler"
    source = installed.dir / "all.cc"
    lines = [f"#include <gangway/{header.name}>\n" for header in sorted(installed.include.iterdir())]
    source.write_text("".join(lines) + "int main() { gw_vm_free(nullptr); return 0; }\n")
    installed.run(installed.build([compiler], source, "gangway", "-std=c++11"))
    return None


TESTS = [the_example_drives_a_probe, the_library_needs_nothing_that_only_simulated_devices_need,
         what_the_headers_declare_is_exported_and_nothing_else, a_cxx_program_can_use_every_header]


def main():
    failed = 0
    print(f"1..{len(TESTS)}")
    with tempfile.TemporaryDirectory(prefix="gw-embed-") as folder:
        installed = Installed(sys.argv[1], sys.argv[2:], pathlib.Path(folder))
        for number, test in enumerate(TESTS, 1):
            try:
                skip, result = test(installed), "ok"
            except (AssertionError, subprocess.SubprocessError) as error:
                skip, result = None, "not ok"
                failed += 1
                print("# " + str(error).replace("\n", "\n# "))
            print(f"{result} {number} - {test.__name__}" + (f" # {skip}" if skip else ""))
    sys.exit(failed > 0)


if __name__ == "__main__":
    main()
