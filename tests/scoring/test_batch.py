"""The batch job labels those who are open, from what was known, in the shape that INTERFACE.md promises."""

from __future__ import annotations

import csv
import dataclasses
import datetime as dt
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from mqlml.config import Config, Rules, make_config
from mqlml.errors import BundleError, ConfigError, ContractError, PopulationError
from mqlml.features import plan_flat
from mqlml.journeys import FlatTable, Journeys
from mqlml.model import LeadScorer
from mqlml.policy import LabelOutcome, LabelPolicy
from mqlml.registry import Bundle, Version, load_bundle, make_reference, save_bundle
from mqlml.scoring import DISQUALIFIED, SCORE_COLUMNS, count_older, score, score_flat, write_table
from mqlml.scoring.job import related_leads
from mqlml.scoring.labels import _distinguish
from mqlml.training import open_leads
from tests import by_hand
from tests.registry.versions import Made, make_version

AS_OF = dt.datetime(2025, 3, 1, tzinfo=dt.UTC)
SCORED_AT = dt.datetime(2025, 3, 1, 4, 30, tzinfo=dt.timezone(dt.timedelta(hours=1)))
VERSION = Version("simulated", 3, "f00d")


@pytest.fixture(scope="module")
def made() -> Made:
    return make_version()


def scored(made: Made, journeys: Journeys | None = None, **keys: Any) -> pd.DataFrame:
    defaults = {"as_of": AS_OF, "scored_at": SCORED_AT, "version": VERSION}
    config = keys.pop("config", made.config)
    bundle = keys.pop("bundle", made.bundle)
    return score(bundle, journeys or made.journeys, config, **{**defaults, **keys})


def thresholds(mql: float, sql: float) -> LabelPolicy:
    """A policy of two fixed thresholds."""
    return LabelPolicy(
        tuple(
            LabelOutcome(name, {"policy": "fixed", "value": t}, t, None, None, 0.0, 0, 0)
            for name, t in (("mql", mql), ("sql", sql))
        )
    )


def test_the_columns_are_those_promised(made: Made) -> None:
    table = scored(made)
    assert ", ".join(table.columns) == (
        "lead_id, cutoff_time, probability, raw_score, score, label, label_reason, reason_1, reason_2, reason_3, "
        "against_1, against_2, against_3, profile_points, channel_points, actions_points, undesirables_points, "
        "base_points, model_name, model_version, run_id, scored_at, label_since, "
        "previous_label, previous_probability, changed_at, trend, first_reached"
    )
    assert tuple(table.columns) == SCORE_COLUMNS
    dtypes = table.dtypes.astype("str").to_dict()
    assert {name: dtypes.pop(name) for name in ("cutoff_time", "scored_at", "label_since", "changed_at")} == {
        "cutoff_time": "datetime64[us, UTC]",
        "scored_at": "datetime64[us, UTC]",
        "label_since": "datetime64[us, UTC]",
        "changed_at": "datetime64[us, UTC]",
    }
    assert {name for name, dtype in dtypes.items() if dtype == "str"} == {
        "label", "label_reason", "model_name", "run_id", "previous_label",
        "reason_1", "reason_2", "reason_3", "against_1", "against_2", "against_3",
        "trend", "first_reached",
    }  # fmt: skip
    assert dtypes["lead_id"] == "int64"
    assert dtypes["model_version"] == "Int64"
    assert set(table["model_version"]) == {3}
    assert set(table["scored_at"]) == {pd.Timestamp("2025-03-01T03:30:00Z")}


def test_the_population_is_who_is_open(made: Made) -> None:
    table = scored(made)
    expected = open_leads(made.journeys, AS_OF, made.config.problem)
    assert sorted(table["lead_id"]) == sorted(expected["lead_id"])
    outcomes = made.journeys.outcomes
    ended = outcomes[
        outcomes["stage"].isin(["closed_won", "closed_lost", "disqualified"])
        & (outcomes[["occurred_at", "recorded_at"]].max(axis=1) < pd.Timestamp(AS_OF))
    ]
    created = made.journeys.leads.set_index("lead_id")["created_at"]
    age = pd.Timestamp(AS_OF) - created
    by_hand_ = set(created[(age >= pd.Timedelta(0)) & (age <= pd.Timedelta(days=365))].index) - set(
        ended["lead_id"]
    )
    assert set(table["lead_id"]) == by_hand_


