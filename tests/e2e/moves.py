#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""moves.py - moves a container between two hosts as fast as their routers answer

    moves.py NAME TENANT ADDRESSES MOVES SOCKET NETNS SOCKET NETNS

It is attached at the first socket, and is there in the end. Prints how long an attach took, at most.
"""
import array
import json
import os
import socket
import sys
import time


def ask(path, request, *fds):
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as control:
        control.settimeout(10)
        control.connect(path)
        rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", fds))] if fds else []
        control.sendmsg([json.dumps({"version": 1, **request}).encode()], rights)
        text = b""
        while part := control.recv(65536):
            text += part
    reply = json.loads(text)
    if not reply["ok"]:
        sys.exit(f"{request['command']} at {path}: {reply['error']}")


name, tenant, addresses, moves = sys.argv[1:5]
hosts = list(zip(sys.argv[5::2], sys.argv[6::2]))
spaces = [os.open(netns, os.O_RDONLY) for _, netns in hosts]
longest = 0
for i in range(2 * int(moves)):
    here, there = hosts[i % 2], hosts[1 - i % 2]
    ask(here[0], {"command": "detach", "name": name})
    began = time.monotonic()
    ask(there[0], {"command": "attach", "name": name, "tenant": tenant, "netns": there[1],
                   "addresses": addresses.split(",")}, spaces[1 - i % 2])
    longest = max(longest, time.monotonic() - began)
print(f"{longest * 1000:.0f} ms")
