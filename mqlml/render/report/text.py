"""Numbers, dates and settings as people read them: values and config sections go in, short texts come out."""

from __future__ import annotations

import datetime as dt
import math

from mqlml.config import LabelRule, Problem
from mqlml.errors import ConfigError
from mqlml.evaluation import Question
from mqlml.times import DAY, HOUR, parse_duration
from mqlml.training import PerturbationTest

__all__ = [
    "NBSP",
    "count",
    "date",
    "decimal",
    "describe_age",
    "describe_policy",
    "describe_question",
    "finite",
    "format_leak_test",
    "join",
    "label_name",
    "out_of",
    "percent",
    "plural",
    "short_date",
    "times",
]

NBSP = "\N{NO-BREAK SPACE}"
UNKNOWN = "not measured"
_SHORT = 8
"""Characters: as many as a chart has room for under one of six periods."""

_STAGES = {
    "mql": ("become an MQL", "An MQL"),
    "sql": ("become an SQL", "An SQL"),
    "opportunity": ("become an opportunity", "An opportunity"),
    "closed_won": ("be won", "Won"),
    "closed_lost": ("be lost", "Lost"),
    "disqualified": ("be disqualified", "Disqualified"),
}


def finite(value: float | None) -> bool:
    """Whether there is a number to show."""
    return value is not None and math.isfinite(value)


def percent(value: float | None, decimals: int | None = None) -> str:
    """A share as a percentage: one decimal below 10 %, none from there, unless ``decimals`` says otherwise.

    >>> percent(0.083), percent(0.314), percent(0.00001), percent(0.9999)
    ('8.3\\xa0%', '31\\xa0%', 'under 0.1\\xa0%', 'over 99\\xa0%')
    """
    if value is None or not math.isfinite(value):
        return UNKNOWN
    shown = 100 * value
    if decimals is None:
        decimals = 1 if 0 < abs(shown) < 9.95 else 0
    step = 10.0**-decimals
    if -step / 2 < shown < 0:
        return f"just below 0{NBSP}%"
    if 0 < shown < step / 2:
        return f"under {step:.{decimals}f}{NBSP}%"
    if 100 - step / 2 <= shown < 100:
        return f"over {100 - step:.{decimals}f}{NBSP}%"
    return f"{shown:,.{decimals}f}{NBSP}%".replace("-", "−")


def count(value: float | None) -> str:
    """A whole number with thousands separators."""
    if value is None or not math.isfinite(value):
        return UNKNOWN
    return f"{value:,.0f}".replace("-", "−")


def decimal(value: float | None, decimals: int = 3) -> str:
    """A score with a fixed number of decimals; a number too small for them says so rather than showing 0."""
    if value is None or not math.isfinite(value):
        return UNKNOWN
    step = 10.0**-decimals
    if 0 < abs(value) < step / 2:
        return f"under {step:.{decimals}f}" if value > 0 else "just below 0"
    return f"{value:,.{decimals}f}".replace("-", "−")


def times(value: float | None) -> str:
    """A ratio: ``3.1 times``."""
    return UNKNOWN if value is None or not math.isfinite(value) else f"{value:,.1f} times"


def date(text: str | None) -> str:
    """``14 November 2018`` from ISO text; the time of day in UTC where there is one; other text as it is."""
    if text is None:
        return UNKNOWN
    try:
        moment = dt.datetime.fromisoformat(text)
    except ValueError:
        return text
    if moment.tzinfo is not None:
        moment = moment.astimezone(dt.UTC)
    day = f"{moment.day}{NBSP}{moment:%B %Y}"
    return day if moment.time() == dt.time(0) else f"{day}, {moment:%H:%M} UTC"


