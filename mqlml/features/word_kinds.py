"""What kind a word of the events table is: an action, a channel or an initiator goes in, yes or no comes out."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

__all__ = ["Kind", "any_of", "is_download", "is_high_intent", "is_lead", "is_paid"]

_OTHER = re.compile(r"[\W_]+")
_HUMPS = re.compile(r"(?<=[a-z])(?=[A-Z])")


def any_of(*patterns: str) -> Callable[[str], bool]:
    """Whether one of the patterns matches whole words of a text, in lower case, its other characters as spaces."""
    match = re.compile(r"\b(" + "|".join(patterns) + r")\b")
    return lambda word: match.search(_OTHER.sub(" ", _HUMPS.sub(" ", word)).lower()) is not None


is_high_intent = any_of(
    r"demos?|demonstration\w*|(free )?trials?|test drive",
    r"pric(e|es|ing)|quotes?|quotation\w*|proposals?|rf[pqi]|angebot\w*|preis\w*",
    r"(buy|buyer|buyers|buying|purchas\w*) guides?|kaufberat\w*",
    r"(contact|talk to|call) sales|(request\w*|book\w*) (a |an )?(call|callback|meeting|appointment|consultation)",
    r"(meeting|call|callback|consultation|appointment) (request\w*|book\w*|schedul\w*)",
    r"check ?out|(shopping )?(cart|basket)|roi calculator",
)
"""Whether an action shows that its lead is about to choose: demo, trial, price, buying guide, basket and the like."""

is_download = any_of(
    r"download\w*|white ?papers?|e ?books?|brochures?|data ?sheets?|buying guides?|buyers? guides?|pdfs?"
)
"""Whether an action is the download of some content."""

is_lead = any_of(
    r"leads?|contacts?|customers?|clients?|prospects?|visitors?|users?|buyers?|inbound|person|self|consumer"
)
"""Whether the word in ``initiated_by`` means the lead itself."""

is_paid = any_of(
    r"paid\w*|pp[cl]|cp[acmv]|se[am]|ads?|adwords|advert\w*|display|sponsor\w*|promoted|banners?",
    r"re ?(target|market)\w*|affiliat\w*|programmatic|print|tv|radio|billboards?|anzeigen?|werbung",
)
"""Whether a channel is paid for by the touch or the showing; all others are organic."""

_KINDS = {"high_intent": is_high_intent, "download": is_download, "lead": is_lead}


@dataclass(frozen=True)
class Kind:
    """A kind of words: ``listed`` by the config, or without a list what the patterns of ``name`` match."""

    name: str
    listed: tuple[str, ...] | None

    def holds(self, word: str) -> bool:
        """Whether a word is of this kind."""
        return _KINDS[self.name](word) if self.listed is None else word in self.listed
