"""Console text of the short commands, and what the texts of all commands share."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

from mqlml.evaluation import Estimate
from mqlml.journeys.quarantine import Notice
from mqlml.render.draft_results import InitResult
from mqlml.render.report.text import format_leak_test, format_notice
from mqlml.render.results import (
    CheckResult,
    DataNeed,
    DemoResult,
    ReportResult,
    ScoreCheckResult,
    ScoreResult,
    TableResult,
)
from mqlml.texts import format_label, format_number, format_percent, format_signed, pluralize
from mqlml.times import format_instant, parse_instant
from mqlml.training import ColumnQuestion, Finding, Population

__all__ = [
    "columns",
    "format_check",
    "format_demo",
    "format_init",
    "format_report",
    "format_score",
    "format_score_check",
    "format_table",
    "four_digits",
    "local_day",
    "local_moment",
    "ranged",
]


def local_moment(text: str, zone: str | None) -> str:
    """Show a result's time, which is in UTC, in the config's zone; without a zone, a place in an order as it is."""
    return text if zone is None else format_instant(parse_instant(text, "UTC"), zone)


def local_day(text: str, zone: str | None) -> str:
    """The date of `local_moment`."""
    return text if zone is None else local_moment(text, zone)[:10]


def columns(rows: Iterable[tuple[str, ...]]) -> list[str]:
    """Rows of text as aligned lines; the first column to the left, the others to the right."""
    rows = list(rows)
    widths = [max(len(row[at]) for row in rows) for at in range(len(rows[0]))] if rows else []
    return [
        "  "
        + "  ".join(
            text.ljust(width) if at == 0 else text.rjust(width)
            for at, (text, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    ]


def four_digits(estimate: Estimate | None) -> str:
    """The value of an estimate without its interval, or a dash."""
    return "-" if estimate is None else f"{estimate.value:.4f}"


def ranged(estimate: Estimate | None, digits: int = 3, *, signed: bool = False) -> str:
    """``0.701 (0.650 to 0.752)``, or a dash for what could not be measured."""
    if estimate is None:
        return "-"
    value, low, high = (
        format_signed(number, digits) if signed else f"{number:.{digits}f}".replace("-", "−")
        for number in (estimate.value, estimate.low, estimate.high)
    )
    return value if math.isnan(estimate.low) else f"{value} ({low} to {high})"


_KINDS = {"action": "event type", "feature": "feature"}
_LEAK_ACTIONS = ("refused", "forced", "noted")
_FORCED_BY = {
    "column": "a refused column all the same: profile: {force: {COLUMN",
    "action": "a refused event type all the same: features: {force: {EVENT TYPE",
}


def _leaks(leaks: Sequence[Finding]) -> list[str]:
    if not leaks:
        return []
    counts = [(sum(leak.action == action for leak in leaks), action) for action in _LEAK_ACTIONS]
    found = ", ".join(f"{n:,} {action}" for n, action in counts if n)
    lines = [f"Warning: some of the data appears to be filled in with the outcome or after it: {found}"]
    for leak in leaks:
        kind = "" if leak.kind == "column" else f"{_KINDS[leak.kind]} "
        lines.append(f"  {kind}{leak.column} ({leak.action}, {leak.severity}): {leak.reason}")
    refused = {leak.kind for leak in leaks if leak.action == "refused"}
    for kind in sorted(refused & set(_FORCED_BY), reverse=True):
        lines.append(f"  To keep {_FORCED_BY[kind]}: why it is known at the cutoff}}}}")
    return lines


def _questions(questions: Sequence[ColumnQuestion]) -> list[str]:
    if not questions:
        return []
    return ["Please check", *(f"  {asked.column}: {asked.text}" for asked in questions)]


def _waterfall(population: Population) -> list[str]:
    rows = [("", "snapshots", "leads")]
    rows += [(step.step, f"{step.snapshots:,}", f"{step.leads:,}") for step in population.waterfall]
    return columns(rows)


def format_check(result: CheckResult) -> str:
    """What ``mqlml check`` prints."""
    lines = _read(result)
    population = result.population
    lines += ["Population", *_waterfall(population)]
    if result.observed_until is not None:
        lines.append(f"Outcomes are complete until {local_moment(result.observed_until, result.timezone)}")
    lines.append(
        f"Conversions: {population.positives:,} of {population.snapshots:,} snapshots, "
        f"{format_percent(population.base_rate, 1)}"
    )
    rows = [("", "snapshots", "convert", "share")]
    rows += [
        (period.period, f"{period.snapshots:,}", f"{period.positives:,}", format_percent(period.rate, 1))
        for period in result.base_rate
    ]
    lines += columns(rows)
    holdout = result.holdout
    zone = None if result.observed_until is None else result.timezone
    since, until = (local_moment(end, zone) for end in (holdout.start, holdout.until))
    lines.append(f"Held out: {holdout.n:,} snapshots from {since} until {until}")
    lines += [*_leaks(result.leaks), *_questions(result.questions), format_leak_test(result.leak_test)]
    if result.left_out:
        lines.append("Left out")
        lines += [f"  {entry.column}: {entry.reason}" for entry in result.left_out]
    lines.append(f"Features: {result.features:,}")
    lines += [f"Note: {warning.text}" for warning in result.warnings.data]
    lines += [f"Note: {warning}" for warning in result.warnings.config]
    lines.append(_enough(result.enough))
    return "\n".join(lines)


def _read(result: CheckResult) -> list[str]:
    lines = ["Read"]
    lines += columns(
        (name, f"{table.rows:,} rows", f"{table.quarantined:,} set aside")
        for name, table in result.tables.items()
    )
    for group in result.quarantine:
        column = f".{group.column}" if group.column else ""
        value = "" if group.first_value is None else f": {group.first_value!r}"
        lines.append(
            f"  {group.table}{column}: {group.rows:,} × {group.reason} "
            f"(first in row {group.first_row:,}{value})"
        )
    return [*lines, *_notices(result.notices)]


def _notices(notices: Sequence[Notice]) -> list[str]:
    return [f"  {format_notice(notice)}" for notice in notices]


def _enough(need: DataNeed) -> str:
    return (
        f"Enough data: {'yes' if need.enough else 'no'}; {need.positives_to_learn_from:,} conversions to "
        f"learn from (at least {need.needed:,} needed) and {need.positives_to_evaluate_on:,} to evaluate on"
    )


def format_table(result: TableResult) -> str:
    """What ``mqlml table`` prints."""
    return (
        f"{result.out}: {result.rows:,} snapshots, {result.positives:,} of them convert, "
        f"{result.features:,} features" + (f", made in {result.parts:,} parts" if result.parts > 1 else "")
    )


def format_score(result: ScoreResult) -> str:
    """What ``mqlml score`` prints."""
    labels = ", ".join(f"{n:,} {format_label(name)}" for name, n in result.labels.items())
    moment = local_moment(result.as_of, result.timezone)
    lines = [f"{result.out}: {result.leads:,} open leads as of {moment}: {labels or 'none'}"]
    if result.skipped:
        reasons = ", ".join(f"{n:,} {reason}" for reason, n in result.skipped.items())
        lines.append(f"Not scored: {reasons}")
    if result.changed_labels:
        lines.append(f"Label changed: {result.changed_labels:,}")
    if result.older_than_learned:
        lines.append(
            f"Note: {result.older_than_learned:,} of them are over a week older than any age this version learned "
            "from; narrow problem.age_limits, or learn from older ages too (problem.snapshots)"
        )
    if result.accounts is not None:
        found = result.accounts
        without = pluralize(found.leads_without_account, "open lead")
        lines.append(
            f"{found.out}: {pluralize(found.accounts, 'account')}, {format_number(found.expected, 1)} of which are "
            f"expected to convert"
            + (f"; {without} without an account" if found.leads_without_account else "")
        )
    return "\n".join(lines)


def format_score_check(result: ScoreCheckResult) -> str:
    """What ``mqlml score --check`` prints."""
    moment = local_moment(result.as_of, result.timezone)
    newest = "nothing is known yet"
    if result.newest_fact is not None:
        last = local_moment(result.newest_fact, result.timezone)
        newest = f"the newest fact is of {last}, {pluralize(result.hours_old or 0.0, 'hour')} before"
    return (
        f"Ready: {result.model} version {result.version} would score {result.leads:,} open leads as of {moment} into "
        f"{result.out}; {newest}"
    )


def format_report(result: ReportResult) -> str:
    """What ``mqlml report`` prints."""
    tables = f", and {pluralize(len(result.tables), 'table')} as CSV" if result.tables else ""
    return f"{result.out}: {result.model} version {result.version}{tables}"


def format_init(result: InitResult) -> str:
    """What ``mqlml init`` prints: what each file was taken for, and what is left to settle."""
    lines = [
        f"{found.table.capitalize():<9} {pluralize(found.rows, 'row')} of {found.file}"
        + (f", leads by column {found.lead_id!r}" if found.lead_id is not None else "")
        for found in result.tables
    ]
    if result.wins is not None and result.leads is not None:
        lines.append(f"Wins      {result.wins:,} among {pluralize(result.leads, 'lead')}")
    lines += [f"{'Check':<9} {text}" for text in result.to_check]
    lines.append(f"Next      read {result.config}, settle what says CHECK, and run mqlml check --config FILE")
    return "\n".join(lines)


def format_demo(result: DemoResult) -> str:
    """The five lines that ``mqlml demo`` ends with."""
    auc = result.roc_auc
    labels = ", ".join(f"{n:,} {format_label(name)}" for name, n in result.labels.items())
    return "\n".join(
        [
            f"Journeys  {result.leads:,} simulated leads and {result.events:,} events in {result.data}",
            f"Model     {result.model} version {result.version}, ROC AUC {auc.value:.2f} "
            f"({auc.low:.2f} to {auc.high:.2f}) on the held-out last period, stored in {result.store}",
            f"Scores    {labels} in {result.scores}",
            f"Report    {result.report} (open it in a browser)",
            f"Next      put your own files into {result.config}, then run mqlml check --config {result.config}",
        ]
    )
