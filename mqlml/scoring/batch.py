"""The batch job: a version and the journeys known at a moment go in; one labelled row per open lead comes out.

The version's own problem says who is open and which features are made, so that leads are scored as they were
learned from; the config at hand says only which rules overrule the model.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection

import numpy as np
import pandas as pd
from pydantic import ValidationError

from mqlml.config import Config, Problem
from mqlml.errors import BundleError, ConfigError, ContractError, PopulationError
from mqlml.features import FAMILIES, build_features, build_flat
from mqlml.journeys import FlatTable, Journeys
from mqlml.model import calibrate, choose_reasons, contribute_in_parts, family_points
from mqlml.policy import GateInputs, interest_points, percentile
from mqlml.policy.rules import match_promotions, match_rules
from mqlml.registry import Bundle, Version
from mqlml.scoring.labels import DISQUALIFIED, label_leads, team_values
from mqlml.scoring.previous import NOTHING_BEFORE, last_labels
from mqlml.times import TIME_DTYPE, format_instant, microseconds_to_column, to_microseconds
from mqlml.training import open_leads
from mqlml.types import Ints, Mask, Objects

__all__ = [
    "DISQUALIFIED",
    "REASON_COLUMNS",
    "SCORE_COLUMNS",
    "count_older",
    "explain_scores",
    "problem_of",
    "score",
    "score_flat",
]

_NUMBER = 3
_FOR = tuple(f"reason_{place + 1}" for place in range(_NUMBER))
_AGAINST = tuple(f"against_{place + 1}" for place in range(_NUMBER))
_POINTS = (*(f"{family}_points" for family in FAMILIES), "base_points")
REASON_COLUMNS = (*_FOR, *_AGAINST, *_POINTS)
"""What speaks for a lead, what against it, the strongest first; what each family adds, and where all leads start."""


def explain_scores(bundle: Bundle, features: pd.DataFrame) -> pd.DataFrame:
    """The reasons and points of each row of features.

    Returns
    -------
    DataFrame
        `REASON_COLUMNS`, a row for each of ``features``, numbered from 0. The five columns of points sum to the
        log-odds of the calibrated probability (as far as that is not so near 0 or 1 that it was cut off).
    """
    families = [feature.family for feature in bundle.plan.features]
    parts, start = [], 0
    for raw in contribute_in_parts(bundle.scorer, features):
        found = calibrate(raw, bundle.calibrator)
        table = features.iloc[start : start + len(found.added)]
        start += len(table)
        reasons = choose_reasons(found, bundle.plan.features, table, bundle.reason_signals, number=_NUMBER)
        words = pd.array([*reasons.sentences, ""], dtype="str")[:-1]
        said = np.column_stack([reasons.speaks_for, reasons.speaks_against])
        part = {
            name: pd.Series(words.take(codes, allow_fill=True))
            for name, codes in zip((*_FOR, *_AGAINST), said.T, strict=True)
        }
        points = np.column_stack([family_points(found, families), np.full(len(table), found.base)])
        parts.append(pd.DataFrame({**part, **dict(zip(_POINTS, points.T, strict=True))}))
    return pd.concat(parts, ignore_index=True)


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
)
"""The columns of the scores, in their order."""


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
    bundle : Bundle
    journeys : Journeys
        Rows from ``as_of`` on change nothing.
    config : Config
        For its rules, and where the e-mail address stands.
    as_of : datetime with a zone
        The cutoff of every lead.
    scored_at : datetime with a zone
        When the job ran; written, not used.
    version : Version, optional
        What the store calls the bundle; its columns are missing without.
    lead_ids : collection, optional
        Score these only, if they are open.
    previous : DataFrame, optional
        Earlier scores, as by `read_scores`: what leads were called before ``as_of`` counts where a label has ``hold``
        or ``exit``.

    Returns
    -------
    DataFrame
        `SCORE_COLUMNS`, highest raw score first, then by ``lead_id``. ``score`` is the percentage of the version's
        reference probabilities below this one, half of the equal ones included; reasons and points as by
        `explain_scores`.

    Raises
    ------
    PopulationError
        If nobody is open at ``as_of``.
    ContractError
        If one of ``lead_ids`` is unknown, or the journeys lack a column that the version needs.
    ConfigError
        If a rule cannot be applied; see `match_rules`.

    Examples
    --------
    >>> from mqlml import train
    >>> from mqlml.config import Config
    >>> from mqlml.simulate import simulate
    >>> journeys = simulate(800, random_state=1).journeys()
    >>> config = Config(
    ...     name="leads",
    ...     data={
    ...         "observed_until": "2025-06-24",
    ...         "leads": {"path": "leads.csv"},
    ...         "outcomes": {"path": "deals.csv"},
    ...     },
    ...     problem={"horizon": "60d", "snapshots": {"ages": ["7d"]}},
    ...     windows=["30d"],
    ...     gate={"min_positives": 20},
    ... )
    >>> now = dt.datetime(2025, 7, 1, tzinfo=dt.UTC)
    >>> bundle = train(config, journeys, now=now).bundle
    >>> scores = score(bundle, journeys, config, as_of=dt.datetime(2025, 6, 1, tzinfo=dt.UTC), scored_at=now)
    >>> scores["probability"].is_monotonic_decreasing, scores["label"].iloc[0]
    (True, 'sql')
    """
    _check_zone(as_of, "as_of")
    _check_zone(scored_at, "scored_at")
    zone = config.data.timezone
    snapshots = open_leads(journeys, as_of, problem_of(bundle))
    if len(snapshots) == 0:
        raise PopulationError(
            f"no lead is open at {format_instant(as_of, zone)}: none was created by then, is young enough for "
            f"problem.age_limits and had no final outcome yet ({_span(journeys, zone)}). See that --as-of lies "
            "in the data's own time"
        )
    wanted = _choose(snapshots["lead_id"], journeys.leads["lead_id"], lead_ids)
    snapshots = snapshots[wanted].reset_index(drop=True)
    if len(snapshots) == 0:
        raise PopulationError(
            f"none of the {len(lead_ids or ())} leads named is open at {format_instant(as_of, zone)}: each came "
            "later, has its outcome, or is outside the age limits. Name others, or another moment"
        )
    rows = pd.Index(journeys.leads["lead_id"]).get_indexer(pd.Index(snapshots["lead_id"]))
    leads = journeys.leads.iloc[rows].reset_index(drop=True)
    features = build_features(journeys, snapshots, bundle.plan)
    acts = match_promotions(
        journeys.events,
        snapshots,
        config.rules.promote,
        list(bundle.policy.thresholds),
        folder=config.folder,
    )
    return _scores(
        bundle,
        leads,
        features,
        config,
        as_of=as_of,
        scored_at=scored_at,
        version=version,
        acts=acts,
        previous=previous,
    )


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
    """Label every lead of a flat table whose label is not known yet; see `score`.

    Parameters
    ----------
    as_of : datetime with a zone
        When the table was made, as it does not say so itself; written as ``cutoff_time``.
    """
    _check_zone(as_of, "as_of")
    _check_zone(scored_at, "scored_at")
    unlabelled = flat.label.isna().to_numpy()
    if not unlabelled.any():
        raise PopulationError(
            f"all {len(flat.leads):,} rows of the flat table have a label already, so nobody is left to score; "
            "give a table of new leads, with the label empty or left out"
        )
    rows = np.flatnonzero(unlabelled)
    wanted = _choose(flat.leads["lead_id"].iloc[rows], flat.leads["lead_id"], lead_ids)
    rows = rows[wanted]
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
    if config.rules.promote:
        raise ConfigError("rules.promote needs events, and a flat table has none; leave it out")
    nothing = np.zeros(len(rows), dtype=np.int64), np.full(len(rows), None, dtype=object)
    return _scores(
        bundle,
        part.leads,
        features,
        config,
        as_of=as_of,
        scored_at=scored_at,
        version=version,
        acts=nothing,
        previous=previous,
    )


