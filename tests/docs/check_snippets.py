#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
# Copyright The Backplane authors.
"""Checks that the documentation says what the files say.

check_snippets.py ROOT

* A code block behind `<!-- file: path -->` is the whole file `path`; behind `<!-- part of: path -->` it is a run of its
  lines. The licence lines at the top of a file may be left out. Indentation counts.
* In docs/tutorial, every block is marked in this way, as `<!-- run in: folder -->` (tests/sdk_install runs it) or as
  `<!-- shown -->` (commands and output that no test can run, such as those that start a box).
* Every relative link in README.md, CHANGELOG.md, docs/** and the README of each plug-in leads to a file, and its #anchor
  to a heading there.

Prints each mistake with file and line; the exit status is 1 if there is any.
"""
import pathlib
import re
import sys

MARK = re.compile(r"<!-- (file|part of|run in): (\S+) -->|<!-- (shown) -->")
FENCE = re.compile(r"^(\s*)(```+|~~~+)\s*([\w+-]*)\s*$")
LINK = re.compile(r"\[[^\]]*\]\(<?([^()\s>]+)>?(?:\s+\"[^\"]*\")?\)")
HEADING = re.compile(r"^#{1,6}\s+(.*?)\s*#*$")


class Block:
    def __init__(self, line, language, mark, lines):
        self.line, self.language, self.mark, self.lines = line, language, mark, lines

    def text(self):
        return "".join(line + "\n" for line in self.lines)


def parse(text):
    """The code blocks of a Markdown text, and its other lines as (number, text)."""
    blocks, prose = [], []
    mark, fence, current = None, None, None
    for number, line in enumerate(text.splitlines(), 1):
        found = FENCE.match(line)
        if fence:
            if found and found[2].startswith(fence[0]) and len(found[2]) >= len(fence) and not found[3]:
                blocks.append(current)
                fence = None
            else:
                current.lines.append(line)
            continue
        if found:
            fence = found[2]
            current = Block(number, found[3], mark, [])
            mark = None
            continue
        marked = MARK.fullmatch(line.strip())
        if marked:
            mark = ("shown", None) if marked[3] else (marked[1], marked[2])
        elif line.strip():
            mark = None
        prose.append((number, line))
    if fence:
        raise ValueError(f"the code block of line {current.line} does not end")
    return blocks, prose


def without_licence(text):
    lines = text.splitlines()
    while lines and re.match(r"^(#!|(//|#|<!--|/\*)\s*(SPDX-License-Identifier|Copyright ))", lines[0]):
        lines.pop(0)
    while lines and lines[0].strip() in ("", "//", "#"):
        lines.pop(0)
    return lines


def contains_run(lines, wanted):
    return any(lines[i:i + len(wanted)] == wanted for i in range(len(lines) - len(wanted) + 1))


def check_block(root, page, block):
    kind, path = block.mark
    where = f"{page}:{block.line}"
    if kind == "shown":
        return []
    target = root / path
    if kind == "run in":
        return [] if target.is_dir() else [f"{where}: the folder {path} does not exist"]
    if not target.is_file():
        return [f"{where}: the file {path} does not exist"]
    text = target.read_text(encoding="utf-8")
    if not block.lines:
        return [f"{where}: the block is empty"]
    if kind == "file":
        wanted = (text.splitlines(), without_licence(text))
        if block.lines in wanted:
            return []
        # The first line that differs helps more than "they differ".
        for number, (ours, theirs) in enumerate(zip(block.lines, without_licence(text)), 1):
            if ours != theirs:
                return [f"{where}: line {number} of the block is \"{ours}\", but {path} has \"{theirs}\""]
        return [f"{where}: the block has {len(block.lines)} lines, but {path} has {len(wanted[1])}"]
    if contains_run(text.splitlines(), block.lines):
        return []
    for line in block.lines:
        if line not in text.splitlines():
            return [f"{where}: {path} has no line \"{line}\""]
    return [f"{where}: {path} has these lines, but not in this order"]


def slug(heading):
    heading = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading)
    heading = re.sub(r"[^\w\- ]", "", heading.strip().lower())
    return re.sub(r" ", "-", heading)


def anchors(text):
    _, prose = parse(text)
    found, count = set(), {}
    for _, line in prose:
        heading = HEADING.match(line)
        if heading:
            name = slug(heading[1])
            found.add(name if name not in count else f"{name}-{count[name]}")
            count[name] = count.get(name, 0) + 1
    return found


def check_links(root, page, prose):
    mistakes = []
    for number, line in prose:
        for target in LINK.findall(re.sub(r"`[^`]*`", "", line)):
            if re.match(r"^[a-z][a-z0-9+.-]*:", target):
                continue
            path, _, anchor = target.partition("#")
            file = (root / page).parent / path if path else root / page
            where = f"{page}:{number}"
            if path.startswith("/"):
                mistakes.append(f"{where}: the link {target} is not relative")
            elif not file.exists():
                mistakes.append(f"{where}: the link {target} leads nowhere")
            elif page.startswith("docs/") and not file.resolve().is_relative_to((root / "docs").resolve()):
                mistakes.append(f"{where}: the link {target} leads out of docs, where the site cannot follow")
            elif anchor and file.suffix == ".md" and anchor not in anchors(file.read_text(encoding="utf-8")):
                mistakes.append(f"{where}: {path or page} has no heading for #{anchor}")
    return mistakes


def pages(root):
    names = ["README.md", "CHANGELOG.md"]
    found = [root / name for name in names if (root / name).is_file()]
    found += sorted((root / "docs").rglob("*.md"))
    for folder in ("plugins", "interfaces", "examples"):
        found += sorted((root / folder).rglob("README.md"))
    return [str(path.relative_to(root)) for path in found]


def check(root):
    mistakes = []
    for page in pages(root):
        try:
            blocks, prose = parse((root / page).read_text(encoding="utf-8"))
        except ValueError as error:
            mistakes.append(f"{page}: {error}")
            continue
        for block in blocks:
            if block.mark:
                mistakes += check_block(root, page, block)
            elif page.startswith("docs/tutorial/"):
                mistakes.append(f"{page}:{block.line}: a block without a mark: say which file it is taken from")
        mistakes += check_links(root, page, prose)
    return mistakes


def main(arguments):
    if len(arguments) != 2:
        print(__doc__, file=sys.stderr)
        return 2
    root = pathlib.Path(arguments[1]).resolve()
    if not (root / "docs").is_dir():
        print(f"{root} has no folder docs", file=sys.stderr)
        return 2
    mistakes = check(root)
    for mistake in mistakes:
        print(mistake, file=sys.stderr)
    return 1 if mistakes else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv))
