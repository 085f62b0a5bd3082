#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
# Copyright The Backplane authors.
"""backplane_add_plugin() as an author meets it, in projects made up for the purpose.

    test_add_plugin.py messages <sdk> <cmake> <c++>
    test_add_plugin.py package  <sdk> <cmake> <c++> <build folder of the box> <inspect_plugin>
"""

import json
import pathlib
import subprocess
import sys
import tempfile
import unittest

SDK = CMAKE = CXX = BOX = INSPECT = None

MANIFEST = {
    "kind": "driver", "id": "com.example.scale", "name": "example_scale", "title": "Scale; [with] \"marks\" $ @x@",
    "version": "1.2.3", "vendor": "Example", "license": "MIT", "device_types": ["scale"],
    "match": [{"bus": "serial"}],
    "settings": {"type": "object", "properties": {"path": {"type": "string", "pattern": "^\\\\d+;?$", "default": "1;"}}},
}

SOURCE = """
#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>
#include "backplane/abi/abi.h"
#include "backplane/version.hpp"
namespace {
bp_status create(const bp_host*, const char* id, bp_instance**) noexcept {
    try { return boost::json::serialize(boost::json::parse(id)).empty() ? BP_E_IO : BP_E_UNSUPPORTED; }
    catch (...) { return BP_E_INTERNAL; }
}
}
const bp_entry bp_plugin_entry = {sizeof(bp_entry), BP_ABI_MAJOR, BP_TARGET_ABI_MINOR, 0, &create};
"""

TEST = """
#include "backplane/abi/abi.h"
int main() { bp_instance* out = nullptr; return bp_plugin_entry.create(nullptr, "[1]", &out) == BP_E_UNSUPPORTED ? 0 : 1; }
"""

# The parts of the package that backplane_add_plugin() needs, without installing them.
BARE = """cmake_minimum_required(VERSION 3.25)
project(author LANGUAGES CXX)
add_library(Backplane_sdk INTERFACE)
add_library(Backplane::sdk ALIAS Backplane_sdk)
add_library(Backplane_json INTERFACE)
add_library(Backplane::json ALIAS Backplane_json)
set_property(GLOBAL PROPERTY BACKPLANE_SDK_INCLUDE_DIR {sdk}/include)
set_property(GLOBAL PROPERTY BACKPLANE_SDK_VERSION 1.0.0)
set_property(GLOBAL PROPERTY BACKPLANE_SDK_VERSION_SCRIPT {sdk}/cmake/bp_plugin.map)
include({sdk}/cmake/BackplanePlugin.cmake)
"""

CALL = "backplane_add_plugin(scale MANIFEST plugin.json SOURCES scale.cpp)\n"


class Project:
    """A folder with one plug-in in it."""

    def __init__(self, manifest, cmake):
        self.folder = tempfile.TemporaryDirectory()
        self.root = pathlib.Path(self.folder.name)
        self.build = self.root / "build"
        self.write_manifest(manifest)
        (self.root / "scale.cpp").write_text(SOURCE)
        (self.root / "test.cpp").write_text(TEST)
        (self.root / "CMakeLists.txt").write_text(cmake)

    def write_manifest(self, manifest):
        if manifest is not None:
            text = manifest if isinstance(manifest, str) else json.dumps(manifest)
            (self.root / "plugin.json").write_text(text)

    def run(self, *command):
        run = subprocess.run([str(c) for c in command], capture_output=True, text=True, check=False)
        # CMake breaks long messages into lines.
        return run.returncode, " ".join((run.stdout + run.stderr).split())

    def configure(self, *more):
        return self.run(CMAKE, "-S", self.root, "-B", self.build, "-G", "Ninja", f"-DCMAKE_CXX_COMPILER={CXX}", *more)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.folder.cleanup()


