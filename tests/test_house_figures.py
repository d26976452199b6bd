"""The figures of the house are counted right on a checkout of two small modules."""

from __future__ import annotations

import runpy
from pathlib import Path

from tests.conftest import ROOT

HOUSE = runpy.run_path(str(ROOT / "benchmarks" / "house.py"))

PIPELINE = '''"""A room that reads results."""
from dataclasses import dataclass
from typing import Any, Literal

Kind = Literal["a", "b"]


def show(result: dict[str, Any]) -> str:
    return result["model"]


def _read(given: "Mapping[str, Any]", place: int) -> Literal["x"]:
    def inner() -> list[dict[str, Any]]:
        return [given["rows"][place]]

    return inner()[0]["kind"]


class Long:
    def take(self, a, b, c, d, e, f, g, h):
        """Eight is not too many."""

    def take_more(self, a, b, c, d, e, f, g, *, h, **i):
        """Nine is."""


@dataclass(frozen=True)
class Wide:
''' + "".join(f"    field_{number}: int\n" for number in range(16))

FEATURES = '''"""A group of features: ``column + 1`` in a text is no offset."""


def write(out, column, windows):
    out[column + 1] = 0
    column += windows
    out[column] = out["name"]
'''


def test_the_figures_of_a_small_checkout(tmp_path: Path) -> None:
    for name, text in {
        "pipeline/show.py": PIPELINE,
        "features/write.py": FEATURES,
        "__init__.py": "",
    }.items():
        path = tmp_path / "mqlml" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    long = "def long():\n" + "    pass\n" * 80
    (tmp_path / "mqlml" / "long.py").write_text(long, encoding="utf-8")
    assert list(HOUSE["measure"](tmp_path).values()) == [
        3,
        1,
        3,
        2,
        [
            "long.py: long (81 lines, 0 parameters)",
            "pipeline/show.py: Long.take_more (2 lines, 9 parameters)",
        ],
        ["pipeline/show.py: Wide (16 fields)"],
        3,
        sum(len(text.splitlines()) for text in (PIPELINE, FEATURES, long)),
    ]
