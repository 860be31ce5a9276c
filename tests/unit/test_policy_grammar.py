#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The grammar in slim-policy(5): `slimctl policy check` takes whatever it derives, by chance; and examples.

Run from the top of the tree; $SLIMCTL names another program than build/slimctl, $SEED another seed.
"""
import os
import random
import re
import subprocess
import tempfile
import unittest

SLIMCTL = os.environ.get("SLIMCTL", "build/slimctl")
SEED = int(os.environ.get("SEED", random.randrange(1 << 31)))
POLICIES = 60
LINES = 40

TERMINALS = {
    "NAME": ("blue", '"blue"'), "GROUP": ("web", "db1", "a-b"), "KEY": ("tier", '"any"', "app.kubernetes.io/name"),
    "CONTAINER": ("db1", "web+1", '"a:b c"'),
    "VALUE": ("x", '""', "any"), "RATE": ("8bit", "64kbit", "2.5gbit", "1000gbit"),
    "CODE": ("cs7", "af41", "ef", "63"), "OCTET": ("0", "255", "0x1f"),
    "ADDRESS": ("10.32.0.1", "10.32.0.1"), "PATH": ("none.d",), "NEWLINE": ("\n", " # text\n", "\\\n\n"),
}
ONCE = ("from", "to", "port", "log", "rate", "dscp", "tos", "priority", "connections", "setups")


def grammar():
    """The page's productions: name to text"""
    with open("docs/man/slim-policy.5", encoding="utf-8") as file:
        page = file.read()
    text = re.search(r"\.Sh GRAMMAR.*?\.Bd.*?\n(.*?)\.Ed", page, re.S).group(1)
    productions = {}
    for line in text.splitlines():
        name, _, rest = line.partition("=") if re.match(r"\w+ *= ", line) else ("", "", line)
        if name:
            last = name.strip()
            productions[last] = rest
        else:
            productions[last] += rest
    return {name: parse(re.findall(r'"[^"]*"|\w+|[][(){}|]', text))
            for name, text in productions.items()}


def parse(tokens, end=None):
    """A choice of rows: consumes @tokens up to @end"""
    rows = [[]]
    while tokens:
        token = tokens.pop(0)
        if token == end:
            return rows
        if token == "|":
            rows.append([])
        elif token in "([{":
            rows[-1].append((token, parse(tokens, {"(": ")", "[": "]", "{": "}"}[token])))
        else:
            rows[-1].append(token)
    return rows


class Derivation:
    """Words of a random policy; what the page says in words is kept to here."""

    def __init__(self, productions, dice):
        self.productions = productions
        self.dice = dice
        self.words = []

    def number(self):
        before = self.words[-1] if self.words else ""
        if before == "priority":
            return "6"
        return {"/": "32", "-": "65535"}.get(before, str(self.dice.choice((1, 80, 200))))

    def rows(self, rows):
        for item in self.dice.choice(rows):
            self.item(item)

    def item(self, item):
        if isinstance(item, tuple):
            kind, rows = item
            times = {"(": 1, "[": self.dice.randrange(2), "{": self.dice.randrange(4)}[kind]
            for _ in range(times):
                self.rows(rows)
        elif item.startswith('"'):
            self.words.append(item.strip('"'))
        elif item == "NUMBER":
            self.words.append(self.number())
        elif item in TERMINALS:
            self.words.append(self.dice.choice(TERMINALS[item]))
        else:
            self.rows(self.productions[item])

    def text(self):
        """No blanks around - and /, and before a comma or = none or one"""
        text = ""
        for word in self.words:
            glue = word in ("-", "/", "/s") or text.endswith(("-", "/"))
            if word in ",=":
                glue = self.dice.randrange(2)
            text += word if glue or not text or text.endswith(",") else " " + word
        return text


def is_meant(words):
    """Not what the page excludes in words"""
    said = [word for word in words if word in ONCE]
    if words[:2] == ["limit", "tenant"]:
        return False	# said once
    if words[0] in ("include", "tenant", "default", "group", "limit"):
        return words[0] not in ("include", "tenant", "default", "group") and "of" not in words
    if len(said) != len(set(said)) or ("dscp" in said and "tos" in said):
        return False
    if "port" in said and words[1] not in ("tcp", "udp"):
        return False
    if words[1] in ("udp", "icmp") and set(said) - {"from", "to", "port", "log"}:
        return False
    return "of" not in words


