"""Results as typed records: described field by field, written as strict JSON and read back."""

from __future__ import annotations

import importlib
import math
import pkgutil
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated

import pytest
from pydantic import Field

import mqlml
from mqlml.errors import BundleError
from mqlml.results import Number, Result, describe_fields, from_json_safe, json_schema, to_json_safe


def discover(kind: type[Result]) -> Iterator[type[Result]]:
    for found in kind.__subclasses__():
        yield found
        yield from discover(found)


for module in pkgutil.walk_packages(mqlml.__path__, "mqlml."):
    importlib.import_module(module.name)
KINDS = sorted({found for found in discover(Result) if found.__module__.startswith("mqlml.")}, key=repr)


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_every_field_of_a_result_says_what_it_is(kind: type[Result]) -> None:
    texts = describe_fields(kind)
    assert texts.keys() == json_schema(kind)["properties"].keys()
    assert all(text.endswith(".") for text in texts.values())


@dataclass(frozen=True)
class Span(Result):
    """A span."""

    start: Annotated[str, Field(alias="from")]
    """Where it
    begins."""
    share: Number
    """Of all."""
    bare: int


@dataclass(frozen=True, kw_only=True)
class Named(Span):
    """A span with a name."""

    name: str
    """Its name."""


SPAN = Named(start="a", share=math.nan, bare=1, name="b")


def test_inherited_fields_are_described_on_one_line_and_a_field_without_text_is_left_out() -> None:
    assert describe_fields(Named) == {"from": "Where it begins.", "share": "Of all.", "name": "Its name."}


def test_json_has_aliases_and_null_for_what_is_undefined_and_reads_back() -> None:
    plain = to_json_safe(SPAN)
    assert plain == {"from": "a", "share": None, "bare": 1, "name": "b"}
    assert repr(from_json_safe(Named, plain, where="it")) == repr(SPAN)


def test_infinities_are_null_and_names_of_files_that_are_no_text_stay_as_they_are() -> None:
    odd = Named(start="\udcff.csv", share=math.inf, bare=1, name="b")
    assert to_json_safe(odd) == {"from": "\udcff.csv", "share": None, "bare": 1, "name": "b"}


def test_what_does_not_fit_asks_for_a_new_version() -> None:
    with pytest.raises(
        BundleError, match=r"the span does not fit this release at 'name': .*; train a new version"
    ):
        from_json_safe(Named, {"from": "a", "share": 0.5, "bare": 1}, where="the span")
