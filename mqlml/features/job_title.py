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

_LONGEST = 3
"""Words in the longest phrase of the table."""


@cache
def _phrases(what: str) -> dict[str, tuple[int, str]]:
    """The line and the value of each phrase of the table; an earlier line keeps a phrase that stands in two."""
    text = files("mqlml.features").joinpath("job_titles.csv").read_text(encoding="utf-8")
    phrases: dict[str, tuple[int, str]] = {}
    for number, line in enumerate(csv.DictReader(text.splitlines())):
        if line["what"] == what:
            for phrase in line["words"].split("|"):
                phrases.setdefault(phrase, (number, line["value"]))
    return phrases


def _plain(title: str) -> str:
    letters = unicodedata.normalize("NFKD", title.replace("ß", "ss"))
    return _OTHER.sub(" ", "".join(c for c in letters if not unicodedata.combining(c))).strip().lower()


def _look_up(title: str, what: str) -> str:
    words = _plain(title).split()
    phrases = _phrases(what)
    runs = (" ".join(words[i : i + n]) for n in range(1, _LONGEST + 1) for i in range(len(words) - n + 1))
    return min((phrases[run] for run in runs if run in phrases), default=(0, "other"))[1]


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
