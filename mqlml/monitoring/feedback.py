"""What sales did with the leads: accepted or rejected, with reasons, and whether they were handed over in time.

Sales' answers are outcomes: a lead that reaches ``sql``, ``opportunity`` or ``closed_won`` is accepted; one that is
``disqualified`` or ``closed_lost`` before that is rejected, for the ``reason`` of that row. Only answers after the
version first scored the lead count. Reasons that differ in case and spaces alone are one; a note is shown by its
beginning.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from mqlml.config.tables import MISSING_WORDS
from mqlml.journeys import Journeys
from mqlml.policy import UNQUALIFIED
from mqlml.results import Result
from mqlml.times import DAY, MISSING_TIME, NEVER, column_to_microseconds
from mqlml.types import Ints, Micros, Objects

__all__ = ["Feedback", "Handover", "LabelFeedback", "count_handover", "measure_feedback"]

ACCEPTED = ("sql", "opportunity", "closed_won")
REJECTED = ("disqualified", "closed_lost")

_HANDED_OVER = "mql"
_NO_REASON = "no reason given"
_REASONS = 10
_LONGEST = 60
"""Characters of a reason; a longer one is somebody's note."""

_NO_ANSWERS = frozenset(word.casefold() for word in (*MISSING_WORDS, "", "None", "unknown"))


@dataclass(frozen=True)
class LabelFeedback(Result):
    """The leads with one label when sales answered, or now where it has not."""

    leads: int
    """How many."""
    accepted: int
    """Those that sales took up: SQL, opportunity or won."""
    rejected: int
    """Those that sales disqualified or lost without taking them up."""
    waiting: int
    """Those without an answer yet."""
    reasons: dict[str, int]
    """Rejected leads by reason as it is most often written, most frequent first, at most ten."""


@dataclass(frozen=True)
class Handover(Result):
    """Whether leads were handed over at the right time."""

    label: str
    """The label from which on a lead is handed over: ``mql``, or the lowest one without it."""
    handed_over: int
    """Leads that ever had it or a higher one."""
    too_early: int
    """Those of them that sales rejected or lost within ``soon`` of it."""
    soon_days: float
    """``monitoring.soon`` in days."""
    accepted: int
    """Leads that sales took up; with scores, since they were first scored."""
    too_late: int
    """Those of them that had the label only after sales had taken them up."""
    never: int
    """Those of them that never had it: SQLs that were never MQLs."""


@dataclass(frozen=True)
class Feedback(Result):
    """What sales did with the leads."""

    labels: dict[str, LabelFeedback]
    """By label, lowest first; ``unqualified`` and ``disqualified`` are those without one."""
    handover: Handover
    """How many leads were handed over, too early, too late, or never."""


def _first(codes: Ints, times: Micros, n: int) -> Micros:
    """The earliest of ``times`` for each of ``n`` leads; `NEVER` where a lead has none."""
    first = np.full(n, NEVER)
    np.minimum.at(first, codes, times)
    return first


def measure_feedback(
    scores: pd.DataFrame, journeys: Journeys, labels: Sequence[str], *, soon: int
) -> Feedback:
    """Answers of sales to the leads that a version scored.

    Parameters
    ----------
    scores : all stored scores, with ``lead_id`` as text, ``cutoff_time`` and ``label``
    journeys : as known at the moment of monitoring
    labels : the version's labels, lowest first
    soon : microseconds within which a rejection shows that a lead was handed over too early
    """
    ids = pd.Index(journeys.leads["lead_id"].astype("str"))
    place = ids.get_indexer(pd.Index(scores["lead_id"].astype("str")))
    known = place >= 0
    rows = scores[known].assign(place=place[known], at=column_to_microseconds(scores["cutoff_time"][known]))
    rows = rows.sort_values("at", kind="stable")
    n = len(ids)
    lead, at = rows["place"].to_numpy(np.int64), rows["at"].to_numpy(np.int64)
    scored = _first(lead, at, n)
    accepted, rejected, reason = _answers(journeys, ids, scored)
    rejected = np.where(accepted <= rejected, NEVER, rejected)
    answered = np.minimum(accepted, rejected)

    level = rows["label"].map({name: number for number, name in enumerate(labels)}).fillna(-1).to_numpy()
    handed_label = _HANDED_OVER if _HANDED_OVER in labels else labels[0]
    over = level >= list(labels).index(handed_label)
    handed = _first(lead[over], at[over], n)

    # The label that sales saw: the last before its answer.
    seen = rows[at <= np.where(answered[lead] == NEVER, NEVER, answered[lead])].drop_duplicates(
        "place", keep="last"
    )
    found = {}
    for name in dict.fromkeys([UNQUALIFIED, *labels, *sorted(set(seen["label"]))]):
        own = seen.loc[seen["label"] == name, "place"].to_numpy(np.int64)
        if not len(own) and name not in labels:
            continue
        took, refused = accepted[own] < NEVER, rejected[own] < NEVER
        found[name] = LabelFeedback(
            leads=len(own),
            accepted=int(took.sum()),
            rejected=int(refused.sum()),
            waiting=int((~took & ~refused).sum()),
            reasons=_count_reasons(reason[own[refused]]),
        )
    return Feedback(
        labels=found, handover=count_handover(handed_label, handed, accepted, rejected, soon=soon)
    )


