"""The suite: each store at each size, and the limits of the machine beside it."""

import math
import os
import shutil
import statistics
import time
from dataclasses import dataclass, field

from . import limits, queries
from .desk import ADMIN, PASSWORD, SETTLED, Desk, environment, fill
from .load import CONNECTIONS, Comments, Measure, Query, Running, median, rounds, wrk
from .place import Place, finished, folder_mib, machine, programs, read_whole, say
from .servers import Cluster
from .streams import STREAMS, fan_out

STORES = ("sled", "PostgreSQL")


@dataclass
class Extent:
    """How thoroughly it is measured."""

    sizes: list
    seconds: int = 3
    rounds: int = 3
    events: int = 200
    streams: int = STREAMS
    idle_seconds: int = 20
    settle_seconds: int = SETTLED
    # Until what the hashes of passwords took has gone back to the system.
    rest_seconds: int = 15
    starts: int = 5
    limit_seconds: int = 10

    @classmethod
    def quick(cls, sizes):
        """To see that all works; its figures say little."""
        return cls(sizes, seconds=1, rounds=1, events=20, streams=50, idle_seconds=1, settle_seconds=1, rest_seconds=0, starts=1, limit_seconds=2)


@dataclass
class Outcome:
    """What was found on one store at one size."""

    measures: dict = field(default_factory=dict)
    # The ceiling beside the writes, by which they are judged.
    ceiling: float = 0.0
    login: Measure = None
    beside: Measure = None
    # One sign-in at a time, in ms.
    alone_ms: float = 0.0
    # Comments a second beside the reads that say so.
    comments: float = 0.0
    events: tuple = (0.0, 0.0)
    # At rest after all of it, and the most, in MiB.
    memory: float = 0.0
    peak: float = 0.0
    disk: float = 0.0
    # Seconds from the start to the first 200: just filled, after writes and a clean stop, after `kill -9`.
    first_open: float = math.inf
    later_open: float = math.inf
    crash_open: float = math.inf
    # What the desk itself read from the disk for the last, in MiB: a disk may take ten times as long for it at one time as at another.
    crash_read: float = 0.0

    @property
    def clean_open(self):
        """The longer of those after which the desk had ended in good order."""
        return max(self.first_open, self.later_open)

    def measure(self, name):
        """Of a query."""
        return self.login if name == "login" else self.measures[name]

    def ratio(self, name):
        """A query's rate as a part of what `/health` gave in the same rounds; for sign-ins, in those of the writes before."""
        changes = name in ("comment", "create", "update", "login")
        health = queries.beside_comments("health") if name.endswith(queries.beside_comments("")) else "health"
        return self.measure(name).rate / (self.ceiling if changes else self.measures[health].rate)


@dataclass
class Found:
    """What a run found."""

    extent: Extent
    machine: list
    binary_mib: float = 0.0
    start_ms: float = 0.0
    # With a first admin from the settings, whose password has to be hashed before anybody is answered.
    admin_start_ms: float = 0.0
    idle_mib: float = 0.0
    postgres: str = ""
    # By size: seconds and most memory in MiB of filling the embedded store, and of moving that into PostgreSQL.
    filled: dict = field(default_factory=dict)
    moved: dict = field(default_factory=dict)
    outcomes: dict = field(default_factory=dict)
    bare: float = 0.0
    # One hash of a password, in ms.
    hash_ms: float = 0.0
    raw: dict = field(default_factory=dict)
    # What a new ticket writes on sled.
    shape: str = ""

    @property
    def sizes(self):
        """Those that are measured by now, on both stores."""
        return [size for size in self.extent.sizes if all((store, size) in self.outcomes for store in STORES)]


def run(extent, kept):
    """Measures everything; gives what it found. `kept` is called after each size with what is known by then: a run with a million
    tickets takes long enough to be broken off."""
    with Place() as place:
        binary, examples = programs(["limits"])
        found = Found(extent, machine(binary, place.folder), binary.stat().st_size / 2**20)
        footprint(place, binary, found)
        cluster = Cluster(place)
        found.postgres = cluster.version()
        say("the limits of the machine")
        found.bare = limits.bare_handler(place, examples["limits"], extent.seconds, extent.rounds)
        found.hash_ms = limits.hash_ms(examples["limits"], extent.limit_seconds)
        raw_limits(place, binary, examples["limits"], cluster, found)
        for size in extent.sizes:
            at_size(place, binary, cluster, size, found)
            kept(found)
        return found


def footprint(place, binary, found):
    """What an empty desk takes: time to its first answer, and memory when idle."""
    say("empty starts, and idle memory")
    first = {"bootstrap__admin_email": ADMIN, "bootstrap__admin_password": PASSWORD}
    empty = lambda **settings: Desk(place, binary, f"sled:{place.path('empty')}", **settings)
    plain, with_admin = [], []
    for _ in range(found.extent.starts):
        for starts, settings in ((plain, {}), (with_admin, first)):
            desk = empty(**settings)
            starts.append(desk.start() * 1e3)
            desk.stop()
    found.start_ms, found.admin_start_ms = statistics.median(plain), statistics.median(with_admin)
    desk = empty()
    desk.start()
    time.sleep(found.extent.idle_seconds)
    found.idle_mib = desk.memory()
    desk.stop()