class Grammar(unittest.TestCase):
    def setUp(self):
        self.productions = grammar()
        self.dice = random.Random(SEED)
        self.dir = tempfile.TemporaryDirectory()
        self.addCleanup(self.dir.cleanup)

    def check(self, text, file="policy"):
        path = os.path.join(self.dir.name, file)
        with open(path, "w", encoding="utf-8") as out:
            out.write(text)
        done = subprocess.run([SLIMCTL, "policy", "check", path], capture_output=True, text=True,
                              timeout=30, check=False)
        return done.returncode, done.stderr

    def statement(self, kind=None):
        """One that is meant, of @kind or of those that may come any number of times"""
        while True:
            derivation = Derivation(self.productions, self.dice)
            derivation.item("statement")
            words = derivation.words
            if (words[0] == kind and "of" not in words) or (not kind and is_meant(words)):
                return derivation.text()

    def test_productions(self):
        self.assertEqual(list(self.productions), ["policy", "statement", "protocol", "clause",
                                                  "option", "ends", "end", "ports", "range"])

    def test_accepted(self):
        kinds = set()
        os.mkdir(os.path.join(self.dir.name, "none.d"))
        for _ in range(POLICIES):
            lines = [self.statement("tenant"), "group web = any", "group db1 = web",
                     "group a-b = 10.0.0.0/8", self.statement("default"), self.statement("include"),
                     "limit tenant rate 1gbit"]
            lines += [self.statement() for _ in range(LINES)]
            kinds |= {tuple(sorted(set(re.findall(r"[a-z]+", line)) & set(ONCE))) for line in lines}
            text = "".join(line + self.dice.choice(TERMINALS["NEWLINE"]) for line in lines)
            status, errors = self.check(text)
            self.assertEqual(status, 0, f"seed {SEED}\n{errors}")
        self.assertGreater(len(kinds), 50)

    def test_groups(self):
        for _ in range(POLICIES):
            line = self.statement("group")
            name = line.split()[1].split("=")[0]
            others = [f"group {other} = 10.0.0.1" for other in TERMINALS["GROUP"] if other != name]
            if re.search(rf"=.*\b{name}\b(?![=-])", line):
                continue	# holds itself
            status, errors = self.check("\n".join(["tenant blue", *others, line, ""]))
            self.assertEqual(status, 0, f"seed {SEED}\n{errors}")

    def test_nothing_else(self):
        """A word taken away from what must be there"""
        for line in ("tenant", "include", "default", "group web", "group web =", "allow", "deny",
                     "allow tcp from", "allow tcp port", "allow tcp port 80-", "allow tcp rate",
                     "allow tcp from 10.0.0.1,", "allow tcp from container", "allow tcp from label x",
                     "allow tcp from any of", "limit rate 1gbit", "limit each rate 1gbit",
                     "limit tenant", "limit tenant rate", "limit tenant rate 8bit\nlimit tenant rate 8bit", "allow tcp setups 5", "permit tcp",
                     "allow tcp from any, 10.0.0.1", "allow tcp from 10.0.0.1 / 8", "deny tcp rate 1gbit",
                     "allow udp rate 1gbit", "allow icmp port 1", "allow tcp log log",
                     "allow tcp dscp ef tos 1", "allow tcp from 10.0.0.1 - 10.0.0.2", "deny any port 7"):
            self.assertEqual(self.check(f"tenant blue\n{line}\n")[0], 1, line)

    def test_examples(self):
        """Those of the page, and README's"""
        os.mkdir(os.path.join(self.dir.name, "teams.d"))
        self.check("", "common")
        with open("docs/man/slim-policy.5", encoding="utf-8") as file:
            examples = re.findall(r"\.Bd -literal[^\n]*\n(tenant .*?)\.Ed", file.read(), re.S)
        with open("README.md", encoding="utf-8") as file:
            examples += re.findall(r"^    tenant .*?(?=^$)", file.read(), re.M | re.S)
        self.assertEqual(len(examples), 6)
        for example in examples:
            self.assertEqual(self.check(example), (0, ""), example)


if __name__ == "__main__":
    unittest.main()
