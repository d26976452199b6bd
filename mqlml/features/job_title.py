"""Job titles: a title as people write it goes in; seniority and function, from one table, come out.

The table is ``job_titles.csv`` beside this module: ``what`` (seniority or function), ``value``, and the words or
phrases that mean it, without accents, divided by ``|``. The first line whose words stand in the title wins, so
"Assistant to the CEO" needs no rule of its own if its line comes first.
"""

from __future__ import annotations

import csv
import re
import unicodedata
from functools import cache
from importlib.resources import files

__all__ = ["is_student", "title_function", "title_seniority"]

_OTHER = re.compile(r"[\W_]+")


@cache
def _patterns(what: str) -> tuple[tuple[str, re.Pattern[str]], ...]:
    text = files("mqlml.features").joinpath("job_titles.csv").read_text(encoding="utf-8")
    return tuple(
        (line["value"], re.compile(rf"\b(?:{line['words']})\b"))
        for line in csv.DictReader(text.splitlines())
        if line["what"] == what
    )


def _plain(title: str) -> str:
    letters = unicodedata.normalize("NFKD", title.replace("ß", "ss"))
    return _OTHER.sub(" ", "".join(c for c in letters if not unicodedata.combining(c))).strip().lower()


def _look_up(title: str, what: str) -> str:
    plain = _plain(title)
    return next((value for value, pattern in _patterns(what) if pattern.search(plain)), "other")


def title_seniority(title: str) -> str:
    """How senior a title is: student, owner, vp, c_level, director, junior, manager, senior, specialist or other.

    >>> title_seniority("Sr. Vice-President, Sales"), title_seniority("Geschäftsführer"), title_seniority("Wizard")
    ('vp', 'c_level', 'other')
    """
    return _look_up(title, "seniority")


def title_function(title: str) -> str:
    """What part of a company a title belongs to: marketing, sales, it, finance … or other.

    >>> title_function("Head of Demand Generation"), title_function("CFO")
    ('marketing', 'finance')
    """
    return _look_up(title, "function")


def is_student(title: str) -> bool:
    """Whether the title is a student's or a pupil's."""
    return title_seniority(title) == "student"
