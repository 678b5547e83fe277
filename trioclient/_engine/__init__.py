"""Floor 3: from options to a request, one attempt, the attempt loop, the answer."""
