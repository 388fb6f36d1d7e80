#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""Usage: embed.py TEXT_FILE C_NAME > OUT.c -- a text file as a C string."""

import json
import sys

with open(sys.argv[1], encoding="ascii") as text:
    lines = text.read().splitlines()
print("/* Made by embed.py. */")
print(f"extern const char {sys.argv[2]}[];\nconst char {sys.argv[2]}[] =")
for line in lines:
    print("\t" + json.dumps(line + "\n"))
print("\t;")
