"""Slices: which groups of held-out leads are evaluated, and how well calibration and ranking hold in each."""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Literal

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.optimize import brentq
from scipy.special import expit, gammainc, gammaincc, logit, ndtr

from mqlml.config import Config
from mqlml.errors import ConfigError
from mqlml.evaluation.bootstrap import ClusterBootstrap, Estimate, cluster_inflation, make_estimate
from mqlml.evaluation.holdout import RANDOM_STATE, Evaluated
from mqlml.evaluation.metrics import Ranking, log_losses
from mqlml.features import Feature
from mqlml.journeys import FlatTable, Journeys
from mqlml.results import Number, Result
from mqlml.texts import normalize_name
from mqlml.training import TrainingTable
from mqlml.types import Floats, Objects, Rows

__all__ = [
    "Fault",
    "Slice",
    "check_slices",
    "choose_slices",
    "evaluate_slices",
    "find_group_column",
    "find_slices",
    "find_source_column",
    "tells_source",
    "warn_of_slices",
]


MOST_COLUMNS = 6
MOST_ALIKE = 2
"""Of a kind, as regions."""

MOST_WORDS = 50
"""A column of more words names people or things rather than groups."""

MOST_VALUES = 8
"""Of a column the commonest values are slices of their own, and the rest is one."""

REST, MISSING = "all others", "missing"

_FIRMS = re.compile("size|industry|segment|sector")
_PERSONAS = re.compile("^persona")
_REGIONS = re.compile("region|country|state|province|territory|market")
_ROLES = re.compile("seniority|function")
_SOURCES = re.compile("source|origin|channel|medium")
"""Words by which companies call their own attributes and personas."""


def _is_attribute(words: re.Pattern[str], feature: Feature) -> bool:
    return feature.family == "profile" and words.search(feature.what) is not None


def _is_role(feature: Feature) -> bool:
    derived = feature.what == "job_title" and feature.aggregate in ("seniority", "function")
    return _is_attribute(_ROLES, feature) or derived


_ASKED: tuple[Callable[[Feature], bool], ...] = (
    partial(_is_attribute, _PERSONAS),
    partial(_is_attribute, _REGIONS),
    lambda feature: feature.family == "channel" and feature.what == "first_touch",
    partial(_is_attribute, _SOURCES),
    partial(_is_attribute, _FIRMS),
    _is_role,
)
"""What people ask about: personas, regions, sources, firms, roles, in this order."""


def find_group_column(features: Sequence[Feature], of: Literal["source", "region"]) -> Feature | None:
    """The first attribute of the leads that tells where they came from, or from which region they are."""
    words = _SOURCES if of == "source" else _REGIONS
    found = (one for one in features if one.kind == "category" and _is_attribute(words, one))
    return next(found, None)


def tells_source(name: str) -> bool:
    """Whether an attribute of this name tells where leads came from."""
    return _SOURCES.search(normalize_name(name)) is not None


def find_source_column(leads: pd.DataFrame) -> str | None:
    """The first column of words in a table of leads whose name says that it holds sources."""
    for column in leads.columns.drop("lead_id"):
        words = pd.api.types.is_string_dtype(leads[column].dtype) or leads[column].dtype == "category"
        if words and tells_source(column) and 2 <= leads[column].nunique() <= MOST_WORDS:
            return str(column)
    return None


def check_slices(data: Journeys | FlatTable, table: TrainingTable, config: Config) -> None:
    """Refuse a name that is no column, before anything is trained.

    Raises
    ------
    ConfigError
        If ``slices`` names neither a column of the leads nor a feature.
    """
    if config.slices == "auto":
        return
    known = {feature.name for feature in table.plan.features} | set(map(str, data.leads.columns))
    for name in config.slices:
        if name not in known:
            columns = [
                str(column) for column in data.leads.columns if column not in ("lead_id", "account_id")
            ]
            shown = ", ".join(map(repr, columns[:8]))
            raise ConfigError(
                f"slices must name columns of the leads or features; {name!r} is neither. Columns are {shown}"
            )


def find_slices(
    data: Journeys | FlatTable, table: TrainingTable, evaluated: Evaluated, config: Config
) -> tuple[Slice, ...]:
    """The model of the past, evaluated slice by slice on the held-out period."""
    last = table.holdout.test
    return evaluate_slices(
        choose_slices(data, table, config),
        table.label[last],
        evaluated.probability,
        raw=evaluated.raw,
        base_rate=float(table.label[table.holdout.train].mean()),
        clusters=table.group[last],
        random_state=RANDOM_STATE,
    )


