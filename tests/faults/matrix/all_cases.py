"""Every case, in the order of the kinds."""

from __future__ import annotations

import body_cases
import connect_cases
import connection_cases
import head_cases
import payload_cases
import process_cases
import semantics_cases
import tls_cases

__all__ = ["CASES"]

CASES = [
    case
    for module in (
        connect_cases,
        tls_cases,
        head_cases,
        body_cases,
        connection_cases,
        semantics_cases,
        payload_cases,
        process_cases,
    )
    for case in module.CASES
    if case.possible
]
