#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""manager.py - a stand-in for systemd, as far as slimrouter.service needs one

    manager.py -c DIRECTORY/slimrouter.conf [ARGUMENT]...

Runs $E2E_ROUTER with these arguments as a service of Type=notify with a file descriptor store
and, where $E2E_ACTIVATE is set, a control socket of its own; sd_notify(3) and
sd_listen_fds(3) are the protocols. What it knows is in DIRECTORY/manager.json. Where
$E2E_MANAGED names hosts, and DIRECTORY is of none of them, it becomes the router instead.

    SIGHUP	restarts the service: SIGTERM, its end, a new start
    SIGUSR1	kills its main process, and starts it anew
    SIGTERM	stops the service and ends

Descriptors are handed over in another order at each start, and with strangers among
them where $E2E_STRANGERS is set.
"""
import array
import ctypes
import json
import os
import random
import select
import signal
import socket
import sys

KCMP, KCMP_FILE = 312, 0
LISTEN_FIRST = 3
STORE_MAX = 4096

libc = ctypes.CDLL(None, use_errno=True)


def same_file(one, other):
    me = os.getpid()
    return libc.syscall(KCMP, me, me, KCMP_FILE, ctypes.c_ulong(one), ctypes.c_ulong(other)) == 0


def strangers():
    """What a service manager might hand over by mistake: all of it is to be closed."""
    read_end, write_end = os.pipe()
    inet = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    inet.bind(("127.0.0.1", 0))
    inet.listen()
    client = socket.create_connection(inet.getsockname())
    unix = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    unix.bind("\0stranger-%d" % os.getpid())
    unix.listen()
    udp = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
    plain = os.open("/etc/passwd", os.O_RDONLY)
    epoll = select.epoll()
    return [read_end, write_end, plain] + [x.detach() for x in (inet, client, unix, udp)] + [
        os.dup(epoll.fileno())]


class Manager:
    def __init__(self, arguments):
        self.arguments = arguments
        self.directory = os.path.dirname(arguments[arguments.index("-c") + 1])
        self.store = []             # (name, descriptor)
        self.activated = []
        self.facts = {"starts": 0, "ready": 0, "refused": 0, "watchdog": 0, "status": "",
                      "stopping": 0}
        self.notify_path = os.path.join(self.directory, "notify")
        if os.path.exists(self.notify_path):
            os.unlink(self.notify_path)
        self.notify = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.notify.bind(self.notify_path)
        self.notify.setblocking(False)
        if os.environ.get("E2E_ACTIVATE"):
            self.activate(os.path.join(self.directory, "control.sock"))
        self.pid = None
        self.stops = self.restarts = False

    def activate(self, path):
        if os.path.exists(path):
            os.unlink(path)
        control = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        control.bind(path)
        control.listen(64)
        self.activated.append(("control", control.detach()))

    def tell(self):
        names = [name for name, _ in self.store]
        facts = dict(self.facts, pid=self.pid, store={n: names.count(n) for n in set(names)})
        path = os.path.join(self.directory, "manager.json")
        with open(path + ".new", "w") as file:
            json.dump(facts, file)
        os.rename(path + ".new", path)

    def start(self):
        extra = strangers() if os.environ.get("E2E_STRANGERS") else []
        given = self.activated + self.store + [("stranger", fd) for fd in extra]
        random.shuffle(given)
        self.facts["starts"] += 1
        self.pid = os.fork()
        if self.pid == 0:
            self.become_service(given)
        for fd in extra:
            os.close(fd)
        self.tell()

    def become_service(self, given):
        import fcntl
        above = LISTEN_FIRST + len(given) + 1000
        copies = [fcntl.fcntl(fd, fcntl.F_DUPFD, above) for _, fd in given]
        os.closerange(LISTEN_FIRST, above)
        for number, fd in enumerate(copies):
            os.dup2(fd, LISTEN_FIRST + number, inheritable=True)
        os.closerange(above, above + 2 * len(given) + 1000)
        env = dict(os.environ, NOTIFY_SOCKET=self.notify_path, WATCHDOG_USEC="3000000",
                   WATCHDOG_PID=str(os.getpid()))
        if given:
            env.update(LISTEN_PID=str(os.getpid()), LISTEN_FDS=str(len(given)),
                       LISTEN_FDNAMES=":".join(name for name, _ in given))
        signal.pthread_sigmask(signal.SIG_SETMASK, [])
        program = os.environ["E2E_ROUTER"]
        os.execve(program, [program] + self.arguments, env)

    def heard(self):
        fds = array.array("i")
        try:
            text, ancillary, _, _ = self.notify.recvmsg(4096, socket.CMSG_SPACE(253 * 4))
        except BlockingIOError:
            return False
        for level, kind, data in ancillary:
            if (level, kind) == (socket.SOL_SOCKET, socket.SCM_RIGHTS):
                fds.frombytes(data[:len(data) - len(data) % 4])
        words = dict(line.split("=", 1) for line in text.decode().splitlines() if "=" in line)
        name = words.get("FDNAME", "stored")
        if "FDSTOREREMOVE" in words:
            for entry in [entry for entry in self.store if entry[0] == name]:
                os.close(entry[1])
                self.store.remove(entry)
        for fd in fds:
            if "FDSTORE" in words:
                self.keep(name, fd)
            else:
                os.close(fd)        # BARRIER=1 among them: whoever waits sees it go
        for word in ("READY", "STOPPING", "WATCHDOG"):
            self.facts[word.lower()] += word in words
        self.facts["status"] = words.get("STATUS", self.facts["status"])
        self.tell()
        return True

    def keep(self, name, fd):
        if len(self.store) >= STORE_MAX or any(same_file(fd, have) for _, have in self.store):
            self.facts["refused"] += 1
            os.close(fd)
        else:
            self.store.append((name, fd))

    def signalled(self, number):
        if number == signal.SIGHUP:
            self.restarts = True
            os.kill(self.pid, signal.SIGTERM)
        elif number == signal.SIGUSR1:
            self.restarts = True
            os.kill(self.pid, signal.SIGKILL)
        elif number in (signal.SIGTERM, signal.SIGINT):
            self.stops = True
            os.kill(self.pid, signal.SIGTERM)
        elif number == signal.SIGCHLD:
            return self.reap()
        return None

    def reap(self):
        pid, status = os.waitpid(-1, os.WNOHANG)
        if pid != self.pid:
            return None
        while self.heard():
            pass
        if self.stops or not self.restarts:
            return os.waitstatus_to_exitcode(status) if not self.stops else 0
        self.restarts = False
        self.start()
        return None

    def run(self, wake):
        self.start()
        while True:
            ready, _, _ = select.select([self.notify, wake], [], [])
            if self.notify in ready:
                self.heard()
            if wake in ready:
                for number in wake.recv(64):
                    status = self.signalled(number)
                    if status is not None:
                        return status


def main():
    host = os.path.basename(os.path.dirname(sys.argv[sys.argv.index("-c") + 1]))
    if host not in os.environ.get("E2E_MANAGED", host).split():
        program = os.environ["E2E_ROUTER"]
        os.execv(program, [program] + sys.argv[1:])
    wake, waker = socket.socketpair()
    waker.setblocking(False)
    signal.set_wakeup_fd(waker.fileno())
    for number in (signal.SIGHUP, signal.SIGUSR1, signal.SIGTERM, signal.SIGINT, signal.SIGCHLD):
        signal.signal(number, lambda *unused: None)
    sys.exit(max(0, Manager(sys.argv[1:]).run(wake)))


main()
