# SPDX-License-Identifier: MIT
"""storm.py - reloads without a pause while connections come, stay and go, and what each of them is told

    storm.py keep THREADS ADDRESS...    in a container: connects to one after the other, on any of policies.PORTS;
                                        keeps some, closes others. For each line of its standard input, a line of
                                        JSON: "held": which connections live, and which have ended since the last
                                        time, though nobody here has closed them; "asked": what those that
                                        connected since the last time were told, and when.
    storm.py run LAB POLICY SEED ROUNDS THREADS NAME=ADDRESS4,ADDRESS6...
                                        so many rounds of some reloads in a row. Half a second after the last of them,
                                        every connection must be one that its policy allows; those that have
                                        ended must be such that some policy since they began denies; and
                                        what was asked between one reload's end and the beginning of the next
                                        is to be told what that policy says. Exits with 1 if not.
LAB is the command for it, in one word. All times are of the monotonic clock.
"""
import collections
import errno
import ipaddress
import json
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
PAUSE = 0.005   # s, between two connects of a thread
LATE = ("EHOSTUNREACH", "ENETUNREACH")  # the router was, and the test has closed the packet path
LATE_MOST = 0.05        # of those that ask
SHOWN = 20


# --- in a container ---

class Keeper(threading.Thread):
    def __init__(self, addresses):
        super().__init__(daemon=True)
        self.addresses = addresses
        self.random = random.Random()
        self.lock = threading.Lock()
        self.held = []          # (socket, began, address, port)
        self.ended = []         # (began, noticed, address, port, error)
        self.asked = []         # (began, ended, address, port, error)

    def run(self):
        while True:
            self.connect(self.random.choice(self.addresses), self.random.choice(policies.PORTS))
            time.sleep(PAUSE)

    def connect(self, address, port):
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
                self.held.append((sock, began, address, port))
            if len(self.held) > HELD:
                connection = self.held.pop(self.random.randrange(len(self.held)))
                if self.is_alive(*connection):
                    connection[0].close()

    def is_alive(self, sock, began, address, port):
        said = "EOF"
        try:
            while sock.recv(100):
                pass
        except BlockingIOError:
            return True
        except OSError as error:
            said = errno.errorcode.get(error.errno, str(error))
        self.ended.append((began, time.monotonic(), address, port, said))
        sock.close()
        return False

    def take_held(self):
        with self.lock:
            self.held = [each for each in self.held if self.is_alive(*each)]
            ended, self.ended = self.ended, []
            return {"alive": [each[1:] for each in self.held], "ended": ended}

    def take_asked(self):
        with self.lock:
            asked, self.asked = self.asked, []
            return asked


def keep(threads, *addresses):
    keepers = [Keeper(addresses) for _ in range(int(threads))]
    for keeper in keepers:
        keeper.start()
    print("ready", flush=True)
    for line in sys.stdin:
        what = Keeper.take_held if line == "held\n" else Keeper.take_asked
        print(json.dumps([what(keeper) for keeper in keepers]), flush=True)


# --- beside the lab ---

class Force:
    """When a policy was in force: perhaps from @began to @ended, and alone from @settled to @parted"""

    def __init__(self, policy):
        self.policy = policy
        self.began = time.monotonic()
        self.settled = self.parted = self.ended = float("inf")

    def has(self, began, ended):
        return self.settled <= began and ended <= self.parted

    def met(self, began, ended):
        return self.began <= ended and began <= self.ended


