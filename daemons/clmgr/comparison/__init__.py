"""Cross-cluster verification: what a cluster is, collected into a file, and two such files compared."""
