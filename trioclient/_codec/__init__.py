"""Floor 1: bytes and values, in and out. No trio, no sockets, no clocks, no randomness."""
