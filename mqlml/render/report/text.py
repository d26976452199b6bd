"""Dates, settings, numbers and sentences of the page as people read them."""

from __future__ import annotations

import datetime as dt
import math
from dataclasses import dataclass
from typing import Literal

from markupsafe import Markup

from mqlml.config import LabelRule, Problem
from mqlml.errors import ConfigError
from mqlml.evaluation import Estimate, HoldoutFindings, Question, TrainingResult
from mqlml.journeys.quarantine import Notice, NoticeKind
from mqlml.texts import format_label, format_number, format_percent, is_known, join_texts, pluralize
from mqlml.times import DAY, HOUR, describe_duration, format_instant, parse_duration, parse_instant
from mqlml.training import PerturbationTest

__all__ = [
    "CONFIDENCE",
    "Headline",
    "caught_by_top",
    "describe_age",
    "describe_policy",
    "describe_question",
    "effect_kind",
    "format_date",
    "format_leak_test",
    "format_notice",
    "has_interval",
    "headline",
    "mark",
    "mark_count",
    "mark_interval",
    "mark_number",
    "mark_percent",
    "out_of",
    "period_zone",
    "short_date",
    "unit",
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
    """``November 14, 2018`` from an ISO time, with the time of day where there is one, unless ``time`` is False.

    Parameters
    ----------
    text : an ISO time; or, without a ``zone``, a place in an order, which stays as it is.
    zone : str or None
        The zone in which the time is shown.
    """
    if zone is None:
        return text
    moment = dt.datetime.fromisoformat(format_instant(parse_instant(text, "UTC"), zone))
    day = f"{moment:%B} {moment.day}, {moment.year}"
    return day if not time or moment.time() == dt.time(0) else f"{day}, {moment:%H:%M} {zone}"


def short_date(text: str, zone: str | None) -> tuple[str, str]:
    """Month with day, and year, of a time; a place in an order as it is, cut short, and no year.

    >>> short_date("2018-11-14T09:31:00Z", "UTC"), short_date("623118", None)
    (('Nov 14', '2018'), ('623118', ''))
    """
    if zone is None:
        return text if len(text) <= _SHORT else f"{text[: _SHORT - 1]}…", ""
    moment = dt.datetime.fromisoformat(format_instant(parse_instant(text, "UTC"), zone))
    return f"{moment:%b} {moment.day}", f"{moment.year}"


def out_of(*rates: float) -> int:
    """The round number of leads, 100 to 10,000, of which the smallest of ``rates`` above 0 is at least one."""
    smallest = min((rate for rate in rates if rate > 0), default=1.0)
    return next((total for total in (100, 1000) if smallest * total >= 0.95), 10_000)


def describe_age(age: str) -> str:
    """``7 days after the lead came in`` for ``7d``; text that is not a duration as it is."""
    try:
        length = parse_duration(age)
    except ConfigError:
        return age
    return "when the lead came in" if length == 0 else f"{describe_duration(length)} after the lead came in"


def describe_question(problem: Problem, *, flat: bool = False) -> Question:
    """What the config's ``problem`` asks, for the report; a flat table has a label but no horizon and no ages."""
    if flat:
        return Question("Converted, as the table's label column says", "convert", "converted", repeated=False)
    will, noun, did = _STAGES[problem.outcome]
    if problem.gap:
        end = describe_duration(problem.gap + problem.horizon)
        within = f"between {describe_duration(problem.gap)} and {end} later"
    else:
        within = f"within {describe_duration(problem.horizon)}"
    snapshots = problem.snapshots
    if snapshots.ages is None:
        scored = f"scored every {describe_duration(snapshots.every or 0)}".replace("every 1 ", "every ")
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
    kept = [f"for at least {describe_duration(rule.hold)}"] if rule.hold else []
    kept += (
        [f"until the probability is below {format_percent(rule.exit)} of the threshold"] if rule.exit else []
    )
    text = [_threshold_text(rule)]
    text += [f"it also requires {join_texts(gates)}"] if gates else []
    text += [f"once given, it is kept {join_texts(kept)}"] if kept else []
    return "; ".join(text)


def _threshold_text(rule: LabelRule) -> str:
    if rule.policy == "capacity":
        return f"Set so that {_capacity_text(rule)}"
    if rule.policy == "value":
        costs = [f"a follow-up costs {rule.cost:,g}"]
        costs += [f"{rule.too_early:,g} more if it comes too early"] if rule.too_early else []
        costs += [f"a missed conversion costs {rule.too_late:,g}"] if rule.too_late else []
        return f"Set where it pays best: a conversion gains {rule.gain:,g}, {', '.join(costs)}"
    share = format_percent(rule.value)
    return {
        "fixed": f"Fixed by hand at a probability of {share}",
        "min_precision": f"The lowest threshold at which at least {share} of leads convert",
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


CONFIDENCE = 0.95
"""What the intervals hold."""


@dataclass(frozen=True)
class Headline:
    """The first sentence, what it rests on, and, where it counts leads, how many of ``total``.

    ``picked`` is what ``called`` leads do, ``random`` what leads picked at random do.
    """

    sentence: Markup
    rests_on: Markup
    called: str = ""
    picked: int = 0
    random: int = 0
    total: int = 0


def period_zone(result: TrainingResult) -> str | None:
    """The zone in which the times of periods are shown; None where they are places in an order, not times."""
    return None if result.data.observed_until is None else result.timezone


def unit(result: TrainingResult) -> str:
    """What one row is: a lead, or one snapshot of a lead."""
    return "snapshots of leads" if result.question.repeated else "leads"


def effect_kind(drop: Estimate) -> Literal["helps", "hurts", "none", "unknown"]:
    """Whether the interval of an effect is clear of zero; without an interval nothing is claimed."""
    if not is_known(drop.value) or not has_interval(drop):
        return "unknown"
    if drop.low > 0:
        return "helps"
    return "hurts" if drop.high < 0 else "none"


def _about(rate: float, total: int) -> str:
    expected = rate * total
    if expected == 0:
        return "none"
    return f"about {format_number(expected)}" if expected >= 0.5 else "fewer than one"


def _counted(result: TrainingResult) -> Markup:
    held = result.holdout
    if result.by_lead is None or not result.question.repeated:
        return Markup("{} {}").format(mark(held.n, format_number(held.n)), unit(result))
    leads = result.by_lead.leads
    return Markup("{} leads").format(mark(leads, format_number(leads)))


def _converted(result: TrainingResult) -> Markup:
    positives = result.holdout.positives if result.by_lead is None else result.by_lead.converted
    return Markup("{} of them").format(mark(positives, format_number(positives)))


def headline(result: TrainingResult) -> Headline:
    """The page's first sentence: what a lead that mqlml picks out is worth, or why it should not be used."""
    held = result.holdout
    text = "Measured on {} from {} to {}, a period the model had not seen; {} converted."
    if period_zone(result) is None:
        text = "Measured on {}, numbers {} to {} in the table’s order, which the model had not seen; {} converted."
    rests_on = Markup(text).format(
        _counted(result),
        format_date(held.start, period_zone(result), time=False),
        format_date(held.until, period_zone(result), time=False),
        _converted(result),
    )
    if not result.gate.passed:
        return Headline(Markup("This version was refused. Please do not use it to label leads."), rests_on)

    by_lead = result.by_lead
    top = list(by_lead.labels)[-1] if by_lead is not None and by_lead.labels else None
    precision: Estimate
    if top is not None and by_lead is not None:
        precision, base = by_lead.labels[top].precision, by_lead.base_rate
        called, short = f"open leads that mqlml calls {format_label(top)}", f"called {format_label(top)}"
    else:
        called, short = "leads in the tenth that mqlml ranks highest", "ranked highest"
        rate, base = result.deciles[0].rate if result.deciles else math.nan, held.base_rate
        precision = Estimate(rate, math.nan, math.nan)
    rate_of_top = value_of(precision)
    if rate_of_top is None or not math.isfinite(base):
        if top is not None:
            sentence = (
                f"No lead in the held-out period reached the {format_label(top)} threshold, "
                "so the value of that label is not known yet."
            )
        else:
            sentence = "This version was not measured on later leads, so how well it works is not known yet."
        return Headline(Markup("{}").format(sentence), rests_on)

    total = out_of(rate_of_top, base)
    text = Markup("Out of {} {}, {} will {}; picked at random, it would be {}{}.").format(
        format_number(total),
        called,
        mark(rate_of_top, _about(rate_of_top, total)),
        result.question.converts,
        mark(base, _about(base, total).removeprefix("about ")),
        ", so the label has not yet been shown to help" if top is not None and precision.low <= base else "",
    )
    if has_interval(precision):
        rests_on += Markup(" With {} confidence, the true share is between {} and {}.").format(
            format_percent(CONFIDENCE), mark_percent(precision.low), mark_percent(precision.high)
        )
    return Headline(text, rests_on, short, round(rate_of_top * total), round(base * total), total)


def caught_by_top(result: HoldoutFindings, tenths: int) -> Markup | None:
    """What following up the best ``tenths`` of the ranking would have caught."""
    if len(result.deciles) != 10:
        return None
    row = result.deciles[tenths - 1]
    if not is_known(row.cumulative_share):
        return None
    name = {1: "the top tenth", 2: "the top fifth", 3: "the top three tenths"}.get(
        tenths, f"the top {tenths} tenths"
    )
    text = Markup("Following up on only {} of the ranking would have caught {} of all conversions")
    first = result.deciles[0].lift if tenths == 1 else None
    lift = (
        Markup("; a lead there is {} as likely to convert as the average lead").format(
            mark(first, f"{format_number(first, 1)} times")
        )
        if is_known(first)
        else ""
    )
    return text.format(name, mark_percent(row.cumulative_share)) + lift + Markup(".")


def format_notice(notice: Notice) -> str:
    """One notice as a sentence or two: what happened, how often, and the setting that changes it."""
    rows, leads = pluralize(notice.rows, "row"), pluralize(notice.leads, "lead")
    events = pluralize(notice.rows, "event")
    words = ", ".join(map(repr, notice.examples))
    examples = f", for example {words}" if words else ""
    where = f"{notice.table}.{notice.column}"
    texts: dict[NoticeKind, str] = {
        "spellings": f"Joined spellings that differ only in case or spacing in {where}: {rows}{examples}.",
        "machine_events": f"Left out {events} of {leads} that were made by machines (bursts within seconds, mail "
        f"scanners){examples}. To keep them, write journeys: {{bots: keep}}.",
        "machine_events_flagged": f"Flagged {events} of {leads} that were made by machines as "
        f"machine_event{examples}.",
        "merged": f"Merged {leads} into others: after the merge, the remaining lead has both journeys.",
        "ignored_merges": f"Ignored {pluralize(notice.rows, 'merge')} of a lead that had already been merged into "
        "another, or that would close a circle.",
        "duplicates": f"Found {leads} that share {where} with an older lead: probably the same people. To join each "
        "with the older one, write data: {leads: {duplicates: merge}}.",
        "duplicates_merged": f"Merged {leads} into the older lead with the same {where}: from the day the newer one "
        "was created, the older has both journeys.",
        "excluded": f"Left out {leads} by rules.exclude: {', '.join(notice.examples)}.",
        "not_yet_known": f"Left out {leads} that came in after {', '.join(notice.examples)}.",
        "ignored_stages": f"Ignored {rows} of {notice.table} whose {notice.column} is no outcome{examples}.",
        "ambiguous_numbers": f"Left {where} as text: a comma may stand before its decimals or its thousands. Write "
        f'decimal: "," or decimal: "." in data.{notice.table}.',
        "perhaps_thousands": f"Read the point in {where} as a decimal point, but wherever it stands, three digits "
        f'follow. If they are thousands, write decimal: "," in data.{notice.table}.',
        "words_among_numbers": f"Left {where} as text: its values are numbers but for {words}. Where that means "
        f"missing, list it in {'data.flat' if notice.table == 'flat' else 'data'}.missing.",
    }
    return texts[notice.kind]
