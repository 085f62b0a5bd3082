#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
# Copyright The Backplane authors.
"""./dev on machines that we do not have: each case runs it with doubles of dpkg-query, apt-get, sudo and the tools behind it."""
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import unittest

ROOT = pathlib.Path(sys.argv.pop(1)).resolve()

DOUBLES = {
    # Packages in $INSTALLED are there; so is what $OLD_BOOST names.
    "dpkg-query": """case "$*" in
        *'libboost*1.74-dev'*) for p in $OLD_BOOST; do echo "installed $p"; done ;;
        *) case " $INSTALLED " in *" ${@: -1} "*|*" all "*) printf installed ;; *) exit 1 ;; esac ;;
    esac""",
    "apt-get": """echo "apt-get $*" >> "$CALLS"; [ -z "$APT_FAILS" ] || exit 100""",
    "sudo": """echo "sudo $1" >> "$CALLS"; [ -z "$SUDO_FAILS" ] || exit 1; [ "$1" != -n ] || shift; exec "$@" """,
    "id": "echo ${USER_ID:-0}",
    "git": "exit 0",
    "clang-format": "exit 0",
    "cmake": """echo "cmake $*" >> "$CALLS"; [ -z "$CMAKE_FAILS" ] || exit 1""",
    "ctest": """echo "ctest $*" >> "$CALLS"; echo '100% tests passed, 0 tests failed out of 1'; exit ${CTEST_STATUS:-0}""",
}


