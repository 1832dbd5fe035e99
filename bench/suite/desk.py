"""A desk under measurement: filled, started, asked, stopped or killed."""

import http.client
import json
import os
import random
import signal
import socket
import subprocess
import time
from pathlib import Path

from .place import Failed, finished

PASSWORD = "correct horse 1"
ADMIN = "irene.vidal@demo.example"
# People of the demo who sign in; the admin's own session would be pushed out by a hundred newer ones.
PEOPLE = [f"{name}@demo.example" for name in ("eva.okafor", "marco.bianchi", "lucia.ortega", "sam.whitfield", "ana.ruiz", "tom.okoye", "li.wei")]
# Seconds without new links after which a log has them all: they are made every ten.
SETTLED = 12
TICKS = os.sysconf("SC_CLK_TCK")


def cpu_seconds(pid):
    """The processor time that a process has taken."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    except OSError:
        return 0.0
    return (int(fields[11]) + int(fields[12])) / TICKS


def memory_mib(pid, what="VmRSS"):
    """The memory of a process now (`VmRSS`) or at its most (`VmHWM`), in MiB."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith(what):
            return int(line.split()[1]) / 1024
    raise Failed(f"process {pid} has ended")


def free_port():
    """A port that nobody has, of those that the system does not give to outgoing connections."""
    while True:
        port = random.randrange(20000, 32000)
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port


def environment(**settings):
    """The environment of a desk: nothing of the caller's, but for the path; settings as `server__listen="…"`."""
    named = {f"TAQUILLA_{key.upper()}": str(value) for key, value in settings.items()}
    return {"PATH": os.environ["PATH"], **named}


def fill(binary, url, tickets, folder):
    """Fills an empty store with a demo; gives its seconds and the most memory in MiB."""
    folder.mkdir(exist_ok=True)
    command = [binary, "--json", "demo", "--tickets", tickets, "--storage-url", url, "--password-stdin"]
    _, seconds, peak = finished(command, input=PASSWORD, env=environment(), cwd=folder)
    return seconds, peak


class Desk:
    """One process of the program over a store at `url`. Its other settings are its own, but sign-ins are not throttled."""

    def __init__(self, place, binary, url, **settings):
        self.binary, self.port, self.process, self.token = binary, free_port(), None, None
        self.folder = place.path("desk")
        self.folder.mkdir()
        self.environment = environment(
            server__listen=f"127.0.0.1:{self.port}", storage__url=url, auth__rate_limit="off", auth__access_token_minutes=1440, **settings
        )
        self.origin = f"http://127.0.0.1:{self.port}"
        place.callback(self.kill)

    def start(self):
        """Starts it and waits until it serves; gives the seconds to the first 200."""
        self.connection = None
        with open(self.folder / "log", "ab") as log:
            begun = time.perf_counter()
            self.process = subprocess.Popen(
                [self.binary, "serve"], env=self.environment, cwd=self.folder, stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )
        ask = b"GET /health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
        while True:
            if self.process.poll() is not None:
                raise Failed(f"the desk ended before it served:\n{self.tail()}")
            try:
                with socket.create_connection(("127.0.0.1", self.port), 5) as probe:
                    probe.sendall(ask)
                    if b" 200 " in probe.recv(64):
                        return time.perf_counter() - begun
            except OSError:
                time.sleep(0.001)

    def tail(self):
        """The end of its log."""
        return "\n".join((self.folder / "log").read_text(errors="replace").splitlines()[-20:])

    def stop(self):
        """Ends it in good order; gives the seconds."""
        begun = time.perf_counter()
        self.process.send_signal(signal.SIGTERM)
        code = self.process.wait()
        self.process = None
        if code != 0:
            raise Failed(f"the desk ended with {code}:\n{self.tail()}")
        return time.perf_counter() - begun

    def kill(self):
        """Ends it as a crash does."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None

    def sign_in(self, email=ADMIN, password=PASSWORD):
        """Signs in; later calls are in this name."""
        self.token = self.post("/auth/login", {"username": email, "password": password})["access_token"]
        return self.token

    def ask(self, method, path, body=None):
        """One request over a connection that is kept; gives status, headers and body. Paths are those below `/api/v1`, and a few others."""
        path = path if path.startswith(("/api/", "/health", "/metrics")) else f"/api/v1{path}"
        headers = {"Content-Type": "application/json"} if body is not None else {}
        if self.token:
            headers["Authorization"] = f"Bearer {self.token}"
        data = json.dumps(body).encode() if body is not None else None
        for fresh in (False, True):
            if self.connection is None or fresh:
                self.connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
                self.connection.connect()
                self.connection.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            try:
                self.connection.request(method, path, data, headers)
                answer = self.connection.getresponse()
                return answer.status, answer.headers, answer.read()
            except (http.client.RemoteDisconnected, ConnectionError):
                # Closed meanwhile, as one is that was idle for long.
                if fresh:
                    raise
        raise AssertionError("unreachable")

    def get(self, path):
        """What a GET answers, and its headers."""
        status, headers, body = self.ask("GET", path)
        if status != 200:
            raise Failed(f"GET {path}: {status} {body[:500]!r}")
        return json.loads(body), headers

    def post(self, path, body):
        """What a POST answers."""
        status, _, answer = self.ask("POST", path, body)
        if status not in (200, 201):
            raise Failed(f"POST {path}: {status} {answer[:500]!r}")
        return json.loads(answer)

    def metric(self, name):
        """The sum of a family of `/metrics`."""
        status, _, body = self.ask("GET", "/metrics")
        if status != 200:
            raise Failed(f"GET /metrics: {status}")
        lines = (line for line in body.decode().splitlines() if not line.startswith("#"))
        return sum(float(line.rsplit(" ", 1)[1]) for line in lines if line.split(" ")[0].split("{")[0] == name)

    def settle(self, seconds):
        """Waits until the links of its log have not got further for so many seconds: a desk that was just filled is at that for
        minutes, and every figure taken meanwhile would have its share of it."""
        head, since = None, time.monotonic()
        while time.monotonic() - since < seconds:
            time.sleep(0.5)
            now = self.metric("taquilla_audit_head")
            if now != head:
                head, since = now, time.monotonic()

    def memory(self, what="VmRSS"):
        """Resident memory, as `memory_mib` has it."""
        return memory_mib(self.process.pid, what)

    def from_disk(self):
        """What it has read from the disk so far, and not from the system's memory, in MiB; PostgreSQL's own reading is not of it."""
        lines = Path(f"/proc/{self.process.pid}/io").read_text().splitlines()
        return next(int(line.split()[1]) for line in lines if line.startswith("read_bytes:")) / 2**20

    def cpu(self):
        """Processor time taken, in seconds."""
        return cpu_seconds(self.process.pid)
