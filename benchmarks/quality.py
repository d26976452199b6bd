"""How good probabilities are: mqlml against plain models and AutoML, on simulated and real leads, judged later.

Everyone learns from the very table that ``mqlml table`` writes, up to the held-out period, and is judged on that
period. On simulated leads the true probability of each is known as well: how far promises are from it, and which
share of the oracle's gain over the base rate a model reaches. The options: ``python benchmarks/quality.py --help``.
"""

from __future__ import annotations

import argparse
import datetime as dt
import json
import os
import subprocess
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from mqlml.config import make_config, read_config
from mqlml.evaluation import compare_log_loss
from mqlml.evaluation.bootstrap import ClusterBootstrap
from mqlml.evaluation.metrics import log_losses
from mqlml.evaluation.ranking import Ranking
from mqlml.journeys.simulate import simulate
from mqlml.model.baselines import LogisticBaseline
from mqlml.pipeline.check import make_table, read_data
from mqlml.pipeline.choose_model import calibrate_forward, choose_model
from mqlml.pipeline.judge import fit_past
from mqlml.pipeline.progress import Silent
from mqlml.training import TrainingTable, build_table

Floats = npt.NDArray[np.float64]

REAL = ("olist", "relax", "xeducation", "codecademy", "dbt_crm")
HORIZON = 60
SEED = 0


@dataclass(frozen=True)
class Case:
    """A table to learn from and be judged on; ``truth`` holds each row's true probability, where it is known."""

    name: str
    table: TrainingTable
    truth: Floats | None


def simulated(n_leads: int, seed: int, drift: float, ages: list[str]) -> Case:
    world = simulate(n_leads, random_state=seed, drift=drift)
    config = make_config(
        {
            "name": "simulated",
            "data": {
                "observed_until": world.observed_until.date().isoformat(),
                "leads": {"path": "leads"},
                "outcomes": {"path": "outcomes"},
            },
            "problem": {"horizon": f"{HORIZON}d", "snapshots": {"ages": ages}},
            "windows": ["7d", "30d", "all"],
        },
        folder=Path(),
    )
    table = build_table(world.journeys(), config)
    looks = pd.DataFrame({"lead_id": table.lead_id, "cutoff_time": table.cutoff_time})
    truth = world.true_probability(looks, HORIZON * 86_400_000_000)
    return Case(f"simulated, {n_leads:,} leads" + (f", drift {drift:g}" if drift else ""), table, truth)


def real(name: str) -> Case:
    config = read_config(Path(__file__).parent.parent / "examples" / f"{name}.yml")
    now = dt.datetime.now(dt.UTC)
    return Case(name, make_table(read_data(config, Silent(), now=now), config, Silent()), None)


def by_mqlml(table: TrainingTable, tune: str) -> Floats:
    """What `mqlml train` does up to the judgement: choose on forward folds, calibrate, fit the past."""
    chosen = choose_model(table, tune=tune, random_state=SEED, progress=Silent())  # type: ignore[arg-type]
    forward = chosen.forward
    calibrator, _ = calibrate_forward(forward.raw, forward.rows, forward.periods, table)
    fitted = fit_past(chosen.scorer, table)
    raw = [
        model.decision_function(table.features.iloc[test])
        for model, (_, test) in zip(fitted, table.holdout.parts, strict=True)
    ]
    print(json.dumps({"chose": chosen.scorer.get_params(), "slope": calibrator.slope_}), flush=True)
    return calibrator.predict(np.concatenate(raw))


def by_parts(
    table: TrainingTable, fit_predict: Callable[[pd.DataFrame, Any, pd.DataFrame], Floats]
) -> Floats:
    features = table.features
    return np.concatenate(
        [
            fit_predict(features.iloc[train], table.label[train], features.iloc[test])
            for train, test in table.holdout.parts
        ]
    )


def logistic(X: pd.DataFrame, y: Any, later: pd.DataFrame) -> Floats:
    return LogisticBaseline().fit(X, y).predict(later)


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


def flaml(python: str, seconds: float) -> Callable[[pd.DataFrame, Any, pd.DataFrame], Floats]:
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
    """Average precision of the first minus the second's, with a paired 95 % interval over accounts or leads."""
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
    """The log loss to be expected of these promises under the true probabilities."""
    return float(
        (
            truth * log_losses(np.ones_like(truth), chance)
            + (1 - truth) * log_losses(np.zeros_like(truth), chance)
        ).mean()
    )


