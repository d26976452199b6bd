"""Room 5, which label: thresholds, capacity, gates, hysteresis, rules, and what the labels will bring."""

from mqlml.policy.choose import choose_policy, choose_thresholds
from mqlml.policy.gate_inputs import Traits, bayes_threshold, interest_points, payoff, percentile
from mqlml.policy.hysteresis import KEPT_BY_EXIT, KEPT_BY_HOLD, Remembered, Staying, assign_with_memory
from mqlml.policy.intervals import CONFIDENCE, add_promises
from mqlml.policy.labels import UNQUALIFIED, LabelOutcome, LabelPolicy, Promise
from mqlml.policy.rules import match_acts, match_rules
from mqlml.policy.threshold_data import Looks, make_looks, make_open_looks

__all__ = [
    "CONFIDENCE",
    "KEPT_BY_EXIT",
    "KEPT_BY_HOLD",
    "UNQUALIFIED",
    "LabelOutcome",
    "LabelPolicy",
    "Looks",
    "Promise",
    "Remembered",
    "Staying",
    "Traits",
    "add_promises",
    "assign_with_memory",
    "bayes_threshold",
    "choose_policy",
    "choose_thresholds",
    "interest_points",
    "make_looks",
    "make_open_looks",
    "match_acts",
    "match_rules",
    "payoff",
    "percentile",
]
