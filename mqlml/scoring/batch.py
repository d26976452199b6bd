"""Every lead that is open at a moment gets a probability, a label and reasons.

The version's own problem defines who is open and which features are built, as in training. The config adds only the
rules that overrule the model.
"""

from __future__ import annotations

import datetime as dt
import difflib
from collections.abc import Collection
from dataclasses import dataclass

import numpy as np
import pandas as pd
from pydantic import ValidationError

from mqlml.config import Config, Problem
from mqlml.errors import BundleError, ConfigError, ContractError, PopulationError, UsageError
from mqlml.features import build_features, build_flat
from mqlml.journeys import FlatTable, Journeys
from mqlml.policy import GateInputs, percentile
from mqlml.policy.rules import match_promotions, match_rules
from mqlml.registry import Bundle, Version
from mqlml.scoring.earlier import NO_SCORES, first_reached, last_labels, trends
from mqlml.scoring.explain import REASON_COLUMNS, REASON_SENTENCES, Explainer
from mqlml.scoring.labels import DISQUALIFIED, label_leads, team_values
from mqlml.times import TIME_DTYPE, format_instant, microseconds_to_column, to_microseconds
from mqlml.training import exclude_leads, open_leads
from mqlml.types import Ints, Mask, Objects

__all__ = [
    "DISQUALIFIED",
    "SCORE_COLUMNS",
    "ScoringRun",
    "count_older",
    "find_last",
    "find_open",
    "problem_of",
    "score",
    "score_flat",
    "score_flat_rows",
    "score_open",
    "sort_scores",
]

SCORE_COLUMNS = (
    "lead_id",
    "cutoff_time",
    "probability",
    "raw_score",
    "score",
    "label",
    "label_reason",
    *REASON_COLUMNS,
    "model_name",
    "model_version",
    "run_id",
    "scored_at",
    "label_since",
    "previous_label",
    "previous_probability",
    "changed_at",
    "trend",
    "first_reached",
)
"""The columns of the scores, in their order."""


@dataclass(frozen=True)
class ScoringRun:
    """What all leads of one run have in common.

    Attributes
    ----------
    config : Config, for its rules and its column of email addresses
    as_of : datetime with a zone
        The cutoff of every lead.
    scored_at : datetime with a zone
        When the job ran; written, not used.
    version : Version or None
        What the store calls the bundle.
    previous : DataFrame or None
        Earlier scores, as by `read_scores`.
    attributes : tuple of str
        Columns of the leads that are written beside the scores.
    """

    config: Config
    as_of: dt.datetime
    scored_at: dt.datetime
    version: Version | None = None
    previous: pd.DataFrame | None = None
    attributes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for name, instant in (("as_of", self.as_of), ("scored_at", self.scored_at)):
            if instant.utcoffset() is None:
                raise ContractError(
                    f"{name} must have a time zone; found {instant.isoformat()!r}. Add one, as +00:00"
                )


