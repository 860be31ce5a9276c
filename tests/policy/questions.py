# SPDX-License-Identifier: MIT
"""questions.py - asks of random policies on both paths, with real connections and real packets

    questions.py serve                  answers TCP and UDP on all of policies.PORTS
    questions.py answer                 for each line "PROTOCOL ADDRESS PORT" of its standard input, one line: "yes",
                                        or an error's name
    questions.py compare LAB POLICY SEED POLICIES QUESTIONS NAME=ADDRESS4,ADDRESS6...
                                        so many policies, of each so many questions to either path; prints what
                                        was answered otherwise than policies.py does, and exits with 1 then
LAB is the command for it, in one word.
"""
import errno
import json
import os
import random
import selectors
import shlex
import socket
import subprocess
import sys

import policies

PATIENCE = 3
HELLO = b"hello\n"


# --- in containers ---

def serve():
    selector = selectors.DefaultSelector()
    for port in policies.PORTS:
        listener = socket.create_server(("::", port), family=socket.AF_INET6, dualstack_ipv6=True,
                                        backlog=256)
        selector.register(listener, selectors.EVENT_READ, "accept")
        datagrams = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
        datagrams.bind(("::", port))
        selector.register(datagrams, selectors.EVENT_READ, "datagram")
    while True:
        for key, _ in selector.select():
            sock = key.fileobj
            if key.data == "accept":
                sock = sock.accept()[0]
                sock.sendall(HELLO)
                selector.register(sock, selectors.EVENT_READ, "connection")
            elif key.data == "datagram":
                data, peer = sock.recvfrom(100)
                try:
                    sock.sendto(data, peer)
                except OSError:
                    pass
            else:
                try:
                    over = not sock.recv(100)
                except OSError:
                    over = True
                if over:
                    selector.unregister(sock)
                    sock.close()


def ask_tcp(address, port):
    with socket.create_connection((address, port), PATIENCE) as sock:
        return "yes" if sock.recv(100) == HELLO else "EOF"


def ask_udp(address, port):
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind(("", policies.EPHEMERAL))
        sock.settimeout(PATIENCE)
        sock.connect((address, port))
        sock.send(HELLO)
        return "yes" if sock.recv(100) == HELLO else "other"


def ask_icmp(address, _):
    done = subprocess.run(("ping", "-n", "-c", "1", "-W", "1", address), check=False,
                          stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return "yes" if done.returncode == 0 else "no reply"


def answer():
    asks = {"tcp": ask_tcp, "udp": ask_udp, "icmp": ask_icmp}
    print("ready", flush=True)
    for line in sys.stdin:
        protocol, address, port = line.split()
        try:
            said = asks[protocol](address, int(port))
        except TimeoutError:
            said = "time-out"
        except OSError as error:
            said = errno.errorcode.get(error.errno, str(error))
        print(said, flush=True)


# --- beside the lab ---

class Lab:
    def __init__(self, command, containers):
        self.command = shlex.split(command)
        self.hosts = sorted({each.host for each in containers})
        self.asked = {(each.name, path): self._answerer(each.name, path)
                      for each in containers for path in ("slim", "packets")}
        for process in self.asked.values():
            assert process.stdout.readline() == "ready\n"

    def _answerer(self, name, path):
        command = [*self.command, "exec", name, *(("--plain",) if path == "packets" else ()), "--",
                   sys.executable, __file__, "answer"]
        return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def ctl(self, host, *words):
        return json.loads(subprocess.run((*self.command, "ctl", host, "-j", *words), check=True,
                                         stdout=subprocess.PIPE, timeout=30).stdout)

    def reload(self):
        for host in self.hosts:
            self.ctl(host, "reload")
        for host in self.hosts:
            while not self.ctl(host, "status")["policy"]["packet_path_current"]:
                pass

    def connects_slim(self):
        return sum(self.ctl(host, "status")["counters"]["connects_slim"] for host in self.hosts)

    def ask(self, name, path, question):
        process = self.asked[name, path]
        process.stdin.write(question + "\n")
        process.stdin.flush()
        return process.stdout.readline().strip()

    def end(self):
        for process in self.asked.values():
            process.stdin.close()
            process.wait()


REFUSALS = {("slim", "tcp"): {"EACCES"}, ("packets", "tcp"): {"ECONNREFUSED"},
            ("packets", "udp"): {"EHOSTUNREACH", "EACCES", "ECONNREFUSED", "time-out"},
            ("packets", "icmp"): {"no reply"}}


def compare(lab, file, seed, policies_num, questions_num, *texts):
    containers = [policies.Container(text) for text in texts]
    lab = Lab(lab, containers)
    draw = random.Random(seed)
    told = {"yes": 0, "no": 0}
    wrong = slim = 0
    before = lab.connects_slim()
    for number in range(int(policies_num)):
        policy = policies.Policy(draw, containers)
        with open(file + ".new", "w", encoding="ascii") as out:
            out.write(policy.text())
        os.rename(file + ".new", file)
        lab.reload()
        bad = []
        for _ in range(int(questions_num)):
            source, destination = draw.sample(containers, 2)
            protocol = draw.choice(("tcp", "tcp", "udp", "icmp"))
            port = draw.choice(policies.PORTS) if protocol != "icmp" else 0
            version = draw.randrange(2)
            from_, to = source.addresses[version], destination.addresses[version]
            want = policy.answered(from_, to, protocol, port)
            if draw.random() < 0.1:
                tested = lab.ctl(source.host, "policy", "test", str(from_), str(to), str(port), protocol)
                if tested["allowed"] != policy.allowed(from_, to, protocol, port):
                    bad.append(f"policy test {from_} {to} {port} {protocol}: {tested['allowed']}")
            for path in ("slim", "packets") if protocol == "tcp" else ("packets",):
                said = lab.ask(source.name, path, f"{protocol} {to} {port}")
                slim += path == "slim" and said == "yes"
                told["yes" if want else "no"] += 1
                if said not in ({"yes"} if want else REFUSALS[path, protocol]):
                    bad.append(f"{path}: {protocol} {from_} to {to} port {port}: {said}, but it is "
                               f"{'allowed' if want else 'denied'}")
        if bad:
            print(f"policy {number}:\n{policy.text()}" + "\n".join(bad), flush=True)
        wrong += len(bad)
    slim -= lab.connects_slim() - before
    lab.end()
    print(f"seed {seed}: {told['yes']} questions allowed, {told['no']} denied, {wrong} answered wrongly")
    if slim:
        print(f"{slim} connections were not on the slim path")
    sys.exit(wrong > 0 or slim != 0 or not told["yes"] or not told["no"])


globals()[sys.argv[1]](*sys.argv[2:])
