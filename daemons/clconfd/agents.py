"""The nodes' parts of verification and synchronization, as the node that runs it asks for them.

Every node gets one ``cl_config serve`` for all of its steps: starting it takes a node longer than any of them. One that
is lost between two steps (its clcomd was restarted, say) is replaced.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Iterable

from daemons.clcomd import client as clcomd
from daemons.clcomd.conversation import Conversation
from srcctl.node.root import NodeRoot

CL_CONFIG = "/usr/es/sbin/cluster/utilities/cl_config"
NODE_LIMIT = 120.0
"""Seconds within which a node does what verification and synchronization ask of it."""
METHOD_LIMIT = 660.0
"""The same for a verification method, which the node itself ends a minute earlier."""
NOT_TWICE = ("correct", "note", "method")
"""Steps that are not repeated when it is not known whether they were carried out."""


class Agents:
    """The other nodes of one run. Each node is asked by one thread at a time.

    Args:
        root: this node.
    """

    def __init__(self, root: NodeRoot) -> None:
        self._root = root
        self._open: dict[str, Conversation] = {}
        self._closed = False
        self._lock = threading.Lock()
        self._starting: dict[str, threading.Thread] = {}

    def prepare(self, nodes: Iterable[str]) -> None:
        """Have nodes start what will answer, while this one still has other things to do."""
        for node in nodes:
            if node != self._root.identity.node:
                # Whoever asks the node waits for it; until then nobody does, not even the end of this process.
                thread = threading.Thread(target=self._start, args=(node,), daemon=True)
                self._starting[node] = thread
                thread.start()

    def _start(self, node: str) -> None:
        try:
            conversation = Conversation(self._root, node, [CL_CONFIG, "serve"])
        except clcomd.ClcomdError:
            return  # who asks the node learns why
        with self._lock:
            if not self._closed:
                self._open[node] = conversation
                return
        conversation.close()

    def __enter__(self) -> Agents:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def close(self) -> None:
        """End all of them."""
        with self._lock:
            conversations, self._open, self._closed = list(self._open.values()), {}, True
        for conversation in conversations:
            conversation.close()

    def ask(self, node: str, words: Iterable[str], patience: float = 0.0) -> clcomd.Result:
        """Have a node carry out the words of a ``cl_config``; ``patience`` as for ``clcomd.Session``.

        Raises:
            clcomd.ClcomdError: the node cannot be reached, refuses, or was lost.
        """
        words = list(words)
        limit = METHOD_LIMIT if words[0] == "method" else NODE_LIMIT
        question = json.dumps(words).encode()
        if (starting := self._starting.pop(node, None)) is not None:
            starting.join()
        with self._lock:
            known = self._open.get(node)
        if known is not None:
            try:
                return _result(known.ask(question, limit))
            except clcomd.ClcomdError:
                self._drop(node)
                if words[0] in NOT_TWICE:
                    raise
        conversation = Conversation(self._root, node, [CL_CONFIG, "serve"], patience)
        with self._lock:
            self._open[node] = conversation
        try:
            return _result(conversation.ask(question, limit))
        except clcomd.ClcomdError:
            self._drop(node)
            raise

    def _drop(self, node: str) -> None:
        with self._lock:
            conversation = self._open.pop(node, None)
        if conversation is not None:
            conversation.close()


def _result(answer: bytes) -> clcomd.Result:
    try:
        status, out, err = json.loads(answer)
        return clcomd.Result(int(status), str(out).encode(), str(err).encode())
    except (ValueError, TypeError):
        raise clcomd.ClcomdError("the node answered with something else than a result") from None
