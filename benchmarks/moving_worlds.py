"""Worlds that move: made-up companies whose levels and effects change, and what each way of blending gains on them.

    python benchmarks/moving_worlds.py collect FOLDER [--kinds odd late] [--seeds 200 201] [--real olist]
    python benchmarks/moving_worlds.py compare FOLDER [--kinds odd late] [--seeds 200 201]

``collect`` trains once for each world and keeps what trees and logistic part say: of the forward folds, of the
held-out period (by models of the past) and of the leads of the ninety days after (by models of everything).
``compare`` blends and calibrates these in several ways without training again, and judges each on the held-out
period and on the later leads, whose true probabilities are known. The worlds are those of
``../shared/cases/make_worlds.py``; where that file is absent nothing is done.
"""

from __future__ import annotations

import argparse
import datetime as dt
import runpy
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from sklearn.base import clone
from sklearn.model_selection import StratifiedGroupKFold

from mqlml.config import Config, read_config
from mqlml.features import build_features
from mqlml.model import LeadScorer
from mqlml.pipeline.check import make_table, read_data
from mqlml.pipeline.choose_model import FOLD_POSITIVES, FORWARD_POSITIVES, N_FOLDS, start_settings
from mqlml.pipeline.progress import Silent
from mqlml.training import TrainingTable, rolling_folds

Floats = npt.NDArray[np.float64]

MAKER = Path(__file__).resolve().parents[2] / "shared" / "cases" / "make_worlds.py"
KINDS = ("odd", "late", "short", "walk", "reverse", "surge", "weak")


@dataclass(frozen=True)
class Said:
    """What the parts say of some rows: log-odds, the period each row lies in, and what became of it."""

    prior: Floats
    trees: Floats
    linear: Floats
    y: Floats
    period: npt.NDArray[np.intp]
    learned: Floats
    group: npt.NDArray[np.intp]
    time: npt.NDArray[np.int64]


@dataclass(frozen=True)
class World:
    """One world: forward folds, the held-out period, and the leads after it with their true probability."""

    name: str
    forward: Said
    held: Said
    later: Said | None
    truth: Floats | None
    spans: npt.NDArray[np.int64]
    held_span: npt.NDArray[np.int64]
    reach: int
    seconds: float

    def save(self, file: Path) -> None:
        arrays = {
            "spans": self.spans,
            "held_span": self.held_span,
            "reach": self.reach,
            "seconds": self.seconds,
        }
        for name in ("forward", "held", "later"):
            said = getattr(self, name)
            if said is not None:
                arrays |= {f"{name}.{key}": value for key, value in vars(said).items()}
        if self.truth is not None:
            arrays["truth"] = self.truth
        file.parent.mkdir(parents=True, exist_ok=True)
        np.savez_compressed(file, **arrays)

    @classmethod
    def load(cls, file: Path) -> World:
        kept = np.load(file)

        def said(name: str) -> Said | None:
            if f"{name}.y" not in kept:
                return None
            return Said(**{key: kept[f"{name}.{key}"] for key in Said.__dataclass_fields__})

        forward, held = said("forward"), said("held")
        assert forward is not None
        assert held is not None
        return cls(
            file.stem,
            forward,
            held,
            said("later"),
            kept.get("truth"),
            kept["spans"],
            kept["held_span"],
            int(kept["reach"]),
            float(kept["seconds"]),
        )


def make_world(kind: str, seed: int, folder: Path) -> None:
    runpy.run_path(str(MAKER))["write"](kind, seed, str(folder))


def _parts(fitted: LeadScorer, features: pd.DataFrame) -> tuple[Floats, Floats, Floats]:
    trees, linear = [], []
    for matrix in fitted.encode_in_parts(features):
        trees.append(fitted.trees_.decision_function(matrix))
        linear.append(fitted.linear_.predict_matrix(matrix))
    return np.full(len(features), fitted.prior_), np.concatenate(trees), np.concatenate(linear)


def _say(
    scorer: LeadScorer, table: TrainingTable, pieces: list[tuple[int, Any, Any]]
) -> tuple[Said, npt.NDArray[np.intp]]:
    """What models that learn from the first rows of each piece say of its second ones."""
    found, rows, period, learned = [], [], [], []
    for number, train, test in pieces:
        fitted = clone(scorer).fit(table.features.iloc[train], table.label[train])
        found.append(_parts(fitted, table.features.iloc[test]))
        rows.append(test)
        period.append(np.full(len(test), number))
        learned.append(np.full(len(test), float(table.label[train].sum())))
    place = np.concatenate(rows)
    prior, trees, linear = (np.concatenate(part) for part in zip(*found, strict=True))
    said = Said(
        prior,
        trees,
        linear,
        table.label[place].astype(np.float64),
        np.concatenate(period).astype(np.intp),
        np.concatenate(learned),
        table.group[place],
        table.time[place],
    )
    return said, place