def judge(case: Case, chances: dict[str, Floats], seconds: dict[str, float]) -> list[dict[str, Any]]:
    table, last = case.table, case.table.holdout.test
    y, group = table.label[last], table.group[last]
    base_rate = float(table.label[table.holdout.train].mean())
    chances = {"base rate": np.full(len(last), base_rate), **chances}
    ours = chances["mqlml"]
    rows = []
    for name, chance in chances.items():
        loss = log_losses(y.astype(np.float64), chance)
        row: dict[str, Any] = {
            "data": case.name,
            "positives": int(table.label[table.holdout.train].sum()),
            "model": name,
            "log_loss": float(loss.mean()),
            "average_precision": float(
                Ranking(y.astype(np.float64), chance).measure(np.ones((1, len(y))))[1][0]
            ),
            "cpu_seconds": round(seconds.get(name, 0.0), 1),
        }
        if name != "mqlml":
            difference = compare_log_loss(y, ours, chance, clusters=group, random_state=SEED)
            row["log_loss_of_mqlml_minus_its"] = [difference.value, difference.low, difference.high]
            row["average_precision_of_mqlml_minus_its"] = average_precision_difference(y, ours, chance, group)
        if case.truth is not None:
            truth = case.truth[last]
            least, most = expected_loss(truth, truth), expected_loss(truth, chances["base rate"])
            bands = np.array_split(np.argsort(chance, kind="stable"), 10)
            row["calibration_error"] = float(
                sum(abs(float((chance[band] - truth[band]).sum())) for band in bands) / len(truth)
            )
            row["share_of_oracles_gain"] = (most - expected_loss(truth, chance)) / (most - least)
            row["oracles_log_loss"] = float(log_losses(y.astype(np.float64), truth).mean())
        rows.append(row)
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--simulated", type=int, nargs="*", default=[200, 1_000, 5_000, 50_000], metavar="LEADS"
    )
    parser.add_argument("--seeds", type=int, nargs="*", default=[1, 2, 3], help="of the simulated worlds")
    parser.add_argument("--drift", type=float, default=0.0, help="of the simulated worlds, per year")
    parser.add_argument("--ages", nargs="*", default=["0d", "7d", "30d"], help="at which leads are looked at")
    parser.add_argument("--real", nargs="*", default=list(REAL), choices=REAL, help="needs MQLML_REAL_DATA")
    parser.add_argument("--tune", default="none", choices=["none", "quick", "thorough"])
    parser.add_argument("--flaml", metavar="PYTHON", help="the Python of an environment with flaml[automl]")
    parser.add_argument("--flaml-seconds", type=float, default=600.0)
    parser.add_argument("--out", type=Path, help="also append each row as a line of JSON to this file")
    chosen = parser.parse_args()
    peers: dict[str, Callable[[pd.DataFrame, Any, pd.DataFrame], Floats]] = {
        "logistic regression": logistic,
        "LightGBM": lightgbm,
    }
    if chosen.flaml:
        peers["FLAML"] = flaml(chosen.flaml, chosen.flaml_seconds)
    makers: list[Callable[[], Case]] = [lambda name=name: real(name) for name in chosen.real]  # type: ignore[misc]
    makers += [
        lambda n=n, seed=seed: simulated(n, seed, chosen.drift, chosen.ages)  # type: ignore[misc]
        for n in chosen.simulated
        for seed in chosen.seeds
    ]
    for make in makers:
        case = make()
        chances: dict[str, Floats] = {}
        seconds: dict[str, float] = {}
        for name in ("mqlml", *peers):
            begin = time.process_time()
            own = name == "mqlml"
            chances[name] = by_mqlml(case.table, chosen.tune) if own else by_parts(case.table, peers[name])
            seconds[name] = chosen.flaml_seconds if name == "FLAML" else time.process_time() - begin
        for row in judge(case, chances, seconds):
            line = json.dumps(row)
            print(line, flush=True)
            if chosen.out:
                with chosen.out.open("a") as file:
                    file.write(line + "\n")


if __name__ == "__main__":
    main()
