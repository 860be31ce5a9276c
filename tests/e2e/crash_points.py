# SPDX-License-Identifier: MIT
"""crash_points.py - sets, and looks at, the file that crash_points.c shares with a router

crash_points.py FILE arm workers|others N	its Nth call kills
crash_points.py FILE disarm
crash_points.py FILE killed			ends well if it did; prints before which call
"""
import struct
import sys

LAYOUT = struct.Struct("=III20s")


def arm(path, who, number):
    with open(path, "r+b") as file:
        file.write(LAYOUT.pack(0, ["workers", "others"].index(who), 0, b""))
        file.seek(0)
        file.flush()
        file.write(struct.pack("=I", int(number)))


def disarm(path):
    with open(path, "r+b") as file:
        file.write(struct.pack("=I", 0))


def killed(path):
    with open(path, "rb") as file:
        left, _, passed, where = LAYOUT.unpack(file.read(LAYOUT.size))
    where = where.rstrip(b"\0").decode()
    print(where or f"{passed} calls, {left} left")
    return 0 if where else 1


sys.exit({"arm": arm, "disarm": disarm, "killed": killed}[sys.argv[2]](sys.argv[1], *sys.argv[3:]))
