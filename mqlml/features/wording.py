"""Wording: what a feature tells of, as typed parts that its sentence and its values in words are made from.

Nothing takes a sentence apart to learn what stands in it: what a sentence needs is a field here.
"""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import Field

__all__ = [
    "Compared",
    "Counted",
    "Flag",
    "Last",
    "Named",
    "Part",
    "Share",
    "Since",
    "Text",
    "Times",
    "counted_acts",
    "format_word",
    "last_act",
    "lower_first",
    "upper_first",
]

_OTHER = re.compile(r"[\W_]+")
_PLAIN_NOUN = re.compile(r"[a-z ]*[a-z](?<!ed)(?<!ing)(?<!s)(?<!sent)")


def upper_first(text: str) -> str:
    """A capital first letter."""
    return text[:1].upper() + text[1:]


def lower_first(text: str) -> str:
    """A small first letter, unless the word is an abbreviation."""
    return text if text[1:2].isupper() else text[:1].lower() + text[1:]


class _Wording(ABC):
    """What every text has: its label, and what the catalogue adds to explain it.

    The label is said before a value; with an ``aside`` it is said without the window, which belongs to the aside.
    """

    aside: str

    @property
    @abstractmethod
    def label(self) -> str:
        """What is measured: "sum of the acts' values"."""

    @property
    def heading(self) -> str:
        """The catalogue's sentence, without the window."""
        return upper_first(self.label) + self.aside


@dataclass(frozen=True)
class Named(_Wording):
    """A quantity or a property by its name, as it is written: "employees: 250", "country is DE".

    ``before`` stands before the name in the catalogue only.
    """

    name: str
    aside: str = ""
    before: str = ""
    form: Literal["named"] = "named"

    @property
    def label(self) -> str:
        """The name."""
        return self.name

    @property
    def heading(self) -> str:
        """The name as it is written, between what stands before it and the aside."""
        return f"{self.before}{self.name}{self.aside}"


@dataclass(frozen=True)
class Counted(_Wording):
    """Things that are counted, by a noun: "3 demo requests", of ``different`` ones "2 different channels"."""

    one: str
    many: str
    different: bool = False
    aside: str = ""
    form: Literal["counted"] = "counted"

    @property
    def label(self) -> str:
        """The things."""
        return f"different {self.many}" if self.different else self.many


@dataclass(frozen=True)
class Times(_Wording):
    """How often something happened that is no plain noun: "“webinar attended” twice"."""

    what: str
    aside: str = ""
    form: Literal["times"] = "times"

    @property
    def label(self) -> str:
        """The times it happened."""
        return f"times {self.what}"


@dataclass(frozen=True)
class Last(_Wording):
    """Days since something last happened: "last demo request 2 days ago", "no demo request for 41 days".

    ``what`` is said with a value; the catalogue says ``named`` where it names it otherwise, or the whole ``instead``.
    """

    what: str
    named: str = ""
    instead: str = ""
    aside: str = ""
    form: Literal["last"] = "last"

    @property
    def label(self) -> str:
        """The days since the last."""
        return f"days since the last {self.named or self.what}"

    @property
    def heading(self) -> str:
        """The days since the last, or what is said instead."""
        return self.instead or upper_first(self.label)


@dataclass(frozen=True)
class Since(_Wording):
    """Days since something became so: "the lead was created 30 days ago"."""

    what: str
    aside: str = ""
    form: Literal["since"] = "since"

    @property
    def label(self) -> str:
        """The days since then."""
        return f"days since {self.what}"


@dataclass(frozen=True)
class Share(_Wording):
    """A share of things that may be none: "40% of touches through “email”", "no touches through “email”"."""

    of: str
    aside: str = ""
    form: Literal["share"] = "share"

    @property
    def label(self) -> str:
        """The share of them."""
        return f"share of {self.of}"


@dataclass(frozen=True)
class Part(_Wording):
    """The part of one whole of which something holds: "75% of the profile is filled in"."""

    whole: str
    holds: str
    aside: str = ""
    form: Literal["part"] = "part"

    @property
    def label(self) -> str:
        """The part of it."""
        return f"share of {self.whole} that {self.holds}"


@dataclass(frozen=True)
class Flag(_Wording):
    """Something that holds or not: "writes from a free mail address"."""

    fact: str
    aside: str = " (1 yes, 0 no)"
    form: Literal["flag"] = "flag"

    @property
    def label(self) -> str:
        """What holds."""
        return self.fact


@dataclass(frozen=True)
class Compared(_Wording):
    """One stretch of time against the one before it, from −1 to 1: "more acts in the last 7 days than before"."""

    what: str
    lately: str
    before: str
    name: str
    aside: str = ""
    form: Literal["compared"] = "compared"

    @property
    def label(self) -> str:
        """The name of the comparison."""
        return self.name


Text = Annotated[
    Named | Counted | Times | Last | Since | Share | Part | Flag | Compared, Field(discriminator="form")
]
"""How a feature is put into words."""


def format_word(word: str) -> str:
    """One of the source's words as people write it: ``demo_request`` is ``demo request``."""
    return " ".join(_OTHER.sub(" ", word).split()) or "blank"


def _is_plain_noun(said: str) -> bool:
    return _PLAIN_NOUN.fullmatch(said[:1].lower() + said[1:]) is not None


def counted_acts(word: str) -> Counted | Times:
    """Acts of the source's that are counted: by a noun where the word is plainly one, else quoted.

    >>> counted_acts("demo_request").heading, counted_acts("reply").heading, counted_acts("webinar_attended").heading
    ('Demo requests', 'Replies', 'Times “webinar attended”')
    """
    said = format_word(word)
    if not _is_plain_noun(said):
        return Times(f"“{said}”")
    if said[-1:] == "y" and said[-2:-1] not in "aeiou":
        many = f"{said[:-1]}ies"
    elif said[-2:] in ("ch", "sh") or said[-1:] in ("x", "z"):
        many = f"{said}es"
    else:
        many = f"{said}s"
    return Counted(lower_first(said), lower_first(many))


def last_act(word: str) -> Last:
    """The last of the source's acts: the catalogue quotes the word, a value only where it is not plainly a noun."""
    said = format_word(word)
    quoted = f"“{said}”"
    return Last(said if _is_plain_noun(said) else quoted, named=quoted)
