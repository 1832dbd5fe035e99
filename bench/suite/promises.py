"""Figures that docs/PROMISES.md needs, and those of moving: printed, and written into bench/RESULTS.md."""

import json
import shutil
import statistics
import subprocess
import time

from . import metrics, queries, report
from .desk import Desk, environment, fill
from .load import CONNECTIONS, Query, wrk
from .place import Failed, Place, finished, machine, programs, say
from .servers import Cluster
from .slow import SlowClients

SLOW = 2_000
# About an hour at a hundred events a second.
AWAY_TICKETS = 46_000


def run(sizes, quick):
    """Measures them; gives the exit code."""
    sizes = sizes or ([300] if quick else [10_000, 100_000])
    seconds, rounds = (1, 1) if quick else (3, 5)
    rows = []
    with Place() as place:
        binary, examples = programs(["login_times"])
        about = machine(binary, place.folder)
        rows += login_times(examples["login_times"])
        cluster = Cluster(place)
        for size in sizes:
            data = place.path("data")
            fill(binary, f"sled:{data}", size, place.path("fill"))
            rows += moved(place, binary, cluster, data, size)
            rows += metrics.backfill(place, binary, f"sled:{data}")
        rows += served(place, binary, f"sled:{data}", size, seconds, rounds)
        shutil.rmtree(data)
        rows += metrics.away(place, binary, 300 if quick else AWAY_TICKETS, seconds, rounds)
    text = report.table(("machine", ""), about) + "\n" + report.table(("promise", "what", "aim", "figure"), rows)
    print(text)
    if not quick:
        report.replace(report.RESULTS, "promises", text)
        say("bench/RESULTS.md is written")
    return 0


def login_times(program):
    """P20: the medians of refused sign-ins; the program says itself whether they are near enough."""
    say("P20: times of refused sign-ins")
    done = subprocess.run([program], capture_output=True, text=True)
    lines = done.stdout.strip().splitlines()
    if not lines:
        raise Failed(f"login_times: {done.stderr}")
    return [("P20", "; ".join(" ".join(line.split()) for line in lines[:-1]), "≤ 10 % apart", lines[-1])]


def moved(place, binary, cluster, data, size):
    """A desk from the embedded store to PostgreSQL and back."""
    say(f"moving {size} tickets to PostgreSQL and back")
    name, back = f"moved_{size}", place.path("back")
    cluster.create(name)
    ways = [("to PostgreSQL", f"sled:{data}", cluster.url(name)), ("back", cluster.url(name), f"sled:{back}")]
    rows, sums = [], []
    for way, source, target in ways:
        told, seconds, peak = finished([binary, "--json", "transfer", "--from", source, "--to", target], env=environment(), cwd=place.folder)
        sums.append(json.loads(told)["collections"])
        records = sum(one["rows"] for one in sums[-1])
        rows.append(("moving", f"{size:,} tickets, {records:,} records, {way}", "memory does not grow", f"{seconds:.1f} s, {records / seconds:.0f} records/s, at most {peak:.0f} MiB"))
    rows.append(("moving", "hashes of every collection, there and back", "equal", "equal" if sums[0] == sums[1] else "NOT EQUAL"))
    cluster.drop(name)
    shutil.rmtree(back)
    return rows


def served(place, binary, url, size, seconds, rounds):
    """P33, P12 and P34, on one desk."""
    desk = Desk(place, binary, url, server__max_connections_per_address=8192)
    desk.start()
    desk.sign_in()
    sample = queries.Sample(desk)
    rows = scrapes(desk, size)
    rows += slow_clients(desk, sample, seconds, rounds)
    rows += overload(desk, sample, seconds, rounds)
    desk.stop()
    return rows


def scrapes(desk, size, times=100):
    """P33: how long a scrape takes."""
    say("P33: scrapes")
    took = []
    for _ in range(times):
        begun = time.perf_counter()
        status, _, body = desk.ask("GET", "/metrics")
        took.append((time.perf_counter() - begun) * 1e3)
        if status != 200:
            raise Failed(f"GET /metrics: {status}")
    series = sum(1 for line in body.decode().splitlines() if line and not line.startswith("#"))
    figure = f"median {statistics.median(took):.1f} ms, longest {max(took):.1f} ms, {series} series"
    return [("P33", f"{times} scrapes of /metrics with {size:,} tickets", "≤ 50 ms, ≤ 2,000 series", figure)]


def slow_clients(desk, sample, seconds, rounds):
    """P12: what others notice of clients that send a byte a second."""
    say(f"P12: {SLOW} slow clients")
    load = Query("get", [queries.get(f"/tickets/{number}") for number in sample.ids])
    alone, beside, cut = [], [], 0
    for _ in range(rounds):
        alone.append(wrk(desk, load, seconds))
        with SlowClients(desk.port, SLOW) as slow:
            beside.append(wrk(desk, load, seconds * 4))
            cut += slow.cut
    p99 = lambda measures: statistics.median(measure.p99 for measure in measures)
    one, other, bad = p99(alone), p99(beside), sum(measure.bad for measure in alone + beside)
    figure = f"{one:.2f} ms, {other:.2f} ms ({other / one:.2f} ×), {bad} not 2xx; {cut} slow ones were cut by the timers and came again"
    return [("P12", f"p99 of get with {CONNECTIONS} connections: alone, beside {SLOW} connections at 1 B/s", "≤ 2 ×", figure)]


def overload(desk, sample, seconds, rounds):
    """P34: what is still done with four times the connections of the peak: pairs, since a desk that is written to grows."""
    rows = []
    kinds = [Query("list", [queries.get("/tickets?limit=50")]), *(one for one in queries.writes(sample) if one.name == "create")]
    for query in kinds:
        say(f"P34: {query.name} with ever more connections")
        rates = {connections: wrk(desk, query, seconds, connections).rate for connections in (16, 64, 256, 512)}
        peak = max(rates, key=rates.get)
        pairs = []
        for turn in range(rounds):
            order = (peak, peak * 4) if turn % 2 else (peak * 4, peak)
            found = {connections: wrk(desk, query, seconds, connections) for connections in order}
            pairs.append((found[peak], found[peak * 4]))
        best, over = (statistics.median(pair[place].rate for pair in pairs) for place in (0, 1))
        ratio = statistics.median(more.rate / one.rate for one, more in pairs)
        p99, bad = statistics.median(more.p99 for _, more in pairs), sum(more.bad for _, more in pairs)
        figure = f"{over:.0f}/s, {ratio:.2f} of it, p99 {p99:.0f} ms, {bad} refused or broken"
        rows.append(("P34", f"{query.name}: peak of {best:.0f}/s with {peak} connections; with {peak * 4}", "≥ 0.80", figure))
    return rows
