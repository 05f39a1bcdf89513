"""A command of another node that is asked again and again: a line goes in, a line comes out, until it is closed."""

from __future__ import annotations

from daemons.clcomd.client import ClcomdError, Session
from daemons.clcomd.messages import CHUNK, INPUTS_MAX, Done, Ended, Input, Output, Run, Taken
from srcctl.node.root import NodeRoot


class Conversation:
    """A command that runs on a node as long as this object is open; it is ended with the connection.

    Args:
        root: this node.
        node: the other one.
        arguments: the command; it answers each line of its standard input with one line of its output.
        patience: as for ``Session``.

    Raises:
        ClcomdError: the node cannot be reached or refuses.
    """

    def __init__(self, root: NodeRoot, node: str, arguments: list[str], patience: float = 0.0) -> None:
        self._session = Session(root, node, patience)
        self._output, self._complaints = bytearray(), bytearray()
        self._untaken = 0
        try:
            self._session.send(Run(tuple(arguments), stdin=True))
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """End the command and the connection."""
        self._session.close()

    def ask(self, line: bytes, limit: float) -> bytes:
        """The answer to a line (both without their line feed), within ``limit`` seconds (patience).

        Raises:
            ClcomdError: the connection was lost, the command ended, or the limit passed; whether it did what was asked
                is not known then.
        """
        self._session.limit(limit)
        question = line + b"\n"
        for start in range(0, len(question), CHUNK):
            while self._untaken >= INPUTS_MAX:
                self._take()
            self._session.send(Input(question[start : start + CHUNK]))
            self._untaken += 1
        while (end := self._output.find(b"\n")) < 0:
            self._take()
        answer = bytes(self._output[:end])
        del self._output[: end + 1]
        return answer

    def _take(self) -> None:
        match self._session.receive():
            case Output(1, data):
                self._output += data
            case Output(_, data):
                self._complaints += data
            case Taken():
                self._untaken -= 1
            case Ended(status):
                said = self._complaints.decode(errors="replace").strip()
                raise ClcomdError(said or f"the command ended with exit code {status}")
            case Done(error):
                raise ClcomdError(error or "the node answered nothing")
            case other:
                raise ClcomdError(f"the node answered with a {type(other).__name__}")
