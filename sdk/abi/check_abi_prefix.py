#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
# Copyright The Backplane authors.
"""Says whether the ABI headers of today still keep the promise of the frozen ones.

    check_abi_prefix.py <frozen folder> <current folder> [--cc gcc]

Both folders are laid out like sdk/include/backplane/abi. What was frozen must still be there, word for word: structs may
grow at their end, new structs, typedefs, constants and headers may appear. The comparison is textual on purpose: a tool
that reasons about layouts calls a changed type inside padding harmless, and a signature is not part of any layout.
Exit status: 0 kept, 1 broken, 2 could not be checked.
"""

import argparse
import pathlib
import re
import subprocess
import sys

# May change between minor versions, in one direction only.
MINOR = "BP_ABI_MINOR"


class CannotCheck(Exception):
    """The headers contain something that this gate does not understand; better no answer than a wrong one."""


def tokens_of(text):
    """One spelling for one meaning: single spaces, none around punctuation."""
    text = " ".join(text.split())
    return re.sub(r"\s*([^\w\s])\s*", r"\1", text)


class Abi:
    """All that the headers of one folder declare."""

    def __init__(self, folder, compiler):
        self.folder = pathlib.Path(folder).resolve()
        self.headers = sorted(str(p.relative_to(self.folder)) for p in self.folder.rglob("*.h"))
        if not self.headers:
            raise CannotCheck(f"{folder} has no headers")
        self.structs = {}    # name -> list of members
        self.typedefs = {}   # name -> text
        self.variables = {}  # name -> text
        self.constants = {}  # name -> text, macros with arguments too
        self._preprocess(compiler)

    def _preprocess(self, compiler):
        source = "".join(f'#include "{self.folder / h}"\n' for h in self.headers)
        run = subprocess.run([compiler, "-std=c11", "-E", "-dD", "-x", "c", "-"], input=source, text=True,
                             capture_output=True, check=False)
        if run.returncode != 0:
            raise CannotCheck(f"the headers in {self.folder} do not compile:\n{run.stderr}")
        ours, code = False, []
        for line in run.stdout.splitlines():
            marker = re.match(r'# \d+ "([^"]*)"', line)
            if marker:
                path = pathlib.Path(marker[1])
                ours = path.is_absolute() and path.is_relative_to(self.folder)
            elif ours and line.startswith("#define "):
                self._add_constant(line)
            elif ours and line.startswith("#undef "):
                raise CannotCheck(f"{line}: an ABI header does not take back a macro")
            elif ours and not line.startswith("#"):
                code.append(line)
        self._parse("\n".join(code))

    def _add_constant(self, line):
        match = re.match(r"#define (\w+)(\([^)]*\))?(?: (.*))?$", line)
        if not match:
            raise CannotCheck(f"not understood: {line}")
        text = tokens_of((match[2] or "") + " " + (match[3] or ""))
        if self.constants.setdefault(match[1], text) != text:
            raise CannotCheck(f"the macro {match[1]} is defined twice, differently")

    def _parse(self, code):
        code = re.sub(r"__attribute__\s*\(\((?:[^()]|\([^()]*\))*\)\)", " ", code)
        for declaration in split_at_top_level(code):
            text = tokens_of(declaration)
            if not text or text.startswith("_Static_assert("):
                continue
            if struct := re.match(r"typedef struct (\w+)\{(.*)\}(\w+)$", text):
                self._add_struct(struct[1], struct[2], struct[3])
            elif re.match(r"(typedef )?struct \w+( \w+)?$", text):
                pass  # a forward declaration promises nothing
            elif pointer := re.match(r"typedef [^{}]*\(\*(\w+)\)\([^{}]*\)$", text):
                self._add(self.typedefs, pointer[1], text)
            elif plain := re.match(r"typedef [^{}()]*?(\w+)$", text):
                self._add(self.typedefs, plain[1], text)
            elif variable := re.match(r"extern [^{}()]*?(\w+)$", text):
                self._add(self.variables, variable[1], text)
            else:
                raise CannotCheck(f"in {self.folder}: an ABI header may hold structs, typedefs, one variable and constants, "
                                  f"but not: {text[:200]}")

    def _add_struct(self, tag, body, name):
        if tag != name:
            raise CannotCheck(f"struct {tag} is called {name} by its typedef: use one name")
        if "{" in body:
            raise CannotCheck(f"struct {name} has a struct or union inside: give it a name of its own")
        if re.search(r"\benum\b|:\d+;", body):
            raise CannotCheck(f"struct {name} has an enum or a bit-field, whose size is the compiler's choice")
        self._add(self.structs, name, [member for member in body.split(";") if member])

    @staticmethod
    def _add(table, name, value):
        if table.setdefault(name, value) != value:
            raise CannotCheck(f"{name} is declared twice, differently")


