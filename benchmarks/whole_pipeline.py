"""Forecasts of labels against the truth: simulated companies go through what ``mqlml train`` does.

    python benchmarks/whole_pipeline.py [--worlds 60] [--drift 0 0.5 -0.5] [--out rows.jsonl]

Each world is a company of its own: journeys are simulated, the table is built, a model chosen on out-of-time folds
and calibrated, thresholds are chosen with their forecasts, and the held-out period, whose true probabilities are
known, evaluates them. Only the report and the registry of ``mqlml train`` are left out. Printed for each kind of
world: how often the actual figure lay within the stated 90% interval, by policy and by what is forecast; how many
leads a week arrived for each that a capacity allowed; the expected log loss beside that of the base rate known when
training; and how far the probabilities are from the truth, beside a calibration that stays at the training's level.
"""

from __future__ import annotations

import argparse
import json
import math
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from scipy.special import expit
from scipy.stats import norm

from mqlml.commands.choose_model import calibrate, choose_model, find_drift, find_levels
from mqlml.commands.choose_thresholds import (
    choose_labels,
    make_gate_inputs,
    out_of_time_periods,
)
from mqlml.commands.count_nights import last_fold, read_later_nights, read_recent_nights, with_rows
from mqlml.config import Config, make_config
from mqlml.errors import LabelPolicyError, MqlmlError
from mqlml.evaluation import Estimate, LabelRows, evaluate_policy
from mqlml.evaluation.holdout import HeldOut, count_on, fit_past, holdout_weeks
from mqlml.evaluation.metrics import log_losses
from mqlml.journeys import Journeys
from mqlml.progress import Silent
from mqlml.simulate import simulate
from mqlml.times import DAY
from mqlml.training import TrainingTable, build_table
from mqlml.types import Floats, Mask

HORIZON = 60
NOISE = float(norm.isf(0.05))
"""Standard errors of a paired difference beyond which it is more than noise, at 5 % on one side."""


@dataclass(frozen=True)
class Kind:
    """What the worlds of one row have in common."""

    leads: tuple[int, int]
    days: int
    drift: float
    signal: float

    @property
    def name(self) -> str:
        low, high = self.leads
        what = (
            "no signal" if self.signal == 0 else f"drift {self.drift:+g} a year" if self.drift else "steady"
        )
        return f"{what}, {low:,} to {high:,} leads in {self.days} days"


def rules(base_rate: float, leads_per_week: float) -> dict[str, dict[str, Any]]:
    """What each policy is asked for; in terms of the company, as its people would."""
    return {
        "min_precision": {"policy": "min_precision", "value": round(2 * base_rate, 3)},
        "min_recall": {"policy": "min_recall", "value": 0.4},
        "capacity": {"policy": "capacity", "per_week": max(1.0, round(0.15 * leads_per_week))},
        "value": {"policy": "value", "gain": 1000, "cost": 100, "too_early": 20, "too_late": 100},
    }


def configure(until: str, labels: dict[str, Any]) -> Config:
    return make_config(
        {
            "name": "simulated",
            "data": {"observed_until": until, "leads": {"path": "leads"}, "outcomes": {"path": "outcomes"}},
            "problem": {"horizon": f"{HORIZON}d", "snapshots": {"ages": ["0d", "7d", "30d"]}},
            "windows": ["7d", "30d", "all"],
            "labels": labels,
        },
        folder=Path(),
    )


def walk(kind: Kind, seed: int) -> dict[str, Any]:
    """One company, from its journeys to the judgement."""
    begin = time.process_time()
    low, high = kind.leads
    n_leads = round(low * (high / low) ** float(np.random.default_rng(seed).random()))
    world = simulate(n_leads, random_state=seed, drift=kind.drift, signal=kind.signal, days=kind.days)
    until = world.observed_until.date().isoformat()
    data = world.journeys()
    table = build_table(data, configure(until, {"mql": {"policy": "fixed", "value": 0.1}}))
    snapshots = pd.DataFrame({"lead_id": table.lead_id, "cutoff_time": table.cutoff_time})
    truth = world.true_probability(snapshots, HORIZON * DAY)[table.holdout.test]
    held = HeldOut(table)
    past = held.past
    row: dict[str, Any] = {
        "kind": kind.name,
        "seed": seed,
        "leads": n_leads,
        "positives": int(past.label[past.holdout.train].sum()),
        "later_positives": int(table.label[table.holdout.test].sum()),
    }
    base_rate = float(past.label[past.holdout.train].mean())
    asked = rules(base_rate, n_leads / (kind.days / 7))
    configs = {name: configure(until, {"mql": rule}) for name, rule in asked.items()}
    try:
        found = learn(held, data, configs)
    except MqlmlError as error:  # refused: everyone would get the base rate, which costs nothing against it
        return row | {"refused": str(error), "seconds": time.process_time() - begin}
    row |= judge_chances(table, truth, base_rate, found) | {"labels": found.labels}
    return row | {"seconds": time.process_time() - begin}