def at_size(place, binary, cluster, size, found):
    """Both stores with the same desk of this size."""
    say(f"filling the embedded store with {size} tickets")
    data = place.path("data")
    url, name = f"sled:{data}", f"desk_{size}"
    found.filled[size] = fill(binary, url, size, place.path("fill"))
    first_opens = {"sled": first_open(place, binary, url)}
    say("moving a copy of it into PostgreSQL")
    cluster.create(name)
    command = [binary, "--json", "transfer", "--from", url, "--to", cluster.url(name)]
    _, *found.moved[size] = finished(command, env=environment(), cwd=place.folder)
    first_opens["PostgreSQL"] = first_open(place, binary, cluster.url(name))
    cluster.tidy(name)
    os.sync()
    # Moving it has read PostgreSQL's side last; a desk that has run for some time has its file in the system's memory.
    read_whole(data)
    for store in STORES:
        say(f"{store}, {size} tickets")
        where = url if store == "sled" else cluster.url(name)
        disk = (lambda: folder_mib(data)) if store == "sled" else (lambda: cluster.size_mib(name))
        found.outcomes[store, size] = on_store(place, binary, where, disk, found.extent, first_opens[store])
    cluster.drop(name)
    shutil.rmtree(data)


def first_open(place, binary, url):
    """Starts a desk that was just filled, and stops it; gives the seconds to its first 200."""
    desk = Desk(place, binary, url)
    seconds = desk.start()
    desk.stop()
    return seconds


def on_store(place, binary, url, disk, extent, first_open):
    """One store at one size: first what changes nothing, then what lets the desk grow, then sign-ins; then it is killed at work. What
    it is to read when it opens after a clean stop is written in a further round."""
    desk, outcome = Desk(place, binary, url), Outcome(first_open=first_open)
    desk.start()
    desk.sign_in()
    desk.settle(extent.settle_seconds)
    sample = queries.Sample(desk)
    reads = queries.reads(sample)
    outcome.measures = rounds(desk, reads, extent.rounds, extent.seconds)
    with Comments(desk, sample.open_ids) as comments:
        outcome.measures |= rounds(desk, queries.reads_beside(reads), extent.rounds, extent.seconds)
    outcome.comments = comments.rate
    outcome.events = fan_out(desk, sample.open_ids, extent.events, extent.streams)
    changes = queries.writes(sample)
    writes = rounds(desk, changes, extent.rounds, extent.seconds)
    outcome.ceiling = writes.pop("health").rate
    outcome.measures |= writes
    sign_ins(desk, sample, outcome, extent)
    outcome.peak = desk.memory("VmHWM")
    time.sleep(extent.rest_seconds)
    outcome.memory, outcome.disk = desk.memory(), disk()
    # A desk at rest would have written down where its index has come to.
    rounds(desk, changes, 1, extent.seconds)
    desk.kill()
    outcome.crash_open = desk.start()
    outcome.crash_read = desk.from_disk()
    rounds(desk, changes, 1, extent.seconds)
    desk.stop()
    outcome.later_open = desk.start()
    desk.stop()
    return outcome


def sign_ins(desk, sample, outcome, extent):
    """Sign-ins one at a time, then many at once, and what others notice of that; again and again, since a hash takes longer in some
    moments of a machine than in others."""
    alone, beside, logins, emails = [], [], [], queries.people(desk)
    others = Query("get", [queries.get(f"/tickets/{number}") for number in sample.ids])
    for _ in range(extent.rounds):
        for number in range(10):
            begun = time.perf_counter()
            desk.post("/auth/login", {"username": emails[number], "password": PASSWORD})
            alone.append((time.perf_counter() - begun) * 1e3)
        load = Running(desk, queries.login(emails), extent.seconds * 2, CONNECTIONS, 1)
        beside.append(wrk(desk, others, extent.seconds, 8, 1))
        logins.append(load.measure())
    outcome.alone_ms = statistics.median(alone)
    outcome.beside, outcome.login = median(beside), median(logins)


def raw_limits(place, binary, program, cluster, found):
    """What the engines alone do with a new ticket, and the desk's own code without HTTP."""
    seconds = found.extent.limit_seconds
    found.raw["sled"], found.shape = limits.sled_alone(place, program, seconds)
    found.raw["sled, without HTTP"] = limits.without_http(program, f"sled:{place.path('alone')}", seconds)
    cluster.create("alone")
    found.raw["PostgreSQL, without HTTP"] = limits.without_http(program, cluster.url("alone"), seconds)
    # What the server still has to tidy in it would be done beside the next measurement.
    cluster.drop("alone")
    cluster.create("bench")
    first = {"bootstrap__admin_email": ADMIN, "bootstrap__admin_password": PASSWORD}
    desk = Desk(place, binary, cluster.url("bench"), **first)
    desk.start()
    desk.sign_in()
    found.raw["pgbench"] = limits.pgbench(place, cluster, "bench", desk, seconds)
    desk.stop()
    cluster.drop("bench")