def test_probabilities_are_the_model_s_on_the_training_features(made: Made) -> None:
    """A lead scored at a moment it was trained at gets what the training table's row gets."""
    row = made.snapshots.iloc[-1]
    table = scored(made, as_of=row["cutoff_time"].to_pydatetime(), lead_ids=[int(row["lead_id"])])
    raw = made.bundle.scorer.decision_function(made.features.iloc[[-1]])
    assert table["raw_score"].tolist() == raw.tolist()
    assert table["probability"].tolist() == made.bundle.calibrator.predict_proba(raw)[:, 1].tolist()


def test_what_is_known_later_changes_nothing(made: Made) -> None:
    at = pd.Timestamp(AS_OF)
    journeys = made.journeys

    def known(rows: pd.DataFrame) -> pd.DataFrame:
        return rows[rows[["occurred_at", "recorded_at"]].max(axis=1) < at]

    past = dataclasses.replace(
        journeys,
        leads=journeys.leads[journeys.leads["created_at"] <= at],
        events=known(journeys.events),
        outcomes=known(journeys.outcomes),
    )
    assert len(past.events) < len(journeys.events)
    pd.testing.assert_frame_equal(scored(made, past), scored(made))


def test_row_order_of_the_source_changes_nothing(made: Made) -> None:
    journeys = made.journeys
    shuffled = dataclasses.replace(
        journeys,
        leads=journeys.leads.sample(frac=1, random_state=0),
        events=journeys.events.sample(frac=1, random_state=0),
    )
    pd.testing.assert_frame_equal(scored(made, shuffled), scored(made))


def test_highest_first_and_equal_ones_by_id(made: Made) -> None:
    table = scored(made)
    pairs = list(zip(-table["raw_score"], table["lead_id"], strict=True))
    assert pairs == sorted(pairs)


def test_labels_follow_the_thresholds_and_say_so(made: Made) -> None:
    table = scored(made, bundle=dataclasses.replace(made.bundle, policy=thresholds(0.06, 0.07)))
    p = table["probability"]
    assert set(table["label"]) == {"unqualified", "mql", "sql"}
    assert (table["label"] == np.where(p >= 0.07, "sql", np.where(p >= 0.06, "mql", "unqualified"))).all()
    said = table["label_reason"].str.extract(r"^probability (\S+) (. \w+) threshold (0\.0[67]0*)$")
    assert dict(zip(table["label"], said[1], strict=True)) == {
        "sql": "≥ SQL",
        "mql": "≥ MQL",
        "unqualified": "< MQL",
    }
    assert (said[0].astype("float64") - p).abs().max() < 0.005
    assert set(said[2].astype("float64")) == {0.06, 0.07}


@pytest.mark.parametrize(
    ("value", "threshold", "shown"),
    [
        (0.31, 0.22, ("0.31", "0.22")),
        (0.2199, 0.2201, ("0.2199", "0.2201")),
        (0.5, 0.5, ("0.50", "0.50")),
        (np.nextafter(0.3, 0), 0.3, ("0.2999999999999999", "0.3000000000000000")),
        (0.00842, 0.01, ("0.0084", "0.010")),
    ],
    ids=["plain", "close", "equal", "next to each other", "small"],
)
def test_a_reason_never_says_that_a_number_is_below_itself(
    value: float, threshold: float, shown: tuple[str, str]
) -> None:
    assert _distinguish(float(value), threshold) == shown


