"""One lead explained: its score, reasons, timeline, and what changed since an earlier moment."""

from __future__ import annotations

import datetime as dt
import difflib
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import pandas as pd

from mqlml.config import Config, Problem
from mqlml.errors import ContractError, PopulationError, UsageError
from mqlml.features import FAMILIES, Family, Feature, build_features, build_flat
from mqlml.features.catalogue import describe_value, format_value
from mqlml.journeys import FlatTable, Journeys
from mqlml.model import Contributions, ReasonSignals, calibrate, contribute, sum_signals
from mqlml.model.reasons import choose_signal_reasons, find_done
from mqlml.registry import Bundle, Version
from mqlml.results import Result
from mqlml.scoring import problem_of, score, score_flat
from mqlml.times import (
    DAY,
    NEVER,
    format_duration,
    format_instant,
    from_microseconds,
    microseconds_to_column,
    to_microseconds,
)
from mqlml.training import open_leads
from mqlml.training.snapshots import exit_times

__all__ = [
    "Change",
    "EarlierMoment",
    "Explanation",
    "LogOdds",
    "PointsPercentile",
    "Reason",
    "TimelineEvent",
    "TrendPoint",
    "compare_moments",
    "explain_flat_lead",
    "explain_lead",
    "read_timeline",
]


@dataclass(frozen=True)
class Change(Result):
    """How far one signal moved the log-odds."""

    now: str
    """The feature that moved most, as text for people."""
    before: str
    """Its earlier text; the same where other features changed its effect."""
    value_before: str
    """Its earlier value, in short: the value alone where both texts have the same label."""
    points: float
    """Log-odds now less log-odds before."""
    family: Family
    """The family of that feature."""


def compare_moments(
    contributions: Contributions, features: Sequence[Feature], table: pd.DataFrame, signals: ReasonSignals
) -> list[Change]:
    """The signals that moved, the largest change first.

    Parameters
    ----------
    contributions : Contributions
        Calibrated, of two rows: before and now.
    features : sequence of Feature
    table : DataFrame of two rows
        The values behind the contributions.
    signals : ReasonSignals
        Of these features.
    """
    members_of = _members(signals)
    sums = sum_signals(contributions, signals)
    moved = sums[1] - sums[0]
    changes = []
    for place in np.argsort(-np.abs(moved), kind="stable"):
        if moved[place] == 0:
            break
        members = members_of[place]
        each = (contributions.added[1, members] - contributions.added[0, members]) * np.sign(moved[place])
        member = members[np.argmax(each)]
        before, now = (
            describe_value(features[member], value, speaks_for=bool(moved[place] > 0))
            for value in table.iloc[:, member]
        )
        same_label = before.value if before.label == now.label else None
        value_before = before.text if same_label is None else same_label
        family = features[member].family
        changes.append(Change(now.text, before.text, value_before, float(moved[place]), family))
    return changes


@dataclass(frozen=True)
class TimelineEvent(Result):
    """Events of one type on one day."""

    day: str
    """ISO date in the zone asked for."""
    action: str
    """The event type."""
    channel: str | None
    """The channel, where it is known."""
    times: int
    """How often on that day."""


def read_timeline(
    journeys: Journeys, lead_id: int | str, before: pd.Timestamp, zone: str
) -> list[TimelineEvent]:
    """Events of a lead that were known before a moment, the newest day first.

    Events of one type through one channel on one day stand together; within a day they stand by their last one.
    """
    events = journeys.events
    own = events[events["lead_id"] == lead_id]
    own = own[own[["occurred_at", "recorded_at"]].max(axis=1) < before]
    text = pd.DataFrame(
        {
            "day": own["occurred_at"].dt.tz_convert(zone).dt.strftime("%Y-%m-%d"),
            "action": own["action"].astype("str"),
            "channel": own["channel"].astype("str")
            if "channel" in own
            else pd.Series(pd.NA, own.index, "str"),
            "at": own["occurred_at"],
        }
    )
    days = (
        text.groupby(["day", "action", "channel"], dropna=False, sort=False)["at"]
        .agg(["size", "max"])
        .reset_index()
        .sort_values(["max", "action"], ascending=[False, True])
    )
    return [
        TimelineEvent(str(day), str(action), None if pd.isna(channel) else str(channel), int(times))
        for day, action, channel, times in zip(
            days["day"], days["action"], days["channel"], days["size"], strict=True
        )
    ]


