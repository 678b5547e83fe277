"""Shared by the whole suite: how hypothesis looks for examples.

A run finds the same examples every time. To look further: ``pytest --hypothesis-profile=search``.
"""

from __future__ import annotations

from hypothesis import HealthCheck, settings

# A busy machine is no fault of the code: neither profile judges how long an example took.
settings.register_profile("ci", deadline=None, suppress_health_check=[HealthCheck.too_slow], derandomize=True)
settings.register_profile("search", deadline=None, suppress_health_check=[HealthCheck.too_slow], max_examples=5000)
settings.load_profile("ci")