def test_score_is_the_percentile_against_the_version_s_reference(made: Made) -> None:
    reference = np.array([0.01, 0.05, 0.05, 0.9])
    table = scored(made, bundle=dataclasses.replace(made.bundle, reference=reference))
    expected = [100 * np.mean([(r < p) + 0.5 * (r == p) for r in reference]) for p in table["probability"]]
    assert table["score"].tolist() == expected
    own = make_reference(table["probability"])
    table = scored(made, bundle=dataclasses.replace(made.bundle, reference=own))
    assert table["score"].between(0, 100).all()
    assert abs(table["score"].median() - 50) < 1
    assert table["score"].is_monotonic_decreasing


def test_rules_overrule_the_model_and_leave_the_probability(made: Made) -> None:
    leads = made.journeys.leads
    column = next(c for c in leads.columns if str(leads[c].dtype) == "str" and 1 < leads[c].nunique() < 20)
    value = leads[column].mode()[0]
    rules = Rules.model_validate(
        {"disqualify": [{"when": {column: {"in": [value.upper()]}}, "reason": "not ours"}]}
    )
    table = scored(made, config=made.config.model_copy(update={"rules": rules}))
    plain = scored(made)
    turned = table["lead_id"].isin(leads.loc[leads[column] == value, "lead_id"])
    assert 0 < turned.sum() < len(table)
    assert (table["label"] == plain["label"].where(~turned, DISQUALIFIED)).all()
    assert (table["label_reason"] == plain["label_reason"].where(~turned, "not ours")).all()
    pd.testing.assert_series_equal(table["probability"], plain["probability"])


def two_of_one_account(made: Made) -> tuple[int, int]:
    """Two leads of one account that are both open."""
    leads = made.journeys.leads.set_index("lead_id").loc[scored(made)["lead_id"]]
    of_accounts = leads.dropna(subset="account_id").groupby("account_id").groups.values()
    first, second = next(sorted(ids) for ids in of_accounts if len(ids) == 2)
    return int(first), int(second)


def test_disqualifying_a_person_never_disqualifies_the_account(made: Made) -> None:
    """By a rule: the colleague keeps probability, label and reason."""
    person, colleague = two_of_one_account(made)
    rules = Rules.model_validate(
        {"disqualify": [{"when": {"lead_id": {"in": [person]}}, "reason": "student"}]}
    )
    table = scored(made, config=made.config.model_copy(update={"rules": rules})).set_index("lead_id")
    plain = scored(made).set_index("lead_id")
    assert table.loc[person, ["label", "label_reason"]].tolist() == [DISQUALIFIED, "student"]
    pd.testing.assert_series_equal(table.loc[colleague], plain.loc[colleague])
    assert (table["label"] == DISQUALIFIED).sum() == 1


def test_a_disqualified_outcome_ends_one_lead_s_journey_and_not_its_account_s(made: Made) -> None:
    person, colleague = two_of_one_account(made)
    outcomes = made.journeys.outcomes
    ended = pd.DataFrame({"lead_id": [person], "stage": ["disqualified"]}).assign(
        occurred_at=pd.Timestamp(AS_OF) - pd.Timedelta(days=1),
        recorded_at=pd.Timestamp(AS_OF) - pd.Timedelta(days=1),
    )
    told = dataclasses.replace(
        made.journeys,
        outcomes=pd.concat([outcomes.astype({"stage": "str"}), ended]).astype({"stage": "category"}),
    )
    table, plain = scored(made, told).set_index("lead_id"), scored(made).set_index("lead_id")
    assert set(plain.index) - set(table.index) == {person}
    pd.testing.assert_series_equal(table.loc[colleague], plain.loc[colleague])


def test_only_the_leads_asked_for(made: Made) -> None:
    everyone = scored(made)
    some = everyone["lead_id"].iloc[[5, 17, 200]].tolist()
    expected = everyone[everyone["lead_id"].isin(some)].reset_index(drop=True)
    pd.testing.assert_frame_equal(scored(made, lead_ids=some), expected)
    pd.testing.assert_frame_equal(scored(made, lead_ids=[f" {lead}" for lead in some]), expected)
    with pytest.raises(
        ContractError, match=r"every lead to score must be in the data; 2 of 3 are not: 'x', '-1'"
    ):
        scored(made, lead_ids=[some[0], "x", -1])
    closed = sorted(set(made.journeys.leads["lead_id"]) - set(everyone["lead_id"]))[0]
    with pytest.raises(PopulationError, match=r"none of the 1 leads named is open at 2025-03-01"):
        scored(made, lead_ids=[closed])


