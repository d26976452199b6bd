"""Warnings about the data and the config that no single row is to blame for, told before a model is trained."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt
import pandas as pd

from mqlml.config import Config, Features, Promote
from mqlml.errors import PopulationError
from mqlml.features import FeaturePlan
from mqlml.features.parsers.conditions import meets, read_condition
from mqlml.features.vocabulary import read_words
from mqlml.journeys import FlatTable, Journeys
from mqlml.results import Result
from mqlml.texts import format_percent, join_texts
from mqlml.times import (
    DAY,
    NEVER,
    describe_duration,
    describe_range,
    format_instant,
    from_microseconds,
    to_clock,
    to_microseconds,
)
from mqlml.training.leakage.names import split_words
from mqlml.training.leakage.univariate import lower_share
from mqlml.training.snapshots import conversion_times, creation_times, exit_times, first_known
from mqlml.types import Micros

__all__ = ["DataWarning", "check_creation_days", "find_config_warnings", "find_data_warnings"]


Code = Literal[
    "default_problem",
    "wide_age_limits",
    "late_observed_until",
    "falling_conversion",
    "events_end_early",
    "created_on_one_day",
    "winners_without_events",
    "unmapped_account",
]

_ERROR = 0.001
_FEW = 20
"""Fewer leads than this show nothing."""


@dataclass(frozen=True)
class DataWarning(Result):
    """Something about the data as a whole that a person should look into."""

    code: Code
    """Which check."""
    text: str
    """What was found and what to do, as sentences for people."""


@dataclass(frozen=True)
class _Facts:
    """The tables with each lead's times: int64 microseconds, one per row of the leads."""

    journeys: Journeys
    config: Config
    created: Micros
    converted: Micros
    until: int
    span: int

    def day(self, moment: int) -> str:
        return format_instant(from_microseconds(int(moment)), self.config.data.timezone)[:10]


def find_data_warnings(journeys: Journeys, config: Config) -> tuple[DataWarning, ...]:
    """What the data as a whole gives reason to doubt, at most one warning of a kind."""
    problem = config.problem
    facts = _Facts(
        journeys,
        config,
        creation_times(journeys.leads),
        conversion_times(journeys, problem),
        to_microseconds(journeys.observed_until),
        problem.gap + problem.horizon,
    )
    checks: tuple[tuple[Code, Callable[[_Facts], str | None]], ...] = (
        ("default_problem", _default_problem),
        ("wide_age_limits", _wide_age_limits),
        ("late_observed_until", _late_observed_until),
        ("falling_conversion", _falling_conversion),
        ("events_end_early", _events_end_early),
        ("created_on_one_day", _created_on_one_day),
        ("winners_without_events", _winners_without_events),
        ("unmapped_account", _unmapped_account),
    )
    return tuple(_run(checks, facts))


def _run(
    checks: tuple[tuple[Code, Callable[[_Facts], str | None]], ...], facts: _Facts
) -> Iterator[DataWarning]:
    found: set[Code] = set()
    for code, check in checks:
        # Missing wins make conversion fall, too: one cause is told once.
        if code == "falling_conversion" and "late_observed_until" in found:
            continue
        if (text := check(facts)) is not None:
            found.add(code)
            yield DataWarning(code, text)


def _default_problem(facts: _Facts) -> str | None:
    if "problem" in facts.config.model_fields_set:
        return None
    problem = facts.config.problem
    ages = join_texts([describe_duration(age) for age in problem.snapshots.ages or ()])
    return (
        f"The config has no section problem:, so the defaults apply: {problem.outcome} within "
        f"{describe_duration(problem.horizon)}, snapshots at the ages {ages}, leads "
        f"{describe_range(*problem.age_limits)} old are scored. Write the section if you mean something else."
    )


_FAR = 4
"""Leads so many times as old as the oldest learned from, at least a week, are far beyond."""


