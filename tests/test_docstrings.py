"""Every example in a docstring runs, and everything that is imported from mqlml has one."""

from __future__ import annotations

import doctest
import importlib
import pkgutil
from collections.abc import Iterator

import pytest

import mqlml
from mqlml import model

OPTIONS = doctest.NORMALIZE_WHITESPACE


def examples() -> Iterator[doctest.DocTest]:
    """Every docstring of the package that holds examples."""
    finder = doctest.DocTestFinder(exclude_empty=True)
    for found in pkgutil.walk_packages(mqlml.__path__, "mqlml."):
        module = importlib.import_module(found.name)
        yield from (test for test in finder.find(module, found.name) if test.examples)


EXAMPLES = {test.name: test for test in examples()}


@pytest.mark.parametrize("name", EXAMPLES)
def test_an_example_does_what_it_says(name: str) -> None:
    found: list[str] = []
    result = doctest.DocTestRunner(optionflags=OPTIONS).run(
        EXAMPLES[name], out=found.append, clear_globs=False
    )
    assert result.failed == 0, "".join(found)


PUBLIC = [getattr(mqlml, name) for name in mqlml.__all__] + [
    model.SigmoidCalibrator,
    *(type(baseline) for baseline in model.make_baselines([]).values()),
]


@pytest.mark.parametrize("public", PUBLIC, ids=lambda public: public.__name__)
def test_what_is_public_has_an_example(public: type) -> None:
    assert f"{public.__module__}.{public.__qualname__}" in EXAMPLES
