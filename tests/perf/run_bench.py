#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
# Copyright The Backplane authors.
"""Measures the box and prints a report in Markdown; ./dev bench builds it first.

Every figure comes with what other programs took of the processors meanwhile: a run that was disturbed is repeated, and
the one that was disturbed least is reported. A figure that misses its target is marked, but never fails the run: what
fails is a measurement that could not be made.
"""
import argparse
import datetime
import json
import os
import pathlib
import platform
import re
import resource
import shutil
import statistics
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
PAGE = ROOT / 'docs' / 'reference' / 'performance.md'
BEGIN, END = '<!-- report: begin -->', '<!-- report: end -->'

QUIET = 0.10      # of one processor: what others may take during a run
ATTEMPTS = 4      # of a run that is disturbed
QUIET_WAIT = 60   # seconds to wait for a quiet machine before a run


# ---- disturbance

def busy_seconds(stat=None):
    """Time that all processors have spent in programs; work for interrupts belongs to nobody."""
    line = stat or pathlib.Path('/proc/stat').read_text().splitlines()[0]
    user, nice, system = (int(x) for x in line.split()[1:4])
    return (user + nice + system) / os.sysconf('SC_CLK_TCK')


def stolen_seconds():
    fields = pathlib.Path('/proc/stat').read_text().splitlines()[0].split()
    return int(fields[8]) / os.sysconf('SC_CLK_TCK')


def own_seconds():
    """Time of this program and of all that it has started and waited for, theirs included."""
    total = 0.0
    for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN):
        usage = resource.getrusage(who)
        total += usage.ru_utime + usage.ru_stime
    return total


class Disturbance:
    """What others used of the processors while the block ran: 0.05 is 5 % of one."""

    def __enter__(self):
        self.before = time.monotonic(), busy_seconds(), own_seconds(), stolen_seconds()
        return self

    def __exit__(self, *_):
        wall, busy, own, stolen = (b - a for a, b in zip(
            self.before, (time.monotonic(), busy_seconds(), own_seconds(), stolen_seconds())))
        self.others = max(0.0, busy - own) / wall
        self.steal = stolen / wall
        self.total = self.others + self.steal


def wait_until_quiet(limit):
    end = time.monotonic() + limit
    while True:
        with Disturbance() as now:
            time.sleep(1)
        if now.total < QUIET or time.monotonic() > end:
            return


# ---- runs

class Failed(Exception):
    pass


def figures_of(output):
    """The lines of backplane_bench: name -> figure."""
    out = {}
    for line in output.splitlines():
        if line.startswith('{'):
            figure = json.loads(line)
            out[figure.pop('figure')] = figure
    return out


def run_scenario(program, name, factor):
    done = subprocess.run([program, name, str(factor)], capture_output=True, text=True)
    if done.returncode:
        raise Failed(f'{name}: {done.stderr.strip() or "exit status " + str(done.returncode)}')
    return figures_of(done.stdout)


def run_micro(program, _name, factor):
    done = subprocess.run([program, '--benchmark_format=json', f'--benchmark_min_time={0.5 * factor}'],
                          capture_output=True, text=True)
    if done.returncode:
        raise Failed(f'micro: {done.stderr.strip()}')
    rows = json.loads(done.stdout)['benchmarks']
    for row in rows:
        if row.get('error_occurred'):
            raise Failed(f'micro: {row["name"]}: {row["error_message"]}')
    return {'micro': {'rows': [(r['name'], r['cpu_time']) for r in rows]}}


WRK_MS = {'us': 1e-3, 'ms': 1.0, 's': 1e3, 'm': 6e4}


def milliseconds(text):
    number, unit = re.fullmatch(r'([\d.]+)(us|ms|s|m)', text).groups()
    return float(number) * WRK_MS[unit]


def parse_wrk(output):
    """Requests a second and latencies; a run with any error is none."""
    problem = re.search(r'Socket errors: .*|Non-2xx or 3xx responses: .*', output)
    if problem:
        raise Failed(f'wrk: {problem[0]}')
    rate = re.search(r'Requests/sec:\s+([\d.]+)', output)
    count = re.search(r'(\d+) requests in', output)
    parts = dict(re.findall(r'^\s+(50|99)%\s+(\S+)', output, re.M))
    if not rate or not count or len(parts) != 2:
        raise Failed(f'wrk: no figures in: {output.strip()}')
    return {'per_second': float(rate[1]), 'n': int(count[1]),
            'p50_ms': milliseconds(parts['50']), 'p99_ms': milliseconds(parts['99'])}


