"""Floor 1: what to do, decided from plain values: no trio, no clock, no randomness."""