_WEEK = dt.timedelta(days=7)
_TREND_WEEKS = 12
_NEAR = 3
_COMPARED_IDS = 20_000


@dataclass(frozen=True)
class Reason(Result):
    """One signal and the log-odds it adds."""

    sentence: str
    """Its strongest feature, as text for people."""
    points: float
    """Log-odds; above 0 it speaks for the lead."""
    family: Family
    """The family of that feature."""
    given: bool
    """Whether it is given as a reason: at least 0.20 log-odds, and where the lead did it, the way it counts among
    comparable leads."""


@dataclass(frozen=True)
class PointsPercentile(Result):
    """Where a lead stands among those open at that moment, by fit or by engagement."""

    points: float
    """Log-odds that it adds."""
    percentile: float
    """Percentage of the open leads to whom it adds less; of those with the same, half count."""


@dataclass(frozen=True)
class TrendPoint(Result):
    """The probability at one moment, from what was known then."""

    at: str
    """ISO time in UTC."""
    probability: float
    """Of converting within the horizon, calibrated."""


@dataclass(frozen=True)
class LogOdds(Result):
    """What the log-odds of a probability are made of: the base and the points of all families sum to the total."""

    total: float
    """Of the probability."""
    base: float
    """Of the average training row."""
    points: dict[Family, float]
    """Log-odds that each family adds."""
    fit: PointsPercentile
    """What profile adds."""
    engagement: PointsPercentile
    """What channel and actions add."""


@dataclass(frozen=True)
class EarlierMoment(Result):
    """An earlier moment that a lead is compared with."""

    at: str
    """ISO time in UTC."""
    probability: float
    """The probability at that moment."""
    changes: tuple[Change, ...]
    """What moved the log-odds since, the largest change first."""


@dataclass(frozen=True)
class Explanation(Result):
    """One lead at one moment: score, reasons and timeline."""

    lead_id: int | str
    """The lead's id, as in its table."""
    as_of: str
    """ISO time in UTC."""
    created_at: str | None
    """ISO time in UTC; None for a flat table, which has no times."""
    probability: float
    """Of converting within the horizon, calibrated."""
    raw_score: float
    """The model's log-odds before calibration."""
    score: float
    """From 0 to 100: the percentile of the probability among past snapshots."""
    label: str
    """The label it gets."""
    label_reason: str
    """Why, as a sentence for people."""
    log_odds: LogOdds
    """What the log-odds of the probability are made of."""
    reasons: tuple[Reason, ...]
    """Every signal that adds anything, the strongest first, for or against."""
    earlier: EarlierMoment | None
    """What it is compared with; None where there is nothing."""
    timeline: tuple[TimelineEvent, ...]
    """All events known by then, the newest first."""
    trend: tuple[TrendPoint, ...]
    """Week by week up to that moment, at most 12 weeks, earliest first; empty for a flat table."""