def test_leads_older_than_any_learned_from_are_counted(made: Made) -> None:
    table = scored(made)
    ages = made.bundle.config["problem"]["snapshots"]["ages"]
    oldest = max(int(age.removesuffix("d")) for age in ages) + 7
    born = made.journeys.leads.set_index("lead_id")["created_at"]
    by_hand_count = sum(
        (pd.Timestamp(AS_OF) - born[lead]).total_seconds() > oldest * 86_400 for lead in table["lead_id"]
    )
    assert 0 < by_hand_count < len(table)
    assert count_older(made.bundle, made.journeys, table, AS_OF) == by_hand_count
    grid = {**made.bundle.config, "problem": {**made.bundle.config["problem"], "snapshots": {"every": "7d"}}}
    assert count_older(dataclasses.replace(made.bundle, config=grid), made.journeys, table, AS_OF) == 0


def test_a_bundle_without_a_version(made: Made, tmp_path: Path) -> None:
    table = scored(made, version=None)
    assert table["model_version"].isna().all()
    assert table["run_id"].isna().all()
    save_bundle(made.bundle, tmp_path / "b")
    pd.testing.assert_frame_equal(scored(made, version=None, bundle=load_bundle(tmp_path / "b")), table)


def test_twice_the_same_bytes(made: Made, tmp_path: Path) -> None:
    for name in ("a.parquet", "b.parquet", "a.csv", "b.csv"):
        write_table(scored(made), tmp_path / name)
    assert (tmp_path / "a.parquet").read_bytes() == (tmp_path / "b.parquet").read_bytes()
    assert (tmp_path / "a.csv").read_bytes() == (tmp_path / "b.csv").read_bytes()
    with (tmp_path / "a.csv").open(encoding="utf-8", newline="") as file:
        row = next(csv.DictReader(file))
    moment = "2025-03-01T00:00:00Z"
    assert row["lead_id"].isdigit()
    assert row["cutoff_time"] == row["label_since"] == row["changed_at"] == moment
    assert (row["model_name"], row["model_version"], row["run_id"]) == ("simulated", "3", "f00d")
    assert (row["scored_at"], row["previous_label"], row["previous_probability"]) == (
        "2025-03-01T03:30:00Z",
        "",
        "",
    )


@pytest.mark.parametrize(
    ("keys", "error", "match"),
    [
        (
            {"as_of": dt.datetime(1999, 1, 1, tzinfo=dt.UTC)},
            PopulationError,
            r"no lead is open at 1999-01-01: .*leads were",
        ),
        (
            {"as_of": dt.datetime(2099, 1, 1, tzinfo=dt.UTC)},
            PopulationError,
            r"no lead is open at 2099-01-01",
        ),
        ({"as_of": dt.datetime(2025, 3, 1)}, ContractError, r"as_of must have a time zone"),  # noqa: DTZ001
        ({"scored_at": dt.datetime(2025, 3, 1)}, ContractError, r"scored_at must have a time zone"),  # noqa: DTZ001
    ],
    ids=["before the data", "long after", "as_of without a zone", "scored_at without a zone"],
)
def test_nothing_to_score(made: Made, keys: dict[str, Any], error: type[Exception], match: str) -> None:
    with pytest.raises(error, match=match):
        scored(made, **keys)


def test_a_rule_that_cannot_be_applied(made: Made) -> None:
    rules = Rules.model_validate({"disqualify": [{"when": {"contry": {"in": ["x"]}}, "reason": "r"}]})
    with pytest.raises(ConfigError, match="contry"):
        scored(made, config=made.config.model_copy(update={"rules": rules}))