def _wide_age_limits(facts: _Facts) -> str | None:
    problem = facts.config.problem
    if problem.snapshots.ages is None:
        return None
    oldest, high = max(problem.snapshots.ages), problem.age_limits[1]
    if high <= _FAR * max(oldest, 7 * DAY):
        return None
    return (
        f"Leads up to {describe_duration(high)} old are scored (problem.age_limits), but the oldest that are "
        f"learned from "
        f"are {describe_duration(oldest)} old: for older ones the probabilities are a guess. Narrow "
        f"problem.age_limits, or "
        "add older ages to problem.snapshots."
    )


_GAP, _MONTH = 7 * DAY, 30 * DAY
_EXPECTED = 7.0
"""So many conversions expected where none is found: by chance once in a thousand times (``exp(-7)``)."""
_MOST_DAYS = 1_000


def _late_observed_until(facts: _Facts) -> str | None:
    return _missing_conversions(facts) or _nothing_recorded(facts)


def _nothing_recorded(facts: _Facts) -> str | None:
    """No lead, event or outcome at all for longer than a conversion may take."""
    journeys = facts.journeys
    known = (facts.created, first_known(journeys.events), first_known(journeys.outcomes))
    times = np.concatenate(known)
    last = int(times[times <= facts.until].max(initial=0))
    if last == 0 or facts.until - last < max(facts.span, _MONTH):
        return None
    return (
        f"data.observed_until is {facts.day(facts.until)}, but no lead, event or outcome was recorded after "
        f"{facts.day(last)}, {(facts.until - last) // DAY:,} days before: the export is probably older. Set it to "
        "the moment up to which outcomes are complete, usually the day of the export."
    )


def _missing_conversions(facts: _Facts) -> str | None:
    """No conversion for so long before the end that the open leads must have brought some by then."""
    won = (facts.converted <= facts.until) & (facts.created < NEVER)
    if won.sum() < _FEW or facts.until - (last := int(facts.converted[won].max())) < _GAP:
        return None
    expected = _expect_conversions(facts, won, last)
    if expected < _EXPECTED:
        return None
    days = (facts.until - last) // DAY
    return (
        f"data.observed_until is {facts.day(facts.until)}, but the last conversion is of {facts.day(last)}, "
        f"{days:,} days "
        f"before, and about {expected:,.0f} more would be expected by then. Leads that have converted since would be "
        "taken for lost. Set it to the moment up to which outcomes are complete, usually the day of the export."
    )


