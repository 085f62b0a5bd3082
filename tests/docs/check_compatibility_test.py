#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
# Copyright The Backplane authors.
"""The checker must find mistakes: each case makes a page that is right, spoils one line, and looks for the text about it."""
import pathlib
import stat
import subprocess
import sys
import tempfile
import unittest

import check_compatibility
from check_compatibility import GROUPS, Tests

KNOWN = Tests(["ABox.works", "ABox.starts", "ByYears/AClock.is_wrong/0  # GetParam() = 10", "docs.are_right"])


def page(change=None):
    """A page without mistakes, with the lines of `change` instead: {"B3": "| B3 | …"}; None leaves a line out."""
    lines = {f"Odoo {v}": f"| {v} | how | `ABox.works` |" for v in range(15, 20)}
    for group, last in GROUPS.items():
        lines |= {f"{group}{n}": f"| {group}{n} | thing | 19 | yes | `ABox.works` |" for n in range(1, last + 1)}
    for key, line in (change or {}).items():
        assert key in lines, key
        lines[key] = line
    features = [line for key, line in lines.items() if not key.startswith("Odoo") and line]
    versions = [line for key, line in lines.items() if key.startswith("Odoo") and line]
    return "\n".join(["# Page", "", "| Odoo | how | test |", "|---|---|---|", *versions, "",
                      "| # | feature | Odoo | works | test |", "|---|---|---|---|---|", *features, ""])


class TheChecker(unittest.TestCase):
    def says(self, change, text, count=1):
        found = [mistake for _, mistake in check_compatibility.check(page(change), KNOWN)]
        self.assertEqual(len(found), count, found)
        self.assertIn(text, found[0])

    def test_a_page_without_mistakes_is_right(self):
        self.assertEqual(check_compatibility.check(page(), KNOWN), [])

    def test_a_test_that_does_not_exist_is_named_with_its_row_and_line(self):
        text = page({"C3": "| C3 | thing | 19 | yes | `ABox.works`, `ABox.flies` |"})
        line = text.splitlines().index("| C3 | thing | 19 | yes | `ABox.works`, `ABox.flies` |") + 1
        self.assertEqual(check_compatibility.check(text, KNOWN), [(line, "C3: there is no test ABox.flies")])

    def test_a_suite_without_any_test_is_noticed(self):
        self.says({"C3": "| C3 | thing | 19 | yes | `ABo.*` |"}, "C3: there is no test ABo.*")

    def test_the_beginning_of_a_name_is_not_the_name(self):
        self.says({"C3": "| C3 | thing | 19 | yes | `ABox.work` |"}, "C3: there is no test ABox.work")

    def test_a_test_that_only_a_no_names_must_exist_too(self):
        self.says({"R7": "| R7 | thing | 19 | no | `ABox.flies` |"}, "R7: there is no test ABox.flies")

    def test_suites_and_tests_with_parameters_are_found(self):
        self.assertEqual(check_compatibility.check(
            page({"C3": "| C3 | thing | 19 | yes | `ABox.*`, `AClock.is_wrong`, `docs.are_right` |"}), KNOWN), [])

    def test_yes_without_a_test_is_noticed(self):
        self.says({"Q9": "| Q9 | thing | 19 | yes, better | believe me |"}, "Q9 says \"yes\" and names no test")
        self.says({"Q9": "| Q9 | thing | 19 | yes | see `/iot_drivers/data` |"}, "names no test")

    def test_server_side_needs_no_test(self):
        self.assertEqual(check_compatibility.check(page({"B2": "| B2 | thing | 19 | server side | |"}), KNOWN), [])

    def test_no_and_otherwise_need_a_reason(self):
        self.says({"B2": "| B2 | thing | 19 | no | |"}, "B2 says \"no\" without a reason")
        self.says({"B2": "| B2 | thing | 19 | otherwise | |"}, "without a reason")
        self.assertEqual(check_compatibility.check(
            page({"B2": "| B2 | thing | 19 | otherwise: by a button | |"}), KNOWN), [])

    def test_other_words_are_noticed(self):
        self.says({"B2": "| B2 | thing | 19 | mostly | `ABox.works` |"}, "say yes, otherwise, no or server side")
        self.says({"B2": "| B2 | thing | 19 | yesterday | `ABox.works` |"}, "say yes, otherwise, no or server side")

    def test_a_missing_row_is_named(self):
        self.says({"B26": None}, "no line for B26")
        self.says({"R1": None, "C14": None}, "no line for C14, R1")

    def test_a_missing_version_is_named(self):
        self.says({"Odoo 16": None}, "no line for Odoo 16")

    def test_a_version_without_a_test_is_noticed(self):
        self.says({"Odoo 15": "| 15 | how | |"}, "Odoo 15 names no test")

    def test_versions_may_share_a_line(self):
        self.assertEqual(check_compatibility.check(
            page({"Odoo 15": None, "Odoo 16": "| 15, 16 | how | `ABox.works` |"}), KNOWN), [])

    def test_rows_of_b_c_and_r_do_not_share_a_line(self):
        self.says({"B2": "| B2-B3 | thing | 19 | yes | `ABox.works` |", "B3": None}, "B2 shares its line", 2)

    def test_rows_of_d_and_q_may(self):
        self.assertEqual(check_compatibility.check(
            page({"D2": "| D2-D4, D6 | thing | 19 | yes | `ABox.works` |", "D3": None, "D4": None, "D6": None}),
            KNOWN), [])

    def test_a_row_that_is_there_twice_is_noticed(self):
        self.says({"D2": "| D2, D3 | thing | 19 | yes | `ABox.works` |"}, "D3 has a line already")

    def test_a_row_that_cannot_be_is_noticed(self):
        self.says({"C14": "| C14 | thing | 19 | yes | `ABox.works` |\n| C15 | x | 19 | no | never |"},
                  "there is no feature C15")
        self.says({"D2": "| D2-3 | thing | 19 | yes | `ABox.works` |"}, "\"D2-3\" is no number of a feature", 2)

    def test_a_row_with_a_cell_too_few_is_noticed(self):
        self.says({"D2": "| D2 | thing | yes | `ABox.works` |"}, "D2 has 4 cells, its table 5", 2)


