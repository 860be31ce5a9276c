# SPDX-License-Identifier: MIT
"""servers.py - servers of all kinds; each echoes, or does what its name says

servers.py KIND PORT. The tests' clients are below: servers.py client ADDRESS PORT NUMBER prints
by how many of a server's processes that many connections were answered.
"""
import collections
import ctypes
import errno
import fcntl
import os
import resource
import socket
import sys
import threading
import time

LIBC = ctypes.CDLL(None, use_errno=True)


def listen(port, backlog=128, reuseport=False, options=()):
    sock = socket.socket(socket.AF_INET6)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if reuseport:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    for option in options:
        sock.setsockopt(*option)
    sock.bind(("::", port))
    sock.listen(backlog)
    return sock


def echo(sock):
    with sock:
        while data := sock.recv(65536):
            sock.sendall(data)


def tell_pid(sock):
    """Answers each line by the process that serves."""
    with sock:
        while sock.recv(100):
            sock.sendall(b"%d\n" % os.getpid())


def accept_forever(listener, serve):
    while True:
        serve(listener.accept()[0])


def forked(number, work):
    for _ in range(number):
        if not os.fork():
            work()
            os._exit(0)
    while True:
        os.wait()


# --- kinds of servers ---

def threads(port):
    listener = listen(port)
    while True:
        threading.Thread(target=echo, args=(listener.accept()[0],), daemon=True).start()


def prefork(port):
    listener = listen(port)
    forked(3, lambda: accept_forever(listener, tell_pid))


def reuseport(port):
    listeners = [listen(port, reuseport=True) for _ in range(3)]

    def work(number):
        for other, listener in enumerate(listeners):
            if other != number:
                listener.close()
        accept_forever(listeners[number], tell_pid)
    for number in range(2):
        if not os.fork():
            work(number)
    work(2)


def accept_threads(port):
    """Several threads that wait in accept() on one listener."""
    listener = listen(port)
    for _ in range(3):
        threading.Thread(target=accept_forever, args=(listener, tell_pid), daemon=True).start()
    accept_forever(listener, tell_pid)


def defer(port):
    """Says by its second byte whether the first had come when accept() returned."""
    listener = listen(port, options=[(socket.IPPROTO_TCP, socket.TCP_DEFER_ACCEPT, 5)])
    while True:
        sock = listener.accept()[0]
        with sock:
            sock.setblocking(False)
            try:
                first = sock.recv(1)
            except BlockingIOError:
                first = b"-"
            sock.setblocking(True)
            sock.sendall(first + b"!")
            echo(sock)


def flags(port):
    """Tells the flags of what accept4() gave."""
    listener = listen(port)
    for wanted in (0, socket.SOCK_NONBLOCK, socket.SOCK_CLOEXEC,
                   socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC):
        number = LIBC.accept4(listener.fileno(), None, None, wanted)
        answer = (bool(fcntl.fcntl(number, fcntl.F_GETFL) & os.O_NONBLOCK),
                  bool(fcntl.fcntl(number, fcntl.F_GETFD) & fcntl.FD_CLOEXEC))
        with socket.socket(fileno=number) as sock:
            sock.setblocking(True)
            sock.sendall(repr(answer).encode() + b"\n")


OPTIONS = [(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1), (socket.IPPROTO_TCP, socket.TCP_NODELAY, 1),
           (socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, 77),
           (socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, 11),
           (socket.IPPROTO_TCP, socket.TCP_KEEPCNT, 4),
           (socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, 12345),
           (socket.SOL_SOCKET, socket.SO_RCVBUF, 70000), (socket.SOL_SOCKET, socket.SO_SNDBUF, 90000),
           (socket.SOL_SOCKET, socket.SO_PRIORITY, 3), (socket.SOL_SOCKET, socket.SO_RCVLOWAT, 2)]


def read_options(sock):
    return [sock.getsockopt(level, option) for level, option, _ in OPTIONS] + \
        [sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_CONGESTION, 16).rstrip(b"\0")]


def options(port):
    """Tells the options that its connections have from the listener."""
    reno = (socket.IPPROTO_TCP, socket.TCP_CONGESTION, b"reno")
    listener = listen(port, options=OPTIONS + [reno])
    while True:
        sock = listener.accept()[0]
        with sock:
            sock.sendall(repr(read_options(sock)).encode() + b"\n")


def backlog(port):
    """Accepts nothing until the file is there that its third argument names."""
    listener = listen(port, backlog=1)
    print("listens", flush=True)
    while not os.path.exists(sys.argv[3]):
        time.sleep(0.02)
    accept_forever(listener, lambda sock: threading.Thread(target=echo, args=(sock,),
                                                           daemon=True).start())