def choose_slices(data: Journeys | FlatTable, table: TrainingTable, config: Config) -> dict[str, Objects]:
    """By column's title, the slice of each row of the held-out period.

    Without names in the config these are a few columns of words, personas first, then regions, sources, firms and
    roles. The age of the lead is always one, where leads have snapshots at several. Which of a column's values are
    slices, and where numbers are cut, is read off the rows before the period.
    """
    rows = table.holdout.test
    slices: dict[str, Objects] = {}
    if config.slices == "auto":
        for feature in _asked_about(table):
            slices[feature.sentence] = _cut(table.features[feature.name], table)
    else:
        sentences = {feature.name: feature.sentence for feature in table.plan.features}
        for name in config.slices:
            column = table.features[name] if name in sentences else _of_lead(data.leads, name, table.lead_id)
            slices[sentences.get(name, name)] = _cut(column, table)
    if table.age is not None:
        slices["Age of the lead"] = table.age.to_numpy(dtype=object)
    return {title: values[rows] for title, values in slices.items() if len(set(values[rows])) > 1}


def _asked_about(table: TrainingTable) -> Sequence[Feature]:
    found: list[Feature] = []
    for is_asked in _ASKED:
        alike = [
            feature
            for feature in table.plan.features
            if is_asked(feature)
            and feature not in found
            and (is_asked is _ASKED[0] or _tells_groups(table.features[feature.name], feature))
        ]
        found += alike[:MOST_ALIKE]
    return found[:MOST_COLUMNS]


def _tells_groups(column: pd.Series, feature: Feature) -> bool:
    return feature.kind == "category" and column.nunique() <= MOST_WORDS


def _of_lead(leads: pd.DataFrame, name: str, lead_id: pd.Series) -> pd.Series:
    """A column of the leads, for each snapshot."""
    place = pd.Index(leads["lead_id"]).get_indexer(pd.Index(lead_id))
    column: pd.Series = leads[name].iloc[place].reset_index(drop=True)
    return column


def _cut(column: pd.Series, table: TrainingTable) -> Objects:
    """A column as the slice of each row: words as they are, numbers by the quartiles of the past."""
    past = table.holdout.train
    if pd.api.types.is_bool_dtype(column.dtype) or not pd.api.types.is_numeric_dtype(column.dtype):
        text = column.astype("str")
    else:
        values = column.astype("float64")
        if values.iloc[past].nunique() <= MOST_VALUES:
            text = values.map("{:g}".format, na_action="ignore")
        else:
            text = _by_quartile(values, values.iloc[past])
    text = text.mask(column.isna())
    kept = text.iloc[past].value_counts().index[:MOST_VALUES]
    named = text.where(text.isin(kept) | text.isna(), REST).fillna(MISSING)
    return named.to_numpy(dtype=object)


def _by_quartile(values: pd.Series, past: pd.Series) -> pd.Series:
    edges = np.unique(past.quantile([0.25, 0.5, 0.75]).to_numpy())
    names = [
        f"up to {edges[0]:g}",
        *(f"{low:g} to {high:g}" for low, high in itertools.pairwise(edges)),
        f"over {edges[-1]:g}",
    ]
    return pd.Series(np.array(names, dtype=object)[np.searchsorted(edges, values)], index=values.index)


Fault = Literal["hardly_ranks", "overpredicts", "underpredicts"]
"""What can fail in a slice."""

LEAST_ROWS = 50
"""Smaller slices are not evaluated."""

_FALSE_ALARM = 0.05
_MATTERS = 1.25
"""Predicted and observed shares that differ by a smaller factor are no failure, however sure the difference is."""

_LEAST_EXPECTED = 10.0
_LEAST_CLASS = 20
_MOST_RANKED = 20_000
_MOST_WARNINGS = 6
_N_BOOTSTRAP = 300


