# SPDX-License-Identifier: MIT
"""ended.py - a duplicate of a connection that is over is used anew

connect|bind|listen PEER PORT OWN: connects to PEER, dissolves the connection, says so, and waits for SIGUSR1; then
the duplicate, of which nothing was asked before, connects, is bound or listens where its container is.
"""
import ctypes
import os
import signal
import socket
import sys

LOOPBACK = {socket.AF_INET: "127.0.0.1", socket.AF_INET6: "::1"}


def dissolve(number):
    libc = ctypes.CDLL(None, use_errno=True)
    assert libc.connect(number, bytes(16), 16) == 0, os.strerror(ctypes.get_errno())


def meet(first, second, address):
    first.connect(address)
    second.accept()[0].send(b"x")
    assert first.recv(1) == b"x"


def use(how, sock, own):
    other = socket.socket(sock.family)
    if how == "connect":
        other.bind((LOOPBACK[sock.family], 0))
        other.listen()
        meet(sock, other, other.getsockname())
    elif how == "bind":
        sock.bind((own, 0))
        assert sock.getsockname()[0] == own, sock.getsockname()
    else:
        sock.listen()
        meet(other, sock, (LOOPBACK[sock.family], sock.getsockname()[1]))


def main():
    how, peer, port, own = sys.argv[1:]
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGUSR1})
    connection = socket.create_connection((peer, int(port)))
    number = os.dup(connection.fileno())
    dissolve(connection.fileno())
    print("dissolved", flush=True)
    signal.sigwait({signal.SIGUSR1})
    use(how, socket.socket(fileno=number), own)


main()