def short_date(text: str) -> tuple[str, str]:
    """Day with month, and year, of ISO text; other text as it is, cut short, and no year.

    >>> short_date("2018-11-14T09:31:00Z"), short_date("623118")
    (('14\\xa0Nov', '2018'), ('623118', ''))
    """
    try:
        # Without the dash a place in an order could pass for a date.
        moment = dt.datetime.fromisoformat(text if text[4:5] == "-" else "")
    except ValueError:
        return text if len(text) <= _SHORT else f"{text[: _SHORT - 1]}…", ""
    return f"{moment.day}{NBSP}{moment:%b}", f"{moment.year}"


def plural(number: float, one: str, many: str | None = None) -> str:
    """``1 lead``, ``1,200 leads``."""
    return f"{count(number)}{NBSP}{one if number == 1 else many or one + 's'}"


def join(parts: list[str], last: str = "and") -> str:
    """``a, b and c``."""
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} {last} {parts[-1]}" if parts else ""


def label_name(name: str) -> str:
    """``MQL`` for ``mql``; other labels as words."""
    return name.upper() if name in {"iql", "mql", "sql"} else name.replace("_", " ").capitalize()


def out_of(*rates: float) -> int:
    """The round number of leads, 100 to 10,000, of which the smallest of ``rates`` above 0 is at least one."""
    smallest = min((rate for rate in rates if rate > 0), default=1.0)
    return next((total for total in (100, 1000) if smallest * total >= 0.95), 10_000)


def _length(microseconds: int) -> str:
    if microseconds % DAY == 0:
        return plural(microseconds // DAY, "day")
    return plural(round(microseconds / HOUR, 1), "hour")


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
        return Question("Converted, as the table's label column says", "convert", repeated=False)
    will, noun = _STAGES[problem.outcome]
    if problem.gap:
        within = f"between {_length(problem.gap)} and {_length(problem.gap + problem.horizon)} later"
    else:
        within = f"within {_length(problem.horizon)}"
    snapshots = problem.snapshots
    if snapshots.ages is None:
        looked = f"scored every {_length(snapshots.every or 0)}".replace(f"every 1{NBSP}", "every ")
    elif all(age % DAY == 0 for age in snapshots.ages) and snapshots.ages != [0]:
        days = join([str(age // DAY) for age in sorted(snapshots.ages)])
        looked = f"scored {days} {'day' if snapshots.ages == [DAY] else 'days'} after the lead came in"
    else:
        looked = "scored " + join([describe_age(f"{age / HOUR:g}h") for age in sorted(snapshots.ages)])
    repeated = snapshots.ages is None or len(snapshots.ages) > 1
    return Question(f"{noun} {within}, {looked}", f"{will} {within}", repeated)


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
    kept += [f"until the probability is below {percent(rule.exit)} of the threshold"] if rule.exit else []
    said = [_threshold_text(rule)]
    said += [f"it also takes {join(gates)}"] if gates else []
    said += [f"once given, it is kept {join(kept)}"] if kept else []
    return "; ".join(said)


def _threshold_text(rule: LabelRule) -> str:
    if rule.policy == "capacity":
        return f"Set so that {_capacity_text(rule)}"
    if rule.policy == "value":
        costs = [f"a follow-up costs {rule.cost:,g}"]
        costs += [f"{rule.too_early:,g} more if it comes too early"] if rule.too_early else []
        costs += [f"a missed one costs {rule.too_late:,g}"] if rule.too_late else []
        return f"Set where it pays best: a conversion gains {rule.gain:,g}, {', '.join(costs)}"
    share = percent(rule.value)
    return {
        "fixed": f"Fixed by hand at a probability of {share}",
        "min_precision": f"The lowest threshold from which at least {share} of leads convert",
        "min_recall": f"The highest threshold that still catches at least {share} of conversions",
    }[rule.policy]


def _capacity_text(rule: LabelRule) -> str:
    if rule.teams is None:
        return f"at most {rule.per_week:,g} leads a week reach it"
    each = join([f"{per_week:,g} of {team}" for team, per_week in rule.teams.per_week.items()])
    others = "none" if rule.per_week is None else f"at most {rule.per_week:,g}"
    return f"at most {each} reach it a week, and {others} of any other {rule.teams.column}"
