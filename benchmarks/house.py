"""Prints figures of the house, read off the source: what a reader of any checkout has to carry in mind.

Run ``python benchmarks/house.py [TREE]``; without a tree it reads the checkout it lies in. Nothing is imported
from the tree, so that one of another release can be read, too.
"""

from __future__ import annotations

import argparse
import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]

LINES, PARAMETERS, FIELDS = 80, 8, 15
"""What a function or a dataclass may have."""

READERS = ("pipeline", "report", "evaluation", "commands", "render", "insight")
"""The rooms that pass results on and read them."""

_ANY_DICT = re.compile(r"\b(dict|Mapping)\[str, Any\]")

Function = ast.FunctionDef | ast.AsyncFunctionDef


@dataclass(frozen=True)
class Module:
    """A module of the package, by its place in it."""

    name: str
    text: str
    tree: ast.Module

    @property
    def room(self) -> str:
        return self.name.split("/")[0]


def read_modules(tree: Path) -> list[Module]:
    """All modules of the package but the ``__init__`` ones, which only name what others define."""
    package = tree / "mqlml"
    texts = {path: path.read_text(encoding="utf-8") for path in sorted(package.rglob("*.py"))}
    return [
        Module(path.relative_to(package).as_posix(), text, ast.parse(text))
        for path, text in texts.items()
        if path.name != "__init__.py"
    ]


def find_functions(module: Module) -> Iterator[tuple[str, Function]]:
    """Every function with its dotted name, those in classes and in other functions included."""

    def walk(node: ast.AST, path: str) -> Iterator[tuple[str, Function]]:
        for child in ast.iter_child_nodes(node):
            name = f"{path}.{child.name}" if isinstance(child, Function | ast.ClassDef) else path
            if isinstance(child, Function):
                yield name.removeprefix("."), child
            yield from walk(child, name)

    return walk(module.tree, "")


def parameters(function: Function) -> list[ast.arg]:
    """The parameters that a caller gives."""
    given = function.args
    every = [*given.posonlyargs, *given.args, *given.kwonlyargs, given.vararg, given.kwarg]
    return [one for one in every if one is not None and one.arg not in ("self", "cls")]


def has_any_dict(function: Function) -> bool:
    """Whether a parameter or what is returned is a dictionary that may hold anything."""
    hints = [*(parameter.annotation for parameter in parameters(function)), function.returns]
    return any(hint is not None and _ANY_DICT.search(ast.unparse(hint)) for hint in hints)


def is_public(name: str) -> bool:
    """Whether no part of a dotted name is private; ``__init__`` and the like are public."""
    return not any(part.startswith("_") and not part.endswith("__") for part in name.split("."))


def find_subscripts(module: Module) -> Iterator[ast.Subscript]:
    """Subscripts with a text as the key, as in ``result["holdout"]``; not those of types, as in ``Literal["a"]``."""
    hints = {
        id(part)
        for node in ast.walk(module.tree)
        if isinstance(node, ast.Subscript) and ast.unparse(node.value).split(".")[-1] == "Literal"
        for part in ast.walk(node)
    }
    for node in ast.walk(module.tree):
        if isinstance(node, ast.Subscript) and id(node) not in hints:
            key = node.slice
            if isinstance(key, ast.Constant) and isinstance(key.value, str):
                yield node


def count_offsets(module: Module) -> int:
    """Columns counted by hand: ``column + 2`` and ``column += windows``."""
    return sum(
        isinstance(node, ast.AugAssign | ast.BinOp)
        and isinstance(node.op, ast.Add)
        and _is_column(node.target if isinstance(node, ast.AugAssign) else node.left)
        for node in ast.walk(module.tree)
    )


def _is_column(node: ast.expr) -> bool:
    return isinstance(node, ast.Name) and node.id == "column"


def find_large_functions(modules: list[Module]) -> Iterator[str]:
    """Functions that are longer, or take more, than one can keep in mind."""
    for module in modules:
        for name, function in find_functions(module):
            lines = (function.end_lineno or function.lineno) - function.lineno + 1
            given = len(parameters(function))
            if lines > LINES or given > PARAMETERS:
                yield f"{module.name}: {name} ({lines} lines, {given} parameters)"


def find_large_dataclasses(modules: list[Module]) -> Iterator[str]:
    """Dataclasses with more fields of their own than one can keep in mind."""
    for module in modules:
        for node in ast.walk(module.tree):
            if isinstance(node, ast.ClassDef) and _is_dataclass(node):
                fields = sum(isinstance(line, ast.AnnAssign) for line in node.body)
                if fields > FIELDS:
                    yield f"{module.name}: {node.name} ({fields} fields)"


def _is_dataclass(node: ast.ClassDef) -> bool:
    return any("dataclass" in ast.unparse(decorator) for decorator in node.decorator_list)


def measure(tree: Path) -> dict[str, int | list[str]]:
    """The figures by name: a number, or the names of what is too large."""
    modules = read_modules(tree)
    found = [
        name for module in modules for name, function in find_functions(module) if has_any_dict(function)
    ]
    readers = [module for module in modules if module.room in READERS]
    features = [module for module in modules if module.room == "features"]
    return {
        "signatures with dict[str, Any] or Mapping[str, Any]": len(found),
        "those of public functions": sum(map(is_public, found)),
        f"string subscripts in {', '.join(READERS)}": sum(
            sum(1 for _ in find_subscripts(module)) for module in readers
        ),
        "hand-counted column offsets in features": sum(map(count_offsets, features)),
        f"functions above {LINES} lines or {PARAMETERS} parameters": list(find_large_functions(modules)),
        f"dataclasses above {FIELDS} fields": list(find_large_dataclasses(modules)),
        "modules without __init__": len(modules),
        "lines of mqlml": sum(
            len(path.read_text(encoding="utf-8").splitlines()) for path in (tree / "mqlml").rglob("*.py")
        ),
    }


def main() -> None:
    """Print the figures of one checkout."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("tree", type=Path, nargs="?", default=ROOT, help="a checkout; this one, if left out")
    for name, figure in measure(parser.parse_args().tree).items():
        if isinstance(figure, int):
            print(f"{figure:7,}  {name}")
        else:
            print(f"{len(figure):7,}  {name}", *(f"           {line}" for line in figure), sep="\n")


if __name__ == "__main__":
    main()
