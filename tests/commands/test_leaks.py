"""Leaks on the whole road: check tells them with figures, train refuses a feature that reads the future."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import mqlml.features.plan
from mqlml.commands.check import check_data
from mqlml.commands.learn import train
from mqlml.commands.table import write_training_table
from mqlml.config import read_config
from mqlml.errors import LeakageError
from mqlml.features.families import profile
from mqlml.features.families.builder import Columns, Source
from mqlml.progress import Silent
from mqlml.render.console.common import format_check
from mqlml.results import to_json_safe
from mqlml.simulate import Simulation, simulate
from tests.features.worlds import with_first_piece

NOW = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)

CONFIG = """
name: leads
data:
  observed_until: {until}
  leads: {{path: leads.csv}}
  events: {{path: events.csv}}
  outcomes: {{path: outcomes.csv}}
problem: {{horizon: 60d, snapshots: {{ages: [7d]}}}}
{more}
"""


@pytest.fixture(scope="module")
def world() -> Simulation:
    return simulate(1000, random_state=3, leaky_columns=True)


@pytest.fixture
def config(world: Simulation, tmp_path: Path) -> Any:
    def write(more: str = "") -> Path:
        world.write(tmp_path)
        path = tmp_path / "mqlml.yml"
        path.write_text(CONFIG.format(until=world.observed_until.date(), more=more))
        return path

    return write


def test_check_tells_every_leak_with_figures_as_values(config: Any) -> None:
    path = config(
        "profile: {force: {owner: given out at sign-up}}\n"
        "features: {force: {onboarding_call: every new lead gets one}}"
    )
    checked = check_data(path, now=NOW, progress=Silent())
    result = to_json_safe(checked)
    actions = {(leak["kind"], leak["column"]): leak["action"] for leak in result["leaks"]}
    refused = ("lead_status", "last_activity_date", "closed_amount", "lost_reason")
    assert actions == {
        **{("column", column): "refused" for column in refused},
        ("column", "owner"): "forced",
        ("action", "onboarding_call"): "forced",
    }
    (amount,) = [leak for leak in result["leaks"] if leak["column"] == "closed_amount"]
    (gaps,) = [clue for clue in amount["evidence"] if clue["check"] == "missingness"]
    assert gaps["figures"]["filled_of_others"] == 0 < gaps["figures"]["filled_of_winners"]
    assert amount["severity"] == "certain"
    assert result["leak_test"]["moved"] == []
    assert result["leak_test"]["features"] == result["features"] > 50
    assert "Kept because: given out at sign-up" in format_check(checked)


def newest(source: Source, columns: Columns) -> None:
    """The leak: what any lead that was created later is like."""
    latest = source.everyone["created_at"].max().value
    columns.fill(slice(None), np.full(len(source.keys.lead), latest))


@pytest.fixture
def leaking(monkeypatch: pytest.MonkeyPatch) -> None:
    builders = mqlml.features.plan.BUILDERS
    changed = tuple(
        with_first_piece(builder, newest) if builder is profile.BUILDER else builder for builder in builders
    )
    monkeypatch.setattr(mqlml.features.plan, "BUILDERS", changed)


@pytest.mark.usefixtures("leaking")
def test_a_feature_that_reads_the_future_is_told_by_check_and_refused_by_the_rest(
    config: Any, tmp_path: Path
) -> None:
    path = config()
    result = check_data(path, now=NOW, progress=Silent())
    (leak,) = [leak for leak in result.leaks if leak.kind == "feature"]
    assert (leak.action, leak.severity) == ("refused", "certain")
    assert result.leak_test is not None
    assert [moved.feature for moved in result.leak_test.moved] == [leak.column]
    assert f"feature {leak.column} (refused, certain): it reads the future" in format_check(result)
    refused = rf"the feature '{leak.column}' must not depend on what comes at or after the cutoff"
    with pytest.raises(LeakageError, match=refused) as caught:
        train(read_config(path), now=NOW)
    assert caught.value.exit_code == 3
    with pytest.raises(LeakageError, match=refused):
        write_training_table(path, tmp_path / "table.parquet", now=NOW, progress=Silent())
    assert not (tmp_path / "table.parquet").exists()
