"""Keyed digests (BLAKE2b, RFC 7693) for programs that start often.

``hashlib`` and ``hmac`` load OpenSSL, which takes a command longer than all else that it does; what they take from the
interpreter itself is taken from there directly, and from them where an interpreter has it nowhere else.
"""

from __future__ import annotations

try:
    import _operator
    from _blake2 import blake2b

    same_digest = _operator._compare_digest
except (ImportError, AttributeError):
    import hmac
    from hashlib import blake2b

    same_digest = hmac.compare_digest

__all__ = ["blake2b", "same_digest"]