def collect(
    name: str,
    table: TrainingTable,
    later: tuple[pd.DataFrame, Floats, npt.NDArray[np.int64]] | None,
    truth: Floats | None,
    file: Path,
) -> World:
    begin = time.process_time()
    past = table.holdout.train
    folds = rolling_folds(
        table.time, table.label, table.group, past, reach=table.reach, n_folds=N_FOLDS,
        min_positives=FOLD_POSITIVES, dated=table.age is not None,
    )  # fmt: skip
    wins = sum(int(table.label[fold.test].sum()) for fold in folds)
    others = sum(len(fold.test) for fold in folds) - wins
    scorer = clone(start_settings(table, 0)).set_params(tree_weight=0.5, linear_weight=0.5)
    if min(wins, others) >= FORWARD_POSITIVES:
        pieces = [(k, a, b) for k, fold in enumerate(folds) for a, b in fold.parts]
        spans = np.array([(fold.start, fold.end) for fold in folds], dtype=np.int64)
    else:
        splitter = StratifiedGroupKFold(n_splits=5, shuffle=True, random_state=0)
        pieces = [
            (0, past[a], past[b]) for a, b in splitter.split(past, table.label[past], table.group[past])
        ]
        spans = np.empty((0, 2), dtype=np.int64)
    forward, _ = _say(scorer, table, pieces)
    held, _ = _say(scorer, table, [(0, a, b) for a, b in table.holdout.parts])
    said = None
    if later is not None:
        features, y, moment = later
        fitted = clone(scorer).fit(table.features, table.label)
        prior, trees, linear = _parts(fitted, features)
        n = len(y)
        said = Said(
            prior, trees, linear, y, np.zeros(n, dtype=np.intp), np.full(n, float(table.label.sum())),
            np.arange(n), moment,
        )  # fmt: skip
    world = World(
        name, forward, held, said, truth, spans,
        np.array([table.holdout.start, table.holdout.end]), table.reach, time.process_time() - begin,
    )  # fmt: skip
    world.save(file)
    return world


def collect_world(kind: str, seed: int, folder: Path) -> None:
    file = folder / f"{kind}-{seed}.npz"
    if file.exists():
        return
    with tempfile.TemporaryDirectory() as made:
        place = Path(made)
        make_world(kind, seed, place)
        config = read_config(place / "mqlml.yml")
        now = dt.datetime.now(dt.UTC)
        table = make_table(read_data(config, Silent(), now=now), config, Silent())
        after = _later_config(config, place)
        journeys = read_data(after, Silent(), now=now)
        leads = pd.read_csv(place / "later" / "leads.csv")
        born = pd.to_datetime(leads["created_at"], utc=True)
        until = pd.Timestamp(config.data.observed_until) + pd.Timedelta(days=90)
        ripe = np.flatnonzero((born + pd.Timedelta(microseconds=table.reach) <= until).to_numpy())
        looks = journeys.leads.set_index("lead_id").loc[leads["lead_id"].iloc[ripe]].reset_index()
        looks = pd.DataFrame({"lead_id": looks["lead_id"], "cutoff_time": looks["created_at"]})
        features = build_features(journeys, looks, table.plan)
        won = set(pd.read_csv(place / "later" / "outcomes.csv")["lead_id"])
        y = looks["lead_id"].isin(won).to_numpy().astype(np.float64)
        truth = pd.read_csv(place / "truth.csv").set_index("lead_id")["p"].loc[looks["lead_id"]].to_numpy()
        moment = looks["cutoff_time"].astype("int64").to_numpy()
        collect(f"{kind}-{seed}", table, (features, y, moment), truth, file)


def _later_config(config: Config, place: Path) -> Config:
    both = pd.concat([pd.read_csv(place / "leads.csv"), pd.read_csv(place / "later" / "leads.csv")])
    both.to_csv(place / "all.csv", index=False)
    text = (place / "mqlml.yml").read_text().replace("path: leads.csv", "path: all.csv")
    text = text.replace("path: outcomes.csv", "path: later/outcomes.csv")
    until = (pd.Timestamp(config.data.observed_until) + pd.Timedelta(days=90)).date()
    lines = [f"  observed_until: {until}" if "observed_until" in line else line for line in text.splitlines()]
    (place / "later.yml").write_text("\n".join(lines) + "\n")
    return read_config(place / "later.yml")


def worlds(folder: Path, kinds: list[str], seeds: list[int]) -> Iterator[World]:
    for kind in kinds:
        for seed in seeds:
            file = folder / f"{kind}-{seed}.npz"
            if file.exists():
                yield World.load(file)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("what", choices=["collect", "compare"])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--kinds", nargs="*", default=list(KINDS))
    parser.add_argument("--seeds", type=int, nargs="*", default=list(range(200, 206)))
    chosen = parser.parse_args()
    if not MAKER.exists():
        print(f"{MAKER} is absent: no worlds, nothing done")
        return
    if chosen.what == "collect":
        for seed in chosen.seeds:
            for kind in chosen.kinds:
                begin = time.time()
                collect_world(kind, seed, chosen.folder)
                print(kind, seed, round(time.time() - begin, 1), flush=True)


if __name__ == "__main__":
    main()