@dataclass(frozen=True)
class Slice(Result):
    """One group of held-out snapshots."""

    column: str
    """As people read it: ``Country``."""
    value: str
    """Likewise: ``US``."""
    n: int
    """Snapshots in the slice."""
    positives: int
    """Snapshots followed by a conversion."""
    rate: Number
    """The share that converted."""
    predicted: Number
    """The mean probability."""
    overprediction: Estimate
    """``predicted`` minus ``rate``; the interval is over clusters."""
    gain: Estimate
    """By how much the log loss (nats per snapshot) is lower than that of the base rate known when training."""
    roc_auc: Estimate | None
    """Within the slice; None with fewer than 20 snapshots of either class."""
    fails: tuple[Fault, ...] = ()
    """What fails beyond chance."""


@dataclass(frozen=True)
class _Test:
    """One test of one slice: its place, what has failed if it rejects, its p-value, and whether it would matter."""

    slice: int
    fault: Fault
    p: float
    matters: bool


def evaluate_slices(
    slices: Mapping[str, npt.NDArray[np.object_]],
    y: npt.ArrayLike,
    probability: npt.ArrayLike,
    *,
    raw: npt.ArrayLike,
    base_rate: float,
    clusters: npt.ArrayLike,
    random_state: int,
) -> tuple[Slice, ...]:
    """Evaluate each slice, and mark those in which calibration or ranking fails.

    *Calibration.* All probabilities are first moved, in log-odds, by the one number that makes their mean the share
    that converted: a fault that all slices share is no fault of any. In a slice the conversions are then compared
    with their expected number by the Poisson distribution, whose variance is at least that of independent leads,
    with both numbers divided by the variance inflation that clusters cause over all leads.

    *Ranking.* The ROC AUC within a slice must not lie below the middle between a coin's and that of all leads. It is
    lower than the latter by nature, as what tells slices apart tells nothing within one. Its standard error comes
    from resampled clusters.

    Parameters
    ----------
    slices : mapping of a column's title to the value of each row, texts.
    y : array of shape (n,), 0 or 1
    probability, raw : arrays of shape (n,), calibrated, and what to rank by.
    base_rate : float, the share known when training.
    clusters : array of shape (n,)
    random_state : int

    Returns
    -------
    tuple of Slice, by column in the order given, largest first within one; those below `LEAST_ROWS` are left out.

    References
    ----------
    S. Holm, "A simple sequentially rejective multiple test procedure", Scandinavian Journal of Statistics 6, 1979.
    """
    target = np.asarray(y, dtype=np.float64)
    chance = np.asarray(probability, dtype=np.float64)
    rank_by = np.asarray(raw, dtype=np.float64)
    members = pd.factorize(np.asarray(clusters))[0]
    centred = _centre(target, chance)
    inflation = cluster_inflation(target - centred, centred, members)
    whole = Ranking(target, rank_by).measure(np.ones((1, len(target))))[0][0]
    least_auc = 0.5 + (whole - 0.5) / 2
    gain = log_losses(target, np.full(len(target), base_rate)) - log_losses(target, chance)

    found: list[Slice] = []
    tests: list[_Test] = []
    for column, values in slices.items():
        names, counts = np.unique(values, return_counts=True)
        for value in names[np.argsort(-counts, kind="stable")]:
            rows = np.flatnonzero(values == value)
            if len(rows) < LEAST_ROWS or len(np.unique(members[rows])) < 2:
                continue
            auc, error = _rank(target[rows], rank_by[rows], members[rows], random_state)
            over, gained = _means(chance[rows] - target[rows], gain[rows], members[rows], random_state)
            place = len(found)
            found.append(
                Slice(
                    column=str(column),
                    value=str(value),
                    n=len(rows),
                    positives=int(target[rows].sum()),
                    rate=float(target[rows].mean()),
                    predicted=float(chance[rows].mean()),
                    overprediction=over,
                    gain=gained,
                    roc_auc=auc,
                )
            )
            if (test := _test_level(place, target[rows], centred[rows], inflation)) is not None:
                tests.append(test)
            if auc is not None and error > 0:
                p = float(ndtr((auc.value - least_auc) / error))
                tests.append(_Test(place, "hardly_ranks", p, matters=True))
    for test in _holm(tests):
        found[test.slice] = replace(found[test.slice], fails=(*found[test.slice].fails, test.fault))
    return tuple(found)


