"""A run of verification and what is kept of it."""