class Messages(unittest.TestCase):
    def refused(self, manifest, *words, call=CALL):
        with Project(manifest, BARE.format(sdk=SDK) + call) as project:
            status, text = project.configure()
        self.assertNotEqual(status, 0, "accepted: " + text)
        for word in words:
            self.assertIn(word, text)

    def but(self, **members):
        return {**MANIFEST, **members}

    def without(self, name):
        return {k: v for k, v in MANIFEST.items() if k != name}

    def test_no_manifest_file(self):
        self.refused(None, "plugin.json does not exist", "what the plug-in is and what it serves")

    def test_not_json(self):
        self.refused("{\"kind\": ", "plugin.json is not valid JSON")

    def test_not_an_object(self):
        self.refused("[1]", "must be one JSON object, but it is of type ARRAY")

    def test_missing_member(self):
        self.refused(self.without("name"), "\"name\" is missing: it must be 1 to 32 of a-z, 0-9 and _")

    def test_name_with_a_path(self):
        self.refused(self.but(name="../x"), "\"name\" is ../x, but it must be 1 to 32 of a-z, 0-9 and _")

    def test_long_name(self):
        self.refused(self.but(name="x" * 33), "(33 characters)")

    def test_number_for_text(self):
        self.refused(self.but(version=1.2), "\"version\" is 1.2", "a semantic version such as \"1.2.3\"")

    def test_unknown_kind(self):
        self.refused(self.but(kind="gadget"), "\"kind\" is gadget, but it must be \"driver\" or \"interface\"")

    def test_id_without_a_domain(self):
        self.refused(self.but(id="scale"), "a reversed domain name")

    def test_member_that_is_filled_in(self):
        for member in ("abi", "sdk", "arch"):
            self.refused(self.but(**{member: "1"}), f"\"{member}\" is filled in by backplane_add_plugin()")

    def test_driver_without_match_rules(self):
        self.refused(self.without("match"), "\"match\" is missing or no list")

    def test_interface_with_match_rules(self):
        self.refused(self.but(kind="interface"), "belongs to drivers, and this is an interface")

    def test_note_too_large(self):
        self.refused(self.but(title="x" * 17000), "16384 are allowed")

    def test_other_schema(self):
        self.refused(self.but(schema=2), "\"schema\" is 2, but this SDK writes notes of schema 1")

    def test_abi_of_the_future(self):
        self.refused(MANIFEST, "ABI_MINOR is 99, but this SDK has the ABI 1.",
                     call="backplane_add_plugin(scale MANIFEST plugin.json SOURCES scale.cpp ABI_MINOR 99)")

    def test_forgotten_argument(self):
        self.refused(MANIFEST, "SOURCES is missing. Usage:", call="backplane_add_plugin(scale MANIFEST plugin.json)")

    def test_misspelt_argument(self):
        self.refused(MANIFEST, "unknown arguments: LIBS;m",
                     call="backplane_add_plugin(scale LIBS m MANIFEST plugin.json SOURCES scale.cpp)")

    def test_foreign_machine(self):
        self.refused(MANIFEST, "the box does not run on \"vax\"",
                     call="set(CMAKE_SYSTEM_PROCESSOR vax)\nset(CMAKE_LIBRARY_ARCHITECTURE)\n" + CALL)

    def test_good_manifest_and_what_stands_in_the_note(self):
        with Project(MANIFEST, BARE.format(sdk=SDK) + CALL) as project:
            status, text = project.configure()
            self.assertEqual(status, 0, text)
            note = json.loads((project.build / "scale-note.cpp.json").read_text())
        for name, value in MANIFEST.items():
            self.assertEqual(note[name], value)
        self.assertEqual(note["schema"], 1)
        self.assertEqual(note["sdk"], "1.0.0")
        self.assertRegex(note["arch"], "-linux-gnu")
        self.assertEqual(note["abi"]["major"], 1)

    def test_changed_manifest_configures_again(self):
        with Project(MANIFEST, BARE.format(sdk=SDK) + CALL) as project:
            self.assertEqual(project.configure()[0], 0)
            project.write_manifest(self.but(version="x"))
            status, text = project.run(CMAKE, "--build", project.build, "--target", "build.ninja")
        self.assertNotEqual(status, 0)
        self.assertIn("\"version\" is x", text)


class Package(unittest.TestCase):
    def test_installed_package_builds_a_plugin_that_the_box_accepts(self):
        cmake = ("cmake_minimum_required(VERSION 3.25)\nproject(author LANGUAGES CXX)\nenable_testing()\n"
                 "find_package(BackplaneSDK 1.0 REQUIRED)\n" + CALL +
                 "add_executable(unit test.cpp)\ntarget_link_libraries(unit PRIVATE scale-logic " +
                 "Backplane::testkit)\n"
                 "add_test(NAME unit COMMAND unit)\n")
        with Project(MANIFEST, cmake) as project:
            prefix = project.root / "prefix"
            status, text = project.run(CMAKE, "--install", BOX, "--prefix", prefix, "--component", "sdk")
            self.assertEqual(status, 0, text)
            status, text = project.configure(f"-DCMAKE_PREFIX_PATH={prefix}")
            self.assertEqual(status, 0, text)
            status, text = project.run(CMAKE, "--build", project.build, "-j", "1")
            self.assertEqual(status, 0, text)
            status, text = project.run(project.build / "unit")
            self.assertEqual(status, 0, text)
            status, text = project.run(INSPECT, project.build / "example_scale.so")
            self.assertEqual((status, text), (0, ""))
            self.assertTrue(list(prefix.rglob("backplane-sdk.pc")))

    def test_package_refuses_another_major(self):
        cmake = ("cmake_minimum_required(VERSION 3.25)\nproject(author LANGUAGES CXX)\n"
                 "find_package(BackplaneSDK 2.0 REQUIRED)\n")
        with Project(MANIFEST, cmake) as project:
            prefix = project.root / "prefix"
            self.assertEqual(project.run(CMAKE, "--install", BOX, "--prefix", prefix, "--component", "sdk")[0], 0)
            status, text = project.configure(f"-DCMAKE_PREFIX_PATH={prefix}")
        self.assertNotEqual(status, 0)
        self.assertIn("version: 1.0.0", text)


if __name__ == "__main__":
    mode, SDK, CMAKE, CXX = sys.argv[1:5]
    if mode == "package":
        BOX, INSPECT = sys.argv[5:7]
    unittest.main(argv=sys.argv[:1], defaultTest="Package" if mode == "package" else "Messages")
