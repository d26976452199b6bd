"""What each command returns: one typed result, which is printed as JSON or as text."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, Literal

from pydantic import Field

from mqlml.evaluation import TrainingResult
from mqlml.evaluation.ageing import Ageing
from mqlml.evaluation.bootstrap import Estimate
from mqlml.evaluation.periods import FoldEvaluation, PeriodEvaluation
from mqlml.features import Family
from mqlml.features.catalogue import Unit
from mqlml.insight import Attribution, Explanation, JourneyPaths, Personas, PointsTable, Sources
from mqlml.journeys.quarantine import Notice, QuarantineGroup, TableCount
from mqlml.results import Number, Result
from mqlml.training import (
    ColumnQuestion,
    DataWarning,
    Finding,
    HoldoutPeriod,
    LeftOut,
    PerturbationTest,
    Population,
)

__all__ = [
    "AccountsWritten",
    "AttributeResult",
    "BacktestPeriod",
    "BacktestResult",
    "BaseRatePeriod",
    "CatalogEntry",
    "CheckResult",
    "CheckWarnings",
    "ClosedPeriod",
    "DataNeed",
    "DemoResult",
    "ExplainResult",
    "FeaturesResult",
    "LearnedFrom",
    "NoFeature",
    "PathsResult",
    "PersonasResult",
    "PointsResult",
    "ReportResult",
    "ScoreCheckResult",
    "ScoreResult",
    "SourcesResult",
    "TableResult",
    "TrainedVersion",
]


@dataclass(frozen=True)
class BaseRatePeriod(Result):
    """How many snapshots of one month, or of one tenth of a flat table's order, convert."""

    period: str
    """The month, as ``2026-01``, or the name of the tenth."""
    snapshots: int
    """Snapshots in it."""
    positives: int
    """Snapshots followed by a conversion."""
    rate: float
    """The share of these, between 0 and 1."""


@dataclass(frozen=True)
class DataNeed(Result):
    """How much there is to learn from and to evaluate on, against how much is needed."""

    positives_to_learn_from: int
    """Conversions before the held-out period."""
    positives_to_evaluate_on: int
    """Conversions in it."""
    needed: int
    """``gate.min_positives``: conversions to learn from, at least."""
    enough: bool
    """Whether there are as many."""
    purged_from_learning: int
    """Earlier snapshots left out because their lead or account is in the held-out period, too."""


@dataclass(frozen=True)
class CheckWarnings(Result):
    """What to read before a model is trained."""

    data: tuple[DataWarning, ...] = ()
    """What the data as a whole gives reason to doubt."""
    config: tuple[str, ...] = ()
    """Settings of the config that have no effect or need care, as sentences for people."""


@dataclass(frozen=True, kw_only=True)
class CheckResult(Result):
    """What a config and its data are good for."""

    tables: dict[str, TableCount]
    """Rows read and quarantined, by table."""
    quarantine: tuple[QuarantineGroup, ...]
    """What was quarantined, by table, column and reason."""
    population: Population
    """Whom a model would learn from."""
    observed_until: str | None
    """ISO time up to which outcomes are complete; None for a flat table."""
    timezone: str
    """``data.timezone``, in which times are shown to people."""
    holdout: HoldoutPeriod
    """The last period, which training holds out."""
    base_rate: tuple[BaseRatePeriod, ...]
    """The share that converts over time, earliest first."""
    leaks: tuple[Finding, ...]
    """What the leakage audit found."""
    questions: tuple[ColumnQuestion, ...] = ()
    """Columns that carry most of the skill, to be confirmed as known at the cutoff."""
    leak_test: PerturbationTest | None
    """The perturbation test against leaks; None for a flat table, which has no times."""
    notices: tuple[Notice, ...] = ()
    """What was changed or found while the tables were read."""
    warnings: CheckWarnings = CheckWarnings()
    """What the data and the config give reason to doubt."""
    features: int
    """Features that a model would get."""
    left_out: tuple[LeftOut, ...]
    """Columns that are not features, without the refused ones."""
    enough: DataNeed
    """Whether the data is enough."""


@dataclass(frozen=True)
class CatalogEntry(Result):
    """One feature."""

    name: str
    """``family__what__aggregate__window``; the window is left out where it does not apply."""
    family: Family
    """The family it belongs to."""
    what: str
    """What is counted or known, as ``demo_request``."""
    aggregate: str
    """What of it, as ``count`` or ``days_since``."""
    signal: tuple[str, str]
    """The signal it belongs to: family, and the thing that is counted or known."""
    sentence: str
    """What it says, for a marketer."""
    kind: Literal["number", "category"]
    """What its values are."""
    unit: Unit
    """What a value is measured in."""
    window: str | None
    """The lookback window, as ``7d`` or ``all``; None where it does not apply."""
    source: tuple[str, ...]
    """The columns it is made from, as ``events.action``."""
    words: tuple[str, ...]
    """The source's own spelling of the parts of the name, where it differs."""