def explain_lead(
    bundle: Bundle,
    journeys: Journeys,
    config: Config,
    lead_id: int | str,
    *,
    as_of: dt.datetime,
    since: dt.datetime | None = None,
    previous: pd.DataFrame | None = None,
    version: Version | None = None,
) -> Explanation:
    """Explain one open lead's score at a moment, and what has changed since an earlier one.

    Parameters
    ----------
    lead_id : int or str
        As text too where ids are numbers.
    as_of : datetime with a zone
    since : datetime with a zone, optional
        When left out: when ``previous`` last scored the lead before ``as_of``; else a week before, or the lead's
        creation if that was later.
    previous : DataFrame, optional
        Earlier scores, as by `read_scores`; they also tell which label is held.

    Raises
    ------
    ContractError
        If no lead has this id; the message names the nearest ones.
    PopulationError
        If the lead is not open at ``as_of``, or did not exist at ``since``; the message says why.
    UsageError
        If ``since`` does not lie before ``as_of``.
    """
    zone = config.data.timezone
    position, own_id = _find(journeys.leads["lead_id"], lead_id)
    created = journeys.leads["created_at"].iloc[position].to_pydatetime()
    problem = problem_of(bundle)
    _check_open(journeys, problem, position, own_id, as_of, zone)
    if since is None:
        since = max(_last_scored(previous, own_id, as_of) or as_of - _WEEK, created)
    elif since >= as_of:
        raise UsageError(
            f"--since must lie before --as-of; found {format_instant(since, zone)} and {format_instant(as_of, zone)}"
        )
    elif since < created:
        raise PopulationError(
            f"lead {own_id!r} was created on {format_instant(created, zone)}, after --since "
            f"{format_instant(since, zone)}; name a later moment, or leave it out"
        )
    scores = score(bundle, journeys, config, as_of=as_of, scored_at=as_of, version=version, previous=previous)
    earlier = [since] if since < as_of else []
    weeks = _weeks(created, as_of)
    moments = [*weeks, *earlier, as_of]
    snapshots = pd.DataFrame({"lead_id": [own_id] * len(moments)}).astype(
        {"lead_id": journeys.leads["lead_id"].dtype}
    )
    snapshots["cutoff_time"] = microseconds_to_column(
        np.array([to_microseconds(moment) for moment in moments])
    )
    features = build_features(journeys, snapshots, bundle.plan)
    explanation = _explain(
        bundle,
        scores,
        own_id,
        features.iloc[len(weeks) :].reset_index(drop=True),
        as_of=as_of,
        created_at=created,
        since=since if since < as_of else None,
        timeline=read_timeline(journeys, own_id, pd.Timestamp(as_of), zone),
    )
    chances = _probabilities(bundle, features)
    points = zip((*weeks, as_of), (*chances[: len(weeks)], chances[-1]), strict=True)
    return replace(
        explanation, trend=tuple(TrendPoint(format_instant(at), float(chance)) for at, chance in points)
    )


def explain_flat_lead(
    bundle: Bundle,
    flat: FlatTable,
    config: Config,
    lead_id: int | str,
    *,
    as_of: dt.datetime,
    version: Version | None = None,
) -> Explanation:
    """Explain one lead of a flat table whose label is not known yet; it has no timeline and no earlier moment.

    Raises
    ------
    ContractError
        If no lead has this id.
    PopulationError
        If the lead has its label already.
    """
    position, own_id = _find(flat.leads["lead_id"], lead_id)
    if not pd.isna(flat.label.iloc[position]):
        raise PopulationError(f"lead {own_id!r} has its label already; explain one whose outcome is open")
    scores = score_flat(bundle, flat, config, as_of=as_of, scored_at=as_of, version=version)
    one = FlatTable(
        leads=flat.leads.iloc[[position]].reset_index(drop=True),
        label=flat.label.iloc[[position]].reset_index(drop=True),
        order=flat.order.iloc[[position]].reset_index(drop=True),
        quarantine=flat.quarantine,
        rows_read=flat.rows_read,
    )
    features = build_flat(one, bundle.plan)
    return _explain(bundle, scores, own_id, features, as_of=as_of, created_at=None, since=None, timeline=[])


def _last_scored(previous: pd.DataFrame | None, lead_id: int | str, as_of: dt.datetime) -> dt.datetime | None:
    if previous is None:
        return None
    times = previous.loc[previous["lead_id"] == str(lead_id), "cutoff_time"]
    earlier = times[times < pd.Timestamp(as_of)]
    return None if earlier.empty else earlier.max().to_pydatetime()


def _explain(
    bundle: Bundle,
    scores: pd.DataFrame,
    lead_id: int | str,
    features: pd.DataFrame,
    *,
    as_of: dt.datetime,
    created_at: dt.datetime | None,
    since: dt.datetime | None,
    timeline: list[TimelineEvent],
) -> Explanation:
    """``features`` hold the row before, where there is one, and the row now."""
    found = calibrate(contribute(bundle.scorer, features), bundle.calibrator)
    place = int(np.flatnonzero((scores["lead_id"] == lead_id).to_numpy())[0])
    own = scores.iloc[place]
    families = {family: scores[f"{family}_points"].to_numpy() for family in FAMILIES}
    return Explanation(
        lead_id=lead_id,
        as_of=format_instant(as_of),
        created_at=None if created_at is None else format_instant(created_at),
        **{name: float(own[name]) for name in ("probability", "raw_score", "score")},
        label=str(own["label"]),
        label_reason=str(own["label_reason"]),
        log_odds=LogOdds(
            total=float(found.total[-1]),
            base=found.base,
            points={family: float(points[place]) for family, points in families.items()},
            fit=_place(families["profile"], place),
            engagement=_place(families["channel"] + families["actions"], place),
        ),
        reasons=tuple(_reasons(bundle, found, features)),
        earlier=None
        if since is None
        else EarlierMoment(
            format_instant(since),
            float(_probabilities(bundle, features)[0]),
            tuple(compare_moments(found, bundle.plan.features, features, bundle.reason_signals)),
        ),
        timeline=tuple(timeline),
        trend=(),
    )


