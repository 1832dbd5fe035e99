"""What the desk is to reach, as ratios and bounds within one run, and whether it does."""

import os

from .queries import BESIDE_COMMENTS, beside_comments
from .speed import STORES

LISTS = ("list, newest", "list, filtered", "list, by priority", "list, deep page")
SEARCHES = ("search, one word", "search, two words", "search, a beginning", "search, rare words", "search, frequent words")
# The queries whose 99th percentile may not grow with the desk: all that page, also while somebody comments.
PAGING = (*LISTS, *SEARCHES, *(beside_comments(name) for name in BESIDE_COMMENTS if name in (*LISTS, *SEARCHES)))


def judged(found):
    """A row for each aim: for each store the figure, and whether it is reached."""
    sizes = found.sizes
    small, large = sizes[0], sizes[-1]
    rows = []

    def aim(text, *parts):
        row = [text]
        for store, part in zip(STORES, parts):
            if part is None:
                row += ["–", ""]
                continue
            try:
                value, bound, at_least, unit = part(found.outcomes[store, small], found.outcomes[store, large])
            except KeyError:
                # A word that is rare or frequent enough may be in no sample.
                row += ["not measured", "**no**"]
                continue
            reached = value >= bound if at_least else value <= bound
            row += [f"{value:.2f}{unit} ({'≥' if at_least else '≤'} {bound:g})", "yes" if reached else "**no**"]
        rows.append(row)

    ratio = lambda name, bound: lambda _, at: (at.ratio(name), bound, True, "")
    of_raw = lambda limit: lambda at, _: (at.measures["create"].rate / limit, 0.5, True, "")
    at_most = lambda figure, bound, unit: lambda _, at: (figure(at), bound, False, unit)
    aim("get / `/health`", ratio("get", 0.7), ratio("get", 0.25))
    for name in LISTS:
        aim(f"{name}, of 50 / `/health`", ratio(name, 0.3), ratio(name, 0.15))
    aim("dashboard / `/health`", ratio("dashboard", 0.5), ratio("dashboard", 0.25))
    aim(f"create at {small:,} / the engine alone", of_raw(found.raw["sled"]), of_raw(max(found.raw["pgbench"].values())))
    if len(sizes) > 1:
        for name in PAGING:
            grown = lambda before, after, name=name: (after.measures[name].p99 / before.measures[name].p99, 2, False, "")
            aim(f"p99 at {large:,} / at {small:,}: {name}", grown, grown)
    for search, bound in (("search, rare words", 20), ("search, frequent words", 100)):
        for name in (search, beside_comments(search)):
            p99 = at_most(lambda at, name=name: at.measures[name].p99, bound, " ms")
            aim(f"p99 of {name}", p99, p99)
    # The bounds are those for a million tickets, and so easier to keep with fewer.
    size = f"with {large:,} tickets"
    aim(f"open {size}, clean", at_most(lambda at: at.clean_open, 2, " s"), at_most(lambda at: at.clean_open, 0.3, " s"))
    aim(f"open {size}, after `kill -9`", at_most(lambda at: at.crash_open, 5, " s"), at_most(lambda at: at.crash_open, 0.3, " s"))
    aim(f"memory {size}, after the run", at_most(lambda at: at.memory, 512, " MiB"), at_most(lambda at: at.memory, 150, " MiB"))
    aim("empty start to the first answer", lambda *_: (found.start_ms, 50, False, " ms"), None)
    aim("idle memory", lambda *_: (found.idle_mib, 20, False, " MiB"), None)
    aim(
        f"commit to {found.extent.streams} streams, p99",
        at_most(lambda at: at.events[1], 100, " ms"),
        at_most(lambda at: at.events[1], 200, " ms"),
    )
    hashes = max(1, os.cpu_count() - 1)
    login = lambda _, at: (at.login.rate / (hashes * 1e3 / found.hash_ms), 0.8, True, "")
    aim("sign-ins / what the hashes allow", login, login)
    beside = at_most(lambda at: at.beside.p99, 20, " ms")
    aim("p99 of others meanwhile", beside, beside)
    bad = at_most(lambda at: sum(measure.bad for measure in (*at.measures.values(), at.login, at.beside)), 0, "")
    aim(f"answers that are not 2xx, {size}", bad, bad)
    return rows
