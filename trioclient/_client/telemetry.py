"""What a request says about the program that sends it."""

from __future__ import annotations

import functools
import platform

__all__ = ["platform_headers"]


@functools.cache
def platform_headers() -> dict[str, str]:
    """Language, operating system, architecture and runtime; asked of the platform once."""
    return {
        "X-Trioclient-Lang": "python",
        "X-Trioclient-OS": platform.system() or "unknown",
        "X-Trioclient-Arch": platform.machine() or "unknown",
        "X-Trioclient-Runtime": platform.python_implementation(),
        "X-Trioclient-Runtime-Version": platform.python_version(),
        "X-Trioclient-Async": "trio",
    }
