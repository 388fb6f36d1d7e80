# SPDX-License-Identifier: BSD-3-Clause
"""A picture to draw, no two lines and hardly two pixels of which are alike."""

import math


def draw(width, height):
    """Words of 32 bits, blue in the lowest byte: colours that run, and rings around the middle."""
    ring = [int(127 + 127 * math.sin(i / 24)) for i in range(width + height)]
    rows = []
    for y in range(height):
        row = bytearray(4 * width)
        dy = abs(y - height // 2)
        green = 255 * y // height
        row[0::4] = bytes(ring[math.isqrt((x - width // 2) ** 2 + dy * dy)] for x in range(width))
        row[1::4] = bytes([green]) * width
        row[2::4] = bytes(255 * x // width for x in range(width))
        row[3::4] = bytes([y % 256]) * width
        rows.append(bytes(row))
    return b"".join(rows)


def differs(seen, drawn):
    """Why two pictures of one size differ, or None; what is above the colours does not count."""
    for channel, name in enumerate(("blue", "green", "red")):
        a, b = seen[channel::4], drawn[channel::4]
        if len(a) != len(b):
            return f"{len(seen)} bytes, not {len(drawn)}"
        if a != b:
            wrong = sum(x != y for x, y in zip(a, b))
            first = next(i for i, (x, y) in enumerate(zip(a, b)) if x != y)
            return f"{name} differs in {wrong} pixels of {len(b)}, first in pixel {first}"
    return None