@dataclass(frozen=True)
class NoFeature(Result):
    """What is not a feature, and why."""

    what: str
    """A column, or a group of features that is switched off."""
    reason: str
    """Why, as a sentence for people."""


@dataclass(frozen=True, kw_only=True)
class FeaturesResult(Result):
    """The catalog of a config and its data, or of a version."""

    model: str
    """The model's name."""
    version: int | None
    """The version; None where the features are those of a config."""
    features: tuple[CatalogEntry, ...]
    """Every feature, in the order of the training table's columns."""
    left_out: tuple[NoFeature, ...]
    """What is not a feature."""
    config_warnings: tuple[str, ...] = ()
    """Settings of the config that have no effect or need care, as sentences for people; empty for a version."""


@dataclass(frozen=True, kw_only=True)
class TableResult(Result):
    """A training table that was written."""

    out: str
    """The file or folder."""
    rows: int
    """Snapshots, one a row."""
    positives: int
    """Snapshots followed by a conversion."""
    features: int
    """Columns beside ``lead_id``, ``cutoff_time`` and ``label``."""
    parts: int
    """Into how many parts it was cut to fit in memory; 1 where it was made in one piece."""


@dataclass(frozen=True)
class ClosedPeriod(HoldoutPeriod):
    """The held-out period of a training."""

    accessed: bool
    """Whether it was used; a backtest never uses it."""


@dataclass(frozen=True)
class LearnedFrom(Result):
    """What the model of one period learned from."""

    start: Annotated[str, Field(alias="from")]
    """ISO time of the first cutoff; its place in the order, where a flat table's order is no time."""
    until: str
    """The last cutoff, likewise."""
    n: int
    """Snapshots."""
    positives: int
    """Snapshots followed by a conversion."""
    purged: int
    """Earlier snapshots left out because their lead or account is in the period, too."""
    parts: int
    """Models that share the work so that none predicts an account it learned from; 1 where one can."""


@dataclass(frozen=True, kw_only=True)
class BacktestPeriod(FoldEvaluation):
    """One period of the past, predicted by a model that learned from what was known when it began."""

    start: Annotated[str, Field(alias="from")]
    """ISO time of the first cutoff; its place in the order, where a flat table's order is no time."""
    until: str
    """The last cutoff, likewise."""
    learned_from: LearnedFrom
    """What its model learned from."""


@dataclass(frozen=True, kw_only=True)
class BacktestResult(Result):
    """The past, period by period."""

    model: str
    """The model's name."""
    timezone: str
    """``data.timezone``, in which times are shown to people."""
    dated: bool
    """Whether periods begin and end at times, rather than at places in a flat table's order."""
    held_out: ClosedPeriod
    """The last period, which was not used."""
    periods: tuple[BacktestPeriod, ...]
    """Each period before it, earliest first."""
    together: PeriodEvaluation
    """All of them together."""
    ageing: Ageing | None
    """What age costs a model; None where no model could predict a later period."""
    advice: str
    """How a model ages and when to retrain, as sentences for people."""


@dataclass(frozen=True)
class AccountsWritten(Result):
    """The accounts that ``score --accounts`` wrote."""

    out: str
    """The file."""
    accounts: int
    """Accounts with an open lead, one a row."""
    leads_without_account: int
    """Open leads without an account, which are in no row."""
    expected: Number
    """Accounts to expect of which a lead converts: the sum of their probabilities."""


@dataclass(frozen=True, kw_only=True)
class ScoreResult(Result):
    """Scores that were written."""

    out: str
    """The file, or the database and its table."""
    as_of: str
    """ISO time in UTC at which the leads were scored."""
    timezone: str
    """``data.timezone``, in which times are shown to people."""
    leads: int
    """Open leads, one a row."""
    older_than_learned: int
    """Leads over a week older than any age that the version learned from."""
    labels: dict[str, int]
    """Leads by label, most frequent first."""
    changed_labels: int
    """Leads with another label than the last time they were scored."""
    skipped: dict[str, int]
    """Leads without a score by reason, most frequent first."""
    rows_read: int
    """Rows of all source tables."""
    quarantined: int
    """Those of them that could not be used."""
    parts: int
    """Into how many parts the leads were cut to fit in memory."""
    job_id: str
    """This run, as in ``score_runs``."""
    model: str
    """The model's name."""
    version: int
    """Its version."""
    run_id: str
    """The run that made the version."""
    newest_fact: str | None
    """ISO time in UTC of the last lead created or outcome recorded before ``as_of``; None where there is none."""
    accounts: AccountsWritten | None = None
    """The table of accounts; None without ``--accounts``."""
    seconds: dict[str, float] = field(default_factory=dict)
    """How long each step took."""


