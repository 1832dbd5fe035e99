"""InfluxDB: what its absence costs, and how quickly the past is written into it again."""

import json
import shutil
import statistics
import time
import urllib.parse
import urllib.request

from . import queries
from .desk import Desk, environment, fill, free_port
from .load import Query, wrk
from .place import Failed, finished, say
from .servers import Influx

BUCKET = "taquilla"


def query(influx, text, bucket=BUCKET):
    """The series that InfluxDB answers with."""
    data = urllib.parse.urlencode({"db": bucket, "q": text}).encode()
    with urllib.request.urlopen(f"{influx.url}/query", data, timeout=120) as answer:
        return json.load(answer)["results"][0].get("series", [])


def points(influx, bucket=BUCKET):
    """How many points each measurement has."""
    return {series["name"]: series["values"][0][1] for series in query(influx, 'SELECT count("count") FROM /.*/', bucket)}


def away(place, binary, tickets, seconds, rounds):
    """A desk whose InfluxDB refuses while its log is long, beside one that has none: rows of the report. Then it comes."""
    say(f"P30: two desks of {tickets} tickets, one of them with an InfluxDB that refuses")
    folder, port = place.path("data"), free_port()
    fill(binary, f"sled:{folder}", tickets, place.path("fill"))
    copy = place.path("data")
    shutil.copytree(folder, copy)
    without = Desk(place, binary, f"sled:{folder}")
    refused = Desk(place, binary, f"sled:{copy}", influxdb__url=f"http://127.0.0.1:{port}")
    asked = {}
    for desk in (without, refused):
        desk.start()
        desk.sign_in()
        sample = queries.Sample(desk)
        create = next(one for one in queries.writes(sample) if one.name == "create")
        asked[desk] = [Query("get", [queries.get(f"/tickets/{number}") for number in sample.ids]), create]
    backlog = int(refused.metric("taquilla_influx_lag_events"))
    found = {(name, desk): [] for name in ("get", "create") for desk in asked}
    for turn in range(rounds):
        for place_of, name in enumerate(("get", "create")):
            for desk in list(asked)[:: -1 if turn % 2 else 1]:
                found[name, desk].append(wrk(desk, asked[desk][place_of], seconds).p99)
    memory = refused.memory() - without.memory()
    rows = [("P30", "entries of the log that wait for InfluxDB, at the beginning", "", str(backlog))]
    for name in ("get", "create"):
        one, other = (statistics.median(found[name, desk]) for desk in (without, refused))
        more = statistics.median(there / here for here, there in zip(found[name, without], found[name, refused])) - 1
        rows.append(("P30", f"p99 of {name}: without InfluxDB, with one that refuses", "< 5 % more", f"{one:.2f} ms, {other:.2f} ms (pairs: {more * 100:+.1f} %)"))
    rows.append(("P30", "more memory with it", "≤ 32 MiB", f"{memory:+.1f} MiB"))
    without.stop()
    return rows + [comes(place, refused, port)]


def comes(place, desk, port, patience=600):
    """InfluxDB comes: how long until it has everything, each point once."""
    waiting = int(desk.metric("taquilla_influx_lag_events"))
    influx = Influx(place, port)
    query(influx, f"CREATE DATABASE {BUCKET}")
    begun = time.monotonic()
    while desk.metric("taquilla_influx_lag_events"):
        if time.monotonic() - begun > patience:
            raise Failed(f"after {patience} s InfluxDB has not got everything: {int(desk.metric('taquilla_influx_lag_events'))} entries wait")
        time.sleep(0.5)
    took = time.monotonic() - begun
    sent = int(desk.metric("taquilla_influx_points_total"))
    desk.stop()
    stored = sum(points(influx).values())
    influx.stop()
    figure = f"{waiting} entries within {took:.0f} s, of which up to 60 s are the wait before the next try; {sent} points sent, {stored} stored"
    return ("P30", "after it has come: everything is sent", "each point once", figure)


def backfill(place, binary, url):
    """Writes the whole past into an empty InfluxDB, twice: rows of the report."""
    say("backfill of InfluxDB, twice")
    influx = Influx(place)
    settings = environment(storage__url=url, influxdb__url=influx.url)
    finished([binary, "influx", "init"], env=settings, cwd=place.folder)
    until = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    times, counts = [], []
    for _ in range(2):
        command = [binary, "--json", "influx", "backfill", "--since", "2000-01-01", "--until", until]
        told, seconds, peak = finished(command, env=settings, cwd=place.folder)
        told = json.loads(told)
        times.append((seconds, told["points"] / seconds, peak))
        counts.append(points(influx))
    version = urllib.request.urlopen(f"{influx.url}/ping").headers["X-Influxdb-Version"]
    influx.stop()
    seconds, rate, peak = times[0]
    equal = "equal" if counts[0] == counts[1] else f"NOT EQUAL: {counts}"
    return [
        ("backfill", f"into InfluxDB {version}: {told['entries']} entries, {told['points']} points", "≥ 50,000 points/s", f"{seconds:.1f} s, {rate:.0f} points/s, at most {peak:.0f} MiB"),
        ("backfill", f"points stored after the first and the second time: {sum(counts[0].values())}, {sum(counts[1].values())}", "equal", equal),
    ]
