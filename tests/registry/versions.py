"""A real version to save, damage and score with: simulated journeys, their table, and a small model fitted on it."""

from __future__ import annotations

import functools
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd

from mqlml.config import Config, make_config
from mqlml.features import FeaturePlan, build_features
from mqlml.journeys import Journeys
from mqlml.model import LeadScorer, SigmoidCalibrator
from mqlml.model.signals import report_signals
from mqlml.policy import choose_thresholds
from mqlml.registry import Bundle, make_reference
from mqlml.simulate import simulate
from mqlml.training import build_table
from tests.render.report_samples import tiny


@dataclass(frozen=True)
class Made:
    """A version and what it was made from; ``features`` are of all snapshots, in order of time."""

    config: Config
    journeys: Journeys
    plan: FeaturePlan
    snapshots: pd.DataFrame
    features: pd.DataFrame
    bundle: Bundle


@functools.cache
def make_version() -> Made:
    """Fit a small model on 800 simulated leads; the later part of the snapshots calibrates it."""
    config = make_config(
        {
            "name": "simulated",
            "data": {
                "observed_until": "2025-06-24",
                "leads": {"path": "leads.csv"},
                "outcomes": {"path": "outcomes.csv"},
            },
            "problem": {"horizon": "90d", "snapshots": {"ages": ["0d", "14d"]}, "age_limits": ["0d", "365d"]},
            "windows": ["30d", "all"],
        },
        folder=Path(),
    )
    journeys = simulate(800, random_state=4).journeys()
    table = build_table(journeys, config)
    features = table.features
    snapshots = pd.DataFrame({"lead_id": table.lead_id, "cutoff_time": table.cutoff_time})
    early = np.arange(len(table.label)) < len(table.label) * 2 // 3
    scorer = LeadScorer(n_trees=25).fit(features[early], table.label[early])
    raw = scorer.decision_function(features[~early])
    calibrator = SigmoidCalibrator().fit(raw, table.label[~early])
    probability = calibrator.predict_proba(raw)[:, 1]
    bundle = Bundle(
        name=config.name,
        scorer=scorer,
        calibrator=calibrator,
        policy=choose_thresholds(probability, table.label[~early], config.labels, weeks=20),
        plan=table.plan,
        config=config.model_dump(mode="json", by_alias=True),
        reference=make_reference(probability),
        result=replace(tiny(), signals=report_signals(journeys, table, random_state=0)),
        fingerprint={"leads": len(journeys.leads)},
        git_commit="0123abc",
        created="2025-06-24T00:00:00Z",
    )
    assert features.equals(build_features(journeys, snapshots, table.plan))
    return Made(config, journeys, table.plan, snapshots, features, bundle)
