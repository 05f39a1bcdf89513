"""What a command says, for a collection that goes on whatever becomes of it."""

from __future__ import annotations

import subprocess


def answer(command: str, limit: float) -> str:
    """The output and the complaints of a command; of one that cannot be run, or takes longer than ``limit`` seconds
    (patience), a sentence that says so."""
    words = command.split()
    try:
        done = subprocess.run(
            words,
            check=False,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=limit,
            stdin=subprocess.DEVNULL,
        )
    except OSError as error:
        return f"{words[0]}: {error.strerror}\n"
    except subprocess.TimeoutExpired:
        return f"{command}: no answer within {limit:g} seconds\n"
    return done.stdout + done.stderr
