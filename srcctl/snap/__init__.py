"""snap: what support asks for first, gathered into one folder and put into one compressed archive."""
