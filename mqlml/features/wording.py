"""Typed parts of a feature's text, from which its sentence and the texts of its values are made."""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import Field

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

    The label stands before a value; with an ``aside`` it has no window, which belongs to the aside.
    """

    aside: str

    @property
    @abstractmethod
    def label(self) -> str:
        """What is measured: "total value of events"."""

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

    ``what`` stands with a value; the catalogue has ``named`` where it differs, or ``instead`` for the whole sentence.
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
        """The days since the last, or the text instead."""
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
    """Something that holds or not: "writes from a free email address"."""

    fact: str
    aside: str = " (1 yes, 0 no)"
    form: Literal["flag"] = "flag"

    @property
    def label(self) -> str:
        """What holds."""
        return self.fact


@dataclass(frozen=True)
class Compared(_Wording):
    """One stretch of time against the one before it, from −1 to 1: "more events in the last 7 days than before"."""

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
"""The text of a feature."""


def format_word(word: str) -> str:
    """One of the source's words as people write it: ``demo_request`` is ``demo request``."""
    return " ".join(_OTHER.sub(" ", word).split()) or "blank"


def _is_plain_noun(text: str) -> bool:
    return _PLAIN_NOUN.fullmatch(text[:1].lower() + text[1:]) is not None


def counted_events(word: str) -> Counted | Times:
    """How events of an action are counted: by a noun where the word is plainly one, else quoted.

    >>> [counted_events(word).heading for word in ("demo_request", "reply", "webinar_attended")]
    ['Demo requests', 'Replies', 'Times “webinar attended”']
    """
    text = format_word(word)
    if not _is_plain_noun(text):
        return Times(f"“{text}”")
    if text[-1:] == "y" and text[-2:-1] not in "aeiou":
        many = f"{text[:-1]}ies"
    elif text[-2:] in ("ch", "sh") or text[-1:] in ("x", "z"):
        many = f"{text}es"
    else:
        many = f"{text}s"
    return Counted(lower_first(text), lower_first(many))


def last_event(word: str) -> Last:
    """The last event of an action: the catalogue quotes the word, a value only where it is not plainly a noun."""
    text = format_word(word)
    quoted = f"“{text}”"
    return Last(text if _is_plain_noun(text) else quoted, named=quoted)
