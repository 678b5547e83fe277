"""The matrix as a table of plain text, which is Markdown as well."""

from __future__ import annotations

from cells import MOST_MEMORY, CaseResult, Cell

__all__ = ["MOST_LATE", "heading", "row", "summary", "wrong_in"]

MOST_LATE = 0.050  # seconds

_COLUMNS = (
    ("case", 41),
    ("kind", 10),
    ("error", 52),
    ("sent", 13),
    ("slowest ms", 10),
    ("late ms", 7),
    ("MB", 5),
    ("ok", 5),
)


def heading() -> str:
    titles = _line([title for title, _ in _COLUMNS])
    return f"{titles}\n{_line(['-' * width for _, width in _COLUMNS])}"


def row(result: CaseResult) -> str:
    """What came of a case."""
    return _line(
        [
            result.case.name,
            result.case.kind,
            _by_shape(result.cells, "outcome"),
            _by_shape(result.cells, "sent"),
            f"{result.slowest * 1000:.0f}",
            f"{result.late * 1000:.0f}",
            f"{result.memory / 1_048_576:.0f}",
            "WRONG" if wrong_in(result) else "yes",
        ]
    )


def wrong_in(result: CaseResult) -> list[str]:
    """All that is wrong with a case, time and memory included, a line each."""
    wrong = list(result.complaints)
    if result.late > MOST_LATE:
        wrong.append(f"{result.case.name}: {result.late * 1000:.0f} ms late")
    if result.memory > MOST_MEMORY:
        wrong.append(f"{result.case.name}: {result.memory / 1_048_576:.0f} MB more than before")
    return wrong


def summary(results: list[CaseResult]) -> str:
    cells = sum(len(result.cells) for result in results)
    return f"{len(results)} cases, {cells} cells, {sum(bool(wrong_in(result)) for result in results)} wrong"


def _by_shape(cells: list[Cell], field: str) -> str:
    """What all have in common, or what each shape has."""
    by_shape: dict[str, dict[str, None]] = {}
    for cell in sorted(cells, key=lambda cell: (cell.shape, cell.face)):
        by_shape.setdefault(cell.shape, {})[getattr(cell, field)] = None
    told = {shape: "/".join(sorted(values)) for shape, values in by_shape.items()}
    usual = told["GET"]
    others = [f"{shape}: {value}" for shape, value in told.items() if value != usual]
    return ", ".join([usual, *others])


def _line(values: list[str]) -> str:
    return "| " + " | ".join(f"{value:{width}}" for value, (_, width) in zip(values, _COLUMNS, strict=True)) + " |"
