# SPDX-License-Identifier: BSD-3-Clause
"""A picture to draw, no two lines and hardly two pixels of which are alike."""

import math
import struct
import zlib


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


def _unfilter(kind, line, before):
    """A line of a PNG of 3 bytes a pixel (PNG 1.2, 6)."""
    for i in range(len(line)):
        left = line[i - 3] if i >= 3 else 0
        above, corner = before[i], before[i - 3] if i >= 3 else 0
        if kind == 1:
            add = left
        elif kind == 2:
            add = above
        elif kind == 3:
            add = (left + above) // 2
        else:
            guess = left + above - corner
            near = (abs(guess - left), abs(guess - above), abs(guess - corner))
            add = (left, above, corner)[near.index(min(near))]
        line[i] = (line[i] + add) & 255
    return line


def read_png(path):
    """A PNG of red, green and blue, 8 bits each, as words like draw()'s."""
    with open(path, "rb") as file:
        data = file.read()
    at, packed, width, height = 8, b"", 0, 0
    while at < len(data):
        size, kind = struct.unpack(">I4s", data[at:at + 8])
        if kind == b"IHDR":
            width, height, *rest = struct.unpack(">IIBBBBB", data[at + 8:at + 21])
            if rest != [8, 2, 0, 0, 0]:
                raise ValueError(f"{path} is of another kind: {rest}")
        elif kind == b"IDAT":
            packed += data[at + 8:at + 8 + size]
        at += size + 12
    lines = zlib.decompress(packed)
    before, out = bytearray(3 * width), []
    for y in range(height):
        first = y * (3 * width + 1)
        line = bytearray(lines[first + 1:first + 1 + 3 * width])
        before = _unfilter(lines[first], line, before) if lines[first] else line
        words = bytearray(4 * width)
        words[0::4], words[1::4], words[2::4] = before[2::3], before[1::3], before[0::3]
        out.append(bytes(words))
    return b"".join(out)