def split_at_top_level(code):
    """The declarations of a file: what lies between semicolons that are not inside braces."""
    out, depth, begin = [], 0, 0
    for i, char in enumerate(code):
        depth += (char == "{") - (char == "}")
        if depth < 0:
            raise CannotCheck("unbalanced braces")
        if char == ";" and depth == 0:
            out.append(code[begin:i])
            begin = i + 1
    if depth or code[begin:].strip():
        raise CannotCheck(f"the last declaration does not end: {code[begin:].strip()[:200]}")
    return out


def compare(old, new):
    """Every broken promise, as a sentence. Adds the rule that additions raise the minor version."""
    broken, added = [], []
    for header in old.headers:
        if header not in new.headers:
            broken.append(f"the header {header} is gone")
    added += [f"header {h}" for h in new.headers if h not in old.headers]

    for name, members in old.structs.items():
        now = new.structs.get(name)
        if now is None:
            broken.append(f"struct {name} is gone")
            continue
        for slot, (before, after) in enumerate(zip(members, now + [None] * len(members))):
            if before != after:
                broken.append(f"struct {name}, member {slot + 1} was \"{before}\" and is "
                              + (f"\"{after}\"" if after is not None else "gone")
                              + ": add members at the end, never change or remove one")
                break
        else:
            if len(now) > len(members):
                if not members or not members[0].endswith("struct_size"):
                    broken.append(f"struct {name} has grown by \"{now[len(members)]}\", but it has no struct_size, so nobody "
                                  "can know which of its two sizes he holds")
                added.append(f"member \"{now[len(members)]}\" of struct {name}")
    for what, before, after in (("typedef", old.typedefs, new.typedefs), ("variable", old.variables, new.variables)):
        for name, text in before.items():
            if name not in after:
                broken.append(f"{what} {name} is gone")
            elif after[name] != text:
                broken.append(f"{what} {name} was \"{text}\" and is \"{after[name]}\"")
    for name, value in old.constants.items():
        if name not in new.constants:
            broken.append(f"constant {name} is gone")
        elif new.constants[name] != value and name != MINOR:
            broken.append(f"constant {name} was {value} and is {new.constants[name]}")
    for what, before, after in (("struct", old.structs, new.structs), ("typedef", old.typedefs, new.typedefs),
                                ("variable", old.variables, new.variables), ("constant", old.constants, new.constants)):
        added += [f"{what} {name}" for name in after if name not in before]

    minor_before, minor_now = minor_of(old), minor_of(new)
    if minor_now < minor_before:
        broken.append(f"{MINOR} was {minor_before} and is {minor_now}: it only grows")
    elif added and minor_now == minor_before:
        broken.append(f"something was added ({added[0]}), but {MINOR} is still {minor_now}: raise it, so that older boxes "
                      "refuse what they cannot run")
    return broken


def minor_of(abi):
    text = abi.constants.get(MINOR, "")
    if not text.isdigit():
        raise CannotCheck(f"{abi.folder} does not define {MINOR} as a number")
    return int(text)


def main(arguments):
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("frozen")
    parser.add_argument("current")
    parser.add_argument("--cc", default="cc", help="C compiler for preprocessing")
    options = parser.parse_args(arguments)
    try:
        broken = compare(Abi(options.frozen, options.cc), Abi(options.current, options.cc))
    except (CannotCheck, OSError) as problem:
        print(f"cannot check the ABI: {problem}", file=sys.stderr)
        return 2
    for sentence in broken:
        print(f"ABI broken: {sentence}", file=sys.stderr)
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
