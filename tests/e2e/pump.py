# SPDX-License-Identifier: MIT
"""pump - how fast what a server sends comes

    pump.py serve PORT                      sends zeros to all who come
    pump.py accept                          the same of a listening socket that it finds as fd 3
    pump.py drain ADDRESS PORT SECONDS      connects, and says how many kbit/s it got, after the
                                            first second
"""
import socket
import sys
import threading
import time

CHUNK = bytes(1 << 17)
SETTLE = 1


def send(sock):
    try:
        while True:
            sock.send(CHUNK)
    except OSError:
        sock.close()


def serve(server):
    while True:
        threading.Thread(target=send, args=(server.accept()[0],), daemon=True).start()


def read(sock, seconds):
    end = time.monotonic() + seconds
    got = 0
    while time.monotonic() < end:
        got += len(sock.recv(len(CHUNK)))
    return got


def drain(address, port, seconds):
    with socket.create_connection((address, port), timeout=10) as sock:
        read(sock, SETTLE)
        began = time.monotonic()
        got = read(sock, seconds)
        print(int(got * 8 / 1000 / (time.monotonic() - began)))


if sys.argv[1] == "serve":
    serve(socket.create_server(("::", int(sys.argv[2])), family=socket.AF_INET6,
                               dualstack_ipv6=True))
elif sys.argv[1] == "accept":
    serve(socket.socket(fileno=3))
else:
    drain(sys.argv[2], int(sys.argv[3]), float(sys.argv[4]))
