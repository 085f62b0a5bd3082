#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
# Copyright The Backplane authors.
"""What the report makes of figures; with a build folder as argument also: each scenario, in small, gives its figures.

No figure is compared with a target here: that would be a timed test.
"""
import os
import pathlib
import re
import subprocess
import sys
import unittest
from unittest import mock

import run_bench

BUILD = None

TIMES = {'n': 200, 'min_ms': 1.0, 'p50_ms': 15.0, 'p90_ms': 18.0, 'p99_ms': 20.0, 'max_ms': 30.0}
STREAM = {**TIMES, 'all': True, 'missing': 0, 'out_of_order': 0, 'per_second': 199.6, 'cpu': 0.12}

WRK_OUTPUT = '''Running 10s test @ http://127.0.0.1:8069/hw_proxy/hello
  2 threads and 32 connections
  Thread Stats   Avg      Stdev     Max   +/- Stdev
    Latency   512.00us    0.97ms  21.50ms   98.53%
    Req/Sec    40.44k     1.28k   44.01k    78.71%
  Latency Distribution
     50%  380.00us
     75%  420.00us
     90%  510.00us
     99%    4.20ms
  812345 requests in 10.10s, 92.00MB read
Requests/sec:  80430.20
Transfer/sec:      9.11MB
'''


class AReport(unittest.TestCase):
    def line(self, figures, what, disturbances=None):
        lines = [x for x in run_bench.table(figures, disturbances or {}).splitlines() if what in x]
        self.assertEqual(len(lines), 1, lines)
        return [cell.strip() for cell in lines[0].strip('|').split('|')]

    def test_marks_a_stream_that_lost_an_event_whatever_its_times(self):
        cells = self.line({'stream.sse': {**STREAM, 'all': False, 'missing': 3}}, '(SSE)')
        self.assertIn('3 missing, 0 out of order', cells[2])
        self.assertEqual(cells[4], 'no')

    def test_marks_a_fan_out_that_missed_a_listener_whatever_its_times(self):
        figure = {**TIMES, 'listeners': 200, 'missed': 1}
        self.assertEqual(self.line({'fan_out': figure}, '200 long polls')[4], 'no')
        self.assertEqual(self.line({'fan_out': {**figure, 'missed': 0}}, '200 long polls')[4], 'yes')

    def test_marks_a_swap_that_lost_an_event_whatever_its_times(self):
        figure = {**TIMES, 'events': 5000, 'per_second': 480.0, 'wrong': 1, 'actions': 40, 'failed': 0}
        self.assertEqual(self.line({'swap': figure}, 'replaced under load')[4], 'no')
        self.assertEqual(self.line({'swap': {**figure, 'wrong': 0, 'failed': 1}}, 'replaced under load')[4], 'no')
        self.assertEqual(self.line({'swap': {**figure, 'wrong': 0}}, 'replaced under load')[4], 'yes')

    def test_marks_a_latency_that_lost_a_weight_whatever_its_times(self):
        figure = {**TIMES, 'wire_ms': 9.375, 'lost': 1}
        cells = self.line({'latency': figure}, 'weight changes')
        self.assertEqual((cells[3], cells[4]), ('1.60 / 2.13', 'no'))
        self.assertEqual(self.line({'latency': {**figure, 'lost': 0}}, 'weight changes')[4], 'yes')

    def test_marks_either_percentile_that_is_too_high(self):
        figure = {**TIMES, 'wire_ms': 9.375, 'lost': 0}
        self.assertEqual(self.line({'latency': {**figure, 'p50_ms': 15.1}}, 'weight changes')[4], 'no')
        self.assertEqual(self.line({'latency': {**figure, 'p99_ms': 23.5}}, 'weight changes')[4], 'no')

    def test_wants_more_readings_and_requests_not_fewer(self):
        rate = {'n': 2000, 'per_second': 90.0, 'allowed': 106.7, 'ratio': 0.84, 'cpu': 0.02}
        self.assertEqual(self.line({'rate': rate}, 'readings per second')[4], 'no')
        self.assertEqual(self.line({'rate': {**rate, 'ratio': 0.85}}, 'readings per second')[4], 'yes')
        hello = {**TIMES, 'p50_ms': 0.3, 'p99_ms': 4.9, 'per_second': 19999}
        self.assertEqual(self.line({'hello': hello}, '32 connections')[4], 'no')
        self.assertEqual(self.line({'hello': {**hello, 'per_second': 20000}}, '32 connections')[4], 'yes')
        self.assertEqual(self.line({'hello': {**hello, 'per_second': 30000, 'p99_ms': 5.1}}, '32 connections')[4], 'no')

    def test_says_what_failed_and_what_was_left_out_instead_of_dropping_the_line(self):
        self.assertIn('not measured: it failed', self.line({'rate': 'it failed'}, 'readings per second')[2])
        skipped = {'start_cold': {'skipped': 'emptying the page cache needs root'}}
        for line in ('first `/hw_proxy/hello`, page cache empty', 'scale ready, page cache empty'):
            self.assertIn('needs root', self.line(skipped, line)[2])

    def test_shows_how_much_each_run_was_disturbed(self):
        self.assertEqual(self.line({'stream.sse': STREAM}, '(SSE)', {'stream_sse': 0.034})[5], '0.03')

    def test_says_when_it_is_not_the_full_measurement(self):
        self.assertIn('0.1 times the usual number', run_bench.report({'stream.sse': STREAM}, {}, 'machine', 0.1))
        self.assertNotIn('usual number', run_bench.report({'stream.sse': STREAM}, {}, 'machine', 1))