def test_a_version_whose_config_says_nothing_of_the_problem(made: Made) -> None:
    with pytest.raises(BundleError, match="does not say who is open"):
        scored(made, bundle=dataclasses.replace(made.bundle, config={}))


def test_no_leads_at_all(made: Made) -> None:
    empty = by_hand.journeys([])
    with pytest.raises(PopulationError, match="there are no leads"):
        scored(made, empty)


def flat_config() -> Config:
    return make_config(
        {
            "name": "flat",
            "data": {"flat": {"path": "leads.csv", "lead_id": "id", "label": "won", "order": "number"}},
        },
        folder=Path(),
    )


def flat_table(n: int = 300, unknown: int = 20) -> FlatTable:
    rng = np.random.default_rng(0)
    visits = rng.integers(0, 10, n)
    label = (rng.random(n) < 0.1 + 0.08 * visits).astype("float64")
    label[n - unknown :] = np.nan
    leads = pd.DataFrame(
        {
            "lead_id": pd.Series([f"L{i:03}" for i in range(n)], dtype="str"),
            "visits": visits.astype("float64"),
            "source": pd.Series(rng.choice(["ads", "mail"], n), dtype="str"),
        }
    )
    return FlatTable(leads, pd.Series(label), pd.Series(np.arange(n)), pd.DataFrame(), {"flat": n})


def flat_bundle(made: Made, flat: FlatTable) -> Bundle:
    from mqlml.features import build_flat

    plan = plan_flat(flat, flat_config())
    known = flat.label.notna().to_numpy()
    features = build_flat(flat, plan)
    scorer = LeadScorer(n_trees=5).fit(features[known], flat.label[known].astype("int64"))
    return dataclasses.replace(made.bundle, scorer=scorer, plan=plan, name="flat")


def test_a_flat_table_s_unlabelled_rows_are_scored(made: Made, tmp_path: Path) -> None:
    flat = flat_table()
    bundle = flat_bundle(made, flat)
    save_bundle(bundle, tmp_path / "b")
    table = score_flat(load_bundle(tmp_path / "b"), flat, flat_config(), as_of=AS_OF, scored_at=SCORED_AT)
    assert tuple(table.columns) == SCORE_COLUMNS
    assert sorted(table["lead_id"]) == [f"L{i:03}" for i in range(280, 300)]
    assert table["lead_id"].dtype == "str"
    assert set(table["cutoff_time"]) == {pd.Timestamp(AS_OF)}
    by_visits = (
        table.set_index("lead_id")["raw_score"].groupby(flat.leads.set_index("lead_id")["visits"] > 5).mean()
    )
    assert by_visits[True] > by_visits[False]
    one = score_flat(bundle, flat, flat_config(), as_of=AS_OF, scored_at=SCORED_AT, lead_ids=["L290"])
    pd.testing.assert_frame_equal(one, table[table["lead_id"] == "L290"].reset_index(drop=True))


def test_a_flat_table_without_open_rows(made: Made) -> None:
    flat = flat_table(unknown=0)
    bundle = flat_bundle(made, flat)
    with pytest.raises(PopulationError, match="all 300 rows of the flat table have a label already"):
        score_flat(bundle, flat, flat_config(), as_of=AS_OF, scored_at=SCORED_AT)
    with pytest.raises(PopulationError, match="each of the 1 leads named has a label already"):
        score_flat(bundle, flat_table(), flat_config(), as_of=AS_OF, scored_at=SCORED_AT, lead_ids=["L000"])


def test_leads_that_share_an_account_with_a_scored_one_are_related() -> None:
    leads = pd.DataFrame({"lead_id": [1, 2, 3, 4, 5], "account_id": ["a", "a", None, "b", None]})
    related = related_leads(leads, pd.Series([1, 3]))
    assert related.tolist() == [True, True, True, False, False]
    assert related_leads(leads.drop(columns="account_id"), pd.Series([1])).tolist() == [True] + [False] * 4
