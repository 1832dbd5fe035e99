"""Live events: how long it takes from a change to the last of many streams."""

import selectors
import socket
import time

from .place import Failed

STREAMS = 500
PATIENCE = 30


class Streams:
    """Live streams of one account, all open, read by this thread."""

    def __init__(self, desk, count=STREAMS):
        self.selector = selectors.DefaultSelector()
        self.texts = {}
        ask = f"GET /api/v1/events HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {desk.token}\r\n\r\n".encode()
        for _ in range(count):
            stream = socket.create_connection(("127.0.0.1", desk.port), 10)
            stream.sendall(ask)
            stream.setblocking(False)
            self.selector.register(stream, selectors.EVENT_READ)
            self.texts[stream] = b""
        # A comment line comes at once: then the stream is where the log ends.
        self.wait(b"\n:")

    def wait(self, mark):
        """Waits until each stream has told `mark`, and forgets what they told until then."""
        missing, until = set(self.texts), time.monotonic() + PATIENCE
        for stream in list(missing):
            self.look(stream, mark, missing)
        while missing:
            for key, _ in self.selector.select(1):
                data = key.fileobj.recv(65536)
                if not data:
                    raise Failed("a live stream has ended")
                self.texts[key.fileobj] += data
                self.look(key.fileobj, mark, missing)
            if time.monotonic() > until:
                raise Failed(f"{len(missing)} streams have not told {mark!r} after {PATIENCE} s: {next(iter(self.texts.values()))[-300:]!r}")

    def look(self, stream, mark, missing):
        if mark in self.texts[stream]:
            self.texts[stream] = b""
            missing.discard(stream)

    def close(self):
        """Ends them."""
        for stream in self.texts:
            self.selector.unregister(stream)
            stream.close()
        self.selector.close()


def fan_out(desk, tickets, times, count=STREAMS):
    """Writes comments, one after the other, and waits for each until every stream has told it. Gives the milliseconds from
    sending the request, so with the commit, to the last stream: median and 99th percentile."""
    streams = Streams(desk, count)
    try:
        took = []
        for number in range(times + 5):
            ticket = tickets[number % len(tickets)]
            begun = time.perf_counter()
            comment = desk.post(f"/tickets/{ticket}/comments", {"content": f"Live event number {number}."})
            streams.wait(f'"comment_id":{comment["id"]},'.encode())
            # The first ones warm everything up.
            if number >= 5:
                took.append((time.perf_counter() - begun) * 1e3)
    finally:
        streams.close()
    took.sort()
    return took[len(took) // 2], took[min(len(took) - 1, int(len(took) * 0.99))]
