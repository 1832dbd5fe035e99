"""Where a run works: the programs that it measures, a folder that is removed in the end, and the machine."""

import contextlib
import os
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
TARGET = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target")).resolve()


def say(text):
    """Tells whoever waits how far it is."""
    print(f"bench {time.strftime('%H:%M:%S')}: {text}", file=sys.stderr, flush=True)


class Failed(Exception):
    """The run cannot go on; the message says why."""


def build(*what, folder=ROOT):
    """Makes release builds, such as `--bin taquilla`, and gives the folder that they are in."""
    command = ["cargo", "build", "--release", "--locked", *what]
    say(" ".join(command))
    if subprocess.run(command, cwd=folder, env={**os.environ, "CARGO_TARGET_DIR": str(TARGET)}).returncode != 0:
        raise Failed("the build failed")
    return TARGET / "release"


def programs(examples=()):
    """The desk, and examples by name: release builds, unless TAQUILLA_BIN names another build to try."""
    named = os.environ.get("TAQUILLA_BIN")
    if named:
        binary = Path(named).resolve()
        if not binary.is_file():
            raise Failed(f"TAQUILLA_BIN: there is no {named}")
        folder = binary.parent
        missing = [name for name in examples if not (folder / "examples" / name).is_file()]
        if missing:
            raise Failed(f"TAQUILLA_BIN: beside it, examples/{missing[0]} is missing (cargo build --example {missing[0]})")
    else:
        # Apart: beside the examples the desk would be built with what its tests need, too.
        if examples:
            build(*[part for name in examples for part in ("--example", name)])
        folder = build("--bin", "taquilla")
        binary = folder / "taquilla"
    return binary, {name: folder / "examples" / name for name in examples}


class Place(contextlib.ExitStack):
    """A folder on the disk of the build (/tmp may be memory), and what has to be stopped in the end: `with Place() as place`."""

    def __enter__(self):
        super().__enter__()
        # Ended from outside, everything is stopped and removed all the same.
        for number in (signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, lambda number, _: sys.exit(128 + number))
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard if hard != resource.RLIM_INFINITY else max(soft, 65536), hard))
        TARGET.mkdir(parents=True, exist_ok=True)
        self.folder = Path(tempfile.mkdtemp(prefix="bench-", dir=TARGET))
        # PostgreSQL, which does not run as root, has its folder in it.
        self.folder.chmod(0o711)
        self.callback(shutil.rmtree, self.folder, ignore_errors=True)
        self.made = 0
        return self

    def path(self, name):
        """A path in the folder that was not given out before."""
        self.made += 1
        return self.folder / f"{name}-{self.made}"


def finished(command, **options):
    """Runs a program to its end; gives its output, its seconds and the most memory that it took in MiB."""
    begun = time.monotonic()
    given = options.pop("input", None)
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err, tempfile.TemporaryFile() as inp:
        inp.write((given or "").encode())
        inp.seek(0)
        process = subprocess.Popen([str(part) for part in command], stdin=inp, stdout=out, stderr=err, **options)
        try:
            _, status, used = os.wait4(process.pid, 0)
        except BaseException:
            process.kill()
            raise
        process.returncode = os.waitstatus_to_exitcode(status)
        for file in (out, err):
            file.seek(0)
        output, errors = out.read().decode(), err.read().decode()
    if process.returncode != 0:
        raise Failed(f"{Path(command[0]).name} {command[1] if len(command) > 1 else ''} ended with {process.returncode}:\n{output[-1000:]}{errors[-2000:]}")
    return output, time.monotonic() - begun, used.ru_maxrss / 1024


def folder_mib(folder):
    """What a folder takes on the disk, in MiB."""
    return sum(file.stat().st_blocks * 512 for file in Path(folder).rglob("*") if file.is_file()) / 2**20


def read_whole(folder):
    """Reads every file of a folder once, so that the system has them in memory as far as it has room."""
    for file in Path(folder).rglob("*"):
        if file.is_file():
            with open(file, "rb", buffering=0) as read:
                while read.read(2**20):
                    pass


def sync_micros(folder, times=300):
    """How long it takes to append 4 KiB to a file and to sync it, in µs, on average."""
    file = os.open(folder / "sync", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    begun = time.perf_counter()
    for _ in range(times):
        os.write(file, bytes(4096))
        os.fdatasync(file)
    took = time.perf_counter() - begun
    os.close(file)
    (folder / "sync").unlink()
    return took / times * 1e6


def source():
    """Which commit the tree is, and whether it has been changed since."""
    git = lambda *command: subprocess.run(["git", *command], cwd=ROOT, capture_output=True, text=True).stdout.strip()
    changed = git("status", "--porcelain", "--untracked-files=no", "--", ".", ":!bench", ":!README.md")
    return f"{git('rev-parse', '--short', 'HEAD') or '?'}{' with changes' if changed else ''}"


def machine(binary, folder):
    """The machine and the program, as rows of a table."""
    lines = lambda file: Path(file).read_text().splitlines()
    after = lambda file, key, sign: next((line.split(sign, 1)[1].strip().strip('"') for line in lines(file) if line.startswith(key)), "?")
    version = subprocess.run([binary, "version"], capture_output=True, text=True).stdout.splitlines()
    disk = subprocess.run(["stat", "-f", "-c", "%T", folder], capture_output=True, text=True).stdout.strip()
    wrk = subprocess.run(["wrk", "-v"], capture_output=True, text=True).stdout.split()
    return [
        ("date", time.strftime("%Y-%m-%d", time.gmtime())),
        ("program", f"{version[0] if version else '?'}, source {source()}, {binary.parent.name} build, {binary.stat().st_size / 2**20:.1f} MiB"),
        ("processor", f"{after('/proc/cpuinfo', 'model name', ':')}, {os.cpu_count()} cores"),
        ("memory", f"{int(after('/proc/meminfo', 'MemTotal', ':').split()[0]) / 2**20:.0f} GiB"),
        ("system", f"{after('/etc/os-release', 'PRETTY_NAME', '=')}, Linux {os.uname().release}"),
        ("disk", f"{disk}, append 4 KiB and sync: {sync_micros(folder):.0f} µs on average"),
        ("load", f"wrk {wrk[1] if len(wrk) > 1 else '?'} on the same machine, which takes its share of it"),
    ]
