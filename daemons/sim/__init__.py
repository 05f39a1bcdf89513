"""The whole cluster in one process, on virtual time, with faults drawn from a seed."""
