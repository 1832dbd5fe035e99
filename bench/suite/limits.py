"""What the machine gives without the desk: a bare handler, the storage engines alone with the rows of a new ticket."""

import random
import re
import subprocess

from .desk import cpu_seconds
from .load import CONNECTIONS, Query, wrk
from .place import Failed, finished
from .queries import new_ticket


class Bare:
    """A bare axum handler with a constant answer, as `wrk` wants it."""

    def __init__(self, place, limits):
        self.folder = place.folder
        self.process = subprocess.Popen([limits, "http"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        place.callback(self.stop)
        self.origin = self.process.stdout.readline().strip()
        if not self.origin:
            raise Failed("the bare handler does not start")

    def cpu(self):
        return cpu_seconds(self.process.pid)

    def stop(self):
        if self.process.poll() is None:
            self.process.stdin.close()
            self.process.wait()


def bare_handler(place, limits, seconds, count):
    """Requests a second of a bare handler, the best of some tries: it is the limit."""
    server = Bare(place, limits)
    best = max((wrk(server, Query("health"), seconds) for _ in range(count)), key=lambda measure: measure.rate)
    server.stop()
    return best.rate


def sled_alone(place, limits, seconds):
    """Commits a second by sled with one committer that groups: the same keys and bytes as a new ticket of the desk. Gives what
    that is, too."""
    shape, rate = finished([limits, "sled", place.path("sled"), seconds])[0].splitlines()
    return float(rate), shape


def hash_ms(limits, seconds):
    """How long one hash of a password takes, in ms: they come one after another."""
    return float(finished([limits, "hash", seconds])[0])


def without_http(limits, url, seconds):
    """Tickets a second by the desk's own use case on an empty store, without HTTP."""
    return float(finished([limits, "create", url, seconds])[0])


def _insert(cluster, database, table, where, new):
    """A statement that writes the same rows again, with pgbench's variables for what must be new."""
    columns = cluster.sql(
        f"SELECT column_name FROM information_schema.columns WHERE table_schema = 'taquilla' AND table_name = '{table}' ORDER BY ordinal_position",
        database,
    ).split()
    values = " || ', ' || ".join(f"'{new[column]}'" if column in new else f"quote_nullable({column}::text)" for column in columns)
    rows = cluster.sql(f"SELECT string_agg('(' || {values} || ')', ', ') FROM taquilla.{table} WHERE {where}", database)
    if not rows:
        raise Failed(f"a new ticket has left no row in {table}")
    return f"INSERT INTO taquilla.{table} ({', '.join(columns)}) VALUES {rows.replace(chr(10), ' ')};"


def _script(cluster, database, desk):
    """The statements of a new ticket, taken from the rows that one has left in the database."""
    draw = random.Random(1)
    insert = lambda table, where, **new: _insert(cluster, database, table, where, new)
    for last in (False, False, False, True):
        # Moves of the counters are summed up and removed now and then: seen just after they were made.
        cluster.sql("SELECT taquilla.sum_figures()", database)
        ticket = desk.post("/tickets", new_ticket(draw))["id"]
        try:
            moves = insert("figure_moves", "true")
            break
        except Failed:
            if last:
                raise
    return "\n".join([
        "SELECT nextval('taquilla.ticket_ids') AS ticket \\gset",
        "BEGIN;",
        insert("tickets", f"id = {ticket}", id=":ticket"),
        insert("search_new", f"ticket_id = {ticket}", ticket_id=":ticket"),
        moves,
        "INSERT INTO taquilla.commits (token, entries) VALUES (:ticket, 1) RETURNING nr \\gset",
        insert("entries", f"ticket_id = {ticket}", commit_nr=":nr", ticket_id=":ticket"),
        "COMMIT;",
        "",
    ])


def pgbench(place, cluster, database, desk, seconds):
    """Transactions a second by pgbench that write the rows of a new ticket: with as many clients as the desk has connections to
    the database, and as many as the load has."""
    text = _script(cluster, database, desk)
    copy = f"{database}_limit"
    # The desk keeps its connections, so the schema is copied, and not the database.
    cluster.create(copy)
    schema = cluster.run("pg_dump", "--schema-only", "--schema=taquilla", database=database)
    cluster.run("psql", "-qX", "-v", "ON_ERROR_STOP=1", database=copy, given=schema)
    file = place.path("pgbench.sql")
    file.write_text(text)
    found = {}
    for clients in (10, CONNECTIONS):
        told = cluster.run("pgbench", "-n", "-c", str(clients), "-j", "2", "-T", str(seconds), "-M", "prepared", "-f", file, database=copy)
        if "number of failed transactions: 0 " not in told:
            raise Failed(f"pgbench: {told}")
        found[clients] = float(re.search(r"tps = ([\d.]+)", told)[1])
    cluster.drop(copy)
    return found
