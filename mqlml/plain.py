"""Plain values: what travels inside mqlml goes in, what strict JSON can hold comes out."""

from __future__ import annotations

import dataclasses
import math
import numbers
from typing import Any

__all__ = ["to_plain"]


def to_plain(value: Any) -> Any:
    """Dicts, lists, texts, numbers, bools and None; NaN and infinities become None, as JSON has neither.

    Frozen dataclasses become dicts, tuples and arrays lists, and numpy's scalars Python's.

    Raises
    ------
    TypeError
        If a value is none of these.
    """
    if value is None or isinstance(value, str | bool):
        return value
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {item.name: to_plain(getattr(value, item.name)) for item in dataclasses.fields(value)}
    if isinstance(value, dict):
        return {str(key): to_plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [to_plain(item) for item in value]
    if hasattr(value, "tolist"):  # numpy's arrays and scalars, which need not be imported to be known
        return to_plain(value.tolist())
    if isinstance(value, numbers.Integral):
        return int(value)
    if isinstance(value, numbers.Real):
        return float(value) if math.isfinite(value) else None
    raise TypeError(f"only texts, numbers, lists and dicts can be written as JSON; found {value!r}")
