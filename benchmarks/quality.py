"""How good probabilities are: mqlml against plain models and AutoML, on simulated and real leads, evaluated later.

Everyone learns from the very table that ``mqlml table`` writes. On real leads, and in worlds that move, that is the
table before the held-out period, which then evaluates. On simulated leads it is the whole table, as for the version
that ships, and leads of the time after it evaluate; the true probability of each is known as well: how far
predictions are from it, and which share of the oracle's gain over the base rate a model reaches.
The options: ``python benchmarks/quality.py --help``.
"""

from __future__ import annotations

import argparse
import datetime as dt
import hashlib
import json
import os
import runpy
import subprocess
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from mqlml.commands.check import make_table, read_data
from mqlml.commands.choose_model import calibrate, choose_model, find_levels
from mqlml.commands.learn import train
from mqlml.config import Config, make_config, read_config
from mqlml.config.values import Tune
from mqlml.errors import GateRefused
from mqlml.evaluation import compare_log_loss
from mqlml.evaluation.bootstrap import ClusterBootstrap
from mqlml.evaluation.holdout import fit_past
from mqlml.evaluation.metrics import Ranking, log_losses
from mqlml.features import build_features
from mqlml.model.baselines import LogisticBaseline
from mqlml.progress import Silent
from mqlml.simulate import simulate
from mqlml.training import TrainingTable, build_table
from mqlml.types import Floats

FitPredict = Callable[[pd.DataFrame, Any, pd.DataFrame], Floats]

WORLDS = Path(__file__).resolve().parents[2] / "shared" / "cases" / "make_worlds.py"
"""Writes the worlds that move: see `moving_worlds.py`."""

REAL = ("olist", "relax", "xeducation", "codecademy", "dbt_crm")
HORIZON = 60
DAYS, LATER_DAYS = 540, 400
LATER_LEADS = 50_000
"""Of whom those of the later days are evaluated."""
SEED = 0


@dataclass(frozen=True)
class Case:
    """What is learned from, and by whom it is evaluated.

    Attributes
    ----------
    name : str
    parts : what is learned from, features and labels, and the features of those who are evaluated by it; mostly one.
    label, group : of all who are evaluated, part after part.
    truth : the true probability of each of them, or None where nobody knows it.
    learn : gives mqlml's probabilities for all of them; its argument is `tune`.
    """

    name: str
    parts: list[tuple[pd.DataFrame, npt.NDArray[Any], pd.DataFrame]]
    label: npt.NDArray[Any]
    group: npt.NDArray[Any]
    truth: Floats | None
    learn: Callable[[Tune], Floats]


def make_simulated_config(until: dt.datetime, ages: list[str], tune: Tune = "none") -> Config:
    return make_config(
        {
            "name": "simulated",
            "data": {
                "observed_until": until.date().isoformat(),
                "leads": {"path": "leads"},
                "outcomes": {"path": "outcomes"},
            },
            "problem": {"horizon": f"{HORIZON}d", "snapshots": {"ages": ages}},
            "windows": ["7d", "30d", "all"],
            "labels": {"mql": {"policy": "capacity", "per_week": 20}},
            "tune": tune,
        },
        folder=Path(),
    )


def simulated(n_leads: int, seed: int, drift: float, ages: list[str]) -> Case:
    """A company's whole history, and other leads of the same world in the year and a month after it."""
    world = simulate(n_leads, random_state=seed, drift=drift)
    journeys, until = world.journeys(), world.observed_until
    table = build_table(journeys, make_simulated_config(until, ages))
    after = simulate(LATER_LEADS, random_state=1_000 + seed, drift=drift, days=DAYS + LATER_DAYS)
    later = build_table(after.journeys(), make_simulated_config(after.observed_until, ages))
    new = np.flatnonzero(later.cutoff_time >= until)
    snapshots = pd.DataFrame({"lead_id": later.lead_id, "cutoff_time": later.cutoff_time}).iloc[new]
    evaluated = build_features(after.journeys(), snapshots, table.plan)

    def learn(tune: Tune) -> Floats:
        """What `mqlml train` ships, and `mqlml score` then says; the base rate where it refuses to ship."""
        config = make_simulated_config(until, ages, tune)
        try:
            bundle = train(config, journeys, now=until).bundle
        except GateRefused as refusal:
            print(json.dumps({"refused": str(refusal)}), flush=True)
            bundle = None
        if bundle is None:
            return np.full(len(new), float(table.label.mean()))
        print(
            json.dumps({"chose": bundle.scorer.get_params(), "shift": bundle.calibrator.intercept_}),
            flush=True,
        )
        return bundle.calibrator.predict_proba(bundle.scorer.decision_function(evaluated))[:, 1]

    return Case(
        name=f"simulated, {n_leads:,} leads, seed {seed}" + (f", drift {drift:g}" if drift else ""),
        parts=[(table.features, table.label, evaluated)],
        label=later.label[new],
        group=later.group[new],
        truth=after.true_probability(snapshots, HORIZON * 86_400_000_000),
        learn=learn,
    )


