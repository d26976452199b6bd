"""The section "What matters": each signal with conversion with and without it, and compared with comparable leads."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from mqlml.evaluation import TrainingResult
from mqlml.features import Family
from mqlml.features.wording import format_word, lower_first, upper_first
from mqlml.model import SignalReport
from mqlml.model.signals import Direction, Explanation, SignalEstimate, SignalLevel, SignalResult
from mqlml.render.report.charts import dumbbell
from mqlml.render.report.text import mark, mark_count, mark_percent
from mqlml.texts import format_number, format_percent, is_known, join_texts

__all__ = [
    "DIRECTIONS",
    "SignalGroup",
    "SignalRow",
    "SignalSection",
    "describe_signals",
    "format_explanation",
    "format_level",
    "name_inside",
]

SHOWN_ROWS = 8
"""Rows of a family that are not folded."""

_MOSTLY = 0.5
_LONGEST = 24
_NOTHING = 0.0005
"""A difference that would be written as 0.0 points."""

FAMILY_TITLES: dict[Family, tuple[str, str]] = {
    "actions": ("What they did", "action"),
    "undesirables": ("Warning signs", "warning sign"),
    "channel": ("How they arrive", "channel"),
    "profile": ("Who they are", "profile value"),
}
"""The families in the order of the page: title, and what one row is."""

DIRECTIONS: dict[Direction, str] = {
    "more": "more",
    "less": "less",
    "no_clear_difference": "no clear difference",
}
"""How leads with a signal convert compared with comparable leads."""

_SPELLINGS = {
    "c_level": "C-level",
    "vp": "VP",
    "it": "IT",
    "hr": "HR",
    "missing": "not given",
    "other": "others",
}


@dataclass(frozen=True)
class SignalRow:
    """One event type, or one level of an attribute, ready to be shown."""

    title: str
    direction: Direction
    counts: Markup
    with_rate: Markup
    without_rate: Markup
    difference: Markup
    explanation: str
    chart: Markup


@dataclass(frozen=True)
class SignalGroup:
    """The signals of one family: those shown, and those folded because nothing clear can be said of them."""

    title: str
    what: str
    shown: tuple[SignalRow, ...]
    folded: tuple[SignalRow, ...]

    @property
    def clear(self) -> tuple[SignalRow, ...]:
        """Those shown that differ from comparable leads."""
        return tuple(row for row in self.shown if row.direction != "no_clear_difference")

    @property
    def explained(self) -> tuple[SignalRow, ...]:
        """Those shown that differ for other reasons, which are given."""
        return tuple(row for row in self.shown if row.direction == "no_clear_difference")


@dataclass(frozen=True)
class SignalSection:
    """Everything that the section shows; ``rare`` are few leads with a clear raw difference, of all families."""

    sentence: Markup
    groups: tuple[SignalGroup, ...]
    rare: tuple[SignalRow, ...]


def describe_signals(result: TrainingResult) -> SignalSection | None:
    """The section, or None where no signal could be evaluated."""
    report = result.signals
    if report is None:
        return None
    levels = [level for signal in report.signals for level in signal.levels]
    top = max((rate for level in levels for rate in _rates(level)), default=1.0)
    most = max((level.leads for level in levels), default=1)
    groups, rare = [], []
    for family, (title, what) in FAMILY_TITLES.items():
        shown: list[SignalRow] = []
        folded: list[SignalRow] = []
        for signal in report.signals:
            if signal.signal.family != family:
                continue
            for level in _clearest_first(signal):
                if not _rates(level):
                    continue  # all leads are alike in it
                row = _row(level, top=top, most=most)
                if level.rare_but_telling and not level.pooled:
                    rare.append(row)
                elif _tells(level, row) and len(shown) < SHOWN_ROWS:
                    shown.append(row)
                else:
                    folded.append(row)
        if shown or folded:
            groups.append(SignalGroup(title, what, tuple(shown), tuple(folded)))
    return SignalSection(_sentence(report, result), tuple(groups), tuple(rare))


def _clearest_first(signal: SignalResult) -> list[SignalLevel]:
    """The levels of a signal, largest clear difference from comparable leads first; pooled ones last."""
    return sorted(
        signal.levels,
        key=lambda level: (
            level.pooled,
            level.direction == "no_clear_difference",
            -abs(level.like_leads.value) if is_known(level.like_leads.value) else 0.0,
        ),
    )


def _tells(level: SignalLevel, row: SignalRow) -> bool:
    """Whether a row has something to say: a clear direction, or why a clear raw difference is none."""
    return not level.pooled and (level.direction != "no_clear_difference" or bool(row.explanation))


def _sentence(report: SignalReport, result: TrainingResult) -> Markup:
    return Markup("Of {} leads whose outcome is known, {} ({}) {}.").format(
        mark_count(report.leads),
        mark_count(report.converted),
        mark_percent(report.converted / report.leads if report.leads else None),
        result.question.converted,
    )


def _rates(level: SignalLevel) -> list[float]:
    return [rate for rate in (level.raw.with_rate, level.raw.without_rate) if is_known(rate)]


def _row(level: SignalLevel, *, top: float, most: int) -> SignalRow:
    title = upper_first(level.title)
    if level.level is not None:
        title = f"{title}: {format_level(level.level)}"
    like = level.raw.with_rate - level.like_leads.value
    text = f"{title}: {format_percent(level.raw.with_rate)} with it, {format_percent(level.raw.without_rate)} without"
    return SignalRow(
        title=title,
        direction=level.direction,
        counts=Markup("{} leads ({})").format(mark_count(level.leads), mark_percent(level.reach)),
        with_rate=mark_percent(level.raw.with_rate),
        without_rate=mark_percent(level.raw.without_rate),
        difference=_points(level.like_leads),
        explanation=format_explanation(level),
        chart=Markup(
            dumbbell(
                level.raw.with_rate,
                level.raw.without_rate,
                like if is_known(like) else None,
                top=top,
                weight=level.leads / most if most else 0.0,
                tone=level.direction,
                title=text,
            )
        ),
    )


def _points(difference: SignalEstimate) -> Markup:
    """``+4.2 points (2.5 to 6.4)``."""
    if not is_known(difference.value):
        return Markup("could not be compared")
    shown, low, high = (
        format_number(100 * end, 1) for end in (difference.value, difference.low, difference.high)
    )
    if abs(difference.value) < _NOTHING and difference.direction == "no_clear_difference":
        shown = "about 0"
    return Markup('{}{} points <span class="range">({} to {})</span>').format(
        "+" if shown[0].isdigit() and difference.value > 0 else "",  # not before "under 0.1"
        mark(difference.value, shown),
        mark(difference.low, low),
        mark(difference.high, high),
    )


def format_level(level: str) -> str:
    """Write a level of an attribute for people; ids of many letters and digits are cut short.

    >>> format_level("c_level"), format_level("51-200"), format_level("b76ef37428e6799c421989521c0e5077")
    ('C-level', '51-200', 'b76ef3…')
    """
    text = _SPELLINGS.get(level) or " ".join(level.replace("_", " ").split())
    if len(text) <= _LONGEST:
        return text
    return f"{text[:6]}…" if " " not in text else f"{text[: _LONGEST - 1]}…"


def name_inside(title: str) -> str:
    """A title inside a sentence; one with other capitals is a name from the data and stays as it is.

    >>> name_inside("Pricing page visit"), name_inside("Do Not Call"), name_inside("TotalVisits")
    ('pricing page visit', 'Do Not Call', 'TotalVisits')
    """
    return title if any(map(str.isupper, title[1:])) else lower_first(title)


def format_explanation(level: SignalLevel) -> str:
    r"""Why leads with an event type or level convert more or less often, though comparable leads hardly differ.

    Returns
    -------
    str
        Empty where there is nothing to explain: the raw difference is not clear, or comparable leads differ the same
        way, or no other signal goes along.

    Examples
    --------
    >>> from mqlml.model.signals import RawComparison, SignalName
    >>> one = SignalEstimate(0.04, 0.01, 0.07)
    >>> alike = SignalEstimate(0.0, -0.02, 0.02)
    >>> visits = Explanation(SignalName("actions", "page_view"), 0.6, more=True)
    >>> raw = RawComparison(0.09, 0.05, one, "more", 0.7, (visits,))
    >>> level = SignalLevel(
    ...     "webinar", "webinar", None, False, 90, 80, 0.1, raw, alike, "no_clear_difference", False
    ... )
    >>> print(format_explanation(level).replace(": ", ":\n"))
    Leads with “webinar” convert more often, mostly because of other things about them:
    they more often have “page view” (60% of the difference).
    """
    if level.raw.direction in ("no_clear_difference", level.direction) or not level.raw.explained_by:
        return ""
    if not level.raw.explained_share > 0:
        return ""
    title = name_inside(level.title)
    subject = f"Leads with “{title}”"
    if level.level is not None:
        subject = f"Leads whose {title} is “{format_level(level.level)}”"
    degree = "mostly" if level.raw.explained_share >= _MOSTLY else "partly"
    return (
        f"{subject} convert {level.raw.direction} often, {degree} because of other things about them: "
        f"{_list_parts(level.raw.explained_by)}."
    )


def _list_parts(parts: Sequence[Explanation]) -> str:
    """Each part with its share; where two signals go along in the same way, that is said once."""
    texts: list[str] = []
    for place, part in enumerate(parts):
        way = _WAYS[part.more] if not place or part.more != parts[place - 1].more else ""
        of = "" if place and part.share <= 1 else " of the difference"
        share = (
            f"{format_percent(part.share, 0)}{of}" if part.share <= 1 else "more than all of the difference"
        )
        texts.append(f"{way}“{format_word(part.signal.what)}” ({share})")
    return join_texts(texts)


_WAYS = {None: "they differ in ", True: "they more often have ", False: "they less often have "}
