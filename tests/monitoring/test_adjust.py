"""``mqlml thresholds`` and ``mqlml recalibrate``: new versions with the same trees."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from mqlml.cli import main
from mqlml.commands.inputs import find_store
from mqlml.commands.recalibrate import recalibrate_version
from mqlml.commands.score import score_leads
from mqlml.commands.thresholds import show_thresholds
from mqlml.config import read_config
from mqlml.errors import GateRefused, LabelPolicyError, UsageError
from mqlml.monitoring.what_if import count_moves, set_thresholds
from mqlml.policy import LabelPolicy
from mqlml.progress import Silent
from mqlml.registry import load_version
from tests.monitoring.company import NOW, make_watched, write_company


def policy_at(**values: float) -> LabelPolicy:
    return set_thresholds(make_watched().bundle.policy, values, None)


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_company(tmp_path_factory.mktemp("adjust"))


def thresholds(config: Path, **options: Any) -> Any:
    options = {"values": {}, "reason": None, **options}
    return show_thresholds(config, now=NOW, progress=Silent(), **options)


def test_the_table_falls_and_more_leads_bring_more_customers(config: Path) -> None:
    rows = thresholds(config).rows
    assert [row.threshold for row in rows] == sorted((row.threshold for row in rows), reverse=True)
    assert [row.leads for row in rows] == sorted(row.leads for row in rows)
    assert [row.converted for row in rows] == sorted(row.converted for row in rows)
    assert {"mql", "sql"} <= {row.label for row in rows}


def test_moves_are_those_of_the_thresholds_alone() -> None:
    before, after = policy_at(mql=0.1, sql=0.3), policy_at(mql=0.2, sql=0.25)
    scores = pd.DataFrame(
        {
            "probability": [0.05, 0.15, 0.15, 0.22, 0.27, 0.4, 0.15],
            "label": ["unqualified", "mql", "sql", "mql", "mql", "sql", "disqualified"],
        }
    )
    found = {
        (move.before, move.after): (move.leads, move.expected) for move in count_moves(scores, before, after)
    }
    assert found == {("mql", "unqualified"): (1, 0.15), ("mql", "sql"): (1, 0.27)}


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"hot": 0.2}, r"--set must name a label of the version, mql, sql; found 'hot'"),
        ({"mql": 1.2}, r"--set mql must be a probability between 0 and 1; found 1.2"),
        ({"mql": 0.9}, r"the threshold of sql must not lie below that of mql: 0\.\d+ and 0\.9"),
    ],
    ids=["label", "probability", "order"],
)
def test_thresholds_that_cannot_be_set_say_why(values: dict[str, float], message: str) -> None:
    with pytest.raises(LabelPolicyError, match=message):
        policy_at(**values)


def test_a_reason_makes_a_version_with_the_same_trees_and_other_thresholds(
    config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before, _ = load_version(find_store(read_config(config)), "watched")
    scores = config.parent / "scores.parquet"
    score_leads(config, as_of="2025-04-08", out=scores, now=NOW, progress=Silent())
    arguments = ["thresholds", "--config", str(config), "--json", "--scores", str(scores)]
    with pytest.raises(SystemExit) as ended:
        main([*arguments, "--set", "mql=0.02", "--reason", "a larger team"])
    shown = json.loads(capsys.readouterr().out)
    assert ended.value.code == 0
    assert shown["proposed"]["mql"] == 0.02
    assert sum(move["leads"] for move in shown["moves"]) > 0
    bundle, version = load_version(find_store(read_config(config)), "watched", str(shown["new_version"]))
    assert bundle.policy.thresholds == {**before.policy.thresholds, "mql": 0.02}
    assert bundle.config["labels"]["mql"] == {"policy": "fixed", "value": 0.02}
    assert dict(version.tags)["based_on"] == "1"
    assert dict(version.tags)["reason"] == "a larger team"
    assert (
        "The same trees as version 1, with other thresholds: a larger team" in bundle.result.gate.warnings[0]
    )
    raw = make_watched().bundle.scorer
    assert bundle.scorer.prior_ == raw.prior_


def test_a_reason_without_thresholds_is_refused(config: Path) -> None:
    with pytest.raises(UsageError, match=r"--reason goes with --set"):
        thresholds(config, reason="why not")
    with pytest.raises(SystemExit) as ended:
        main(["thresholds", "--config", str(config), "--set", "mql:0.2"])
    assert ended.value.code == 2


def test_a_recalibrated_version_predicts_as_many_conversions_as_happen(tmp_path: Path) -> None:
    """Two of three sales are lost from the training on; the new level follows, the order of the leads stays."""
    world = make_watched().world
    won = (world.outcomes["stage"] == "closed_won") & (world.outcomes["occurred_at"] >= "2025-04-01")
    lost = won & (np.random.default_rng(0).random(len(won)) < 0.67)
    config = write_company(tmp_path, outcomes=world.outcomes[~lost].reset_index(drop=True))
    values = config.read_text(encoding="utf-8")
    config.write_text(values.replace("min_positives: 20", "min_positives: 10"), encoding="utf-8")
    found = recalibrate_version(config, now=NOW, progress=Silent())
    store = find_store(read_config(config))
    before, after = (load_version(store, "watched", str(number))[0] for number in (1, found.new_version))
    raw = np.linspace(-6, 0, 50)
    old, new = (one.calibrator.predict_proba(raw)[:, 1] for one in (before, after))
    assert (np.diff(new) > 0).all()
    assert new.mean() < 0.75 * old.mean()
    assert found.after.log_loss < found.before.log_loss
    assert "The same trees as version 1, with other calibration" in after.result.gate.warnings[0]
    # A lead's percentile score does not move with the level.
    assert np.searchsorted(before.reference, old).tolist() == pytest.approx(
        np.searchsorted(after.reference, new).tolist(), abs=1
    )


def test_too_few_outcomes_are_refused(tmp_path: Path) -> None:
    config = write_company(tmp_path, until="2025-04-20")
    with pytest.raises(GateRefused, match=r"conversions are known since the training of watched version 1"):
        recalibrate_version(config, now=NOW, progress=Silent())


def test_a_policy_for_teams_takes_no_single_threshold() -> None:
    policy = make_watched().bundle.policy
    teams = replace(policy, outcomes=(replace(policy.outcomes[0], teams={"a": 0.1}), policy.outcomes[1]))
    with pytest.raises(LabelPolicyError, match=r"--set mql needs one threshold for all"):
        set_thresholds(teams, {"mql": 0.1}, None)