def real(name: str) -> Case:
    return held_out(name, read_config(Path(__file__).parent.parent / "examples" / f"{name}.yml"))


def world(kind: str, seed: int) -> Case:
    """A made-up company whose levels or effects change, up to its last day."""
    with tempfile.TemporaryDirectory() as folder:
        runpy.run_path(str(WORLDS))["write"](kind, seed, folder)
        return held_out(f"world {kind}, seed {seed}", read_config(Path(folder) / "mqlml.yml"))


def held_out(name: str, config: Config) -> Case:
    """Those before the held-out period are learned from, and those of it evaluate."""
    table = make_table(read_data(config, Silent(), now=dt.datetime.now(dt.UTC)), config, Silent())
    last = table.holdout.test
    return Case(
        name=name,
        parts=[
            (table.features.iloc[past], table.label[past], table.features.iloc[test])
            for past, test in table.holdout.parts
        ],
        label=table.label[last],
        group=table.group[last],
        truth=None,
        learn=lambda tune: choose_and_evaluate(table, tune),
    )


def choose_and_evaluate(table: TrainingTable, tune: Tune) -> Floats:
    """What `mqlml train` does up to the evaluation: choose on out-of-time folds, calibrate, fit the past."""
    chosen = choose_model(table, tune=tune, random_state=SEED, progress=Silent())
    fitted = fit_past(chosen.scorer, table)
    calibrator = calibrate(fitted, find_levels(chosen.out_of_time, table))
    raw = [
        model.decision_function(table.features.iloc[test])
        for model, (_, test) in zip(fitted, table.holdout.parts, strict=True)
    ]
    print(json.dumps({"chose": chosen.scorer.get_params(), "shift": calibrator.intercept_}), flush=True)
    return calibrator.predict_proba(np.concatenate(raw))[:, 1]


def by_parts(case: Case, fit_predict: FitPredict) -> Floats:
    return np.concatenate([fit_predict(*part) for part in case.parts])


def logistic(X: pd.DataFrame, y: Any, later: pd.DataFrame) -> Floats:
    return LogisticBaseline().fit(X, y).predict_proba(later)[:, 1]


def lightgbm(X: pd.DataFrame, y: Any, later: pd.DataFrame) -> Floats:
    """Its defaults; words as its own categories. One thread, as everyone here."""
    from lightgbm import LGBMClassifier

    words = {
        name: pd.CategoricalDtype(X[name].dropna().unique())
        for name in X.columns
        if not pd.api.types.is_numeric_dtype(X[name].dtype)
    }
    known = {name: later[name].where(later[name].isin(dtype.categories)) for name, dtype in words.items()}
    model = LGBMClassifier(n_jobs=1, verbose=-1, random_state=SEED).fit(X.astype(words), y)
    return np.asarray(model.predict_proba(later.assign(**known).astype(words)))[:, 1]


def flaml(python: str, seconds: float) -> FitPredict:
    def fit_predict(X: pd.DataFrame, y: Any, later: pd.DataFrame) -> Floats:
        with tempfile.TemporaryDirectory() as folder:
            learn, judge, out = (
                str(Path(folder) / name) for name in ("learn.parquet", "judge.parquet", "out")
            )
            X.assign(label=y).to_parquet(learn)
            later.to_parquet(judge)
            script = str(Path(__file__).parent / "flaml_peer.py")
            environment = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
            subprocess.run([python, script, learn, judge, out, str(seconds)], check=True, env=environment)
            return np.array([float(line) for line in Path(out).read_text().split()])

    return fit_predict


def average_precision_difference(
    y: Any, one: Floats, other: Floats, clusters: Any
) -> tuple[float, float, float]:
    """Average precision of the first minus the second's, with a paired 95% interval over accounts or leads."""
    bootstrap = ClusterBootstrap(clusters, n_bootstrap=500, random_state=SEED)
    target = np.asarray(y, dtype=np.float64)
    rankings = [Ranking(target, chance) for chance in (one, other)]
    point = [ranking.measure(np.ones((1, len(target))))[1][0] for ranking in rankings]
    drawn = np.concatenate(
        [
            rankings[0].measure(counts[:, bootstrap.codes])[1]
            - rankings[1].measure(counts[:, bootstrap.codes])[1]
            for counts in bootstrap.draws()
        ]
    )
    low, high = np.nanquantile(drawn, (0.025, 0.975))
    return float(point[0] - point[1]), float(low), float(high)


def expected_loss(truth: Floats, chance: Floats) -> float:
    """The log loss to be expected of these predictions under the true probabilities."""
    return float(
        (
            truth * log_losses(np.ones_like(truth), chance)
            + (1 - truth) * log_losses(np.zeros_like(truth), chance)
        ).mean()
    )


