#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""The VFIO host by iommufd, on a kernel built for it: Debian's have none."""

import os
import sys

import guest
import test_vfio

PARTS = "refusals,edu,direct,nvme,removal,ivshmem"


def functions_by_iommufd(work):
    """The same as by type1; BARs of peers go by dma-buf."""
    folder = guest.provisioned("kernel-build", "amd64", "iommufd")
    values, _ = test_vfio.boot(work, only=PARTS, kernel=os.path.join(folder, "bzImage"))
    print(f"     {values['kernel']}; removal took {int(values['removal_polite']) / 100} s with a "
          f"client that lets go, {int(values['removal_stubborn']) / 100} s with one that does not")


if __name__ == "__main__":
    sys.exit(guest.main([functions_by_iommufd]))