@dataclass(frozen=True)
class Learned:
    """One company's result: probabilities of the held-out rows, and each policy with what was observed."""

    probability: Floats
    frozen: Floats
    drift: bool
    moved: bool
    in_time: bool
    labels: dict[str, dict[str, Any]]


def learn(held: HeldOut, data: Journeys, configs: dict[str, Config]) -> Learned:
    """What `mqlml.train` does with a table, from the choice of the model to the judgement of the labels."""
    past = held.past
    chosen = choose_model(past, tune="none", random_state=0, progress=Silent())
    out_of_time = chosen.out_of_time
    fitted = fit_past(chosen.scorer, past)
    calibrator = calibrate(fitted, find_levels(out_of_time, past))
    learned = [*with_rows(fitted, past.holdout), *last_fold(chosen)]
    first = next(iter(configs.values()))
    scored = (out_of_time.rows, out_of_time.raw)
    recent = read_recent_nights(data, first, learned, past, past.holdout.start, calibrator, None, scored)
    policies = {}
    for name, config in configs.items():
        try:
            policies[name] = choose_labels(
                calibrator.predict_proba(out_of_time.raw)[:, 1],
                past,
                out_of_time.rows,
                out_of_time_periods(past, out_of_time),
                make_gate_inputs(data, past.lead_id.iloc[out_of_time.rows], config, None),
                config,
                recent=recent,
            )
        except LabelPolicyError:
            continue  # no threshold reaches what is asked for: nothing is predicted
    table = held.open()
    last = table.holdout.test
    raw = np.concatenate(
        [
            model.decision_function(table.features.iloc[test])
            for model, (_, test) in zip(fitted, table.holdout.parts, strict=True)
        ]
    )
    probability = calibrator.predict_proba(raw)[:, 1]
    labels = {}
    nights = read_later_nights(data, first, fitted, table, calibrator, None, scored)
    for name, policy in policies.items():
        observed = evaluate_policy(
            policy,
            probability,
            LabelRows(table.label[last], table.group[last], table.lead[last], holdout_weeks(table)),
            volume=None if nights is None else count_on(nights),
            n_bootstrap=2,
            random_state=0,
        )["mql"]
        predictions = policy.outcomes[0].predictions
        labels[name] = {
            "asked": configs[name].labels["mql"].per_week or configs[name].labels["mql"].value,
            "threshold": observed.threshold,
            **{
                what: [_value(getattr(observed, what)), predicted.low, predicted.value, predicted.high]
                for what, predicted in predictions.items()
            },
        }
    return Learned(
        probability,
        expit(raw),
        find_drift(out_of_time, past).found,
        calibrator.intercept_ != 0.0,
        out_of_time.in_time,
        labels,
    )


def _value(estimate: Estimate | None) -> float | None:
    return None if estimate is None else estimate.value


def judge_chances(table: TrainingTable, truth: Floats, base_rate: float, found: Learned) -> dict[str, Any]:
    """Losses and calibration errors of the held-out rows, under their true probabilities."""
    last = table.holdout.test
    y, unit = table.label[last].astype(np.float64), np.unique(table.group[last], return_inverse=True)[1]
    base = np.full(len(last), base_rate)
    lost = log_losses(y, found.probability) - log_losses(y, base)
    per_unit = np.bincount(unit, weights=lost - lost.mean())
    return {
        "rows": len(last),
        "noise": NOISE * math.sqrt(float(per_unit @ per_unit)) / len(last),
        "lost": expected_loss(truth, found.probability) - expected_loss(truth, base),
        "lost_by_outcomes": float(lost.mean()),
        "oracle": expected_loss(truth, truth) - expected_loss(truth, base),
        "calibration_error": calibration_error(truth, found.probability),
        "calibration_error_frozen": calibration_error(truth, found.frozen),
        "level": level(truth, found.probability),
        "level_frozen": level(truth, found.frozen),
        "base_rate": base_rate,
        "true_rate": float(truth.mean()),
        "drift": found.drift,
        "moved": found.moved,
        "in_time": found.in_time,
    }


def expected_loss(truth: Floats, chance: Floats) -> float:
    """The log loss to be expected of these predictions under the true probabilities."""
    won, not_won = log_losses(np.ones_like(truth), chance), log_losses(np.zeros_like(truth), chance)
    return float((truth * won + (1 - truth) * not_won).mean())


def calibration_error(truth: Floats, chance: Floats) -> float:
    """Mean distance of prediction and truth, in ten bands of the prediction."""
    bands = np.array_split(np.argsort(chance, kind="stable"), 10)
    return float(sum(abs(float((chance[band] - truth[band]).sum())) for band in bands) / len(truth))


