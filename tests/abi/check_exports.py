#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
# Copyright The Backplane authors.
"""check_exports.py <nm> <plugin.so>: it defines bp_plugin_entry in the version BP_PLUGIN_1, and nothing else.

The same question as the inspector's, answered by a tool that is not ours.
"""

import subprocess
import sys


def main(nm, plugin):
    run = subprocess.run([nm, "-D", "--defined-only", "--with-symbol-versions", plugin], capture_output=True, text=True,
                         check=True)
    symbols = {line.split()[-1] for line in run.stdout.splitlines() if line.strip()}
    # The node itself is a symbol with some linkers and none with others.
    if symbols - {"BP_PLUGIN_1", "BP_PLUGIN_1@@BP_PLUGIN_1"} == {"bp_plugin_entry@@BP_PLUGIN_1"}:
        return 0
    print(f"{plugin} exports {sorted(symbols)}, but it may export bp_plugin_entry@@BP_PLUGIN_1 only: build it with "
          "backplane_add_plugin()", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
