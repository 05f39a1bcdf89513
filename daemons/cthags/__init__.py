"""Group Services (hagsd): who is in, and in which order things happen."""
