"""A plugin of pytest: every test finds things as if it were the first to run.

The package's caches are empty: a decoder that an earlier test left there would be used again, and
nobody would notice if it were now made wrongly. And where tests were only collected, their modules
are imported once more by whoever runs them: pytest would give some parameters other names, and
what a module holds from its tables on is the tests' to change.
"""

from __future__ import annotations

import sys

import pytest


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup() -> None:
    modules = [module for name, module in sys.modules.items() if name.startswith("trioclient.")]
    for module in modules:
        for value in list(vars(module).values()):
            if callable(clear := getattr(value, "cache_clear", None)):
                clear()


def pytest_collectreport(report: pytest.CollectReport) -> None:
    """Tests that a mutant keeps from being collected have failed; pytest would say that it cannot find them."""
    if report.failed:
        pytest.exit(str(report.longrepr), returncode=1)


def pytest_sessionfinish(session: pytest.Session) -> None:
    if session.config.option.collectonly:
        for item in session.items:
            sys.modules.pop(item.getparent(pytest.Module).obj.__name__, None)
