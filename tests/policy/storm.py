# SPDX-License-Identifier: MIT
"""storm.py - reloads without a pause while connections and a container come, stay and go, and what each of them is told

    storm.py keep PATH THREADS ADDRESS...
                                        in a container: connects to one after the other, on any of policies.PORTS;
                                        keeps some, closes others. For each line of its standard input, a line of
                                        JSON: "held": which connections live, and which have ended since the last
                                        time, though nobody here has closed them; "asked": what those that
                                        connected since the last time were told, and when. PATH: slim (then it is
                                        NOBODY's: see 07-storm.sh) or packets
    storm.py run LAB POLICY SEED ROUNDS THREADS NAME=ADDRESS4,ADDRESS6,LABEL...
                                        (THREADS of the slim path in each container, one of the packet path)
                                        so many rounds of some reloads in a row, amid which the last of the containers
                                        goes, or comes back with another label. Half a second after the last of them
                                        every connection of the slim path must be one that its policy allows, and
                                        half a second after nftables have followed every one of the packet path;
                                        those that have ended must be such that some policy since they began
                                        denies; and what was asked between one reload's end (or when nftables had
                                        followed it) and the beginning of the next is to be told what that policy
                                        says. Exits with 1 if not.
LAB is the command for it, in one word, and ends with its name. All times are of the monotonic clock.
"""
import collections
import errno
import ipaddress
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
PAUSE = {"slim": 0.005, "packets": 0.02}        # s, between two connects of a thread
CALM = 0.4      # s, in which sweeps that a reload has begun find nothing more
PATIENCE = {"slim": 10, "packets": 3}   # s: who is not attached does not answer packets
DENIED = {"slim": "EACCES", "packets": "ECONNREFUSED"}
SWEPT = "ECONNABORTED"  # a denied connect of the packet path that waited for a neighbour's address while a sweep passed
SWEPT_MOST = 0.05       # of those that are denied
NOBODY = 65534
LATE = ("EHOSTUNREACH", "ENETUNREACH")  # the router was, and the test has closed the packet path to NOBODY
LATE_MOST = 0.05        # of those that ask
FOLLOWING = 20  # s, for nftables, and for other hosts to hear of a container
SHOWN = 10
INFINITE = float("inf")


# --- in a container ---

class Keeper(threading.Thread):
    def __init__(self, path, addresses):
        super().__init__(daemon=True)
        self.path = path
        self.addresses = addresses
        self.random = random.Random()
        self.lock = threading.Lock()
        self.held = []          # (socket, began, address, port)
        self.ended = []         # (began, noticed, address, port, error)
        self.asked = []         # (began, ended, address, port, error)

    def run(self):
        while True:
            self.connect(self.random.choice(self.addresses), self.random.choice(policies.PORTS))
            time.sleep(PAUSE[self.path])

    def connect(self, address, port):
        sock = None
        began, said = time.monotonic(), ""
        try:
            sock = socket.create_connection((address, port), PATIENCE[self.path])
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


def keep(path, threads, *addresses):
    if path == "slim":
        # (What Python reads for the first address may be root's alone.)
        socket.getaddrinfo(addresses[0], 0)
        os.setuid(NOBODY)
    keepers = [Keeper(path, addresses) for _ in range(int(threads))]
    for keeper in keepers:
        keeper.start()
    print("ready", flush=True)
    for line in sys.stdin:
        what = Keeper.take_held if line == "held\n" else Keeper.take_asked
        print(json.dumps([what(keeper) for keeper in keepers]), flush=True)


# --- beside the lab ---

