# SPDX-License-Identifier: MIT
"""mute.py - keeps a channel on which an answer of the router's lies unread, at each router"""
import select
import socket
import struct
import time

HELLO = struct.pack("=IHHII", 0x4d494c53, 1, 1, 16, 1)


def ask_and_ignore():
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as channel:
        channel.connect("\0slim/router/1\0")
        channel.send(HELLO)
        end = select.poll()
        end.register(channel, select.POLLRDHUP)
        end.poll()


while True:
    try:
        ask_and_ignore()
    except OSError:
        time.sleep(0.02)
