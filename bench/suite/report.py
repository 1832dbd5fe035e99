"""The report of the suite: bench/RESULTS.md, and the figures of the front page."""

import os

from .aims import judged
from .load import CONNECTIONS
from .place import ROOT, Failed
from .speed import STORES

# From this size on a report has a place of its own, beside that of the sizes that `./dev bench` has by itself.
MILLION = 1_000_000
RESULTS, README = ROOT / "bench/RESULTS.md", ROOT / "README.md"

# What the front page shows, and what the desk that this one replaces did on a machine of the same kind, in requests a second.
FRONT = {
    "health": ("`GET /health`", ""),
    "get": ("`GET /tickets/{id}`", "562"),
    "list, newest": ("`GET /tickets?limit=50`", "24"),
    "search, two words": ("`GET /tickets?q=two words`", ""),
    "dashboard": ("`GET /analytics/dashboard`", "26"),
    "create": ("`POST /tickets`", "214"),
    "comment": ("`POST /tickets/{id}/comments`", ""),
    "login": ("`POST /auth/login`", "3–5"),
}
FORMER_MIB = "331"


def table(head, rows):
    """A table in Markdown; numbers stand right."""
    right = lambda column: all(str(row[column]).replace(".", "").replace(",", "").isdigit() for row in rows if row[column] != "")
    ruler = ["---:" if column and rows and right(column) else "---" for column in range(len(head))]
    return "\n".join("| " + " | ".join(map(str, row)) + " |" for row in (head, ruler, *rows)) + "\n"


def replace(file, mark, text):
    """Puts text between `<!-- MARK -->` and `<!-- /MARK -->` of a page."""
    page = file.read_text()
    begin, end = f"<!-- {mark} -->", f"<!-- /{mark} -->"
    if page.count(begin) != 1 or page.count(end) != 1:
        raise Failed(f"{file.name} has no place for {mark}")
    head, rest = page.split(begin)
    file.write_text(f"{head}{begin}\n\n{text.strip()}\n\n{end}{rest.split(end)[1]}")


def speed(found):
    """All that a run of the suite found."""
    extent = found.extent
    parts = [
        table(("machine", ""), found.machine + [("PostgreSQL", f"{found.postgres}, fsync on, in a folder on the same disk")]),
        f"Each figure is the median of {extent.rounds} × {extent.seconds} s with {CONNECTIONS} connections, interleaved; the ratio is to `/health` of the same\n"
        "rounds (of sign-ins: of the writes before them); CPU is processors that the desk itself keeps busy. Sign-ins take twice as long.\n",
        table(
            ("footprint, embedded store", ""),
            [
                ("binary", f"{found.binary_mib:.1f} MiB"),
                ("empty start to the first 200", f"{found.start_ms:.0f} ms (median of {extent.starts})"),
                ("the same with a first admin, whose password is hashed", f"{found.admin_start_ms:.0f} ms"),
                ("idle memory", f"{found.idle_mib:.1f} MiB"),
            ],
        ),
    ]
    for size in found.sizes:
        parts += [f"### {size:,} tickets\n", requests(found, size), stores(found, size)]
    aims = table(("aim", *(cell for store in STORES for cell in (store, ""))), judged(found))
    parts += ["### Limits of the machine\n", raw(found), "### Aims\n", aims]
    if len(found.sizes) > 1:
        parts.append(steadiness(found))
    return "\n".join(parts)


def steadiness(found):
    """What the machine itself did meanwhile."""
    first, last = found.sizes[0], found.sizes[-1]
    grown = lambda store: found.outcomes[store, last].measures["health"].p99 / found.outcomes[store, first].measures["health"].p99
    parts = " and ".join(f"{grown(store):.2f} ({store})" for store in STORES)
    return f"Of `/health`, which depends on no ticket, the 99th percentile at {last:,} was {parts} times that at {first:,}.\n"


def requests(found, size):
    head = ["request"] + [f"{store}: {what}" for store in STORES for what in ("requests/s", "ratio", "p50 ms", "p99 ms", "first p99 ms", "CPU", "not 2xx")]
    one, other = (found.outcomes[store, size] for store in STORES)
    rows = []
    for name in dict.fromkeys([*one.measures, *other.measures, "login"]):
        row = [name]
        for outcome in (one, other):
            # A word that is rare enough, or frequent enough, may be in one sample only.
            asked = name == "login" or name in outcome.measures
            row += cells(outcome.measure(name), outcome.ratio(name)) if asked else [""] * 7
        rows.append(row)
    beside = [cell for outcome in (one, other) for cell in cells(outcome.beside, outcome.beside.rate / outcome.ceiling)]
    rows.append([f"get, 8 connections, beside {CONNECTIONS} that sign in", *beside])
    return table(head, rows)


def cells(measure, ratio):
    return [f"{measure.rate:.0f}", f"{ratio:.3f}", f"{measure.p50:.2f}", f"{measure.p99:.2f}", f"{measure.first:.2f}", f"{measure.cpu:.2f}", str(measure.bad)]


