# SPDX-License-Identifier: MIT
"""questions.py - asks of random policies on both paths, with real connections and real packets

    questions.py serve                  answers TCP and UDP on all of policies.PORTS, and protocol OTHER
    questions.py answer                 for each line "PROTOCOL ADDRESS PORT" of its standard input, one line: "yes",
                                        an error's name, "prohibited" (an echo request), or "time-out"
    questions.py compare LAB POLICY SEED POLICIES QUESTIONS NAME=ADDRESS4,ADDRESS6,LABEL...
                                        so many policies, of each so many questions to either path; prints what
                                        was answered otherwise than policies.py does, and exits with 1 then
LAB is the command for it, in one word.
"""
import errno
import json
import random
import re
import selectors
import shlex
import socket
import subprocess
import sys
import time

import policies

PATIENCE = 3            # s
PATIENCE_UDP = 0.7
FOLLOWING = 20          # s, for nftables
WRONG_MOST = 20         # ends the comparison
HELLO = b"hello\n"
QUESTION = b"question"  # of OTHER: an error is told who sent eight bytes or more
ANSWER = b"answer"      # which whoever answers gets, too, and answers not
OTHER = 132             # SCTP: of most others that are refused Linux tells nobody, as it does not know their checksums


# --- in containers ---

def greet(listener, selector):
    """(Who is accepted may have been cut before.)"""
    try:
        sock = listener.accept()[0]
    except OSError:
        return
    try:
        sock.sendall(HELLO)
        selector.register(sock, selectors.EVENT_READ, "connection")
    except OSError:
        sock.close()


def raw(family):
    return socket.socket(family, socket.SOCK_RAW, OTHER)


def receive_raw(sock):
    """What came, without its header, and from whom"""
    data, peer = sock.recvfrom(100)
    return data[20:] if sock.family == socket.AF_INET else data, peer


def reply(sock, received, question, answer):
    data, peer = received
    if data != question:
        return
    try:
        sock.sendto(answer, peer)
    except OSError:
        pass


def serve():
    selector = selectors.DefaultSelector()
    for family in (socket.AF_INET, socket.AF_INET6):
        selector.register(raw(family), selectors.EVENT_READ, "raw")
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
                greet(sock, selector)
            elif key.data == "datagram":
                reply(sock, sock.recvfrom(100), HELLO, HELLO)
            elif key.data == "raw":
                reply(sock, receive_raw(sock), QUESTION, ANSWER)
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
        sock.settimeout(PATIENCE_UDP)
        sock.connect((address, port))
        sock.send(HELLO)
        return "yes" if sock.recv(100) == HELLO else "other"


def ask_other(address, _):
    with raw(socket.AF_INET6 if ":" in address else socket.AF_INET) as sock:
        sock.settimeout(PATIENCE_UDP)
        sock.connect((address, 0))
        sock.send(QUESTION)
        while receive_raw(sock)[0] != ANSWER:
            pass
        return "yes"


def ask_icmp(address, _):
    said = subprocess.run(("ping", "-n", "-c", "1", "-W", "1", address), check=False, text=True,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    if said.returncode == 0:
        return "yes"
    return "prohibited" if re.search("filtered|prohibited", said.stdout) else "time-out"


def answer():
    asks = {"tcp": ask_tcp, "udp": ask_udp, "icmp": ask_icmp, "other": ask_other}
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
        end = time.monotonic() + FOLLOWING
        for host in self.hosts:
            while not self.ctl(host, "status")["policy"]["packet_path_current"]:
                if time.monotonic() > end:
                    sys.exit(f"{host}: nftables have not followed within {FOLLOWING} s")

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


# Each denial is an error, and which; only an answer may be lost in silence.
TOLD = {("slim", "refused"): {"tcp": {"EACCES"}},
        ("packets", "refused"): {"tcp": {"ECONNREFUSED"}, "udp": {"EHOSTUNREACH", "EACCES"},
                                 "icmp": {"prohibited"}, "other": {"EHOSTUNREACH", "EACCES"}},
        ("packets", "lost"): {"udp": {"time-out"}, "other": {"time-out"}}}


class Comparison:
    def __init__(self, lab, file, draw, containers):
        self.lab = lab
        self.file = file
        self.draw = draw
        self.containers = containers
        self.told = {"yes": 0, "refused": 0, "lost": 0}
        self.tests = 0
        self.wrong = []         # of this policy
        self.slim = 0           # connections that should be

    def question(self, policy):
        draw = self.draw
        source, destination = draw.sample(self.containers, 2)
        protocol = draw.choice(("tcp", "tcp", "tcp", "tcp", "udp", "udp", "icmp", "icmp", "other"))
        port = draw.choice(policies.PORTS) if protocol in ("tcp", "udp") else 0
        version = draw.randrange(2)
        ends = source.addresses[version], destination.addresses[version]
        text = f"{protocol} {ends[0]} to {ends[1]} port {port}"
        if protocol != "other" and draw.random() < 0.1:
            self.compare_test(policy, source.host, ends, protocol, port)
        want = policy.answered(*ends, protocol, port)
        for path in ("slim", "packets") if protocol == "tcp" else ("packets",):
            said = self.lab.ask(source.name, path, f"{protocol} {ends[1]} {port}")
            self.slim += path == "slim" and said == "yes"
            self.told[want] += 1
            if said not in ({"yes"} if want == "yes" else TOLD[path, want][protocol]):
                self.wrong.append(f"{path}: {text}: {said}, but it is {want}")

    def compare_test(self, policy, host, ends, protocol, port):
        """By which rule, on each host: all have the same policy"""
        allowed, line = policy.decided(*ends, protocol, port)
        want = allowed, line and f"{self.file}:{line}"
        said = self.lab.ctl(host, "policy", "test", str(ends[0]), str(ends[1]), str(port), protocol)
        self.tests += 1
        for each in (said, *said["hosts"]):
            if (each["allowed"], each["rule"]) != want:
                self.wrong.append(f"policy test {ends[0]} {ends[1]} {port} {protocol}: {each}, but it is {want}")


def compare(lab, file, seed, policies_num, questions_num, *texts):
    containers = [policies.Container(text) for text in texts]
    lab = Lab(lab, containers)
    draw = random.Random(int(seed))
    comparison = Comparison(lab, file, draw, containers)
    wrong = 0
    before = lab.connects_slim()
    for number in range(int(policies_num)):
        policy = policies.Policy(draw, containers)
        policy.write(file)
        lab.reload()
        for _ in range(int(questions_num)):
            comparison.question(policy)
        if comparison.wrong:
            print(f"policy {number}:\n{policy.text()}" + "\n".join(comparison.wrong), flush=True)
        wrong += len(comparison.wrong)
        comparison.wrong = []
        if wrong > WRONG_MOST:
            break
    elsewhere = comparison.slim - (lab.connects_slim() - before)
    lab.end()
    told = comparison.told
    if elsewhere:
        print(f"{elsewhere} connections were not on the slim path")
    print(f"seed {seed}: {told['yes']} questions allowed, {told['refused']} refused, {told['lost']} answers "
          f"lost, {comparison.tests} asked of policy test; {wrong} otherwise")
    sys.exit(wrong > 0 or elsewhere != 0 or not told["yes"] or not told["refused"] or not comparison.tests)


globals()[sys.argv[1]](*sys.argv[2:])
