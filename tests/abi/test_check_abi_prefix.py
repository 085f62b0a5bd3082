#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
# Copyright The Backplane authors.
"""test_check_abi_prefix.py <check_abi_prefix.py> <cc>: the gate on small headers, one change each."""

import pathlib
import subprocess
import sys
import tempfile
import unittest

CHECKER = CC = None

BASE = """#pragma once
#include <stdint.h>
#define BP_ABI_MAJOR 1
#define BP_ABI_MINOR 0
#define BP_OK 0
#define BP_E_IO (-8) /* a comment */
#define BP_HAS(p, t, f) ((p)->struct_size >= sizeof(t))
#define BP_EXPORT __attribute__((visibility("default")))
typedef int32_t bp_status;
typedef struct bp_str {
    const char *data;
    uint32_t size;
} bp_str;
typedef void (*bp_fn)(void *user, uint64_t id);
struct bp_later;
typedef struct bp_host {
    uint32_t struct_size;
    uint32_t reserved;
    /* a slot */
    bp_status (*start)(const struct bp_host *host, bp_str name,
                       bp_fn fn);
    void (*stop)(const struct bp_host *host);
} bp_host;
extern BP_EXPORT const bp_host bp_entry;
_Static_assert(sizeof(bp_status) == 4, "32 bits; and a semicolon");
"""
BASE = BASE.replace("; and a", " and a")