@dataclass(frozen=True, kw_only=True)
class ScoreCheckResult(Result):
    """What ``score --check`` found: all that the job needs is there."""

    out: str
    """The file, or the database and its table."""
    as_of: str
    """ISO time in UTC at which leads would be scored."""
    timezone: str
    """``data.timezone``, in which times are shown to people."""
    leads: int
    """Open leads."""
    rows_read: dict[str, int]
    """Rows of leads, outcomes and history, by table; events are not read."""
    quarantined: int
    """Those of them that cannot be used."""
    newest_fact: str | None
    """ISO time in UTC of the last lead created or outcome recorded before ``as_of``; None where there is none."""
    hours_old: float | None
    """Hours from then to ``as_of``."""
    model: str
    """The model's name."""
    version: int
    """Its version."""


@dataclass(frozen=True, kw_only=True)
class ExplainResult(Explanation):
    """One lead explained, and by which version."""

    timezone: str
    """``data.timezone``, in which times are shown to people."""
    model: str
    """The model's name."""
    version: int
    """Its version."""
    run_id: str
    """The run that made the version."""


@dataclass(frozen=True, kw_only=True)
class ReportResult(Result):
    """A report that was written."""

    out: str
    """The page, or the Markdown file."""
    tables: tuple[str, ...]
    """Names of the tables written as CSV; empty without ``--tables``."""
    model: str
    """The model's name."""
    version: int
    """Its version."""
    run_id: str
    """The run that made the version."""


@dataclass(frozen=True, kw_only=True)
class DemoResult(Result):
    """A simulated company, and the result of every step."""

    folder: str
    """Where it all is."""
    config: str
    """The config."""
    data: str
    """The folder of the simulated export."""
    store: str
    """The folder of the versions."""
    leads: int
    """Leads simulated."""
    events: int
    """Their events."""
    model: str
    """The model's name."""
    version: int | None
    """The version that was trained."""
    roc_auc: Estimate
    """On the held-out last period: how often a snapshot that converts is ranked above one that does not."""
    labels: dict[str, int]
    """Leads scored, by label."""
    scores: str
    """The file of the scores."""
    report: str
    """The page about the version."""


@dataclass(frozen=True, kw_only=True)
class TrainedVersion(TrainingResult):
    """The result of a training, and the version it made."""

    version: int | None
    """None for a model that was not registered."""
    run_id: str | None
    """The MLflow run; None where nothing was registered."""
    aliases: tuple[str, ...]
    """The aliases of the version."""
    set_aside_in: tuple[str, ...]
    """Tables of which some rows were quarantined."""
    seconds: dict[str, float] = field(default_factory=dict)
    """By step."""


@dataclass(frozen=True, kw_only=True)
class AttributeResult(Attribution):
    """``attribute``: how sales divide among channels."""

    model: str
    """The config's name."""
    outcome: str
    """The stage that counts as a sale."""


@dataclass(frozen=True, kw_only=True)
class SourcesResult(Sources):
    """``sources``: what a lead is worth, by source."""

    model: str
    """The config's name."""
    outcome: str
    """The stage that makes a customer."""


@dataclass(frozen=True, kw_only=True)
class PathsResult(JourneyPaths):
    """``paths``: which steps in a lead's first days go with a later sale."""

    model: str
    """The config's name."""
    outcome: str
    """The stage that counts as a sale."""


@dataclass(frozen=True, kw_only=True)
class PersonasResult(Personas):
    """``personas``: the kinds of buyers among won leads."""

    model: str
    """The config's name."""
    outcome: str | None
    """The stage that counts as a sale; null for a flat table."""


@dataclass(frozen=True, kw_only=True)
class PointsResult(PointsTable):
    """``points``: a points table for a CRM without a model of its own."""

    model: str
    """The config's name."""
    version: int | None
    """The version that it was distilled from; null without one."""
    out: str | None
    """The file that was written, if any."""
