"""Room 5, which label: thresholds, capacity, gates, hysteresis, rules, and what the labels will bring."""

from mqlml.policy.choose import choose_policy, choose_thresholds
from mqlml.policy.intervals import CONFIDENCE, add_prediction_intervals
from mqlml.policy.labels import UNQUALIFIED, LabelOutcome, LabelPolicy, PredictionInterval
from mqlml.policy.rules import (
    KEPT_BY_EXIT,
    KEPT_BY_HOLD,
    HoldRule,
    LastLabels,
    assign_with_hysteresis,
    match_promotions,
    match_rules,
)
from mqlml.policy.threshold_data import (
    ArrivalForecast,
    GateInputs,
    ThresholdData,
    bayes_threshold,
    forecast_arrivals,
    interest_points,
    make_threshold_data,
    make_volume_data,
    payoff,
    percentile,
)

__all__ = [
    "CONFIDENCE",
    "KEPT_BY_EXIT",
    "KEPT_BY_HOLD",
    "UNQUALIFIED",
    "ArrivalForecast",
    "GateInputs",
    "HoldRule",
    "LabelOutcome",
    "LabelPolicy",
    "LastLabels",
    "PredictionInterval",
    "ThresholdData",
    "add_prediction_intervals",
    "assign_with_hysteresis",
    "bayes_threshold",
    "choose_policy",
    "choose_thresholds",
    "forecast_arrivals",
    "interest_points",
    "make_threshold_data",
    "make_volume_data",
    "match_promotions",
    "match_rules",
    "payoff",
    "percentile",
]
