#!/usr/bin/python3
# SPDX-License-Identifier: MIT
#
# page.py - docs/compatibility.md, from tables that are held against the truth
#
#	page.py				prints the page
#	page.py check [FILE]		are the tables true, and the page what they say? FILE: what traces.py has
#					found in a run of all cases
#
# calls.txt, options.txt and differences.txt say what becomes of each call and each option, and what a program can
# tell. survey.py says which there are. check prints a line for each thing that is not as it should be.
"""Makes the page of what a program can tell of Slim."""
import fnmatch
import pathlib
import sys

import survey
import tables
from options import Options

PAGE = survey.TOP / "docs" / "compatibility.md"

VERDICTS = {"native": "native", "passed": "passed through", "apart": "native, of no concern"}


class Calls:
    """calls.txt"""

    def __init__(self):
        entries = tables.read("calls.txt", ["known", "wrapped", "native", "passed", "apart"])
        self.known = tables.one_of(entries[0], "known")
        self.log = tables.one_of(entries[0], "log").split()
        self.wrapped = {entry[0][1]: entry for entry in entries if entry[0][0] == "wrapped"}
        self.groups = [entry for entry in entries if entry[0][0] in VERDICTS]

    def patterns(self):
        """All names, or patterns of names, that there are"""
        return list(self.wrapped) + [word for group in self.groups for word in tables.one_of(group, "calls").split()]

    def system(self, call):
        """System calls of a wrapped call: those that a run must see, those that it may"""
        words = tables.one_of(self.wrapped[call], "system").split()
        return {word for word in words if word[-1] != "?"}, {word[:-1] for word in words if word[-1] == "?"}

    def check_names(self):
        """Is each call of the C library there once?"""
        names, patterns = survey.calls(), self.patterns()
        for name, version in names.items():
            found = [pattern for pattern in patterns if fnmatch.fnmatchcase(name, pattern)]
            if len(found) != 1:
                yield f"calls.txt: {name} is there {len(found)} times ({version} has it): {' '.join(found)}"
        for pattern in patterns:
            if not fnmatch.filter(names, pattern):
                yield f"calls.txt: {pattern} is no call of the C library"

    def check_version(self):
        """Has anybody looked at what this C library has new?"""
        def number(version):
            return [int(part) for part in version.removeprefix("GLIBC_").split(".")]

        exports = survey.exported(survey.c_library())
        for name, version in exports.items():
            if version.startswith("GLIBC_2") and number(version) > number(self.known):
                yield f"calls.txt: nobody has looked at {name}, which came with {version}"

    def check_shim(self):
        """Is wrapped what the shim wraps?"""
        for name in survey.wrapped() ^ set(self.wrapped):
            yield f"calls.txt: {name} is wrapped either there or in libslim.so, but not in both"

    def check_system(self):
        """Does each system call that the shim's source has belong to some call?"""
        declared = set(self.wrapped) | set(self.log)
        for call in self.wrapped:
            declared |= set.union(*self.system(call))
        for name in survey.system_calls() - declared:
            yield f"calls.txt: {name} is a system call of the shim's, and of no call"

    def check_traced(self, path):
        """Has a run seen these system calls, and no others?"""
        seen = {call: set() for call in self.wrapped}
        for line in pathlib.Path(path).read_text().splitlines():
            call, system = line.split()
            seen.setdefault(call, set()).add(system)
        for call, systems in seen.items():
            must, may = self.system(call) if call in self.wrapped else (set(), set())
            for system in systems - must - may:
                yield f"calls.txt: {call} has made {system}, which is not there"
            for system in must - systems:
                yield f"calls.txt: {call} has not made {system}, which is there"

    def check(self):
        """All of it but what a run sees"""
        yield from self.check_names()
        yield from self.check_version()
        yield from self.check_shim()
        yield from self.check_system()

    def rows(self):
        """The page's table of calls"""
        for call, entry in self.wrapped.items():
            yield f"| {call} | wrapped | {tables.one_of(entry, 'what')} |"
        names = sorted(survey.calls())
        for group in self.groups:
            patterns = tables.one_of(group, "calls").split()
            found = [name for name in names if any(fnmatch.fnmatchcase(name, pattern) for pattern in patterns)]
            yield f"| {', '.join(found)} | {VERDICTS[group[0][0]]} | {tables.one_of(group, 'why')} |"

    def system_rows(self):
        """The page's table of system calls"""
        for call in self.wrapped:
            must, may = self.system(call)
            yield f"| {call} | {', '.join(sorted(must))} | {', '.join(sorted(may))} |"


