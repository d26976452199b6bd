"""Which acts and channels speak against a lead: a word of the events table goes in, yes or no comes out."""

from __future__ import annotations

from mqlml.features.word_kinds import any_of

__all__ = ["is_undesirable", "is_undesirable_channel"]

_ACTS = (
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

_is_bad_act = any_of(*_ACTS)
_is_bad_channel = any_of(*_CHANNELS)


def is_undesirable(action: str, listed: tuple[str, ...] | None) -> bool:
    """Whether an action counts as undesirable: one of ``listed``, or without a list, one the patterns know.

    >>> is_undesirable("Careers_Page_Visit", None), is_undesirable("emailUnsubscribed", None)
    (True, True)
    >>> is_undesirable("demo_request", None), is_undesirable("demo_request", ("demo_request",))
    (False, True)
    """
    return _is_bad_act(action) if listed is None else action in listed


def is_undesirable_channel(channel: str, listed: tuple[str, ...] | None) -> bool:
    """The same of a channel.

    >>> [is_undesirable_channel(word, None) for word in ("Careers page", "coupon-site", "Organic search")]
    [True, True, False]
    """
    return _is_bad_channel(channel) if listed is None else channel in listed
