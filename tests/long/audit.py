#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""audit - does a router's ledger say what the kernel does?

    audit.py ledger CONTROL [KNOWN]
        Compares the established slim connections of the host whose namespace this runs in with
        those that its router names, by cookie. KNOWN: a file of cookies which must be in both, at once; of any other
        connection, what the kernel has for two seconds the ledger must have. Prints
        what is missing.
    audit.py known
        Prints the cookies of all established slim connections.
    audit.py records DIRECTORY
        Prints how many records each state file holds.
"""
import os
import pathlib
import re
import socket
import struct
import sys
import time

SLIM_PORTS = range(4791, 4854)      # the first one has the peer channel
PATIENCE = 2.0                      # seconds in which what is on its way must have arrived
HEADER = struct.Struct("<Q16sIIIIQ")
HEADER_SIZE = 4096
SLOT = struct.Struct("<QII")

# sock_diag(7). (ss -e takes half a second for 10,000 sockets, with the names of their cgroups.)
NETLINK_SOCK_DIAG, SOCK_DIAG_BY_FAMILY = 4, 20
NLM_F_REQUEST_DUMP = 0x301
NLMSG_DONE, NLMSG_ERROR = 3, 2
ESTABLISHED = 1 << 1
NLMSGHDR = struct.Struct("=IHHII")
REQUEST = struct.Struct("=BBBBI48x")
PORTS = struct.Struct(">HH")        # in struct inet_diag_msg, at 4
COOKIE = struct.Struct("=Q")        # at 44


def messages(family):
    """What the kernel says of established TCP sockets: struct inet_diag_msg of each."""
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, NETLINK_SOCK_DIAG) as sock:
        request = REQUEST.pack(family, socket.IPPROTO_TCP, 0, 0, ESTABLISHED)
        sock.send(NLMSGHDR.pack(NLMSGHDR.size + len(request), SOCK_DIAG_BY_FAMILY,
                                NLM_F_REQUEST_DUMP, 1, 0) + request)
        while True:
            data = sock.recv(1 << 17)
            at = 0
            while at < len(data):
                length, kind = NLMSGHDR.unpack_from(data, at)[:2]
                if kind == NLMSG_DONE:
                    return
                if kind == NLMSG_ERROR:
                    raise OSError("sock_diag does not answer")
                yield memoryview(data)[at + NLMSGHDR.size:at + length]
                at += (length + 3) & ~3


def kernel():
    """Established slim connections: their cookies."""
    found = set()
    for family in (socket.AF_INET, socket.AF_INET6):
        for message in messages(family):
            if any(port in SLIM_PORTS for port in PORTS.unpack_from(message, 4)):
                found.add(COOKIE.unpack_from(message, 44)[0])
    return found


def ledger(control):
    """What the router knows, in whatever state. (As slimctl would ask.)"""
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as sock:
        sock.connect(control)
        sock.send(b'{"version":1,"command":"connections"}')
        text = b"".join(iter(lambda: sock.recv(1 << 20), b""))
    return {int(cookie) for cookie in re.findall(rb'"id":"([0-9]+)"', text)}


def compare(control, known_file=None):
    known = set()
    if known_file:
        known = {int(line) for line in pathlib.Path(known_file).read_text("ascii").split()}
    there = kernel()
    have = ledger(control)
    if lost := known - there:
        return f"{len(lost)} of {len(known)} connections are not established any more"
    if lost := known - have:
        return f"{len(lost)} of {len(known)} connections are not in the ledger"
    missing = (there & kernel()) - have
    end = time.monotonic() + PATIENCE
    while missing and time.monotonic() < end:
        time.sleep(0.1)
        missing -= ledger(control)
        missing &= kernel()
    if missing:
        return f"{len(missing)} younger connections are not in the ledger"
    return None


def records(path):
    """How many committed records a state file has."""
    data = path.read_bytes()
    if len(data) < HEADER.size:
        return 0                    # empty: something else that is kept there
    _, _, _, size, _, _, _ = HEADER.unpack_from(data)
    stride = SLOT.size + (size + 7) // 8 * 8
    return sum(SLOT.unpack_from(data, at)[1] == 1
               for at in range(HEADER_SIZE, len(data) - stride + 1, stride))


def main():
    command, rest = sys.argv[1], sys.argv[2:]
    if command == "known":
        print("\n".join(map(str, kernel())))
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
