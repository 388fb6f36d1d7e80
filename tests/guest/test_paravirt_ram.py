#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""Plan paravirt: each guest size, budget, kernel and architecture once; buffers all over RAM."""

import sys

import guest
import paravirt

TESTS = [paravirt.size_and_budget(*words) for words in (
    (512, 1536, "arm64", "7.2"),
    (2048, 256, "x86_64", "6.12"),
    (4096, 16, "arm64", "6.12"),
)]


if __name__ == "__main__":
    sys.exit(guest.main(TESTS))
