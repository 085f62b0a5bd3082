#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
# Copyright The Backplane authors.
"""Does what a publisher of a driver does: runs the commands of the how-to in the example module, against the installed SDK,
and looks at the module that came out.

publish.py BUILD_DIR SOURCE_DIR BACKPLANE

BACKPLANE is the program that makes bundles. Nothing else of the build is visible to the example but the installed SDK.
"""
import ast
import os
import pathlib
import shutil
import sys
import tempfile

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from run import environment, run  # noqa: E402

EXAMPLE = "examples/odoo-module-acme-scale"
GUIDE = "docs/how-to/publish-a-driver.md"
PASSWORD = "only for this test"


def guide_commands(source):
    sys.path.insert(0, str(source / "tests/docs"))
    import check_snippets
    blocks, _ = check_snippets.parse((source / GUIDE).read_text(encoding="utf-8"))
    return [block.text() for block in blocks if block.mark == ("run in", EXAMPLE)]


def expect(condition, words):
    if not condition:
        sys.exit(words)


def check_module(module):
    manifest = ast.literal_eval((module / "__manifest__.py").read_text(encoding="utf-8"))
    expect(manifest["installable"] and manifest["depends"] == ["iot"], "the manifest of the module is not that of the example")
    compile((module / "__init__.py").read_text(encoding="utf-8"), "__init__.py", "exec")
    names = sorted(str(path.relative_to(module / "iot_handlers")) for path in (module / "iot_handlers").rglob("*") if path.is_file())
    print("\n".join(names))
    for start, end in (("drivers/acme_scale.", ".so.1.0.0"), ("drivers/backplane.acme.release.json", ""),
                       ("drivers/backplane.acme.release.json.", ".minisig"), ("drivers/backplane.acme.root.1.json.", ".minisig"),
                       ("drivers/backplane.acme.root.2.json.", ".minisig")):
        expect(any(name.startswith(start) and name.endswith(end) for name in names), f"the module has no {start}…{end}")
    expect(not any(name.endswith((".so", ".key")) for name in names), "the module has a file that must not be there")


def main(arguments):
    if len(arguments) != 4:
        sys.exit(__doc__)
    build, source, program = (pathlib.Path(argument).resolve() for argument in arguments[1:])
    with tempfile.TemporaryDirectory(prefix="bp-publish-") as folder:
        work = pathlib.Path(folder).resolve()
        prefix = work / "prefix"
        run(["cmake", "--install", build, "--component", "sdk", "--prefix", prefix], show=False)
        tools = work / "tools"
        tools.mkdir()
        (tools / "backplane").symlink_to(program)
        own = environment(prefix) | {"BACKPLANE_KEY_PASSWORD": PASSWORD}
        own["PATH"] = f"{tools}{os.pathsep}{own['PATH']}"
        copy = work / "module"
        shutil.copytree(source / EXAMPLE, copy, ignore=shutil.ignore_patterns("build", "trust", "*.key", "*.pub"))
        commands = guide_commands(source)
        expect(commands, f"{GUIDE} has no block that is run in {EXAMPLE}")
        output = "".join(run(f"set -eu\n{block}", cwd=copy, env=own) for block in commands)
        expect("100% tests passed, 0 tests failed out of " in output, "the commands of the guide ran no tests")
        verified = sum("backplane bundle verify" in block for block in commands)
        expect(verified > 0 and output.count("A box accepts it.") == verified,
               f"the guide verifies {verified} times, but a box accepted {output.count('A box accepts it.')} times")
        check_module(copy / "build/acme_scale_iot")
        expect((copy / "acme.zip").stat().st_size > 1000, "acme.zip is empty")
    print("A driver can be published with the installed SDK.")


if __name__ == "__main__":
    main(sys.argv)
