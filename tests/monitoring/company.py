"""A simulated company with a version that learned from its first 15 months, for tests of monitoring."""

from __future__ import annotations

import datetime as dt
import functools
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd
import yaml

from mqlml.commands.inputs import find_store
from mqlml.config import make_config, read_config
from mqlml.evaluation.by_lead import count_leads
from mqlml.model import LeadScorer, SigmoidCalibrator
from mqlml.monitoring import known_by
from mqlml.policy import choose_thresholds
from mqlml.registry import Bundle, Registration, make_reference, register_bundle
from mqlml.scoring import SERVED_MODEL
from mqlml.simulate import simulate
from mqlml.simulate.simulation import Simulation
from mqlml.training import build_table
from tests.render.report_samples import tiny

TRAINED_UNTIL = dt.datetime(2025, 4, 1, tzinfo=dt.UTC)
NOW = dt.datetime(2026, 1, 1, 3, 30, tzinfo=dt.UTC)
CONFIG = {
    "name": "watched",
    "data": {
        "observed_until": "2025-10-22",
        **{name: {"path": f"{name}.csv"} for name in ("leads", "events", "outcomes")},
    },
    "problem": {"horizon": "30d", "snapshots": {"ages": ["0d", "7d"]}, "age_limits": ["0d", "30d"]},
    "windows": ["7d", "all"],
    "labels": {"mql": {"policy": "min_recall", "value": 0.6}, "sql": {"policy": "min_recall", "value": 0.25}},
    "gate": {"min_positives": 20},
}


@dataclass(frozen=True)
class Company:
    """The world, and a version of it."""

    world: Simulation
    bundle: Bundle


@functools.cache
def make_watched() -> Company:
    """Fit a small model on what was known on 1 April 2025, and calibrate it on the later part."""
    world = simulate(3000, random_state=11, days=660)
    config = make_config(
        {**CONFIG, "data": {**CONFIG["data"], "observed_until": "2025-04-01"}}, folder=Path()
    )
    journeys = known_by(world.journeys(), TRAINED_UNTIL)
    table = build_table(journeys, config)
    early = np.arange(len(table.label)) < len(table.label) // 2
    scorer = LeadScorer(n_trees=25, tree_weight=0.5, linear_weight=0.5).fit(
        table.features[early], table.label[early]
    )
    raw, label = scorer.decision_function(table.features[~early]), table.label[~early]
    calibrator = SigmoidCalibrator().fit(raw, label)
    probability = calibrator.predict_proba(raw)[:, 1]
    policy = choose_thresholds(probability, label, config.labels, weeks=26)
    meets = policy.meets_thresholds(probability)
    lead = pd.factorize(table.lead_id[~early])[0]
    by_lead = count_leads(
        {name: meets[:, place] for place, name in enumerate(policy.thresholds)},
        label,
        probability,
        probability,
        leads=lead,
        clusters=lead,
        thresholds=policy.thresholds,
        asked=dict.fromkeys(policy.thresholds),
        weeks=26.0,
    )
    result = tiny()
    result = replace(result, data=replace(result.data, observed_until="2025-04-01"), by_lead=by_lead)
    bundle = Bundle(
        name=config.name,
        scorer=scorer,
        calibrator=calibrator,
        policy=policy,
        plan=table.plan,
        config=config.model_dump(mode="json", by_alias=True),
        reference=make_reference(probability),
        result=result,
        fingerprint={"leads": len(journeys.leads), "sha256": "0" * 64},
        git_commit="0123abc",
        created="2025-04-01T00:00:00Z",
    )
    return Company(world, bundle)


def write_company(folder: Path, *, until: str | None = None, **tables: pd.DataFrame) -> Path:
    """The company's files, some tables replaced, its version registered; the config."""
    company = make_watched()
    folder.mkdir(parents=True, exist_ok=True)
    replace(company.world, **tables).write(folder)
    values = dict(CONFIG)
    if until is not None:
        values["data"] = {**CONFIG["data"], "observed_until": until}
    path = folder / "mqlml.yml"
    path.write_text(yaml.safe_dump(values), encoding="utf-8")
    register_bundle(find_store(read_config(path)), company.bundle, Registration(NOW, SERVED_MODEL))
    return path
