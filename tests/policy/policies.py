# SPDX-License-Identifier: MIT
"""policies.py - random policies, and what they say of a connection or packet: a linear reference

Written from slim-policy(5) alone, for tests that ask the same of routers and nftables.
"""
import ipaddress
import os

PORTS = range(6000, 6008)
EPHEMERAL = 50000
LABELS = ("tier=a", "tier=b")


class Container:
    """@text: NAME=ADDRESS4,ADDRESS6,LABEL..."""

    def __init__(self, text):
        self.name, ends = text.split("=", 1)
        address4, address6, *labels = ends.split(",")
        self.addresses = [ipaddress.ip_address(each) for each in (address4, address6)]
        self.labels = set(labels)
        self.host = self.name[:2]


class Policy:
    """One tenant's; the same words for it and for the reference

    @labels:    what containers are called by when it is asked; None: that one is not attached
    """

    def __init__(self, random, containers):
        self.random = random
        self.containers = containers
        self.labels = {each: each.labels for each in containers}
        self.allows = random.random() < 0.5
        self.groups = {}
        self.lines = ["tenant t1", f"default {'allow' if self.allows else 'deny'}"]
        self.rules = []
        for number in range(random.randrange(4)):
            words, has = self._ends()
            if words == "any":
                continue
            self.groups[f"group{number}"] = has
            self.lines.append(f"group group{number} = {words}")
        for _ in range(random.randrange(25)):
            self._rule()

    def text(self):
        return "\n".join(self.lines) + "\n"

    def write(self, file):
        with open(file + ".new", "w", encoding="ascii") as out:
            out.write(self.text())
        os.rename(file + ".new", file)

    def _end(self):
        """Words, and a function that says which addresses they mean"""
        random = self.random
        container = random.choice(self.containers)
        address = random.choice(container.addresses)
        kind = random.choice(("address", "prefix", "range", "container", "container", "label", "label",
                              "group", "outside"))
        if kind == "group" and self.groups:
            name = random.choice(list(self.groups))
            return name, self.groups[name]
        if kind == "container":
            return f"container {container.name}", lambda of: (of in container.addresses and
                                                              self.labels[container] is not None)
        if kind == "label":
            label = random.choice(LABELS)
            return f"label {label}", lambda of: any(of in each.addresses and label in (labels or ())
                                                    for each, labels in self.labels.items())
        if kind == "prefix":
            prefix = ipaddress.ip_network((address, random.randrange(address.max_prefixlen - 16,
                                                                     address.max_prefixlen + 1)),
                                          strict=False)
            return str(prefix), lambda of: of.version == prefix.version and of in prefix
        if kind == "range":
            first, last = address - random.randrange(3), address + random.randrange(300)
            return f"{first}-{last}", lambda of: of.version == first.version and first <= of <= last
        if kind == "outside":
            return "outside", lambda of: False
        return str(address), lambda of: of == address

    def _ends(self):
        if self.random.random() < 0.2:
            return "any", lambda of: True
        ends = [self._end() for _ in range(self.random.choice((1, 1, 1, 2, 3)))]
        return ", ".join(words for words, _ in ends), lambda of: any(has(of) for _, has in ends)

    def _rule(self):
        random = self.random
        action = random.choice(("allow", "deny"))
        protocol = random.choice(("tcp", "tcp", "udp", "icmp", "any"))
        words = [action, protocol]
        source = destination = lambda of: True
        ports = None
        if random.random() < 0.7:
            text, source = self._ends()
            words += ["from", text]
        if random.random() < 0.7:
            text, destination = self._ends()
            words += ["to", text]
        if protocol in ("tcp", "udp") and random.random() < 0.8:
            ports = []
            for _ in range(random.choice((1, 1, 2))):
                first = random.choice(PORTS)
                ports.append((first, min(first + random.choice((0, 0, 1, 3)), PORTS[-1])))
            words += ["port", ", ".join(str(a) if a == b else f"{a}-{b}" for a, b in ports)]
        if random.random() < 0.2:
            words.append("log")
        self.lines.append(" ".join(words))
        self.rules.append((len(self.lines), action, protocol, source, destination, ports))

    def decided(self, source, destination, protocol, port):
        """Of one direction: is it allowed, and the line of the rule that says so; None: by default"""
        for line, action, its, has_source, has_destination, ports in self.rules:
            if (its in ("any", protocol) and has_source(source) and has_destination(destination) and
                    (ports is None or any(a <= port <= b for a, b in ports))):
                return action == "allow", line
        return self.allows, None

    def allowed(self, source, destination, protocol, port):
        return self.decided(source, destination, protocol, port)[0]

    def passes(self, source, destination, protocol, port, source_port):
        """Of a packet: where the default is to deny, datagrams pass as replies, too."""
        return self.allowed(source, destination, protocol, port) or (
            protocol == "udp" and not self.allows and
            self.allowed(destination, source, protocol, source_port))

    def answered(self, source, destination, protocol, port):
        """What becomes of a question that wants an answer: "yes", "refused", or "lost" (the answer is)"""
        if not self.passes(source, destination, protocol, port, EPHEMERAL):
            return "refused"
        if protocol in ("udp", "other") and not self.passes(destination, source, protocol, EPHEMERAL, port):
            return "lost"
        return "yes"
