#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
# Copyright The Backplane authors.
"""check_includes.py <root>: does the tree keep to "who knows what"?

Three rules, each with the reason in RULES or beside its table:
  1. a component includes only what its arrow points to,
  2. core names no brand, no device and not Odoo,
  3. every source file says under which licence it is.
Exit status: 0 kept, 1 broken (one line for each place).
"""

import pathlib
import re
import sys

SOURCES = {".h", ".hpp", ".c", ".cc", ".cpp", ".ipp"}
LICENSED = SOURCES | {".py", ".cmake", ".js", ".mjs", ".css", ".sh"}
SKIPPED = {".git", ".cache", "__pycache__", "node_modules"}

# What a file belongs to: the longest beginning of its path counts.
ZONES = {
    "sdk": "sdk",
    "plugins": "plugin",
    "interfaces": "plugin",
    "core": "core",
    "core/daemon": "daemon",
    "core/cli": "daemon",
    "server_sync": "sync",
    "examples": "example",
    "tests": "tests",
}

# Which parts each zone may include. Parts are finer than zones: see part_of().
RULES = {
    "sdk": ({"sdk", "abi", "inspect"}, "the SDK knows nothing of the box: authors build with it alone"),
    "plugin": ({"sdk", "abi", "own"}, "a plug-in knows the SDK and itself: it is delivered without the box"),
    "core": ({"core", "core_private", "abi", "inspect"}, "core knows the ABI and the inspector, but no plug-in and not Odoo"),
    "sync": ({"sync", "core"}, "server_sync knows the public headers of core only"),
    "daemon": ({"core", "core_private", "sync", "abi", "inspect", "daemon"}, "the programs know core and server_sync"),
    "example": ({"sdk", "abi", "own"}, "an example builds against the installed SDK"),
    # Tests that cross components, and the unit tests of core and server_sync, may use what helps them.
    "tests": (None, ""),
}

# Words that have no place in core. Whole words, any case; "_" and digits separate words here, as in "epson_port".
WORDS = """epson zebra star_micronics odoo toledo mettler adam_equipment sylvac mitutoyo brother dymo ingenico
worldline adyen stripe six_payment escpos esc/pos zpl tspl boxking cleancash efsta raspberry ftdi pl2303 cp210x ch340
bluez libcups libusb""".split()
WORD = re.compile(r"(?<![A-Za-z])(" + "|".join(re.escape(w).replace("_", r"[ _-]?") for w in WORDS) + r")(?![A-Za-z])",
                  re.IGNORECASE)
WORD_FOLDERS = ("core/src/", "core/include/", "core/plugin_host/", "core/unpacker/")
# (beginning of the path, word): the only exceptions, with the reason.
WORD_EXCEPTIONS = (
    # The configuration file has a section of this name. Core reads the file as a whole and does not look into the section.
    ("core/include/backplane/core/config.hpp", "odoo"),
    ("core/src/config/", "odoo"),
)

INCLUDE = re.compile(r'^\s*#\s*include\s*(?:"([^"]+)"|<([^>]+)>)')


def starts(path, folder):
    return path == folder or path.startswith(folder + "/")


def zone_of(path):
    """The zone of a file, or None for what no rule speaks of."""
    best = max((z for z in ZONES if starts(path, z)), key=len, default=None)
    if best is None:
        return None
    zone = ZONES[best]
    if zone in ("core", "daemon", "sync") and {"tests", "fuzz"} & set(path.split("/")[:-1]):
        return "tests"
    return zone


