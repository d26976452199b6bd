"""The verdict from the evidence: a table of cases."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from mqlml.monitoring.evidence import Evidence, StreamKind, Suspect
from mqlml.monitoring.realized import RealizedPerformance, measure_realized
from mqlml.monitoring.verdict import VERDICTS, decide, is_at_least


def evidence(*suspects: tuple[StreamKind, str | None, float, bool]) -> Evidence:
    found = tuple(Suspect(*one) for one in suspects)
    highest = sum(one.evidence for one in found)
    since = "2026-01-01" if highest >= 20 else None
    return Evidence(1.0, highest, 0.1, 0.1, 260.0, 20.0, 0.15, since, found, ())


def realized(slope: float) -> RealizedPerformance:
    """Mature snapshots whose log-odds differ by ``slope`` times what was predicted."""
    rng = np.random.default_rng(0)
    p = rng.beta(1, 9, 4000)
    odds = np.exp(slope * np.log(p / (1 - p)) + (slope - 1) * 2)
    y = (rng.random(4000) < odds / (1 + odds)).astype(float)
    found = measure_realized(y, p, np.arange(4000), {}, base_rate=0.1, random_state=0)
    assert found is not None
    return found


FEW = ("fewer_conversions", None, 9.0, True)
FEWER, RANKING = ("fewer_conversions", None, 50.0, True), ("weaker_ranking", None, 50.0, True)


@pytest.mark.parametrize(
    ("suspects", "slope", "expected"),
    [
        ([("fewer_conversions", None, 19.0, True)], None, ("fine", [])),
        ([FEWER], None, ("recalibrate", ["fewer_conversions"])),
        ([("more_conversions", None, 20.0, True)], 1.0, ("recalibrate", ["more_conversions"])),
        ([RANKING], None, ("retrain", ["weaker_ranking"])),
        ([RANKING], 0.5, ("retrain", ["weaker_ranking"])),
        ([RANKING, FEWER], 1.0, ("recalibrate", ["weaker_ranking", "fewer_conversions"])),
        ([RANKING], -0.5, ("stop", ["no_ranking"])),
        ([("signal_gone", "a", 30.0, True), FEWER], None, ("stop", ["signal_gone", "fewer_conversions"])),
        ([("signal_gone", "a", 30.0, False)], None, ("fine", [])),
        ([("new_category", "b", 30.0, True), FEWER], None, ("retrain", ["new_category", "fewer_conversions"])),
        ([("new_category", "b", 30.0, False), FEWER], None, ("recalibrate", ["fewer_conversions"])),
        ([("new_category", "b", 12.0, True), FEW], None, ("retrain", ["new_category"])),
    ],
    ids=[
        "no alarm", "fewer", "more", "ranking unmeasured", "ranking", "slope holds", "reversed", "gone", "back again",
        "new", "new no more", "none alone",
    ],
)  # fmt: skip
def test_the_verdict_and_its_reasons(
    suspects: list[Any], slope: float | None, expected: tuple[Any, Any]
) -> None:
    verdict, reasons = decide(evidence(*suspects), None if slope is None else realized(slope))
    assert (verdict, [reason.kind for reason in reasons]) == expected


def test_verdicts_are_ordered() -> None:
    assert [is_at_least(one, "retrain") for one in VERDICTS] == [False, False, True, True]