def emfile(port):
    """Has room for few connections: the error must be accept's own, and pass.

    Serves what it holds only when there is no room, or when nobody has come for a while.
    """
    listener = listen(port)
    listener.settimeout(0.5)
    resource.setrlimit(resource.RLIMIT_NOFILE, (40, 40))
    held = []
    while True:
        try:
            held.append(listener.accept()[0])
        except OSError as error:
            if not isinstance(error, TimeoutError):
                print(errno.errorcode[error.errno], "after", len(held), flush=True)
            for sock in held:
                sock.setblocking(True)
                echo(sock)
            held.clear()


def shutdown(port):
    """Shuts its listener down while a thread waits in accept()."""
    listener = listen(port)
    result = []

    def wait():
        echo(listener.accept()[0])
        print("echoed one", flush=True)
        try:
            listener.accept()
            result.append("accepted")
        except OSError as error:
            result.append(f"errno {error.errno}")
    thread = threading.Thread(target=wait)
    thread.start()
    while not os.path.exists(sys.argv[3]):
        time.sleep(0.02)
    listener.shutdown(socket.SHUT_RDWR)
    thread.join()
    print(result, flush=True)
    time.sleep(1000)


def rebind(port):
    """Closes its listener and all, and binds the port again at once, many times."""
    for number in range(30):
        with listen(port) as listener:
            if not number:
                print("listens", flush=True)
            sock = listener.accept()[0]
            with sock:
                sock.recv(100)
                sock.sendall(b"%d\n" % number)


# --- clients ---

def client(address, port, number):
    answers = collections.Counter()
    for _ in range(number):
        with socket.create_connection((address, port), 10) as sock:
            sock.sendall(b"who\n")
            answers[sock.makefile().readline()] += 1
    assert "" not in answers, answers
    print(len(answers))


def client_lines(address, port, number):
    """What the server says of its own accord."""
    for _ in range(number):
        with socket.create_connection((address, port), 10) as sock:
            print(sock.makefile().readline(), end="")


def client_options(address, port, _):
    """Options that were set before connect(), read afterwards."""
    with socket.socket(socket.AF_INET) as sock:
        for option in OPTIONS + [(socket.IPPROTO_TCP, socket.TCP_CONGESTION, b"reno"),
                                 (socket.IPPROTO_IP, socket.IP_TOS, 0x10)]:
            sock.setsockopt(*option)
        sock.connect((address, port))
        print(read_options(sock), sock.getsockopt(socket.IPPROTO_IP, socket.IP_TOS))


def client_defer(address, port, _):
    with socket.create_connection((address, port), 10) as sock:
        time.sleep(0.3)         # long enough for a server to answer, were it to accept
        sock.setblocking(False)
        try:
            print("too early:", sock.recv(10))
        except BlockingIOError:
            pass
        sock.settimeout(10)
        sock.sendall(b"a")
        print(sock.recv(1), sock.recv(1))
        sock.sendall(b"more")
        print(sock.recv(10))


def ask(address, port, one, timeout):
    with socket.create_connection((address, port), timeout) as sock:
        sock.sendall(b"%d\n" % one)
        sock.shutdown(socket.SHUT_WR)
        return int(sock.makefile().readline())


def client_many(address, port, number, get=lambda *where: ask(*where, 30)):
    """All at once, each of which waits for its echo."""
    answers = []
    workers = [threading.Thread(target=lambda one: answers.append(get(address, port, one)),
                                args=(one,)) for one in range(number)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert sorted(answers) == list(range(number)), sorted(answers)


def client_patient(address, port, number):
    """The same, of clients that try again, as TCP has it who comes to a full queue."""
    def get(*where):
        for _ in range(20):
            try:
                return ask(*where, 3)
            except (OSError, ValueError):
                pass
        return None

    client_many(address, port, number, get)


def client_rebind(address, port, number):
    """
    The listener is away for a moment between two connections, when it may refuse. Each second connection
    comes a tenth of a second later, as of a client that does not hurry.
    """
    served, end = 0, time.monotonic() + 60
    while served < number and time.monotonic() < end:
        if served % 2:
            time.sleep(0.1)
        try:
            with socket.create_connection((address, port), 10) as sock:
                sock.sendall(b"who\n")
                line = sock.makefile().readline()
        except (ConnectionRefusedError, ConnectionResetError, BrokenPipeError):
            continue
        if line:
            assert int(line) == served, (line, served)
            served += 1
    assert served == number, served


kind = globals()[sys.argv[1].replace("-", "_")]
if sys.argv[1].startswith("client"):
    kind(sys.argv[2], int(sys.argv[3]), int(sys.argv[4]))
else:
    kind(int(sys.argv[2]))
