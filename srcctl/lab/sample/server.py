"""The sample application's HTTP side."""

from __future__ import annotations

import json
import sqlite3
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from srcctl.lab.sample.store import CounterStore


class CounterServer(ThreadingHTTPServer):
    """The listening service.

    The nodes of a lab share the host's network stack. In a split brain both halves have the service address, and on AIX
    each would listen in a stack of its own: SO_REUSEPORT lets both listen here, and who is asked is a matter of chance,
    as it is with a duplicate address on a wire.
    """

    daemon_threads = True
    allow_reuse_port = True

    def __init__(self, address: str, port: int, store: CounterStore, node: str) -> None:
        self.store = store
        self.node = node
        super().__init__((address, port), CounterHandler)


class CounterHandler(BaseHTTPRequestHandler):
    """One request."""

    server: CounterServer
    timeout = 10

    def do_GET(self) -> None:
        """Count and answer."""
        if self.path.split("?")[0] != "/":
            self.send_error(404)
            return
        try:
            counter = self.server.store.increase()
        except sqlite3.Error as error:
            self.send_error(503, f"the counter cannot be stored: {error}")
            return
        body = json.dumps({"node": self.server.node, "counter": counter}).encode() + b"\n"
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Requests are not logged: one line a request would fill the node's /var."""
