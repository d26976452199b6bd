"""Which actions, channels and initiators are of a kind (high intent, download, paid, undesirable …), by patterns."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

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


_ACTIONS = (
    r"unsubscri\w*|opt(ed)? out|optout|abmeld\w*|desinscri\w*",  # wants no more mail
    r"(hard |soft )?bounc\w*|undeliver\w*|invalid (e )?mail",  # cannot be reached
    r"complain\w*|spam\w*|abuse\w*|mark(ed)? as junk",  # objects to being written to
    r"careers?|jobs|vacanc\w*|hiring|karriere|job (page|board|application|offer|posting)\w*",  # wants a job
    r"no shows?|noshow\w*|miss(ed)? (the )?(meeting|call|demo|webinar|appointment)",  # did not turn up
    r"(do )?not (contact|call|e ?mail)|dnc|block(ed)? sender",
    r"not interested|reject\w* (call|meeting|demo)|declin\w* (call|meeting|demo)",
)
"""Each pattern matches whole words of an action, in lower case, with every run of other characters a space."""

_CHANNELS = (
    r"careers?|jobs?|job boards?|vacanc\w*|hiring|recruit\w*|karriere|stellen\w*|indeed|glassdoor|stepstone",
    r"support|help ?desk|help ?cent(er|re)|service desk|ticket\w*|customer service",  # has the product already
    r"coupons?|vouchers?|cash ?back|deals? sites?|discount\w*|gutschein\w*|rebates?|freebies?|giveaways?",
    r"affiliates?|incent\w*|sweepstakes?|paid to click|ptc|co ?reg(istration)?",  # is paid for the click
    r"unsubscri\w*|spam\w*|bots?|crawlers?|scrap\w*",
    r"investor relations?",  # reads about the company, not about what it sells
)
"""As for actions, of a channel."""

_is_bad_action = any_of(*_ACTIONS)
_is_bad_channel = any_of(*_CHANNELS)


def is_undesirable(action: str, listed: tuple[str, ...] | None) -> bool:
    """Whether an action counts as undesirable: one of ``listed``, or without a list, one the patterns know.

    >>> is_undesirable("Careers_Page_Visit", None), is_undesirable("emailUnsubscribed", None)
    (True, True)
    >>> is_undesirable("demo_request", None), is_undesirable("demo_request", ("demo_request",))
    (False, True)
    """
    return _is_bad_action(action) if listed is None else action in listed


def is_undesirable_channel(channel: str, listed: tuple[str, ...] | None) -> bool:
    """The same of a channel.

    >>> [is_undesirable_channel(word, None) for word in ("Careers page", "coupon-site", "Organic search")]
    [True, True, False]
    """
    return _is_bad_channel(channel) if listed is None else channel in listed