def _expect_conversions(facts: _Facts, won: npt.NDArray[np.bool_], last: int) -> float:
    """Conversions to expect after ``last``, by how often leads of each age converted until then (life table)."""
    exits = exit_times(facts.journeys, facts.config.problem)
    ended = np.minimum(np.minimum(exits, facts.converted), last)
    seen = (facts.created <= last) & (ended >= facts.created)
    age = np.minimum((ended[seen] - facts.created[seen]) // DAY, _MOST_DAYS)
    wins = np.bincount(age[won[seen]], minlength=_MOST_DAYS + 1)
    at_risk = np.bincount(age, minlength=_MOST_DAYS + 1)[::-1].cumsum()[::-1]
    hazard = np.concatenate([[0.0], np.cumsum(np.where(at_risk >= _FEW, wins / np.maximum(at_risk, 1), 0))])
    still_open = (facts.created < facts.until) & (np.minimum(exits, facts.converted) > last)
    created = facts.created[still_open]
    days = np.arange(len(hazard), dtype=np.float64)
    since, until = (
        np.interp((moment - created) / DAY, days, hazard)
        for moment in (np.maximum(created, last), facts.until)
    )
    return float((until - since).sum())


_FALLS = 0.7


def _falling_conversion(facts: _Facts) -> str | None:
    """The leads created in the last horizon before the last mature ones convert far more rarely than those before."""
    mature = facts.created <= facts.until - facts.span
    won = mature & (facts.converted - facts.created < facts.span) & (facts.converted < NEVER)
    start = facts.until - 2 * facts.span
    late, early = mature & (facts.created > start), mature & (facts.created <= start)
    n_late, n_early = int(late.sum()), int(early.sum())
    if min(n_late, n_early) < _FEW:
        return None
    hits, before = int(won[late].sum()), int(won[early].sum())
    high = 1 - lower_share(n_late - hits, n_late, error=_ERROR)
    if high >= _FALLS * lower_share(before, n_early, error=_ERROR):
        return None
    return (
        f"Conversion falls from {format_percent(before / n_early)} to {format_percent(hits / n_late)} among the "
        f"leads "
        f"created after {facts.day(start)}. If sales enters outcomes late, set data.observed_until to the "
        f"moment up to "
        "which they are complete; otherwise check what has changed."
    )


def _events_end_early(facts: _Facts) -> str | None:
    """Leads created after the last event, where leads usually have some."""
    events = facts.journeys.events
    known = first_known(events)
    known = known[known < NEVER]
    if len(known) == 0:
        return None
    last = int(known.max())
    ids = facts.journeys.leads["lead_id"]
    later = (facts.created > last + DAY) & (facts.created < NEVER)
    before = facts.created <= last
    share = float(ids[before].isin(events["lead_id"]).mean()) if before.any() else 0.0
    if later.sum() * share < _FEW or share < 0.5:
        return None
    return (
        f"{int(later.sum()):,} leads were created after the last event, {facts.day(last)}, while "
        f"{format_percent(share)} "
        "of the leads before have events: the events are an older export. Bring those up to data.observed_until."
    )


_HALF = 0.5


def _count_of_day(created: Micros, zone: str) -> tuple[int, int]:
    """The day on which most leads were created, and how many."""
    days, counts = np.unique(to_clock(created, zone) // DAY, return_counts=True)
    most = int(counts.argmax())
    return int(days[most]), int(counts[most])


def check_creation_days(created: Micros, *, zone: str, span: int) -> None:
    """Refuse leads that were all created on one day, which is the day of an import.

    Raises
    ------
    PopulationError
    """
    known = created[created < NEVER]
    if len(known) < _FEW or span < DAY:
        return
    day, n = _count_of_day(known, zone)
    if n == len(known):
        raise PopulationError(
            f"leads must be created over time; all {n:,} were created on one day, {_write_day(day)}: that is "
            f"the date of "
            "an import. Map data.leads.columns.created_at to the column with the real creation"
        )


def _write_day(day: int) -> str:
    return format_instant(from_microseconds(day * DAY))[:10]


def _created_on_one_day(facts: _Facts) -> str | None:
    created = facts.created[facts.created < NEVER]
    if len(created) < _FEW:
        return None
    day, n = _count_of_day(created, facts.config.data.timezone)
    if n < _HALF * len(created):
        return None
    return (
        f"{n:,} of {len(created):,} leads were created on one day, {_write_day(day)}: that is the date of an "
        f"import. Map "
        "data.leads.columns.created_at to the column with the real creation, or leave those leads out."
    )


_WITHOUT = 0.1


def _winners_without_events(facts: _Facts) -> str | None:
    events = facts.journeys.events
    if len(events) == 0:
        return None
    lead = pd.Index(facts.journeys.leads["lead_id"]).get_indexer(pd.Index(events["lead_id"]))
    known = first_known(events)
    before = (lead >= 0) & (known < facts.converted[lead])
    has_event = np.zeros(len(facts.created), np.bool_)
    has_event[lead[before]] = True
    won = (facts.converted < NEVER) & (facts.converted >= facts.created)  # the audit names the others
    n, others = int(won.sum()), int((~won).sum())
    if n < _FEW or others == 0:
        return None
    without = int((~has_event[won]).sum())
    of_others = float((~has_event[~won]).mean())
    if lower_share(without, n, error=_ERROR) < max(_WITHOUT, 2 * of_others):
        return None
    return (
        f"{without:,} of {n:,} winners have no event before they convert, and {format_percent(of_others)} of "
        f"the others "
        "have none: their events may stand under another id, or sales entered them at the deal. Bring their "
        "events, or "
        "leave them out."
    )


_ACCOUNT = {"account", "company", "organization", "organisation", "org", "firm", "employer"}
_WITH_ACCOUNT = {"id", "name", "key", "number", "domain", "website", "associated", "primary", "parent"}


def _unmapped_account(facts: _Facts) -> str | None:
    """A column that is named like an account, and whose values several leads share."""
    leads = facts.journeys.leads
    if "account_id" in leads:
        return None
    for column in leads.columns:
        words = {word.lower() for word in split_words(str(column))}
        if not words & _ACCOUNT or words - _ACCOUNT - _WITH_ACCOUNT:
            continue
        values = leads[column].dropna()
        distinct = int(values.nunique())
        shared = float(values.duplicated(keep=False).mean()) if len(values) else 0.0
        if distinct < _FEW or distinct < 0.05 * len(values) or shared < 0.1:
            continue
        return (
            f"The column {str(column)!r} looks like the account: {distinct:,} different values for {len(values):,} "
            "leads. Map it, so that a company's leads are learned from together and count as a buying group: data: "
            f"{{leads: {{columns: {{account_id: {column}}}}}}}."
        )
    return None


_USED_BY = {"high_intent": ("intent", "pairs"), "downloads": ("content",), "lead_initiated": ("proactive",)}
"""The groups of features that use each list; those of accounts use the first one, too."""


def find_config_warnings(data: Journeys | FlatTable, plan: FeaturePlan, config: Config) -> list[str]:
    """The entries without effect: in ``features``, then in ``rules.promote``."""
    if not data.dated:
        if not config.rules.promote:
            return []
        return ["rules.promote has no effect: a flat table has no events that could promote a lead."]
    actions = [*read_words(data.events["action"]).text]
    return [
        *_unread_lists(config.features, plan),
        *_refused_actions(config.features, plan.refused_actions),
        *_promote_nobody(config.rules.promote, actions, config.folder),
    ]


def _unread_lists(features: Features, plan: FeaturePlan) -> Iterator[str]:
    by_accounts = plan.group_by_account
    for name, groups in _USED_BY.items():
        read = any(getattr(features.groups, group) for group in groups)
        if getattr(features, name) is None or read or (name == "high_intent" and by_accounts):
            continue
        yield (
            f"features.{name} has no effect: the feature groups that use it are off. Switch one on: "
            f"features: {{groups: {{{groups[0]}: on}}}}."
        )


def _refused_actions(features: Features, refused: Sequence[str]) -> Iterator[str]:
    """Event types that a feature names, and that the audit keeps from all features."""
    named = {
        "features.high_intent": features.high_intent or [],
        "features.downloads": features.downloads or [],
        "features.undesirable_actions": features.undesirable_actions or [],
        "features.pairs": [word for pair in features.pairs or [] for word in (pair.first, pair.then)],
        "features.custom": [word for own in features.custom for word in own.action],
    }
    for where, actions in named.items():
        for action in dict.fromkeys(actions):
            if action in refused:
                yield (
                    f"{where} names {action!r}, which the leakage audit refused: it has no effect there. To keep "
                    f"it: features: {{force: {{{action}: why it is known at the cutoff}}}}."
                )


def _promote_nobody(rules: Sequence[Promote], actions: Sequence[str], folder: Path) -> Iterator[str]:
    """Listed event types that no event has, each with the nearest there are; or the whole rule."""
    by_case = {action.casefold(): action for action in actions}
    for number, rule in enumerate(rules):
        where = f"rules.promote[{number}].when.action"
        condition = rule.when.action
        required = read_condition(condition, where, folder)
        if condition.in_ is None:
            if not any(meets(actions, required, where)):
                yield f"{where} matches no event type, so the rule {rule.reason!r} promotes nobody."
            continue
        for word in required.words or ():
            if not any(meets(actions, replace(required, words=(word,)), where)):
                near = difflib.get_close_matches(word, by_case, n=2, cutoff=0.5)
                named = " or ".join(repr(by_case[found]) for found in near)
                hint = f"did you mean {named}?" if near else "see the events for those there are."
                yield f"{where} names {word!r}, which is no event's action: it promotes nobody; {hint}"
