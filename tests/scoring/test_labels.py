"""Labels depend on the probability, and also on actions, teams, gates and the last scores."""

from __future__ import annotations

import dataclasses
import datetime as dt
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from mqlml.config import Promote, Rules
from mqlml.errors import ContractError, SourceError
from mqlml.policy import LabelOutcome, LabelPolicy, match_promotions
from mqlml.scoring import read_scores, write_table
from mqlml.scoring.earlier import last_labels
from tests.registry.versions import Made, make_version
from tests.scoring.test_batch import AS_OF, scored

NOON = pd.Timestamp("2025-03-01 12:00", tz="UTC")


def at(text: str) -> pd.Timestamp:
    return pd.Timestamp(text, tz="UTC")


def promote(to: str = "sql", within: str | None = "7d", **action: Any) -> Promote:
    when = {"action": action or {"in": ["demo_request"]}} | ({} if within is None else {"within": within})
    return Promote.model_validate({"when": when, "to": to, "reason": f"asked, so {to}"})


def event(
    lead: int, occurred: str, recorded: str | None = None, action: str = "demo_request"
) -> dict[str, Any]:
    return {
        "lead_id": lead,
        "occurred_at": at(occurred),
        "recorded_at": at(recorded or occurred),
        "action": action,
    }


def levels(
    events: list[dict[str, Any]], rules: list[Promote], n: int = 1
) -> tuple[list[int], list[str | None]]:
    snapshots = pd.DataFrame({"lead_id": range(1, n + 1), "cutoff_time": [NOON] * n})
    frame = pd.DataFrame(events).astype({"action": "category"})
    level, reason = match_promotions(frame, snapshots, rules, ["mql", "sql"], folder=Path())
    return level.tolist(), reason.tolist()


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        (event(1, "2025-02-28"), 2),
        (event(1, "2025-02-22 12:00"), 2),
        (event(1, "2025-02-22 11:59:59"), 0),
        (event(1, "2025-03-01 12:00"), 0),
        (event(1, "2025-03-01 11:59:59"), 2),
        (event(1, "2025-02-28", recorded="2025-03-01 12:00"), 0),
        (event(2, "2025-02-28"), 0),
        (event(1, "2025-02-28", action="pricing"), 0),
        (event(1, "2025-02-28", action="Demo_Request "), 2),
    ],
    ids=[
        "in the window",
        "at its first moment",
        "before it",
        "at the cutoff",
        "just before the cutoff",
        "known only later",
        "another lead's",
        "another action",
        "spelt otherwise",
    ],
)
def test_an_action_promotes_if_it_happened_and_was_known_in_the_window(
    row: dict[str, Any], expected: int
) -> None:
    assert levels([row], [promote()])[0] == [expected]


def test_the_highest_label_wins_and_its_first_rule_gives_the_reason() -> None:
    events = [event(1, "2025-02-28"), event(1, "2025-02-27", action="pricing"), event(2, "2024-01-01")]
    rules = [promote("mql", within=None), promote("sql", **{"in": ["pricing"]}), promote("sql")]
    rules[2] = rules[2].model_copy(update={"reason": "later rule"})
    assert levels(events, rules, n=3) == ([2, 1, 0], ["asked, so sql", "asked, so mql", None])


@pytest.fixture(scope="module")
def made() -> Made:
    return make_version()


def outcome(name: str, threshold: float, **rule: Any) -> LabelOutcome:
    teams = rule.pop("thresholds", None)
    settings = {"policy": "fixed", "value": threshold, **rule}
    return LabelOutcome(name, settings, threshold, None, None, 0.0, 0, 0, teams=teams)


def with_policy(made: Made, *outcomes: LabelOutcome, **references: tuple[float, ...]) -> Any:
    return dataclasses.replace(made.bundle, policy=LabelPolicy(outcomes, references))


