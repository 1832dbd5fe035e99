"""Servers of the run's own: a PostgreSQL cluster and an InfluxDB, in its folder. The keepers of the tests hold them, which
stop them and remove their folders also when this process is killed."""

import re
import shutil
import subprocess
from pathlib import Path

from .place import ROOT, Failed

KEEPERS = ROOT / "tests/it/support"


def _programs():
    """The folder of PostgreSQL's programs: the newest of Debian's, or where `postgres` is found."""
    versions = [path for path in Path("/usr/lib/postgresql").glob("*/bin") if (path / "initdb").is_file() and path.parent.name.isdigit()]
    if versions:
        return max(versions, key=lambda path: int(path.parent.name))
    found = shutil.which("initdb")
    if not found:
        raise Failed("PostgreSQL is needed: run ./dev setup, or apt-get install postgresql")
    return Path(found).parent


class Cluster:
    """A PostgreSQL as it comes (`fsync` and `synchronous_commit` on), reached by a socket in its folder."""

    SETTINGS = ("shared_buffers=256MB", "max_connections=200", "max_wal_size=4GB")

    def __init__(self, place):
        self.folder, self.bin = place.path("pg"), _programs()
        self.folder.mkdir()
        self.keeper = subprocess.Popen(
            ["bash", KEEPERS / "postgres.sh", self.folder, self.bin, *self.SETTINGS],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, process_group=0,
        )
        place.callback(self.stop)
        answer = self.keeper.stdout.readline().strip()
        if answer != "started":
            raise Failed(f"PostgreSQL does not start: {answer}")

    def stop(self):
        """Ends the server and removes its folder."""
        if self.keeper.poll() is None:
            self.keeper.stdin.close()
            self.keeper.wait()

    def url(self, name):
        """Where a database is, for the desk."""
        return f"postgres://postgres@localhost/{name}?host={self.folder}"

    def run(self, program, *arguments, database="postgres", given=None):
        """Runs one of PostgreSQL's programs on a database; gives its output."""
        command = [self.bin / program, "-h", self.folder, "-U", "postgres", *arguments, database]
        done = subprocess.run([str(part) for part in command], input=given, capture_output=True, text=True)
        if done.returncode != 0:
            raise Failed(f"{program}: {done.stderr.strip()[-2000:]}")
        return done.stdout.strip()

    def sql(self, query, database="postgres"):
        """The answer to a query, without decoration."""
        return self.run("psql", "-AtX", "-v", "ON_ERROR_STOP=1", "-c", query, database=database)

    def create(self, name):
        """Makes an empty database."""
        self.sql(f"CREATE DATABASE {name}")

    def drop(self, name):
        """Removes a database."""
        self.sql(f"DROP DATABASE {name} WITH (FORCE)")

    def tidy(self, name):
        """Does to a database that was just filled what the server does by itself some minutes later."""
        self.sql("VACUUM ANALYZE", name)
        self.sql("CHECKPOINT")

    def size_mib(self, name):
        """What a database takes on the disk, in MiB."""
        return int(self.sql(f"SELECT pg_database_size('{name}')")) / 2**20

    def version(self):
        """Of the server."""
        return self.sql("SHOW server_version").split()[0]


class Influx:
    """An InfluxDB 1.x without authentication."""

    CONFIG = """reporting-disabled = true
bind-address = "127.0.0.1:0"
[meta]
dir = "{0}/meta"
[data]
dir = "{0}/data"
wal-dir = "{0}/wal"
query-log-enabled = false
[monitor]
store-enabled = false
[http]
bind-address = "127.0.0.1:{1}"
log-enabled = false
"""

    def __init__(self, place, port=0):
        if not shutil.which("influxd"):
            raise Failed("InfluxDB is needed: run ./dev setup, or apt-get install influxdb")
        folder = place.path("influx")
        folder.mkdir()
        (folder / "influxdb.conf").write_text(self.CONFIG.format(folder, port))
        self.keeper = subprocess.Popen(
            ["bash", KEEPERS / "servers.sh", folder, "influxd", "-config", folder / "influxdb.conf"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, process_group=0,
        )
        place.callback(self.stop)
        for line in self.keeper.stdout:
            if found := re.search(r"Listening on HTTP.*addr=(\S+)", line):
                self.url = f"http://{found[1]}"
                break
        else:
            raise Failed("InfluxDB does not start")
        # The rest is thrown away, so that the server can write on.
        self.drain = subprocess.Popen(["cat"], stdin=self.keeper.stdout, stdout=subprocess.DEVNULL)

    def stop(self):
        """Ends the server and removes its folder."""
        if self.keeper.poll() is None:
            self.keeper.stdin.close()
            self.keeper.wait()
            self.drain.wait()