def score(
    bundle: Bundle,
    journeys: Journeys,
    config: Config,
    *,
    as_of: dt.datetime,
    scored_at: dt.datetime,
    version: Version | None = None,
    lead_ids: Collection[int | str] | None = None,
    previous: pd.DataFrame | None = None,
) -> pd.DataFrame:
    """Label every lead that is open at a moment, from what was known before it.

    Parameters
    ----------
    config : Config
        For its rules and its column of email addresses.
    as_of : datetime with a zone
        The cutoff of every lead; later rows change nothing.
    scored_at : datetime with a zone
        When the job ran; written, not used.
    version : Version, optional
        What the store calls the bundle; its columns are missing without.
    lead_ids : collection, optional
        Score these only, if they are open.
    previous : DataFrame, optional
        Earlier scores, as by `read_scores`. Labels with ``hold`` or ``exit`` depend on those before ``as_of``.

    Returns
    -------
    DataFrame
        `SCORE_COLUMNS`, highest raw score first, then by ``lead_id``. ``score`` is the percentage of the version's
        reference probabilities below this one, half of the equal ones included; reasons and points as by
        `explain_scores`.

    Raises
    ------
    PopulationError
        If no lead is open at ``as_of``.
    ContractError
        If one of ``lead_ids`` is unknown, or the journeys lack a column that the version needs.
    ConfigError
        If a rule cannot be applied; see `match_rules`.

    Examples
    --------
    >>> from mqlml import train
    >>> from mqlml.simulate import simulate
    >>> config = Config(
    ...     name="leads",
    ...     data={"observed_until": "2025-06-24", "leads": {"path": "a.csv"}, "outcomes": {"path": "b.csv"}},
    ...     problem={"horizon": "60d", "snapshots": {"ages": ["7d"]}},
    ...     windows=["30d"],
    ...     gate={"min_positives": 20},
    ... )
    >>> journeys = simulate(800, random_state=2).journeys()
    >>> now = dt.datetime(2025, 6, 1, tzinfo=dt.UTC)
    >>> scores = score(train(config, journeys, now=now).bundle, journeys, config, as_of=now, scored_at=now)
    >>> scores["probability"].is_monotonic_decreasing, scores["label"].iloc[0]
    (True, 'sql')
    """
    run = ScoringRun(config, as_of, scored_at, version, previous)
    journeys = exclude_leads(journeys, config)
    snapshots = find_open(bundle, journeys, run, lead_ids)
    last = find_last(run, snapshots["lead_id"])
    return sort_scores(score_open(Explainer(bundle), journeys, snapshots, last, run))


def find_last(run: ScoringRun, lead_id: pd.Series) -> pd.DataFrame:
    """What the run's earlier scores say of some leads, as by `last_labels`."""
    return last_labels(NO_SCORES if run.previous is None else run.previous, lead_id, run.as_of)


def score_open(
    explainer: Explainer, journeys: Journeys, snapshots: pd.DataFrame, last: pd.DataFrame, run: ScoringRun
) -> pd.DataFrame:
    """The scores of some open leads, in the order of ``snapshots``, from all events of their accounts' leads.

    Parameters
    ----------
    last : a row for each snapshot, from `find_last`.
    """
    config, bundle = run.config, explainer.bundle
    rows = pd.Index(journeys.leads["lead_id"]).get_indexer(pd.Index(snapshots["lead_id"]))
    leads = journeys.leads.iloc[rows].reset_index(drop=True)
    features = build_features(journeys, snapshots, bundle.plan)
    rules, levels = config.rules.promote, list(bundle.policy.thresholds)
    promotions = match_promotions(journeys.events, snapshots, rules, levels, folder=config.folder)
    return _label(explainer, leads, features, last, promotions, run)


def sort_scores(scores: pd.DataFrame) -> pd.DataFrame:
    """Scores with the highest raw score first, then by ``lead_id``; sentences as text."""
    order = np.lexsort((pd.factorize(scores["lead_id"], sort=True)[0], -scores["raw_score"].to_numpy()))
    ordered = scores.take(order).reset_index(drop=True)
    for name in REASON_SENTENCES:
        words = ordered[name].array
        if isinstance(words, pd.Categorical):  # else text already, as in scores that are sorted again
            # Ten times faster than astype, which goes by way of Python's texts.
            ordered[name] = words.categories.array.take(words.codes, allow_fill=True)
    return ordered


def score_flat(
    bundle: Bundle,
    flat: FlatTable,
    config: Config,
    *,
    as_of: dt.datetime,
    scored_at: dt.datetime,
    version: Version | None = None,
    lead_ids: Collection[int | str] | None = None,
    previous: pd.DataFrame | None = None,
) -> pd.DataFrame:
    """Label every lead of a flat table that has no label yet; see `score`.

    Parameters
    ----------
    as_of : datetime with a zone
        When the table was made, which it does not say itself; written as ``cutoff_time``.
    """
    run = ScoringRun(config, as_of, scored_at, version, previous)
    return score_flat_rows(bundle, flat, run, lead_ids)


