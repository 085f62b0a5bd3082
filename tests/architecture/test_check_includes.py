#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
# Copyright The Backplane authors.
"""The rules of check_includes.py on small trees: each breaks one."""

import pathlib
import sys
import tempfile
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).parent))
import check_includes  # noqa: E402

HEAD = "// SPDX-License-Identifier: Apache-2.0\n// Copyright The Backplane authors.\n"

# One header of each part.
HEADERS = (
    "sdk/include/backplane/abi/plugin.h", "sdk/include/backplane/driver.hpp",
    "sdk/inspect/include/backplane/inspect/inspect.hpp", "sdk/inspect/src/elf_file.hpp",
    "sdk/testkit/include/backplane/testkit/fake_host.hpp",
    "core/include/backplane/core/devices.hpp", "core/src/supervisor/runner.hpp", "core/daemon/wiring.hpp",
    "server_sync/include/backplane/sync/sync.hpp", "server_sync/src/server/request.hpp",
    "plugins/scale/one/src/protocol.hpp", "plugins/scale/two/src/frame.hpp", "plugins/scale/common/src/line.hpp",
    "tests/doubles/fake_server.hpp",
)
MANIFESTS = ("plugins/scale/one/plugin.json", "plugins/scale/two/plugin.json", "interfaces/serial/plugin.json",
             "examples/first/plugin.json")


