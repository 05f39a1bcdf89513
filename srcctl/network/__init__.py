"""Interfaces and addresses of a node as the lab has them: injected faults, and who holds which service address."""
