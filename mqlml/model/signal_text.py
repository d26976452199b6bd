"""The sentence that says why a raw difference and the one from like leads say different things."""

from __future__ import annotations

from mqlml.features.wording import format_word
from mqlml.model.signals import Explanation, SignalLevel

__all__ = ["format_explanation"]

_MOSTLY = 0.5


def format_explanation(level: SignalLevel) -> str:
    r"""Why leads with an event type or level convert more or less often, though like leads hardly differ.

    Returns
    -------
    str
        Empty where there is nothing to explain: the raw difference is not clear, or like leads differ the same way,
        or no other signal goes along.

    Examples
    --------
    >>> from mqlml.model.signals import SignalEstimate, SignalName
    >>> one = SignalEstimate(0.04, 0.01, 0.07)
    >>> alike = SignalEstimate(0.0, -0.02, 0.02)
    >>> visits = Explanation(SignalName("actions", "page_view"), 0.6, more=True)
    >>> level = SignalLevel(
    ...     "webinar", None, False, 90, 80, 0.1, 0.09, 0.05, one, alike, "more", "no_clear_difference", False, 0.7,
    ...     (visits,),
    ... )
    >>> print(format_explanation(level).replace(": ", ":\n"))
    Leads with “webinar” convert more often, mostly because of what else they do and are:
    they also have “page view” (60% of the difference).
    """
    if level.raw_direction in ("no_clear_difference", level.direction) or not level.explained_by:
        return ""
    subject = f"Leads with “{format_word(level.name)}”"
    if level.level is not None:
        subject = f"Leads whose {format_word(level.name)} is “{level.level}”"
    often = "more often" if level.raw_direction == "more" else "less often"
    degree = "mostly" if level.explained_share >= _MOSTLY else "partly"
    first, *others = (_format_part(part) for part in level.explained_by)
    shares = [f"{part.share:.0%}" for part in level.explained_by]
    listed = f"{first} ({shares[0]} of the difference)"
    if others:
        listed += f" and {others[0]} ({shares[1]})"
    return f"{subject} convert {often}, {degree} because of what else they do and are: {listed}."


def _format_part(part: Explanation) -> str:
    what = f"“{format_word(part.signal.what)}”"
    if part.more is None:
        return f"they differ in {what}"
    return f"they also have {what}" if part.more else f"they less often have {what}"
