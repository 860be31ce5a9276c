# SPDX-License-Identifier: MIT
"""storm.py - reloads without a pause while connections come, stay and go, and what each of them is told

    storm.py keep THREADS ADDRESS...    in a container: connects to one after the other, on any of policies.PORTS;
                                        keeps some, closes others. For each line of its standard input, a line of
                                        JSON: "alive": which connections live; "asked": what those that connected
                                        since the last time were told, and when.
    storm.py run LAB POLICY SEED ROUNDS THREADS NAME=ADDRESS4,ADDRESS6...
                                        so many rounds of some reloads in a row. Half a second after the last of them,
                                        every connection must be one that its policy allows; and what was asked between
                                        one reload's end and the beginning of the next is to be told what that
                                        policy says. Exits with 1 if not.
LAB is the command for it, in one word.
"""
import errno
import json
import os
import random
import shlex
import socket
import subprocess
import sys
import threading
import time

import policies

HELD = 100      # connections of each thread
GRACE = 0.5     # s, in which what is denied may live
LATE = ("EHOSTUNREACH", "ENETUNREACH")  # the router was, and the test has closed the packet path


# --- in a container ---

class Keeper(threading.Thread):
    def __init__(self, addresses):
        super().__init__(daemon=True)
        self.addresses = addresses
        self.random = random.Random()
        self.lock = threading.Lock()
        self.held = []          # (socket, address, port)
        self.asked = []         # (began, ended, address, port, error)

    def run(self):
        while True:
            address, port = self.random.choice(self.addresses), self.random.choice(policies.PORTS)
            sock = None
            began, said = time.monotonic(), ""
            try:
                sock = socket.create_connection((address, port), 10)
                sock.setblocking(False)
            except OSError as error:
                said = errno.errorcode.get(error.errno, str(error))
            with self.lock:
                self.asked.append((began, time.monotonic(), address, port, said))
                if sock:
                    self.held.append((sock, address, port))
                if len(self.held) > HELD:
                    self.held.pop(self.random.randrange(len(self.held)))[0].close()

    def alive(self):
        with self.lock:
            self.held = [each for each in self.held if is_alive(each[0])]
            return [each[1:] for each in self.held]

    def take_asked(self):
        with self.lock:
            asked, self.asked = self.asked, []
            return asked


def is_alive(sock):
    try:
        while sock.recv(100):
            pass
    except BlockingIOError:
        return True
    except OSError:
        pass
    sock.close()
    return False


def keep(threads, *addresses):
    keepers = [Keeper(addresses) for _ in range(int(threads))]
    for keeper in keepers:
        keeper.start()
    print("ready", flush=True)
    for line in sys.stdin:
        what = Keeper.alive if line == "alive\n" else Keeper.take_asked
        print(json.dumps([each for keeper in keepers for each in what(keeper)]), flush=True)


# --- beside the lab ---

class Storm:
    def __init__(self, lab, file, seed, threads, containers):
        self.lab = shlex.split(lab)
        self.file = file
        self.draw = random.Random(seed)
        self.containers = containers
        self.hosts = sorted({each.host for each in containers})
        self.keepers = {each: self._keeper(each, threads) for each in containers}
        self.windows = []       # (policy, from, to): it alone was in force
        self.wrong = self.living = self.allowed = self.denied = self.late = self.reloads = 0

    def _keeper(self, container, threads):
        others = [str(address) for other in self.containers if other is not container
                  for address in other.addresses]
        keeper = subprocess.Popen((*self.lab, "exec", container.name, "--", sys.executable, __file__,
                                   "keep", threads, *others),
                                  stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert keeper.stdout.readline() == "ready\n"
        return keeper

    def tell(self, text):
        self.wrong += 1
        if self.wrong <= 20:
            print(text, flush=True)

    def reload(self):
        policy = policies.Policy(self.draw, self.containers)
        with open(self.file + ".new", "w", encoding="ascii") as out:
            out.write(policy.text())
        os.rename(self.file + ".new", self.file)
        self.close_window()
        for host in self.hosts:
            subprocess.run((*self.lab, "ctl", host, "reload"), check=True, stdout=subprocess.DEVNULL)
        self.reloads += 1
        self.windows.append([policy, time.monotonic(), None])

    def close_window(self):
        if self.windows:
            self.windows[-1][2] = time.monotonic()

    def answer(self, container, what):
        keeper = self.keepers[container]
        keeper.stdin.write(what + "\n")
        keeper.stdin.flush()
        return json.loads(keeper.stdout.readline())

    def look_at_living(self):
        policy = self.windows[-1][0]
        for container in self.containers:
            for address, port in self.answer(container, "alive"):
                self.living += 1
                if not self.is_allowed(policy, container, address, port):
                    self.tell(f"lives {GRACE} s after it was denied: {container.name} to {address} "
                              f"port {port}\n{policy.text()}")

    def look_at_asked(self):
        for container in self.containers:
            for began, ended, address, port, said in self.answer(container, "asked"):
                for policy, first, last in self.windows:
                    if not (first <= began and ended <= last):
                        continue
                    if said in LATE:
                        self.late += 1
                        continue
                    wanted = "" if self.is_allowed(policy, container, address, port) else "EACCES"
                    self.allowed += not wanted
                    self.denied += bool(wanted)
                    if said != wanted:
                        self.tell(f"{container.name} to {address} port {port} was told "
                                  f"\"{said}\" instead of \"{wanted}\" at {began:.3f}-{ended:.3f}; "
                                  f"in force {first:.3f}-{last:.3f}\n{policy.text()}")

    @staticmethod
    def is_allowed(policy, container, address, port):
        to = policies.ipaddress.ip_address(address)
        return policy.allowed(container.addresses[to.version == 6], to, "tcp", port)

    def round(self):
        for _ in range(self.draw.randrange(1, 6)):
            self.reload()
            time.sleep(self.draw.choice((0, 0, 0.02, 0.1)))
        time.sleep(max(0, self.windows[-1][1] + GRACE - time.monotonic()))
        self.look_at_living()
        self.close_window()
        self.look_at_asked()
        self.windows = []

    def end(self):
        for keeper in self.keepers.values():
            keeper.kill()
            keeper.wait()


def run(lab, file, seed, rounds, threads, *texts):
    storm = Storm(lab, file, seed, threads, [policies.Container(text) for text in texts])
    for _ in range(int(rounds)):
        storm.round()
    storm.end()
    print(f"seed {seed}: {storm.reloads} reloads, {storm.allowed} set-ups allowed, {storm.denied} denied; "
          f"{storm.living} connections looked at; {storm.wrong} wrong, "
          f"{storm.late} too late to be told")
    sys.exit(storm.wrong > 0 or storm.late * 20 > storm.allowed + storm.denied or not storm.allowed or not storm.denied or not storm.living)


globals()[sys.argv[1]](*sys.argv[2:])
