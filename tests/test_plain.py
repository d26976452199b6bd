"""Plain values: strict JSON out of whatever travels inside."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass

import numpy as np
import pytest

from mqlml.plain import to_plain


@dataclass(frozen=True)
class Point:
    x: float
    y: tuple[int, ...]


def test_everything_becomes_json() -> None:
    value = {
        "point": Point(math.nan, (1, 2)),
        2: np.float64(0.5),
        "array": np.array([[1, 2], [3, 4]]),
        "flags": [np.bool_(True), False, None],
        "far": math.inf,
        "count": np.int64(7),
    }
    expected = {
        "point": {"x": None, "y": [1, 2]},
        "2": 0.5,
        "array": [[1, 2], [3, 4]],
        "flags": [True, False, None],
        "far": None,
        "count": 7,
    }
    assert to_plain(value) == expected
    assert json.loads(json.dumps(to_plain(value), allow_nan=False)) == expected


def test_other_things_are_refused() -> None:
    with pytest.raises(TypeError, match="only texts, numbers, lists and dicts"):
        to_plain({"a": {1, 2}})
