"""Load by wrk."""

import itertools
import math
import re
import statistics
import subprocess
import threading
import time
from dataclasses import dataclass, field

from .place import ROOT, Failed

CONNECTIONS, THREADS = 64, 2
# Each run of wrk draws other requests.
RUNS = itertools.count()


@dataclass
class Query:
    """A kind of request: its name in the report, and lines for requests.lua, or one path without a sign-in."""

    name: str
    lines: list = field(default_factory=list)
    path: str = "/health"


@dataclass
class Measure:
    """What one measurement found: 2xx answers a second, milliseconds, answers that are not 2xx, and processors kept busy."""

    rate: float
    p50: float
    p99: float
    bad: int
    cpu: float = 0.0
    # The 99th percentile of the first round, in which much is asked for the first time.
    first: float = 0.0


UNITS = {"us": 1e-3, "ms": 1.0, "s": 1e3, "m": 6e4}


def _ms(text):
    number, unit = re.fullmatch(r"([\d.]+)(us|ms|s|m)", text).groups()
    return float(number) * UNITS[unit]


class Running:
    """wrk, on its way."""

    def __init__(self, desk, query, seconds, connections=CONNECTIONS, threads=THREADS):
        self.seconds, self.files = seconds, []
        command = ["wrk", "-t", threads, "-c", connections, "-d", f"{seconds}s", "--latency", "--timeout", "15s"]
        if query.lines:
            file = desk.folder / f"lines-{time.monotonic_ns()}"
            self.files.append(file)
            file.write_text("".join(f"{line}\n" for line in query.lines))
            command += ["-s", ROOT / "bench/requests.lua", "-H", f"Authorization: Bearer {desk.token}", "-H", "Content-Type: application/json"]
            command += [desk.origin, "--", file, next(RUNS)]
        else:
            command += [desk.origin + query.path]
        self.desk, self.cpu, self.begun = desk, desk.cpu(), time.monotonic()
        self.process = subprocess.Popen([str(part) for part in command], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)

    def measure(self):
        """Waits for its end; gives what it found."""
        try:
            text = self.process.communicate(timeout=self.seconds + 60)[0]
        except BaseException:
            self.process.kill()
            self.process.wait()
            raise
        cpu = (self.desk.cpu() - self.cpu) / (time.monotonic() - self.begun)
        for file in self.files:
            file.unlink()
        if self.process.returncode != 0:
            raise Failed(f"wrk: {text}")
        return parsed(text, cpu)


def parsed(text, cpu=0.0):
    """What wrk says."""
    found = lambda pattern: re.search(pattern, text, re.MULTILINE)
    if not found(r"^Requests/sec"):
        raise Failed(f"wrk: {text}")
    bad = int(m[1]) if (m := found(r"Non-2xx or 3xx responses: (\d+)")) else 0
    broken = sum(map(int, re.findall(r"\d+", m[1]))) if (m := found(r"Socket errors: (.*)")) else 0
    total, rate = int(found(r"^ *(\d+) requests in")[1]), float(found(r"^Requests/sec: *([\d.]+)")[1])
    if not total:
        return Measure(0.0, math.inf, math.inf, broken, cpu)
    # Only what was answered with 2xx counts as done.
    return Measure(rate * (total - bad) / total, _ms(found(r"^ *50% *(\S+)")[1]), _ms(found(r"^ *99% *(\S+)")[1]), bad + broken, cpu)


def wrk(desk, query, seconds, connections=CONNECTIONS, threads=THREADS):
    """Measures a kind of request for so many seconds."""
    return Running(desk, query, seconds, connections, threads).measure()


def rounds(desk, queries, count, seconds):
    """Measures kinds of requests one after another, again and again, so that a slow moment of the machine touches all alike;
    gives the medians by name."""
    found = {query.name: [] for query in queries}
    for _ in range(count):
        for query in queries:
            found[query.name].append(wrk(desk, query, seconds))
    return {name: median(measures) for name, measures in found.items()}


def median(measures):
    """The medians of measurements; what went wrong is added up."""
    middle = lambda key: statistics.median(getattr(measure, key) for measure in measures)
    return Measure(middle("rate"), middle("p50"), middle("p99"), sum(measure.bad for measure in measures), middle("cpu"), measures[0].p99)


class Comments:
    """Somebody who comments as often as this a second, for as long as it is open."""

    RATE = 20

    def __init__(self, desk, tickets):
        self.desk, self.tickets, self.failed, self.over, self.rate = desk, tickets, None, threading.Event(), 0.0
        self.thread = threading.Thread(target=self._run)

    def __enter__(self):
        self.thread.start()
        return self
        return self

    def __exit__(self, *_):
        self.over.set()
        self.thread.join()
        if self.failed:
            raise self.failed

    def _run(self):
        number = 0
        begun = time.monotonic()
        try:
            while not self.over.wait(max(0, begun + number / self.RATE - time.monotonic())):
                self.desk.post(f"/tickets/{self.tickets[number % len(self.tickets)]}/comments", {"content": f"Looked at again, no. {number}."})
                number += 1
        except Exception as error:
            self.failed = error
        # What has been reached: one comment follows another.
        self.rate = number / (time.monotonic() - begun)
