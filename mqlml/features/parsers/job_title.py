"""Parsing of job titles into seniority and function, and the columns that titles and other roles are read from.

The table is ``job_titles.csv`` beside this module: ``what`` (seniority or function), ``value``, and the words or
phrases that mean it, without accents, divided by ``|``. The first line whose words stand in the title wins: the
line of "executive assistant" comes before that of "CEO", so nobody's assistant is taken for them. A user's own
rows (`TitleRow`) come before all of these. docs/job_titles.md says what it knows and how to add to it.
"""

from __future__ import annotations

import csv
import re
import unicodedata
from collections.abc import Collection
from dataclasses import dataclass
from functools import cache, lru_cache
from importlib.resources import files
from pathlib import Path
from typing import Literal

import pandas as pd

from mqlml.config import Profile
from mqlml.errors import ConfigError
from mqlml.features.parsers.attributes import Attribute, check_columns, is_text, read_text
from mqlml.journeys.people import EMAIL_NAMES, PHONE_NAMES
from mqlml.texts import normalize_name

_USUAL = {
    "email": EMAIL_NAMES,
    "job_title": {
        "job", "job_role", "job_title", "jobtitle", "position", "role", "title",
    },
    "company_size": {
        "company_headcount", "company_size", "companysize", "employee_count", "employee_range", "employees",
        "headcount", "no_of_employees", "num_employees", "number_of_employees", "numberofemployees",
        "organisation_size", "organization_size",
    },
    "phone": PHONE_NAMES,
}  # fmt: skip
"""Usual names of the column for each role, as `normalize_name` writes them."""


@dataclass(frozen=True)
class Roles:
    """The attributes that are parsed; None where there is none."""

    email: Attribute | None = None
    job_title: Attribute | None = None
    company_size: Attribute | None = None
    phone: Attribute | None = None


def find_email(table: pd.DataFrame, profile: Profile, refused: Collection[str] = ()) -> str | None:
    """The column of email addresses: the one the config names, or one with a usual name that holds addresses."""
    if profile.email is not None:
        check_columns([profile.email], list(table.columns), "profile.email")
        return None if profile.email in refused else profile.email
    column = _usual(table, "email", profile, refused)
    if column is None:
        return None
    texts = read_text(table, column)[1]
    return column if sum("." in text for text in texts) > len(texts) / 2 else None


def _usual(table: pd.DataFrame, role: str, profile: Profile, refused: Collection[str]) -> str | None:
    columns = [str(column) for column in table.columns]
    if role == "company_size":  # a number says more than a range
        numbers = [column for column in columns if not is_text(table[column])]
        columns = [*numbers, *(column for column in columns if column not in numbers)]
    for column in columns:
        allowed = (profile.static == "auto" or column in profile.static) and column not in refused
        text = is_text(table[column]) or role in ("company_size", "phone")
        if allowed and text and normalize_name(column) in _USUAL[role]:
            return column
    return None


def find_roles(
    leads: pd.DataFrame,
    profile: Profile,
    *,
    refused: Collection[str],
    table: Literal["leads", "flat"] = "leads",
) -> Roles:
    """The attribute of each role: the one the config names, or one with a usual name.

    One that ``profile.history`` lists is read from the history, as of each cutoff.

    Parameters
    ----------
    leads : DataFrame, whose columns are searched.
    profile : config section
    refused : attributes that the audit refused: they have no role.
    table : what the catalogue calls ``leads``.

    Raises
    ------
    ConfigError
        If the config names a column that is not there.
    """
    found: dict[str, Attribute] = {}
    for role in _USUAL:
        named = getattr(profile, role)
        changing = [name for name in profile.history if name == named or normalize_name(name) in _USUAL[role]]
        if changing and (named is None or named in changing):
            if changing[0] not in refused:
                found[role] = Attribute(changing[0], "history")
            continue
        if role == "email":
            column = find_email(leads, profile, refused)
        elif named is not None:
            check_columns([named], list(leads.columns), f"profile.{role}")
            column = None if named in refused else named
        else:
            column = _usual(leads, role, profile, refused)
        if column is not None:
            found[role] = Attribute(column, table)
    return Roles(**found)


_EXTENSION = re.compile(r"(ext|extension|x|durchwahl|dw|poste)\.?\s*\d{1,6}$", re.IGNORECASE)
_SHORTEST, _LONGEST = 7, 15
"""Digits: the longest by ITU-T E.164, country code included; the shortest in common use without an area code."""

_RUNS = ("01234567890123456789", "98765432109876543210")


def is_phone(text: str) -> bool:
    """Whether a text can be a phone number: enough digits, nothing else, and not one that nobody was given.

    >>> [is_phone(text) for text in ("+49 (0)30 901820", "555-0100 x12", "1111111111", "1234567890", "none")]
    [True, True, False, False, False]
    """
    number = _EXTENSION.sub("", text.strip())
    if re.search(r"[^\d\s()+./\-\u2010-\u2015]", number):
        return False
    digits = re.sub(r"\D", "", number)
    return (
        _SHORTEST <= len(digits) <= _LONGEST
        and len(set(digits)) > 1
        and not any(digits in run for run in _RUNS)
    )


What = Literal["seniority", "function"]

_OTHER = re.compile(r"[\W_]+")
_VALUE = re.compile(r"[a-z][a-z0-9_]*")


@dataclass(frozen=True)
class TitleRow:
    """Words or phrases, as `_normalize` writes them, and the seniority or function they mean."""

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
        reason = getattr(error, "strerror", None) or error
        raise ConfigError(
            f"profile.job_titles names the file {str(path)!r}, which cannot be read: {reason}; save a CSV there with "
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
    return tuple(phrase for phrase in map(_normalize, words) if phrase)


@cache
def _phrases(what: What, added: tuple[TitleRow, ...]) -> tuple[dict[str, tuple[int, str]], int]:
    """The place and the value of each phrase, and the words of the longest; an earlier row keeps a shared phrase."""
    text = files("mqlml.features.parsers").joinpath("job_titles.csv").read_text(encoding="utf-8")
    own = [
        (line["what"], line["value"], line["words"].split("|")) for line in csv.DictReader(text.splitlines())
    ]
    phrases: dict[str, tuple[int, str]] = {}
    for place, (kind, value, words) in enumerate([*((r.what, r.value, r.words) for r in added), *own]):
        if kind == what:
            for phrase in words:
                phrases.setdefault(phrase, (place, value))
    return phrases, max(len(phrase.split()) for phrase in phrases)


_LETTERS = str.maketrans({"ß": "ss", "ł": "l", "Ł": "l", "ø": "o", "Ø": "o", "æ": "ae", "ı": "i"})
"""Letters that do not come apart into a letter and an accent."""


def _normalize(title: str) -> str:
    letters = unicodedata.normalize("NFKD", title.translate(_LETTERS))
    return _OTHER.sub(" ", "".join(c for c in letters if not unicodedata.combining(c))).strip().lower()


@lru_cache(maxsize=1 << 16)
def _look_up(title: str, what: What, added: tuple[TitleRow, ...]) -> str:
    words = _normalize(title).split()
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
