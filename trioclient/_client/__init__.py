"""Floor 4: the base and async clients and what is built on their calls."""
