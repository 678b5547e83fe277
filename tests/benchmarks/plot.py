"""CPU per request over concurrency, as a picture. A hollow mark: that run was cut off, see the report."""

from __future__ import annotations

import statistics
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from runner import Measured
from samples import BASE, samples

SHOWN = ("post-1k", "post-100k")


def draw(measured: Mapping[str, Measured], path: Path) -> None:
    """Write the picture, unless nothing of it was measured. Raises ModuleNotFoundError without matplotlib."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot

    shown = [measured[name] for name in SHOWN if name in measured and measured[name].results]
    if not shown:
        return
    figure, panels = pyplot.subplots(1, len(shown), figsize=(6.5 * len(shown), 5), squeeze=False, layout="constrained")
    for panel, one in zip(panels[0], shown, strict=True):
        _draw_one(panel, one)
    panels[0][0].legend()
    figure.savefig(path, dpi=130)
    pyplot.close(figure)


def _draw_one(panel: Any, one: Measured) -> None:
    """A line for each contender; a hollow mark stands for a run that was cut off."""
    for contender in one.contenders():
        points = [
            (case["at once"], values, any(result.note for result in one.of(contender, case)))
            for case in one.cases()
            if (values := list(samples(one, contender, case, "cpu").values()))
        ]
        if not points:
            continue
        numbers = [at_once for at_once, _, _ in points]
        medians = [statistics.median(values) for _, values, _ in points]
        below = [median - min(values) for median, (_, values, _) in zip(medians, points, strict=True)]
        above = [max(values) - median for median, (_, values, _) in zip(medians, points, strict=True)]
        style = {"linestyle": "--" if contender == "bare-trio" else "-", "linewidth": 2.5 if contender == BASE else 1.2}
        line, _, _ = panel.errorbar(
            numbers, medians, yerr=[below, above], label=contender, marker="o", capsize=3, **style
        )
        hollow = [index for index, (_, _, cut_off) in enumerate(points) if cut_off]
        panel.plot(
            [numbers[index] for index in hollow],
            [medians[index] for index in hollow],
            marker="o",
            linestyle="",
            color=line.get_color(),
            markerfacecolor="white",
            zorder=3,
        )
    panel.set(
        xscale="log", yscale="log", title=one.workload.title, xlabel="requests at once", ylabel="CPU µs per request"
    )
    ticks = [case["at once"] for case in one.cases()]
    panel.set_xticks(ticks, [f"{number:,}" for number in ticks])
    panel.minorticks_off()
    panel.grid(visible=True, which="major", alpha=0.3)
