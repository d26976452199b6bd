"""The verdict: what to do about a version, from the evidence alone.

Only the evidence raises an alarm, since it alone may be read every week. The other figures say what the alarm means.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from mqlml.monitoring.evidence import Evidence, Suspect
from mqlml.monitoring.realized import RealizedPerformance
from mqlml.results import Result

__all__ = ["VERDICTS", "Reason", "ReasonKind", "Verdict", "decide", "is_at_least"]

Verdict = Literal["fine", "recalibrate", "retrain", "stop"]
"""Leave it, adjust its level, train a new one, or use its scores no longer until the data is fixed."""

VERDICTS: tuple[Verdict, ...] = ("fine", "recalibrate", "retrain", "stop")
"""From the mildest to the most severe."""

ReasonKind = Literal[
    "fewer_conversions",
    "more_conversions",
    "weaker_ranking",
    "no_ranking",
    "signal_gone",
    "new_category",
]
"""As the kinds of suspects; ``no_ranking`` where likely leads convert no more often than others."""


@dataclass(frozen=True)
class Reason(Result):
    """One reason for the verdict."""

    kind: ReasonKind
    """What was found."""
    feature: str | None
    """The feature that it is about; null for conversions and ranking."""
    asks_for: Verdict
    """What it alone would ask for."""


def is_at_least(verdict: Verdict, least: Verdict) -> bool:
    """Whether a verdict is as severe as another, or more.

    >>> is_at_least("retrain", "recalibrate"), is_at_least("fine", "recalibrate")
    (True, False)
    """
    return VERDICTS.index(verdict) >= VERDICTS.index(least)


def decide(evidence: Evidence, realized: RealizedPerformance | None) -> tuple[Verdict, tuple[Reason, ...]]:
    """The verdict and its reasons, the most severe first.

    Without an alarm it is ``fine``. A signal that is still gone asks for ``stop``: until the data is fixed, scores
    are wrong, and a model trained on it would be too. Unknown categories that still come ask for ``retrain``, and so
    does a ranking that holds less than predicted, unless the slope of the realized calibration still holds; where it
    ranks no better than chance, ``stop``. Another level of conversions alone asks for ``recalibrate``.

    Parameters
    ----------
    evidence : what may be read every week
    realized : figures of the mature snapshots; None without any
    """
    found = [reason for one in evidence.alarmed if (reason := _weigh(one, realized)) is not None]
    reasons = sorted(dict.fromkeys(found), key=lambda reason: -VERDICTS.index(reason.asks_for))
    return (reasons[0].asks_for if reasons else "fine"), tuple(reasons)


def _weigh(suspect: Suspect, realized: RealizedPerformance | None) -> Reason | None:
    if suspect.kind in ("fewer_conversions", "more_conversions"):
        return Reason(suspect.kind, None, "recalibrate")
    if suspect.kind == "weaker_ranking":
        if realized is not None and realized.metrics is not None and realized.metrics.roc_auc.high < 0.5:
            return Reason("no_ranking", None, "stop")
        slope = None if realized is None or realized.calibration is None else realized.calibration.slope
        holds = slope is not None and slope.high >= 1
        return Reason("weaker_ranking", None, "recalibrate" if holds else "retrain")
    if not suspect.still:
        return None  # it was gone for a while, and is back
    return Reason(suspect.kind, suspect.feature, "stop" if suspect.kind == "signal_gone" else "retrain")
