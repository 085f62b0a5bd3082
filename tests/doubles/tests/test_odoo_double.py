#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
# Copyright The Backplane authors.
"""The program odoo-double as a newcomer meets it: what it prints, its page, its buttons, and a box that it pairs."""
import http.client
import http.server
import json
import pathlib
import signal
import subprocess
import sys
import tempfile
import threading
import unittest

PROGRAM = sys.argv.pop(1)
PATIENCE = 30


class Box(http.server.BaseHTTPRequestHandler):
    """Takes the token at the second attempt: at the first it has not started yet."""

    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.asked.append((self.path, body))
        answer = b'{"paired": true}' if len(self.server.asked) > 1 else b'{"error": {"code": "x", "text": "not yet"}}'
        self.send_response(200 if len(self.server.asked) > 1 else 503)
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *arguments):
        pass


class OdooDouble(unittest.TestCase):
    def start(self, *arguments):
        program = subprocess.Popen([PROGRAM, "--port", "0", *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                   text=True)
        self.addCleanup(program.stdout.close)
        self.addCleanup(program.stderr.close)
        self.addCleanup(program.wait)
        self.addCleanup(program.kill)
        # Whatever is missing is not waited for without an end.
        timer = threading.Timer(PATIENCE, program.kill)
        timer.start()
        self.addCleanup(timer.cancel)
        self.program = program
        self.port = int(self.line_with(" is at ").split("//127.0.0.1:")[1].split("/")[0])
        self.token = self.line_with("?token=").strip()

    def line_with(self, text):
        for line in self.program.stdout:
            if text in line:
                return line
        self.fail(f"it ended without: {text}; {self.program.stderr.read()}")

    def ask(self, method, path, body=None, **headers):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE)
        self.addCleanup(connection.close)
        given = {name.replace("_", "-"): value for name, value in headers.items()}
        if body is not None:
            given.setdefault("Content-Type", "application/json")
        connection.request(method, path, None if body is None else json.dumps(body), given)
        answer = connection.getresponse()
        return answer.status, answer.read().decode()

    def act(self, **wish):
        status, text = self.ask("POST", "/double/act", wish)
        self.assertEqual(status, 200)
        return json.loads(text)["text"]

    def poll(self):
        """All notifications of the last moments, as a box without WebSockets gets them."""
        body = {"params": {"channels": [self.channel], "last": 0, "is_first_poll": True}}
        answer = json.loads(self.ask("POST", "/websocket/peek_notifications", body)[1])
        return [one["message"] for one in answer["result"]["notifications"]]

    def register(self):
        box = {"identifier": "box1", "ip": "192.168.1.20", "version": "L1.0", "token": "s3cret-of-the-box"}
        devices = {"scale1": {"name": "Counter <1>", "type": "scale"}}
        _, text = self.ask("POST", "/iot/setup", {"params": {"iot_box": box, "devices": devices}})
        self.channel = json.loads(text)["result"]

    def test_pairs_a_box_that_is_still_starting(self):
        box = http.server.HTTPServer(("127.0.0.1", 0), Box)
        box.asked = []
        serving = threading.Thread(target=box.serve_forever)
        serving.start()
        self.addCleanup(serving.join)
        self.addCleanup(box.server_close)
        self.addCleanup(box.shutdown)
        self.start("--pair", f"http://127.0.0.1:{box.server_port}")
        self.line_with("has taken the token")
        self.assertEqual(box.asked, [("/api/v1/odoo/pair", {"token": self.token})] * 2)

    def test_tells_what_a_box_does_in_plain_words_and_keeps_its_secrets(self):
        self.start()
        self.register()
        said = self.line_with("registers")
        self.assertIn("the box box1 at 192.168.1.20 registers with 1 device: Counter <1> (scale)", said)
        self.ask("POST", "/iot/box/send_websocket", {"params": {"device_identifier": "scale1", "result": 1.25}})
        self.assertIn('scale1 says {result: 1.25}', self.line_with("says"))
        state = json.loads(self.ask("GET", "/double/state")[1])
        self.assertEqual(state["boxes"][0]["devices"], [{"identifier": "scale1", "name": "Counter <1>", "type": "scale"}])
        self.assertNotIn("s3cret-of-the-box", json.dumps(state) + said)
        self.assertIn("A stand-in for an Odoo server", self.ask("GET", "/")[1])

    def test_its_buttons_tell_the_box(self):
        self.start()
        self.register()
        self.act(what="action", device="scale1", action="read_once")
        self.act(what="unpair")
        self.act(what="restart")
        self.act(what="test")
        self.act(what="move", url="https://new.example.com")
        self.assertIn("begins with http", self.act(what="move", url="new.example.com"))
        messages = self.poll()
        self.assertEqual([one["type"] for one in messages],
                         ["iot_action", "server_clear", "restart_odoo", "test_connection", "server_update"])
        self.assertEqual(messages[0]["payload"]["device_identifiers"], ["scale1"])
        self.assertEqual(messages[0]["payload"]["iot_identifiers"], ["box1"])
        self.assertEqual(messages[4]["payload"]["server_url"], "https://new.example.com")

    def test_its_pairing_code_can_be_entered(self):
        self.start()
        ask = {"params": {"pairing_code": False, "pairing_uuid": False, "serial_number": "box1"}}
        given = json.loads(self.ask("POST", "/odoo-enterprise/iot/connect-box", ask)[1])["result"]
        self.assertIn(given["pairing_code"], self.line_with("shows the pairing code"))
        self.assertIn("no box shows the code", self.act(what="enter_code", code="WRONG"))
        self.act(what="enter_code", code=given["pairing_code"])
        paired = json.loads(self.ask("POST", "/odoo-enterprise/iot/connect-box", {"params": given})[1])["result"]
        self.assertEqual(paired["url"], f"http://127.0.0.1:{self.port}")

    def test_delivers_a_folder(self):
        self.start()
        self.register()
        with tempfile.TemporaryDirectory() as folder:
            self.assertIn("is empty", self.act(what="deliver", path=folder))
            self.assertIn("neither a folder nor a file", self.act(what="deliver", path=folder + "/missing"))
            file = pathlib.Path(folder) / "drivers" / "acme.txt"
            file.parent.mkdir()
            file.write_text("a driver")
            self.assertIn("are delivered", self.act(what="deliver", path=folder))
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE)
        self.addCleanup(connection.close)
        connection.request("POST", "/iot/get_handlers", "identifier=box1&auto=True",
                           {"Content-Type": "application/x-www-form-urlencoded"})
        body = connection.getresponse().read()
        self.assertTrue(body.startswith(b"PK"))
        self.assertIn(b"drivers/acme.txt", body)
        self.assertEqual(self.poll()[-1]["type"], "bundle_changed")

    def test_its_buttons_are_not_for_other_sites(self):
        self.start()
        self.register()
        wish = {"what": "unpair"}
        self.assertEqual(self.ask("POST", "/double/act", wish, Origin="https://evil.example.com")[0], 403)
        self.assertEqual(self.ask("POST", "/double/act", wish, Content_Type="text/plain")[0], 415)
        self.assertEqual(self.ask("GET", "/double/act?what=unpair")[0], 415)
        self.assertEqual(self.poll(), [])

    def test_says_which_port_it_cannot_have_and_ends_when_it_is_told_to(self):
        self.start()
        second = subprocess.run([PROGRAM, "--port", str(self.port)], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                text=True, timeout=PATIENCE)
        self.assertEqual(second.returncode, 1)
        self.assertIn(f"port {self.port} cannot be taken", second.stderr)
        self.program.send_signal(signal.SIGTERM)
        self.assertEqual(self.program.wait(timeout=PATIENCE), 0)


if __name__ == "__main__":
    unittest.main()