def score_flat_rows(
    bundle: Bundle, flat: FlatTable, run: ScoringRun, lead_ids: Collection[int | str] | None = None
) -> pd.DataFrame:
    """As `score_flat`."""
    flat = exclude_leads(flat, run.config)
    rows = np.flatnonzero(flat.label.isna().to_numpy())
    if len(rows) == 0:
        raise PopulationError(
            f"all {len(flat.leads):,} rows of the flat table have a label already, so no lead is left to score; "
            "give a table of new leads, with the label empty or left out"
        )
    rows = rows[_choose(flat.leads["lead_id"].iloc[rows], flat.leads["lead_id"], lead_ids)]
    if len(rows) == 0:
        raise PopulationError(f"each of the {len(lead_ids or ())} leads named has a label already")
    part = FlatTable(
        leads=flat.leads.iloc[rows].reset_index(drop=True),
        label=flat.label.iloc[rows].reset_index(drop=True),
        order=flat.order.iloc[rows].reset_index(drop=True),
        quarantine=flat.quarantine,
        rows_read=flat.rows_read,
    )
    features = build_flat(part, bundle.plan)
    if run.config.rules.promote:
        raise ConfigError("rules.promote needs events, and a flat table has none; leave it out")
    no_promotions = np.zeros(len(rows), dtype=np.int64), np.full(len(rows), None, dtype=object)
    last = find_last(run, part.leads["lead_id"])
    return sort_scores(_label(Explainer(bundle), part.leads, features, last, no_promotions, run))


def count_older(bundle: Bundle, journeys: Journeys, scores: pd.DataFrame, as_of: dt.datetime) -> int:
    """How many scored leads are over a week older than any age the version learned from.

    Leads still open at a greater age differ from those it learned from. 0 for a calendar grid, which has snapshots
    of every age within the limits.
    """
    ages = problem_of(bundle).snapshots.ages
    if ages is None:
        return 0
    created = journeys.leads.set_index("lead_id")["created_at"].loc[scores["lead_id"]]
    oldest = pd.Timedelta(max(ages), "us") + pd.Timedelta(7, "D")
    return int(((pd.Timestamp(as_of) - created) > oldest).sum())


def problem_of(bundle: Bundle) -> Problem:
    """The problem that a version was trained for, which defines who is open.

    Raises
    ------
    BundleError
        If its config does not hold one.
    """
    try:
        return Problem.model_validate(bundle.config["problem"])
    except (KeyError, ValidationError) as error:
        raise BundleError(
            f"the version's config does not say who is open ({type(error).__name__}); train a new version"
        ) from error


def find_open(
    bundle: Bundle, journeys: Journeys, run: ScoringRun, lead_ids: Collection[int | str] | None
) -> pd.DataFrame:
    """The snapshots to score: all open leads, or those of ``lead_ids`` that are open."""
    zone = run.config.data.timezone
    snapshots = open_leads(journeys, run.as_of, problem_of(bundle))
    if len(snapshots) == 0:
        raise PopulationError(
            f"no lead is open at {format_instant(run.as_of, zone)}: none was created by then, is young enough for "
            f"problem.age_limits and had no final outcome yet ({_span(journeys, zone)}). Check that --as-of lies "
            "within the period of the data"
        )
    chosen = _choose(snapshots["lead_id"], journeys.leads["lead_id"], lead_ids)
    snapshots = snapshots[chosen].reset_index(drop=True)
    if len(snapshots) == 0:
        raise PopulationError(
            f"none of the {len(lead_ids or ())} leads named is open at {format_instant(run.as_of, zone)}: each was "
            "created later, has its outcome, or is outside the age limits. Name others, or another moment"
        )
    return snapshots


def _span(journeys: Journeys, zone: str) -> str:
    created = journeys.leads["created_at"]
    if len(created) == 0:
        return "there are no leads"
    first, last = created.min().to_pydatetime(), created.max().to_pydatetime()
    return f"leads were created from {format_instant(first, zone)} to {format_instant(last, zone)}"


