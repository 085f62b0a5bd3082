#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
# Copyright The Backplane authors.
"""Checks that the page on what works with which Odoo can be believed.

check_compatibility.py PAGE --build FOLDER [--ctest PROGRAM] [--unbuilt FOLDER]…

* A table whose first column is "#" lists features. All of B1-B26, C1-C14, D1-D36, Q1-Q15 and R1-R12 are there, once;
  those of B, C and R have a line each, those of D and Q may share one ("D6-D9", "D10, D15").
* What works is "yes…", "otherwise…", "no" or "server side". "yes" names a test; the others give a reason.
* A table whose first column is "Odoo" has a line for each version from 15 to 19, which names a test.
* Each test that a table names in its last column, as `Suite.name` or `Suite.*`, exists: `ctest` knows it in the build
  folder, or it is written in a source file of a folder given as --unbuilt (tests for which this machine lacks a program).

Prints each mistake with the line of the page; the exit status is 1 if there is any.
"""
import argparse
import json
import pathlib
import re
import subprocess
import sys

GROUPS = {"B": 26, "C": 14, "D": 36, "Q": 15, "R": 12}
ALONE = "BCR"
VERSIONS = range(15, 20)
NAME = re.compile(r"`([A-Za-z_]\w*\.(?:\w+|\*))`")
SOURCE = re.compile(r"\bTEST(?:_F|_P)?\(\s*(\w+)\s*,\s*(\w+)\s*\)")
REFERENCE = re.compile(r"([A-Z])(\d+)(?:-([A-Z])(\d+))?")


class Tests:
    """The names of tests, as the page writes them: without what gtest adds for parameters."""

    def __init__(self, names, not_built=()):
        self.names = {self.plain(name) for name in names}
        self.not_built = sorted(not_built)

    @staticmethod
    def plain(name):
        name = name.split("  # GetParam()")[0]
        suite, dot, case = name.partition(".")
        return suite.rpartition("/")[2] + dot + case.partition("/")[0]

    def has(self, name):
        if name.endswith(".*"):
            return any(known.startswith(name[:-1]) for known in self.names)
        return name in self.names


class Row:
    def __init__(self, line, header, cells):
        self.line, self.header, self.cells = line, header, cells


def rows(text):
    """Every row of every table, with the header of its table."""
    found, header = [], None
    for number, line in enumerate(text.splitlines(), 1):
        if not line.startswith("|"):
            header = None
            continue
        cells = [cell.strip() for cell in line.strip().strip("|").split("|")]
        if header is None:
            header = cells
        elif not all(re.fullmatch(r":?-+:?", cell) for cell in cells):
            found.append(Row(number, header, cells))
    return found


def features_of(cell):
    """"D6-D9, D11" → [("D", 6), …, ("D", 11)]; None when it is something else."""
    found = []
    for part in cell.split(","):
        part = REFERENCE.fullmatch(part.strip())
        if not part or (part[3] and (part[3] != part[1] or int(part[4]) <= int(part[2]))):
            return None
        found += [(part[1], number) for number in range(int(part[2]), int(part[4] or part[2]) + 1)]
    return found


def check_feature(row, tests_named, seen):
    features = features_of(row.cells[0])
    if features is None:
        return [f"\"{row.cells[0]}\" is no number of a feature"]
    mistakes = []
    for group, number in features:
        name = f"{group}{number}"
        if group not in GROUPS or not 1 <= number <= GROUPS[group]:
            mistakes.append(f"there is no feature {name}")
        elif name in seen:
            mistakes.append(f"{name} has a line already: {seen[name]}")
        elif group in ALONE and len(features) > 1:
            mistakes.append(f"{name} shares its line; features of {group} have one each")
        seen.setdefault(name, row.line)
    works, reason = row.cells[3], row.cells[4]
    label = row.cells[0]
    if re.match(r"yes\b", works):
        if not tests_named:
            mistakes.append(f"{label} says \"yes\" and names no test")
    elif not re.match(r"(otherwise|no|server side)\b", works):
        mistakes.append(f"{label} says \"{works}\": say yes, otherwise, no or server side")
    elif re.fullmatch(r"(otherwise|no)\b[.:]?", works) and not reason:
        mistakes.append(f"{label} says \"{works}\" without a reason")
    return mistakes


def check(text, tests):
    """The mistakes of the page, as (line, text); line 0: of the page as a whole."""
    mistakes, seen, versions = [], {}, {}
    for row in rows(text):
        about = row.header[0]
        if about not in ("#", "Odoo"):
            continue
        if len(row.cells) != len(row.header) or len(row.header) < (5 if about == "#" else 2):
            mistakes.append((row.line, f"{row.cells[0]} has {len(row.cells)} cells, its table {len(row.header)}"))
            continue
        named = NAME.findall(row.cells[-1])
        for name in named:
            if not tests.has(name):
                mistakes.append((row.line, f"{row.cells[0]}: there is no test {name}"))
        if about == "#":
            mistakes += [(row.line, mistake) for mistake in check_feature(row, named, seen)]
            continue
        for version in re.findall(r"\d+", row.cells[0]):
            versions[int(version)] = row.line
            if not named:
                mistakes.append((row.line, f"Odoo {version} names no test"))
    missing = [f"{group}{number}" for group, last in GROUPS.items()
               for number in range(1, last + 1) if f"{group}{number}" not in seen]
    if missing:
        mistakes.append((0, "no line for " + ", ".join(missing)))
    lost = [str(version) for version in VERSIONS if version not in versions]
    if lost:
        mistakes.append((0, "no line for Odoo " + ", ".join(lost)))
    return mistakes


def tests_of(ctest, build, unbuilt):
    shown = subprocess.run([ctest, "--test-dir", str(build), "--show-only=json-v1"],
                           capture_output=True, text=True, timeout=50)
    if shown.returncode != 0:
        raise RuntimeError(f"{ctest} could not list the tests of {build}: {shown.stderr.strip()}")
    names, not_built = [], []
    for test in json.loads(shown.stdout)["tests"]:
        disabled = any(item["name"] == "DISABLED" and item["value"] for item in test.get("properties", []))
        if test["name"].endswith("_NOT_BUILT"):
            not_built.append(test["name"][:-len("_NOT_BUILT")])
        elif not disabled:
            names.append(test["name"])
    for folder in unbuilt:
        for file in sorted(pathlib.Path(folder).glob("*.cpp")):
            names += [".".join(found) for found in SOURCE.findall(file.read_text(encoding="utf-8"))]
    return Tests(names, not_built)


def main(arguments):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("page", type=pathlib.Path)
    parser.add_argument("--build", type=pathlib.Path, required=True)
    parser.add_argument("--ctest", default="ctest")
    parser.add_argument("--unbuilt", type=pathlib.Path, action="append", default=[])
    given = parser.parse_args(arguments[1:])
    try:
        tests = tests_of(given.ctest, given.build, given.unbuilt)
        mistakes = check(given.page.read_text(encoding="utf-8"), tests)
    except (OSError, RuntimeError, ValueError, subprocess.TimeoutExpired) as error:
        print(error, file=sys.stderr)
        return 2
    for line, mistake in mistakes:
        print(f"{given.page.name}:{line}: {mistake}", file=sys.stderr)
    if mistakes and tests.not_built:
        print("These programs are not built, so their tests are not known: " + ", ".join(tests.not_built) +
              ". Build everything and try again.", file=sys.stderr)
    return 1 if mistakes else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv))
