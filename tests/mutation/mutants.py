"""The mutants of one module: what mutmut made, and what came of each.

Beside a mutated file, mutmut writes one of the same name and ``.meta``: JSON, the exit code of the
tests by the mutant's name. In the file, the mutants of a function stand next to its original.
"""

from __future__ import annotations

import ast
import difflib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Literal, NamedTuple, Union

Fate = Literal["killed", "timeout", "survived", "not counted"]
Function = Union[ast.FunctionDef, ast.AsyncFunctionDef]

_FATES: dict[int | None, Fate] = {
    0: "survived",
    33: "survived",  # no test comes by
    1: "killed",
    3: "killed",  # pytest itself failed
    -24: "timeout",
    24: "timeout",
    36: "timeout",
    152: "timeout",
}
_CODECS = ("ascii", "latin-1", "utf-8")


class Mutant(NamedTuple):
    name: str
    fate: Fate
    diff: str


def mutants_of(file: Path) -> Iterator[Mutant]:
    """Of a file that mutmut has mutated and run tests for."""
    exit_codes: dict[str, int | None] = json.loads(Path(f"{file}.meta").read_text(encoding="utf-8"))["exit_code_by_key"]
    source = file.read_text(encoding="utf-8")
    functions: dict[str, Function] = {
        node.name: node
        for node in ast.walk(ast.parse(source))
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))
    }
    lines = source.splitlines()
    for key, exit_code in exit_codes.items():
        name = key.rpartition(".")[2]
        stem, _, number = name.rpartition("__mutmut_")
        before, after = functions[f"{stem}__mutmut_orig"], functions[name]
        if exit_code not in _FATES:
            raise RuntimeError(f"the tests of {key} ended with {exit_code}")
        fate = "not counted" if _at_run_time(before) == _at_run_time(after) else _FATES[exit_code]
        yield Mutant(f"{_shown(stem)} {number}", fate, _diff(lines, before, after))


def _shown(stem: str) -> str:
    """As it was called: mutmut writes ``xǁClassǁmethod``, and ``x_function``."""
    return stem.replace("xǁ", "").replace("ǁ", ".").removeprefix("x_")


def _diff(lines: list[str], *functions: Function) -> str:
    before, after = (
        [line.replace(function.name, "...") for line in lines[function.lineno - 1 : function.end_lineno]]
        for function in functions
    )
    changes = list(difflib.unified_diff(before, after, n=0, lineterm=""))[2:]
    return "\n".join(f"{line[0]} {line[1:].strip()}" for line in changes if not line.startswith("@@"))


class _AtRunTime(ast.NodeTransformer):
    """Takes out what changes nothing at run time: types told to `cast`, how strict a `zip` is where all
    are of one length, the case of a codec's name.
    """

    def visit_Call(self, node: ast.Call) -> ast.AST:
        self.generic_visit(node)
        match node:
            case ast.Call(func=ast.Name(id="cast"), args=[_, value]):
                return value
            case ast.Call(func=ast.Name(id="zip")):
                node.keywords = []
            case ast.Call(func=ast.Attribute(attr="encode" | "decode"), args=[ast.Constant(value=str() as codec), *_]):
                if codec.lower() in _CODECS:
                    node.args[0] = ast.Constant(codec.lower())
        return node


def _at_run_time(function: Function) -> str:
    return ast.dump(function.args) + "".join(ast.dump(_AtRunTime().visit(line)) for line in function.body)