class Lab:
    def __init__(self, command, containers):
        self.command = shlex.split(command)
        self.hosts = sorted({each.host for each in containers})

    def ctl(self, host, *words):
        return subprocess.run((*self.command, "ctl", host, *words), check=True, stdout=subprocess.PIPE).stdout

    def ask(self, host, *words):
        return json.loads(self.ctl(host, "-j", *words))

    def begin(self, host, *words):
        return subprocess.Popen((*self.command, "ctl", host, *words), stdout=subprocess.DEVNULL)

    def run(self, container, *words, plain=False):
        return subprocess.Popen((*self.command, "exec", container.name, *(("--plain",) if plain else ()), "--",
                                 sys.executable, *words),
                                stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def attach(self, container, labels):
        self.ctl(container.host, "attach", container.name, "--tenant", "t1",
                 "--netns", f"/run/netns/slim-{self.command[-1]}-{container.name}",
                 "--ip", ",".join(str(each) for each in container.addresses),
                 *(word for label in labels for word in ("--label", label)))

    def until(self, what, holds):
        """For all hosts"""
        end = time.monotonic() + FOLLOWING
        for host in self.hosts:
            while not holds(host):
                if time.monotonic() > end:
                    sys.exit(f"{host}: {what}: not within {FOLLOWING} s")

    def listens(self, host, container):
        addresses = [str(each) for each in container.addresses]
        return {each["port"] for each in self.ask(host, "listeners")["listeners"] if each["address"] in addresses}


class Force:
    """What was in force, perhaps from @began to @ended, and alone from @settled (by path) to @parted; @labels: how
    containers were labelled, None: not attached"""

    def __init__(self, policy, labels):
        self.policy = policy
        self.labels = labels
        self.began = time.monotonic()
        self.settled = dict.fromkeys(DENIED, INFINITE)
        self.parted = self.ended = INFINITE

    def has(self, path, began, ended):
        return self.settled[path] <= began and ended <= self.parted

    def met(self, began, ended):
        return self.began <= ended and began <= self.ended

    def allows(self, container, address, port):
        to = ipaddress.ip_address(address)
        self.policy.labels = self.labels
        return self.policy.allowed(container.addresses[to.version == 6], to, "tcp", port)

    def text(self):
        labels = {each.name: labels and sorted(labels) for each, labels in self.labels.items()}
        return f"in force {self.settled}-{self.parted:.3f}, {labels}:\n{self.policy.text()}"


class Storm:
    def __init__(self, lab, file, seed, threads, containers):
        self.lab = Lab(lab, containers)
        self.file = file
        self.draw = random.Random(int(seed))
        self.containers = containers
        self.by_address = {str(address): each for each in containers for address in each.addresses}
        self.mover = containers[-1]
        self.server = None
        self._serve()
        self.keepers = {(each, path): self._keeper(each, path, threads) for each in containers for path in DENIED}
        self.forces = []
        self.count = collections.Counter()
        self.wrong = []

    def _keeper(self, container, path, threads):
        others = [address for address, other in self.by_address.items() if other is not container]
        keeper = self.lab.run(container, __file__, "keep", path, threads if path == "slim" else "1", *others,
                              plain=path == "packets")
        assert keeper.stdout.readline() == "ready\n"
        return keeper

    def _serve(self):
        """The mover's; those of the others are there"""
        self.server = self.lab.run(self.mover, os.path.join(os.path.dirname(__file__), "questions.py"), "serve")
        self.lab.until("hears of its listeners", lambda host:
                       self.lab.listens(host, self.mover) >= set(policies.PORTS))

    def _serve_no_more(self):
        self.server.kill()
        self.server.wait()

    def tell(self, text, *forces):
        """What is wrong is said last, again, as the texts of policies are long."""
        self.wrong.append(text)
        if len(self.wrong) <= SHOWN:
            print("\n".join((text, *(force.text() for force in forces))), flush=True)

    # --- what is in force ---

    def _begin(self, policy, labels):
        force = Force(policy, labels)
        for before in self.forces[-1:]:
            before.parted = force.began
        return force

    def _settle(self, force):
        force.settled["slim"] = time.monotonic()
        for before in self.forces[-1:]:
            before.ended = force.settled["slim"]
        self.forces.append(force)

    def reload(self):
        labels = self.forces[-1].labels if self.forces else {each: each.labels for each in self.containers}
        force = self._begin(policies.Policy(self.draw, self.containers), labels)
        force.policy.write(self.file)
        for host in self.lab.hosts:
            self.lab.ctl(host, "reload")
        self._settle(force)
        self.count["reloads"] += 1

    def move(self):
        """The container goes or comes; perhaps all read the same policy again meanwhile."""
        time.sleep(self.draw.choice((0, CALM)))
        last = self.forces[-1]
        comes = last.labels[self.mover] is None
        labels = {self.draw.choice(policies.LABELS)} if comes else None
        force = self._begin(last.policy, {**last.labels, self.mover: labels})
        reloads = [self.lab.begin(host, "reload") for host in self.lab.hosts if self.draw.random() < 0.3]
        if comes:
            self.lab.attach(self.mover, labels)
            self._serve()
        else:
            self.lab.ctl(self.mover.host, "detach", self.mover.name)
            self._serve_no_more()
            self.lab.until("hears that it has gone", lambda host: not self.lab.listens(host, self.mover))
        assert not any(each.wait() for each in reloads)
        self._settle(force)
        self.count["moves"] += 1

    def follow(self):
        self.lab.until("nftables follow", lambda host:
                       self.lab.ask(host, "status")["policy"]["packet_path_current"])
        self.forces[-1].settled["packets"] = time.monotonic()

    def attached(self, force, container, address):
        return force.labels[container] is not None and force.labels[self.by_address[address]] is not None

    # --- what becomes of connections ---

    def answers(self, container, path, what):
        """One of each thread"""
        keeper = self.keepers[container, path]
        keeper.stdin.write(what + "\n")
        keeper.stdin.flush()
        return json.loads(keeper.stdout.readline())

    def look_at_held(self, path):
        last = self.forces[-1]
        time.sleep(max(0, last.settled[path] + GRACE - time.monotonic()))
        for container in self.containers:
            for answer in self.answers(container, path, "held"):
                # (What is not attached is nobody's to judge.)
                for began, address, port in answer["alive"] if last.labels[container] is not None else ():
                    self.look_at_living(last, path, container, began, address, port)
                for began, noticed, address, port, said in answer["ended"]:
                    self.look_at_ended(path, container, began, noticed, address, port, said)

    def look_at_living(self, last, path, container, began, address, port):
        self.count[path, "living"] += 1
        self.count[path, "old"] += began < last.began
        if not last.allows(container, address, port):
            self.tell(f"{path}: lives {GRACE} s after it was denied: {container.name} to {address} port {port}", last)

    def look_at_ended(self, path, container, began, noticed, address, port, said):
        """(Before the first policy all was allowed.)"""
        forces = [force for force in self.forces if force.met(began, noticed)]
        self.count[path, "ended"] += 1
        if all(self.attached(force, container, address) and force.allows(container, address, port)
               for force in forces):
            self.tell(f"{path}: has ended by {said}, though always allowed: {container.name} to {address} port "
                      f"{port}, from {began:.3f} to {noticed:.3f}", *forces)

    def look_at_asked(self, path):
        asked = [(container, *each) for container in self.containers
                 for answer in self.answers(container, path, "asked") for each in answer]
        for container, began, ended, address, port, said in asked:
            for force in self.forces:
                if force.has(path, began, ended) and self.attached(force, container, address):
                    self.look_at_told(force, path, container, address, port, said)

    def look_at_told(self, force, path, container, address, port, said):
        if path == "slim" and said in LATE:
            # (Who had no router, as the mover's programs when it comes back, looks for one each second.)
            self.count["late"] += container is not self.mover
            return
        wanted = "" if force.allows(container, address, port) else DENIED[path]
        self.count[path, "denied" if wanted else "allowed"] += 1
        if path == "packets" and wanted and said == SWEPT:
            self.count["swept"] += 1
            return
        if said != wanted:
            self.tell(f"{path}: {container.name} to {address} port {port} was told \"{said}\" instead of "
                      f"\"{wanted}\"", force)

    # --- all of it ---

    def round(self):
        steps = [self.reload] * self.draw.randrange(1, 6)
        if self.draw.random() < 0.8:
            steps.insert(self.draw.choice((self.draw.randrange(1, len(steps) + 1), len(steps))), self.move)
        for step in steps:
            step()
            time.sleep(self.draw.choice((0, 0, 0.02, 0.1)))
        self.follow()
        for path in DENIED:
            self.look_at_held(path)
            self.look_at_asked(path)

    def end(self):
        for keeper in self.keepers.values():
            keeper.kill()
            keeper.wait()
        self._serve_no_more()

    def is_good(self):
        count = self.count
        return (not self.wrong and count["moves"] and
                all(count[path, each] for path in DENIED for each in ("allowed", "denied", "old", "ended")) and
                count["late"] <= LATE_MOST * (count["slim", "allowed"] + count["slim", "denied"]) and
                count["swept"] <= SWEPT_MOST * count["packets", "denied"])

    def said(self, path):
        return (f"{path}: {self.count[path, 'allowed']} set-ups allowed, {self.count[path, 'denied']} denied; "
                f"{self.count[path, 'living']} connections lived, {self.count[path, 'old']} of them through reloads, "
                f"{self.count[path, 'ended']} had ended")


def run(lab, file, seed, rounds, threads, *texts):
    storm = Storm(lab, file, seed, threads, [policies.Container(text) for text in texts])
    for _ in range(int(rounds)):
        storm.round()
    storm.end()
    print("\n".join(storm.wrong[:SHOWN]))
    print("; ".join((f"seed {seed}: {storm.count['reloads']} reloads, {storm.count['moves']} moves",
                     *(storm.said(path) for path in DENIED),
                     f"{storm.count['late']} too late to be told; "
                     f"{storm.count['swept']} cut while they connected; {len(storm.wrong)} wrong")))
    sys.exit(not storm.is_good())


globals()[sys.argv[1]](*sys.argv[2:])
