"""``monitor``: read what a version scored and what has happened since, and decide whether it still holds."""

from __future__ import annotations

import datetime as dt
import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from mqlml.commands.check import read_data
from mqlml.commands.inputs import find_cutoff, find_store, load_model
from mqlml.config import Config, Problem, read_config
from mqlml.errors import PopulationError, UsageError
from mqlml.evaluation.holdout import RANDOM_STATE
from mqlml.journeys import Journeys
from mqlml.monitoring import MonitorResult, ScoredPeriod, ScoredSnapshots, decide, known_by, match_scores
from mqlml.monitoring.drift import InputDrift, Volume, measure_drift
from mqlml.monitoring.estimated import estimate_performance
from mqlml.monitoring.evidence import (
    Evidence,
    Stream,
    combine_streams,
    conversion_streams,
    gone_streams,
    new_category_streams,
)
from mqlml.monitoring.feedback import measure_feedback
from mqlml.monitoring.inputs import (
    REFERENCE_WEEKS,
    count_new_words,
    count_signals,
    make_reference_sample,
    sample_runs,
    watched_signals,
)
from mqlml.monitoring.realized import measure_realized
from mqlml.monitoring.snapshots import WEEK
from mqlml.monitoring.verdict import VERDICTS
from mqlml.progress import Progress
from mqlml.registry import Bundle, Version, log_metrics
from mqlml.scoring import problem_of
from mqlml.scoring.batch import ScoringRun, find_last, score_open
from mqlml.scoring.explain import Explainer
from mqlml.scoring.stored import read_stored_scores
from mqlml.times import (
    column_to_microseconds,
    format_instant,
    from_microseconds,
    parse_instant,
    to_microseconds,
)
from mqlml.training import open_leads
from mqlml.training.snapshots import creation_times
from mqlml.types import Floats, Ints, Mask, Micros

__all__ = ["MonitorOptions", "monitor_version"]

_AGAIN = "the version"


@dataclass(frozen=True)
class MonitorOptions:
    """What may differ from the usual run.

    Attributes
    ----------
    model : ``NAME@ALIAS`` or ``NAME@NUMBER``; the champion if None.
    scores : stored scores: files, a folder, a pattern or the URL of a database; if None, the version scores the open
        leads of each week since its training again, from what was known then.
    table : the table of scores in a database.
    """

    model: str | None = None
    scores: str | None = None
    table: str | None = None


@dataclass(frozen=True)
class _Watched:
    """A version, the data as known at a moment, and the version's weekly snapshots."""

    bundle: Bundle
    config: Config
    problem: Problem
    journeys: Journeys
    moment: dt.datetime
    trained_until: dt.datetime
    snapshots: ScoredSnapshots

    @property
    def points(self) -> Micros:
        """The runs, then each week until the moment of monitoring, and that moment."""
        runs, end = self.snapshots.runs, to_microseconds(self.moment)
        later = np.arange(runs[-1] + WEEK, end, WEEK, dtype=np.int64)
        return np.unique(np.concatenate([runs, later, [end]]))

    @property
    def levels(self) -> list[str]:
        """The version's labels, lowest first."""
        return list(self.bundle.policy.thresholds)

    def at_least(self, table: pd.DataFrame) -> dict[str, Mask]:
        """Who has each label or a higher one."""
        level = table["label"].map({name: n for n, name in enumerate(self.levels)}).fillna(-1).to_numpy()
        return {name: level >= number for number, name in enumerate(self.levels)}


def monitor_version(
    config_path: str | Path,
    *,
    as_of: str | None,
    options: MonitorOptions | None = None,
    now: dt.datetime,
    progress: Progress,
) -> MonitorResult:
    """Whether a version still holds, from its scores and the outcomes known at a moment.

    The figures go into the version's MLflow run, as metrics of that date.

    Parameters
    ----------
    as_of : ISO date or time; nothing that was recorded at or after it counts.
    options : MonitorOptions, optional

    Raises
    ------
    UsageError
        If the date is missing or lies before the end of the training's data, or the data is a flat table.
    SourceError
        If the scores cannot be read, or are not of this version, these leads or this time.
    """
    options = options or MonitorOptions()
    config = read_config(config_path)
    moment = find_cutoff(config, as_of, command="monitor", now=now)
    with progress.step("load"):
        bundle, version = load_model(config, options.model)
    trained_until = _trained_until(bundle, moment)
    data = read_data(config, progress, now=now)
    if not isinstance(data, Journeys):
        raise UsageError("monitor needs dated leads and outcomes; the config names one flat table")
    journeys = known_by(data, moment)
    with progress.step("scores"):
        if options.scores is None:
            scores = _score_again(bundle, journeys, config, trained_until, moment, progress)
        else:
            scores = read_stored_scores(
                options.scores, until=moment, model=bundle.name, version=version.version, table=options.table
            )
    snapshots = match_scores(scores, journeys, problem_of(bundle), trained_until=trained_until)
    watched = _Watched(bundle, config, problem_of(bundle), journeys, moment, trained_until, snapshots)
    source = _AGAIN if options.scores is None else options.scores.rpartition("@")[2]
    result = _evaluate(watched, version, scores, source, progress)
    with progress.step("register"):
        step = (moment - trained_until).days
        log_metrics(find_store(config), version, _metrics(result), at=moment, step=step)
    return result


