"""What the commands about versions return: compare, promote, rollback, history, retrain and reproduce."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from mqlml.evaluation.paired import PairedComparison
from mqlml.evaluation.promotion import Decision, Evidence
from mqlml.evaluation.two_outcomes import TwoOutcomes
from mqlml.insight.leads.impact import Impact
from mqlml.registry.promotions import ChampionChange
from mqlml.results import Number, Result

__all__ = [
    "CalledLead",
    "CalledNow",
    "ChampionResult",
    "CompareResult",
    "ComparedQuestion",
    "ComparedVersion",
    "Difference",
    "HistoryResult",
    "LaterSnapshots",
    "OpenByBoth",
    "OutcomesCompareResult",
    "ReproduceResult",
    "RetrainResult",
    "SharedSnapshots",
]


@dataclass(frozen=True)
class ComparedVersion(Result):
    """One of two versions that are compared."""

    model: str
    """The name of its model."""
    version: int | None
    """Its number; None for one that is not registered yet."""
    learned_until: str | None
    """ISO time up to which it knew outcomes; in a flat table, the last row that it was evaluated on."""


@dataclass(frozen=True)
class LaterSnapshots(Result):
    """The snapshots that two versions are compared on."""

    since: str | None
    """ISO time from which neither version knows outcomes; None for a flat table without times, which does not say."""
    until: str | None
    """ISO time of the last cutoff; None where there is none."""
    n: int
    """Snapshots."""
    positives: int
    """Of these, those that convert."""
    first_known: str | None
    """ISO time at which the first outcome from ``since`` on will be known; None where one is, or nobody was open."""
    held_out: bool
    """Whether the challenger is represented by its model of the past, on the period held out from that: there is no
    later data yet when it has just been trained."""


@dataclass(frozen=True)
class CompareResult(Result):
    """Two versions on the same later snapshots, what the change would mean for people, and what the rule says."""

    model: str
    """The name of the model in the config."""
    timezone: str
    """``data.timezone``, in which times are shown to people."""
    champion: ComparedVersion
    """The first one, usually the champion."""
    challenger: ComparedVersion
    """The second one, usually the challenger."""
    later: LaterSnapshots
    """What they are compared on."""
    comparison: PairedComparison | None
    """None without later snapshots of both classes and of at least two accounts."""
    impact: Impact | None
    """Which open leads get another label; None if nobody is open."""
    evidence: Evidence
    """The figures by which the promotion rule decides."""
    decision: Decision
    """What it says."""

    @property
    def one_model(self) -> bool:
        """Whether both are versions of one model, so that one can replace the other."""
        return self.champion.model == self.challenger.model


@dataclass(frozen=True)
class ComparedQuestion(Result):
    """One of two versions that predict different outcomes, or the same within another time."""

    model: str
    """The name of its model."""
    version: int
    """Its number."""
    outcome: str
    """The stage that it predicts, as in ``problem.outcome``."""
    gap_days: Number
    """``problem.gap`` in days."""
    horizon_days: Number
    """``problem.horizon`` in days."""
    learned_until: str | None
    """ISO time up to which it knew outcomes."""


@dataclass(frozen=True)
class SharedSnapshots(Result):
    """The later snapshots that are open by both questions, with both outcomes known."""

    since: str
    """ISO time from which neither version knows outcomes."""
    until: str | None
    """ISO time of the last one; null where there is none."""
    n: int
    """Snapshots."""
    leads: int
    """Leads."""
    first_known: str | None
    """ISO time at which both outcomes of the first are known; null where that has passed."""


@dataclass(frozen=True)
class CalledLead(Result):
    """One open lead that gets another label from each version."""

    lead_id: int | str
    """Its id."""
    labels: tuple[str, str]
    """From the first version, from the second."""
    probability: tuple[float, float]
    """Of the first version's outcome by the first version, of the second's by the second."""


@dataclass(frozen=True)
class CalledNow(Result):
    """How many open leads have a label or a higher one from whom."""

    both: int
    """From both versions."""
    first_only: int
    """From the first alone."""
    second_only: int
    """From the second alone."""
    neither: int
    """From none."""


@dataclass(frozen=True)
class OpenByBoth(Result):
    """The open leads, labeled by both versions."""

    as_of: str
    """ISO time at which they are open."""
    leads: int
    """Leads that both versions score."""
    by_one_only: int
    """Leads that one alone scores, as those that sales has accepted are closed for a version that predicts that."""
    labels: dict[str, CalledNow]
    """By label that both have, lowest first."""
    first_higher: tuple[CalledLead, ...]
    """Up to twenty that get a higher label from the first version, the likeliest by it first."""
    second_higher: tuple[CalledLead, ...]
    """Up to twenty that get a higher label from the second version, the likeliest by it first."""


@dataclass(frozen=True, kw_only=True)
class OutcomesCompareResult(Result):
    """Two versions that predict different outcomes, on the same leads: whom each would call, and how each ranks both.

    Neither can replace the other, so there is no decision.
    """

    timezone: str
    """``data.timezone``, in which times are shown to people."""
    first: ComparedQuestion
    """The first version and what it predicts."""
    second: ComparedQuestion
    """The second."""
    later: SharedSnapshots
    """The snapshots that they are compared on."""
    comparison: TwoOutcomes | None
    """How each ranks both outcomes, and whom each selects; null without later snapshots of two accounts."""
    open_leads: OpenByBoth | None
    """Whom each would call now; null if nobody is open for both."""


@dataclass(frozen=True)
class ChampionResult(Result):
    """A change of the champion, or why there was none."""

    model: str
    """The name of the registered model."""
    version: int
    """The version that was to become the champion, or did."""
    champion: int | None
    """The champion now."""
    changed: bool
    """Whether the champion changed."""
    decision: Decision | None
    """What the promotion rule says; None for a rollback and for a forced promotion."""
    change: ChampionChange | None
    """The entry in the history; None if nothing changed."""
    notified: str | None
    """What went wrong with ``promotion.notify``; None if it ran, or none is set."""
    later: LaterSnapshots | None
    """What the two were compared on; None where the rule was not asked."""
    timezone: str
    """``data.timezone``, in which times are shown to people."""


@dataclass(frozen=True)
class HistoryResult(Result):
    """Who made which version the champion when, and why."""

    model: str
    """The name of the registered model."""
    timezone: str
    """``data.timezone``, in which times are shown to people."""
    at: str | None
    """ISO time that was asked for."""
    champion: int | None
    """The champion at that time, or now; None if there was none."""
    changes: tuple[ChampionChange, ...]
    """Up to that time, oldest first."""
    changed_that_day: tuple[ChampionChange, ...]
    """Where a date without a time was asked for, which means its start: the changes of that day."""
    moved_by_hand: int | None
    """The version that the alias ``champion`` means, where that is not the last one of the history; else None."""


@dataclass(frozen=True)
class RetrainResult(Result):
    """What a retraining did."""

    model: str
    """The name of the registered model."""
    outcome: Literal["promoted", "kept", "refused"]
    """``promoted``: the new version is the champion; ``kept``: the old one is; ``refused``: by the gate."""
    version: int | None
    """The new version; None if it was refused."""
    champion: int | None
    """The champion now."""
    reasons: tuple[str, ...]
    """Why the old one was kept, or the new one refused."""
    report: str | None
    """Where the report was written."""
    compared: CompareResult | None
    """The new version and the champion before; None where one of them is missing."""
    notified: str | None
    """What went wrong with ``promotion.notify``."""


@dataclass(frozen=True)
class Difference(Result):
    """One thing that is not as it was when a version was trained."""

    what: Literal["data", "code", "package", "prediction"]
    """Its kind."""
    where: str
    """Table and column, or package; ``commit``; the kind of prediction."""
    then: str
    """What it was."""
    now: str
    """What it is."""


@dataclass(frozen=True)
class ReproduceResult(Result):
    """A version, trained again."""

    model: str
    """The name of the registered model."""
    version: int
    """Which one."""
    identical: bool
    """Whether it was trained again and gives identical predictions."""
    trained: bool
    """Whether it was trained again; not if its data has changed."""
    leads: int
    """Leads whose predictions were compared."""
    largest_difference: Number
    """Between two probabilities of one lead."""
    differences: tuple[Difference, ...]
    """What is not as it was."""
