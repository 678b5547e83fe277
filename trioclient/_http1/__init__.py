"""Floor 1: HTTP/1.1 without I/O: a request to bytes, bytes to events."""
