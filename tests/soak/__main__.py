"""A soak of trioclient: mixed calls, faults, cancels and restarts of the server, for as long as you like.

    pip install -e . && python tests/soak --minutes 10

In one process two async clients, one of them with every guard there is, and a blocking one call a
far end that answers badly at random, in a process of its own that is killed, frozen and started
anew every few seconds. Many calls are cut short by a deadline or a cancel. Memory, objects,
descriptors, threads, tasks and connections are read every few seconds: the medians of the last
quarter may not be above those of the second. At the end nothing may be left.

Exit status 1 if something grows or is left, or a call ends otherwise than it may. Linux only, whose
/proc it reads.
"""

from __future__ import annotations

import argparse
import sys
import time
from functools import partial

import trio
from readings import Reading, compared, table
from soak import Soak
from traffic import ASYNC_JOBS, BLOCKING_JOBS, Outcomes


def main() -> None:
    options = parsed_options()
    soak = Soak(
        seconds=options.minutes * 60,
        interval=min(options.minutes * 60 / 40, 5.0),
        seed=options.seed,
        tell=partial(tell, quiet=options.quiet),
    )
    print(f"seed {soak.seed}, {soak.seconds:g} seconds", flush=True)
    trio.run(soak.run)
    comparisons = compared(soak.readings)
    print(f"\n{outcome_table(soak.outcomes)}\n")
    made = f"{soak.calls:,} calls, {soak.attempts:,} attempts, {soak.hedges:,} of them hedges"
    print(f"{made}; the far end started {soak.starts} times\n")
    print(f"{table(comparisons)}\n")
    print(f"at rest before: {soak.before}\nat rest after:  {soak.after}\n")
    complaints = [f"{one.figure} grow" for one in comparisons if not one.flat]
    complaints += [] if soak.before == soak.after else ["something is left that was not there before"]
    complaints += [f"{soak.left_open} calls, connections and permits were never given back"] if soak.left_open else []
    complaints += [f"no {job} was ever done" for job in (*ASYNC_JOBS, *BLOCKING_JOBS) if not soak.outcomes[job, "done"]]
    print("\n".join(complaints) or "flat")
    sys.exit(bool(complaints))


def parsed_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python tests/soak", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--seed", default=str(time.time_ns()), help="of the traffic and of the faults")
    parser.add_argument("--quiet", action="store_true", help="leave out the single readings")
    return parser.parse_args()


def tell(seconds: float, reading: Reading, *, quiet: bool) -> None:
    if not quiet:
        figures = "  ".join(f"{name} {value:,.1f}" for name, value in zip(Reading._fields, reading, strict=True))
        print(f"{seconds:6.1f} s  {figures}", flush=True)


def outcome_table(outcomes: Outcomes) -> str:
    lines: list[str] = []
    for job in (*ASYNC_JOBS, *BLOCKING_JOBS):
        counts = sorted(((count, end) for (name, end), count in outcomes.items() if name == job), reverse=True)
        lines.append(
            f"{job:26}{sum(count for count, _ in counts):8,}  " + ", ".join(f"{end} {count:,}" for count, end in counts)
        )
    return "\n".join(lines)


if __name__ == "__main__":
    main()