def _count_reasons(reasons: Objects) -> dict[str, int]:
    """How often each reason was given, in its most frequent spelling."""
    written = pd.Series(reasons, dtype="str").value_counts()
    folded = written.index.str.casefold()
    spelling = dict(zip(folded[::-1], written.index[::-1], strict=True))  # the most frequent one is set last
    counts = written.groupby(folded, sort=False).sum().sort_values(ascending=False, kind="stable")
    return {spelling[str(text)]: int(n) for text, n in counts.head(_REASONS).items()}


def count_handover(label: str, handed: Micros, accepted: Micros, rejected: Micros, *, soon: int) -> Handover:
    """Count the leads that were handed over too early, too late or never.

    Parameters
    ----------
    label : from which on a lead is handed over
    handed, accepted, rejected : microseconds of shape (n_leads,), `NEVER` where it was not; a lead that sales first
        took up counts as accepted, not as rejected
    soon : microseconds within which a rejection shows that a lead was handed over too early
    """
    was, took = handed < NEVER, accepted < NEVER
    gone = was & (rejected < NEVER)
    early = np.zeros(len(handed), dtype=bool)
    early[gone] = rejected[gone] - handed[gone] <= soon
    return Handover(
        label=label,
        handed_over=int(was.sum()),
        too_early=int(early.sum()),
        soon_days=soon / DAY,
        accepted=int(took.sum()),
        too_late=int((took & was & (handed > accepted)).sum()),
        never=int((took & ~was).sum()),
    )


def _answers(journeys: Journeys, ids: pd.Index, scored: Micros) -> tuple[Micros, Micros, Objects]:
    """When each lead was first accepted and first rejected since it was scored, and why it was rejected."""
    outcomes = journeys.outcomes
    place = ids.get_indexer(pd.Index(outcomes["lead_id"].astype("str")))
    at = column_to_microseconds(outcomes["occurred_at"], missing=MISSING_TIME)
    since = np.where(place >= 0, scored[place], NEVER)
    # A lead that was accepted or rejected before it was first scored has nothing to answer any more.
    stage = outcomes["stage"].astype("str")
    answer = stage.isin([*ACCEPTED, *REJECTED]).to_numpy()
    early = np.zeros(len(ids), dtype=bool)
    early[place[(place >= 0) & answer & (at < since) & (at > MISSING_TIME)]] = True
    later = (place >= 0) & (at >= since) & ~early[place]
    accepted, rejected = (
        _first(place[rows], at[rows], len(ids))
        for rows in (later & stage.isin(list(stages)).to_numpy() for stages in (ACCEPTED, REJECTED))
    )
    reason = np.full(len(ids), _NO_REASON, dtype=object)
    if "reason" in outcomes:
        text = outcomes["reason"].astype("str").str.split().str.join(" ")
        text = text.where(text.str.len() <= _LONGEST, text.str.slice(0, _LONGEST - 1).str.rstrip() + "…")
        given = text.notna().to_numpy() & ~text.str.casefold().isin(list(_NO_ANSWERS)).to_numpy()
        told = later & stage.isin(list(REJECTED)).to_numpy() & given
        first = told & (at == rejected[place])
        reason[place[first]] = text.to_numpy(dtype=object)[first]
    return accepted, rejected, reason
