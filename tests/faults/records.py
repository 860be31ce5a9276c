#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""records.py DIRECTORY - how many valid records each state file has (router/statefile.c)"""
import os
import struct
import sys

HEADER = struct.Struct("<Q16s4I")
HEADER_SIZE = 4096
SLOT = struct.Struct("<QII")

for name in sorted(os.listdir(sys.argv[1])):
    with open(os.path.join(sys.argv[1], name), "rb") as file:
        data = file.read()
    if len(data) < HEADER_SIZE:
        continue
    size = HEADER.unpack_from(data)[3]
    stride = SLOT.size + (size + 7) // 8 * 8
    slots = range(HEADER_SIZE, len(data) - stride + 1, stride)
    print(name, sum(SLOT.unpack_from(data, at)[1] for at in slots))
