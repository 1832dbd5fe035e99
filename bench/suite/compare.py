"""Whether this tree is slower than another revision: both binaries, and this one twice, in interleaved rounds."""

import math
import shutil
import statistics
import subprocess

from . import queries
from .desk import SETTLED, Desk, fill
from .load import wrk
from .place import ROOT, TARGET, Failed, Place, build, programs, say
from .report import table
from .servers import Cluster
from .speed import STORES

# Below this, a difference says nothing.
LEAST_NOISE = 0.01
# Above this, no difference says that it is slower: it could be a tenth.
MOST_NOISE = 0.05
UNKNOWN = "cannot be told"


def revision(name):
    """The full name of a revision."""
    done = subprocess.run(["git", "rev-parse", "--verify", "--end-of-options", f"{name}^{{commit}}"], cwd=ROOT, capture_output=True, text=True)
    if done.returncode != 0:
        raise Failed(f"--compare: there is no revision {name}")
    return done.stdout.strip()


def binary_of(commit):
    """The release build of a revision, in a folder of its own; made once."""
    binary = TARGET / "compare" / commit / "taquilla"
    if not binary.is_file():
        tree = TARGET / "compare" / "tree"
        git = lambda *arguments: subprocess.run(["git", *map(str, arguments)], cwd=ROOT, check=True, stdout=subprocess.DEVNULL)
        # What an interrupted run has left.
        shutil.rmtree(tree, ignore_errors=True)
        git("worktree", "prune")
        git("worktree", "add", "--force", "--detach", tree, commit)
        try:
            # In the same folder as ours, so that what both use is built once; then ours is put in its place again.
            built = build("--bin", "taquilla", folder=tree) / "taquilla"
            binary.parent.mkdir(parents=True, exist_ok=True)
            binary.write_bytes(built.read_bytes())
            binary.chmod(0o755)
        finally:
            git("worktree", "remove", "--force", tree)
    return binary


def run(name, sizes, rounds, seconds, quick):
    """Compares; gives the exit code: 1 when something is slower than the noise explains."""
    commit = revision(name)
    other = binary_of(commit)
    ours, _ = programs()
    rounds, seconds = rounds or (2 if quick else 7), seconds or (1 if quick else 2)
    rows = []
    with Place() as place:
        cluster = Cluster(place)
        for size in sizes:
            for store in STORES:
                say(f"{store}, {size} tickets: this tree, itself again, and {commit[:12]}, {rounds} rounds")
                found = measured(place, cluster, {"ours": ours, "again": ours, "theirs": other}, store, size, rounds, seconds, 1 if quick else SETTLED)
                rows += [(store, size, *judged(query, found[query])) for query in found]
    print(table(("store", "tickets", "request", f"{commit[:12]}, a second", "this tree", "change", "bound", ""), rows))
    slower = [row for row in rows if row[-1] == "SLOWER"]
    print(f"{len(slower)} of {len(rows)} are slower than twice the noise explains")
    unknown = [row for row in rows if row[-1] == UNKNOWN]
    if unknown:
        print(f"{len(unknown)} cannot be told within a tenth, so much do equal ones differ: take more --rounds or longer --seconds")
    return 1 if slower else 0


def measured(place, cluster, binaries, store, size, rounds, seconds, settle):
    """The rates of each query on a desk of each binary, round by round."""
    desks, asked = {}, {}
    for who, binary in binaries.items():
        if store == "sled":
            url = f"sled:{place.path('data')}"
        else:
            database = f"{who}_{size}"
            cluster.create(database)
            url = cluster.url(database)
        # Each by its own program, as an older one may not read what a newer one has written.
        fill(binary, url, size, place.path("fill"))
        desk = desks[who] = Desk(place, binary, url)
        desk.start()
        desk.sign_in()
        desk.settle(settle)
        sample = queries.Sample(desk)
        asked[who] = queries.reads(sample), queries.writes(sample)[1:]
        if store == "PostgreSQL":
            # It would come earlier on one desk than on another.
            cluster.tidy(database)
    # By name: words that are rare or frequent enough may be on one desk only.
    by_name = lambda queries: {query.name: query for query in queries}
    asked = {who: [by_name(kind) for kind in kinds] for who, kinds in asked.items()}
    both = [[name for name in kind if all(name in asked[who][number] for who in desks)] for number, kind in enumerate(asked["ours"])]
    found = {name: {who: [] for who in desks} for kind in both for name in kind}
    order = list(desks)
    # All reads come before all writes, after which the desks are not alike: each moves new texts to its index in its own time.
    for kind in range(2):
        for _ in range(rounds):
            # Nobody is always first.
            order = order[1:] + order[:1]
            for name in both[kind]:
                for who in order:
                    found[name][who].append(wrk(desks[who], asked[who][kind][name], seconds).rate)
    for desk in desks.values():
        desk.stop()
    return found


def judged(query, rates):
    """A row: by how much this tree differs, and whether that is more than twice what it differs from itself."""
    if not all(rate for of in rates.values() for rate in of):
        raise Failed(f"{query}: nothing was answered in time; --seconds must be longer")
    pairs = lambda one, other: [math.log(a / b) for a, b in zip(rates[one], rates[other])]
    noise = max(LEAST_NOISE, statistics.median(map(abs, pairs("again", "ours"))))
    # Each round has two runs of ours.
    change = statistics.median(pairs("ours", "theirs") + pairs("again", "theirs"))
    verdict = "SLOWER" if change < -2 * noise else "faster" if change > 2 * noise else UNKNOWN if noise > MOST_NOISE else ""
    shown = lambda part: f"{(math.exp(part) - 1) * 100:+.1f} %"
    middle = lambda who: f"{statistics.median(rates[who]):.0f}"
    return query, middle("theirs"), middle("ours"), shown(change), f"±{2 * noise * 100:.1f} %", verdict