class TheGate(unittest.TestCase):
    def check(self, current, frozen=BASE, frozen_files=None, current_files=None):
        with tempfile.TemporaryDirectory() as folder:
            root = pathlib.Path(folder)
            for name, text, more in (("old", frozen, frozen_files), ("new", current, current_files)):
                (root / name / "ext").mkdir(parents=True)
                (root / name / "base.h").write_text(text)
                for file, content in (more or {}).items():
                    (root / name / file).write_text(content)
            run = subprocess.run([sys.executable, "-B", CHECKER, str(root / "old"), str(root / "new"), "--cc", CC],
                                 capture_output=True, text=True, check=False)
            return run.returncode, run.stderr

    def changed(self, before, after, minor=1, frozen=BASE):
        self.assertIn(before, frozen)
        text = frozen.replace(before, after, 1)
        if minor:
            text = text.replace("BP_ABI_MINOR 0", f"BP_ABI_MINOR {minor}")
        return self.check(text, frozen=frozen)

    def kept(self, result):
        self.assertEqual(result, (0, ""))

    def broken(self, result, *words):
        self.assertEqual(result[0], 1, result[1])
        for word in words:
            self.assertIn(word, result[1])
        self.assertEqual(len(result[1].splitlines()), 1, "one change, one sentence")

    def unclear(self, result, *words):
        self.assertEqual(result[0], 2, result[1])
        for word in words:
            self.assertIn(word, result[1])

    # What is allowed
    def test_nothing_changed(self):
        self.kept(self.check(BASE))

    def test_layout_and_comments_do_not_matter(self):
        self.kept(self.changed("    /* a slot */\n", "    /* another\n       comment */\n\n", minor=0))

    def test_appended_slot(self):
        self.kept(self.changed("host);\n} bp_host;", "host);\n    void (*more)(const struct bp_host *host);\n} bp_host;"))

    def test_new_constant_typedef_struct_and_header(self):
        text = BASE.replace("BP_ABI_MINOR 0", "BP_ABI_MINOR 1") + (
            "#define BP_E_NEW (-9)\ntypedef uint32_t bp_new;\ntypedef struct bp_s { uint32_t a; } bp_s;\n")
        self.kept(self.check(text, current_files={"ext/new.h": "#pragma once\n#define BP_EXT_NEW \"backplane.new/1\"\n"}))

    def test_minor_grows_without_an_addition(self):
        self.kept(self.changed("BP_OK 0", "BP_OK 0"))

    # What is not
    def test_addition_without_a_raised_minor(self):
        self.broken(self.changed("#define BP_OK 0", "#define BP_OK 0\n#define BP_NEW 1", minor=0),
                    "something was added (constant BP_NEW)", "BP_ABI_MINOR is still 0")

    def test_minor_shrinks(self):
        frozen = BASE.replace("BP_ABI_MINOR 0", "BP_ABI_MINOR 4")
        self.broken(self.check(BASE, frozen=frozen), "BP_ABI_MINOR was 4 and is 0")

    def test_changed_major(self):
        self.broken(self.changed("BP_ABI_MAJOR 1", "BP_ABI_MAJOR 2"), "constant BP_ABI_MAJOR was 1 and is 2")

    def test_inserted_slot(self):
        self.broken(self.changed("    void (*stop)", "    void (*more)(void);\n    void (*stop)"),
                    "struct bp_host, member 4 was", "void(*stop)")

    def test_swapped_members(self):
        self.broken(self.changed("uint32_t struct_size;\n    uint32_t reserved;", "uint32_t reserved;\n    uint32_t struct_size;"),
                    "struct bp_host, member 1")

    def test_removed_slot(self):
        self.broken(self.changed("    void (*stop)(const struct bp_host *host);\n", ""), "member 4 was", "is gone")

    def test_changed_type_inside_padding(self):
        self.broken(self.changed("uint32_t reserved;", "int32_t reserved;"), "member 2 was \"uint32_t reserved\"")

    def test_changed_signature(self):
        self.broken(self.changed("bp_fn fn);", "bp_fn fn, void *user);"), "struct bp_host, member 3")

    def test_changed_result(self):
        self.broken(self.changed("    void (*stop)", "    bp_status (*stop)"), "struct bp_host, member 4")

    def test_changed_function_pointer_typedef(self):
        self.broken(self.changed("void *user, uint64_t id", "void *user, uint32_t id"), "typedef bp_fn was")

    def test_changed_typedef_underneath(self):
        self.broken(self.changed("typedef int32_t bp_status", "typedef int64_t bp_status"), "typedef bp_status was",
                    "int64_t")

    def test_removed_typedef(self):
        frozen = BASE + "typedef uint32_t bp_gone;\n"
        self.broken(self.check(BASE, frozen=frozen), "typedef bp_gone is gone")

    def test_removed_constant(self):
        self.broken(self.changed("#define BP_OK 0\n", ""), "constant BP_OK is gone")

    def test_changed_constant(self):
        self.broken(self.changed("(-8)", "(-9)"), "constant BP_E_IO was (-8) and is (-9)")

    def test_changed_macro_with_arguments(self):
        self.broken(self.changed(">= sizeof(t)", "> sizeof(t)"), "constant BP_HAS was")

    def test_removed_struct(self):
        frozen = BASE + "typedef struct bp_gone { uint32_t a; } bp_gone;\n"
        self.broken(self.check(BASE, frozen=frozen), "struct bp_gone is gone")

    def test_struct_without_size_grows(self):
        self.broken(self.changed("uint32_t size;\n", "uint32_t size;\n    uint32_t hash;\n"),
                    "struct bp_str has grown", "no struct_size")

    def test_changed_variable(self):
        self.broken(self.changed("extern BP_EXPORT const bp_host", "extern BP_EXPORT bp_host"), "variable bp_entry was")

    def test_removed_header(self):
        self.broken(self.check(BASE, frozen_files={"ext/old.h": "#pragma once\n"}), "the header ext/old.h is gone")

    # What the gate does not dare to judge
    def test_enum(self):
        self.unclear(self.changed("struct bp_later;", "typedef enum bp_e { bp_a } bp_e;"), "cannot check")

    def test_union_inside(self):
        self.unclear(self.changed("uint32_t size;", "union { uint32_t size; uint32_t length; };"), "inside")

    def test_bit_field(self):
        self.unclear(self.changed("uint32_t size;", "uint32_t size : 3;"), "bit-field")

    def test_function(self):
        self.unclear(self.changed("struct bp_later;", "void bp_function(void);"), "but not: void bp_function(void)")

    def test_header_that_does_not_compile(self):
        self.unclear(self.changed("#include <stdint.h>", "#include <no_such_header.h>"), "do not compile")

    def test_empty_folder(self):
        with tempfile.TemporaryDirectory() as folder:
            run = subprocess.run([sys.executable, "-B", CHECKER, folder, folder, "--cc", CC], capture_output=True, text=True,
                                 check=False)
        self.assertEqual(run.returncode, 2)
        self.assertIn("has no headers", run.stderr)


if __name__ == "__main__":
    CHECKER, CC = sys.argv[1:3]
    unittest.main(argv=sys.argv[:1])