class Differences:
    """differences.txt"""

    def __init__(self):
        self.entries = tables.read("differences.txt", ["difference"])

    def check(self):
        """Is each one shown by something, and has its reason?"""
        for entry in self.entries:
            key = entry[0][1]
            for word in "what", "why":
                if not tables.one_of(entry, word):
                    yield f"differences.txt: {key} has no \"{word}\""
            if bool(tables.all_of(entry, "shown")) == bool(tables.all_of(entry, "unshown")):
                yield f"differences.txt: {key} is to be either shown or unshown"
            for shown in tables.all_of(entry, "shown"):
                if "/" in shown and ":" not in shown:
                    yield from self.check_file(key, shown, tables.all_of(entry, "plain"))
                elif not tables.all_of(entry, "plain") + tables.all_of(entry, "path"):
                    yield f"differences.txt: {key} does not say what {shown} prints"

    @staticmethod
    def check_file(key, shown, lines):
        """Does a test that is no case say that it shows it?"""
        path = survey.TOP / "tests" / shown
        if lines:
            yield f"differences.txt: {key} is shown by {shown}, of which no run compares lines"
        if not path.exists() or f"difference: {key}" not in path.read_text():
            yield f"differences.txt: tests/{shown} has no comment \"difference: {key}\""

    def rows(self):
        """The page's table"""
        for entry in self.entries:
            tests = [test if ":" in test else f"tests/{test}" for test in tables.all_of(entry, "shown")]
            if tests:
                yield f"| {tables.one_of(entry, 'what')} | {tables.one_of(entry, 'why')} | {', '.join(tests)} |"

    def unshown_rows(self):
        """Those that no test shows"""
        for entry in self.entries:
            if tables.all_of(entry, "unshown"):
                yield f"| {tables.one_of(entry, 'what')} | {tables.one_of(entry, 'why')} |"


def page(calls, options, differences):
    """The whole text"""
    return "\n".join([
        *(tables.HERE / "page.head").read_text().splitlines(),
        "",
        "## Calls of the C library",
        "",
        "| call | verdict | what, and why |",
        "| --- | --- | --- |",
        *calls.rows(),
        "",
        "No other call is wrapped. connect by io_uring takes the packet path; accept by io_uring gets its slim",
        "connections too, carried by the router (path \"spliced\").",
        "",
        "## Options of sockets",
        "",
        "| option | verdict | what, and why |",
        "| --- | --- | --- |",
        *options.rows(),
        "",
        "## Differences",
        "",
        "A test is a case of `tests/shim`, as PROGRAM:CASE, or a file.",
        "",
        "| difference | why | test |",
        "| --- | --- | --- |",
        *differences.rows(),
        "",
        "Of moments that no test waits for:",
        "",
        "| difference | why |",
        "| --- | --- |",
        *differences.unshown_rows(),
        "",
        "## System calls of the shim",
        "",
        "What the shim asks of the kernel in a wrapped call, beyond the call itself. A seccomp filter must let these",
        "through, or answer them with an error (SECCOMP_RET_ERRNO): then the connection takes the packet path, or",
        "is carried by the router. One that kills for them kills the program. Those in the last column are",
        "made at rare moments alone: where a channel has to be opened anew, a table is full, or /proc must be asked.",
        f"SLIM_DEBUG adds {' and '.join(calls.log)}.",
        "",
        "| call | system calls | at rare moments |",
        "| --- | --- | --- |",
        *calls.system_rows(),
        ""])


def check(calls, options, differences, traced):
    """All that is not as it should be"""
    yield from calls.check()
    yield from options.check()
    yield from differences.check()
    if traced:
        yield from calls.check_traced(traced)
    if PAGE.read_text() != page(calls, options, differences):
        yield f"{PAGE.relative_to(survey.TOP)} is not what the tables say: run `make docs`"


def main():
    """Prints the page, or what is wrong with it"""
    facts = Calls(), Options(), Differences()
    if len(sys.argv) == 1:
        print(page(*facts), end="")
        return 0
    if sys.argv[1] != "check":
        print("page.py: see the comment on top of it", file=sys.stderr)
        return 2
    wrong = list(check(*facts, (sys.argv[2:] or [None])[0]))
    for line in wrong:
        print(line)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
