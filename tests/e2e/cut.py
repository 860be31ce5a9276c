#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""cut - a connection that lives until policy ends it, and what its owner is told

    cut.py serve PORT HOW           accepts connections, each for a child of its own
    cut.py once PORT HOW            accepts one connection, and listens no more
    cut.py accept HOW               the same of a listening socket that it finds as fd 3
    cut.py connect ADDRESS PORT HOW [FROM]
                                    connects, and says whether it could; FROM: its own port

HOW: read   blocked in recv          write  blocked in send, the other end does not read
     poll   waits in poll            idle   does nothing; asks SO_ERROR each 10 ms
     block  the same as read, and connect(2) itself waits, and not poll(2)
     heir   blocked in recv in a child that got the socket by exec
Says "up" when it is connected, and then how it ended: "end ECONNABORTED 1795269030.123".
"""
import errno
import os
import select
import socket
import sys
import time


def say(*words):
    print(*words, flush=True)


def end(error):
    name = errno.errorcode.get(error, str(error)) if error else "EOF"
    say("end", name, "%.3f" % time.time())


def live(sock, how):
    try:
        if how == "heir":
            sock.set_inheritable(True)
            pid = os.fork()
            if not pid:
                os.execv(sys.executable, [sys.executable, __file__, "fd", str(sock.fileno())])
            sock.close()
            os.waitpid(pid, 0)
            return
        if how in ("read", "block"):
            while sock.recv(4096):
                pass
            end(0)
        elif how == "write":
            while True:
                sock.send(bytes(65536))
        elif how == "poll":
            poll = select.poll()
            poll.register(sock, select.POLLIN)
            while not poll.poll():
                pass
            sock.recv(1)
            end(0)
        else:
            parent = os.getppid()
            while os.getppid() == parent:
                error = sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
                if error:
                    end(error)
                    return
                time.sleep(0.01)
    except OSError as error:
        end(error.errno)


def serve(listener, how):
    say("listens")
    while True:
        sock, _ = listener.accept()
        if not os.fork():
            listener.close()
            say("up")
            live(sock, how)
            os._exit(0)
        sock.close()


def once(port, how):
    listener = socket.create_server(("::", port), family=socket.AF_INET6, dualstack_ipv6=True)
    say("listens")
    sock, _ = listener.accept()
    listener.close()
    say("up")
    live(sock, how)
    return 0


def connect(address, port, how, source=0):
    any_address = "::" if ":" in address else "0.0.0.0"
    try:
        sock = socket.create_connection((address, port), timeout=None if how == "block" else 10,
                                        source_address=(any_address, source) if source else None)
    except OSError as error:
        say("refused", errno.errorcode.get(error.errno, str(error)))
        return 1
    sock.settimeout(None)
    say("up")
    live(sock, how)
    return 0


def main():
    if sys.argv[1] == "serve":
        serve(socket.create_server(("::", int(sys.argv[2])), family=socket.AF_INET6,
                                   dualstack_ipv6=True, backlog=128), sys.argv[3])
    if sys.argv[1] == "accept":
        serve(socket.socket(fileno=3), sys.argv[2])
    if sys.argv[1] == "once":
        return once(int(sys.argv[2]), sys.argv[3])
    if sys.argv[1] == "fd":
        live(socket.socket(fileno=int(sys.argv[2])), "read")
        return 0
    return connect(sys.argv[2], int(sys.argv[3]), sys.argv[4], int((sys.argv[5:] or [0])[0]))


if __name__ == "__main__":
    sys.exit(main())
