#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""The guest's module by DKMS, as its README has it, in folders of our own."""

import glob
import os
import shutil
import subprocess
import sys

import guest

NAME = "gangway-dma"
KERNELS = (("arm64", "7.2"), ("x86_64", "6.12"), ("x86_64", "7.2"))


EXCLUDED = 77  # dkms' exit status for a kernel that the module is not for


def dkms(work, verb, *words, status=0):
    """Run dkms; it must end with this status."""
    done = subprocess.run(
        ["dkms", verb, "-m", NAME, "-v", "1", "--sourcetree", os.path.join(work.dir, "src"),
         "--dkmstree", os.path.join(work.dir, "tree"), *words],
        check=False, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    logs = [open(path, encoding="utf-8").read() for path in
            glob.glob(os.path.join(work.dir, "tree", NAME, "**", "make.log"), recursive=True)]
    guest.expect(done.returncode == status, "\n".join([f"dkms {verb}:", done.stdout, *logs]))


def builds_for_debian_kernels(work):
    """dkms builds the module for x86-64 and arm64, 6.12 and 7.2, and not for older kernels."""
    shutil.copytree(os.path.join(guest.ROOT, "guest", "linux"),
                    os.path.join(work.dir, "src", f"{NAME}-1"))
    os.mkdir(os.path.join(work.dir, "tree"))
    dkms(work, "add")
    for arch, version in KERNELS:
        headers = guest.provisioned("headers", guest.kernel_arch(arch), version)
        arch = {"arm64": "aarch64"}.get(arch, arch)
        release = os.path.basename(headers).replace("linux-headers-", "", 1)
        dkms(work, "build", "-k", release, "--arch", arch, "--kernelsourcedir", headers)
        built = os.path.join(work.dir, "tree", NAME, "1", release, arch, "module",
                             f"{NAME}.ko")
        guest.expect(os.path.exists(built), f"there is no {built}")
        info = subprocess.run(["modinfo", "-F", "vermagic", built], check=False, text=True,
                              stdout=subprocess.PIPE).stdout
        guest.expect(info.split()[:1] == [release], f"it was built for {info}")
    dkms(work, "build", "-k", "6.1.0-44-amd64", "--kernelsourcedir", headers, status=EXCLUDED)


if __name__ == "__main__":
    sys.exit(guest.main([builds_for_debian_kernels]))