# One thread: with two, three busy threads share two processors, and the p99 is the time slice of the scheduler.
WRK = ['wrk', '-t', '1', '-c', '32']


def run_wrk(program, _name, factor):
    """GET /hw_proxy/hello of a box with a scale that is being read: the median of three runs."""
    if not shutil.which('wrk'):
        return run_scenario(program, 'hello', factor)
    server = subprocess.Popen([program, 'serve'], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        line = server.stdout.readline()
        if not line:
            raise Failed('hello: the box did not start')
        url = f'http://127.0.0.1:{json.loads(line)["port"]}/hw_proxy/hello'
        runs = []
        for _ in range(3):
            done = subprocess.run([*WRK, '-d', f'{max(1, round(10 * factor))}s', '--latency', url],
                                  capture_output=True, text=True, check=True)
            runs.append(parse_wrk(done.stdout))
    finally:
        server.stdin.close()
        server.wait(30)
    return {'hello': sorted(runs, key=lambda run: run['per_second'])[1]}


def least_disturbed(run, attempts, quiet_wait, say):
    """Repeats a disturbed run; the figures of the best one, and how much it was disturbed."""
    best = None
    for attempt in range(attempts):
        wait_until_quiet(quiet_wait)
        with Disturbance() as disturbance:
            figures = run()
        if best is None or disturbance.total < best[1].total:
            best = figures, disturbance
        if disturbance.total < QUIET:
            break
        if attempt + 1 < attempts:
            say(f'  others took {disturbance.others:.2f} processors, {disturbance.steal:.2f} were stolen: once more')
    return best


# ---- the report

def ms(value):
    return f'{value:,.0f} ms' if value >= 100 else f'{value:.1f} ms' if value >= 10 else f'{value:.2f} ms'


def times(figure):
    return f'p50 {ms(figure["p50_ms"])}, p99 {ms(figure["p99_ms"])}, n {figure["n"]:,}'


def judge(value, target, more_is_better=False):
    good = value >= target if more_is_better else value <= target
    return 'yes' if good else 'no'


class Row:
    """One line of the report: `show` makes (measured, ratio, reached) of the figure."""

    def __init__(self, scenario, figure, what, reach, show):
        self.scenario, self.figure, self.what, self.reach, self.show = scenario, figure, what, reach, show


def wire_row(figure):
    p50, p99 = figure['p50_ms'] / figure['wire_ms'], figure['p99_ms'] / figure['wire_ms']
    reached = 'yes' if p50 <= 1.6 and p99 <= 2.5 and not figure['lost'] else 'no'
    return f'{times(figure)}, lost {figure["lost"]}', f'{p50:.2f} / {p99:.2f}', reached


def stream_row(figure):
    what = 'all, in order, each once' if figure['all'] else \
        f'{figure["missing"]} missing, {figure["out_of_order"]} out of order'
    return (f'{what}; {times(figure)}; {figure["per_second"]:.0f} events/s, box {figure["cpu"]:.2f} CPU', '',
            'yes' if figure['all'] and figure['p99_ms'] <= 20 else 'no')


def swap_row(figure):
    lost = 'no event lost, doubled or out of order' if not figure['wrong'] else f'{figure["wrong"]} gaps'
    reached = figure['p50_ms'] <= 20 and figure['p99_ms'] <= 60 and not figure['wrong'] and not figure['failed']
    return (f'{times(figure)}; {figure["events"]:,} events, {figure["per_second"]:.0f}/s, {lost}; '
            f'{figure["actions"]:,} actions, {figure["failed"]} failed', '', 'yes' if reached else 'no')


ROWS = [
    Row('start', 'start.hello', 'start to the first `/hw_proxy/hello`, warm', '50 ms',
        lambda f: (times(f), '', judge(f['p50_ms'], 50))),
    Row('start', 'start.listed', 'start to the scale ready, warm, first start (with probe)', '400 ms',
        lambda f: (times(f), '', judge(f['p50_ms'], 400))),
    Row('start', 'start.listed_known', 'the same with the state of earlier starts (its driver is asked first)', '',
        lambda f: (times(f), '', '')),
    Row('start_cold', 'start_cold.hello', 'start to the first `/hw_proxy/hello`, page cache empty', '',
        lambda f: (times(f), '', '')),
    Row('start_cold', 'start_cold.listed', 'start to the scale ready, page cache empty', '',
        lambda f: (times(f), '', '')),
    Row('memory', 'memory', 'memory of all processes, one scale (PSS)', '15 MB',
        lambda f: (f'{f["pss_mb"]:.1f} MB in {f["n"]} processes, {f["private_mb"]:.1f} MB of it private', '',
                   judge(f['pss_mb'], 15))),
    Row('latency', 'latency', 'weight changes on the line → event at a waiting long poll, over request and answer at 9600 baud',
        '1.6 at p50, 2.5 at p99', wire_row),
    Row('rate', 'rate', 'readings per second, over what the line allows', 'at least 0.85',
        lambda f: (f'{f["per_second"]:.1f} of {f["allowed"]:.1f}, n {f["n"]:,}, box {f["cpu"]:.2f} CPU',
                   f'{f["ratio"]:.3f}', judge(f['ratio'], 0.85, True))),
    Row('read_once', 'read_once', '`read_once`, request → answer', '25 ms p50',
        lambda f: (times(f), f'{f["p50_ms"] / f["wire_ms"]:.2f}', judge(f['p50_ms'], 25))),
    Row('fan_out', 'fan_out', '200 long polls waiting, one event: the last one has it', '30 ms, none missed',
        lambda f: (f'{times(f)}, missed {f["missed"]}', '', 'yes' if f['p99_ms'] <= 30 and not f['missed'] else 'no')),
    Row('stream_polls', 'stream.polls', '50 long polls, 10,000 events: emitted → received', 'all; p99 20 ms', stream_row),
    Row('stream_sse', 'stream.sse', '50 streams (SSE), 10,000 events: emitted → received', 'all; p99 20 ms', stream_row),
    Row('recovery', 'recovery', 'SIGKILL of the driver\'s host → device ready again (known, no probe)', '50 ms p99',
        lambda f: (times(f), '', judge(f['p99_ms'], 50))),
    Row('recovery', 'recovery.weight', 'the same → the next weight', '', lambda f: (times(f), '', '')),
    Row('swap', 'swap', 'a driver is replaced under load: last event of the old build → first of the new',
        '20 ms p50, 60 ms p99, nothing lost', swap_row),
    Row('swap_all', 'swap_all', 'Force Drivers Update → twelve plug-ins downloaded, verified, stored and swapped', '1 s',
        lambda f: (times(f), '', judge(f['p99_ms'], 1000))),
    Row('away', 'away', 'a weight changes while the Odoo server is a black hole, over the same with the server up',
        'p99 at most 1.1 times', lambda f: (f'{times(f["away"])}; up: {times(f["up"])}; lost {f["lost"]}', '',
                                            'yes' if f['p99_ratio'] <= 1.1 and not f['lost'] else 'no')),
    Row('return', 'return', 'the Odoo server listens again → the box is on its bus', '2 s',
        lambda f: (f'{times(f)}, max {ms(f["max_ms"])}', '', judge(f['max_ms'], 2000))),
    Row('hello', 'hello', '`/hw_proxy/hello`, 32 connections, client on the same processors', '20,000/s, p99 5 ms',
        lambda f: (f'{f["per_second"]:,.0f}/s, {times(f)}', '',
                   'yes' if f['per_second'] >= 20000 and f['p99_ms'] <= 5 else 'no')),
]
SCENARIOS = [*dict.fromkeys(row.scenario for row in ROWS), 'micro']


def command_of(scenario):
    if scenario == 'hello' and shutil.which('wrk'):
        return '`' + ' '.join(WRK) + ' -d 10s --latency`'
    return f'`backplane_bench {scenario}`'


def table(figures, disturbances):
    """`figures`: name -> figure, or a text that says why there is none."""
    lines = ['| what | reach | measured | over the wire | reached | others | command |', '|---|---|---|---|---|---|---|']
    for row in ROWS:
        figure = figures.get(row.figure, figures.get(row.scenario))
        if figure is None:
            continue
        if isinstance(figure, str) or 'skipped' in figure:
            why = figure if isinstance(figure, str) else figure['skipped']
            measured, ratio, reached = f'not measured: {why}', '', ''
        else:
            measured, ratio, reached = row.show(figure)
        others = disturbances.get(row.scenario)
        lines.append(f'| {row.what} | {row.reach} | {measured} | {ratio} | {reached} | '
                     f'{"" if others is None else f"{others:.2f}"} | {command_of(row.scenario)} |')
    return '\n'.join(lines)


def micro_table(figure):
    lines = ['| part | time of the processor |', '|---|---|']
    for name, nanoseconds in figure['rows']:
        time_text = f'{nanoseconds / 1000:,.1f} µs' if nanoseconds >= 1000 else f'{nanoseconds:,.0f} ns'
        lines.append(f'| `{name}` | {time_text} |')
    return '\n'.join(lines)


def machine(build_dir):
    """What it ran on; nothing that names the machine."""
    cpu = re.search(r'^model name\s*:\s*(.+)$', pathlib.Path('/proc/cpuinfo').read_text(), re.M)
    memory = int(re.search(r'^MemTotal:\s+(\d+)', pathlib.Path('/proc/meminfo').read_text(), re.M)[1])
    cache = (build_dir / 'CMakeCache.txt').read_text()
    compiler = re.search(r'^CMAKE_CXX_COMPILER:\w+=(.+)$', cache, re.M)
    build_type = re.search(r'^CMAKE_BUILD_TYPE:\w+=(.*)$', cache, re.M)
    version = subprocess.run([compiler[1], '--version'], capture_output=True, text=True).stdout.splitlines()[:1]
    return '\n'.join([
        '| | |', '|---|---|',
        f'| date | {datetime.date.today().isoformat()} |',
        f'| processors | {os.cpu_count()}, {cpu[1] if cpu else platform.machine()} |',
        f'| memory | {memory / 1048576:.0f} GiB |',
        f'| kernel | Linux {re.match(r"[0-9.]+", platform.release())[0].rstrip(".")}, {platform.machine()} |',
        f'| compiler | {version[0] if version else "unknown"}, {build_type[1] if build_type else "unknown"} |'])


def report(figures, disturbances, machine_text, factor):
    parts = [machine_text, table(figures, disturbances)]
    if isinstance(figures.get('micro'), dict):
        parts.append('What the parts cost by themselves (`backplane_bench_micro`):\n\n' + micro_table(figures['micro']))
    if factor != 1:
        parts.insert(0, f'**Not the full measurement: {factor:g} times the usual number of samples.**')
    return '\n\n'.join(parts) + '\n'


def put_into_page(page, text):
    before, begin, rest = page.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise Failed(f'the page has no place for the report: the lines {BEGIN} and {END} are missing')
    return f'{before}{BEGIN}\n\n{text.strip()}\n\n{END}{after}'


def main(arguments=None):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--build-dir', type=pathlib.Path, default=ROOT / 'build' / 'release')
    parser.add_argument('--write', action='store_true', help='put the report into docs/reference/performance.md as well')
    parser.add_argument('--only', default='', help='these and no others, with commas: ' + ', '.join(SCENARIOS))
    parser.add_argument('--factor', type=float, default=1, help='times the usual number of samples')
    parser.add_argument('--attempts', type=int, default=ATTEMPTS, help='of a run that is disturbed')
    parser.add_argument('--quiet-wait', type=float, default=QUIET_WAIT, metavar='S', help='wait so long for a quiet machine')
    options = parser.parse_args(arguments)
    wanted = options.only.split(',') if options.only else SCENARIOS
    unknown = set(wanted) - set(SCENARIOS)
    if unknown:
        parser.error('there is no ' + ', '.join(sorted(unknown)) + ': there are ' + ', '.join(SCENARIOS))
    if options.write and (options.only or options.factor != 1):
        parser.error('--write is for the full measurement: leave out --only and --factor')
    program = options.build_dir / 'bench' / 'backplane_bench'
    if not program.exists():
        parser.error(f'{program} is not built: ./dev bench builds it')

    def say(text):
        print(text, file=sys.stderr, flush=True)

    figures, disturbances, failed = {}, {}, []
    for name in wanted:
        say(name)
        run, what = (run_micro, options.build_dir / 'bench' / 'backplane_bench_micro') if name == 'micro' else \
                    (run_wrk, program) if name == 'hello' else (run_scenario, program)
        try:
            measured, disturbance = least_disturbed(lambda: run(str(what), name, options.factor), options.attempts,
                                                    options.quiet_wait, say)
            figures.update(measured)
            disturbances[name] = disturbance.total
            for figure, values in measured.items():
                if figure != 'micro':
                    say(f'  {figure}: ' + ', '.join(f'{k} {v}' for k, v in values.items()))
        except Failed as problem:
            say(f'  {problem}')
            failed.append(name)
            figures[name] = 'it failed'
        except KeyboardInterrupt:
            say('  interrupted: the report has what was measured until now')
            failed.extend(wanted[wanted.index(name):])
            break
    text = report(figures, disturbances, machine(options.build_dir), options.factor)
    print(text)
    if failed:
        say('could not be measured: ' + ', '.join(failed))
        return 1
    if options.write:
        PAGE.write_text(put_into_page(PAGE.read_text(), text))
        say(f'written to {PAGE.relative_to(ROOT)}')
    return 0


if __name__ == '__main__':
    sys.exit(main())