def test_an_action_gives_its_label_at_once_unless_a_rule_disqualifies(made: Made) -> None:
    bundle = with_policy(made, outcome("mql", 0.07), outcome("sql", 0.99))
    action = made.journeys.events["action"].value_counts().index[0]
    leads = made.journeys.leads
    column = next(c for c in leads.columns if str(leads[c].dtype) == "str" and 1 < leads[c].nunique() < 20)
    rules = Rules.model_validate(
        {
            "promote": [
                {"when": {"action": {"in": [action]}, "within": "14d"}, "to": "sql", "reason": "asked"}
            ],
            "disqualify": [{"when": {column: {"in": [leads[column].mode()[0]]}}, "reason": "not ours"}],
        }
    )
    table = scored(made, bundle=bundle, config=made.config.model_copy(update={"rules": rules}))
    promoted = table["label_reason"] == "asked"
    events = made.journeys.events
    recent = events[
        (events["action"] == action)
        & (events["occurred_at"] >= AS_OF - dt.timedelta(days=14))
        & (events[["occurred_at", "recorded_at"]].max(axis=1) < AS_OF)
    ]
    disqualified = table["label"] == "disqualified"
    assert promoted.sum() > 5
    assert (promoted == (table["lead_id"].isin(recent["lead_id"]) & ~disqualified)).all()
    assert (table.loc[promoted, "label"] == "sql").all()
    assert (disqualified & table["lead_id"].isin(recent["lead_id"])).any()


def test_the_threshold_is_that_of_the_lead_s_team(made: Made) -> None:
    leads = made.journeys.leads
    column = next(c for c in leads.columns if str(leads[c].dtype) == "str" and 2 < leads[c].nunique() < 20)
    first, second, third = leads[column].value_counts().index[:3]
    teams = {"column": column, "per_week": {first: 1, second: 1}}
    rule = {"policy": "capacity", "teams": teams, "thresholds": {first: 0.05, second: 0.1}}
    sql = dataclasses.replace(outcome("sql", 0.05, **rule), rule={"policy": "capacity", "teams": teams})
    table = scored(made, bundle=with_policy(made, outcome("mql", 0.01), sql))
    team = table["lead_id"].map(leads.set_index("lead_id")[column])
    thresholds = team.map({first: 0.05, second: 0.1}).fillna(np.inf)
    assert (table["label"] == np.where(table["probability"] >= thresholds, "sql", "mql")).all()
    assert (
        table.loc[(team == first) & (table["label"] == "sql"), "label_reason"]
        .str.endswith(f"of {first}")
        .all()
    )
    independent = scored(made, bundle=with_policy(made, sql))
    others = independent[independent["lead_id"].map(leads.set_index("lead_id")[column]) == third]
    assert set(others["label_reason"]) == {f"no SQL capacity is set for {column} {third}"}


def test_a_version_with_teams_needs_their_column(made: Made) -> None:
    sql = dataclasses.replace(
        outcome("sql", 0.05, thresholds={"x": 0.05}),
        rule={"policy": "capacity", "teams": {"column": "desk", "per_week": {"x": 1}}},
    )
    with pytest.raises(
        ContractError, match="thresholds differ by 'desk', which the leads lack; bring the column"
    ):
        scored(made, bundle=with_policy(made, sql))


def test_a_gate_also_requires_fit_and_engagement(made: Made) -> None:
    ungated = scored(made)
    # Points of families are additive in log-odds; the gate's percentiles are of the scorer's own, not calibrated.
    slope = made.bundle.calibrator.slope_
    fit = ungated["profile_points"] / slope
    engagement = (ungated["channel_points"] + ungated["actions_points"]) / slope
    references = {
        "fit": tuple(np.quantile(fit, np.linspace(0, 1, 1001))),
        "engagement": tuple(np.quantile(engagement, np.linspace(0, 1, 1001))),
    }
    bundle = with_policy(
        made, outcome("iql", 0.0), outcome("mql", 0.0, min_fit=40, min_engagement=70), **references
    )
    table = scored(made, bundle=bundle)
    found = (fit.rank(pct=True) * 100).to_numpy(), (engagement.rank(pct=True) * 100).to_numpy()
    clear = (np.abs(found[0] - 40) > 1) & (np.abs(found[1] - 70) > 1)
    expected = np.where((found[0] >= 40) & (found[1] >= 70), "mql", "iql")
    assert clear.mean() > 0.9
    assert (table["label"].to_numpy() == expected)[clear].mean() > 0.99
    assert 0 < (table["label"] == "mql").sum() < len(table)
    only = scored(made, bundle=with_policy(made, outcome("mql", 0.0, min_fit=40), **references))
    below = only.loc[only["label"] == "unqualified", "label_reason"]
    assert below.str.fullmatch(r"fit \d+ is below the MQL minimum of 40").all()


