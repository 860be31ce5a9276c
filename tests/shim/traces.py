#!/usr/bin/python3
# SPDX-License-Identifier: MIT
#
# traces.py - which system calls the shim made, by the call that it made them in
#
#	traces.py FILE...	files of strace(1) -f -i, of programs that ran with stage/marks.c
#
# Prints lines of CALL SYSTEM-CALL. The shim's own are those whose instruction lies in libslim.so; marks say
# which call the thread was in. A call that a handler left by leaping has no end: what is begun later
# counts.
"""Reads traces of programs with the shim."""
import re
import sys

LINE = re.compile(r"(\d+) +\[([0-9a-f]+)\] (\w+)(.*)")
RESUMED = re.compile(r"(\d+) +\[[0-9a-f]+\] <\.\.\. (\w+) resumed>(.*)")
UNFINISHED = "<unfinished ...>"
MARK = re.compile(r'\(-4711, "([+-])(\w+)"')


class Trace:
    """One file: of a program and its children"""

    def __init__(self):
        self.ranges = []        # where libslim.so is
        self.unfinished = {}    # of each thread
        self.library = {}       # of each thread: its descriptor, while it is being loaded
        self.calls = {}         # of each thread: the calls that it is in
        self.found = set()

    def map(self, thread, name, rest):
        """Notes where the loader puts the shim"""
        library = self.library.get(thread)
        if name == "openat" and "/libslim.so" in rest and "= -1" not in rest:
            self.library[thread] = rest.rsplit("= ", 1)[1].strip()
        elif name == "mmap" and library:
            mapped = re.match(rf"\(NULL, (\d+), .*, {library}, 0\) += (0x[0-9a-f]+)", rest)
            if mapped:
                base = int(mapped[2], 16)
                self.ranges.append(range(base, base + int(mapped[1])))
        elif name == "close" and library and rest.startswith(f"({library})"):
            del self.library[thread]

    def mark(self, thread, sign, call):
        """Notes that a thread begins or ends a call"""
        calls = self.calls.setdefault(thread, [])
        if sign == "+":
            calls.append(call)
        elif call in calls:
            while calls.pop() != call:
                pass

    def read(self, line):
        """One line of it"""
        resumed = RESUMED.match(line)
        if resumed:
            self.map(resumed[1], resumed[2], self.unfinished.pop(resumed[1], "") + resumed[3])
            return
        parts = LINE.match(line)
        if not parts:
            return
        thread, at, name, rest = parts[1], int(parts[2], 16), parts[3], parts[4]
        mark = MARK.match(rest) if name == "write" else None
        if mark:
            self.mark(thread, mark[1], mark[2])
        elif any(at in where for where in self.ranges):
            calls = self.calls.get(thread)
            self.found.add((calls[-1] if calls else "-", name))
        elif rest.endswith(UNFINISHED):
            self.unfinished[thread] = rest[:-len(UNFINISHED)].rstrip()
        else:
            self.map(thread, name, rest)


def main():
    """All files' calls"""
    found = set()
    for path in sys.argv[1:]:
        trace = Trace()
        with open(path, encoding="utf-8", errors="replace") as file:
            for line in file:
                trace.read(line)
        found |= trace.found
    for call, system in sorted(found):
        print(call, system)


if __name__ == "__main__":
    main()