def _trained_until(bundle: Bundle, moment: dt.datetime) -> dt.datetime:
    """The end of the outcomes that the version learned from."""
    known = bundle.result.data.observed_until
    if known is None:
        raise UsageError("monitor needs a version that was trained on dated leads; this one knows no dates")
    end = parse_instant(known, "UTC")
    if moment <= end:
        raise UsageError(
            f"--as-of must be later than the data that the version learned from, which ends {format_instant(end)}; "
            f"found {format_instant(moment)}. Name a later date"
        )
    return end


def _score_again(
    bundle: Bundle,
    journeys: Journeys,
    config: Config,
    trained_until: dt.datetime,
    moment: dt.datetime,
    progress: Progress,
) -> pd.DataFrame:
    """The open leads of each week since the training, as the version would have scored them then."""
    start, end = to_microseconds(trained_until), to_microseconds(moment)
    weeks = [from_microseconds(at) for at in range(start, end + 1, WEEK)]
    found: list[pd.DataFrame] = []
    explainer = Explainer(bundle)
    for week in progress.track(weeks, "scoring again"):
        snapshots = open_leads(journeys, week, problem_of(bundle))
        if snapshots.empty:
            continue
        previous = pd.concat(found, ignore_index=True) if found else None
        run = ScoringRun(config, week, week, previous=previous)
        last = find_last(run, snapshots["lead_id"])
        scores = score_open(explainer, journeys, snapshots, last, run)
        found.append(scores.assign(lead_id=scores["lead_id"].astype("str")))
    if not found:
        raise PopulationError(
            f"no lead was open on any of {len(weeks)} weekly dates since {format_instant(trained_until)}; bring data "
            "of that time, or name stored scores with --scores"
        )
    return pd.concat(found, ignore_index=True)


def _evaluate(
    watched: _Watched, version: Version, scores: pd.DataFrame, source: str, progress: Progress
) -> MonitorResult:
    bundle, snapshots = watched.bundle, watched.snapshots
    with progress.step("inputs"):
        inputs, evidence = _inputs_and_evidence(watched, progress)
    with progress.step("performance"):
        mature, latest = snapshots.mature, snapshots.latest
        open_now = latest[~latest["mature"]]
        estimated = estimate_performance(
            open_now["probability"].to_numpy(), watched.at_least(open_now), random_state=RANDOM_STATE
        )
        realized = measure_realized(
            mature["converted"].to_numpy(np.float64),
            mature["probability"].to_numpy(),
            mature["cluster"].to_numpy(),
            {str(name): (mature["label"] == name).to_numpy() for name in _given(mature, watched.levels)},
            base_rate=bundle.result.population.base_rate,
            random_state=RANDOM_STATE,
        )
    verdict, reasons = decide(evidence, realized)
    return MonitorResult(
        model=bundle.name,
        version=version.version,
        run_id=version.run_id,
        as_of=format_instant(watched.moment),
        timezone=watched.config.data.timezone,
        verdict=verdict,
        reasons=reasons,
        evidence=evidence,
        scored=ScoredPeriod(
            source=source,
            first=format_instant(from_microseconds(int(snapshots.runs[0]))),
            last=format_instant(from_microseconds(int(snapshots.runs[-1]))),
            runs=len(snapshots.runs),
            snapshots=len(snapshots.table),
            mature=len(mature),
            first_known=format_instant(
                from_microseconds(int(snapshots.runs[0]) + watched.problem.gap + watched.problem.horizon)
            ),
            unknown_leads=snapshots.unknown,
            learned_from=snapshots.learned,
            converted_before=snapshots.late,
        ),
        inputs=inputs,
        estimated=estimated,
        realized=realized,
        roc_auc_before=bundle.result.holdout.roc_auc,
        feedback=measure_feedback(
            scores, watched.journeys, watched.levels, soon=watched.config.monitoring.soon
        ),
    )


def _given(table: pd.DataFrame, levels: list[str]) -> list[str]:
    """The labels that were given, those without a level first."""
    found = set(table["label"])
    return [*sorted(found - set(levels)), *(name for name in levels if name in found)]


