"""The value check refuses a stored calibrator, label policy or reference that training cannot produce."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import numpy as np
from pydantic import ValidationError

from mqlml.config import LabelRule
from mqlml.errors import BundleError, MqlmlError
from mqlml.model import SigmoidCalibrator
from mqlml.policy import UNQUALIFIED, LabelOutcome, LabelPolicy
from mqlml.registry.tree_check import LARGEST_LOG_ODDS
from mqlml.types import Floats

__all__ = ["load_calibrator", "load_policy", "load_reference", "require_dict"]

_RESERVED = (UNQUALIFIED, "disqualified")
_MOST_QUANTILES = 100_000


def load_calibrator(values: Any) -> SigmoidCalibrator:
    """The calibrator of ``calibrator.json``: finite, and not steeper than `LARGEST_LOG_ODDS`.

    Raises
    ------
    BundleError
        If it is not exactly what `SigmoidCalibrator.to_dict` writes, or out of bounds.
    """
    values = require_dict(values, "calibrator.json")
    calibrator = SigmoidCalibrator.from_dict(values)
    _require_same(values, calibrator.to_dict(), "calibrator.json")
    note = values["note"]
    _require(note is None or isinstance(note, str), "calibrator.json", f"its note is {note!r}")
    for name in ("slope", "intercept"):
        _require(
            _is_number(values[name]) and abs(values[name]) <= LARGEST_LOG_ODDS,
            "calibrator.json",
            f"its {name} must be a number of at most {LARGEST_LOG_ODDS:g} log-odds; found {values[name]!r}",
        )
    return calibrator


def load_policy(values: Any, labels: Iterable[str]) -> LabelPolicy:
    """The label policy of ``thresholds.json``, whose labels must be those of the version's config, in order.

    Raises
    ------
    BundleError
        If it is not exactly what `LabelPolicy.to_dict` writes, or if a name, rule, threshold, share, count or
        reference is one that training cannot produce.
    """
    values = require_dict(values, "thresholds.json")
    policy = LabelPolicy.from_dict(values)
    _require_same(values, policy.to_dict(), "thresholds.json")
    names = [outcome.label for outcome in policy.outcomes]
    _require(
        names == list(labels) and not set(names) & set(_RESERVED),
        "thresholds.json",
        f"its labels must be those of config.json, {', '.join(labels)}; found {names!r}",
    )
    for outcome in policy.outcomes:
        _check_outcome(outcome, set(policy.references))
    for name, quantiles in policy.references.items():
        good = name in ("fit", "engagement") and 0 < len(quantiles) <= _MOST_QUANTILES
        _require(
            good and bool((np.diff(quantiles) >= 0).all()),
            "thresholds.json",
            f"its reference {name!r} must be ascending quantiles of fit or engagement",
        )
    return policy


def _check_outcome(outcome: LabelOutcome, references: set[str]) -> None:
    where = f"the label {outcome.label!r}"
    try:
        rule = LabelRule.model_validate(outcome.rule)
    except ValidationError as error:
        first = error.errors()[0]
        raise _refusal("thresholds.json", f"the rule of {where} is invalid: {first['msg'].lower()}") from None
    teams = {} if outcome.teams is None else outcome.teams
    _require((rule.teams is not None) or not teams, "thresholds.json", f"{where} has teams without a rule")
    shares = {
        "threshold": outcome.threshold,
        "others": outcome.others,
        "precision": outcome.precision,
        "recall": outcome.recall,
        **{f"teams.{name}": threshold for name, threshold in teams.items()},
    }
    for name, share in shares.items():
        good = name in ("others", "precision", "recall") if share is None else _is_number(share)
        _require(
            good and 0 <= (share or 0) <= 1,
            "thresholds.json",
            f"{name} of {where} must be between 0 and 1; found {share!r}",
        )
    counts = (outcome.selected, outcome.converted)
    _require(
        all(type(count) is int for count in counts) and 0 <= outcome.converted <= outcome.selected,
        "thresholds.json",
        f"{where} has {outcome.converted!r} conversions of {outcome.selected!r} selected",
    )
    asked = {"fit": rule.min_fit, "engagement": rule.min_engagement}
    missing = {name for name, least in asked.items() if least is not None} - references
    _require(not missing, "thresholds.json", f"{where} needs the reference {', '.join(sorted(missing))}")


def load_reference(values: Any) -> Floats:
    """The reference of ``reference.json``: ascending probabilities.

    Raises
    ------
    BundleError
        If it holds anything else.
    """
    good = isinstance(values, list) and 0 < len(values) <= _MOST_QUANTILES and all(map(_is_number, values))
    reference = np.array(values if good else [math.nan], dtype=np.float64)
    good = bool((np.diff(reference) >= 0).all()) and reference[0] >= 0 and reference[-1] <= 1
    _require(good, "reference.json", "it does not hold ascending probabilities")
    return reference


def require_dict(value: Any, name: str) -> dict[str, Any]:
    """The value itself, if it holds keys and values.

    Raises
    ------
    BundleError
        If it does not.
    """
    _require(isinstance(value, dict), name, f"it holds {type(value).__name__}, not keys and values")
    found: dict[str, Any] = value
    return found


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _require_same(stored: Any, written: Any, name: str) -> None:
    """Require that saving again would write what is stored: no key, type or value was passed over."""
    _require(_canonical(stored) == _canonical(written), name, "it is not what training writes")


def _canonical(value: Any) -> Any:
    """The value with its types, since ``True == 1 == 1.0`` in Python."""
    if isinstance(value, dict):
        return {key: _canonical(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_canonical(item) for item in value]
    return (isinstance(value, bool), isinstance(value, str), value)


def _require(holds: bool, name: str, what: str) -> None:
    if not holds:
        raise _refusal(name, what)


def _refusal(name: str, what: str) -> MqlmlError:
    return BundleError(f"{name} cannot be used: {what}. Fetch or train the version again")