def judge(case: Case, chances: dict[str, Floats], seconds: dict[str, float]) -> list[dict[str, Any]]:
    y = case.label
    learned = np.concatenate([label for _, label, _ in case.parts])
    chances = {"base rate": np.full(len(y), float(learned.mean())), **chances}
    ours = chances["mqlml"]
    rows = []
    for name, chance in chances.items():
        loss = log_losses(y.astype(np.float64), chance)
        row: dict[str, Any] = {
            "data": case.name,
            "positives": int(learned.sum()),
            "model": name,
            "log_loss": float(loss.mean()),
            "average_precision": float(
                Ranking(y.astype(np.float64), chance).measure(np.ones((1, len(y))))[1][0]
            ),
            "cpu_seconds": round(seconds.get(name, 0.0), 1),
        }
        if name != "mqlml":
            difference = compare_log_loss(y, ours, chance, clusters=case.group, random_state=SEED)
            row["log_loss_of_mqlml_minus_its"] = [difference.value, difference.low, difference.high]
            row["average_precision_of_mqlml_minus_its"] = average_precision_difference(
                y, ours, chance, case.group
            )
        if case.truth is not None:
            truth = case.truth
            least, most = expected_loss(truth, truth), expected_loss(truth, chances["base rate"])
            bands = np.array_split(np.argsort(chance, kind="stable"), 10)
            row["calibration_error"] = float(
                sum(abs(float((chance[band] - truth[band]).sum())) for band in bands) / len(truth)
            )
            row["share_of_oracles_gain"] = (most - expected_loss(truth, chance)) / (most - least)
            row["oracles_log_loss"] = float(log_losses(y.astype(np.float64), truth).mean())
        rows.append(row)
    return rows


def remember(folder: Path | None, name: str, case: Case, make: Callable[[], Floats]) -> tuple[Floats, float]:
    """Somebody's probabilities and CPU seconds; from the folder, if they were asked about this very table before."""
    file = None
    if folder is not None:
        digest = hashlib.sha256()
        for learn, label, evaluated in case.parts:
            for table in (learn, evaluated):
                digest.update(pd.util.hash_pandas_object(table, index=False).to_numpy().tobytes())
            digest.update(label.tobytes())
        file = folder / f"{name.replace(' ', '_')}-{digest.hexdigest()[:16]}.npz"
        if file.exists():
            kept = np.load(file)
            return kept["chance"], float(kept["seconds"])
    begin = sum(os.times()[:4])  # of this process and of those it waited for
    chance = make()
    seconds = sum(os.times()[:4]) - begin
    if file is not None:
        file.parent.mkdir(parents=True, exist_ok=True)
        np.savez(file, chance=chance, seconds=seconds)
    return chance, seconds


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--simulated", type=int, nargs="*", default=[200, 1_000, 5_000, 50_000], metavar="LEADS"
    )
    parser.add_argument("--seeds", type=int, nargs="*", default=[1, 2, 3], help="of the simulated worlds")
    parser.add_argument("--drift", type=float, default=0.0, help="of the simulated worlds, per year")
    parser.add_argument("--ages", nargs="*", default=["0d", "7d", "30d"], help="at which leads are scored")
    parser.add_argument("--real", nargs="*", default=list(REAL), choices=REAL, help="needs MQLML_REAL_DATA")
    parser.add_argument("--worlds", nargs="*", default=[], metavar="KIND", help="of worlds that move")
    parser.add_argument("--world-seed", type=int, default=900)
    parser.add_argument("--tune", default="none", choices=["none", "quick", "thorough"])
    parser.add_argument("--flaml", metavar="PYTHON", help="the Python of an environment with flaml[automl]")
    parser.add_argument("--flaml-seconds", type=float, default=600.0)
    parser.add_argument("--remember", type=Path, metavar="FOLDER", help="where answers of peers are kept")
    parser.add_argument("--peers-only", action="store_true", help="ask the peers, to remember them, and stop")
    parser.add_argument("--out", type=Path, help="also append each row as a line of JSON to this file")
    chosen = parser.parse_args()
    peers: dict[str, FitPredict] = {"logistic regression": logistic, "LightGBM": lightgbm}
    if chosen.flaml:
        peers[f"FLAML, {chosen.flaml_seconds:g} s"] = flaml(chosen.flaml, chosen.flaml_seconds)
    makers: list[Callable[[], Case]] = [lambda name=name: real(name) for name in chosen.real]  # type: ignore[misc]
    makers += [lambda kind=kind: world(kind, chosen.world_seed) for kind in chosen.worlds]  # type: ignore[misc]
    makers += [
        lambda n=n, seed=seed: simulated(n, seed, chosen.drift, chosen.ages)  # type: ignore[misc]
        for n in chosen.simulated
        for seed in chosen.seeds
    ]
    for make in makers:
        case = make()
        answers = (
            {}
            if chosen.peers_only
            else {"mqlml": remember(None, "mqlml", case, partial(case.learn, chosen.tune))}
        )
        for name, peer in peers.items():
            answers[name] = remember(chosen.remember, name, case, partial(by_parts, case, peer))
        if chosen.peers_only:
            continue
        chances = {name: chance for name, (chance, _) in answers.items()}
        for row in judge(case, chances, {name: seconds for name, (_, seconds) in answers.items()}):
            line = json.dumps(row)
            print(line, flush=True)
            if chosen.out:
                with chosen.out.open("a") as file:
                    file.write(line + "\n")


if __name__ == "__main__":
    main()
