# SPDX-License-Identifier: MIT
"""tables.py - reads the tables that docs/compatibility.md is made of"""
import pathlib

HERE = pathlib.Path(__file__).resolve().parent


def read(name, begins):
    """A table's entries, in order: each a list of (word, rest), of which the first has one of the words @begins"""
    entries = []
    for line in (HERE / name).read_text().splitlines():
        word, _, rest = line.strip().partition(" ")
        if not word or word.startswith("#"):
            continue
        if word in begins or not entries:
            entries.append([])
        entries[-1].append((word, rest.strip()))
    return entries


def all_of(entry, word):
    """What an entry says behind a word, as often as it does"""
    return [rest for key, rest in entry if key == word]


def one_of(entry, word):
    """The same, where it is said once"""
    return " ".join(all_of(entry, word))
