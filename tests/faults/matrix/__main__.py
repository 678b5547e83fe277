"""What comes of every fault a server, a network or a machine can have: one row each.

    pip install -e '.[test]' && python tests/faults/matrix

Every case is served to six calls at once, over real sockets: GET, POST and stream, through the
async and the blocking client. Each must end with exactly the error that is expected, say exactly
whether it was sent, be no more than 50 ms late, and leave no secret in the error; the next call on
the same client must do, and no descriptor or task may be left. Memory is that of the whole process,
clients and servers of all six together; it may grow by 64 MB.

A row of which nothing but the time is wrong is taken again, up to twice: where the machine had
other work to do, that need not be the client's fault.

    --kind connect TLS ...   these kinds only
    --case NAME ...          these cases only
"""

from __future__ import annotations

import argparse
import sys

import trio
from all_cases import CASES
from case import KINDS, Case
from cells import Bench, CaseResult
from table import MOST_LATE, heading, row, summary, wrong_in


def main() -> None:
    options = parsed_options()
    cases = [case for case in CASES if case.kind in options.kind and (not options.case or case.name in options.case)]
    with Bench.open() as bench:
        results = trio.run(run, bench, cases)
    complaints = [line for result in results for line in wrong_in(result)]
    print("\n".join(["", *complaints, "", summary(results)] if complaints else ["", summary(results)]))
    sys.exit(bool(complaints))


async def run(bench: Bench, cases: list[Case]) -> list[CaseResult]:
    await bench.run(CASES[0])  # so that what comes into memory once is there
    print(heading())
    results: list[CaseResult] = []
    for case in cases:
        results.append(await in_good_time(bench, case))
        print(row(results[-1]), flush=True)
    return results


async def in_good_time(bench: Bench, case: Case) -> CaseResult:
    for _ in range(2):
        result = await bench.run(case)
        if result.complaints or result.late <= MOST_LATE:
            return result
    return await bench.run(case)


def parsed_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python tests/faults/matrix", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--kind", nargs="+", default=list(KINDS), choices=KINDS)
    parser.add_argument("--case", nargs="+", default=[], metavar="NAME")
    return parser.parse_args()


if __name__ == "__main__":
    main()