class Storm:
    def __init__(self, lab, file, seed, threads, containers):
        self.lab = shlex.split(lab)
        self.file = file
        self.draw = random.Random(int(seed))
        self.containers = containers
        self.hosts = sorted({each.host for each in containers})
        self.keepers = {each: self._keeper(each, threads) for each in containers}
        self.forces = []
        self.count = collections.Counter()

    def _keeper(self, container, threads):
        others = [str(address) for other in self.containers if other is not container
                  for address in other.addresses]
        keeper = subprocess.Popen((*self.lab, "exec", container.name, "--", sys.executable, __file__,
                                   "keep", threads, *others),
                                  stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert keeper.stdout.readline() == "ready\n"
        return keeper

    def tell(self, text, *forces):
        self.count["wrong"] += 1
        if self.count["wrong"] <= SHOWN:
            print(text, flush=True)
            for force in forces:
                print(f"in force {force.settled:.3f}-{force.parted:.3f}:\n{force.policy.text()}", flush=True)

    def reload(self):
        force = Force(policies.Policy(self.draw, self.containers))
        before = self.forces[-1:]
        for each in before:
            each.parted = force.began
        force.policy.write(self.file)
        for host in self.hosts:
            subprocess.run((*self.lab, "ctl", host, "reload"), check=True, stdout=subprocess.DEVNULL)
        self.count["reloads"] += 1
        force.settled = time.monotonic()
        for each in before:
            each.ended = force.settled
        self.forces.append(force)

    def answers(self, container, what):
        """One of each thread"""
        keeper = self.keepers[container]
        keeper.stdin.write(what + "\n")
        keeper.stdin.flush()
        return json.loads(keeper.stdout.readline())

    def look_at_held(self):
        last = self.forces[-1]
        for container in self.containers:
            for answer in self.answers(container, "held"):
                for began, address, port in answer["alive"]:
                    self.look_at_living(last, container, began, address, port)
                for began, noticed, address, port, said in answer["ended"]:
                    self.look_at_ended(container, began, noticed, address, port, said)

    def look_at_living(self, last, container, began, address, port):
        self.count["living"] += 1
        self.count["old"] += began < last.began
        if not is_allowed(last.policy, container, address, port):
            self.tell(f"lives {GRACE} s after it was denied: {container.name} to {address} port {port}", last)

    def look_at_ended(self, container, began, noticed, address, port, said):
        """(Before the first policy all was allowed.)"""
        forces = [force for force in self.forces if force.met(began, noticed)]
        self.count["ended"] += 1
        if all(is_allowed(force.policy, container, address, port) for force in forces):
            self.tell(f"has ended by {said}, though always allowed: {container.name} to {address} port {port}, "
                      f"from {began:.3f} to {noticed:.3f}", *forces)

    def look_at_asked(self):
        asked = [(container, *each) for container in self.containers
                 for answer in self.answers(container, "asked") for each in answer]
        for container, began, ended, address, port, said in asked:
            for force in self.forces:
                if force.has(began, ended):
                    self.look_at_told(force, container, address, port, said)

    def look_at_told(self, force, container, address, port, said):
        if said in LATE:
            self.count["late"] += 1
            return
        wanted = "" if is_allowed(force.policy, container, address, port) else "EACCES"
        self.count["denied" if wanted else "allowed"] += 1
        if said != wanted:
            self.tell(f"{container.name} to {address} port {port} was told \"{said}\" instead of \"{wanted}\"",
                      force)

    def round(self):
        for _ in range(self.draw.randrange(1, 6)):
            self.reload()
            time.sleep(self.draw.choice((0, 0, 0.02, 0.1)))
        time.sleep(max(0, self.forces[-1].settled + GRACE - time.monotonic()))
        self.look_at_held()
        self.look_at_asked()

    def end(self):
        for keeper in self.keepers.values():
            keeper.kill()
            keeper.wait()

    def is_good(self):
        count = self.count
        return (not count["wrong"] and all(count[each] for each in ("allowed", "denied", "old", "ended")) and
                count["late"] <= LATE_MOST * (count["allowed"] + count["denied"]))


def is_allowed(policy, container, address, port):
    to = ipaddress.ip_address(address)
    return policy.allowed(container.addresses[to.version == 6], to, "tcp", port)


def run(lab, file, seed, rounds, threads, *texts):
    storm = Storm(lab, file, seed, threads, [policies.Container(text) for text in texts])
    for _ in range(int(rounds)):
        storm.round()
    storm.end()
    print(f"seed {seed}: {storm.count['reloads']} reloads; {storm.count['allowed']} set-ups allowed, "
          f"{storm.count['denied']} denied, {storm.count['late']} too late to be told; looked at "
          f"{storm.count['living']} connections that lived, {storm.count['old']} of them through reloads, and "
          f"{storm.count['ended']} that had ended; {storm.count['wrong']} wrong")
    sys.exit(not storm.is_good())


globals()[sys.argv[1]](*sys.argv[2:])
