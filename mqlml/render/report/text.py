"""Dates, settings and marked numbers as people read them."""

from __future__ import annotations

import datetime as dt

from markupsafe import Markup

from mqlml.config import LabelRule, Problem
from mqlml.errors import ConfigError
from mqlml.evaluation import Estimate, Question
from mqlml.texts import format_number, format_percent, is_known, join_texts, pluralize
from mqlml.times import DAY, HOUR, format_instant, parse_duration, parse_instant
from mqlml.training import PerturbationTest

__all__ = [
    "describe_age",
    "describe_policy",
    "describe_question",
    "format_date",
    "format_leak_test",
    "has_interval",
    "mark",
    "mark_count",
    "mark_interval",
    "mark_number",
    "mark_percent",
    "out_of",
    "short_date",
    "value_of",
]

_SHORT = 8
"""Characters: as many as a chart has room for under one of six periods."""

_STAGES = {
    "mql": ("become an MQL", "An MQL", "became an MQL"),
    "sql": ("become an SQL", "An SQL", "became an SQL"),
    "opportunity": ("become an opportunity", "An opportunity", "became an opportunity"),
    "closed_won": ("be won", "Won", "were won"),
    "closed_lost": ("be lost", "Lost", "were lost"),
    "disqualified": ("be disqualified", "Disqualified", "were disqualified"),
}


def format_date(text: str, zone: str | None, *, time: bool = True) -> str:
    """``14 November 2018`` from an ISO time, with the time of day where there is one, unless ``time`` is False.

    Parameters
    ----------
    text : an ISO time; or, without a ``zone``, a place in an order, which stays as it is.
    zone : str or None
        The zone in which the time is shown.
    """
    if zone is None:
        return text
    moment = dt.datetime.fromisoformat(format_instant(parse_instant(text, "UTC"), zone))
    day = f"{moment.day} {moment:%B %Y}"
    return day if not time or moment.time() == dt.time(0) else f"{day}, {moment:%H:%M} {zone}"


def short_date(text: str, zone: str | None) -> tuple[str, str]:
    """Day with month, and year, of a time; a place in an order as it is, cut short, and no year.

    >>> short_date("2018-11-14T09:31:00Z", "UTC"), short_date("623118", None)
    (('14 Nov', '2018'), ('623118', ''))
    """
    if zone is None:
        return text if len(text) <= _SHORT else f"{text[: _SHORT - 1]}…", ""
    moment = dt.datetime.fromisoformat(format_instant(parse_instant(text, "UTC"), zone))
    return f"{moment.day} {moment:%b}", f"{moment.year}"


def out_of(*rates: float) -> int:
    """The round number of leads, 100 to 10,000, of which the smallest of ``rates`` above 0 is at least one."""
    smallest = min((rate for rate in rates if rate > 0), default=1.0)
    return next((total for total in (100, 1000) if smallest * total >= 0.95), 10_000)