def count_older(bundle: Bundle, journeys: Journeys, scores: pd.DataFrame, as_of: dt.datetime) -> int:
    """How many scored leads are over a week older than any age the version learned from.

    Nothing was learned of such leads: who is still open then differs from who was. 0 for a calendar grid, which
    looks at leads of every age within the limits.
    """
    ages = problem_of(bundle).snapshots.ages
    if ages is None:
        return 0
    born = journeys.leads.set_index("lead_id")["created_at"].loc[scores["lead_id"]]
    oldest = pd.Timedelta(max(ages), "us") + pd.Timedelta(7, "D")
    return int(((pd.Timestamp(as_of) - born) > oldest).sum())


def problem_of(bundle: Bundle) -> Problem:
    """The problem that a version learned to solve, which says who is open.

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


def _check_zone(instant: dt.datetime, name: str) -> None:
    if instant.utcoffset() is None:
        raise ContractError(
            f"{name} must have a time zone; found {instant.isoformat()!r}. Add one, as +00:00"
        )


def _span(journeys: Journeys, zone: str) -> str:
    created = journeys.leads["created_at"]
    if len(created) == 0:
        return "there are no leads"
    first, last = created.min().to_pydatetime(), created.max().to_pydatetime()
    return f"leads were created from {format_instant(first, zone)} to {format_instant(last, zone)}"


def _choose(candidates: pd.Series, known: pd.Series, lead_ids: Collection[int | str] | None) -> Mask:
    """Which of the candidates are asked for; an id that no lead has is an error."""
    if lead_ids is None:
        return np.ones(len(candidates), dtype=bool)
    asked = pd.Series(list(lead_ids), dtype="object").map(lambda value: str(value).strip())
    unknown = asked[~asked.isin(set(known.astype("str")))]
    if len(unknown):
        shown = ", ".join(map(repr, unknown.unique()[:5])) + (", …" if unknown.nunique() > 5 else "")
        raise ContractError(
            f"every lead to score must be in the data; {unknown.nunique()} of {asked.nunique()} are not: {shown}. "
            "Leave them out, or bring their rows"
        )
    chosen: Mask = candidates.astype("str").isin(set(asked)).to_numpy()
    return chosen


def _scores(
    bundle: Bundle,
    leads: pd.DataFrame,
    features: pd.DataFrame,
    config: Config,
    *,
    as_of: dt.datetime,
    scored_at: dt.datetime,
    version: Version | None,
    acts: tuple[Ints, Objects],
    previous: pd.DataFrame | None,
) -> pd.DataFrame:
    raw = bundle.scorer.decision_function(features)
    probability = bundle.calibrator.predict_proba(raw)[:, 1]
    turned_away = match_rules(leads, config.rules, folder=config.folder, email=config.profile.email)
    labelled = label_leads(
        bundle.policy,
        probability,
        _gate_inputs(bundle, leads, features),
        acts=acts,
        last=last_labels(NOTHING_BEFORE if previous is None else previous, leads["lead_id"], as_of),
        turned_away=turned_away,
        now=to_microseconds(as_of),
    )

    n = len(leads)
    table = pd.DataFrame(
        {
            "lead_id": leads["lead_id"],
            "cutoff_time": pd.Series([pd.Timestamp(as_of)] * n, dtype=TIME_DTYPE),
            "probability": probability,
            "raw_score": raw,
            "score": np.round(percentile(probability, bundle.reference), 1),
            "label": pd.Series(labelled.label, dtype="str"),
            "label_reason": pd.Series(labelled.reason, dtype="str"),
            **explain_scores(bundle, features),
            "model_name": pd.Series([bundle.name] * n, dtype="str"),
            "model_version": pd.Series([version.version if version else None] * n, dtype="Int64"),
            "run_id": pd.Series([version.run_id if version else None] * n, dtype="str"),
            "scored_at": pd.Series([pd.Timestamp(scored_at)] * n, dtype=TIME_DTYPE),
            "label_since": microseconds_to_column(labelled.since),
        }
    )
    table = table.sort_values(["raw_score", "lead_id"], ascending=[False, True], ignore_index=True)
    return table[list(SCORE_COLUMNS)]


def _gate_inputs(bundle: Bundle, leads: pd.DataFrame, features: pd.DataFrame) -> GateInputs:
    """What besides the probability decides the labels; fit and engagement only where a label has a gate."""
    teams = team_values(leads, bundle.policy)
    if not bundle.policy.gated:
        return GateInputs(teams)
    points = interest_points(bundle.scorer, features, [feature.family for feature in bundle.plan.features])
    return GateInputs(teams, fit=points[:, 0], engagement=points[:, 1])