def _inputs_and_evidence(watched: _Watched, progress: Progress) -> tuple[InputDrift, Evidence]:
    bundle, journeys, table = watched.bundle, watched.journeys, watched.snapshots.table
    signals = watched_signals(bundle.plan, bundle.scorer.encoder_.levels_)
    rules = watched.config.monitoring
    reference = make_reference_sample(
        journeys,
        watched.problem,
        bundle.plan,
        signals,
        until=watched.trained_until,
        random_state=RANDOM_STATE,
    )
    runs = [run for _, run in table.groupby("run", sort=True)]

    samples = list(
        sample_runs(journeys, bundle.plan, signals, runs, random_state=RANDOM_STATE, track=progress.track)
    )
    counts, before = count_signals(samples, signals), count_signals([reference.sample], signals)
    words = count_new_words(journeys, runs, until=watched.trained_until)
    padded = len(watched.points) - len(runs)

    def pad(values: dict[str, Floats]) -> dict[str, Floats]:
        return {name: np.append(some, np.zeros(padded)) for name, some in values.items()}

    unknown = {**counts.unknown, **{name: some for name, (some, _) in words.items()}}
    counted = {**counts.counted, **{name: of for name, (_, of) in words.items()}}
    none_before = {name: (0, len(reference.sample.table)) for name in words}
    streams = [
        *_conversions(watched),
        *gone_streams(pad(counts.present), pad(counts.counted), before.totals(before.present)),
        *new_category_streams(pad(unknown), pad(counted), {**before.totals(before.unknown), **none_before}),
    ]
    evidence = combine_streams(
        streams,
        [format_instant(from_microseconds(int(point))) for point in watched.points],
        alarm=rules.alarm,
        tolerance=rules.tolerance,
    )
    raw = bundle.scorer.decision_function(reference.features)
    inputs = measure_drift(
        signals,
        reference.sample,
        samples[-1],
        scores=(
            bundle.calibrator.predict_proba(raw)[:, 1],
            watched.snapshots.latest["probability"].to_numpy(),
        ),
        volume=_volume(watched),
    )
    return inputs, evidence


def _conversions(watched: _Watched) -> list[Stream]:
    """Bets on the mature first snapshots of the leads."""
    table = watched.snapshots.mature
    table = table[table["first"]]
    matured = column_to_microseconds(table["cutoff_time"]) + watched.problem.gap + watched.problem.horizon
    at: Ints = np.searchsorted(watched.points, matured).astype(np.int64)
    return conversion_streams(
        table["probability"].to_numpy(),
        table["converted"].to_numpy(np.float64),
        at,
        len(watched.points),
        tolerance=watched.config.monitoring.tolerance,
        base_rate=watched.bundle.result.population.base_rate,
    )


def _volume(watched: _Watched) -> Volume:
    created = creation_times(watched.journeys.leads)
    end = to_microseconds(watched.trained_until)
    last = int(watched.snapshots.runs[-1])
    # The week that ends with the data of the training, and those before it.
    weeks = np.bincount(((end - created[created <= end]) // WEEK).clip(max=REFERENCE_WEEKS))
    before = np.append(weeks, np.zeros(REFERENCE_WEEKS))[:REFERENCE_WEEKS]
    return Volume(
        open_leads=len(watched.snapshots.latest),
        new_leads=int(((created > last - WEEK) & (created <= last)).sum()),
        new_leads_before=float(before.mean()),
        low=float(before.min()),
        high=float(before.max()),
    )


def _metrics(result: MonitorResult) -> dict[str, float]:
    """What MLflow shows over time; what is not measured yet is left out."""
    found: dict[str, float | None] = {
        "monitor/verdict": VERDICTS.index(result.verdict),
        "monitor/evidence": min(result.evidence.value, 1e12),
        "monitor/recent_break": min(result.evidence.recent, 1e12),
        "monitor/score_stability": result.inputs.score.stability.value,
        "monitor/open_leads": result.inputs.volume.open_leads,
        "monitor/new_leads": result.inputs.volume.new_leads,
    }
    if result.estimated is not None:
        found["monitor/expected_conversions"] = result.estimated.conversions.value
        found["monitor/expected_roc_auc"] = result.estimated.roc_auc.value
    if result.realized is not None:
        found["monitor/predicted"] = result.realized.total.predicted
        found["monitor/observed"] = result.realized.total.observed
        if result.realized.metrics is not None:
            found["monitor/roc_auc"] = result.realized.metrics.roc_auc.value
            found["monitor/log_loss"] = result.realized.metrics.log_loss.value
    return {key: float(value) for key, value in found.items() if value is not None and math.isfinite(value)}