class APage(unittest.TestCase):
    def test_without_a_place_for_the_report_is_left_alone(self):
        for page in ('# Performance\n', run_bench.BEGIN, f'{run_bench.END}\n{run_bench.BEGIN}\n'):
            with self.assertRaisesRegex(run_bench.Failed, 'no place for the report'):
                run_bench.put_into_page(page, 'new')

    def test_keeps_everything_around_the_report(self):
        page = f'before\n{run_bench.BEGIN}\nold\n{run_bench.END}\nafter\n'
        self.assertEqual(run_bench.put_into_page(page, 'new\n'),
                         f'before\n{run_bench.BEGIN}\n\nnew\n\n{run_bench.END}\nafter\n')

    def test_of_the_documentation_has_the_place(self):
        text = run_bench.PAGE.read_text()
        self.assertIn('new report', run_bench.put_into_page(text, 'new report'))


class AWrkRun(unittest.TestCase):
    def test_with_errors_is_no_measurement(self):
        for problem in ('Socket errors: connect 0, read 3, write 0, timeout 0', 'Non-2xx or 3xx responses: 12'):
            with self.assertRaisesRegex(run_bench.Failed, re.escape(problem)):
                run_bench.parse_wrk(WRK_OUTPUT + '  ' + problem + '\n')

    def test_without_figures_is_no_measurement(self):
        with self.assertRaisesRegex(run_bench.Failed, 'unable to connect'):
            run_bench.parse_wrk('unable to connect to 127.0.0.1:1 Connection refused\n')

    def test_is_read_in_all_its_units(self):
        self.assertEqual(run_bench.parse_wrk(WRK_OUTPUT), {'per_second': 80430.2, 'n': 812345, 'p50_ms': 0.38, 'p99_ms': 4.2})
        self.assertEqual(run_bench.milliseconds('1.50s'), 1500)


class ADisturbedRun(unittest.TestCase):
    def run_with(self, others, attempts):
        """Runs whose disturbance is as given; the figures number the runs."""
        runs, said = iter(range(1, 100)), []

        class Seen(run_bench.Disturbance):
            series = iter(others)

            def __exit__(self, *_):
                self.others, self.steal = next(self.series), 0.0
                self.total = self.others

        with mock.patch.object(run_bench, 'Disturbance', Seen), mock.patch.object(run_bench, 'wait_until_quiet'):
            figures, disturbance = run_bench.least_disturbed(lambda: next(runs), attempts, 0, said.append)
        return figures, disturbance.total, len(said)

    def test_is_repeated_until_one_is_quiet(self):
        self.assertEqual(self.run_with([0.9, 0.5, 0.02, 0.01], 4), (3, 0.02, 2))

    def test_is_reported_with_its_disturbance_when_none_is_quiet(self):
        self.assertEqual(self.run_with([0.9, 0.3, 0.6], 3), (2, 0.3, 2))

    def test_counts_as_own_what_it_has_started(self):
        before = run_bench.own_seconds()
        subprocess.run([sys.executable, '-c', 'for _ in range(3_000_000): pass'], check=True)
        self.assertGreater(run_bench.own_seconds() - before, 0.02)

    def test_leaves_out_waiting_and_interrupts(self):
        hz = os.sysconf('SC_CLK_TCK')
        line = f'cpu  {hz} {2 * hz} {3 * hz} 999 999 999 999 999 999 999'
        self.assertEqual(run_bench.busy_seconds(line), 6)


class EachScenario(unittest.TestCase):
    def test_gives_the_figures_that_the_report_shows(self):
        if BUILD is None:
            self.skipTest('no build folder was given')
        program, figures = str(BUILD / 'bench' / 'backplane_bench'), {}
        for name in run_bench.SCENARIOS:
            if name in ('micro', 'start_cold'):  # the page cache belongs to the tests beside this one
                continue
            with self.subTest(name):
                figures.update(run_bench.run_scenario(program, name, 0.02))
        for row in run_bench.ROWS:
            if row.scenario != 'start_cold':
                with self.subTest(row.what):
                    measured, _, _ = row.show(figures[row.figure])
                    self.assertRegex(measured, r'\d')
        for name in ('stream.polls', 'stream.sse'):
            self.assertTrue(figures[name]['all'], figures[name])
        self.assertEqual(figures['fan_out']['missed'], 0)
        self.assertEqual(figures['latency']['lost'], 0)


if __name__ == '__main__':
    if len(sys.argv) > 1 and pathlib.Path(sys.argv[1]).is_dir():
        BUILD = pathlib.Path(sys.argv.pop(1))
    unittest.main()
