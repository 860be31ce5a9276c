#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""ends - keeps many connections, and says which of them end, and when

    ends.py ADDRESS PORT NUMBER [PORT NUMBER]...

Says "held N" when all are open; at the end of its standard input, a JSON object: for each port how
many there were, how many have ended, how (errors by name; "EOF": without one), and when the
first and the last of those did (seconds of the wall clock; 0: none).
"""
import errno
import json
import resource
import select
import socket
import sys
import time


def how_it_ended(sock):
    try:
        return "data" if sock.recv(1) else "EOF"
    except OSError as error:
        return errno.errorcode.get(error.errno, str(error))


def main():
    address = sys.argv[1]
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    poll = select.epoll()
    socks = {}
    ports = {}
    for port, number in zip(sys.argv[2::2], sys.argv[3::2]):
        ports[port] = {"held": int(number), "ended": 0, "how": {}, "first": 0, "last": 0}
        for _ in range(int(number)):
            sock = socket.create_connection((address, int(port)), 20)
            sock.setblocking(False)
            poll.register(sock, select.EPOLLIN | select.EPOLLRDHUP)
            socks[sock.fileno()] = (sock, port)
    print("held", len(socks), flush=True)
    poll.register(0, select.EPOLLIN)
    while True:
        events = poll.poll()
        now = time.time()
        for fd, _ in events:
            if fd == 0:
                json.dump(ports, sys.stdout)
                return
            sock, port = socks.pop(fd)
            poll.unregister(fd)
            counts = ports[port]
            how = how_it_ended(sock)
            sock.close()
            counts["how"][how] = counts["how"].get(how, 0) + 1
            counts["ended"] += 1
            counts["first"] = counts["first"] or now
            counts["last"] = now


main()
