"""The sample application's data: one counter in an SQLite database on the shared file system."""

from __future__ import annotations

import os
import sqlite3
import threading


class CounterStore:
    """A counter that is on the disk before anybody learns its value.

    ``synchronous=FULL`` (https://www.sqlite.org/pragma.html#pragma_synchronous): a commit returns when the data has
    reached the disk, so an acknowledged value survives a node that halts in the next instruction.

    Raises:
        OSError: the folder cannot be made.
        sqlite3.Error: the database cannot be opened or is damaged.
    """

    def __init__(self, directory: str) -> None:
        os.makedirs(directory, exist_ok=True)
        self._lock = threading.Lock()
        self._connection = sqlite3.connect(
            os.path.join(directory, "counter.db"), timeout=5.0, isolation_level=None, check_same_thread=False
        )
        self._connection.execute("PRAGMA synchronous=FULL")
        self._connection.execute("CREATE TABLE IF NOT EXISTS counter (id INTEGER PRIMARY KEY, value INTEGER NOT NULL)")
        self._connection.execute("INSERT OR IGNORE INTO counter (id, value) VALUES (1, 0)")

    def increase(self) -> int:
        """Add one, make it durable, and return the new value.

        Raises:
            sqlite3.Error: the disk is full, failed or read-only; the counter keeps its value.
        """
        with self._lock:
            row = self._connection.execute(
                "UPDATE counter SET value = value + 1 WHERE id = 1 RETURNING value"
            ).fetchone()
        return int(row[0])

    def close(self) -> None:
        """Close the database. Nothing is lost without it."""
        with self._lock:
            self._connection.close()
