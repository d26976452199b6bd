"""``mqlml features`` as people read it: grouped, within the width of a terminal, with what was left out and why."""

from __future__ import annotations

import datetime as dt
import json
from pathlib import Path

import pytest

from mqlml.cli import main
from mqlml.commands.features import format_features, list_features
from mqlml.progress import Silent
from tests.bad_input.front_door import Desk
from tests.bad_input.worlds import journeys_company
from tests.features.plugin import documented_module, install

NOW = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Desk:
    desk = Desk(tmp_path_factory.mktemp("company"))
    journeys_company(desk)
    return desk


def test_words_are_grouped_and_fit_a_terminal(desk: Desk) -> None:
    desk.save()
    result = list_features(desk.path("mqlml.yml"), now=NOW, progress=Silent())
    words = format_features(result)
    lines = words.splitlines()
    assert lines[0] == f"{len(result.features)} features of leads"
    assert max(map(len, lines)) <= 100
    titles = [line.split(" (")[0] for line in lines[1:] if line and not line.startswith(" ")]
    assert titles == ["Profile", "Actions", "Undesirables", "Left out"]  # no event names a channel
    for feature in result.features:
        assert feature.name.split("__")[1] in words
    for entry in result.left_out:
        assert entry.what in " ".join(words.split())


def test_a_feature_that_fails_a_check_stops_it_with_one_line(
    desk: Desk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The whole road from an installed package to the exit code."""
    whole = "share.reindex(range(len(known.snapshots))).to_numpy()"
    broken = documented_module().replace(whole, "np.full(len(known.snapshots), float(len(known.snapshots)))")
    site = install(tmp_path, broken, {"weekend_share": "WEEKEND_SHARE"}, name="hasty_features")
    monkeypatch.syspath_prepend(site)
    desk.set("features.functions", ["weekend_share"])
    desk.save()
    with pytest.raises(SystemExit) as left:
        main(["features", "--config", str(desk.path("mqlml.yml")), "--json"])
    desk.set("features.functions", None)
    said = capsys.readouterr()
    assert left.value.code == 1
    error = json.loads(said.out)["error"]
    assert error["kind"] == "FeatureError"
    assert "'actions__weekend_share__function' is refused: it fails the check that" in error["message"]
    assert "for example at lead" in error["message"]
    assert said.err.count("\n") == 1