def stores(found, size):
    one, other = (found.outcomes[store, size] for store in STORES)
    seconds, peak = found.filled[size]
    moved, moved_peak = found.moved[size]
    rate = lambda took: f"{size / took:,.0f}"
    rows = [
        ("filled by", f"`demo`: {seconds:.1f} s, {rate(seconds)} tickets/s, at most {peak:.0f} MiB", f"`transfer`: {moved:.1f} s, {rate(moved)} tickets/s, at most {moved_peak:.0f} MiB"),
        (f"a comment to the last of {found.extent.streams} live streams, p50 and p99", *(f"{o.events[0]:.1f} and {o.events[1]:.1f} ms" for o in (one, other))),
        ("comments a second, beside which it was read", *(f"{o.comments:.1f}" for o in (one, other))),
        (f"one sign-in alone; its hash takes {found.hash_ms:.1f} ms", *(f"{o.alone_ms:.1f} ms" for o in (one, other))),
        ("memory of the desk at rest after all of it, and at most", *(f"{o.memory:.0f} and {o.peak:.0f} MiB" for o in (one, other))),
        ("disk after all of it", *(f"{o.disk:.0f} MiB" for o in (one, other))),
        ("first start after it was filled, to the first 200", *(f"{o.first_open:.2f} s" for o in (one, other))),
        ("after all of it and `kill -9` at work", *(f"{o.crash_open:.2f} s" for o in (one, other))),
        ("for that it read from the disk", *(f"{o.crash_read:.0f} MiB" for o in (one, other))),
        ("after another round of writes and a clean stop", *(f"{o.later_open:.2f} s" for o in (one, other))),
    ]
    return table(("", *STORES), rows)


def raw(found):
    size = found.sizes[0]
    create = {store: found.outcomes[store, size].measures["create"].rate for store in STORES}
    per = lambda rate, store: f"{create[store] / rate:.2f}" if rate else ""
    rows = [
        ("a bare axum handler", f"{found.bare:.0f}", ""),
        (f"sled alone, one committer that groups, what a new ticket writes ({found.shape})", f"{found.raw['sled']:.0f}", per(found.raw["sled"], "sled")),
        ("the desk's use case on sled, without HTTP", f"{found.raw['sled, without HTTP']:.0f}", per(found.raw["sled, without HTTP"], "sled")),
        *((f"pgbench, the rows of a new ticket, {clients} clients", f"{rate:.0f}", per(rate, "PostgreSQL")) for clients, rate in found.raw["pgbench"].items()),
        ("the desk's use case on PostgreSQL, without HTTP", f"{found.raw['PostgreSQL, without HTTP']:.0f}", per(found.raw["PostgreSQL, without HTTP"], "PostgreSQL")),
    ]
    note = f"\n`/health` of the desk is {found.outcomes['sled', size].measures['health'].rate / found.bare:.2f} of the bare handler.\n"
    return table(("limit", "a second", f"`POST /tickets` at {size:,} tickets is of it"), rows) + note


def write(found):
    """Writes the report and the figures of the front page, once there is something to compare: the first of several sizes by itself
    would take the place of more. Tells whether it did."""
    if len(found.sizes) < min(2, len(found.extent.sizes)):
        return False
    replace(RESULTS, "million" if max(found.sizes) >= MILLION else "speed", speed(found))
    replace(README, "FIGURES", front(found))
    return True


def front(found):
    """The figures of the front page: the largest size."""
    size = found.sizes[-1]
    one, other = (found.outcomes[store, size] for store in STORES)
    footprint = [
        ("release binary", f"{found.binary_mib:.1f} MiB"),
        ("empty start to first answer", f"{found.start_ms:.0f} ms"),
        ("memory when idle", f"{found.idle_mib:.1f} MiB"),
        (f"memory with {size:,} tickets, after the load below: embedded, on PostgreSQL", f"{one.memory:.0f} MiB, {other.memory:.0f} MiB (the former desk: {FORMER_MIB} MiB)"),
        (f"opens with {size:,} tickets: after a clean stop, after `kill -9`", f"{one.clean_open:.2f} s, {one.crash_open:.2f} s"),
    ]
    rows = []
    for name, (call, former) in FRONT.items():
        row = [call]
        for outcome in (one, other):
            row += [f"{outcome.measure(name).rate:.0f}", f"{outcome.ratio(name):.3f}"]
        rows.append([*row, former])
    head = (f"call, {CONNECTIONS} connections, {os.cpu_count()} cores", "embedded, a second", "of `/health`", "PostgreSQL, a second", "of `/health`", "the former desk")
    return f"With {size:,} tickets of a demo:\n\n{table(('', ''), footprint)}\n{table(head, rows)}\n{reached(judged(found))}"


def reached(aims):
    """How many aims are reached, and which are not."""
    lines = []
    for at, store in enumerate(STORES):
        of = [(text, *parts[2 * at : 2 * at + 2]) for text, *parts in aims if parts[2 * at + 1]]
        missed = [f"{text}: {figure}" for text, figure, verdict in of if verdict != "yes"]
        what = f"all {len(of)} aims are reached" if not missed else f"{len(of) - len(missed)} of {len(of)} aims are reached. Not: {'; '.join(missed)}"
        lines.append(f"- {'Embedded store' if store == 'sled' else store}: {what}.")
    return "\n".join(lines) + "\n"
