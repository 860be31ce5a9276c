# SPDX-License-Identifier: MIT
"""nonblocking.py - connect() in all its moods

nonblocking.py alive|dead ADDRESS PORT [CLOSED-PORT]: prints one line for each case, which must
be the same with the shim as without it.
"""
import ctypes
import errno
import fcntl
import os
import select
import signal
import socket
import struct
import sys
import time

LIBC = ctypes.CDLL(None, use_errno=True)
EPOLL_CTL_ADD = 1


def name(error):
    return errno.errorcode.get(error, "0")


def sockaddr(address, port):
    if ":" in address:
        return struct.pack("=HHI16sI", socket.AF_INET6, socket.htons(port), 0,
                           socket.inet_pton(socket.AF_INET6, address), 0)
    return struct.pack("=HH4s8x", socket.AF_INET, socket.htons(port), socket.inet_aton(address))


class Cases:
    def __init__(self, address, port, closed):
        self.address, self.port, self.closed = address, port, closed
        self.family = socket.AF_INET6 if ":" in address else socket.AF_INET

    def socket(self, blocking=False):
        sock = socket.socket(self.family)
        sock.setblocking(blocking)
        return sock

    def connect(self, sock, port=None):
        """The system call itself: Python's own retries on EINTR."""
        raw = sockaddr(self.address, port or self.port)
        ctypes.set_errno(0)
        status = LIBC.connect(sock.fileno(), raw, len(raw))
        return 0 if status == 0 else ctypes.get_errno()

    def finish(self, sock):
        """The connection carries data, and says that it is connected."""
        sock.settimeout(10)
        again = name(self.connect(sock)), name(self.connect(sock))
        sock.sendall(b"hello")
        return (name(sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)), again[1],
                sock.recv(5), bool(fcntl.fcntl(sock, fcntl.F_GETFL) & os.O_NONBLOCK),
                bool(fcntl.fcntl(sock, fcntl.F_GETFD) & fcntl.FD_CLOEXEC))

    # --- a listener that is there ---

    def alive_blocking(self):
        with self.socket(True) as sock:
            return name(self.connect(sock)), self.finish(sock)

    def alive_poll(self):
        with self.socket() as sock:
            first = name(self.connect(sock))
            poll = select.poll()
            poll.register(sock, select.POLLOUT | select.POLLIN)
            return first, [event for _, event in poll.poll(10000)], self.finish(sock)

    def alive_select(self):
        with self.socket() as sock:
            first = name(self.connect(sock))
            _, writable, _ = select.select([], [sock], [], 10)
            return first, writable == [sock], self.finish(sock)

    def epoll(self, before, flags):
        data = 0x1122334455667788
        with self.socket() as sock, select.epoll() as epoll:
            event = ctypes.create_string_buffer(struct.pack("=IQ", select.EPOLLOUT | flags, data))
            if before:
                LIBC.epoll_ctl(epoll.fileno(), EPOLL_CTL_ADD, sock.fileno(), event)
            first = name(self.connect(sock))
            if not before:
                LIBC.epoll_ctl(epoll.fileno(), EPOLL_CTL_ADD, sock.fileno(), event)
            end = time.monotonic() + 10
            while time.monotonic() < end:
                out = ctypes.create_string_buffer(12 * 4)
                number = LIBC.epoll_wait(epoll.fileno(), out, 4, 1000)
                if number != 1:
                    return first, f"{number} events"
                events, got = struct.unpack("=IQ", out.raw[:12])
                if not events & select.EPOLLHUP:
                    return first, events, got == data, self.finish(sock)
            return first, "no end of EPOLLHUP"

    def alive_epoll_before(self):
        return self.epoll(True, 0)

    def alive_epoll_before_edge(self):
        return self.epoll(True, select.EPOLLET)

    def alive_epoll_after(self):
        return self.epoll(False, 0)

    def alive_epoll_after_edge(self):
        return self.epoll(False, select.EPOLLET)

    def alive_epoll_keeps_watching(self):
        """A registration from before the connect sees what comes long after it."""
        with self.socket() as sock, select.epoll() as epoll:
            epoll.register(sock, select.EPOLLIN | select.EPOLLET)
            self.connect(sock)
            select.select([], [sock], [], 10)
            epoll.poll(0)
            sock.send(b"hello")
            return [event & select.EPOLLIN for _, event in epoll.poll(10)], sock.recv(5)

    def alive_dup(self):
        """Not the number, but the socket is connected."""
        with self.socket(True) as sock:
            first = name(self.connect(sock))
            with sock.dup() as other:
                other.send(b"hello")
            return first, sock.recv(5)

    def alive_bound(self):
        with self.socket(True) as sock:
            sock.bind(("", 0))
            port = sock.getsockname()[1]
            return name(self.connect(sock)), sock.getsockname()[1] == port, self.finish(sock)

    def refused(self):
        with self.socket(True) as sock:
            return name(self.connect(sock, self.closed))

    def refused_nonblocking(self):
        with self.socket() as sock:
            first = name(self.connect(sock, self.closed))
            select.select([], [sock], [], 10)
            return (first, name(sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)),
                    name(sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)))

    def refused_then_alive(self):
        with self.socket(True) as sock:
            return name(self.connect(sock, self.closed)), name(self.connect(sock)), \
                self.finish(sock)

    def bad_address(self):
        with self.socket(True) as sock:
            ctypes.set_errno(0)
            status = LIBC.connect(sock.fileno(), ctypes.c_void_p(8), 28)
            return status, name(ctypes.get_errno())

    # --- a host that is dead ---

    def dead_nonblocking(self):
        with self.socket() as sock:
            start = time.monotonic()
            first = name(self.connect(sock))
            at_once = time.monotonic() - start < 0.1
            second = name(self.connect(sock))
            return first, at_once, second, select.select([], [sock], [], 0.1)[1], \
                name(sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR))

    def dead_timeout(self):
        with self.socket(True) as sock:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, struct.pack("=qq", 0, 250000))
            start = time.monotonic()
            first = name(self.connect(sock))
            return first, 0.2 < time.monotonic() - start < 0.6

    def dead_interrupted(self):
        with self.socket(True) as sock:
            signal.signal(signal.SIGALRM, lambda *_: None)
            signal.siginterrupt(signal.SIGALRM, True)
            signal.setitimer(signal.ITIMER_REAL, 0.2)
            first = name(self.connect(sock))
            sock.setblocking(False)
            return first, name(self.connect(sock))


def main():
    cases = Cases(sys.argv[2], int(sys.argv[3]), int(sys.argv[4]) if len(sys.argv) > 4 else 0)
    kinds = ("dead",) if sys.argv[1] == "dead" else ("alive", "refused", "bad")
    for case in dir(cases):
        if case.startswith(kinds):
            print(f"{case}: {getattr(cases, case)()}", flush=True)


main()
