"""What the nodes of a cluster have to tell of a problem: gathered from all of them, and read again by clanalyze."""
