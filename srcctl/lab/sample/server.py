"""The sample application's HTTP side: one request a connection, as of HTTP/1.0 (RFC 1945).

Written on sockets, because an application's start is a part of every takeover: ``http.server`` brings mail, TLS and
HTML with it and takes longer to import than all the rest takes to start.
"""

from __future__ import annotations

import sqlite3
from socketserver import StreamRequestHandler, ThreadingTCPServer

from srcctl.lab.sample.store import CounterStore

LINE_LIMIT = 1 << 16
HEADERS_LIMIT = 100


class CounterServer(ThreadingTCPServer):
    """The listening service.

    The nodes of a lab share the host's network stack. In a split brain both halves have the service address, and on AIX
    each would listen in a stack of its own: SO_REUSEPORT lets both listen here, and who is asked is a matter of chance,
    as it is with a duplicate address on a wire.
    """

    daemon_threads = True
    allow_reuse_address = True
    allow_reuse_port = True

    def __init__(self, address: str, port: int, store: CounterStore, node: str) -> None:
        self.store = store
        self.node = node
        super().__init__((address, port), CounterHandler)


class CounterHandler(StreamRequestHandler):
    """One request."""

    server: CounterServer
    timeout = 10

    def handle(self) -> None:
        """Read the request, count and answer."""
        try:
            line = self.rfile.readline(LINE_LIMIT).decode("latin-1")
            if not line:
                return
            words = line.split()
            if len(words) == 3 and not self._skip_headers():
                self._answer(431, "Request Header Fields Too Large", "too many headers")
            else:
                self._serve(words)
        except (TimeoutError, ConnectionError):
            pass  # whoever asked has gone

    def _serve(self, words: list[str]) -> None:
        if not 2 <= len(words) <= 3 or (len(words) == 3 and not words[2].startswith("HTTP/")):
            self._answer(400, "Bad Request", "that is no request")
        elif words[0] != "GET":
            self._answer(501, "Not Implemented", "GET is all there is")
        elif words[1].split("?")[0] != "/":
            self._answer(404, "Not Found", "there is nothing but /")
        else:
            try:
                counter = self.server.store.increase()
            except sqlite3.Error as error:
                self._answer(503, "Service Unavailable", f"the counter cannot be stored: {error}")
            else:
                # The name of a node has nothing in it that JSON would escape.
                body = f'{{"node": "{self.server.node}", "counter": {counter}}}'
                self._answer(200, "OK", body, "application/json")

    def _skip_headers(self) -> bool:
        return any(self.rfile.readline(LINE_LIMIT) in (b"\r\n", b"\n", b"") for _ in range(HEADERS_LIMIT))

    def _answer(self, status: int, reason: str, text: str, kind: str = "text/plain") -> None:
        body = text.encode(errors="replace") + b"\n"
        head = f"HTTP/1.0 {status} {reason}\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}\r\n\r\n"
        self.wfile.write(head.encode("latin-1") + body)