class Dev(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)
        for name, text in DOUBLES.items():
            file = self.folder / name
            file.write_text(f"#!/bin/bash\n{text}\n")
            file.chmod(0o755)

    def dev(self, *arguments, **variables):
        calls = self.folder / "calls"
        calls.write_text("")
        environment = {"PATH": f"{self.folder}:/usr/bin:/bin", "CALLS": str(calls), "LC_ALL": "C.UTF-8", **variables}
        # No terminal and nothing to read: whoever asks a question gets no answer, and must not wait for one.
        done = subprocess.run([ROOT / "dev", *arguments], env=environment, stdin=subprocess.DEVNULL, text=True,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=60)
        self.calls = calls.read_text()
        return done

    def test_installs_nothing_when_nothing_is_missing(self):
        done = self.dev("format", INSTALLED="all")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(self.calls, "")

    def test_installs_by_name_what_is_missing_and_only_that(self):
        done = self.dev("format", INSTALLED="git")
        self.assertEqual(done.returncode, 0, done.stderr)
        install = [line for line in self.calls.splitlines() if " install " in line]
        self.assertEqual(len(install), 1, self.calls)
        self.assertTrue(install[0].endswith(" clang-format"), install)
        for option in ("-y", "DPkg::Lock::Timeout=600", "--no-install-recommends", "--no-remove"):
            self.assertIn(option, install[0])
        self.assertNotIn("sudo", self.calls)

    def test_says_what_is_missing_when_it_must_not_install(self):
        done = self.dev("format", INSTALLED="git", BP_INSTALL="no")
        self.assertEqual(done.returncode, 1)
        self.assertIn("these packages are missing: clang-format", done.stderr)
        self.assertEqual(self.calls, "")

    def test_uses_sudo_for_an_ordinary_user_without_waiting_for_a_password(self):
        done = self.dev("format", INSTALLED="git", USER_ID="1000")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("sudo -n", self.calls)
        self.assertIn(" install ", self.calls)

    def test_tells_the_command_when_sudo_refuses(self):
        done = self.dev("format", INSTALLED="git", USER_ID="1000", SUDO_FAILS="1")
        self.assertEqual(done.returncode, 1)
        self.assertIn("Install them as root, with: apt-get install --no-install-recommends clang-format", done.stderr)
        self.assertNotIn("apt-get", self.calls)

    def test_says_so_when_apt_fails(self):
        done = self.dev("format", INSTALLED="git", APT_FAILS="1")
        self.assertEqual(done.returncode, 1)
        self.assertIn("apt-get could not install: clang-format", done.stderr)

    def test_explains_the_conflict_with_an_older_boost_and_removes_nothing(self):
        done = self.dev("build", INSTALLED="g++ cmake", OLD_BOOST="libboost1.74-dev libboost-dev")
        self.assertEqual(done.returncode, 1)
        self.assertIn("needs Boost 1.81", done.stderr)
        self.assertIn("sudo apt-get remove libboost1.74-dev libboost-dev", done.stderr)
        self.assertEqual(self.calls, "")

    def test_ends_with_the_last_line_of_ctest(self):
        done = self.dev("test", "asan", "--", "-R", "scale", INSTALLED="all")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(done.stdout.splitlines()[-1], "100% tests passed, 0 tests failed out of 1")
        self.assertRegex(self.calls, r"ctest --preset asan .* -R scale\n$")

    def test_tests_all_presets_in_order_and_stops_at_the_first_that_fails(self):
        done = self.dev("test", "--all", INSTALLED="all")
        self.assertEqual([line.split()[2] for line in self.calls.splitlines() if line.startswith("ctest")],
                         ["dev", "asan", "tsan"])
        done = self.dev("test", "--all", INSTALLED="all", CTEST_STATUS="8")
        self.assertEqual(done.returncode, 8)
        self.assertEqual(self.calls.count("ctest"), 1)

    def test_does_not_test_what_did_not_build(self):
        done = self.dev("test", INSTALLED="all", CMAKE_FAILS="1")
        self.assertEqual(done.returncode, 1)
        self.assertIn("rm -r build/dev", done.stderr)
        self.assertNotIn("ctest", self.calls)

    def test_refuses_what_it_does_not_know(self):
        for arguments, text in ((("test", "relase"), 'there is no preset "relase"'), (("frobnicate",), "there is no command"),
                                (("run", "--port", "70000"), '"70000" is no port'), (("format", "-x"), "unknown argument"),
                                (("build", "dev", "x"), 'there is no preset "x"')):
            done = self.dev(*arguments, INSTALLED="all")
            self.assertEqual(done.returncode, 1, arguments)
            self.assertIn(text, done.stderr)
            self.assertEqual(self.calls, "")

    def test_help_names_every_command(self):
        done = self.dev("help")
        self.assertEqual(done.returncode, 0)
        for command in ("run", "test", "bench", "docs", "build", "format", "help"):
            self.assertIn(f"./dev {command}", done.stdout)

    def test_every_package_belongs_to_a_group_that_a_command_installs(self):
        script = (ROOT / "dev").read_text()
        needed = {group for line in script.splitlines() if line.strip().startswith("need ") for group in line.split()[1:]}
        for line in (ROOT / "packages.txt").read_text().splitlines():
            if line and not line.startswith("#"):
                group, package = line.split()
                self.assertIn(group, needed, f"nothing installs {package}")

    # ---- ./dev run --with-odoo-double ----

    def checkout(self, box="", double=""):
        """A checkout in which the programs are built: shell scripts that note their arguments and how they end."""
        place = self.folder / "checkout"
        programs = place / "build" / "release" / "bin"
        programs.mkdir(parents=True)
        for name in ("dev", "packages.txt"):
            shutil.copy(ROOT / name, place / name)
        for name, text in (("backplaned", box), ("odoo-double", double)):
            file = programs / name
            # A sleep that is waited for, so that the shell hears the signal at once, and takes it along.
            file.write_text(f"""#!/bin/bash
trap 'kill $!; echo "{name} ends" >> "$CALLS"; exit 0' TERM
{text}
sleep 100 & echo "{name} $*" >> "$CALLS"
wait $!
""")
            file.chmod(0o755)
        return place

    def start(self, place, *arguments):
        calls = self.folder / "calls"
        calls.write_text("")
        environment = {"PATH": f"{self.folder}:/usr/bin:/bin", "CALLS": str(calls), "LC_ALL": "C.UTF-8", "INSTALLED": "all"}
        run = subprocess.Popen([place / "dev", "run", *arguments], env=environment, stdin=subprocess.DEVNULL, text=True,
                               stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, start_new_session=True)
        self.addCleanup(run.stderr.close)

        def end():
            try:
                os.killpg(run.pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
            run.wait()
        self.addCleanup(end)
        return run, calls

    def wait_for_calls(self, calls, *beginnings):
        until = time.monotonic() + 30
        while time.monotonic() < until:
            lines = calls.read_text().splitlines()
            if all(any(line.startswith(wanted) for line in lines) for wanted in beginnings):
                return {line.split()[0]: line for line in lines}
            time.sleep(0.02)
        self.fail(f"{beginnings} did not happen: {calls.read_text()}")

    def test_runs_a_box_beside_a_stand_in_for_odoo_and_tells_each_of_the_other(self):
        place = self.checkout()
        run, calls = self.start(place, "--with-odoo-double", "--port", "18069", "--", "--log-level", "debug")
        lines = self.wait_for_calls(calls, "backplaned --demo", "odoo-double --port")
        self.assertRegex(lines["odoo-double"], r"--port 80[79][0-9] --pair http://127\.0\.0\.1:18069$")
        at = lines["odoo-double"].split()[2]
        self.assertIn("--http-port 18069", lines["backplaned"])
        self.assertIn("--log-level debug", lines["backplaned"])
        state = place / "build" / "run" / "with-odoo-double"
        self.assertIn(f"--config {state.relative_to(place)}/backplane.yaml", lines["backplaned"])
        self.assertIn(f"--state-dir {state.relative_to(place)}/state", lines["backplaned"])
        fragment = (state / "conf.d" / "odoo-double.yaml").read_text()
        self.assertIn(f"\n  pairing_proxy: http://127.0.0.1:{at}\n", fragment)
        self.assertIn(f"\n  certificate_service: http://127.0.0.1:{at}\n", fragment)

    def test_ends_both_when_it_is_told_to(self):
        for number, status in ((signal.SIGTERM, 143), (signal.SIGINT, 130)):
            with self.subTest(number):
                place = self.checkout()
                run, calls = self.start(place, "--with-odoo-double", "--port", "18069")
                self.wait_for_calls(calls, "backplaned --demo", "odoo-double --port")
                run.send_signal(number)
                self.assertEqual(run.wait(timeout=30), status)
                self.wait_for_calls(calls, "backplaned ends", "odoo-double ends")
                shutil.rmtree(place)

    def test_does_not_leave_one_of_them_alone(self):
        for failing, other in (("box", "odoo-double"), ("double", "backplaned")):
            with self.subTest(failing):
                # Not before the other one has begun.
                last = f'until grep -q "^{other} -" "$CALLS"; do sleep 0.02; done; exit 7'
                place = self.checkout(**{failing: last})
                run, calls = self.start(place, "--with-odoo-double", "--port", "18069")
                self.assertEqual(run.wait(timeout=30), 7)
                self.wait_for_calls(calls, f"{other} ends")
                shutil.rmtree(place)

    def test_explains_why_a_stand_in_cannot_have_another_state(self):
        place = self.checkout()
        for argument in ("--state-dir", "--config=x"):
            run, calls = self.start(place, "--with-odoo-double", "--port", "18069", "--", argument, "/tmp")
            self.assertEqual(run.wait(timeout=30), 1)
            self.assertIn("without " + argument.split("=")[0], run.stderr.read())
        self.assertNotIn("backplaned", calls.read_text())

    def test_says_so_when_the_stand_in_was_not_built(self):
        place = self.checkout()
        (place / "build" / "release" / "bin" / "odoo-double").unlink()
        run, calls = self.start(place, "--with-odoo-double", "--port", "18069")
        self.assertEqual(run.wait(timeout=30), 1)
        self.assertIn("BP_TESTS=OFF", run.stderr.read())


if __name__ == "__main__":
    unittest.main()