def _means(gap: Floats, gain: Floats, members: Rows, random_state: int) -> tuple[Estimate, Estimate]:
    """Overprediction and gain of a slice, with intervals over its clusters."""
    bootstrap = ClusterBootstrap(members, n_bootstrap=_N_BOOTSTRAP, random_state=random_state)
    size, gaps, gains = bootstrap.sums(np.ones(len(gap)), gap, gain)
    return make_estimate(float(gap.mean()), gaps / size), make_estimate(float(gain.mean()), gains / size)


def _centre(target: Floats, chance: Floats) -> Floats:
    """Probabilities moved in log-odds so that their mean is the share that converted."""
    odds = logit(np.clip(chance, 1e-12, 1 - 1e-12))
    share = target.mean()
    if not 0 < share < 1:
        return chance
    move = brentq(lambda step: float(expit(odds + step).mean() - share), -40.0, 40.0)
    moved: Floats = expit(odds + move)
    return moved


def _test_level(place: int, target: Floats, expected: Floats, inflation: float) -> _Test | None:
    """Whether a slice's conversions fit their expected number; None where too few of either kind are expected."""
    seen, due = float(target.sum()), float(expected.sum())
    fault: Fault = "underpredicts" if seen > due else "overpredicts"
    matters = max(seen, 0.5) / due >= _MATTERS or due / max(seen, 0.5) >= _MATTERS
    rest = len(target) - due
    if min(due, rest) / inflation < _LEAST_EXPECTED:
        return None
    if rest < due:  # by those that do not convert, the rarer event
        seen, due = len(target) - seen, rest
    few, many = seen / inflation, due / inflation
    at_least = float(gammainc(few, many)) if few > 0 else 1.0
    at_most = float(gammaincc(few + 1, many))
    return _Test(place, fault, min(1.0, 2 * min(at_least, at_most)), matters)


def _rank(target: Floats, score: Floats, members: Rows, random_state: int) -> tuple[Estimate | None, float]:
    """ROC AUC within a slice with its interval, and its standard error."""
    if min(target.sum(), len(target) - target.sum()) < _LEAST_CLASS:
        return None, 0.0
    if len(target) > _MOST_RANKED:  # enough for a standard error far below what matters
        rng = np.random.default_rng(random_state)
        kept = rng.choice(len(target), _MOST_RANKED, replace=False)
        target, score, members = target[kept], score[kept], members[kept]
    ranking = Ranking(target, score)
    value = ranking.measure(np.ones((1, len(target))))[0][0]
    bootstrap = ClusterBootstrap(members, n_bootstrap=_N_BOOTSTRAP, random_state=random_state)
    drawn = np.concatenate([ranking.measure(counts, bootstrap.codes)[0] for counts in bootstrap.draws()])
    return make_estimate(float(value), drawn), float(np.nanstd(drawn))


def _holm(tests: Sequence[_Test]) -> list[_Test]:
    """The tests that reject, with at most `_FALSE_ALARM` chance that any of them does so wrongly."""
    rejected = []
    ordered = sorted(tests, key=lambda test: test.p)
    for number, test in enumerate(ordered):
        if test.p > _FALSE_ALARM / (len(ordered) - number):
            break
        if test.matters:
            rejected.append(test)
    return sorted(rejected, key=lambda test: (test.slice, test.fault))


_LEVELS: dict[Fault, str] = {"overpredicts": "predicts too much", "underpredicts": "predicts too little"}


def warn_of_slices(slices: Sequence[Slice]) -> tuple[str, ...]:
    """A sentence for each slice that fails, the largest first; of very many the rest is counted."""
    warnings = []
    for found in sorted(slices, key=lambda found: -found.n):
        who = f"{found.column}: {found.value}"
        for fault in found.fails:
            if fault == "hardly_ranks":
                assert found.roc_auc is not None
                warnings.append(
                    f"{who}: the model hardly ranks these leads ({found.n:,} snapshots), ROC AUC "
                    f"{found.roc_auc.value:.2f}, and 0.5 is chance."
                )
            else:
                warnings.append(
                    f"{who}: the model {_LEVELS[fault]}. It predicts {found.predicted:.1%}, and {found.rate:.1%} of "
                    f"{found.n:,} snapshots converted; over all leads it is less far off."
                )
    if len(warnings) > _MOST_WARNINGS:
        warnings[_MOST_WARNINGS - 1 :] = [
            f"In {len(warnings) - _MOST_WARNINGS + 1} more groups of leads predictions or ranking fail, too; see "
            "the slices."
        ]
    return tuple(warnings)
