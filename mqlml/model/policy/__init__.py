"""From probabilities to decisions: thresholds chosen by rule, what they promise, and the labels that come of them."""

from mqlml.model.policy.choose import choose_policy, choose_thresholds
from mqlml.model.policy.labels import UNQUALIFIED, LabelOutcome, LabelPolicy, Promise
from mqlml.model.policy.looks import Looks, make_looks, make_open_looks
from mqlml.model.policy.memory import (
    KEPT_BY_EXIT,
    KEPT_BY_HOLD,
    Remembered,
    Staying,
    assign_with_memory,
)
from mqlml.model.policy.promise import CONFIDENCE, add_promises
from mqlml.model.policy.traits import Traits, interest_points, percentile
from mqlml.model.policy.value import bayes_threshold, payoff

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
    "payoff",
    "percentile",
]
