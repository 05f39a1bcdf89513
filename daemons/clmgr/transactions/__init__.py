"""Changes of the configuration on this node: the edits of one request, written whole or not at all."""