def test_labels_are_held_and_a_second_run_gives_the_same(made: Made, tmp_path: Path) -> None:
    bundle = with_policy(made, outcome("mql", 0.06, hold="14d"), outcome("sql", 0.07, hold="14d", exit=0.8))
    days = [AS_OF + dt.timedelta(days=n) for n in (0, 7, 20)]
    first = scored(made, bundle=bundle, as_of=days[0])
    assert (first["label_since"] == pd.Timestamp(days[0])).all()
    write_table(first, tmp_path / "first.parquet")
    write_table(first, tmp_path / "first.csv")
    before = read_scores(tmp_path / "first.parquet")
    pd.testing.assert_frame_equal(before, read_scores(tmp_path / "first.csv"))

    second = scored(made, bundle=bundle, as_of=days[1], previous=before)
    fresh = scored(made, bundle=bundle, as_of=days[1])
    both = second.merge(first, on="lead_id", suffixes=("", "_first")).merge(
        fresh[["lead_id", "label"]], on="lead_id", suffixes=("", "_independent")
    )
    order = ["unqualified", "mql", "sql"]
    now, then, independent = (both[c].map(order.index) for c in ("label", "label_first", "label_independent"))
    assert (now == np.maximum(then, independent)).all()  # a week later, all are held
    held = both[then > independent]
    assert len(held) > 3
    assert held["label_reason"].str.contains("since 2025-03-01, kept for 14d").all()
    assert (both.loc[now == then, "label_since"] == pd.Timestamp(days[0])).all()
    assert (both.loc[now > then, "label_since"] == pd.Timestamp(days[1])).all()

    together = pd.concat([before, second[before.columns].astype({"lead_id": "str"})])
    pd.testing.assert_frame_equal(scored(made, bundle=bundle, as_of=days[1], previous=together), second)
    third = scored(made, bundle=bundle, as_of=days[2], previous=together)
    fallen = third.merge(second, on="lead_id", suffixes=("", "_second"))
    assert ((fallen["label"] == "unqualified") & (fallen["label_second"] != "unqualified")).any()


def test_only_the_last_scores_before_the_moment_count() -> None:
    scores = pd.DataFrame(
        {
            "lead_id": ["1", "1", "1", "2", "3"],
            "cutoff_time": [at("2025-02-01"), at("2025-02-20"), NOON, NOON, at("2025-02-01")],
            "label": ["sql", "mql", "sql", "sql", None],
            "label_since": [at("2025-01-05"), at("2025-01-01"), NOON, NOON, at("2025-02-01")],
            "probability": [0.9, 0.2, 0.9, 0.9, 0.1],
            "changed_at": [at("2025-01-05"), at("2025-02-20"), NOON, NOON, at("2025-02-01")],
            "first_reached": ["{}", '{"mql": "2025-01-01T00:00:00Z"}', "{}", "{}", None],
        }
    )
    found = last_labels(scores, pd.Series([3, 2, 1, 9]), NOON.to_pydatetime())
    assert found["label"].fillna("").tolist() == ["", "", "mql", ""]
    assert found["since"].iloc[2] == at("2025-01-01").value // 1000
    assert found["changed"].iloc[2] == at("2025-02-20").value // 1000
    assert found["probability"].fillna(-1).tolist() == [0.1, -1, 0.2, -1]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("none.csv", None, "none.csv.* cannot be read as such"),
        ("other.csv", "a,b\n1,2\n", "--previous must be scores that mqlml wrote"),
        ("times.csv", "lead_id,cutoff_time,label\n1,yesterday,mql\n", "cannot be read as such: .*yesterday"),
        ("not.parquet", "no", "cannot be read as such"),
    ],
    ids=["missing", "another table", "no time", "no parquet"],
)
def test_files_without_scores_are_refused(
    tmp_path: Path, name: str, content: str | None, message: str
) -> None:
    if content is not None:
        (tmp_path / name).write_text(content)
    with pytest.raises(SourceError, match=message):
        read_scores(tmp_path / name)
