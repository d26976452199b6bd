"""Job titles: a title as people write it goes in; seniority and function, from one table, come out.

The table is ``job_titles.csv`` beside this module: ``what`` (seniority or function), ``value``, and the words or
phrases that mean it, without accents, divided by ``|``. The first line whose words stand in the title wins: the
line of "executive assistant" comes before that of "CEO", so nobody's assistant is taken for them. A user's own
rows (`TitleRow`) come before all of these. docs/job_titles.md says what it knows and how to add to it.
"""

from __future__ import annotations

import csv
import re
import unicodedata
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Literal

import pandas as pd

from mqlml.config import Profile
from mqlml.errors import ConfigError

__all__ = ["TitleRow", "is_student", "read_titles", "share_known", "title_function", "title_seniority"]

What = Literal["seniority", "function"]

_OTHER = re.compile(r"[\W_]+")
_VALUE = re.compile(r"[a-z][a-z0-9_]*")


@dataclass(frozen=True)
class TitleRow:
    """Words or phrases, as `_plain` writes them, and the seniority or function they mean."""

    what: What
    value: str
    words: tuple[str, ...]


def read_titles(profile: Profile, folder: Path) -> tuple[TitleRow, ...]:
    """The rows that the config adds: written in it, or in a CSV file with the columns of ``job_titles.csv``.

    Raises
    ------
    ConfigError
        If the file cannot be read, or a row in it is none.
    """
    added = profile.job_titles
    if isinstance(added, str):
        return _read_file(folder / Path(added).expanduser())
    return tuple(TitleRow(row.what, row.value, _phrases_of(row.words)) for row in added)


def _read_file(path: Path) -> tuple[TitleRow, ...]:
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        why = getattr(error, "strerror", None) or error
        raise ConfigError(
            f"profile.job_titles names the file {str(path)!r}, which cannot be read: {why}; save a CSV there with "
            "the columns what, value, words, or write the rows into the config"
        ) from None
    rows = []
    for number, line in enumerate(csv.DictReader(lines), start=1):
        what, value, words = ((line.get(key) or "").strip() for key in ("what", "value", "words"))
        phrases = _phrases_of(words.split("|"))
        if what not in ("seniority", "function") or not _VALUE.fullmatch(value) or not phrases:
            raise ConfigError(
                f"profile.job_titles: row {number} of {path.name} must hold what (seniority or function), value "
                f"(small letters, digits, _) and words (divided by |); found {dict(line)!r}"
            )
        rows.append(TitleRow("seniority" if what == "seniority" else "function", value, phrases))
    return tuple(rows)


def _phrases_of(words: list[str]) -> tuple[str, ...]:
    return tuple(phrase for phrase in map(_plain, words) if phrase)


@cache
def _phrases(what: What, added: tuple[TitleRow, ...]) -> tuple[dict[str, tuple[int, str]], int]:
    """The place and the value of each phrase, and the words of the longest; an earlier row keeps a shared phrase."""
    text = files("mqlml.features").joinpath("job_titles.csv").read_text(encoding="utf-8")
    own = [
        (line["what"], line["value"], line["words"].split("|")) for line in csv.DictReader(text.splitlines())
    ]
    phrases: dict[str, tuple[int, str]] = {}
    for place, (kind, value, words) in enumerate([*((r.what, r.value, r.words) for r in added), *own]):
        if kind == what:
            for phrase in words:
                phrases.setdefault(phrase, (place, value))
    return phrases, max(len(phrase.split()) for phrase in phrases)


def _plain(title: str) -> str:
    for letter, plain in (
        ("ß", "ss"),
        ("ł", "l"),
        ("Ł", "l"),
        ("ø", "o"),
        ("Ø", "o"),
        ("æ", "ae"),
        ("ı", "i"),
    ):
        title = title.replace(letter, plain)  # these do not come apart into a letter and an accent
    letters = unicodedata.normalize("NFKD", title)
    return _OTHER.sub(" ", "".join(c for c in letters if not unicodedata.combining(c))).strip().lower()


def _look_up(title: str, what: What, added: tuple[TitleRow, ...]) -> str:
    words = _plain(title).split()
    phrases, longest = _phrases(what, added)
    runs = (" ".join(words[i : i + n]) for n in range(1, longest + 1) for i in range(len(words) - n + 1))
    return min((phrases[run] for run in runs if run in phrases), default=(0, "other"))[1]


def title_seniority(title: str, added: tuple[TitleRow, ...] = ()) -> str:
    """How senior a title is: student, owner, vp, c_level, director, junior, manager, senior, specialist or other.

    >>> title_seniority("Sr. Vice-President, Sales"), title_seniority("Geschäftsführer"), title_seniority("Wizard")
    ('vp', 'c_level', 'other')
    """
    return _look_up(title, "seniority", added)


def title_function(title: str, added: tuple[TitleRow, ...] = ()) -> str:
    """What part of a company a title belongs to: marketing, sales, it, finance … or other.

    >>> title_function("Head of Demand Generation"), title_function("CFO")
    ('marketing', 'finance')
    """
    return _look_up(title, "function", added)


def share_known(titles: pd.Series, added: tuple[TitleRow, ...] = ()) -> float:
    """The share of the titles that are there whose seniority or function is known; 0 where there are none.

    >>> share_known(pd.Series(["CFO", "Wizard", "Head of Sales", None, "CFO"]))
    0.75
    """
    counts = titles.astype("str").value_counts()
    known = [
        title_seniority(title, added) != "other" or title_function(title, added) != "other"
        for title in counts.index
    ]
    return float(counts[known].sum() / counts.sum()) if len(counts) else 0.0


def is_student(title: str, added: tuple[TitleRow, ...] = ()) -> bool:
    """Whether the title is a student's or a pupil's."""
    return title_seniority(title, added) == "student"
