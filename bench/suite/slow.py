"""Clients that send a byte a second: what others notice of two thousand of them."""

import selectors
import socket
import threading
import time

REQUEST = b"GET /health HTTP/1.1\r\nHost: localhost\r\nX-Slowly: "


class SlowClients(threading.Thread):
    """So many connections that are always open, each of which sends a byte a second; one that the desk cuts is opened anew."""

    def __init__(self, port, count):
        super().__init__()
        self.port, self.count, self.ended = port, count, threading.Event()
        self.cut, self.open, self.fault = 0, {}, None
        self.selector = selectors.DefaultSelector()

    def __enter__(self):
        self.start()
        # Not before all of them are there.
        while len(self.open) < self.count and self.is_alive():
            time.sleep(0.01)
        return self

    def __exit__(self, *_):
        self.ended.set()
        self.join()
        if self.fault:
            raise self.fault

    def run(self):
        try:
            while not self.ended.is_set():
                self.second()
        except OSError as fault:
            self.fault = fault
        finally:
            for client in self.open:
                client.close()
            self.selector.close()

    def second(self):
        """One byte for each, within a second."""
        until = time.monotonic() + 1
        while len(self.open) < self.count:
            client = socket.create_connection(("127.0.0.1", self.port), 5)
            client.setblocking(False)
            self.selector.register(client, selectors.EVENT_READ)
            self.open[client] = 0
        for client, sent in list(self.open.items()):
            try:
                client.send(REQUEST[sent : sent + 1] or b"x")
                self.open[client] = sent + 1
            except OSError:
                self.forget(client)
        while (left := until - time.monotonic()) > 0 and not self.ended.is_set():
            for key, _ in self.selector.select(left):
                try:
                    # An answer to a slow client is its refusal; an end follows.
                    if key.fileobj.recv(4096):
                        continue
                except OSError:
                    pass
                self.forget(key.fileobj)

    def forget(self, client):
        self.cut += 1
        self.selector.unregister(client)
        client.close()
        del self.open[client]
