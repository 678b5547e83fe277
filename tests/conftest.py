"""Shared by the whole suite: how hypothesis looks for examples.

A run finds the same examples every time. To look further: ``pytest --hypothesis-profile=search``;
for a second look, on another interpreter say: ``--hypothesis-profile=glance``.
"""

from __future__ import annotations

from hypothesis import HealthCheck, settings

# A busy machine is no fault of the code: no profile judges how long an example took.
_PATIENT = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("ci", _PATIENT, derandomize=True)
settings.register_profile("glance", _PATIENT, derandomize=True, max_examples=20)
settings.register_profile("search", _PATIENT, max_examples=5000)
settings.load_profile("ci")
