#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""between - connects from tenant to tenant

    between.py once ADDRESS PORT [SECONDS]      says "up" and the greeting, or the error's name; waits so long (2)
    between.py until ADDRESS PORT [SECONDS]     the same again and again, until it is greeted
    between.py names ADDRESS PORT               says its own address, and the other's and its port
"""
import errno
import socket
import sys
import time


def once(to, seconds):
    try:
        with socket.create_connection(to, seconds) as sock:
            return "up " + sock.recv(64).decode().strip()
    except socket.timeout:
        return "ETIMEDOUT"
    except OSError as error:
        return errno.errorcode.get(error.errno, str(error))


def names(to):
    with socket.create_connection(to, 2) as sock:
        return " ".join([sock.getsockname()[0]] + [str(part) for part in sock.getpeername()[:2]])


def main():
    to = (sys.argv[2], int(sys.argv[3]))
    if sys.argv[1] == "names":
        print(names(to))
        return
    seconds = float((sys.argv[4:] or [2])[0])
    while True:
        said = once(to, seconds)
        print(said, flush=True)
        if sys.argv[1] == "once" or said.startswith("up"):
            return
        time.sleep(0.3)


main()