class TheProgram(unittest.TestCase):
    """With a ctest of its own, so that it needs no build."""

    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.root = pathlib.Path(folder.name)
        (self.root / "page.md").write_text(page(), encoding="utf-8")

    def run_with(self, ctest_script, *more):
        ctest = self.root / "ctest"
        ctest.write_text("#!/bin/sh\n" + ctest_script, encoding="utf-8")
        ctest.chmod(ctest.stat().st_mode | stat.S_IXUSR)
        return subprocess.run([sys.executable, "-B", check_compatibility.__file__, str(self.root / "page.md"),
                               "--build", str(self.root), "--ctest", str(ctest), *more],
                              capture_output=True, text=True, timeout=50)

    def test_it_is_content_when_ctest_knows_the_tests(self):
        done = self.run_with("""echo '{"tests": [{"name": "ABox.works"}]}'""")
        self.assertEqual((done.returncode, done.stderr), (0, ""))

    def test_it_says_which_programs_are_not_built(self):
        done = self.run_with("""echo '{"tests": [{"name": "box_tests_NOT_BUILT"}]}'""")
        self.assertEqual(done.returncode, 1)
        self.assertIn("B1: there is no test ABox.works", done.stderr)
        self.assertIn("not built, so their tests are not known: box_tests.", done.stderr)

    def test_a_test_that_is_switched_off_does_not_count(self):
        done = self.run_with("""echo '{"tests": [{"name": "ABox.works", "properties": [
            {"name": "DISABLED", "value": true}]}]}'""")
        self.assertIn("B1: there is no test ABox.works", done.stderr)

    def test_a_test_that_this_machine_cannot_build_is_looked_for_in_its_source(self):
        (self.root / "box_test.cpp").write_text("TEST_F(ABox,\n       works) {}\n", encoding="utf-8")
        nothing = """echo '{"tests": []}'"""
        self.assertEqual(self.run_with(nothing, "--unbuilt", str(self.root)).returncode, 0)
        self.assertEqual(self.run_with(nothing).returncode, 1)

    def test_it_says_so_when_ctest_fails(self):
        done = self.run_with("echo 'no such folder' >&2; exit 1")
        self.assertEqual(done.returncode, 2)
        self.assertIn("could not list the tests", done.stderr)
        self.assertIn("no such folder", done.stderr)


if __name__ == "__main__":
    unittest.main()