class Tree:
    """The source files below a root, and how their includes are resolved."""

    def __init__(self, root):
        self.root = pathlib.Path(root)
        self.files = sorted(self._walk(self.root, ""))
        self.known = set(self.files)
        # Every folder that some target may have on its include path.
        self.roots = {"/".join(f.split("/")[:i]) for f in self.files for i, part in enumerate(f.split("/"), 1)
                      if part in ("include", "src") and i < len(f.split("/"))}
        self.plugin_folders = {f.rsplit("/", 1)[0] for f in self.files if f.endswith("/plugin.json")}

    def _walk(self, folder, prefix):
        for entry in sorted(folder.iterdir()):
            name = entry.name
            if entry.is_symlink() or name in SKIPPED or name.startswith("."):
                continue
            if entry.is_dir():
                # Build folders are recognised by what CMake leaves in them, whatever their name.
                if (entry / "CMakeCache.txt").exists() or (not prefix and name.startswith("build")):
                    continue
                yield from self._walk(entry, prefix + name + "/")
            else:
                yield prefix + name

    def text(self, path):
        return (self.root / path).read_text(encoding="utf-8", errors="replace")

    def own_folder(self, path):
        """The plug-in or example that a file belongs to."""
        parts = path.split("/")
        for i in range(len(parts) - 1, 0, -1):
            if "/".join(parts[:i]) in self.plugin_folders:
                return "/".join(parts[:i])
        return None

    def resolve(self, path, name, quoted):
        """Which file of the tree an include means; None when it is not one of ours."""
        here = path.rsplit("/", 1)[0] if "/" in path else ""
        if quoted:
            candidate = self._join(here, name)
            if candidate in self.known:
                return candidate
        found = [c for c in (self._join(r, name) for r in self.roots) if c in self.known]
        # A name that also exists in the own component means that one.
        top = path.split("/")[0]
        return next((c for c in found if self.own_folder(path) and starts(c, self.own_folder(path))),
                    next((c for c in found if starts(c, top)), found[0] if found else None))

    @staticmethod
    def _join(folder, name):
        parts = folder.split("/") if folder else []
        for piece in name.split("/"):
            if piece == "..":
                if not parts:
                    return None
                parts.pop()
            elif piece != ".":
                parts.append(piece)
        return "/".join(parts)

    def part_of(self, path, name, target):
        """The part of the project that an include reaches into; None for headers of others."""
        logical = name if target is None else re.sub(r"^.*?/include/", "", target)
        if logical.startswith("backplane/abi/"):
            return "abi"
        if logical.startswith("backplane/inspect/"):
            return "inspect"
        if logical.startswith("backplane/core/"):
            return "core"
        if logical.startswith(("backplane/sync/", "backplane/server_sync/")):
            return "sync"
        if target is None:
            return "sdk" if logical.startswith("backplane/") else None
        zone = zone_of(target)
        if zone == "core":
            return "core_private"
        if zone in ("plugin", "example"):
            own = self.own_folder(target)
            # Code that several plug-ins share lies in none of their folders.
            shared = own is None and target.split("/")[0] == path.split("/")[0]
            return "own" if shared or own == self.own_folder(path) else "another plug-in"
        if zone == "sdk" and starts(target, "sdk/inspect"):
            return "inspect"
        return zone


def check_includes(tree):
    for path in tree.files:
        zone = zone_of(path)
        if zone is None or pathlib.PurePath(path).suffix not in SOURCES:
            continue
        allowed, reason = RULES[zone]
        if allowed is None:
            continue
        for number, line in enumerate(tree.text(path).splitlines(), 1):
            match = INCLUDE.match(line)
            if not match:
                continue
            name = match[1] or match[2]
            part = tree.part_of(path, name, tree.resolve(path, name, match[1] is not None))
            if part is not None and part not in allowed:
                yield f"{path}:{number}: includes {name}, which belongs to {part}: {reason}"


def check_words(tree):
    for path in tree.files:
        if not path.startswith(WORD_FOLDERS) or "tests" in path.split("/")[:-1]:
            continue
        for number, line in enumerate(tree.text(path).splitlines(), 1):
            for match in WORD.finditer(line):
                word = match[1].lower()
                if not any(path.startswith(p) and word == w for p, w in WORD_EXCEPTIONS):
                    yield f"{path}:{number}: says \"{match[1]}\": core names no brand, no device and no server; say what it is"


def check_licences(tree):
    for path in tree.files:
        suffix = pathlib.PurePath(path).suffix
        if suffix not in LICENSED and not path.endswith("CMakeLists.txt"):
            continue
        head = "\n".join(tree.text(path).splitlines()[:4])
        if "SPDX-License-Identifier: Apache-2.0" not in head:
            yield f"{path}:1: does not begin with \"SPDX-License-Identifier: Apache-2.0\" in a comment"
        elif suffix in SOURCES and "Copyright The Backplane authors" not in head:
            yield f"{path}:2: does not say \"Copyright The Backplane authors.\" below its licence"


def check(root):
    tree = Tree(root)
    if not any(zone_of(f) for f in tree.files):
        return [f"{root}: holds none of {', '.join(sorted(ZONES))}: is this the root of the project?"]
    return [*check_includes(tree), *check_words(tree), *check_licences(tree)]


def main(arguments):
    if len(arguments) != 1:
        print(__doc__, file=sys.stderr)
        return 2
    problems = check(arguments[0])
    for problem in problems:
        print(problem, file=sys.stderr)
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
