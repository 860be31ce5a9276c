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

VERDICTS = {"passed": "Passed through", "native": "Native", "apart": "Native, of no concern to sockets"}


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

    def wrapped_rows(self):
        """The page's table of wrapped calls"""
        for call, entry in self.wrapped.items():
            yield f"| {call} | {tables.one_of(entry, 'what')} |"

    def rows(self, verdict):
        """The page's table of all calls that have this verdict"""
        names = sorted(survey.calls())
        for group in self.groups:
            patterns = tables.one_of(group, "calls").split()
            found = [name for name in names if any(fnmatch.fnmatchcase(name, pattern) for pattern in patterns)]
            if group[0][0] == verdict:
                yield f"| {tables.one_of(group, 'why')} | {', '.join(found)} |"

    def system_rows(self):
        """The page's table of system calls"""
        for call in self.wrapped:
            must, may = self.system(call)
            yield f"| {call} | {', '.join(sorted(must))} | {', '.join(sorted(may))} |"


class Differences:
    """differences.txt"""

    TOLD = {"what": "", "why": "Reason: ", "so": "Consequence: ", "do": "What to do: "}

    def __init__(self):
        self.all = tables.read("differences.txt", ["difference", "section"])
        self.entries = [entry for entry in self.all if entry[0][0] == "difference"]

    def check(self):
        """Is all of it told of each one, and is it shown by something?"""
        for entry in self.entries:
            key = entry[0][1]
            for word in "title", *self.TOLD, "shown":
                if not tables.one_of(entry, word):
                    yield f"differences.txt: {key} has no \"{word}\""
            cases = [shown for shown in tables.all_of(entry, "shown") if ":" in shown]
            compared = tables.all_of(entry, "plain") + tables.all_of(entry, "refused")
            if compared and not cases:
                yield f"differences.txt: {key} has lines that no run compares"
            for shown in tables.all_of(entry, "shown"):
                if shown not in cases:
                    yield from self.check_file(key, shown)
                elif not compared + tables.all_of(entry, "path"):
                    yield f"differences.txt: {key} does not say what {shown} prints"

    @staticmethod
    def check_file(key, shown):
        """Does a test that is no case say that it shows it?"""
        path = survey.TOP / "tests" / shown
        if not path.exists() or f"difference: {key}\n" not in path.read_text():
            yield f"differences.txt: tests/{shown} has no comment \"difference: {key}\""

    def text(self):
        """The page's part: sections, and in each a heading and a list for every difference"""
        for entry in self.all:
            if entry[0][0] == "section":
                yield from (f"### {entry[0][1]}", "")
                continue
            yield from (f"#### {tables.one_of(entry, 'title')}", "")
            yield from (tables.one_of(entry, "what"), "")
            for word in list(self.TOLD)[1:]:
                yield f"- {self.TOLD[word]}{tables.one_of(entry, word)}"
            if tables.all_of(entry, "refused"):
                yield f"- Options: {', '.join(tables.one_of(entry, 'refused').split())}"
            tests = [test if ":" in test else f"tests/{test}" for test in tables.all_of(entry, "shown")]
            yield from (f"- Test: {', '.join(f'`{test}`' for test in tests)}", "")


def page(calls, options, differences):
    """The whole text"""
    parts = []
    for verdict, title in VERDICTS.items():
        parts += [f"### {title}", "", "| what, and why | calls |", "| --- | --- |", *calls.rows(verdict), ""]
    return "\n".join([
        *(tables.HERE / "page.head").read_text().splitlines(),
        "",
        "## Calls of the C library",
        "",
        "### Wrapped",
        "",
        "| call | what the shim does, and why |",
        "| --- | --- |",
        *calls.wrapped_rows(),
        "",
        "No other call is wrapped: the data path is the kernel's own.",
        "",
        *parts,
        "## Options of sockets",
        "",
        "| verdict | what, and why | options |",
        "| --- | --- | --- |",
        *options.rows(),
        "",
        "## Differences",
        "",
        *(tables.HERE / "page.differences").read_text().splitlines(),
        "",
        *differences.text(),
        "## System calls of the shim",
        "",
        *(tables.HERE / "page.system").read_text().splitlines(),
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
