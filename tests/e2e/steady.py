# SPDX-License-Identifier: MIT
"""steady.py - connections that must outlive whatever happens to routers

    steady.py ADDRESS PORT NUMBER

Opens NUMBER connections to an echo server that stay idle, and one more that carries random
bytes all the time (some MB/s); prints "up" when all are open. At SIGTERM each of them must still echo.
Ends with status 0 if all that came back was what had been sent.
"""
import os
import signal
import socket
import sys
import threading

BLOCK = 1 << 16
PAUSE = 0.005

stop = threading.Event()
signal.signal(signal.SIGTERM, lambda *unused: stop.set())


def receive(sock, size):
    data = b""
    while len(data) < size:
        more = sock.recv(size - len(data))
        if not more:
            raise EOFError("the connection ended after %d of %d bytes" % (len(data), size))
        data += more
    return data


def echo(sock, data):
    sock.sendall(data)
    if receive(sock, len(data)) != data:
        raise ValueError("other bytes came back than were sent")


def main():
    to = (sys.argv[1], int(sys.argv[2]))
    idle = [socket.create_connection(to, 30) for _ in range(int(sys.argv[3]))]
    busy = socket.create_connection(to, 30)
    for number, sock in enumerate(idle):
        echo(sock, b"%d" % number)
    echo(busy, b"busy")
    print("up", flush=True)
    blocks = 0
    # Not as fast as it can: the processors are for those who set up connections.
    while not stop.wait(PAUSE):
        echo(busy, os.urandom(BLOCK))
        blocks += 1
    for number, sock in enumerate(idle):
        echo(sock, b"still %d" % number)
    print("%d idle connections, %d MiB" % (len(idle), blocks * BLOCK >> 20), flush=True)


main()
