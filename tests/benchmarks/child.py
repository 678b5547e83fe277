"""One run in this process, which nothing has used before.

    python child.py WORKLOAD RUN

`RUN` is a `Run` as JSON; what comes out is a JSON object with `figures` and a `note`, or with the
`missing` package. A run is cut off at its limit, by a thread, since a client at its own limits may
not come back to its event loop for long.
"""

from __future__ import annotations

import json
import math
import os
import sys
import threading
import warnings
from typing import NoReturn

from load import Figures
from workload import Run
from workloads import WORKLOADS


def main() -> None:
    run = Run(**json.loads(sys.argv[2]))
    limit = threading.Timer(run.limit, cut_off, [run])
    limit.daemon = True
    limit.start()
    warnings.simplefilter("ignore")
    try:
        figures = WORKLOADS[sys.argv[1]].measure(run)
    except Exception as failure:
        limit.cancel()
        tell_failure(single(failure))
    else:
        limit.cancel()
        tell_figures(figures)


def cut_off(run: Run) -> None:
    if run.tally is None:
        tell(figures={}, note=f"not done in {run.limit:g} s")
    tell_figures(*run.tally.so_far(run.limit))


def tell_figures(figures: Figures, note: str = "") -> NoReturn:
    known = {key: value for key, value in figures.items() if not math.isnan(value)}
    tell(figures=known, note=note)


def tell_failure(failure: Exception) -> NoReturn:
    if isinstance(failure, ModuleNotFoundError):
        tell(missing=str(failure))
    tell(figures={}, note=f"{type(failure).__name__}: {failure}"[:200])


def single(failure: Exception) -> Exception:
    """The first of a group of exceptions."""
    while isinstance(inner := getattr(failure, "exceptions", None), (tuple, list)) and inner:
        failure = inner[0]
    return failure


def tell(**said: object) -> NoReturn:
    """Print it and leave at once, without waiting for whatever may still be open."""
    print(json.dumps(said), flush=True)
    os._exit(0)


if __name__ == "__main__":
    main()
