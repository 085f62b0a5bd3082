#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
# Copyright The Backplane authors.
"""The checker must find mistakes: each case makes a small tree with one, and looks for the text about it."""
import pathlib
import tempfile
import unittest

import check_snippets

FENCE = "```"


class TheChecker(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.root = pathlib.Path(folder.name)
        self.write("examples/a.cpp", "// SPDX-License-Identifier: Apache-2.0\n// Copyright The Backplane authors.\n\n"
                                     "int a;\nint b;\n    int c;\n")
        self.write("docs/index.md", "# Title\n")

    def write(self, path, text):
        file = self.root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")

    def tutorial(self, mark, code):
        self.write("docs/tutorial/t.md", f"# T\n\n{mark}\n{FENCE}cpp\n{code}{FENCE}\n")
        return check_snippets.check(self.root)

    def assert_says(self, mistakes, text):
        self.assertEqual(len(mistakes), 1, mistakes)
        self.assertIn(text, mistakes[0])

    def test_a_block_that_equals_its_file_is_right(self):
        self.assertEqual(self.tutorial("<!-- file: examples/a.cpp -->", "int a;\nint b;\n    int c;\n"), [])

    def test_a_block_with_the_licence_lines_is_right_too(self):
        text = (self.root / "examples/a.cpp").read_text()
        self.assertEqual(self.tutorial("<!-- file: examples/a.cpp -->", text), [])

    def test_a_run_of_lines_is_right_as_a_part(self):
        self.assertEqual(self.tutorial("<!-- part of: examples/a.cpp -->", "int b;\n    int c;\n"), [])

    def test_a_changed_line_is_named(self):
        self.assert_says(self.tutorial("<!-- file: examples/a.cpp -->", "int a;\nint x;\n    int c;\n"),
                         'docs/tutorial/t.md:4: line 2 of the block is "int x;", but examples/a.cpp has "int b;"')

    def test_a_missing_last_line_is_noticed(self):
        self.assert_says(self.tutorial("<!-- file: examples/a.cpp -->", "int a;\nint b;\n"), "the block has 2 lines")

    def test_lost_indentation_is_noticed(self):
        self.assert_says(self.tutorial("<!-- part of: examples/a.cpp -->", "int c;\n"), 'no line "int c;"')

    def test_a_part_that_leaves_lines_out_is_noticed(self):
        self.assert_says(self.tutorial("<!-- part of: examples/a.cpp -->", "int a;\n    int c;\n"), "not in this order")

    def test_an_empty_block_is_noticed(self):
        self.assert_says(self.tutorial("<!-- part of: examples/a.cpp -->", ""), "empty")

    def test_a_missing_file_is_named(self):
        self.assert_says(self.tutorial("<!-- file: examples/b.cpp -->", "int a;\n"), "examples/b.cpp does not exist")

    def test_a_block_of_the_tutorial_without_a_mark_is_noticed(self):
        self.assert_says(self.tutorial("Some words.", "int a;\n"), "without a mark")

    def test_a_mark_with_words_behind_it_does_not_count(self):
        self.assert_says(self.tutorial("<!-- file: examples/a.cpp -->\nWords.\n", "int a;\n"), "without a mark")

    def test_a_block_that_does_not_end_is_noticed(self):
        self.write("docs/index.md", f"{FENCE}\nint a;\n")
        self.assert_says(check_snippets.check(self.root), "does not end")

    def test_a_link_that_leads_nowhere_is_noticed(self):
        self.write("docs/index.md", "# Title\n\nSee [it](reference/nothing.md).\n")
        self.assert_says(check_snippets.check(self.root), "docs/index.md:3: the link reference/nothing.md leads nowhere")

    def test_a_link_to_a_heading_that_is_not_there_is_noticed(self):
        self.write("docs/index.md", "# Title\n\n[a](#title) [b](#titel)\n")
        self.assert_says(check_snippets.check(self.root), "no heading for #titel")

    def test_a_link_out_of_the_site_is_noticed(self):
        self.write("docs/index.md", "[a](../examples/a.cpp)\n")
        self.assert_says(check_snippets.check(self.root), "leads out of docs")

    def test_links_inside_code_are_no_links(self):
        self.write("docs/index.md", f"`[a](b.md)`\n\n{FENCE}\n[a](b.md)\n{FENCE}\n")
        self.assertEqual(check_snippets.check(self.root), [])

    def test_links_of_the_readme_may_lead_anywhere_in_the_tree(self):
        self.write("README.md", "[a](examples/a.cpp) [b](docs/index.md#title) [c](https://example.com/x#y)\n")
        self.assertEqual(check_snippets.check(self.root), [])


if __name__ == "__main__":
    unittest.main()
