#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
# Copyright The Backplane authors.
"""Does what an author of a driver does: installs the SDK, builds the example against it with the tutorial's own commands,
runs its unit tests, and looks at what came out.

run.py BUILD_DIR SOURCE_DIR

Nothing of the source tree is visible to the example but what `cmake --install` has put into an empty prefix.
"""
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

EXAMPLE = "examples/first-driver"
TUTORIAL = "docs/tutorial/first-driver.md"


def run(command, show=True, **options):
    shell = isinstance(command, str)
    print("$", command if shell else " ".join(map(str, command)), flush=True)
    done = subprocess.run(command, shell=shell, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=600, **options)
    if show or done.returncode != 0:
        print(done.stdout, flush=True)
    if done.returncode != 0:
        sys.exit(f"that ended with status {done.returncode}")
    return done.stdout


def tutorial_commands(source):
    sys.path.insert(0, str(source / "tests/docs"))
    import check_snippets
    blocks, _ = check_snippets.parse((source / TUTORIAL).read_text(encoding="utf-8"))
    return [block.text() for block in blocks if block.mark == ("run in", EXAMPLE)]


def environment(prefix):
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("CMAKE_", "PKG_CONFIG", "CPATH"))}
    # One compiler at a time: ctest runs other tests beside this one.
    found = next(prefix.rglob("backplane-sdk.pc"), None)
    if not found:
        sys.exit("backplane-sdk.pc was not installed")
    return kept | {"CMAKE_PREFIX_PATH": str(prefix), "CMAKE_BUILD_PARALLEL_LEVEL": "1", "LC_ALL": "C.UTF-8",
                   "PKG_CONFIG_PATH": str(found.parent)}


def check_example(source, prefix, work):
    copy = work / "first-driver"
    shutil.copytree(source / EXAMPLE, copy, ignore=shutil.ignore_patterns("build"))
    commands = tutorial_commands(source)
    if not commands:
        sys.exit(f"{TUTORIAL} has no block that is run in {EXAMPLE}")
    output = ""
    for block in commands:
        output += run(f"set -eu\n{block}", cwd=copy, env=environment(prefix))
    if not re.search(r"100% tests passed, 0 tests failed out of [1-9]", output):
        sys.exit("the commands of the tutorial ran no tests")
    plugin = copy / "build/hello_scale.so"
    if not plugin.is_file():
        sys.exit(f"{plugin.name} was not built")
    exported = {line.split()[-1].split("@")[0] for line in
                run(["nm", "-D", "--defined-only", plugin], show=False).splitlines() if line.strip()}
    if exported != {"bp_plugin_entry", "BP_PLUGIN_1"}:
        sys.exit(f"hello_scale.so exports {sorted(exported)}: it must be bp_plugin_entry and its version node")
    if "com.example.hello_scale" not in run(["strings", plugin], show=False):
        sys.exit("hello_scale.so carries no note")


def check_pkg_config(prefix, work):
    flags = run(["pkg-config", "--cflags", "backplane-sdk"], env=environment(prefix)).split()
    if f"-I{prefix}/include" not in [flag.replace("//", "/") for flag in map(normal, flags)]:
        sys.exit(f"pkg-config answers {flags}, which does not lead to {prefix}/include")
    version = run(["pkg-config", "--modversion", "backplane-sdk"], env=environment(prefix)).strip()
    header = (prefix / "include/backplane/version.hpp").read_text(encoding="utf-8")
    if f'BP_SDK_VERSION "{version}"' not in header:
        sys.exit(f"pkg-config says version {version}, but backplane/version.hpp another one")
    # A plug-in without our wrapper, in plain C.
    (work / "plain.c").write_text('#include <backplane/abi/abi.h>\nint major(void);\nint major(void) { return BP_ABI_MAJOR; }\n')
    run(["cc", "-std=c11", "-Wall", "-Wextra", "-Wpedantic", "-Werror", *flags, "-c", "plain.c"], cwd=work)


def normal(flag):
    return "-I" + os.path.normpath(flag[2:]) if flag.startswith("-I") else flag


def main(arguments):
    if len(arguments) != 3:
        sys.exit(__doc__)
    build, source = (pathlib.Path(argument).resolve() for argument in arguments[1:])
    with tempfile.TemporaryDirectory(prefix="bp-sdk-") as folder:
        work = pathlib.Path(folder).resolve()
        prefix = work / "prefix"
        run(["cmake", "--install", build, "--component", "sdk", "--prefix", prefix], show=False)
        check_pkg_config(prefix, work)
        check_example(source, prefix, work)
    print("The installed SDK is complete.")


if __name__ == "__main__":
    main(sys.argv)