def _probabilities(bundle: Bundle, features: pd.DataFrame) -> npt.NDArray[np.float64]:
    found: npt.NDArray[np.float64] = bundle.calibrator.predict_proba(
        bundle.scorer.decision_function(features)
    )[:, 1]
    return found


def _weeks(created: dt.datetime, as_of: dt.datetime) -> list[dt.datetime]:
    """Whole weeks before a moment, not before the creation, earliest first."""
    back = [as_of - number * _WEEK for number in range(_TREND_WEEKS, 0, -1)]
    return [moment for moment in back if moment >= created]


def _place(points: npt.NDArray[np.float64], place: int) -> PointsPercentile:
    own = points[place]
    return PointsPercentile(float(own), float(50.0 * ((points < own).mean() + (points <= own).mean())))


def _reasons(bundle: Bundle, found: Contributions, features: pd.DataFrame) -> list[Reason]:
    described, signals = bundle.plan.features, bundle.reason_signals
    points, members_of = sum_signals(found, signals)[-1], _members(signals)
    now = Contributions(found.base, found.added[-1:], found.names)
    chosen = choose_signal_reasons(
        now, signals, find_done(features.iloc[-1:], signals), number=len(signals.signals)
    )
    given = {*chosen.speaks_for[0].tolist(), *chosen.speaks_against[0].tolist()}
    reasons = []
    for place in np.argsort(-np.abs(points), kind="stable").tolist():
        if points[place] == 0:
            break
        members = members_of[place]
        member = members[np.argmax(found.added[-1, members] * np.sign(points[place]))]
        sentence = format_value(
            described[member], features.iloc[-1, member], speaks_for=bool(points[place] > 0)
        )
        reasons.append(Reason(sentence, float(points[place]), described[member].family, place in given))
    return reasons


def _members(signals: ReasonSignals) -> list[npt.NDArray[np.intp]]:
    """The positions of each signal's features."""
    group = np.array(signals.group)
    return [np.flatnonzero(group == place) for place in range(len(signals.signals))]


def _find(ids: pd.Series, lead_id: int | str) -> tuple[int, int | str]:
    """The row of a lead, and its id as the table has it."""
    asked = str(lead_id).strip()
    texts = ids.astype("str")
    found = np.flatnonzero((texts == asked).to_numpy())
    if len(found):
        return int(found[0]), ids.iloc[found].tolist()[0]
    # Among those that begin alike, as comparing with every id of a large company takes minutes.
    alike = texts[texts.str[:2] == asked[:2]]
    near = difflib.get_close_matches(asked, alike.iloc[:_COMPARED_IDS].tolist(), n=_NEAR, cutoff=0.5)
    hint = f"the nearest are {', '.join(map(repr, near))}" if near else f"one of them is {texts.iloc[0]!r}"
    raise ContractError(f"no lead has the id {asked!r} among {len(ids):,}; {hint}")


def _check_open(
    journeys: Journeys, problem: Problem, position: int, lead_id: int | str, as_of: dt.datetime, zone: str
) -> None:
    if lead_id in set(open_leads(journeys, as_of, problem)["lead_id"]):
        return
    moment = format_instant(as_of, zone)
    created = journeys.leads["created_at"].iloc[position].to_pydatetime()
    ended = int(exit_times(journeys, problem)[position])
    if created > as_of:
        why = f"it was created on {format_instant(created, zone)}; name a later moment"
    elif ended != NEVER and ended < to_microseconds(as_of):
        known = from_microseconds(ended)
        why = f"its outcome was known on {format_instant(known, zone)}; name an earlier moment"
    else:
        low, high = (format_duration(limit) for limit in problem.age_limits)
        days = (to_microseconds(as_of) - to_microseconds(created)) // DAY
        why = f"it is {days:,} days old then, and problem.age_limits are {low} to {high}; name another moment"
    raise PopulationError(f"lead {lead_id!r} is not open at {moment}: {why}")
