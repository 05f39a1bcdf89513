"""Command-line tools of the peer domain."""