def _length(microseconds: int) -> str:
    if microseconds % DAY == 0:
        return pluralize(microseconds // DAY, "day")
    return pluralize(round(microseconds / HOUR, 1), "hour")


def describe_age(age: str) -> str:
    """``7 days after the lead came in`` for ``7d``; text that is not a duration as it is."""
    try:
        length = parse_duration(age)
    except ConfigError:
        return age
    return "when the lead came in" if length == 0 else f"{_length(length)} after the lead came in"


def describe_question(problem: Problem, *, flat: bool = False) -> Question:
    """What the config's ``problem`` asks, for the report; a flat table has a label but no horizon and no ages."""
    if flat:
        return Question("Converted, as the table's label column says", "convert", "converted", repeated=False)
    will, noun, did = _STAGES[problem.outcome]
    if problem.gap:
        within = f"between {_length(problem.gap)} and {_length(problem.gap + problem.horizon)} later"
    else:
        within = f"within {_length(problem.horizon)}"
    snapshots = problem.snapshots
    if snapshots.ages is None:
        scored = f"scored every {_length(snapshots.every or 0)}".replace("every 1 ", "every ")
    elif all(age % DAY == 0 for age in snapshots.ages) and snapshots.ages != [0]:
        days = join_texts([str(age // DAY) for age in sorted(snapshots.ages)])
        scored = f"scored {days} {'day' if snapshots.ages == [DAY] else 'days'} after the lead came in"
    else:
        scored = "scored " + join_texts([describe_age(f"{age / HOUR:g}h") for age in sorted(snapshots.ages)])
    repeated = snapshots.ages is None or len(snapshots.ages) > 1
    return Question(f"{noun} {within}, {scored}", f"{will} {within}", f"{did} {within}", repeated)


def format_leak_test(leak_test: PerturbationTest | None) -> str:
    """Whether changing what came after the cutoffs altered a feature; without a full stop."""
    if leak_test is None:
        return "No leak test: a flat table has no times, so nobody can see when a column was written"
    later = leak_test.changed + leak_test.removed + leak_test.added
    n, moved = leak_test.features, len(leak_test.moved)
    if moved:
        return f"Leak test failed: changing {later:,} later rows altered {moved:,} of the {n:,} features"
    return f"Leak test passed: changing {later:,} later rows altered none of the {n:,} features"


def describe_policy(rule: LabelRule) -> str:
    """How a threshold was chosen and what else a label takes, without a full stop."""
    gates = [
        f"{what} of at least {least:g} in 100"
        for what, least in (("a fit", rule.min_fit), ("an engagement", rule.min_engagement))
        if least is not None
    ]
    kept = [f"for {_length(rule.hold)} at least"] if rule.hold else []
    kept += (
        [f"until the probability is below {format_percent(rule.exit)} of the threshold"] if rule.exit else []
    )
    text = [_threshold_text(rule)]
    text += [f"it also takes {join_texts(gates)}"] if gates else []
    text += [f"once given, it is kept {join_texts(kept)}"] if kept else []
    return "; ".join(text)


def _threshold_text(rule: LabelRule) -> str:
    if rule.policy == "capacity":
        return f"Set so that {_capacity_text(rule)}"
    if rule.policy == "value":
        costs = [f"a follow-up costs {rule.cost:,g}"]
        costs += [f"{rule.too_early:,g} more if it comes too early"] if rule.too_early else []
        costs += [f"a missed one costs {rule.too_late:,g}"] if rule.too_late else []
        return f"Set where it pays best: a conversion gains {rule.gain:,g}, {', '.join(costs)}"
    share = format_percent(rule.value)
    return {
        "fixed": f"Fixed by hand at a probability of {share}",
        "min_precision": f"The lowest threshold from which at least {share} of leads convert",
        "min_recall": f"The highest threshold that still catches at least {share} of conversions",
    }[rule.policy]


def _capacity_text(rule: LabelRule) -> str:
    if rule.teams is None:
        return f"at most {rule.per_week:,g} leads a week reach it"
    each = join_texts([f"{per_week:,g} of {team}" for team, per_week in rule.teams.per_week.items()])
    others = "none" if rule.per_week is None else f"at most {rule.per_week:,g}"
    return f"at most {each} reach it a week, and {others} of any other {rule.teams.column}"


def mark(value: float | None, text: str) -> Markup:
    """``text`` as it is shown, with the exact value behind it."""
    if value is None or not is_known(value):
        return Markup("{}").format(text)
    return Markup('<data value="{}">{}</data>').format(
        repr(value) if isinstance(value, int) else repr(float(value)), text
    )


def value_of(estimate: Estimate | None) -> float | None:
    """The number, or None where it was not measured."""
    return estimate.value if estimate is not None and is_known(estimate.value) else None


def has_interval(estimate: Estimate | None) -> bool:
    """Whether both ends of the interval are known."""
    return estimate is not None and is_known(estimate.low) and is_known(estimate.high)


def mark_percent(value: float | None, decimals: int | None = None) -> Markup:
    """`format_percent`, marked."""
    return mark(value, format_percent(value, decimals))


def mark_count(value: float | None) -> Markup:
    """A whole number, likewise."""
    return mark(value, format_number(value))


def mark_number(value: float | None, decimals: int = 3) -> Markup:
    """`format_number`, marked."""
    return mark(value, format_number(value, decimals))


def mark_interval(estimate: Estimate | None, decimals: int | None = None) -> Markup:
    """``26% to 36%``, or nothing where there is no interval."""
    if estimate is None or not has_interval(estimate):
        return Markup("")
    return Markup("{} to {}").format(
        mark_percent(estimate.low, decimals), mark_percent(estimate.high, decimals)
    )
