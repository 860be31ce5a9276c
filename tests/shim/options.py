# SPDX-License-Identifier: MIT
"""options.py - the page's table of socket options: options.txt, and the shim's own tables (see page.py)"""
import fnmatch
import pathlib
import subprocess
import tempfile

import survey
import tables

LEVELS = {"SO": 1, "TCP": 6, "IP": 0, "IPV6": 41}   # SOL_SOCKET, IPPROTO_...
SOURCES = ["tests/shim/stage/option_verdicts.c", "shim/option_table.c"]
NONE = "strange"    # what the shim says of an option that no table of its has


def verdicts_of_shim(names):
    """What the shim's tables say of options that have these names and numbers: NAME: verdict"""
    lines = "".join(f"{name} {LEVELS[name.split('_')[0]]} {number}\n" for name, number in names.items())
    with tempfile.TemporaryDirectory() as directory:
        program = pathlib.Path(directory) / "verdicts"
        survey.output("gcc", "-D_GNU_SOURCE", "-Iinclude", "-o", str(program), *SOURCES, cwd=survey.TOP)
        said = survey.output(str(program), input=lines)
    return dict(line.split() for line in said.splitlines())


class Options:
    """options.txt"""

    def __init__(self):
        self.entries = {entry[0][1]: entry for entry in tables.read("options.txt", ["verdict"])}
        names = survey.options()
        self.shim = verdicts_of_shim(names)
        self.found = {name: self.listed(name) for name in sorted(names)}

    def listed(self, name):
        """The verdicts that the table has for it"""
        return [verdict for verdict, entry in self.entries.items()
                if any(fnmatch.fnmatchcase(name, pattern) for pattern in tables.one_of(entry, "options").split())]

    def verdict(self, name):
        """The one that counts"""
        return self.found[name][0] if self.found[name] else self.shim[name]

    def check(self):
        """Has each option one verdict, and one that the shim agrees with?"""
        for name, listed in self.found.items():
            if len(listed) > 1:
                yield f"options.txt: {name} is there as {' and '.join(listed)}"
            elif listed and listed[0] != "constant" and self.shim[name] != NONE:
                yield f"options.txt: {name} is {listed[0]}, but {self.shim[name]} for the shim"
            elif not listed and self.shim[name] == NONE:
                yield f"options.txt: {name} is in no table of the shim's, and not there either"
        for entry in self.entries.values():
            for pattern in tables.one_of(entry, "options").split():
                if not fnmatch.filter(self.found, pattern):
                    yield f"options.txt: {pattern} is no option"

    def rows(self):
        """The page's table"""
        for verdict, entry in self.entries.items():
            names = [name for name in self.found if self.verdict(name) == verdict]
            if verdict != "constant":
                yield f"| {tables.one_of(entry, 'as')} | {tables.one_of(entry, 'why')} | {', '.join(names)} |"
