"""Room 5, which label: thresholds, capacity, gates, hysteresis, rules, and what the labels will bring."""

from mqlml.policy.arrivals import ArrivalForecast, forecast_arrivals
from mqlml.policy.choose import choose_policy, choose_thresholds
from mqlml.policy.gate_inputs import GateInputs, bayes_threshold, interest_points, payoff, percentile
from mqlml.policy.hysteresis import KEPT_BY_EXIT, KEPT_BY_HOLD, HoldRule, LastLabels, assign_with_hysteresis
from mqlml.policy.intervals import CONFIDENCE, add_prediction_intervals
from mqlml.policy.labels import UNQUALIFIED, LabelOutcome, LabelPolicy, PredictionInterval
from mqlml.policy.rules import match_exclusions, match_promotions, match_rules
from mqlml.policy.threshold_data import ThresholdData, make_threshold_data, make_volume_data

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
    "match_exclusions",
    "match_promotions",
    "match_rules",
    "payoff",
    "percentile",
]
