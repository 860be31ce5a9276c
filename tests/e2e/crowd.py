#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""crowd - many connects at once, and what becomes of them

    crowd.py serve PORT                             greets everybody, and keeps connections until they end
    crowd.py hold PORT                              the same, but keeps also those whose other end sends no more
    crowd.py connect ADDRESS[,ADDRESS] PORT THREADS TRIES [AGAIN]
                                                    each thread tries so often, and keeps what it gets
    crowd.py hammer ADDRESS PORT THREADS SECONDS    the same for so long, once at least, and closes what it gets

Says how many were greeted, and what the others were told: "100 up, 7900 EACCES". Hammer says how many
were greeted within the busiest second that they surely lie in, too. Connect stays until SIGTERM; at SIGUSR1 it
closes one connection, at SIGHUP half of it, and at SIGUSR2 each thread tries AGAIN times. Two addresses are tried
by turns. EHOSTUNREACH stands for a router that was late: the test has
closed the packet path so.
"""
import collections
import errno
import itertools
import selectors
import signal
import socket
import sys
import threading
import time

GREETING = b"hi"
TIMEOUT = 30
LATE = 0.01


def serve(port, hold):
    listener = socket.create_server(("::", port), family=socket.AF_INET6, dualstack_ipv6=True,
                                    backlog=1024)
    selector = selectors.DefaultSelector()
    selector.register(listener, selectors.EVENT_READ)
    held = []
    while True:
        for key, _ in selector.select():
            if key.fileobj is listener:
                sock, _ = listener.accept()
                sock.sendall(GREETING)
                selector.register(sock, selectors.EVENT_READ)
                continue
            try:
                over = not key.fileobj.recv(64)
            except OSError:
                over = True
            if over and hold:
                selector.unregister(key.fileobj)
                held.append(key.fileobj)
            elif over:
                selector.unregister(key.fileobj)
                key.fileobj.close()


class Crowd:
    def __init__(self, address, port, threads):
        self.to = itertools.cycle([(each, port) for each in address.split(",")])
        self.threads = threads
        self.lock = threading.Lock()
        self.socks = []
        self.times = []
        self.told = collections.Counter()

    def connect(self):
        """The socket and what it was told, by a router that was in time"""
        while True:
            sock, told = self.try_connect()
            if told != "EHOSTUNREACH":
                return sock, told
            time.sleep(LATE)

    def try_connect(self):
        sock = None
        try:
            sock = socket.create_connection(next(self.to), TIMEOUT)
            if sock.recv(len(GREETING)) != GREETING:
                raise ConnectionError(errno.ENODATA, "not greeted")
            return sock, "up"
        except OSError as error:
            if sock:
                sock.close()
            return None, errno.errorcode.get(error.errno, str(error))

    def once(self, keep):
        began = time.monotonic()
        sock, told = self.connect()
        ended = time.monotonic()
        with self.lock:
            self.told[told] += 1
            if not sock:
                return
            self.times.append((began, ended))
            if keep:
                self.socks.append(sock)
            else:
                sock.close()

    def all_at_once(self, work):
        self.told.clear()
        start = threading.Barrier(self.threads)

        def run():
            start.wait()
            work()

        threads = [threading.Thread(target=run) for _ in range(self.threads)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    def say(self, *more):
        print(", ".join(["%d %s" % (self.told[told], told) for told in sorted(
            self.told, key=lambda told: (told != "up", told))] + list(more)), flush=True)

    def try_often(self, tries):
        def work():
            for _ in range(tries):
                self.once(True)
        self.all_at_once(work)
        self.say()

    def hammer(self, seconds):
        end = time.monotonic() + seconds

        def work():
            self.once(False)
            while time.monotonic() < end:
                self.once(False)
        self.all_at_once(work)
        self.say("%d in a second" % max(
            (sum(began <= other[0] and other[1] <= began + 1 for other in self.times)
             for began, _ in self.times), default=0))


def main():
    if sys.argv[1] in ("serve", "hold"):
        serve(int(sys.argv[2]), sys.argv[1] == "hold")
    crowd = Crowd(sys.argv[2], int(sys.argv[3]), int(sys.argv[4]))
    if sys.argv[1] == "hammer":
        crowd.hammer(float(sys.argv[5]))
        return
    signals = {signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2, signal.SIGTERM}
    signal.pthread_sigmask(signal.SIG_BLOCK, signals)
    crowd.try_often(int(sys.argv[5]))
    while True:
        number = signal.sigwait(signals)
        if number == signal.SIGUSR1:
            crowd.socks.pop().close()
            print("closed one", flush=True)
        elif number == signal.SIGHUP:
            crowd.socks[-1].shutdown(socket.SHUT_WR)
            print("closed half", flush=True)
        elif number == signal.SIGUSR2:
            crowd.try_often(int(sys.argv[-1]))
        else:
            return


main()