def _choose(candidates: pd.Series, known: pd.Series, lead_ids: Collection[int | str] | None) -> Mask:
    """Which of the candidates are among ``lead_ids``; an id that no lead has is an error."""
    if lead_ids is None:
        return np.ones(len(candidates), dtype=bool)
    named = pd.Series(list(lead_ids), dtype="object").map(lambda value: str(value).strip())
    unknown = named[~named.isin(set(known.astype("str")))]
    if len(unknown):
        shown = ", ".join(map(repr, unknown.unique()[:5])) + (", …" if unknown.nunique() > 5 else "")
        raise ContractError(
            f"every lead to score must be in the data; {unknown.nunique()} of {named.nunique()} are not: {shown}. "
            "Leave them out, or bring their rows"
        )
    chosen: Mask = candidates.astype("str").isin(set(named)).to_numpy()
    return chosen


def _label(
    explainer: Explainer,
    leads: pd.DataFrame,
    features: pd.DataFrame,
    last: pd.DataFrame,
    promotions: tuple[Ints, Objects],
    run: ScoringRun,
) -> pd.DataFrame:
    """The finished rows of some leads and their features."""
    bundle, version = explainer.bundle, run.version
    explained = explainer.explain(features)
    probability = bundle.calibrator.predict_proba(explained.raw)[:, 1]
    fit, engagement = (None, None) if explained.interest is None else explained.interest.T
    labeled = label_leads(
        bundle.policy,
        probability,
        GateInputs(team_values(leads, bundle.policy), fit, engagement),
        promotions=promotions,
        last=last,
        disqualified=match_rules(
            leads, run.config.rules, folder=run.config.folder, email=run.config.profile.email
        ),
        now=to_microseconds(run.as_of),
    )
    same = labeled.label == last["label"].to_numpy(dtype=object)
    changed = np.where(same, last["changed"], to_microseconds(run.as_of))
    levels = list(bundle.policy.thresholds)
    reached = first_reached(last, labeled.label, levels, to_microseconds(run.as_of))
    table = pd.DataFrame(
        {
            "lead_id": leads["lead_id"],
            "cutoff_time": _repeat(pd.Timestamp(run.as_of), len(leads), TIME_DTYPE),
            "probability": probability,
            "raw_score": explained.raw,
            "score": np.round(percentile(probability, bundle.reference), 1),
            "label": pd.Series(labeled.label, dtype="str"),
            "label_reason": pd.Series(labeled.reason, dtype="str"),
            **explained.reasons,
            "model_name": _repeat(bundle.name, len(leads), "str"),
            "model_version": _repeat(version.version if version else None, len(leads), "Int64"),
            "run_id": _repeat(version.run_id if version else None, len(leads), "str"),
            "scored_at": _repeat(pd.Timestamp(run.scored_at), len(leads), TIME_DTYPE),
            "label_since": microseconds_to_column(labeled.since),
            "previous_label": pd.Series(last["label"], dtype="str"),
            "previous_probability": last["probability"],
            "changed_at": microseconds_to_column(changed),
            "trend": pd.Series(trends(probability, last["compared"].to_numpy()), dtype="str"),
            "first_reached": pd.Series(reached, dtype="str"),
        }
    )
    for name in run.attributes:
        if name not in leads:
            known = [*SCORE_COLUMNS, *map(str, leads.columns)]
            near = difflib.get_close_matches(name, known, n=1)
            hint = f"; did you mean {near[0]!r}?" if near else ""
            raise UsageError(f"--columns names {name!r}, which neither scores nor leads have{hint}")
        table[name] = leads[name]
    return table[[*SCORE_COLUMNS, *run.attributes]]


def _repeat(value: object, n: int, dtype: str) -> pd.Series:
    """A column that holds one value throughout."""
    return pd.Series([value], dtype=dtype).repeat(n).reset_index(drop=True)
