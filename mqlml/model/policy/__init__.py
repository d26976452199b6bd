"""From probabilities to decisions: thresholds chosen by rule, what they promise, and the labels that come of them."""

from mqlml.model.policy.choose import choose_policy, choose_thresholds
from mqlml.model.policy.labels import UNQUALIFIED, LabelOutcome, LabelPolicy, Promise
from mqlml.model.policy.looks import Looks, make_looks
from mqlml.model.policy.promise import CONFIDENCE, add_promises
from mqlml.model.policy.value import bayes_threshold, payoff

__all__ = [
    "CONFIDENCE",
    "UNQUALIFIED",
    "LabelOutcome",
    "LabelPolicy",
    "Looks",
    "Promise",
    "add_promises",
    "bayes_threshold",
    "choose_policy",
    "choose_thresholds",
    "make_looks",
    "payoff",
]
