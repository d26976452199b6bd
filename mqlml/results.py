"""Results as typed records: what every record that leaves a room shares, and its way to JSON and back."""

from __future__ import annotations

import functools
import json
import math
from typing import Annotated, Any, TypeVar

from pydantic import BeforeValidator, ConfigDict, TypeAdapter, ValidationError, WithJsonSchema

from mqlml.errors import BundleError

__all__ = ["Number", "Result", "from_json_safe", "json_schema", "to_json_safe"]

Kind = TypeVar("Kind", bound="Result")


Number = Annotated[
    float,
    BeforeValidator(lambda value: math.nan if value is None else value),
    WithJsonSchema({"anyOf": [{"type": "number"}, {"type": "null"}]}),
]
"""A measured number that may be undefined: NaN in Python, null in JSON."""


class Result:
    """Base of the frozen dataclasses that evaluations and commands return.

    The JSON of a result has one key per field, under the field's alias where it has one
    (``start: Annotated[str, Field(alias="from")]``). The text below a field describes it, in ``docs/json.md`` too.
    Values are Python's own numbers, texts, tuples, dicts and other results, so that they read back equal.
    """

    __pydantic_config__ = ConfigDict(use_attribute_docstrings=True, populate_by_name=True)


_make_adapter = functools.cache(TypeAdapter)


def _adapter(kind: Any) -> TypeAdapter[Any]:
    return _make_adapter(kind)


def to_json_safe(result: Result) -> dict[str, Any]:
    """A result as dicts, lists, texts and numbers that strict JSON can hold; NaN and infinities become None."""
    plain: dict[str, Any] = json.loads(_adapter(type(result)).dump_json(result, by_alias=True))
    return plain


def from_json_safe(kind: type[Kind], value: object, *, where: str) -> Kind:
    """The result that `to_json_safe` wrote, whether or not it went through a file.

    Parameters
    ----------
    kind : the type of the result
    value : what was written; keys that this release does not know are ignored.
    where : what is read, for the error: "the stored evaluation".

    Raises
    ------
    BundleError
        If a value is missing or has another type than the field.
    """
    try:
        found: Kind = _adapter(kind).validate_python(value)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"]))
        raise BundleError(
            f"{where} does not fit this release at {place!r}: {first['msg'].lower()}; train a new version"
        ) from None
    return found


def json_schema(kind: type[Result]) -> dict[str, Any]:
    """The JSON schema of a result, with the descriptions of its fields."""
    return _adapter(kind).json_schema(by_alias=True, mode="serialization")
