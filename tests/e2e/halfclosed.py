# SPDX-License-Identifier: MIT
"""halfclosed.py - a server that ends its stream first, and reads slowly what its client sends after that

    halfclosed.py serve             of connections that it accepts from fd 3; says "got BYTES EOF", or the error
    halfclosed.py connect ADDRESS PORT BYTES
"""
import errno
import socket
import sys
import time

PIECE = 16384
PAUSE = 0.001   # s between two pieces


def serve():
    listener = socket.socket(fileno=3)
    while True:
        sock, _ = listener.accept()
        sock.shutdown(socket.SHUT_WR)
        got, said = 0, "EOF"
        try:
            while piece := sock.recv(PIECE):
                got += len(piece)
                time.sleep(PAUSE)
        except OSError as error:
            said = errno.errorcode[error.errno]
        sock.close()
        print("got", got, said, flush=True)


def connect(address, port, number):
    with socket.create_connection((address, int(port)), 10) as sock:
        assert sock.recv(1) == b""
        sock.sendall(bytes(int(number)))


if sys.argv[1] == "serve":
    serve()
connect(*sys.argv[2:])
