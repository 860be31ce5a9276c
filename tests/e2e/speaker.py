# SPDX-License-Identifier: MIT
"""speaker.py PORT TEXT - a server that says TEXT to all who come, and ends when they do"""
import socket
import sys
import threading


def speak(sock):
    with sock:
        sock.sendall(sys.argv[2].encode() + b"\n")
        while sock.recv(1000):
            pass


with socket.create_server(("::", int(sys.argv[1])), family=socket.AF_INET6,
                          dualstack_ipv6=True) as server:
    while True:
        threading.Thread(target=speak, args=(server.accept()[0],), daemon=True).start()
