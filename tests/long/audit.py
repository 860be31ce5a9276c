#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""audit - does a router's ledger say what the kernel does?

    audit.py ledger NETNS SLIMCTL CONTROL [KNOWN]
        Compares the established slim connections of the host NETNS with those that slimctl
        shows, by cookie. KNOWN: a file of cookies which must be in both, at once; of any other
        connection, what the kernel has for two seconds the ledger must have. Prints
        what is missing.
    audit.py known NETNS
        Prints the cookies of all established slim connections.
    audit.py records DIRECTORY
        Prints how many records each state file holds.
"""
import json
import os
import pathlib
import re
import struct
import subprocess
import sys
import time

SLIM_PORTS = range(4791, 4854)      # the first one has the peer channel
PATIENCE = 2.0                      # seconds in which what is on its way must have arrived
HEADER = struct.Struct("<Q16sIIIIQ")
HEADER_SIZE = 4096
SLOT = struct.Struct("<QII")


def kernel(netns):
    """Established slim connections: their cookies."""
    text = subprocess.run(["ip", "netns", "exec", netns, "ss", "-Htne", "state", "established"],
                          check=True, capture_output=True, text=True).stdout
    found = set()
    for line in text.splitlines():
        fields = line.split()
        ports = [int(name.rsplit(":", 1)[1]) for name in fields[2:4]]
        cookie = re.search(r"\bsk:([0-9a-f]+)", line)
        if cookie and any(port in SLIM_PORTS for port in ports):
            found.add(int(cookie[1], 16))
    return found


def ledger(slimctl, control):
    """What the router knows, in whatever state."""
    text = subprocess.run([slimctl, "-s", control, "-j", "connections"], check=True,
                          capture_output=True, text=True).stdout
    return {int(one["id"]) for one in json.loads(text)["connections"]}


def compare(netns, slimctl, control, known_file=None):
    known = set()
    if known_file:
        known = {int(line) for line in pathlib.Path(known_file).read_text("ascii").split()}
    there = kernel(netns)
    have = ledger(slimctl, control)
    if lost := known - there:
        return f"{len(lost)} of {len(known)} connections are not established any more"
    if lost := known - have:
        return f"{len(lost)} of {len(known)} connections are not in the ledger"
    missing = (there & kernel(netns)) - have
    end = time.monotonic() + PATIENCE
    while missing and time.monotonic() < end:
        time.sleep(0.1)
        missing -= ledger(slimctl, control)
        missing &= kernel(netns)
    if missing:
        return f"{len(missing)} younger connections are not in the ledger"
    return None


def records(path):
    """How many committed records a state file has."""
    data = path.read_bytes()
    _, _, _, size, _, _, _ = HEADER.unpack_from(data)
    stride = SLOT.size + (size + 7) // 8 * 8
    return sum(SLOT.unpack_from(data, at)[1] == 1
               for at in range(HEADER_SIZE, len(data) - stride + 1, stride))


def main():
    command, rest = sys.argv[1], sys.argv[2:]
    if command == "known":
        print("\n".join(map(str, kernel(*rest))))
    elif command == "records":
        for name in sorted(os.listdir(rest[0])):
            print(name, records(pathlib.Path(rest[0]) / name))
    elif command == "ledger":
        wrong = compare(*rest)
        if wrong:
            print(wrong)
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
