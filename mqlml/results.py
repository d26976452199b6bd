"""Results as typed records: what every record that leaves a room shares, and its way to JSON and back."""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass, is_dataclass
from typing import Annotated, Any, TypeVar

from pydantic import BeforeValidator, ConfigDict, TypeAdapter, ValidationError, WithJsonSchema

from mqlml.errors import BundleError

__all__ = [
    "CommandError",
    "ErrorResult",
    "Number",
    "Result",
    "describe_fields",
    "from_json_safe",
    "json_schema",
    "to_json_safe",
]

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


@dataclass(frozen=True)
class CommandError(Result):
    """What stopped a command."""

    kind: str
    """The class of the error: ``ConfigError``, ``UsageError`` and so on."""
    message: str
    """What must hold, what was found, and what to do, as a sentence for people."""


@dataclass(frozen=True)
class ErrorResult(Result):
    """What a command prints in place of its result where it stops with an error."""

    error: CommandError
    """What stopped it."""


_make_adapter = functools.cache(TypeAdapter)


def _adapter(kind: Any) -> TypeAdapter[Any]:
    return _make_adapter(kind)


def to_json_safe(result: Result) -> dict[str, Any]:
    """A result as dicts, lists, texts and numbers that strict JSON can hold; NaN and infinities become None."""
    # Not by way of JSON text, for which names of files that are not UTF-8 would be an error.
    plain: dict[str, Any] = _undefined_to_none(
        _adapter(type(result)).dump_python(result, mode="json", by_alias=True)
    )
    return plain


def _undefined_to_none(value: Any) -> Any:
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else None
    if isinstance(value, dict):
        return {key: _undefined_to_none(item) for key, item in value.items()}
    return [_undefined_to_none(item) for item in value] if isinstance(value, list) else value


def from_json_safe(
    kind: type[Kind], value: object, *, where: str, remedy: str = "train a new version"
) -> Kind:
    """The result that `to_json_safe` wrote, whether or not it went through a file.

    Parameters
    ----------
    kind : the type of the result
    value : what was written; keys that this release does not know are ignored.
    where : what is read, for the error: "the stored evaluation".
    remedy : what to do where it does not fit, for the error: "train a new version".

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
            f"{where} does not fit this release at {place!r}: {first['msg'].lower()}; {remedy}"
        ) from None
    return found


def json_schema(kind: type[Result]) -> dict[str, Any]:
    """The JSON schema of a result, with the descriptions of its fields."""
    return _adapter(kind).json_schema(by_alias=True, mode="serialization")


def describe_fields(kind: type[Result]) -> dict[str, str]:
    """The text under each field that has one, on a single line, by its key in JSON; inherited fields first."""
    texts: dict[str, str] = {}
    # Pydantic finds the texts of a class's own fields only, so those of its bases are asked of the bases.
    for base in reversed(kind.__mro__):
        if issubclass(base, Result) and is_dataclass(base):
            fields = json_schema(base)["properties"].items()
            texts |= {
                key: " ".join(field["description"].split()) for key, field in fields if "description" in field
            }
    return texts