def level(truth: Floats, chance: Floats) -> float:
    """Conversions to be expected for each that was predicted."""
    return float(truth.sum() / chance.sum())


def summarise(rows: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """One kind of world: what is printed."""
    told = [row for row in rows if "lost" in row]
    found: dict[str, Any] = {
        "kind": rows[0]["kind"],
        "worlds": len(rows),
        "refused": len(rows) - len(told),
        "conversions": [min(row["positives"] for row in rows), max(row["positives"] for row in rows)],
        "seconds": round(float(np.mean([row["seconds"] for row in rows])), 1),
    }
    lost = np.array([row.get("lost", 0.0) for row in rows])
    noise = np.array([row.get("noise", 0.0) for row in rows])
    outcome = np.array([row.get("lost_by_outcomes", 0.0) for row in rows])
    oracle = np.array([row["oracle"] for row in told])
    found["expected_log_loss_minus_base_rates"] = {
        "mean": round(float(lost.mean()), 5),
        "worst": round(float(lost.max()), 5),
        "worse": share(lost > 0),
        "worse_beyond_noise": share(lost > np.maximum(noise, 1e-12)),
        "worse_beyond_noise_by_outcomes": share(outcome > np.maximum(noise, 1e-12)),
        "oracle": round(float(oracle.mean()), 5) if len(oracle) else None,
    }
    if told:
        found["calibration"] = {
            name: round(float(np.mean([row[name] for row in told])), 4)
            for name in ("calibration_error", "calibration_error_frozen")
        } | {
            "off_level": round(float(np.mean([abs(math.log(row["level"])) for row in told])), 3),
            "off_level_frozen": round(
                float(np.mean([abs(math.log(row["level_frozen"])) for row in told])), 3
            ),
            "drift_found": share(np.array([row["drift"] for row in told])),
            "followed": share(np.array([row["moved"] for row in told])),
        }
    found["kept"] = {
        f"{name}: {what}": {"worlds": len(values), **kept(values)}
        for name in ("min_precision", "min_recall", "capacity", "value")
        for what in ("precision", "recall", "per_week", "value")
        if (
            values := [
                row["labels"][name][what]
                for row in told
                if what in row["labels"].get(name, {}) and row["labels"][name][what][0] is not None
            ]
        )
    }
    ratios = [
        row["labels"]["capacity"]["per_week"][0] / row["labels"]["capacity"]["asked"]
        for row in told
        if "per_week" in row["labels"].get("capacity", {})
    ]
    if ratios:
        quantiles = np.quantile(ratios, [0.05, 0.25, 0.5, 0.75, 0.95])
        found["observed_per_lead_a_week_asked"] = [round(float(value), 2) for value in quantiles]
        found["capacity_off"] = round(float(np.mean(np.abs(np.log(np.maximum(ratios, 1e-3))))), 3)
    return found


def kept(values: Sequence[Sequence[float]]) -> dict[str, float]:
    """How often the actual figure lies within, above and below the interval, and how wide that is by its middle."""
    observed, low, middle, high = np.array(values).T
    return {
        "kept": share((low <= observed) & (observed <= high)),
        "below": share(observed < low),
        "above": share(observed > high),
        "width": round(float(np.median((high - low) / np.maximum(np.abs(middle), 1e-9))), 2),
    }


def share(which: Mask) -> float:
    return round(float(which.mean()), 3)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--worlds", type=int, default=60, help="of each kind")
    parser.add_argument("--first-seed", type=int, default=0)
    parser.add_argument("--leads", type=int, nargs=2, default=(2_000, 4_000), metavar=("LOW", "HIGH"))
    parser.add_argument("--days", type=int, default=540, help="of each company's history")
    parser.add_argument(
        "--drift", type=float, nargs="*", default=[0.0, 0.5, -0.5], help="a year, see simulate"
    )
    parser.add_argument(
        "--no-signal", action="store_true", help="also worlds in which nothing tells leads apart"
    )
    parser.add_argument("--out", type=Path, help="append a line of JSON for each world to this file")
    chosen = parser.parse_args()
    low, high = chosen.leads
    kinds = [Kind((low, high), chosen.days, drift, 1.0) for drift in chosen.drift]
    if chosen.no_signal:
        kinds.append(Kind((low, high), chosen.days, 0.0, 0.0))
    for kind in kinds:
        rows = []
        for seed in range(chosen.first_seed, chosen.first_seed + chosen.worlds):
            rows.append(walk(kind, seed))
            if chosen.out:
                with chosen.out.open("a") as file:
                    file.write(json.dumps(rows[-1]) + "\n")
        print(json.dumps(summarise(rows)), flush=True)


if __name__ == "__main__":
    main()