class TheRules(unittest.TestCase):
    def check(self, files):
        with tempfile.TemporaryDirectory() as folder:
            root = pathlib.Path(folder)
            tree = {**{h: HEAD for h in HEADERS}, **{m: "{}" for m in MANIFESTS}, **files}
            for name, text in tree.items():
                (root / name).parent.mkdir(parents=True, exist_ok=True)
                (root / name).write_text(text)
            return check_includes.check(root)

    def includes(self, path, *names):
        return self.check({path: HEAD + "".join(f"#include {n}\n" for n in names)})

    def good(self, path, *names):
        self.assertEqual(self.includes(path, *names), [])

    def bad(self, path, name, part):
        problems = self.includes(path, name)
        self.assertEqual(len(problems), 1, f"{path} includes {name}: {problems}")
        self.assertTrue(problems[0].startswith(f"{path}:3: includes"), problems[0])
        self.assertIn(f"belongs to {part}:", problems[0])

    def test_what_is_allowed(self):
        self.good("sdk/testkit/src/host.cpp", '"backplane/abi/plugin.h"', '"backplane/driver.hpp"', "<vector>")
        self.good("sdk/validator/main.cpp", '"backplane/inspect/inspect.hpp"', '"backplane/testkit/fake_host.hpp"')
        self.good("plugins/scale/one/src/a.cpp", '"backplane/driver.hpp"', '"protocol.hpp"', '"line.hpp"', "<libusb.h>")
        self.good("plugins/scale/one/tests/a.cpp", '"backplane/testkit/fake_host.hpp"', '"protocol.hpp"')
        self.good("core/src/registry/a.cpp", '"backplane/core/devices.hpp"', '"supervisor/runner.hpp"',
                  '"backplane/inspect/inspect.hpp"', '"backplane/abi/plugin.h"', "<boost/asio.hpp>")
        self.good("core/plugin_host/main.cpp", '"backplane/abi/plugin.h"')
        self.good("server_sync/src/server/a.cpp", '"request.hpp"', '"backplane/core/devices.hpp"',
                  '"backplane/sync/sync.hpp"')
        self.good("core/daemon/main.cpp", '"backplane/sync/sync.hpp"', '"supervisor/runner.hpp"', '"wiring.hpp"')
        self.good("core/cli/main.cpp", '"backplane/inspect/inspect.hpp"')
        self.good("examples/first/src/a.cpp", '"backplane/driver.hpp"', '"backplane/testkit/fake_host.hpp"')
        self.good("tests/integration/a.cpp", '"supervisor/runner.hpp"', '"doubles/fake_server.hpp"')
        self.good("core/src/supervisor/tests/a.cpp", '"backplane/driver.hpp"')
        self.good("server_sync/src/server/tests/a.cpp", '"../../../../tests/doubles/fake_server.hpp"')

    def test_sdk_knows_nothing_of_ours(self):
        self.bad("sdk/testkit/src/a.cpp", '"backplane/core/devices.hpp"', "core")
        self.bad("sdk/testkit/src/a.cpp", "<backplane/core/not_written_yet.hpp>", "core")
        self.bad("sdk/inspect/tests/a.cpp", '"../../../core/src/supervisor/runner.hpp"', "core_private")
        self.bad("sdk/validator/a.cpp", '"backplane/sync/sync.hpp"', "sync")

    def test_plugins_know_the_sdk_and_themselves(self):
        self.bad("plugins/scale/one/src/a.cpp", '"backplane/core/devices.hpp"', "core")
        self.bad("plugins/scale/one/src/a.cpp", '"supervisor/runner.hpp"', "core_private")
        self.bad("plugins/scale/one/src/a.cpp", '"frame.hpp"', "another plug-in")
        self.bad("plugins/scale/one/src/a.cpp", '"../../two/src/frame.hpp"', "another plug-in")
        self.bad("plugins/scale/one/src/a.cpp", '"backplane/inspect/inspect.hpp"', "inspect")
        self.bad("interfaces/serial/src/a.cpp", '"server/request.hpp"', "sync")
        self.bad("interfaces/serial/tests/a.cpp", '"backplane/core/devices.hpp"', "core")

    def test_core_knows_neither_odoo_nor_plugins(self):
        self.bad("core/src/http/a.cpp", '"backplane/sync/sync.hpp"', "sync")
        self.bad("core/src/http/a.cpp", '"backplane/driver.hpp"', "sdk")
        self.bad("core/src/http/a.cpp", '"frame.hpp"', "another plug-in")
        self.bad("core/include/backplane/core/a.hpp", '"backplane/sync/not_written_yet.hpp"', "sync")
        self.bad("core/plugin_host/a.cpp", '"backplane/testkit/fake_host.hpp"', "sdk")
        self.bad("core/src/http/a.cpp", '"../../daemon/wiring.hpp"', "daemon")

    def test_server_sync_knows_public_headers_of_core(self):
        self.bad("server_sync/src/a.cpp", '"supervisor/runner.hpp"', "core_private")
        self.bad("server_sync/src/a.cpp", '"backplane/abi/plugin.h"', "abi")
        self.bad("server_sync/src/a.cpp", '"backplane/driver.hpp"', "sdk")

    def test_programs_know_no_plugin(self):
        self.bad("core/daemon/main.cpp", '"frame.hpp"', "another plug-in")
        self.bad("core/daemon/main.cpp", '"../../tests/doubles/fake_server.hpp"',
                 "tests")

    def test_examples_know_the_installed_sdk(self):
        self.bad("examples/first/src/a.cpp", '"backplane/core/devices.hpp"', "core")
        self.bad("examples/first/src/a.cpp", '"frame.hpp"', "another plug-in")

    def test_spelling_of_includes(self):
        self.bad("core/src/http/a.cpp", '"backplane/driver.hpp" // why', "sdk")
        problems = self.check({"core/src/http/a.cpp": HEAD + "  #  include <backplane/driver.hpp>\n"})
        self.assertEqual(len(problems), 1)

    def says(self, path, text):
        return self.check({path: HEAD + text + "\n"})

    def test_words_in_core(self):
        for text in ("// like the Epson ones", "int epson_port;", "const char* k = \"ODOO\";", "// Star Micronics",
                     "void toledo8217();", "star_micronics()", "ESC/POS", "esc/pos2"):
            problems = self.says("core/src/registry/a.cpp", text)
            self.assertEqual(len(problems), 1, text)
            self.assertIn("a.cpp:3: says", problems[0])
        self.assertEqual(len(self.says("core/include/backplane/core/a.hpp", "// zebra")), 1)
        self.assertEqual(len(self.says("core/plugin_host/a.cpp", "// zebra")), 1)

    def test_words_elsewhere_and_harmless_ones(self):
        self.assertEqual(self.says("core/src/registry/a.cpp", "start(); // startled zebras are fine, so is bluezone"), [])
        self.assertEqual(self.says("core/daemon/a.cpp", "// Odoo"), [])
        self.assertEqual(self.says("core/src/registry/tests/a.cpp", "// toledo8217"), [])
        self.assertEqual(self.says("core/src/config/a.cpp", "// the section odoo"), [])
        self.assertEqual(len(self.says("core/src/config/a.cpp", "// the section epson")), 1)

    def test_licences(self):
        for path, text in (("core/src/a.cpp", "int a;\n"), ("sdk/a.py", "a = 1\n"), ("tests/CMakeLists.txt", "\n"),
                           ("core/homepage/a.js", "let a;\n"), ("sdk/a.h", "// SPDX-License-Identifier: MIT\n")):
            problems = self.check({path: text})
            self.assertEqual(len(problems), 1, path)
            self.assertIn("SPDX", problems[0])
        problems = self.check({"core/src/a.cpp": "// SPDX-License-Identifier: Apache-2.0\nint a;\n"})
        self.assertEqual(len(problems), 1)
        self.assertIn("Copyright", problems[0])
        self.assertEqual(self.check({"sdk/a.py": "#!/usr/bin/env python3\n# SPDX-License-Identifier: Apache-2.0\n"}), [])
        self.assertEqual(self.check({"docs/a.md": "text\n", "core/src/data.json": "{}"}), [])

    def test_build_folders_are_not_source(self):
        self.assertEqual(self.check({"out/CMakeCache.txt": "", "out/core/a.cpp": "x", "build/dev/core/a.cpp": "x",
                                     ".hidden/a.cpp": "x"}), [])

    def test_wrong_root(self):
        with tempfile.TemporaryDirectory() as folder:
            problems = check_includes.check(folder)
        self.assertEqual(len(problems), 1)
        self.assertIn("is this the root", problems[0])


if __name__ == "__main__":
    unittest.main()
