# SPDX-License-Identifier: BSD-3-Clause
"""What the public headers declare, and what the shared libraries export."""

import pathlib
import re
import subprocess

ELSEWHERE = {"iokit.h"}     # of macOS: not compiled here


def declared(folder):
    """Names of functions and objects that the headers of a folder declare."""
    names = set()
    for header in sorted(pathlib.Path(folder).glob("*.h")):
        if header.name in ELSEWHERE:
            continue
        text = re.sub(r"/\*.*?\*/", "", header.read_text(), flags=re.S)
        text = re.sub(r"^#.*?(?<!\\)$", "", text, flags=re.S | re.M)
        text = text.replace('extern "C" {', "")
        text = re.sub(r"static inline.*?^}", "", text, flags=re.S | re.M)
        while "{" in text:
            text = re.sub(r"\{[^{}]*\}", "", text)
        names.update(re.findall(r"^\w[\w \t*]*?\b(gw_\w+)\([^;{]*;", text, flags=re.M))
        names.update(re.findall(r"^extern .*?\b(gw_\w+)(?:\[\])?;", text, flags=re.M))
    return names


def exported(library):
    """Names that a shared library defines for others, by their version."""
    names = {}
    for line in subprocess.run(["nm", "-D", "--defined-only", library], check=True, text=True,
                               stdout=subprocess.PIPE).stdout.splitlines():
        kind, name = line.split()[-2:]
        if kind != "A":
            name, _, version = name.partition("@@")
            names.setdefault(version, set()).add(name)
    return names
